// An agent that publishes its status to all processes of this machine, and a board that shows what all agents published.
//
//   agent work KEY SECONDS   publish a status line under KEY, each 100 ms
//   agent board              show all status lines, and the routes if somebody published them
//   agent publish KEY=VALUE...  publish routes: a dictionary that is replaced as a whole
//
// Kill an agent with SIGKILL, at any moment: the others go on, and its last line stays until somebody removes it.
//
// Build:  g++ -std=c++17 agent.cpp -o agent $(pkg-config --cflags --libs shmap)
// SPDX-License-Identifier: MIT OR Apache-2.0
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>

#include <shmap.hpp>

namespace {

constexpr const char *NAME = "agents"; // in $SHMAP_DIR, or in /dev/shm

// Resident memory of this process in KiB.
long resident() {
    long total = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> total >> resident;
    return resident * sysconf(_SC_PAGESIZE) / 1024;
}

int work(std::int32_t key, double seconds) {
    auto table = shmap::Table::open_or_create(NAME);
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    for (int beat = 1;; ++beat) {
        std::ostringstream line;
        line << "pid " << getpid() << ", beat " << beat << ", " << resident() << " KiB";
        table.upsert(key, line.str());
        if (std::chrono::steady_clock::now() >= end) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return 0;
}

int board() {
    // Read permission is enough; no agent is ever held up by a board.
    const auto table = shmap::Table::open_read_only(NAME);
    for (const auto &[key, line] : table.entries()) std::cout << key << ": " << line << '\n';
    try {
        const auto routes = shmap::Map::open(NAME);
        for (const auto &[key, value] : routes.all()) std::cout << key << " -> " << value << '\n';
    } catch (const shmap::Error &error) {
        if (error.code() != SHMAP_NOT_FOUND) throw; // nobody published any
    }
    return 0;
}

int publish(int count, char **pairs) {
    shmap::Tree tree;
    for (int i = 0; i < count; ++i) {
        const std::string pair = pairs[i];
        const auto equals = pair.find('=');
        if (equals == std::string::npos) throw std::invalid_argument("not KEY=VALUE: " + pair);
        tree.set(pair.substr(0, equals), pair.substr(equals + 1));
    }
    shmap::MapOptions options;
    options.force = true; // over what is there
    std::cout << "edition " << tree.share(NAME, options) << '\n';
    return 0;
}

} // namespace

int main(int count, char **arguments) {
    const std::string command = count > 1 ? arguments[1] : "";
    try {
        if (command == "work" && count == 4) return work(std::atoi(arguments[2]), std::atof(arguments[3]));
        if (command == "board" && count == 2) return board();
        if (command == "publish") return publish(count - 2, arguments + 2);
    } catch (const std::exception &error) { // shmap::Error is one
        std::cerr << "agent: " << error.what() << '\n';
        return 1;
    }
    std::cerr << "usage: agent work KEY SECONDS | board | publish KEY=VALUE...\n";
    return 2;
}
