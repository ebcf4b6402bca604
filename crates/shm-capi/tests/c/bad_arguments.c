// Handles that are none, null pointers and impossible lengths: a code each, and nothing else happens. A test in
// `header.rs` sees to it that every function of the header occurs here.
#include "check.h"

static void *bad[8];
static const size_t BAD = sizeof bad / sizeof *bad;

// The call fails for every handle that is not one of this type; it names the handle `h`.
#define NO_HANDLE(type, call)                                                                             \
    for (size_t i_ = 0; i_ < BAD; i_++) {                                                                 \
        type *h = bad[i_];                                                                                \
        GIVES(SHMAP_INVALID, call);                                                                       \
        CHECK(*shmap_last_error() != '\0');                                                               \
    }
#define INVALID(call) FAILS(SHMAP_INVALID, "null", call)

static char text[] = "neither a handle nor aligned";
static char buffer[64];
static size_t len;

static void tables(shmap_table *table, shmap_map *map) {
    shmap_table *out = NULL;
    shmap_entries *entries = NULL;
    shmap_stats stats;
    shmap_status status[1] = {{1, {NULL, 1}}};
    const int32_t key = 1;
    int64_t before;
    uint64_t edition;
    NO_HANDLE(shmap_table, shmap_table_add(h, 1, "x", 1));
    NO_HANDLE(shmap_table, shmap_table_update(h, 1, "x", 1));
    NO_HANDLE(shmap_table, shmap_table_upsert(h, 1, "x", 1));
    NO_HANDLE(shmap_table, shmap_table_get(h, 1, buffer, sizeof buffer, &len));
    NO_HANDLE(shmap_table, shmap_table_contains(h, 1));
    NO_HANDLE(shmap_table, shmap_table_remove(h, 1));
    NO_HANDLE(shmap_table, shmap_table_clear(h));
    NO_HANDLE(shmap_table, shmap_table_compare_exchange(h, 1, "x", 1, "y", 1));
    NO_HANDLE(shmap_table, shmap_table_fetch_add(h, 1, 1, &before));
    NO_HANDLE(shmap_table, shmap_table_len(h, &len));
    NO_HANDLE(shmap_table, shmap_table_stats(h, &stats));
    NO_HANDLE(shmap_table, shmap_table_writers(h, NULL, 0, &len));
    NO_HANDLE(shmap_table, shmap_table_verify(h));
    NO_HANDLE(shmap_table, shmap_table_add_many(h, NULL, 0));
    NO_HANDLE(shmap_table, shmap_table_update_many(h, NULL, 0));
    NO_HANDLE(shmap_table, shmap_table_upsert_many(h, NULL, 0));
    NO_HANDLE(shmap_table, shmap_table_remove_many(h, NULL, 0));
    NO_HANDLE(shmap_table, shmap_table_get_many(h, &key, 1, &entries));
    NO_HANDLE(shmap_table, shmap_table_entries(h, &entries));
    NO_HANDLE(shmap_table, shmap_table_unlink(h));
    NO_HANDLE(shmap_table, shmap_table_is_orphaned(h));
    NO_HANDLE(shmap_table, shmap_table_freeze(h, "never", NULL, &edition));
    NO_HANDLE(shmap_table, shmap_table_load(h, map, &len));
    NO_HANDLE(shmap_table, shmap_table_close(h));
    NO_HANDLE(shmap_map, shmap_table_load(table, h, &len));
    NO_HANDLE(shmap_entries, shmap_entries_len(h, &len));
    NO_HANDLE(shmap_entries, shmap_entries_at(h, 0, status));
    NO_HANDLE(shmap_entries, shmap_entries_free(h));

    INVALID(shmap_table_open(NULL, NULL, &out));
    INVALID(shmap_table_open("x", NULL, NULL));
    INVALID(shmap_table_create(NULL, NULL, &out));
    INVALID(shmap_table_create("never", NULL, NULL));
    INVALID(shmap_table_open_or_create(NULL, NULL, &out));
    INVALID(shmap_table_open_or_create("never", NULL, NULL));
    INVALID(shmap_table_open_read_only(NULL, NULL, &out));
    INVALID(shmap_table_open_read_only("x", NULL, NULL));
    INVALID(shmap_table_remove_name(NULL, NULL));
    INVALID(shmap_table_add(table, 1, NULL, 1));
    INVALID(shmap_table_update(table, 1, NULL, 1));
    INVALID(shmap_table_upsert(table, 1, NULL, 1));
    INVALID(shmap_table_get(table, 1, NULL, 1, &len));
    INVALID(shmap_table_get(table, 1, buffer, sizeof buffer, NULL));
    INVALID(shmap_table_compare_exchange(table, 1, NULL, 1, "x", 1));
    INVALID(shmap_table_compare_exchange(table, 1, "x", 1, NULL, 1));
    INVALID(shmap_table_len(table, NULL));
    INVALID(shmap_table_stats(table, NULL));
    INVALID(shmap_table_writers(table, NULL, 1, &len));
    INVALID(shmap_table_writers(table, NULL, 0, NULL));
    INVALID(shmap_table_add_many(table, NULL, 1));
    INVALID(shmap_table_add_many(table, status, 1));
    INVALID(shmap_table_update_many(table, status, 1));
    INVALID(shmap_table_upsert_many(table, status, 1));
    INVALID(shmap_table_remove_many(table, NULL, 1));
    INVALID(shmap_table_get_many(table, NULL, 1, &entries));
    INVALID(shmap_table_get_many(table, &key, 1, NULL));
    INVALID(shmap_table_entries(table, NULL));
    INVALID(shmap_table_freeze(table, NULL, NULL, NULL));
    INVALID(shmap_map_key(1, NULL));
    INVALID(shmap_table_key(NULL, 4, NULL));
    INVALID(shmap_table_key("1234", 4, NULL));

    // Lengths that no memory has.
    FAILS(SHMAP_INVALID, "longer than memory", shmap_table_upsert(table, 1, "x", SIZE_MAX));
    FAILS(SHMAP_INVALID, "longer than memory", shmap_table_get(table, 1, buffer, SIZE_MAX, &len));
    FAILS(SHMAP_INVALID, "longer than memory", shmap_table_remove_many(table, &key, SIZE_MAX / 2));
    FAILS(SHMAP_INVALID, "aligned", shmap_table_remove_many(table, (const int32_t *)(const void *)(text + 1), 1));
    FAILS(SHMAP_INVALID, "aligned", shmap_table_len(table, (size_t *)(void *)(text + 1)));
    CHECK(out == NULL && entries == NULL);
    GIVES(SHMAP_OK, shmap_table_len(table, &len));
    CHECK(len == 0);
}

