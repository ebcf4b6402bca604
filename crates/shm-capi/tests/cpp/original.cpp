// A program as a user of the original would have written it. It knows nothing of libshmap.
#include <cassert>
#include <cstdlib>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>

#include "improved_status.h"

static void require(bool condition, const char *what) {
    if (!condition) {
        std::cerr << "not so: " << what << std::endl;
        std::exit(1);
    }
}

class Worker {
public:
    explicit Worker(int id) : id_(id), status_(StatusRscManager::getInstance()) {}
    int start() { return status_.addRsc(id_, "starting"); }
    int report(const std::string &what) { return status_.updateRsc(id_, what); }
    int stop() { return status_.removeRsc(id_); }

private:
    int id_;
    StatusRscManager &status_;
};

static std::string describe(const StatusRscManager &manager, int key) {
    return manager.isContain(key) ? manager.getRsc(key) : "unknown";
}

int main() {
    StatusRscManager &manager = StatusRscManager::getInstance();
    require(&manager == &StatusRscManager::getInstance(), "there is one instance");
    require(manager.clearRsc() == OK, "clear");
    require(manager.rscNum() == 0, "empty");

    require(manager.addRsc(1, "one") == OK, "add");
    require(manager.addRsc(1, "uno") == DUPLICATE_KEY, "add again");
    require(manager.getRsc(1) == "one", "get");
    require(manager.getRsc(2) == "", "get of a missing key");
    require(manager.updateRsc(2, "two") == NOT_FOUND, "update of a missing key");
    require(manager.upsertRsc(2, std::string("two")) == OK, "upsert");
    require(manager.updateRsc(2, "zwei") == OK, "update");
    require(manager.isContain(2) && !manager.isContain(3), "contain");
    require(manager.rscNum() == 2, "two");
    require(manager.removeRsc(3) == NOT_FOUND, "remove of a missing key");
    require(describe(manager, 2) == "zwei" && describe(manager, 3) == "unknown", "describe");

    Worker worker(3325);
    require(worker.start() == OK && worker.report("running") == OK, "worker");
    require(manager.getRsc(3325) == "running", "worker's status");
    require(worker.stop() == OK, "worker stops");

    std::map<int, std::string> values;
    values[1] = "eins";
    values[2] = "deux";
    require(manager.batchUpdateRsc(values) == OK, "batch update");
    values[4711] = "nobody";
    values[1] = "changed";
    require(manager.batchUpdateRsc(values) == NOT_FOUND, "batch update of a missing key");
    require(manager.getRsc(1) == "eins", "a batch that fails changes nothing");

    std::map<int, std::string> wanted;
    wanted[1];
    wanted[2] = "will be overwritten";
    require(manager.batchGetRsc(wanted) == OK, "batch get");
    require(wanted.size() == 2 && wanted[1] == "eins" && wanted[2] == "deux", "batch got");
    wanted[99] = "stale";
    require(manager.batchGetRsc(wanted) == NOT_FOUND && wanted[99].empty(), "batch get of a missing key");

    require(manager.upsertRsc(5, std::string(257, 'x')) == NO_SPACE_ERR, "too long");
    require(manager.upsertRsc(5, std::string(256, 'x')) == OK, "long");
    require(manager.getRsc(5).size() == 256, "whole");
    require(manager.upsertRsc(5, std::string("a\0b", 3)) == OK && manager.getRsc(5).size() == 3, "with a NUL");

    require(manager.clearRsc() == OK, "clear");
    for (int key = 0; key < 1024; ++key) require(manager.addRsc(key * 7919, "x") == OK, "fill");
    require(manager.addRsc(1, "x") == NO_SPACE_ERR, "full");
    require(manager.rscNum() == 1024, "1024 fit");

    // Another object, of this or another process, sees the same.
    {
        StatusRscManager same;
        require(same.rscNum() == 1024 && same.getRsc(7919) == "x", "same table");
        StatusRscManager *heap = new StatusRscManager();
        require(heap->removeRsc(7919) == OK, "remove");
        delete heap;
        StatusRscManager named("another");
        require(named.rscNum() == 0 && named.addRsc(1, "x") == OK, "another table");
    }
    require(manager.rscNum() == 1023, "seen");
    require(StatusRscManager::cleanup("another") == OK, "cleanup of another table");

    require(StatusRscManager::cleanup() == OK, "cleanup");
    require(StatusRscManager::cleanup() == NOT_FOUND, "nothing to clean up");
    require(manager.rscNum() == 1023, "who has it keeps it");
    require(StatusRscManager::getInstance().rscNum() == 0, "the next one is new");
    require(StatusRscManager::cleanup() == OK, "cleanup");

    setenv("SHMAP_DIR", "/no/such/directory", 1);
    bool thrown = false;
    try {
        StatusRscManager nowhere;
    } catch (const std::runtime_error &error) {
        thrown = std::string(error.what()).find("/no/such/directory") != std::string::npos;
    }
    require(thrown, "the constructor throws std::runtime_error");
    std::cout << "ok" << std::endl;
    return 0;
}
