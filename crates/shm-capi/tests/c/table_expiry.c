// Entries that expire, that go with their writer, and that make room for others. What would hang here
// ends by the watchdog of the test. The number of threads that want to be registered is the argument.
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

enum { HOUR = 3600 * 1000, MOST_THREADS = 200 };

static shmap_table *table, *reader;
static pthread_barrier_t all_tried, over;

static shmap_table_options options_with(int64_t ttl_ms) {
    shmap_table_options options;
    GIVES(SHMAP_OK, shmap_table_options_init(&options, sizeof options));
    CHECK(options.ttl_ms == SHMAP_TTL_NONE && options.evict == SHMAP_EVICT_NEVER);
    options.capacity = MOST_THREADS;
    options.ttl_ms = ttl_ms;
    return options;
}

static void make(const char *name, const shmap_table_options *options) {
    GIVES(SHMAP_OK, shmap_table_open_or_create(name, options, &table));
    GIVES(SHMAP_OK, shmap_table_open_read_only(name, NULL, &reader));
}

static void end(void) {
    GIVES(SHMAP_OK, shmap_table_verify(table));
    GIVES(SHMAP_OK, shmap_table_unlink(table));
    GIVES(SHMAP_OK, shmap_table_close(reader));
    GIVES(SHMAP_OK, shmap_table_close(table));
}

static shmap_stats stats_of(const shmap_table *of) {
    shmap_stats stats;
    GIVES(SHMAP_OK, shmap_table_stats(of, &stats));
    return stats;
}

static int64_t ttl(int32_t key) {
    int64_t left = -77;
    GIVES(SHMAP_OK, shmap_table_ttl(reader, key, &left));
    return left;
}

// Waits until the entry is over.
static void outlast(int32_t key) {
    while (shmap_table_contains(reader, key) == 1) sched_yield();
    GIVES(0, shmap_table_contains(table, key));
}

