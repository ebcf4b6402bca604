// Threads that are cancelled in each function: none ends the process, none takes anything with it,
// and each ends after the call. The number of threads for each function is the argument.
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "check.h"

static shmap_table *table;
static shmap_map *map, *waited;
static shmap_tree *tree;
static shmap_map_options force;
static char path[4096];
static atomic_ulong calls;
static atomic_int over;

// One round each, of calls that go to the system.
static void share(void) { GIVES(SHMAP_OK, shmap_tree_share(tree, "cancelled", &force, NULL)); }
static void save(void) { GIVES(SHMAP_OK, shmap_tree_save(tree, path)); }
static void freeze(void) { GIVES(SHMAP_OK, shmap_table_freeze(table, "frozen", &force, NULL)); }
static void wait_for_update(void) { CHECK(shmap_map_wait_for_update(waited, 5) >= 0); }
static void wait_for_news(void) { CHECK(shmap_map_wait(waited, 5) >= 0); }
static void refresh(void) { CHECK(shmap_map_refresh(waited) >= 0); }
static void verify(void) { GIVES(SHMAP_OK, shmap_table_verify(table)); }
static void upsert(void) { GIVES(SHMAP_OK, shmap_table_upsert(table, 1, "value", 5)); }
static void prune(void) { GIVES(SHMAP_OK, shmap_prune(NULL, 1, NULL)); }

static void open_table(void) {
    shmap_table *again = NULL;
    GIVES(SHMAP_OK, shmap_table_open("cancelled", NULL, &again));
    GIVES(SHMAP_OK, shmap_table_close(again));
}

static void make_table(void) {
    shmap_table *other = NULL;
    GIVES(SHMAP_OK, shmap_table_open_or_create("another", NULL, &other));
    const int result = shmap_table_unlink(other);
    // Another thread may have been first.
    CHECK(result == SHMAP_OK || result == SHMAP_NOT_FOUND);
    GIVES(SHMAP_OK, shmap_table_close(other));
}

static void open_map(void) {
    shmap_map *again = NULL;
    GIVES(SHMAP_OK, shmap_map_open("cancelled", NULL, &again));
    GIVES(SHMAP_OK, shmap_map_close(again));
    GIVES(SHMAP_OK, shmap_map_open_copy("cancelled", NULL, &again));
    GIVES(SHMAP_OK, shmap_map_close(again));
}

static void list(void) {
    shmap_names *names = NULL;
    GIVES(SHMAP_OK, shmap_list(NULL, &names));
    GIVES(SHMAP_OK, shmap_names_free(names));
}

static const struct {
    const char *name;
    void (*round)(void);
} rounds[] = {
    {"shmap_tree_share", share},
    {"shmap_tree_save", save},
    {"shmap_table_freeze", freeze},
    {"shmap_map_wait_for_update", wait_for_update},
    {"shmap_map_wait", wait_for_news},
    {"shmap_map_refresh", refresh},
    {"shmap_table_verify", verify},
    {"shmap_table_upsert", upsert},
    {"shmap_prune", prune},
    {"shmap_table_open", open_table},
    {"shmap_table_open_or_create", make_table},
    {"shmap_map_open", open_map},
    {"shmap_list", list},
};
enum { ROUNDS = sizeof rounds / sizeof *rounds };

// With a cancellation that waits for the next cancellation point: no call is one.
static void *cancelled_before(void *survived) {
    CHECK(pthread_cancel(pthread_self()) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        rounds[i].round();
        ++*(int *)survived;
    }
    pthread_testcancel();
    *(int *)survived = -1;
    return NULL;
}

// One that holds it off itself finds it held off after the calls, too.
static void *holds_off(void *argument) {
    int before;
    (void)argument;
    CHECK(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before) == 0 && before == PTHREAD_CANCEL_ENABLE);
    for (int i = 0; i < ROUNDS; i++) rounds[i].round();
    // One that fails, too.
    GIVES(SHMAP_INVALID, shmap_map_refresh(NULL));
    CHECK(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &before) == 0 && before == PTHREAD_CANCEL_DISABLE);
    for (int i = 0; i < ROUNDS; i++) rounds[i].round();
    CHECK(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &before) == 0 && before == PTHREAD_CANCEL_ENABLE);
    return NULL;
}

