// Programs of the original that fork beside threads: getInstance() and cleanup() hold no lock that
// a child could find locked. One that hangs is ended by its alarm, which the parent sees. The
// number of forks is the argument.
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "improved_status.h"

static void require(bool condition, const char *what) {
    if (!condition) {
        std::cerr << "not so: " << what << ": " << shmap_last_error() << std::endl;
        std::_Exit(1);
    }
}

// Ends as `work` says, in a child.
template <typename Work> static void in_child(Work work) {
    const pid_t child = fork();
    require(child >= 0, "fork");
    if (child == 0) {
        alarm(120);
        work();
        std::_Exit(0);
    }
    int status = 0;
    require(waitpid(child, &status, 0) == child, "waitpid");
    require(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ends, and well");
}

// Forked while other threads make the one instance, and follow cleanups.
static void beside_threads() {
    std::atomic<bool> over(false);
    std::atomic<int> begun(0);
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; i++) {
        threads.emplace_back([&over, &begun, i] {
            begun++;
            while (!over) {
                StatusRscManager &manager = StatusRscManager::getInstance();
                require(manager.upsertRsc(i, "thread") == OK, "upsert in a thread");
                if (i == 0) StatusRscManager::cleanup();
            }
        });
    }
    while (begun < 3) std::this_thread::yield();
    for (int i = 0; i < 4; i++) {
        in_child([] {
            StatusRscManager &manager = StatusRscManager::getInstance();
            require(manager.upsertRsc(7, "child") == OK && manager.getRsc(7) == "child", "upsert in a child");
            StatusRscManager::cleanup();
            require(StatusRscManager::getInstance().upsertRsc(7, "again") == OK, "upsert after a cleanup");
        });
    }
    over = true;
    for (std::thread &thread : threads) thread.join();
}

int main(int argc, char **argv) {
    const int rounds = argc > 1 ? std::atoi(argv[1]) : 25;
    // Each time in a process that has no instance yet.
    for (int i = 0; i < rounds; i++) in_child(beside_threads);
    StatusRscManager::cleanup();
    std::cout << "ok" << std::endl;
    return 0;
}