// Waiting, with keys of every form.
static void waits(shmap_table *table, shmap_table *words) {
    shmap_key_version seen;
    shmap_whole_version whole;
    GIVES(0, shmap_table_version(table, 1, &seen));
    GIVES(SHMAP_OK, shmap_table_whole_version(table, &whole));
    NO_HANDLE(shmap_table, shmap_table_get_with_version(h, 1, buffer, sizeof buffer, &len, &seen));
    NO_HANDLE(shmap_table, shmap_table_get_with_version_i64(h, 1, buffer, sizeof buffer, &len, &seen));
    NO_HANDLE(shmap_table, shmap_table_get_with_version_bytes(h, "x", 1, buffer, sizeof buffer, &len, &seen));
    NO_HANDLE(shmap_table, shmap_table_version(h, 1, &seen));
    NO_HANDLE(shmap_table, shmap_table_version_i64(h, 1, &seen));
    NO_HANDLE(shmap_table, shmap_table_version_bytes(h, "x", 1, &seen));
    NO_HANDLE(shmap_table, shmap_table_wait_for_change(h, 1, &seen, -1, NULL));
    NO_HANDLE(shmap_table, shmap_table_wait_for_change_i64(h, 1, &seen, -1, NULL));
    NO_HANDLE(shmap_table, shmap_table_wait_for_change_bytes(h, "x", 1, &seen, -1, NULL));
    NO_HANDLE(shmap_table, shmap_table_whole_version(h, &whole));
    NO_HANDLE(shmap_table, shmap_table_wait_for_any_change(h, &whole, -1, NULL));

    INVALID(shmap_table_get_with_version(table, 1, NULL, 1, &len, &seen));
    INVALID(shmap_table_get_with_version(table, 1, buffer, sizeof buffer, NULL, &seen));
    INVALID(shmap_table_get_with_version(table, 1, buffer, sizeof buffer, &len, NULL));
    INVALID(shmap_table_get_with_version_i64(table, 1, buffer, sizeof buffer, &len, NULL));
    INVALID(shmap_table_get_with_version_bytes(words, NULL, 1, buffer, sizeof buffer, &len, &seen));
    INVALID(shmap_table_get_with_version_bytes(words, "x", 1, buffer, sizeof buffer, &len, NULL));
    INVALID(shmap_table_version(table, 1, NULL));
    INVALID(shmap_table_version_i64(table, 1, NULL));
    INVALID(shmap_table_version_bytes(words, NULL, 1, &seen));
    INVALID(shmap_table_version_bytes(words, "x", 1, NULL));
    INVALID(shmap_table_wait_for_change(table, 1, NULL, -1, NULL));
    INVALID(shmap_table_wait_for_change_i64(table, 1, NULL, -1, NULL));
    INVALID(shmap_table_wait_for_change_bytes(words, NULL, 1, &seen, -1, NULL));
    INVALID(shmap_table_wait_for_change_bytes(words, "x", 1, NULL, -1, NULL));
    INVALID(shmap_table_whole_version(table, NULL));
    INVALID(shmap_table_wait_for_any_change(table, NULL, -1, NULL));
    FAILS(SHMAP_INVALID, "aligned", shmap_table_version(table, 1, (shmap_key_version *)(void *)(text + 1)));
}

