// Tables with keys of every kind: made, opened, written and read, by whatever form of key fits.
#include "check.h"

static shmap_table *made(const char *name, int kind) {
    shmap_table_options options;
    shmap_table *table = NULL;
    GIVES(SHMAP_OK, shmap_table_options_init(&options, sizeof options));
    CHECK(options.key_kind == SHMAP_KEYS_I32 && options.key_size == 64);
    options.key_kind = kind;
    options.key_size = 8;
    options.capacity = 8;
    options.value_size = 16;
    GIVES(SHMAP_OK, shmap_table_create(name, &options, &table));
    GIVES(kind, shmap_table_key_kind(table));
    return table;
}

// Closes the table that was made, and opens it anew by its name alone.
static shmap_table *again(const char *name, shmap_table *table) {
    const int kind = shmap_table_key_kind(table);
    GIVES(SHMAP_OK, shmap_table_close(table));
    GIVES(SHMAP_OK, shmap_table_open(name, NULL, &table));
    GIVES(kind, shmap_table_key_kind(table));
    return table;
}

static void done(shmap_table *table) {
    GIVES(SHMAP_OK, shmap_table_verify(table));
    GIVES(SHMAP_OK, shmap_table_unlink(table));
    GIVES(SHMAP_OK, shmap_table_close(table));
}

static void keys_of_64_bits(void) {
    shmap_table *table = made("wide", SHMAP_KEYS_I64);
    const int64_t far = INT64_C(1) << 40;
    char buffer[16];
    size_t len = 0;
    int64_t counter = 0;
    GIVES(SHMAP_OK, shmap_table_add_i64(table, far, "far", 3));
    FAILS(SHMAP_DUPLICATE_KEY, "1099511627776", shmap_table_add_i64(table, far, "far", 3));
    GIVES(SHMAP_OK, shmap_table_update_i64(table, far, "farther", 7));
    FAILS(SHMAP_NOT_FOUND, "-9223372036854775808", shmap_table_update_i64(table, INT64_MIN, "x", 1));
    GIVES(SHMAP_OK, shmap_table_upsert_i64(table, INT64_MIN, "least", 5));
    table = again("wide", table);
    GIVES(SHMAP_OK, shmap_table_get_i64(table, far, buffer, sizeof buffer, &len));
    CHECK(len == 7 && memcmp(buffer, "farther", 7) == 0);
    FAILS(SHMAP_NO_SPACE, "7 bytes", shmap_table_get_i64(table, far, buffer, 6, &len));
    GIVES(1, shmap_table_contains_i64(table, far));
    GIVES(SHMAP_MISMATCH, shmap_table_compare_exchange_i64(table, far, "near", 4, "x", 1));
    GIVES(SHMAP_OK, shmap_table_compare_exchange_i64(table, far, "farther", 7, "x", 1));
    GIVES(SHMAP_OK, shmap_table_increment_i64(table, 7, 2, 40, &counter));
    CHECK(counter == 42);
    GIVES(SHMAP_OK, shmap_table_fetch_add_i64(table, 7, -2, &counter));
    CHECK(counter == 42);
    GIVES(SHMAP_OK, shmap_table_increment_i64(table, 7, 0, 99, NULL));
    // The form for 32 bits serves where the key has no more.
    GIVES(SHMAP_OK, shmap_table_increment(table, 7, 1, 99, &counter));
    CHECK(counter == 41);
    GIVES(SHMAP_OK, shmap_table_remove(table, 7));
    GIVES(0, shmap_table_contains_i64(table, 7));

    const shmap_status_i64 both[] = {{far + 1, {"one", 3}}, {far + 2, {"two", 3}}};
    const shmap_status_i64 with_a_stranger[] = {{far, {"changed", 7}}, {5, {"x", 1}}};
    const int64_t asked[] = {far + 2, 5, INT64_MIN};
    shmap_entries *entries = NULL;
    shmap_status_i64 entry;
    shmap_status narrow = {99, {NULL, 0}};
    GIVES(SHMAP_OK, shmap_table_add_many_i64(table, both, 2));
    FAILS(SHMAP_NOT_FOUND, "member 1", shmap_table_update_many_i64(table, with_a_stranger, 2));
    GIVES(SHMAP_OK, shmap_table_get_many_i64(table, asked, 3, &entries));
    GIVES(SHMAP_OK, shmap_entries_at_i64(entries, 0, &entry));
    CHECK(entry.key == far + 2);
    IS(entry.value, "two");
    FAILS(SHMAP_MISMATCH, "does not fit", shmap_entries_at(entries, 0, &narrow));
    CHECK(narrow.key == 99);
    FAILS(SHMAP_NOT_FOUND, "key 5", shmap_entries_at_i64(entries, 1, &entry));
    CHECK(entry.key == 5 && entry.value.data == NULL);
    GIVES(SHMAP_NOT_FOUND, shmap_entries_at(entries, 1, &narrow));
    CHECK(narrow.key == 5 && narrow.value.data == NULL);
    GIVES(SHMAP_OK, shmap_entries_free(entries));
    GIVES(SHMAP_OK, shmap_table_upsert_many_i64(table, with_a_stranger, 2));
    GIVES(SHMAP_OK, shmap_table_entries(table, &entries));
    const int64_t sorted[] = {INT64_MIN, 5, far, far + 1, far + 2};
    GIVES(SHMAP_OK, shmap_entries_len(entries, &len));
    CHECK(len == 5);
    for (size_t i = 0; i < len; i++) {
        GIVES(SHMAP_OK, shmap_entries_at_i64(entries, i, &entry));
        CHECK(entry.key == sorted[i]);
    }
    GIVES(SHMAP_OK, shmap_entries_free(entries));
    FAILS(SHMAP_NOT_FOUND, "member 1", shmap_table_remove_many_i64(table, (const int64_t[]){5, 6}, 2));
    GIVES(SHMAP_OK, shmap_table_remove_many_i64(table, sorted, 5));
    GIVES(SHMAP_OK, shmap_table_len(table, &len));
    CHECK(len == 0);
    done(table);
}

