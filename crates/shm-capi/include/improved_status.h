// The class StatusRscManager of the original, a C++ class over POSIX shared memory, on libshmap.
// Programs that were written for the original compile unchanged: only change the include path, and
// link with -lshmap. C++11 or later.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// 1024 keys of type int; values of up to 256 bytes, any bytes. The table is "improved_status" in
// $SHMAP_DIR, or in /dev/shm if that is not set; mode 0600. Any thread may call anything at any
// time.
//
// What differs from the original:
// - A process that is killed locks nobody out and leaves nothing half written. Readers never wait.
// - A batch update is done whole or not at all.
// - Values are whole: exactly 256 bytes fit, and a NUL ends nothing.
// - Functions that return a code may return other codes than the four below: those of shmap.h, such
//   as SHMAP_TIMEOUT. All are negative, and shmap_last_error() says what happened.
#ifndef SHMAP_IMPROVED_STATUS_H
#define SHMAP_IMPROVED_STATUS_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "shmap.h"

#ifndef OK
#define OK 0
#endif
#ifndef NOT_FOUND
#define NOT_FOUND -1
#endif
#ifndef NO_SPACE_ERR
#define NO_SPACE_ERR -2
#endif
#ifndef DUPLICATE_KEY
#define DUPLICATE_KEY -3
#endif

// As in the original: constants of the language, which can be sizes of arrays, labels and arguments
// of std::min, but which #if does not know.
const int MAX_VALUE_LEN = 256;
const int STATUS_MAX_ENTRIES = 1024;

class StatusRscManager {
public:
    // Opens the table, or creates it. Throws std::runtime_error when that is not possible.
    StatusRscManager() : StatusRscManager(std::string(defaultName())) {}

    // The same for a table of another name.
    explicit StatusRscManager(const std::string &name) : name_(name), opened_(open(name, nullptr)) {}

    ~StatusRscManager() {
        for (Opened *opened = opened_.load(); opened != nullptr;) {
            Opened *const before = opened->before;
            close(opened);
            opened = before;
        }
    }

    StatusRscManager(const StatusRscManager &) = delete;
    StatusRscManager &operator=(const StatusRscManager &) = delete;

    // The one instance of this process, made at the first call. After cleanup() it leads to the new
    // table. Throws as the constructor does.
    static StatusRscManager &getInstance() {
        // No lock, not even that of a static variable's initialisation: a process that is forked
        // meanwhile would find it locked for ever. Never destroyed, so that destructors of other
        // objects may still use it.
        static std::atomic<StatusRscManager *> instance(nullptr);
        StatusRscManager *found = instance.load();
        if (found == nullptr) {
            std::unique_ptr<StatusRscManager> made(new StatusRscManager());
            // If several threads come first at once, one of them decides.
            if (instance.compare_exchange_strong(found, made.get())) found = made.release();
        }
        found->renew();
        return *found;
    }

    // Adds a key that is absent. DUPLICATE_KEY; NO_SPACE_ERR when the table is full or the value is
    // too long.
    int addRsc(int key, const std::string &value) {
        return shmap_table_add(table(), key, value.data(), value.size());
    }

    // Replaces the value of a key that is present. NOT_FOUND, NO_SPACE_ERR.
    int updateRsc(int key, const std::string &value) {
        return shmap_table_update(table(), key, value.data(), value.size());
    }

    // Sets the value of a key, whether the key is present or not. NO_SPACE_ERR.
    int upsertRsc(int key, const std::string &value) {
        return shmap_table_upsert(table(), key, value.data(), value.size());
    }

    // The value of a key; "" when it has none.
    std::string getRsc(int key) const {
        char buffer[MAX_VALUE_LEN];
        std::size_t length = 0;
        if (shmap_table_get(table(), key, buffer, sizeof buffer, &length) != SHMAP_OK) return std::string();
        return std::string(buffer, length);
    }

    // NOT_FOUND.
    int removeRsc(int key) { return shmap_table_remove(table(), key); }

    bool isContain(int key) const { return shmap_table_contains(table(), key) == 1; }

    // Replaces the values of keys that must all be present: all of them or, with NOT_FOUND or
    // NO_SPACE_ERR, none.
    int batchUpdateRsc(const std::map<int, std::string> &values) {
        std::vector<shmap_status> entries;
        entries.reserve(values.size());
        for (const auto &value : values) {
            entries.push_back(shmap_status{value.first, {value.second.data(), value.second.size()}});
        }
        return shmap_table_update_many(table(), entries.data(), entries.size());
    }

    // Fills in the values of the map's keys, all as they were at one moment; "" and NOT_FOUND if a
    // key has none.
    int batchGetRsc(std::map<int, std::string> &values) const {
        std::vector<std::int32_t> keys;
        keys.reserve(values.size());
        for (const auto &value : values) keys.push_back(value.first);
        shmap_entries *entries = nullptr;
        int result = shmap_table_get_many(table(), keys.data(), keys.size(), &entries);
        if (result != SHMAP_OK) return result;
        std::size_t index = 0;
        try {
            for (auto &value : values) {
                shmap_status entry;
                const int found = shmap_entries_at(entries, index++, &entry);
                if (found == SHMAP_OK) {
                    value.second.assign(static_cast<const char *>(entry.value.data), entry.value.len);
                } else {
                    value.second.clear();
                    result = found;
                }
            }
        } catch (...) {
            shmap_entries_free(entries);
            throw;
        }
        shmap_entries_free(entries);
        return result;
    }

    // The number of keys.
    int rscNum() const {
        std::size_t count = 0;
        const int result = shmap_table_len(table(), &count);
        return result == SHMAP_OK ? static_cast<int>(count) : result;
    }

    int clearRsc() { return shmap_table_clear(table()); }

    // Removes the table's name. Processes that have the table open keep it; those that open it from
    // now on get a new one. NOT_FOUND when there is none.
    static int cleanup() {
        const int result = shmap_table_remove_name(defaultName(), nullptr);
        ++cleanups();
        return result;
    }

    // The same for a table of another name.
    static int cleanup(const std::string &name) { return shmap_table_remove_name(name.c_str(), nullptr); }

private:
    static const char *defaultName() { return "improved_status"; }

    static std::atomic<unsigned> &cleanups() {
        static std::atomic<unsigned> count(0);
        return count;
    }

    // A handle, and how many cleanups there had been before it was made.
    struct Opened {
        shmap_table *table;
        unsigned cleanups;
        Opened *before;
    };

    static Opened *open(const std::string &name, Opened *before) {
        std::unique_ptr<Opened> opened(new Opened{nullptr, cleanups().load(), before});
        if (shmap_table_open_or_create(name.c_str(), nullptr, &opened->table) != SHMAP_OK) {
            throw std::runtime_error(std::string("StatusRscManager: ") + shmap_last_error());
        }
        return opened.release();
    }

    static void close(Opened *opened) {
        shmap_table_close(opened->table);
        delete opened;
    }

    // Follows a cleanup() of this process. The old handle stays open: other threads may still use
    // it.
    void renew() {
        Opened *now = opened_.load();
        while (now->cleanups != cleanups().load()) {
            Opened *const next = open(name_, now);
            if (opened_.compare_exchange_strong(now, next)) return;
            // Another thread did it; `now` is what it opened.
            close(next);
        }
    }

    shmap_table *table() const { return opened_.load(std::memory_order_acquire)->table; }

    const std::string name_;
    std::atomic<Opened *> opened_;
};

#endif