static void *until_cancelled(void *round) {
    for (;; calls++) {
        (*(void (**)(void))round)();
        pthread_testcancel();
    }
    return NULL;
}

static void *load(void *argument) {
    (void)argument;
    while (!over) {
        upsert();
        share();
    }
    return NULL;
}

int main(int argc, char **argv) {
    enum { MOST = 180, AT_ONCE = 12 };
    const int number = argc > 1 ? atoi(argv[1]) : MOST;
    pthread_t threads[AT_ONCE], loaded;
    void *result;
    int survived = 0;
    CHECK(number <= MOST);
    snprintf(path, sizeof path, "%s/saved", getenv("SHMAP_DIR"));
    GIVES(SHMAP_OK, shmap_map_options_init(&force, sizeof force));
    force.force = 1;
    force.lock_timeout_ms = -1;
    GIVES(SHMAP_OK, shmap_tree_new(&tree));
    for (int i = 0; i < 100; i++) GIVES(SHMAP_OK, shmap_tree_set(tree, &i, sizeof i, "value", 5));
    share();
    GIVES(SHMAP_OK, shmap_table_create("cancelled", NULL, &table));
    GIVES(SHMAP_OK, shmap_map_open("cancelled", NULL, &map));
    GIVES(SHMAP_OK, shmap_map_open("cancelled", NULL, &waited));

    CHECK(pthread_create(&loaded, NULL, cancelled_before, &survived) == 0);
    CHECK(pthread_join(loaded, &result) == 0 && result == PTHREAD_CANCELED && survived == ROUNDS);
    CHECK(pthread_create(&loaded, NULL, holds_off, NULL) == 0);
    CHECK(pthread_join(loaded, &result) == 0 && result == NULL);

    CHECK(pthread_create(&loaded, NULL, load, NULL) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        for (int done = 0; done < number; done += AT_ONCE) {
            const int these = number - done < AT_ONCE ? number - done : AT_ONCE;
            const unsigned long before = calls;
            void (*round)(void) = rounds[i].round;
            for (int t = 0; t < these; t++) CHECK(pthread_create(&threads[t], NULL, until_cancelled, &round) == 0);
            while (calls == before) sched_yield();
            for (int t = 0; t < these; t++) {
                usleep((useconds_t)((t * 7919 + done * 104729) % 500));
                CHECK(pthread_cancel(threads[t]) == 0);
            }
            for (int t = 0; t < these; t++) {
                CHECK(pthread_join(threads[t], &result) == 0 && result == PTHREAD_CANCELED);
            }
        }
        // Whoever ended left nothing locked and nothing half done.
        GIVES(SHMAP_OK, shmap_table_verify(table));
    }
    over = 1;
    CHECK(pthread_join(loaded, NULL) == 0);
    shmap_stats stats;
    GIVES(SHMAP_OK, shmap_table_stats(table, &stats));
    CHECK(stats.recoveries == 0);
    CHECK(shmap_map_refresh(map) == 1);
    GIVES(SHMAP_OK, shmap_map_verify(map));
    GIVES(SHMAP_OK, shmap_map_close(map));
    GIVES(SHMAP_OK, shmap_map_close(waited));
    GIVES(SHMAP_OK, shmap_tree_free(tree));
    GIVES(SHMAP_OK, shmap_table_unlink(table));
    GIVES(SHMAP_OK, shmap_table_close(table));
    GIVES(SHMAP_OK, shmap_map_remove_name("cancelled", NULL));
    GIVES(SHMAP_OK, shmap_map_remove_name("frozen", NULL));
    CHECK(unlink(path) == 0);
    puts("ok");
    return 0;
}
