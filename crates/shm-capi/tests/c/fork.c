// Children forked beside threads that open, close, refresh, wait, publish and change trees: each
// child uses every handle of its parent, and opens, closes and waits, and ends. One that hangs is
// ended by its alarm, which the parent sees. The number of forks is the argument.
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { OPENERS = 2, WAITERS = 2, SECONDS = 120 };

static shmap_table *table;
static shmap_map *map;       // refreshed and waited on by threads; nobody reads it beside them
static shmap_tree *busy;     // changed by threads
static shmap_tree *shared;   // published by threads, changed by none
static shmap_map_options force;
static atomic_int over;
static atomic_ulong rounds[5];

static void open_and_close(int32_t key) {
    shmap_table *again = NULL;
    shmap_map *other = NULL;
    shmap_tree *tree = NULL;
    shmap_entries *entries = NULL;
    shmap_names *names = NULL;
    shmap_bytes value;
    size_t len;
    GIVES(SHMAP_OK, shmap_table_open_or_create("forked", NULL, &again));
    GIVES(SHMAP_OK, shmap_table_upsert(again, key, "x", 1));
    GIVES(SHMAP_OK, shmap_table_get_many(again, &key, 1, &entries));
    GIVES(SHMAP_OK, shmap_entries_free(entries));
    GIVES(SHMAP_OK, shmap_table_close(again));
    GIVES(SHMAP_OK, shmap_map_open("forked", NULL, &other));
    GIVES(SHMAP_OK, shmap_map_get(other, "a", 1, &value));
    IS(value, "1");
    GIVES(SHMAP_OK, shmap_map_close(other));
    GIVES(SHMAP_OK, shmap_tree_new(&tree));
    GIVES(SHMAP_OK, shmap_tree_set(tree, "b", 1, "2", 1));
    GIVES(SHMAP_OK, shmap_tree_len(tree, &len));
    CHECK(len == 1);
    GIVES(SHMAP_OK, shmap_tree_free(tree));
    GIVES(SHMAP_OK, shmap_list(NULL, &names));
    GIVES(SHMAP_OK, shmap_names_free(names));
}

static void *opens(void *argument) {
    const int32_t key = *(const int32_t *)argument;
    for (; !over; rounds[0]++) open_and_close(key);
    return NULL;
}

static void *publishes(void *argument) {
    (void)argument;
    for (; !over; rounds[1]++) GIVES(SHMAP_OK, shmap_tree_share(shared, "forked", &force, NULL));
    return NULL;
}

static void *waits(void *argument) {
    (void)argument;
    for (; !over; rounds[2]++) CHECK(shmap_map_wait_for_update(map, 20) >= 0);
    return NULL;
}

static void *refreshes(void *argument) {
    (void)argument;
    for (; !over; rounds[3]++) CHECK(shmap_map_refresh(map) >= 0);
    return NULL;
}

static void *changes(void *argument) {
    (void)argument;
    static char big[64 * 1024];
    for (; !over; rounds[4]++) {
        GIVES(SHMAP_OK, shmap_tree_set(busy, "key", 3, big, sizeof big));
        if (rounds[4] % 16 == 0) GIVES(SHMAP_OK, shmap_tree_clear(busy));
    }
    return NULL;
}

// 0 when the tree was whole, 1 when it was being changed.
static int use(shmap_tree *tree) {
    size_t len;
    const int result = shmap_tree_len(tree, &len);
    if (result == SHMAP_INVALID) {
        CHECK(strstr(shmap_last_error(), "forked") != NULL);
        GIVES(SHMAP_INVALID, shmap_tree_set(tree, "x", 1, "y", 1));
    } else {
        GIVES(SHMAP_OK, result);
        GIVES(SHMAP_OK, shmap_tree_set(tree, "x", 1, "y", 1));
        GIVES(SHMAP_OK, shmap_tree_share(tree, "of-a-child", &force, NULL));
        GIVES(SHMAP_OK, shmap_map_remove_name("of-a-child", NULL));
    }
    GIVES(SHMAP_OK, shmap_tree_free(tree));
    return result == SHMAP_INVALID;
}

