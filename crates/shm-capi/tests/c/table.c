// Tables: every function does what the header says.
#include "check.h"

static void one_key_at_a_time(shmap_table *table) {
    char buffer[256];
    size_t len = 99;
    GIVES(SHMAP_OK, shmap_table_add(table, 3325, "running", 7));
    FAILS(SHMAP_DUPLICATE_KEY, "3325", shmap_table_add(table, 3325, "again", 5));
    GIVES(SHMAP_OK, shmap_table_get(table, 3325, buffer, sizeof buffer, &len));
    CHECK(len == 7 && memcmp(buffer, "running", 7) == 0);

    // A buffer that is too small tells what is needed, and is left alone.
    memset(buffer, '#', sizeof buffer);
    FAILS(SHMAP_NO_SPACE, "7 bytes", shmap_table_get(table, 3325, buffer, 6, &len));
    CHECK(len == 7 && buffer[0] == '#');
    GIVES(SHMAP_NO_SPACE, shmap_table_get(table, 3325, NULL, 0, &len));
    CHECK(len == 7);

    GIVES(SHMAP_OK, shmap_table_update(table, 3325, "a\0b", 3));
    GIVES(SHMAP_OK, shmap_table_get(table, 3325, buffer, sizeof buffer, &len));
    CHECK(len == 3 && memcmp(buffer, "a\0b", 3) == 0);
    FAILS(SHMAP_NOT_FOUND, "-7", shmap_table_update(table, -7, "x", 1));
    GIVES(SHMAP_OK, shmap_table_upsert(table, -7, NULL, 0));
    GIVES(SHMAP_OK, shmap_table_get(table, -7, buffer, sizeof buffer, &len));
    CHECK(len == 0);
    GIVES(1, shmap_table_contains(table, -7));
    GIVES(SHMAP_OK, shmap_table_remove(table, -7));
    GIVES(0, shmap_table_contains(table, -7));
    FAILS(SHMAP_NOT_FOUND, "-7", shmap_table_remove(table, -7));
    FAILS(SHMAP_NOT_FOUND, "-7", shmap_table_get(table, -7, buffer, sizeof buffer, &len));

    // Exactly 256 bytes fit.
    char big[257];
    memset(big, 'x', sizeof big);
    GIVES(SHMAP_OK, shmap_table_upsert(table, 1, big, 256));
    FAILS(SHMAP_NO_SPACE, "257", shmap_table_upsert(table, 1, big, 257));
    GIVES(SHMAP_OK, shmap_table_get(table, 1, buffer, sizeof buffer, &len));
    CHECK(len == 256 && memcmp(buffer, big, 256) == 0);
}

static void modify(shmap_table *table) {
    const int64_t zero = 0;
    int64_t before = 99;
    GIVES(SHMAP_OK, shmap_table_upsert(table, 8, &zero, sizeof zero));
    GIVES(SHMAP_OK, shmap_table_fetch_add(table, 8, 5, &before));
    CHECK(before == 0);
    GIVES(SHMAP_OK, shmap_table_fetch_add(table, 8, -7, NULL));
    GIVES(SHMAP_OK, shmap_table_fetch_add(table, 8, 0, &before));
    CHECK(before == -2);
    GIVES(SHMAP_OK, shmap_table_upsert(table, 9, "old", 3));
    FAILS(SHMAP_MISMATCH, "3 bytes", shmap_table_fetch_add(table, 9, 1, &before));
    CHECK(before == -2);
    GIVES(SHMAP_MISMATCH, shmap_table_compare_exchange(table, 9, "other", 5, "new", 3));
    GIVES(SHMAP_OK, shmap_table_compare_exchange(table, 9, "old", 3, "new", 3));
    GIVES(SHMAP_NOT_FOUND, shmap_table_compare_exchange(table, 10, "", 0, "new", 3));
}