static void expiry(void) {
    const shmap_table_options options = options_with(SHMAP_TTL_BY_ENTRY);
    char buffer[8];
    size_t len = 0, visited = 0;
    int64_t left = -77;
    make("brief", &options);
    CHECK(stats_of(reader).ttl_ms == SHMAP_TTL_BY_ENTRY && stats_of(table).evict == SHMAP_EVICT_NEVER);
    GIVES(SHMAP_OK, shmap_table_upsert_for(table, 1, "one", 3, HOUR));
    CHECK(ttl(1) <= HOUR && ttl(1) > HOUR / 2);
    GIVES(SHMAP_OK, shmap_table_touch(table, 1, 3 * HOUR));
    CHECK(ttl(1) > HOUR);
    // A new value keeps the time, and an upsert has none.
    GIVES(SHMAP_OK, shmap_table_update(table, 1, "uno", 3));
    CHECK(ttl(1) > HOUR);
    GIVES(SHMAP_OK, shmap_table_upsert(table, 1, "one", 3));
    CHECK(ttl(1) == SHMAP_TTL_FOR_EVER);
    FAILS(SHMAP_NOT_FOUND, "key 2 does not exist", shmap_table_ttl(table, 2, &left));
    CHECK(left == -77);

    GIVES(SHMAP_OK, shmap_table_upsert_for(table, 1, "brief", 5, 2));
    outlast(1);
    FAILS(SHMAP_NOT_FOUND, "key 1 does not exist", shmap_table_get(reader, 1, buffer, sizeof buffer, &len));
    FAILS(SHMAP_NOT_FOUND, "key 1 does not exist", shmap_table_touch(table, 1, HOUR));
    GIVES(SHMAP_NOT_FOUND, shmap_table_ttl(reader, 1, &left));
    GIVES(SHMAP_NOT_FOUND, shmap_table_update(table, 1, "x", 1));
    GIVES(SHMAP_OK, shmap_table_get_stale(reader, 1, buffer, sizeof buffer, &len));
    CHECK(len == 5 && memcmp(buffer, "brief", 5) == 0);
    FAILS(SHMAP_NO_SPACE, "5 bytes", shmap_table_get_stale(table, 1, buffer, 4, &len));
    FAILS(SHMAP_NOT_FOUND, "key 2 does not exist", shmap_table_get_stale(table, 2, buffer, sizeof buffer, &len));
    // It keeps its place until somebody takes that.
    CHECK(stats_of(table).len == 1 && stats_of(table).expired == 0);
    GIVES(SHMAP_OK, shmap_table_expire(table, 3, &visited));
    CHECK(visited == 3);
    GIVES(SHMAP_OK, shmap_table_expire(table, SIZE_MAX, NULL));
    CHECK(stats_of(table).len == 0 && stats_of(table).expired == 1);
    GIVES(SHMAP_NOT_FOUND, shmap_table_get_stale(reader, 1, buffer, sizeof buffer, &len));

    // Times that no entry can have. A time of which the library has no number is refused, too.
    GIVES(SHMAP_OK, shmap_table_add(table, 1, "one", 3));
    FAILS(SHMAP_INVALID, "the time to live is 0ns, it must be more than 0", shmap_table_upsert_for(table, 1, "x", 1, 0));
    FAILS(SHMAP_INVALID, "the time to live is -1 ms", shmap_table_upsert_for(table, 1, "x", 1, -1));
    FAILS(SHMAP_INVALID, "and at most 4611686018 seconds", shmap_table_upsert_for(table, 1, "x", 1, INT64_MAX));
    FAILS(SHMAP_INVALID, "the time to live is 0ns, it must be more than 0", shmap_table_touch(table, 1, 0));
    FAILS(SHMAP_INVALID, "the time to live is -2 ms", shmap_table_touch(table, 1, -2));
    FAILS(SHMAP_INVALID, "and at most 4611686018 seconds", shmap_table_touch(table, 1, INT64_MAX));
    CHECK(ttl(1) == SHMAP_TTL_FOR_EVER);
    FAILS(SHMAP_PERMISSION, "reading only", shmap_table_upsert_for(reader, 1, "x", 1, HOUR));
    FAILS(SHMAP_PERMISSION, "reading only", shmap_table_touch(reader, 1, HOUR));
    FAILS(SHMAP_PERMISSION, "reading only", shmap_table_add_ephemeral(reader, 2, "x", 1));
    FAILS(SHMAP_PERMISSION, "reading only", shmap_table_expire(reader, 1, &visited));
    CHECK(visited == 3);
    end();
}

// A default for entries that say nothing.
static void by_default(void) {
    const shmap_table_options options = options_with(2);
    make("default", &options);
    CHECK(stats_of(reader).ttl_ms == 2);
    GIVES(SHMAP_OK, shmap_table_upsert_for(table, 2, "long", 4, HOUR));
    GIVES(SHMAP_OK, shmap_table_add(table, 1, "short", 5));
    outlast(1);
    GIVES(1, shmap_table_contains(reader, 2));
    end();
}

