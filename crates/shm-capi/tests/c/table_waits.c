// Waiting for a change of a key, or of a table: threads that wait with one handle, writers in other
// processes, timeouts, signals. What would hang here ends by the watchdog of the test.
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { WAITERS = 5, CHANGES = 2000 };

static shmap_table *table, *reader;
static atomic_int waiting;
static atomic_int signals;

static int same(const shmap_key_version *a, const shmap_key_version *b) { return memcmp(a, b, sizeof *a) == 0; }

static int64_t number(shmap_table *from, shmap_key_version *seen) {
    int64_t value = 0;
    size_t len = 0;
    GIVES(SHMAP_OK, shmap_table_get_with_version(from, 0, &value, sizeof value, &len, seen));
    CHECK(len == sizeof value);
    return value;
}

// Follows the counter until it has its last value: it never goes back, and is never overslept.
static void *follow(void *handle) {
    shmap_table *from = *(shmap_table **)handle;
    shmap_key_version seen, now;
    int64_t value = number(from, &seen);
    waiting++;
    while (value < CHANGES) {
        GIVES(1, shmap_table_wait_for_change(from, 0, &seen, -1, &now));
        CHECK(!same(&seen, &now));
        const int64_t next = number(from, &seen);
        CHECK(next > value);
        value = next;
    }
    return NULL;
}

static void *follow_all(void *handle) {
    shmap_table *from = *(shmap_table **)handle;
    shmap_key_version unused;
    shmap_whole_version seen;
    waiting++;
    for (;;) {
        GIVES(SHMAP_OK, shmap_table_whole_version(from, &seen));
        if (number(from, &unused) >= CHANGES) return NULL;
        GIVES(1, shmap_table_wait_for_any_change(from, &seen, -1, NULL));
    }
}

static void *wait_for_seven(void *argument) {
    shmap_key_version seen;
    (void)argument;
    GIVES(0, shmap_table_version(table, 7, &seen));
    waiting++;
    GIVES(1, shmap_table_wait_for_change(table, 7, &seen, -1, NULL));
    GIVES(1, shmap_table_contains(table, 7));
    return NULL;
}

static void count(int signal) {
    (void)signal;
    const int before = errno;
    signals++;
    errno = before;
}

static void until_waiting(int wanted) {
    while (waiting < wanted) sched_yield();
    usleep(20 * 1000);
    waiting = 0;
}

