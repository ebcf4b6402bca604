// A program of the original that uses all of its header's constants, in every way that the language
// has.
#include "improved_status.h"

#include <algorithm>
#include <cstring>
#include <iostream>

static_assert(MAX_VALUE_LEN == 256, "the original's");
static_assert(STATUS_MAX_ENTRIES == 1024, "the original's");
static_assert(OK == 0 && NOT_FOUND == -1 && NO_SPACE_ERR == -2 && DUPLICATE_KEY == -3, "the original's");
#if OK != 0 || NOT_FOUND != -1 || NO_SPACE_ERR != -2 || DUPLICATE_KEY != -3
#error "the codes are macros"
#endif

struct Report {
    int keys[STATUS_MAX_ENTRIES];
    char texts[4][MAX_VALUE_LEN];
};

template <int Size> struct Buffer {
    char bytes[Size];
};

enum { LAST_BYTE = MAX_VALUE_LEN - 1 };

static const char *name_of(int code) {
    switch (code) {
    case OK: return "OK";
    case NOT_FOUND: return "NOT_FOUND";
    case NO_SPACE_ERR: return "NO_SPACE_ERR";
    case DUPLICATE_KEY: return "DUPLICATE_KEY";
    default: return "another";
    }
}

static int kind_of(int length) {
    switch (length) {
    case MAX_VALUE_LEN: return 1;
    case STATUS_MAX_ENTRIES: return 2;
    default: return 0;
    }
}

static int failures = 0;

static void require(bool condition, const char *what) {
    if (!condition) {
        std::cerr << "not so: " << what << std::endl;
        failures++;
    }
}

int main() {
    // The original's constants are of type int, and have the name of the global namespace.
    const int &limit = ::MAX_VALUE_LEN;
    const int *entries = &::STATUS_MAX_ENTRIES;
    require(std::min(300, MAX_VALUE_LEN) == limit && std::max(1, STATUS_MAX_ENTRIES) == *entries, "int");
    require(sizeof(Report) == STATUS_MAX_ENTRIES * sizeof(int) + 4 * MAX_VALUE_LEN, "sizes");
    require(sizeof(Buffer<MAX_VALUE_LEN>) == 256 && LAST_BYTE == 255, "template argument, enumerator");
    require(kind_of(256) == 1 && kind_of(1024) == 2 && kind_of(1) == 0, "labels");
    require(std::string(name_of(NOT_FOUND)) == "NOT_FOUND" && std::string(name_of(-5)) == "another", "codes");

    StatusRscManager &manager = StatusRscManager::getInstance();
    require(manager.clearRsc() == OK, "clearRsc");
    for (int i = 0; i < STATUS_MAX_ENTRIES; i++) require(manager.addRsc(i, "x") == OK, "addRsc");
    require(manager.rscNum() == STATUS_MAX_ENTRIES, "rscNum");
    require(manager.upsertRsc(STATUS_MAX_ENTRIES, "x") == NO_SPACE_ERR, "upsertRsc of one too many");
    char text[MAX_VALUE_LEN];
    std::memset(text, 'v', sizeof text);
    require(manager.updateRsc(0, std::string(text, sizeof text)) == OK, "updateRsc");
    require(manager.updateRsc(0, std::string(MAX_VALUE_LEN + 1, 'v')) == NO_SPACE_ERR, "updateRsc, too long");
    require(manager.getRsc(0).size() == MAX_VALUE_LEN, "getRsc");
    require(manager.addRsc(0, "x") == DUPLICATE_KEY, "addRsc again");
    std::map<int, std::string> some;
    some[1] = "one";
    some[2] = "two";
    require(manager.batchUpdateRsc(some) == OK && manager.batchGetRsc(some) == OK && some[2] == "two", "batches");
    require(manager.removeRsc(1) == OK && manager.removeRsc(1) == NOT_FOUND && !manager.isContain(1), "removeRsc");
    require(StatusRscManager::cleanup() == OK, "cleanup");
    if (failures == 0) std::cout << "ok" << std::endl;
    return failures != 0;
}