// Other forms of keys.
static void forms(void) {
    shmap_table_options options = options_with(SHMAP_TTL_BY_ENTRY);
    char buffer[8];
    size_t len = 0;
    int64_t left = 0;
    options.key_kind = SHMAP_KEYS_I64;
    const int64_t far = INT64_C(1) << 40;
    make("wide", &options);
    GIVES(SHMAP_OK, shmap_table_upsert_for_i64(table, far, "far", 3, HOUR));
    GIVES(SHMAP_OK, shmap_table_touch_i64(table, far, 2 * HOUR));
    GIVES(SHMAP_OK, shmap_table_ttl_i64(reader, far, &left));
    CHECK(left > HOUR && left <= 2 * HOUR);
    GIVES(SHMAP_OK, shmap_table_add_ephemeral_i64(table, far + 1, "near", 4));
    GIVES(SHMAP_OK, shmap_table_ttl_i64(reader, far + 1, &left));
    CHECK(left == SHMAP_TTL_EPHEMERAL);
    GIVES(SHMAP_OK, shmap_table_touch_i64(table, far, 1));
    while (shmap_table_contains_i64(reader, far) == 1) sched_yield();
    GIVES(SHMAP_OK, shmap_table_get_stale_i64(reader, far, buffer, sizeof buffer, &len));
    CHECK(len == 3 && memcmp(buffer, "far", 3) == 0);
    end();

    options.key_kind = SHMAP_KEYS_TEXT;
    make("words", &options);
    GIVES(SHMAP_OK, shmap_table_upsert_for_bytes(table, "rot", 3, "red", 3, HOUR));
    GIVES(SHMAP_OK, shmap_table_touch_bytes(table, "rot", 3, 2 * HOUR));
    GIVES(SHMAP_OK, shmap_table_ttl_bytes(reader, "rot", 3, &left));
    CHECK(left > HOUR && left <= 2 * HOUR);
    GIVES(SHMAP_OK, shmap_table_add_ephemeral_bytes(table, "blau", 4, "blue", 4));
    GIVES(SHMAP_OK, shmap_table_ttl_bytes(reader, "blau", 4, &left));
    CHECK(left == SHMAP_TTL_EPHEMERAL);
    GIVES(SHMAP_OK, shmap_table_touch_bytes(table, "rot", 3, 1));
    while (shmap_table_contains_bytes(reader, "rot", 3) == 1) sched_yield();
    GIVES(SHMAP_OK, shmap_table_get_stale_bytes(reader, "rot", 3, buffer, sizeof buffer, &len));
    CHECK(len == 3 && memcmp(buffer, "red", 3) == 0);
    end();
}

static void *add_ephemeral(void *argument) {
    (void)argument;
    GIVES(SHMAP_OK, shmap_table_add_ephemeral(table, 1, "here", 4));
    CHECK(ttl(1) == SHMAP_TTL_EPHEMERAL);
    FAILS(SHMAP_DUPLICATE_KEY, "key 1 exists already", shmap_table_add_ephemeral(table, 1, "x", 1));
    return NULL;
}

static void *add_and_live_on(void *handle) {
    GIVES(SHMAP_OK, shmap_table_add_ephemeral(handle, 3, "thread", 6));
    pthread_barrier_wait(&all_tried);
    pthread_barrier_wait(&over);
    return NULL;
}

static void ephemeral(void) {
    const shmap_table_options options = options_with(SHMAP_TTL_BY_ENTRY);
    pthread_t thread;
    shmap_table *other = NULL;
    int status, ends[2];
    char byte;
    make("ephemeral", &options);
    // Gone with its thread.
    CHECK(pthread_create(&thread, NULL, add_ephemeral, NULL) == 0 && pthread_join(thread, NULL) == 0);
    outlast(1);
    // With its process, which is killed.
    CHECK(pipe(ends) == 0);
    fflush(NULL);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        GIVES(SHMAP_OK, shmap_table_add_ephemeral(table, 2, "child", 5));
        CHECK(write(ends[1], "w", 1) == 1);
        for (;;) pause();
    }
    CHECK(read(ends[0], &byte, 1) == 1);
    CHECK(ttl(2) == SHMAP_TTL_EPHEMERAL);
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    GIVES(0, shmap_table_contains(reader, 2));
    // With its handle.
    GIVES(SHMAP_OK, shmap_table_open("ephemeral", NULL, &other));
    GIVES(SHMAP_OK, shmap_table_add_ephemeral(other, 3, "handle", 6));
    GIVES(1, shmap_table_contains(reader, 3));
    GIVES(SHMAP_OK, shmap_table_close(other));
    GIVES(0, shmap_table_contains(reader, 3));
    // Another thread that has added one keeps it until it ends, at the latest.
    GIVES(SHMAP_OK, shmap_table_open("ephemeral", NULL, &other));
    CHECK(pthread_barrier_init(&all_tried, NULL, 2) == 0 && pthread_barrier_init(&over, NULL, 2) == 0);
    CHECK(pthread_create(&thread, NULL, add_and_live_on, other) == 0);
    pthread_barrier_wait(&all_tried);
    GIVES(1, shmap_table_contains(reader, 3));
    GIVES(SHMAP_OK, shmap_table_close(other));
    pthread_barrier_wait(&over);
    CHECK(pthread_join(thread, NULL) == 0);
    GIVES(0, shmap_table_contains(reader, 3));
    // When its thread forks.
    GIVES(SHMAP_OK, shmap_table_add_ephemeral(table, 4, "parent", 6));
    fflush(NULL);
    const pid_t second = fork();
    CHECK(second >= 0);
    if (second == 0) _exit(shmap_table_contains(table, 4));
    CHECK(waitpid(second, &status, 0) == second && status == 0);
    GIVES(0, shmap_table_contains(reader, 4));
    GIVES(SHMAP_OK, shmap_table_add(table, 4, "next", 4));
    end();
}