// Expiry, with keys of every form.
static void expiry(shmap_table *table, shmap_table *words) {
    int64_t ttl = 7;
    size_t visited = 7;
    NO_HANDLE(shmap_table, shmap_table_upsert_for(h, 1, "x", 1, 1));
    NO_HANDLE(shmap_table, shmap_table_upsert_for_i64(h, 1, "x", 1, 1));
    NO_HANDLE(shmap_table, shmap_table_upsert_for_bytes(h, "x", 1, "x", 1, 1));
    NO_HANDLE(shmap_table, shmap_table_touch(h, 1, 1));
    NO_HANDLE(shmap_table, shmap_table_touch_i64(h, 1, 1));
    NO_HANDLE(shmap_table, shmap_table_touch_bytes(h, "x", 1, 1));
    NO_HANDLE(shmap_table, shmap_table_ttl(h, 1, &ttl));
    NO_HANDLE(shmap_table, shmap_table_ttl_i64(h, 1, &ttl));
    NO_HANDLE(shmap_table, shmap_table_ttl_bytes(h, "x", 1, &ttl));
    NO_HANDLE(shmap_table, shmap_table_get_stale(h, 1, buffer, sizeof buffer, &len));
    NO_HANDLE(shmap_table, shmap_table_get_stale_i64(h, 1, buffer, sizeof buffer, &len));
    NO_HANDLE(shmap_table, shmap_table_get_stale_bytes(h, "x", 1, buffer, sizeof buffer, &len));
    NO_HANDLE(shmap_table, shmap_table_add_ephemeral(h, 1, "x", 1));
    NO_HANDLE(shmap_table, shmap_table_add_ephemeral_i64(h, 1, "x", 1));
    NO_HANDLE(shmap_table, shmap_table_add_ephemeral_bytes(h, "x", 1, "x", 1));
    NO_HANDLE(shmap_table, shmap_table_expire(h, 1, &visited));

    INVALID(shmap_table_upsert_for(table, 1, NULL, 1, 1));
    INVALID(shmap_table_upsert_for_i64(table, 1, NULL, 1, 1));
    INVALID(shmap_table_upsert_for_bytes(words, NULL, 1, "x", 1, 1));
    INVALID(shmap_table_upsert_for_bytes(words, "x", 1, NULL, 1, 1));
    INVALID(shmap_table_touch_bytes(words, NULL, 1, 1));
    INVALID(shmap_table_ttl(table, 1, NULL));
    INVALID(shmap_table_ttl_i64(table, 1, NULL));
    INVALID(shmap_table_ttl_bytes(words, NULL, 1, &ttl));
    INVALID(shmap_table_ttl_bytes(words, "x", 1, NULL));
    INVALID(shmap_table_get_stale(table, 1, NULL, 1, &len));
    INVALID(shmap_table_get_stale(table, 1, buffer, sizeof buffer, NULL));
    INVALID(shmap_table_get_stale_i64(table, 1, buffer, sizeof buffer, NULL));
    INVALID(shmap_table_get_stale_bytes(words, NULL, 1, buffer, sizeof buffer, &len));
    INVALID(shmap_table_get_stale_bytes(words, "x", 1, buffer, sizeof buffer, NULL));
    INVALID(shmap_table_add_ephemeral(table, 1, NULL, 1));
    INVALID(shmap_table_add_ephemeral_i64(table, 1, NULL, 1));
    INVALID(shmap_table_add_ephemeral_bytes(words, NULL, 1, "x", 1));
    INVALID(shmap_table_add_ephemeral_bytes(words, "x", 1, NULL, 1));
    FAILS(SHMAP_INVALID, "aligned", shmap_table_ttl(table, 1, (int64_t *)(void *)(text + 1)));
    FAILS(SHMAP_INVALID, "aligned", shmap_table_expire(table, 1, (size_t *)(void *)(text + 1)));
    CHECK(ttl == 7 && visited == 7);
}

