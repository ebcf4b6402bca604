// Processes: what a child writes the parent sees; a child that is killed in mid-write locks nobody out and leaves nothing half
// done. The number of kills is the argument.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { KEYS = 100, VALUE = 200 };

// All keys get the value of one round, as one batch, for ever.
static void write_rounds(int to_parent) {
    static char values[KEYS][VALUE];
    shmap_status batch[KEYS];
    shmap_table *table = NULL;
    GIVES(SHMAP_OK, shmap_table_open("killed", NULL, &table));
    for (unsigned round = 0;; round++) {
        for (int32_t key = 0; key < KEYS; key++) {
            memset(values[key], 'a' + (int)(round % 26), VALUE);
            batch[key] = (shmap_status){key, {values[key], VALUE}};
        }
        GIVES(SHMAP_OK, shmap_table_update_many(table, batch, KEYS));
        // Blocks when the parent is slow, and ends with it.
        if (round < 8 && write(to_parent, "w", 1) != 1) _exit(1);
    }
}

static void look(shmap_table *table) {
    int32_t keys[KEYS];
    shmap_entries *entries = NULL;
    shmap_status first, entry;
    for (int32_t key = 0; key < KEYS; key++) keys[key] = key;
    GIVES(SHMAP_OK, shmap_table_get_many(table, keys, KEYS, &entries));
    GIVES(SHMAP_OK, shmap_entries_at(entries, 0, &first));
    CHECK(first.value.len == VALUE);
    for (size_t i = 0; i < KEYS; i++) {
        GIVES(SHMAP_OK, shmap_entries_at(entries, i, &entry));
        CHECK(entry.value.len == VALUE && memcmp(entry.value.data, first.value.data, VALUE) == 0);
    }
    GIVES(SHMAP_OK, shmap_entries_free(entries));
}

int main(int argc, char **argv) {
    const int kills = argc > 1 ? atoi(argv[1]) : 20;
    shmap_table *table = NULL;
    shmap_stats stats;
    char start[VALUE], signal_byte;
    memset(start, 'a', sizeof start);
    GIVES(SHMAP_OK, shmap_table_create("killed", NULL, &table));
    for (int32_t key = 0; key < KEYS; key++) GIVES(SHMAP_OK, shmap_table_add(table, key, start, VALUE));

    for (int kill_number = 0; kill_number < kills; kill_number++) {
        int ends[2], status;
        CHECK(pipe(ends) == 0);
        fflush(NULL);
        const pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            close(ends[0]);
            write_rounds(ends[1]);
        }
        close(ends[1]);
        for (int i = 0; i <= kill_number % 8; i++) CHECK(read(ends[0], &signal_byte, 1) == 1);
        look(table); // while it writes
        CHECK(kill(child, SIGKILL) == 0);
        CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        close(ends[0]);
        look(table);
        // The next writer goes on at once, and repairs if need be.
        GIVES(SHMAP_OK, shmap_table_add(table, KEYS, "parent", 6));
        GIVES(SHMAP_OK, shmap_table_verify(table));
        look(table);
        GIVES(SHMAP_OK, shmap_table_remove(table, KEYS));
    }
    GIVES(SHMAP_OK, shmap_table_stats(table, &stats));
    CHECK(stats.len == KEYS);
    printf("%d kills, %llu repairs\n", kills, (unsigned long long)stats.recoveries);

    // A child goes on with its parent's handle.
    fflush(NULL);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        GIVES(SHMAP_OK, shmap_table_upsert(table, -1, "child", 5));
        GIVES(SHMAP_OK, shmap_table_close(table));
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    GIVES(1, shmap_table_contains(table, -1));
    GIVES(SHMAP_OK, shmap_table_unlink(table));
    GIVES(SHMAP_OK, shmap_table_close(table));
    puts("ok");
    return 0;
}