static void batches(shmap_table *table) {
    const shmap_status both[] = {{1, {"one", 3}}, {2, {"two", 3}}};
    const shmap_status with_a_stranger[] = {{1, {"changed", 7}}, {4711, {"x", 1}}};
    const int32_t keys[] = {2, 4711, 1};
    shmap_entries *entries = NULL;
    shmap_status entry;
    size_t len;
    GIVES(SHMAP_OK, shmap_table_clear(table));
    GIVES(SHMAP_OK, shmap_table_add_many(table, both, 2));
    FAILS(SHMAP_DUPLICATE_KEY, "member 0", shmap_table_add_many(table, both, 2));
    FAILS(SHMAP_NOT_FOUND, "member 1", shmap_table_update_many(table, with_a_stranger, 2));

    GIVES(SHMAP_OK, shmap_table_get_many(table, keys, 3, &entries));
    GIVES(SHMAP_OK, shmap_entries_len(entries, &len));
    CHECK(len == 3);
    GIVES(SHMAP_OK, shmap_entries_at(entries, 0, &entry));
    CHECK(entry.key == 2);
    IS(entry.value, "two");
    FAILS(SHMAP_NOT_FOUND, "4711", shmap_entries_at(entries, 1, &entry));
    CHECK(entry.key == 4711 && entry.value.data == NULL);
    GIVES(SHMAP_OK, shmap_entries_at(entries, 2, &entry));
    IS(entry.value, "one"); // the batch with a stranger changed nothing
    FAILS(SHMAP_INVALID, "entry 3", shmap_entries_at(entries, 3, &entry));
    GIVES(SHMAP_OK, shmap_entries_free(entries));

    GIVES(SHMAP_OK, shmap_table_upsert_many(table, with_a_stranger, 2));
    GIVES(SHMAP_OK, shmap_table_entries(table, &entries));
    GIVES(SHMAP_OK, shmap_entries_len(entries, &len));
    CHECK(len == 3);
    const int32_t sorted[] = {1, 2, 4711};
    for (size_t i = 0; i < len; i++) {
        GIVES(SHMAP_OK, shmap_entries_at(entries, i, &entry));
        CHECK(entry.key == sorted[i]);
    }
    // Copies stay what they are.
    GIVES(SHMAP_OK, shmap_table_clear(table));
    GIVES(SHMAP_OK, shmap_entries_at(entries, 0, &entry));
    IS(entry.value, "changed");
    GIVES(SHMAP_OK, shmap_entries_free(entries));

    GIVES(SHMAP_OK, shmap_table_upsert_many(table, both, 2));
    FAILS(SHMAP_NOT_FOUND, "member 1", shmap_table_remove_many(table, keys, 3));
    GIVES(SHMAP_OK, shmap_table_len(table, &len));
    CHECK(len == 2);
    GIVES(SHMAP_OK, shmap_table_remove_many(table, keys, 1));
    GIVES(SHMAP_OK, shmap_table_update_many(table, NULL, 0));
    GIVES(SHMAP_OK, shmap_table_get_many(table, NULL, 0, &entries));
    GIVES(SHMAP_OK, shmap_entries_free(entries));
}

static void capacity_is_capacity(void) {
    shmap_table_options options;
    shmap_table *table = NULL;
    shmap_stats stats;
    GIVES(SHMAP_OK, shmap_table_options_init(&options, sizeof options));
    CHECK(options.capacity == 1024 && options.value_size == 256 && options.mode == 0600);
    CHECK(options.lock_timeout_ms == 5000 && options.dir == NULL);
    options.capacity = 5;
    options.value_size = 3;
    GIVES(SHMAP_OK, shmap_table_create("small", &options, &table));
    for (int32_t key = 0; key < 5; key++) GIVES(SHMAP_OK, shmap_table_add(table, key * 1000, "abc", 3));
    FAILS(SHMAP_NO_SPACE, "5", shmap_table_add(table, 1, "abc", 3));
    GIVES(SHMAP_OK, shmap_table_stats(table, &stats));
    CHECK(stats.len == 5 && stats.capacity == 5 && stats.value_size == 3 && stats.writes == 5);
    CHECK(stats.recoveries == 0 && stats.file_len > 0);
    GIVES(SHMAP_OK, shmap_table_verify(table));
    shmap_table *second = NULL;
    options.capacity = 6;
    FAILS(SHMAP_MISMATCH, "capacity", shmap_table_open_or_create("small", &options, &second));
    options.capacity = 0;
    FAILS(SHMAP_INVALID, "capacity", shmap_table_create("none", &options, &second));
    CHECK(second == NULL);
    GIVES(SHMAP_OK, shmap_table_unlink(table));
    FAILS(SHMAP_NOT_FOUND, "small", shmap_table_unlink(table));
    GIVES(SHMAP_OK, shmap_table_close(table));
}

static void a_table_grows_to_its_largest_capacity(void) {
    shmap_table_options options;
    shmap_table *table = NULL, *reader = NULL;
    shmap_stats stats;
    GIVES(SHMAP_OK, shmap_table_options_init(&options, sizeof options));
    CHECK(options.max_capacity == 0);
    options.capacity = 3;
    options.max_capacity = 10;
    GIVES(SHMAP_OK, shmap_table_create("growing", &options, &table));
    GIVES(SHMAP_OK, shmap_table_open_read_only("growing", NULL, &reader));
    GIVES(SHMAP_OK, shmap_table_stats(table, &stats));
    CHECK(stats.capacity == 3 && stats.max_capacity == 10);
    const uint64_t file_len = stats.file_len;
    for (int32_t key = 0; key < 10; key++) GIVES(SHMAP_OK, shmap_table_add(table, key, "abc", 3));
    FAILS(SHMAP_NO_SPACE, "all 10 entries are taken; capacity and max_capacity are fixed",
          shmap_table_add(table, 10, "abc", 3));
    for (int32_t key = 0; key < 10; key++) GIVES(1, shmap_table_contains(reader, key));
    GIVES(SHMAP_OK, shmap_table_stats(reader, &stats));
    CHECK(stats.len == 10 && stats.capacity == 10 && stats.max_capacity == 10);
    CHECK(stats.file_len == file_len);
    GIVES(SHMAP_OK, shmap_table_verify(table));
    GIVES(SHMAP_OK, shmap_table_unlink(table));
    GIVES(SHMAP_OK, shmap_table_close(table));
    GIVES(SHMAP_OK, shmap_table_close(reader));
}