// Keys of 64 bits, and of text.
static void other_forms(shmap_table *table, shmap_table *words) {
    shmap_entries *entries = NULL;
    shmap_status_i64 wide[1] = {{1, {NULL, 1}}};
    shmap_pair pair[1] = {{{"x", 1}, {NULL, 1}}};
    const int64_t key = 1;
    const shmap_bytes word = {"x", 1}, no_word = {NULL, 1};
    int64_t number;
    NO_HANDLE(shmap_table, shmap_table_increment(h, 1, 1, 0, &number));
    NO_HANDLE(shmap_table, shmap_table_add_i64(h, 1, "x", 1));
    NO_HANDLE(shmap_table, shmap_table_update_i64(h, 1, "x", 1));
    NO_HANDLE(shmap_table, shmap_table_upsert_i64(h, 1, "x", 1));
    NO_HANDLE(shmap_table, shmap_table_get_i64(h, 1, buffer, sizeof buffer, &len));
    NO_HANDLE(shmap_table, shmap_table_contains_i64(h, 1));
    NO_HANDLE(shmap_table, shmap_table_remove_i64(h, 1));
    NO_HANDLE(shmap_table, shmap_table_compare_exchange_i64(h, 1, "x", 1, "y", 1));
    NO_HANDLE(shmap_table, shmap_table_fetch_add_i64(h, 1, 1, &number));
    NO_HANDLE(shmap_table, shmap_table_increment_i64(h, 1, 1, 0, &number));
    NO_HANDLE(shmap_table, shmap_table_add_many_i64(h, NULL, 0));
    NO_HANDLE(shmap_table, shmap_table_update_many_i64(h, NULL, 0));
    NO_HANDLE(shmap_table, shmap_table_upsert_many_i64(h, NULL, 0));
    NO_HANDLE(shmap_table, shmap_table_remove_many_i64(h, NULL, 0));
    NO_HANDLE(shmap_table, shmap_table_get_many_i64(h, &key, 1, &entries));
    NO_HANDLE(shmap_table, shmap_table_add_bytes(h, "x", 1, "x", 1));
    NO_HANDLE(shmap_table, shmap_table_update_bytes(h, "x", 1, "x", 1));
    NO_HANDLE(shmap_table, shmap_table_upsert_bytes(h, "x", 1, "x", 1));
    NO_HANDLE(shmap_table, shmap_table_get_bytes(h, "x", 1, buffer, sizeof buffer, &len));
    NO_HANDLE(shmap_table, shmap_table_contains_bytes(h, "x", 1));
    NO_HANDLE(shmap_table, shmap_table_remove_bytes(h, "x", 1));
    NO_HANDLE(shmap_table, shmap_table_compare_exchange_bytes(h, "x", 1, "x", 1, "y", 1));
    NO_HANDLE(shmap_table, shmap_table_fetch_add_bytes(h, "x", 1, 1, &number));
    NO_HANDLE(shmap_table, shmap_table_increment_bytes(h, "x", 1, 1, 0, &number));
    NO_HANDLE(shmap_table, shmap_table_add_many_bytes(h, NULL, 0));
    NO_HANDLE(shmap_table, shmap_table_update_many_bytes(h, NULL, 0));
    NO_HANDLE(shmap_table, shmap_table_upsert_many_bytes(h, NULL, 0));
    NO_HANDLE(shmap_table, shmap_table_remove_many_bytes(h, NULL, 0));
    NO_HANDLE(shmap_table, shmap_table_get_many_bytes(h, &word, 1, &entries));
    NO_HANDLE(shmap_table, shmap_table_key_kind(h));
    NO_HANDLE(shmap_table, shmap_table_recover(h, &len));
    NO_HANDLE(shmap_table, shmap_table_flush(h));
    NO_HANDLE(shmap_entries, shmap_entries_at_i64(h, 0, wide));
    NO_HANDLE(shmap_entries, shmap_entries_at_bytes(h, 0, pair));

    INVALID(shmap_table_add_i64(table, 1, NULL, 1));
    INVALID(shmap_table_add_bytes(words, NULL, 1, "x", 1));
    INVALID(shmap_table_add_bytes(words, "x", 1, NULL, 1));
    INVALID(shmap_table_add_many_i64(table, wide, 1));
    INVALID(shmap_table_add_many_bytes(words, pair, 1));
    INVALID(shmap_table_add_many_i64(table, NULL, 1));
    INVALID(shmap_table_update_i64(table, 1, NULL, 1));
    INVALID(shmap_table_update_bytes(words, NULL, 1, "x", 1));
    INVALID(shmap_table_update_bytes(words, "x", 1, NULL, 1));
    INVALID(shmap_table_update_many_i64(table, wide, 1));
    INVALID(shmap_table_update_many_bytes(words, pair, 1));
    INVALID(shmap_table_update_many_i64(table, NULL, 1));
    INVALID(shmap_table_upsert_i64(table, 1, NULL, 1));
    INVALID(shmap_table_upsert_bytes(words, NULL, 1, "x", 1));
    INVALID(shmap_table_upsert_bytes(words, "x", 1, NULL, 1));
    INVALID(shmap_table_upsert_many_i64(table, wide, 1));
    INVALID(shmap_table_upsert_many_bytes(words, pair, 1));
    INVALID(shmap_table_upsert_many_i64(table, NULL, 1));
    INVALID(shmap_table_contains_bytes(words, NULL, 1));
    INVALID(shmap_table_remove_bytes(words, NULL, 1));
    INVALID(shmap_table_get_i64(table, 1, NULL, 1, &len));
    INVALID(shmap_table_get_i64(table, 1, buffer, sizeof buffer, NULL));
    INVALID(shmap_table_get_bytes(words, NULL, 1, buffer, sizeof buffer, &len));
    INVALID(shmap_table_get_bytes(words, "x", 1, NULL, 1, &len));
    INVALID(shmap_table_get_bytes(words, "x", 1, buffer, sizeof buffer, NULL));
    INVALID(shmap_table_compare_exchange_i64(table, 1, NULL, 1, "x", 1));
    INVALID(shmap_table_compare_exchange_bytes(words, NULL, 1, "x", 1, "x", 1));
    INVALID(shmap_table_compare_exchange_bytes(words, "x", 1, "x", 1, NULL, 1));
    INVALID(shmap_table_fetch_add_bytes(words, NULL, 1, 1, &number));
    INVALID(shmap_table_increment_bytes(words, NULL, 1, 1, 0, &number));
    INVALID(shmap_table_remove_many_i64(table, NULL, 1));
    INVALID(shmap_table_remove_many_bytes(words, &no_word, 1));
    INVALID(shmap_table_get_many_i64(table, NULL, 1, &entries));
    INVALID(shmap_table_get_many_i64(table, &key, 1, NULL));
    INVALID(shmap_table_get_many_bytes(words, &no_word, 1, &entries));
    INVALID(shmap_table_get_many_bytes(words, &word, 1, NULL));
    INVALID(shmap_map_key_i64(1, NULL));
    INVALID(shmap_table_key_i64(NULL, 8, &number));
    INVALID(shmap_table_key_i64("12345678", 8, NULL));
    FAILS(SHMAP_INVALID, "longer than memory", shmap_table_remove_many_bytes(words, &word, SIZE_MAX / 4));
    FAILS(SHMAP_INVALID, "aligned", shmap_table_increment(table, 1, 1, 0, (int64_t *)(void *)(text + 1)));
    FAILS(SHMAP_INVALID, "aligned", shmap_table_remove_many_i64(table, (const int64_t *)(const void *)(text + 1), 1));
    // A key that is longer than any: refused by its length alone, where the bytes are not looked at.
    FAILS(SHMAP_NO_SPACE, " is 28 bytes long, at most 4 fit", shmap_table_add_bytes(words, text, sizeof text - 1, "x", 1));

    GIVES(SHMAP_OK, shmap_table_get_many_i64(table, &key, 1, &entries));
    INVALID(shmap_entries_at_i64(entries, 0, NULL));
    INVALID(shmap_entries_at_bytes(entries, 0, NULL));
    GIVES(SHMAP_OK, shmap_entries_free(entries));
    GIVES(SHMAP_OK, shmap_table_len(table, &len));
    CHECK(len == 0);
    GIVES(SHMAP_OK, shmap_table_len(words, &len));
    CHECK(len == 0);
}