// Adds an entry of its own, unless there are too many threads that want that.
static void *register_one(void *result) {
    int *const code = result;
    *code = shmap_table_add_ephemeral(table, *code, "x", 1);
    if (*code != SHMAP_OK) {
        CHECK(*code == SHMAP_NO_SPACE && strstr(shmap_last_error(), "this thread cannot be registered as a writer") != NULL);
    }
    pthread_barrier_wait(&all_tried);
    pthread_barrier_wait(&over);
    return NULL;
}

static void too_many_threads(int count) {
    const shmap_table_options options = options_with(SHMAP_TTL_BY_ENTRY);
    pthread_t threads[MOST_THREADS];
    int codes[MOST_THREADS];
    size_t added = 0, len = 0;
    make("crowded", &options);
    CHECK(count <= MOST_THREADS && pthread_barrier_init(&all_tried, NULL, (unsigned)count + 1) == 0);
    CHECK(pthread_barrier_init(&over, NULL, (unsigned)count + 1) == 0);
    for (int i = 0; i < count; i++) {
        codes[i] = i;
        CHECK(pthread_create(&threads[i], NULL, register_one, &codes[i]) == 0);
    }
    pthread_barrier_wait(&all_tried);
    for (int i = 0; i < count; i++) added += codes[i] == SHMAP_OK;
    GIVES(SHMAP_OK, shmap_table_len(table, &len));
    CHECK(added > 0 && added < (size_t)count && len == added);
    pthread_barrier_wait(&over);
    for (int i = 0; i < count; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    for (int i = 0; i < count; i++) outlast(i);
    GIVES(SHMAP_OK, shmap_table_add_ephemeral(table, 0, "free", 4));
    end();
}

// A table without expiry says so; what reads works with it.
static void without_expiry(void) {
    char buffer[8];
    size_t len = 0, visited = 77;
    const shmap_table_options options = options_with(SHMAP_TTL_NONE);
    make("stays", &options);
    CHECK(stats_of(reader).ttl_ms == SHMAP_TTL_NONE);
    GIVES(SHMAP_OK, shmap_table_add(table, 1, "one", 3));
    static const char why[] = "it was created without expiry; set ttl_ms in the options when it is created: SHMAP_TTL_BY_ENTRY or more than 0";
    FAILS(SHMAP_INVALID, why, shmap_table_upsert_for(table, 1, "x", 1, HOUR));
    FAILS(SHMAP_INVALID, why, shmap_table_touch(table, 1, HOUR));
    FAILS(SHMAP_INVALID, why, shmap_table_add_ephemeral(table, 2, "x", 1));
    FAILS(SHMAP_INVALID, why, shmap_table_upsert_for_i64(table, 1, "x", 1, HOUR));
    FAILS(SHMAP_INVALID, why, shmap_table_touch_i64(table, 1, HOUR));
    FAILS(SHMAP_INVALID, why, shmap_table_add_ephemeral_i64(table, 2, "x", 1));
    CHECK(ttl(1) == SHMAP_TTL_FOR_EVER);
    GIVES(SHMAP_OK, shmap_table_get_stale(reader, 1, buffer, sizeof buffer, &len));
    CHECK(len == 3);
    GIVES(SHMAP_OK, shmap_table_expire(table, 9, &visited));
    CHECK(visited == 0 && stats_of(table).len == 1);
    end();
}

// Waits until the clock of the writes has gone on.
static void tick(void) {
    struct timespec before, now;
    CHECK(clock_gettime(CLOCK_BOOTTIME, &before) == 0);
    do {
        CHECK(clock_gettime(CLOCK_BOOTTIME, &now) == 0);
    } while (now.tv_sec == before.tv_sec && now.tv_nsec == before.tv_nsec);
}

static void eviction(void) {
    shmap_table_options options = options_with(SHMAP_TTL_NONE);
    shmap_table *none = NULL;
    options.capacity = 2;
    options.evict = SHMAP_EVICT_LEAST_RECENTLY_WRITTEN;
    make("evicts", &options);
    CHECK(stats_of(reader).evict == SHMAP_EVICT_LEAST_RECENTLY_WRITTEN);
    for (int32_t key = 1; key <= 2; key++) {
        GIVES(SHMAP_OK, shmap_table_add(table, key, "x", 1));
        tick();
    }
    GIVES(SHMAP_OK, shmap_table_update(table, 1, "y", 1));
    tick();
    GIVES(SHMAP_OK, shmap_table_add(table, 3, "z", 1));
    GIVES(1, shmap_table_contains(reader, 1));
    GIVES(0, shmap_table_contains(reader, 2));
    GIVES(1, shmap_table_contains(reader, 3));
    CHECK(stats_of(table).evicted == 1 && stats_of(table).len == 2 && stats_of(table).expired == 0);

    // Whoever asks for another table gets none.
    options.evict = SHMAP_EVICT_NEVER;
    FAILS(SHMAP_MISMATCH, "are evicted differently than asked: the least recently written first, not never; set evict in the options",
          shmap_table_open_or_create("evicts", &options, &none));
    options.evict = SHMAP_EVICT_LEAST_RECENTLY_WRITTEN;
    options.ttl_ms = SHMAP_TTL_BY_ENTRY;
    FAILS(SHMAP_MISMATCH, "expire differently than asked: never, not each after a time of its own; set ttl_ms in the options",
          shmap_table_open_or_create("evicts", &options, &none));
    options.ttl_ms = 1500;
    FAILS(SHMAP_MISMATCH, "expire differently than asked: never, not after 1.5s",
          shmap_table_open_or_create("evicts", &options, &none));
    for (options.evict = -1; options.evict <= 2; options.evict += 3) {
        FAILS(SHMAP_INVALID, options.evict < 0 ? "there is no eviction -1: 0 to 1" : "there is no eviction 2: 0 to 1",
              shmap_table_open_or_create("new", &options, &none));
    }
    options.evict = SHMAP_EVICT_NEVER;
    options.ttl_ms = -2;
    FAILS(SHMAP_INVALID, "ttl_ms is -2, it must be -1 or more", shmap_table_create("new", &options, &none));
    options.ttl_ms = INT64_MAX;
    FAILS(SHMAP_INVALID, "and at most 4611686018 seconds", shmap_table_create("new", &options, &none));
    CHECK(none == NULL);
    // `open` takes any table.
    GIVES(SHMAP_OK, shmap_table_open("evicts", NULL, &none));
    GIVES(SHMAP_OK, shmap_table_close(none));
    end();
}

int main(int argc, char **argv) {
    expiry();
    by_default();
    forms();
    ephemeral();
    too_many_threads(argc > 1 ? atoi(argv[1]) : MOST_THREADS);
    without_expiry();
    eviction();
    puts("ok");
    return 0;
}
