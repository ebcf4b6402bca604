// Threads share handles; each has its own last error; a thread that reads what it waited for has a
// handle of its own.
#include <pthread.h>
#include <unistd.h>

#include "check.h"

enum { THREADS = 4, ADDS = 200 };

static shmap_table *table;

static void *add(void *argument) {
    const int number = *(const int *)argument;
    char expected[32];
    snprintf(expected, sizeof expected, "key %d ", -100 - number);
    CHECK(*shmap_last_error() == '\0');
    for (int i = 0; i < ADDS; i++) {
        shmap_tree *tree = NULL;
        size_t len;
        GIVES(SHMAP_OK, shmap_table_fetch_add(table, 0, 1, NULL));
        FAILS(SHMAP_NOT_FOUND, expected, shmap_table_remove(table, -100 - number));
        GIVES(SHMAP_OK, shmap_tree_new(&tree));
        GIVES(SHMAP_OK, shmap_tree_set(tree, "x", 1, "y", 1));
        GIVES(SHMAP_OK, shmap_tree_len(tree, &len));
        CHECK(len == 1);
        GIVES(SHMAP_OK, shmap_tree_free(tree));
    }
    return NULL;
}

static void *follow(void *argument) {
    (void)argument;
    shmap_map *map = NULL;
    shmap_bytes value;
    GIVES(SHMAP_OK, shmap_map_open("followed", NULL, &map));
    for (;;) {
        GIVES(SHMAP_OK, shmap_map_get(map, "state", 5, &value));
        if (value.len == 4 && memcmp(value.data, "done", 4) == 0) break;
        GIVES(1, shmap_map_wait_for_update(map, -1));
    }
    GIVES(SHMAP_OK, shmap_map_close(map));
    return NULL;
}

static void publish(shmap_tree *tree, const char *value, const shmap_map_options *options) {
    GIVES(SHMAP_OK, shmap_tree_set(tree, "state", 5, value, strlen(value)));
    GIVES(SHMAP_OK, shmap_tree_share(tree, "followed", options, NULL));
}

// All threads but this one have ended; their records remain.
static void who_writes(void) {
    shmap_writer writers[64];
    size_t count = 0, few = 0;
    uint64_t writes = 0;
    int alive = 0;
    GIVES(SHMAP_OK, shmap_table_fetch_add(table, 0, 1, NULL));
    GIVES(SHMAP_OK, shmap_table_fetch_add(table, 0, -1, NULL));
    GIVES(SHMAP_OK, shmap_table_writers(table, writers, 64, &count));
    CHECK(count >= 1 && count <= THREADS + 1);
    for (size_t i = 0; i < count; i++) {
        CHECK(writers[i].pid == (uint32_t)getpid() && writers[i].tid != 0);
        writes += writers[i].writes;
        CHECK(writers[i].is_alive || writers[i].command[0] == '\0');
        if (!writers[i].is_alive) continue;
        alive++;
        CHECK(writers[i].tid == (uint32_t)getpid() && strlen(writers[i].command) > 0);
    }
    // Those that met others too often were made under the lock, which no record counts.
    CHECK(alive == 1 && writes >= 2 && writes <= THREADS * ADDS + 2);
    // As many as fit.
    writers[1].tid = 7;
    GIVES(SHMAP_OK, shmap_table_writers(table, writers, 1, &few));
    CHECK(few == count && writers[1].tid == 7);
    GIVES(SHMAP_OK, shmap_table_writers(table, NULL, 0, &few));
    CHECK(few == count);
}

int main(void) {
    pthread_t threads[THREADS];
    int numbers[THREADS];
    const int64_t zero = 0;
    int64_t count = 0;
    GIVES(SHMAP_OK, shmap_table_create("threads", NULL, &table));
    GIVES(SHMAP_OK, shmap_table_add(table, 0, &zero, sizeof zero));
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        CHECK(pthread_create(&threads[i], NULL, add, &numbers[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    who_writes();
    GIVES(SHMAP_OK, shmap_table_fetch_add(table, 0, 0, &count));
    CHECK(count == THREADS * ADDS);
    GIVES(SHMAP_OK, shmap_table_unlink(table));
    GIVES(SHMAP_OK, shmap_table_close(table));

    shmap_tree *tree = NULL;
    shmap_map_options force;
    GIVES(SHMAP_OK, shmap_map_options_init(&force, sizeof force));
    force.force = 1;
    GIVES(SHMAP_OK, shmap_tree_new(&tree));
    publish(tree, "begun", &force);
    CHECK(pthread_create(&threads[0], NULL, follow, NULL) == 0);
    publish(tree, "half", &force);
    publish(tree, "done", &force);
    CHECK(pthread_join(threads[0], NULL) == 0);

    GIVES(SHMAP_OK, shmap_tree_free(tree));
    GIVES(SHMAP_OK, shmap_map_remove_name("followed", NULL));
    puts("ok");
    return 0;
}