static void maps(shmap_tree *tree, shmap_map *map) {
    shmap_tree *new_tree = NULL;
    shmap_map *out = NULL;
    shmap_bytes bytes = {NULL, 1}, value;
    shmap_pair entry;
    shmap_range range = {0, 0};
    shmap_cursor cursor = {0};
    uint64_t number;
    NO_HANDLE(shmap_tree, shmap_tree_set(h, "x", 1, "y", 1));
    NO_HANDLE(shmap_tree, shmap_tree_get(h, "x", 1, &value));
    NO_HANDLE(shmap_tree, shmap_tree_remove(h, "x", 1));
    NO_HANDLE(shmap_tree, shmap_tree_clear(h));
    NO_HANDLE(shmap_tree, shmap_tree_len(h, &len));
    NO_HANDLE(shmap_tree, shmap_tree_share(h, "never", NULL, NULL));
    NO_HANDLE(shmap_tree, shmap_tree_save(h, "/never/never"));
    NO_HANDLE(shmap_tree, shmap_tree_free(h));
    NO_HANDLE(shmap_map, shmap_map_get(h, "x", 1, &value));
    NO_HANDLE(shmap_map, shmap_map_get_many(h, NULL, 0, NULL));
    NO_HANDLE(shmap_map, shmap_map_contains(h, "x", 1));
    NO_HANDLE(shmap_map, shmap_map_len(h, &len));
    NO_HANDLE(shmap_map, shmap_map_first(h, &entry));
    NO_HANDLE(shmap_map, shmap_map_last(h, &entry));
    NO_HANDLE(shmap_map, shmap_map_nth(h, 0, &entry));
    NO_HANDLE(shmap_map, shmap_map_rank(h, "x", 1, &len));
    NO_HANDLE(shmap_map, shmap_map_range(h, NULL, 0, NULL, 0, &range));
    NO_HANDLE(shmap_map, shmap_map_prefix(h, NULL, 0, &range));
    NO_HANDLE(shmap_map, shmap_map_next(h, &range, &entry));
    NO_HANDLE(shmap_map, shmap_map_prev(h, &range, &entry));
    NO_HANDLE(shmap_map, shmap_cursor_seek(h, &cursor, "x", 1));
    NO_HANDLE(shmap_map, shmap_cursor_next(h, &cursor, &entry));
    NO_HANDLE(shmap_map, shmap_cursor_prev(h, &cursor, &entry));
    NO_HANDLE(shmap_map, shmap_map_verify(h));
    NO_HANDLE(shmap_map, shmap_map_image(h, &value));
    NO_HANDLE(shmap_map, shmap_map_save(h, "/never/never"));
    NO_HANDLE(shmap_map, shmap_map_refresh(h));
    NO_HANDLE(shmap_map, shmap_map_wait_for_update(h, 0));
    NO_HANDLE(shmap_map, shmap_map_wait(h, 0));
    NO_HANDLE(shmap_map, shmap_map_edition(h, &number));
    NO_HANDLE(shmap_map, shmap_map_is_removed(h));
    NO_HANDLE(shmap_map, shmap_map_close(h));

    INVALID(shmap_tree_new(NULL));
    INVALID(shmap_tree_set(tree, NULL, 1, "x", 1));
    INVALID(shmap_tree_set(tree, "x", 1, NULL, 1));
    INVALID(shmap_tree_get(tree, NULL, 1, &value));
    INVALID(shmap_tree_get(tree, "x", 1, NULL));
    INVALID(shmap_tree_remove(tree, NULL, 1));
    INVALID(shmap_tree_len(tree, NULL));
    INVALID(shmap_tree_share(tree, NULL, NULL, NULL));
    INVALID(shmap_tree_save(tree, NULL));
    INVALID(shmap_map_open(NULL, NULL, &out));
    INVALID(shmap_map_open("x", NULL, NULL));
    INVALID(shmap_map_open_copy(NULL, NULL, &out));
    INVALID(shmap_map_open_copy("x", NULL, NULL));
    INVALID(shmap_map_open_file(NULL, NULL, &out));
    INVALID(shmap_map_open_file("x", NULL, NULL));
    INVALID(shmap_map_open_file_copy(NULL, NULL, &out));
    INVALID(shmap_map_open_file_copy("x", NULL, NULL));
    INVALID(shmap_map_remove_name(NULL, NULL));
    INVALID(shmap_map_get(map, NULL, 1, &value));
    INVALID(shmap_map_get(map, "x", 1, NULL));
    INVALID(shmap_map_get_many(map, &bytes, 1, &value));
    bytes.data = "x";
    INVALID(shmap_map_get_many(map, &bytes, 1, NULL));
    INVALID(shmap_map_get_many(map, NULL, 1, &value));
    INVALID(shmap_map_contains(map, NULL, 1));
    INVALID(shmap_map_len(map, NULL));
    INVALID(shmap_map_first(map, NULL));
    INVALID(shmap_map_last(map, NULL));
    INVALID(shmap_map_nth(map, 0, NULL));
    INVALID(shmap_map_rank(map, NULL, 1, &len));
    INVALID(shmap_map_rank(map, "x", 1, NULL));
    INVALID(shmap_map_range(map, NULL, 1, NULL, 0, &range));
    INVALID(shmap_map_range(map, NULL, 0, NULL, 1, &range));
    INVALID(shmap_map_range(map, NULL, 0, NULL, 0, NULL));
    INVALID(shmap_map_prefix(map, NULL, 1, &range));
    INVALID(shmap_map_prefix(map, NULL, 0, NULL));
    INVALID(shmap_map_next(map, NULL, &entry));
    INVALID(shmap_map_next(map, &range, NULL));
    INVALID(shmap_map_prev(map, NULL, &entry));
    INVALID(shmap_map_prev(map, &range, NULL));
    INVALID(shmap_cursor_seek(map, NULL, "x", 1));
    INVALID(shmap_cursor_seek(map, &cursor, NULL, 1));
    INVALID(shmap_cursor_next(map, NULL, &entry));
    INVALID(shmap_cursor_next(map, &cursor, NULL));
    INVALID(shmap_cursor_prev(map, NULL, &entry));
    INVALID(shmap_cursor_prev(map, &cursor, NULL));
    INVALID(shmap_map_image(map, NULL));
    INVALID(shmap_map_save(map, NULL));
    INVALID(shmap_map_edition(map, NULL));
    FAILS(SHMAP_INVALID, "empty", shmap_tree_save(tree, ""));
    FAILS(SHMAP_INVALID, "empty", shmap_prune("", 0, NULL));
    CHECK(new_tree == NULL && out == NULL);
    GIVES(SHMAP_OK, shmap_tree_len(tree, &len));
    CHECK(len == 1);
}