static void keys_of_text(void) {
    shmap_table *table = made("words", SHMAP_KEYS_TEXT);
    shmap_stats stats;
    char buffer[16];
    size_t len = 0;
    int64_t counter = 0;
    GIVES(SHMAP_OK, shmap_table_add_bytes(table, "rot", 3, "red", 3));
    FAILS(SHMAP_DUPLICATE_KEY, "\"rot\"", shmap_table_add_bytes(table, "rot", 3, "red", 3));
    GIVES(SHMAP_OK, shmap_table_update_bytes(table, "rot", 3, "scarlet", 7));
    GIVES(SHMAP_OK, shmap_table_upsert_bytes(table, NULL, 0, "of the empty key", 16));
    table = again("words", table);
    GIVES(SHMAP_OK, shmap_table_stats(table, &stats));
    CHECK(stats.key_size == 8 && stats.lost == 0);
    // The length counts, and no NUL.
    GIVES(SHMAP_OK, shmap_table_get_bytes(table, "rotten", 3, buffer, sizeof buffer, &len));
    CHECK(len == 7 && memcmp(buffer, "scarlet", 7) == 0);
    FAILS(SHMAP_NOT_FOUND, "\"roten\"", shmap_table_get_bytes(table, "roten", 5, buffer, sizeof buffer, &len));
    GIVES(1, shmap_table_contains_bytes(table, "", 0));
    GIVES(SHMAP_OK, shmap_table_remove_bytes(table, "", 0));
    GIVES(0, shmap_table_contains_bytes(table, NULL, 0));
    GIVES(SHMAP_OK, shmap_table_upsert_bytes(table, "12345678", 8, "fits", 4));
    FAILS(SHMAP_NO_SPACE, "key \"123456789\" is 9 bytes long, at most 8", shmap_table_upsert_bytes(table, "123456789", 9, "", 0));
    FAILS(SHMAP_MISMATCH, "\\xff", shmap_table_upsert_bytes(table, "\xff", 1, "not UTF-8", 9));
    GIVES(SHMAP_MISMATCH, shmap_table_compare_exchange_bytes(table, "rot", 3, "red", 3, "x", 1));
    GIVES(SHMAP_OK, shmap_table_compare_exchange_bytes(table, "rot", 3, "scarlet", 7, "x", 1));
    GIVES(SHMAP_OK, shmap_table_increment_bytes(table, "hits", 4, 1, 0, &counter));
    GIVES(SHMAP_OK, shmap_table_increment_bytes(table, "hits", 4, 1, 0, &counter));
    CHECK(counter == 2);
    GIVES(SHMAP_OK, shmap_table_fetch_add_bytes(table, "hits", 4, 10, &counter));
    CHECK(counter == 2);
    FAILS(SHMAP_MISMATCH, "1 bytes", shmap_table_increment_bytes(table, "rot", 3, 1, 0, &counter));

    const shmap_pair both[] = {{{"a", 1}, {"1", 1}}, {{"b", 1}, {"2", 1}}};
    const shmap_pair with_a_stranger[] = {{{"a", 1}, {"changed", 7}}, {{"none", 4}, {"x", 1}}};
    const shmap_bytes asked[] = {{"b", 1}, {"none", 4}, {"a", 1}};
    shmap_entries *entries = NULL;
    shmap_pair entry;
    shmap_status status;
    GIVES(SHMAP_OK, shmap_table_clear(table));
    GIVES(SHMAP_OK, shmap_table_add_many_bytes(table, both, 2));
    FAILS(SHMAP_DUPLICATE_KEY, "member 0", shmap_table_add_many_bytes(table, both, 2));
    FAILS(SHMAP_NOT_FOUND, "member 1", shmap_table_update_many_bytes(table, with_a_stranger, 2));
    GIVES(SHMAP_OK, shmap_table_get_many_bytes(table, asked, 3, &entries));
    GIVES(SHMAP_OK, shmap_entries_at_bytes(entries, 0, &entry));
    IS(entry.key, "b");
    IS(entry.value, "2");
    FAILS(SHMAP_NOT_FOUND, "\"none\"", shmap_entries_at_bytes(entries, 1, &entry));
    IS(entry.key, "none");
    CHECK(entry.value.data == NULL);
    GIVES(SHMAP_OK, shmap_entries_at_bytes(entries, 2, &entry));
    IS(entry.value, "1"); // the batch with a stranger changed nothing
    FAILS(SHMAP_MISMATCH, "keys of type str, not i32", shmap_entries_at(entries, 0, &status));
    FAILS(SHMAP_INVALID, "entry 3", shmap_entries_at_bytes(entries, 3, &entry));
    GIVES(SHMAP_OK, shmap_entries_free(entries));
    GIVES(SHMAP_OK, shmap_table_upsert_many_bytes(table, with_a_stranger, 2));
    FAILS(SHMAP_NOT_FOUND, "member 1", shmap_table_remove_many_bytes(table, (const shmap_bytes[]){{"a", 1}, {"c", 1}}, 2));
    GIVES(SHMAP_OK, shmap_table_remove_many_bytes(table, asked, 3));
    GIVES(SHMAP_OK, shmap_table_len(table, &len));
    CHECK(len == 0);

    // A handle for reading only reads, and says so.
    shmap_table *reader = NULL;
    GIVES(SHMAP_OK, shmap_table_upsert_bytes(table, "rot", 3, "red", 3));
    GIVES(SHMAP_OK, shmap_table_open_read_only("words", NULL, &reader));
    GIVES(SHMAP_KEYS_TEXT, shmap_table_key_kind(reader));
    GIVES(SHMAP_OK, shmap_table_get_bytes(reader, "rot", 3, buffer, sizeof buffer, &len));
    FAILS(SHMAP_PERMISSION, "reading only", shmap_table_remove_bytes(reader, "rot", 3));
    FAILS(SHMAP_MISMATCH, "\"words\" has keys of type str, not i32", shmap_table_contains(reader, 1));
    GIVES(SHMAP_OK, shmap_table_close(reader));
    done(table);
}

