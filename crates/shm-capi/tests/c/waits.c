// Waiting for another edition of a map holds nothing: while some threads sleep, others read,
// refresh, wait and close with the same handle; signals that are handled do not end a wait. What
// would hang here ends by the watchdog of the test.
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "check.h"

enum { WAITERS = 5 };

static shmap_map *map;
static shmap_tree *tree;
static shmap_map_options force;
static atomic_int waiting;
static atomic_int signals;

static void publish(const char *value) {
    GIVES(SHMAP_OK, shmap_tree_set(tree, "state", 5, value, strlen(value)));
    GIVES(SHMAP_OK, shmap_tree_share(tree, "waited", &force, NULL));
}

static void *wait_for_ever(void *argument) {
    (void)argument;
    waiting++;
    GIVES(1, shmap_map_wait(map, -1));
    return NULL;
}

static void *take_for_ever(void *argument) {
    (void)argument;
    waiting++;
    GIVES(1, shmap_map_wait_for_update(map, -1));
    return NULL;
}

static void *wait_briefly(void *argument) {
    (void)argument;
    GIVES(0, shmap_map_wait(map, 50));
    GIVES(0, shmap_map_wait_for_update(map, 50));
    return NULL;
}

static void *wait_until_closed(void *call) {
    waiting++;
    FAILS(SHMAP_INVALID, "closed", (*(int (**)(const shmap_map *, int64_t))call)(map, -1));
    return NULL;
}

static void count(int number) {
    (void)number;
    const int before = errno;
    signals++;
    errno = before;
}

static void start(pthread_t *threads, int number, void *(*run)(void *), void *argument) {
    for (int i = 0; i < number; i++) CHECK(pthread_create(&threads[i], NULL, run, argument) == 0);
}

static void finish(pthread_t *threads, int number) {
    for (int i = 0; i < number; i++) CHECK(pthread_join(threads[i], NULL) == 0);
}

// Threads that wait have begun to, most likely; what follows is right in any case.
static void until_waiting(int number) {
    while (waiting < number) sched_yield();
    usleep(20 * 1000);
    waiting = 0;
}

int main(void) {
    pthread_t threads[WAITERS], brief[WAITERS];
    uint64_t edition;
    shmap_bytes value;
    GIVES(SHMAP_OK, shmap_map_options_init(&force, sizeof force));
    force.force = 1;
    GIVES(SHMAP_OK, shmap_tree_new(&tree));
    publish("begun");
    GIVES(SHMAP_OK, shmap_map_open("waited", NULL, &map));

    // Some wait for ever. With the same handle, meanwhile, others wait for a while, and this thread
    // reads and refreshes.
    start(threads, WAITERS, wait_for_ever, NULL);
    until_waiting(WAITERS);
    start(brief, WAITERS, wait_briefly, NULL);
    finish(brief, WAITERS);
    GIVES(0, shmap_map_refresh(map));
    GIVES(SHMAP_OK, shmap_map_get(map, "state", 5, &value));
    IS(value, "begun");
    publish("half");
    finish(threads, WAITERS);
    // Nobody took it: what was read is still there.
    IS(value, "begun");
    GIVES(SHMAP_OK, shmap_map_edition(map, &edition));
    CHECK(edition == 1);
    GIVES(1, shmap_map_wait(map, 0));
    GIVES(1, shmap_map_refresh(map));
    GIVES(0, shmap_map_wait(map, 0));

    // All that wait for an edition have it, whoever takes it; signals on the way end nobody's wait.
    struct sigaction action = {.sa_handler = count};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    start(threads, WAITERS, take_for_ever, NULL);
    until_waiting(WAITERS);
    for (int i = 0; i < WAITERS; i++) CHECK(pthread_kill(threads[i], SIGUSR1) == 0);
    while (signals < WAITERS) sched_yield();
    publish("done");
    finish(threads, WAITERS);
    GIVES(SHMAP_OK, shmap_map_get(map, "state", 5, &value));
    IS(value, "done");
    GIVES(SHMAP_OK, shmap_map_edition(map, &edition));
    CHECK(edition == 3);

    // Also when another thread refreshes.
    start(threads, WAITERS, take_for_ever, NULL);
    until_waiting(WAITERS);
    publish("more");
    CHECK(shmap_map_refresh(map) >= 0);
    finish(threads, WAITERS);
    GIVES(SHMAP_OK, shmap_map_edition(map, &edition));
    CHECK(edition == 4);

    // Closing ends them all.
    int (*calls[])(const shmap_map *, int64_t) = {shmap_map_wait, shmap_map_wait_for_update};
    for (int i = 0; i < 2; i++) start(&threads[i], 1, wait_until_closed, &calls[i]);
    until_waiting(2);
    GIVES(SHMAP_OK, shmap_map_close(map));
    finish(threads, 2);
    FAILS(SHMAP_INVALID, "closed", shmap_map_wait(map, -1));

    GIVES(SHMAP_OK, shmap_tree_free(tree));
    GIVES(SHMAP_OK, shmap_map_remove_name("waited", NULL));
    puts("ok");
    return 0;
}