static void names(shmap_names *names) {
    shmap_names *out = NULL;
    shmap_name name;
    NO_HANDLE(shmap_names, shmap_names_len(h, &len));
    NO_HANDLE(shmap_names, shmap_names_at(h, 0, &name));
    NO_HANDLE(shmap_names, shmap_names_free(h));
    INVALID(shmap_list(NULL, NULL));
    INVALID(shmap_names_len(names, NULL));
    INVALID(shmap_names_at(names, 0, NULL));
    FAILS(SHMAP_INVALID, "name 3 of 3", shmap_names_at(names, 3, &name));
    FAILS(SHMAP_INVALID, "empty", shmap_list("", &out));
    CHECK(out == NULL);
}

static void options(void) {
    shmap_table_options table;
    shmap_map_options map;
    shmap_table *out = NULL;
    shmap_map *map_out = NULL;
    INVALID(shmap_table_options_init(NULL, sizeof table));
    INVALID(shmap_map_options_init(NULL, sizeof map));
    FAILS(SHMAP_INVALID, "options of 8 bytes", shmap_table_options_init(&table, 8));
    FAILS(SHMAP_INVALID, "options of 8 bytes", shmap_map_options_init(&map, 8));
    memset(&table, 0, sizeof table);
    memset(&map, 0, sizeof map);
    FAILS(SHMAP_INVALID, "init function", shmap_table_open("x", &table, &out));
    FAILS(SHMAP_INVALID, "init function", shmap_map_open("x", &map, &map_out));
    GIVES(SHMAP_OK, shmap_table_options_init(&table, sizeof table));
    GIVES(SHMAP_OK, shmap_map_options_init(&map, sizeof map));
    table.trusted_count = 1;
    map.trusted_count = 1;
    INVALID(shmap_table_open("x", &table, &out));
    INVALID(shmap_map_open("x", &map, &map_out));
    table.trusted_count = 0;
    table.key_kind = 0;
    FAILS(SHMAP_INVALID, "no kind of keys 0", shmap_table_create("never", &table, &out));
    table.key_kind = SHMAP_KEYS_BYTES;
    table.key_size = 0;
    FAILS(SHMAP_INVALID, "key_size", shmap_table_create("never", &table, &out));
    table.key_size = 257;
    FAILS(SHMAP_INVALID, "key_size", shmap_table_create("never", &table, &out));
    table.dir = "";
    FAILS(SHMAP_INVALID, "empty", shmap_table_open("x", &table, &out));
    CHECK(out == NULL && map_out == NULL);
}