static void names_and_handles(shmap_table *table) {
    shmap_table *reader = NULL, *other = NULL;
    char buffer[8];
    size_t len;
    FAILS(SHMAP_DUPLICATE_KEY, "status", shmap_table_create("status", NULL, &other));
    GIVES(SHMAP_OK, shmap_table_open_read_only("status", NULL, &reader));
    GIVES(SHMAP_OK, shmap_table_upsert(table, 5, "five", 4));
    GIVES(SHMAP_OK, shmap_table_get(reader, 5, buffer, sizeof buffer, &len));
    CHECK(len == 4 && memcmp(buffer, "five", 4) == 0);
    FAILS(SHMAP_PERMISSION, "reading only", shmap_table_upsert(reader, 5, "x", 1));
    GIVES(0, shmap_table_is_orphaned(reader));
    GIVES(0, shmap_table_is_orphaned(table));
    GIVES(SHMAP_OK, shmap_table_remove_name("status", NULL));
    FAILS(SHMAP_NOT_FOUND, "status", shmap_table_remove_name("status", NULL));
    GIVES(1, shmap_table_is_orphaned(reader));
    GIVES(1, shmap_table_is_orphaned(table));
    GIVES(SHMAP_NOT_FOUND, shmap_table_open("status", NULL, &other));
    CHECK(other == NULL);
    GIVES(SHMAP_OK, shmap_table_close(reader));
}

static void to_a_map_and_back(shmap_table *table) {
    shmap_map *map = NULL;
    shmap_bytes value;
    uint8_t key[4];
    int32_t number = 0;
    uint64_t edition = 0;
    size_t count = 0;
    GIVES(SHMAP_OK, shmap_table_clear(table));
    GIVES(SHMAP_OK, shmap_table_upsert(table, -5, "minus five", 10));
    GIVES(SHMAP_OK, shmap_table_freeze(table, "frozen", NULL, &edition));
    CHECK(edition == 1);
    FAILS(SHMAP_DUPLICATE_KEY, "frozen", shmap_table_freeze(table, "frozen", NULL, NULL));
    GIVES(SHMAP_OK, shmap_map_open("frozen", NULL, &map));
    GIVES(SHMAP_OK, shmap_map_key(-5, key));
    GIVES(SHMAP_OK, shmap_map_get(map, key, sizeof key, &value));
    IS(value, "minus five");
    GIVES(SHMAP_OK, shmap_table_key(key, sizeof key, &number));
    CHECK(number == -5);
    FAILS(SHMAP_MISMATCH, "5 bytes", shmap_table_key("three", 5, &number));
    GIVES(SHMAP_OK, shmap_table_clear(table));
    GIVES(SHMAP_OK, shmap_table_load(table, map, &count));
    CHECK(count == 1);
    GIVES(1, shmap_table_contains(table, -5));
    GIVES(SHMAP_OK, shmap_map_close(map));
    GIVES(SHMAP_OK, shmap_map_remove_name("frozen", NULL));
}

int main(void) {
    shmap_table *table = NULL, *again = NULL;
    char version[32];
    CHECK(strcmp(shmap_last_error(), "") == 0);
    snprintf(version, sizeof version, "%d.%d.%d", SHMAP_VERSION_MAJOR, SHMAP_VERSION_MINOR, SHMAP_VERSION_PATCH);
    CHECK(strcmp(shmap_version(), version) == 0);
    CHECK(strcmp(shmap_strerror(SHMAP_OK), "success") == 0);
    CHECK(strcmp(shmap_strerror(12345), "not a code of this library") == 0);
    GIVES(SHMAP_OK, shmap_table_open_or_create("status", NULL, &table));
    GIVES(SHMAP_OK, shmap_table_open("status", NULL, &again));
    one_key_at_a_time(table);
    modify(table);
    batches(table);
    to_a_map_and_back(table);
    capacity_is_capacity();
    a_table_grows_to_its_largest_capacity();
    names_and_handles(table);
    GIVES(SHMAP_OK, shmap_table_close(again));
    GIVES(SHMAP_OK, shmap_table_close(table));
    puts("ok");
    return 0;
}