static void versions(void) {
    char buffer[8];
    size_t len = 0;
    shmap_key_version absent, present, now, other;
    shmap_whole_version whole;
    FAILS(SHMAP_NOT_FOUND, "key 1 ", shmap_table_get_with_version(table, 1, buffer, sizeof buffer, &len, &absent));
    GIVES(0, shmap_table_version(table, 1, &now));
    CHECK(same(&absent, &now));
    GIVES(0, shmap_table_wait_for_change(table, 1, &absent, 0, &now));
    GIVES(SHMAP_OK, shmap_table_whole_version(table, &whole));
    GIVES(0, shmap_table_wait_for_any_change(table, &whole, 10, NULL));
    GIVES(SHMAP_OK, shmap_table_add(table, 1, "one", 3));
    GIVES(1, shmap_table_wait_for_any_change(table, &whole, -1, &whole));
    GIVES(0, shmap_table_wait_for_any_change(table, &whole, 10, &whole));
    GIVES(1, shmap_table_wait_for_change(table, 1, &absent, -1, &present));
    CHECK(!same(&absent, &present));
    // A value that does not fit: its version, though.
    FAILS(SHMAP_NO_SPACE, "3 bytes", shmap_table_get_with_version(table, 1, buffer, 2, &len, &now));
    CHECK(len == 3 && same(&present, &now));
    // The place of the version may be that of the one before.
    GIVES(SHMAP_OK, shmap_table_update(table, 1, "one", 3));
    GIVES(1, shmap_table_wait_for_change(reader, 1, &now, -1, &now));
    CHECK(!same(&present, &now));
    GIVES(0, shmap_table_wait_for_change(reader, 1, &now, 10, &now));
    GIVES(SHMAP_OK, shmap_table_remove(table, 1));
    GIVES(1, shmap_table_wait_for_change(table, 1, &now, -1, &now));
    CHECK(same(&absent, &now));

    // Other forms of keys, and a version of another table.
    shmap_table_options options;
    shmap_table *words = NULL;
    GIVES(SHMAP_OK, shmap_table_options_init(&options, sizeof options));
    options.key_kind = SHMAP_KEYS_TEXT;
    GIVES(SHMAP_OK, shmap_table_create("words", &options, &words));
    GIVES(0, shmap_table_version_bytes(words, "rot", 3, &other));
    FAILS(SHMAP_MISMATCH, "the version is of the table with id", shmap_table_wait_for_change(table, 1, &other, -1, NULL));
    GIVES(SHMAP_OK, shmap_table_add_bytes(words, "rot", 3, "red", 3));
    GIVES(1, shmap_table_wait_for_change_bytes(words, "rot", 3, &other, -1, &now));
    GIVES(SHMAP_OK, shmap_table_get_with_version_bytes(words, "rot", 3, buffer, sizeof buffer, &len, &other));
    CHECK(same(&now, &other) && len == 3 && memcmp(buffer, "red", 3) == 0);
    FAILS(SHMAP_MISMATCH, "the version is of the table with id", shmap_table_wait_for_any_change(words, &whole, -1, NULL));
    GIVES(SHMAP_OK, shmap_table_unlink(words));
    GIVES(SHMAP_OK, shmap_table_close(words));
    GIVES(SHMAP_OK, shmap_table_add_i64(table, 1, "one", 3));
    GIVES(SHMAP_OK, shmap_table_get_with_version_i64(table, 1, buffer, sizeof buffer, &len, &now));
    GIVES(1, shmap_table_version_i64(table, 1, &other));
    CHECK(same(&now, &other));
    GIVES(0, shmap_table_wait_for_change_i64(table, 1, &now, 10, NULL));
}

int main(void) {
    pthread_t threads[WAITERS];
    const int64_t zero = 0;
    GIVES(SHMAP_OK, shmap_table_create("waited", NULL, &table));
    GIVES(SHMAP_OK, shmap_table_open_read_only("waited", NULL, &reader));
    versions();

    // Any number of threads wait with one handle; signals on the way end nobody's wait.
    struct sigaction action = {.sa_handler = count};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    for (int i = 0; i < WAITERS; i++) CHECK(pthread_create(&threads[i], NULL, wait_for_seven, NULL) == 0);
    until_waiting(WAITERS);
    for (int i = 0; i < WAITERS; i++) CHECK(pthread_kill(threads[i], SIGUSR1) == 0);
    while (signals < WAITERS) sched_yield();
    GIVES(SHMAP_OK, shmap_table_add(table, 7, "seven", 5));
    for (int i = 0; i < WAITERS; i++) CHECK(pthread_join(threads[i], NULL) == 0);

    // Another process changes the key again and again.
    GIVES(SHMAP_OK, shmap_table_add(table, 0, &zero, sizeof zero));
    void *(*const ways[])(void *) = {follow, follow, follow_all, follow_all};
    shmap_table **const handles[] = {&table, &reader, &table, &reader};
    for (int i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, ways[i], (void *)handles[i]) == 0);
    until_waiting(4);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        for (int i = 0; i < CHANGES; i++) GIVES(SHMAP_OK, shmap_table_fetch_add(table, 0, 1, NULL));
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    for (int i = 0; i < 4; i++) CHECK(pthread_join(threads[i], NULL) == 0);

    GIVES(SHMAP_OK, shmap_table_close(reader));
    GIVES(SHMAP_OK, shmap_table_unlink(table));
    GIVES(SHMAP_OK, shmap_table_close(table));
    puts("ok");
    return 0;
}