int main(void) {
    shmap_table *table = NULL, *words = NULL, *closed = NULL;
    shmap_table_options text_keys;
    shmap_tree *tree = NULL, *freed = NULL;
    shmap_map *map = NULL;
    shmap_entries *entries = NULL;
    shmap_names *listed = NULL;
    void *on_heap = calloc(1, 64);
    CHECK(*shmap_version() != '\0' && *shmap_strerror(-1) != '\0');
    GIVES(SHMAP_OK, shmap_table_open_or_create("bad", NULL, &table));
    GIVES(SHMAP_OK, shmap_table_options_init(&text_keys, sizeof text_keys));
    text_keys.key_kind = SHMAP_KEYS_TEXT;
    text_keys.key_size = 4;
    GIVES(SHMAP_OK, shmap_table_create("words", &text_keys, &words));
    GIVES(SHMAP_OK, shmap_table_open("bad", NULL, &closed));
    GIVES(SHMAP_OK, shmap_table_close(closed));
    GIVES(SHMAP_OK, shmap_table_entries(table, &entries));
    GIVES(SHMAP_OK, shmap_tree_new(&freed));
    GIVES(SHMAP_OK, shmap_tree_free(freed));
    GIVES(SHMAP_OK, shmap_tree_new(&tree));
    GIVES(SHMAP_OK, shmap_tree_set(tree, "key", 3, "value", 5));
    GIVES(SHMAP_OK, shmap_tree_share(tree, "bad", NULL, NULL));
    GIVES(SHMAP_OK, shmap_map_open("bad", NULL, &map));

    bad[0] = NULL;
    bad[1] = &on_heap;
    bad[2] = text;
    bad[3] = text + 1;
    bad[4] = on_heap;
    bad[5] = closed;
    bad[6] = freed;
    bad[7] = (void *)~(uintptr_t)0;
    tables(table, map);
    other_forms(table, words);
    waits(table, words);
    expiry(table, words);
    maps(tree, map);
    GIVES(SHMAP_OK, shmap_list(NULL, &listed));
    names(listed);
    GIVES(SHMAP_OK, shmap_names_free(listed));
    FAILS(SHMAP_INVALID, "closed already", shmap_names_free(listed));
    options();

    // Living handles of another kind.
    for (size_t i = 0; i < BAD; i++) bad[i] = i % 2 ? (void *)tree : (void *)entries;
    NO_HANDLE(shmap_table, shmap_table_clear(h));
    NO_HANDLE(shmap_map, shmap_map_close(h));
    for (size_t i = 0; i < BAD; i++) bad[i] = i % 2 ? (void *)table : (void *)map;
    NO_HANDLE(shmap_tree, shmap_tree_free(h));
    NO_HANDLE(shmap_entries, shmap_entries_free(h));

    GIVES(SHMAP_OK, shmap_map_close(map));
    FAILS(SHMAP_INVALID, "closed already", shmap_map_close(map));
    GIVES(SHMAP_OK, shmap_entries_free(entries));
    GIVES(SHMAP_OK, shmap_tree_free(tree));
    GIVES(SHMAP_OK, shmap_table_close(table));
    GIVES(SHMAP_OK, shmap_table_unlink(words));
    GIVES(SHMAP_OK, shmap_table_close(words));
    GIVES(SHMAP_OK, shmap_table_remove_name("bad", NULL));
    GIVES(SHMAP_OK, shmap_map_remove_name("bad", NULL));
    GIVES(SHMAP_NOT_FOUND, shmap_table_remove_name("never", NULL));
    free(on_heap);
    puts("ok");
    return 0;
}