static int child(void) {
    char value[8];
    size_t len;
    uint64_t edition;
    shmap_bytes of_map;
    alarm(SECONDS);
    // First what the threads had in hand.
    CHECK(shmap_map_wait_for_update(map, 10) >= 0);
    CHECK(shmap_map_wait(map, 0) >= 0);
    CHECK(shmap_map_refresh(map) >= 0);
    GIVES(SHMAP_OK, shmap_map_get(map, "a", 1, &of_map));
    IS(of_map, "1");
    GIVES(SHMAP_OK, shmap_map_verify(map));
    GIVES(SHMAP_OK, shmap_map_edition(map, &edition));
    GIVES(SHMAP_OK, shmap_map_close(map));
    GIVES(SHMAP_OK, shmap_table_upsert(table, 7, "child", 5));
    GIVES(SHMAP_OK, shmap_table_get(table, 7, value, sizeof value, &len));
    for (int i = 0; i < 3; i++) open_and_close(8);
    GIVES(SHMAP_OK, shmap_table_close(table));
    CHECK(use(shared) == 0);
    return use(busy);
}

int main(int argc, char **argv) {
    const int forks = argc > 1 ? atoi(argv[1]) : 200;
    static int32_t keys[OPENERS];
    pthread_t threads[OPENERS + WAITERS + 3];
    int started = 0, half_changed = 0;
    GIVES(SHMAP_OK, shmap_map_options_init(&force, sizeof force));
    force.force = 1;
    force.lock_timeout_ms = -1;
    GIVES(SHMAP_OK, shmap_tree_new(&busy));
    GIVES(SHMAP_OK, shmap_tree_new(&shared));
    GIVES(SHMAP_OK, shmap_tree_set(shared, "a", 1, "1", 1));
    GIVES(SHMAP_OK, shmap_tree_share(shared, "forked", &force, NULL));
    GIVES(SHMAP_OK, shmap_map_open("forked", NULL, &map));
    GIVES(SHMAP_OK, shmap_table_create("forked", NULL, &table));
    for (int i = 0; i < OPENERS; i++) {
        keys[i] = i;
        CHECK(pthread_create(&threads[started++], NULL, opens, &keys[i]) == 0);
    }
    for (int i = 0; i < WAITERS; i++) CHECK(pthread_create(&threads[started++], NULL, waits, NULL) == 0);
    CHECK(pthread_create(&threads[started++], NULL, refreshes, NULL) == 0);
    CHECK(pthread_create(&threads[started++], NULL, publishes, NULL) == 0);
    CHECK(pthread_create(&threads[started++], NULL, changes, NULL) == 0);
    for (int i = 0; i < 5; i++) {
        while (rounds[i] == 0) sched_yield();
    }
    for (int i = 0; i < forks; i++) {
        int status;
        fflush(NULL);
        const pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) _exit(child() ? 77 : 0);
        CHECK(waitpid(pid, &status, 0) == pid);
        // Not by its alarm, nor by anything else.
        CHECK(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
        half_changed += WEXITSTATUS(status) == 77;
    }
    over = 1;
    for (int i = 0; i < started; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    printf("%d of %d forks met a tree that was being changed\n", half_changed, forks);
    GIVES(SHMAP_OK, shmap_table_verify(table));
    GIVES(SHMAP_OK, shmap_map_verify(map));
    GIVES(SHMAP_OK, shmap_map_close(map));
    GIVES(SHMAP_OK, shmap_tree_free(busy));
    GIVES(SHMAP_OK, shmap_tree_free(shared));
    GIVES(SHMAP_OK, shmap_table_unlink(table));
    GIVES(SHMAP_OK, shmap_table_close(table));
    GIVES(SHMAP_OK, shmap_map_remove_name("forked", NULL));
    puts("ok");
    return 0;
}