// Any bytes are a key; some of them are no text.
static void keys_of_bytes(void) {
    shmap_table *table = made("bytes", SHMAP_KEYS_BYTES);
    char buffer[16];
    size_t len = 0;
    GIVES(SHMAP_OK, shmap_table_add_bytes(table, "a\0\xff", 3, "value", 5));
    table = again("bytes", table);
    GIVES(SHMAP_OK, shmap_table_get_bytes(table, "a\0\xff", 3, buffer, sizeof buffer, &len));
    CHECK(len == 5);
    GIVES(0, shmap_table_contains_bytes(table, "a", 1));
    done(table);
}

// Each integer kind has its range, whatever the form of the key.
static void every_integer(void) {
    static const struct {
        int kind;
        int64_t least, greatest;
    } kinds[] = {
        {SHMAP_KEYS_I8, INT8_MIN, INT8_MAX},    {SHMAP_KEYS_I16, INT16_MIN, INT16_MAX},
        {SHMAP_KEYS_I32, INT32_MIN, INT32_MAX}, {SHMAP_KEYS_U8, 0, UINT8_MAX},
        {SHMAP_KEYS_U16, 0, UINT16_MAX},        {SHMAP_KEYS_U32, 0, UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        shmap_table *table = made("integers", kinds[i].kind);
        shmap_entries *entries = NULL;
        shmap_status_i64 entry;
        size_t len = 0;
        GIVES(SHMAP_OK, shmap_table_add_i64(table, kinds[i].least, "least", 5));
        GIVES(SHMAP_OK, shmap_table_add_i64(table, kinds[i].greatest, "greatest", 8));
        FAILS(SHMAP_MISMATCH, "is not of type", shmap_table_add_i64(table, kinds[i].least - 1, "", 0));
        FAILS(SHMAP_MISMATCH, "is not of type", shmap_table_add_i64(table, kinds[i].greatest + 1, "", 0));
        FAILS(SHMAP_MISMATCH, "\"integers\" has keys of type", shmap_table_add_bytes(table, "x", 1, "", 0));
        table = again("integers", table);
        GIVES(1, shmap_table_contains(table, (int32_t)kinds[i].least));
        GIVES(SHMAP_OK, shmap_table_entries(table, &entries));
        GIVES(SHMAP_OK, shmap_entries_len(entries, &len));
        CHECK(len == 2);
        GIVES(SHMAP_OK, shmap_entries_at_i64(entries, 0, &entry));
        CHECK(entry.key == kinds[i].least);
        GIVES(SHMAP_OK, shmap_entries_at_i64(entries, 1, &entry));
        CHECK(entry.key == kinds[i].greatest);
        GIVES(SHMAP_OK, shmap_entries_free(entries));
        done(table);
    }
    // Of `uint64_t`, the same bits.
    shmap_table *table = made("integers", SHMAP_KEYS_U64);
    shmap_entries *entries = NULL;
    shmap_status_i64 entry;
    GIVES(SHMAP_OK, shmap_table_add_i64(table, (int64_t)UINT64_MAX, "greatest", 8));
    GIVES(SHMAP_OK, shmap_table_add_i64(table, 0, "least", 5));
    FAILS(SHMAP_DUPLICATE_KEY, "18446744073709551615", shmap_table_add_i64(table, -1, "", 0));
    FAILS(SHMAP_MISMATCH, "-1 is not of type u64", shmap_table_add(table, -1, "", 0));
    GIVES(SHMAP_OK, shmap_table_entries(table, &entries));
    GIVES(SHMAP_OK, shmap_entries_at_i64(entries, 1, &entry));
    CHECK((uint64_t)entry.key == UINT64_MAX);
    GIVES(SHMAP_OK, shmap_entries_free(entries));
    done(table);
}

static void a_table_of_other_keys_is_not_taken_for_ones_own(void) {
    shmap_table *table = made("words", SHMAP_KEYS_TEXT), *other = NULL;
    FAILS(SHMAP_MISMATCH, "keys of type str, not i32", shmap_table_open_or_create("words", NULL, &other));
    shmap_table_options options;
    GIVES(SHMAP_OK, shmap_table_options_init(&options, sizeof options));
    options.key_kind = SHMAP_KEYS_TEXT;
    options.capacity = 8;
    options.value_size = 16;
    FAILS(SHMAP_MISMATCH, "key_size", shmap_table_open_or_create("words", &options, &other));
    CHECK(other == NULL);
    options.key_size = 8;
    GIVES(SHMAP_OK, shmap_table_open_or_create("words", &options, &other));
    GIVES(SHMAP_OK, shmap_table_close(other));
    done(table);
}

static void counters_begin(void) {
    shmap_table *table = made("counters", SHMAP_KEYS_I32);
    int64_t counter = 0;
    size_t lost = 9;
    GIVES(SHMAP_OK, shmap_table_increment(table, 1, 1, 0, &counter));
    CHECK(counter == 1);
    GIVES(SHMAP_OK, shmap_table_increment(table, 1, 1, 0, NULL));
    GIVES(SHMAP_OK, shmap_table_increment(table, 2, -1, 10, &counter));
    CHECK(counter == 9);
    FAILS(SHMAP_NOT_FOUND, "key 3", shmap_table_fetch_add(table, 3, 1, &counter));
    GIVES(SHMAP_OK, shmap_table_fetch_add(table, 1, 0, &counter));
    CHECK(counter == 2);
    GIVES(SHMAP_OK, shmap_table_upsert(table, 3, "abc", 3));
    FAILS(SHMAP_MISMATCH, "3 bytes", shmap_table_increment(table, 3, 1, 0, &counter));
    for (int32_t key = 10; key < 15; key++) GIVES(SHMAP_OK, shmap_table_increment(table, key, 1, 0, NULL));
    FAILS(SHMAP_NO_SPACE, "full", shmap_table_increment(table, 15, 1, 0, &counter));
    CHECK(counter == 2);
    GIVES(SHMAP_OK, shmap_table_recover(table, &lost));
    CHECK(lost == 0);
    GIVES(SHMAP_OK, shmap_table_recover(table, NULL));
    GIVES(SHMAP_OK, shmap_table_flush(table));
    done(table);
}

static void to_a_map_and_back(void) {
    static const int kinds[] = {SHMAP_KEYS_I64, SHMAP_KEYS_TEXT};
    for (size_t i = 0; i < 2; i++) {
        shmap_table *table = made("frozen", kinds[i]);
        shmap_map *map = NULL;
        shmap_bytes value;
        uint8_t key[8];
        int64_t number = 0;
        size_t count = 0;
        if (kinds[i] == SHMAP_KEYS_TEXT) {
            GIVES(SHMAP_OK, shmap_table_add_bytes(table, "minus", 5, "value", 5));
            memcpy(key, "minus", 5);
        } else {
            GIVES(SHMAP_OK, shmap_table_add_i64(table, -5, "value", 5));
            GIVES(SHMAP_OK, shmap_map_key_i64(-5, key));
            GIVES(SHMAP_OK, shmap_table_key_i64(key, sizeof key, &number));
            CHECK(number == -5 && key[0] == 0x7f && key[7] == 0xfb);
        }
        GIVES(SHMAP_OK, shmap_table_freeze(table, "frozen", NULL, NULL));
        GIVES(SHMAP_OK, shmap_map_open("frozen", NULL, &map));
        GIVES(SHMAP_OK, shmap_map_get(map, key, kinds[i] == SHMAP_KEYS_TEXT ? 5 : 8, &value));
        IS(value, "value");
        GIVES(SHMAP_OK, shmap_table_clear(table));
        GIVES(SHMAP_OK, shmap_table_load(table, map, &count));
        CHECK(count == 1);
        GIVES(SHMAP_OK, shmap_map_close(map));
        GIVES(SHMAP_OK, shmap_map_remove_name("frozen", NULL));
        done(table);
    }
}

int main(void) {
    keys_of_64_bits();
    keys_of_text();
    keys_of_bytes();
    every_integer();
    a_table_of_other_keys_is_not_taken_for_ones_own();
    counters_begin();
    to_a_map_and_back();
    puts("ok");
    return 0;
}
