// What may be found at a name, and what may be asked of a table: each gives its code and a message with the name, and changes nothing.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static char path[512], other[512];
static const int32_t key = 1;

static const char *at(char *where, const char *name) {
    snprintf(where, sizeof path, "%s/%s", getenv("SHMAP_DIR"), name);
    return where;
}

// All bytes of a file.
static char *contents(const char *file, size_t *len) {
    FILE *in = fopen(file, "rb");
    CHECK(in != NULL && fseek(in, 0, SEEK_END) == 0);
    *len = (size_t)ftell(in);
    rewind(in);
    char *bytes = malloc(*len + 1);
    CHECK(bytes != NULL && fread(bytes, 1, *len, in) == *len);
    fclose(in);
    return bytes;
}

static void make(const char *file, const char *bytes, size_t len, mode_t mode) {
    (void)unlink(file);
    FILE *out = fopen(file, "wb");
    CHECK(out != NULL && fwrite(bytes, 1, len, out) == len && fclose(out) == 0);
    CHECK(chmod(file, mode) == 0);
}

// Every way to open or remove a table at this name fails so, and the file, if there is one, stays as it is.
static void tables_fail(const char *name, int code, const char *text) {
    shmap_table *table = NULL;
    FAILS(code, text, shmap_table_open(name, NULL, &table));
    FAILS(code, text, shmap_table_open_read_only(name, NULL, &table));
    if (code != SHMAP_NOT_FOUND) FAILS(code, text, shmap_table_open_or_create(name, NULL, &table));
    CHECK(table == NULL);
}

static void maps_fail(const char *name, int code, const char *text) {
    shmap_map *map = NULL;
    FAILS(code, text, shmap_map_open(name, NULL, &map));
    FAILS(code, text, shmap_map_open_copy(name, NULL, &map));
    CHECK(map == NULL);
}

static void names(shmap_tree *tree, shmap_table *table) {
    static const char *const wrong[] = {"", "..", ".", ".x", "a/b", "\xff\xfe"};
    shmap_table *out = NULL;
    shmap_map *map = NULL;
    tables_fail("missing", SHMAP_NOT_FOUND, "shmap.missing.table");
    maps_fail("missing", SHMAP_NOT_FOUND, "shmap.missing.snapshot");
    FAILS(SHMAP_NOT_FOUND, "missing", shmap_table_remove_name("missing", NULL));
    FAILS(SHMAP_NOT_FOUND, "missing", shmap_map_remove_name("missing", NULL));
    FAILS(SHMAP_NOT_FOUND, "missing.avl", shmap_map_open_file(at(path, "missing.avl"), NULL, &map));
    FAILS(SHMAP_NOT_FOUND, "no/such", shmap_prune("/no/such/directory", 0, NULL));
    FAILS(SHMAP_NOT_FOUND, "no/such", shmap_tree_save(tree, "/no/such/directory/x"));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        tables_fail(wrong[i], SHMAP_INVALID_NAME, "name");
        maps_fail(wrong[i], SHMAP_INVALID_NAME, "name");
        FAILS(SHMAP_INVALID_NAME, "name", shmap_table_create(wrong[i], NULL, &out));
        FAILS(SHMAP_INVALID_NAME, "name", shmap_table_remove_name(wrong[i], NULL));
        FAILS(SHMAP_INVALID_NAME, "name", shmap_map_remove_name(wrong[i], NULL));
        FAILS(SHMAP_INVALID_NAME, "name", shmap_tree_share(tree, wrong[i], NULL, NULL));
        FAILS(SHMAP_INVALID_NAME, "name", shmap_table_freeze(table, wrong[i], NULL, NULL));
    }
    char long_name[302];
    memset(long_name, 'x', 301);
    long_name[301] = '\0';
    tables_fail(long_name, SHMAP_INVALID_NAME, "301");
    CHECK(out == NULL && map == NULL);
}

static void wrong_kind(void) {
    size_t len;
    shmap_map *map = NULL;
    // A table's name is not a map's: one name may have both.
    maps_fail("victim", SHMAP_NOT_FOUND, "victim");
    tables_fail("published", SHMAP_NOT_FOUND, "published");
    // A table's file at the name of a map, and the other way round.
    char *bytes = contents(at(path, "shmap.victim.table"), &len);
    make(at(other, "shmap.disguised.snapshot"), bytes, len, 0400);
    maps_fail("disguised", SHMAP_CORRUPT, "table");
    FAILS(SHMAP_CORRUPT, "not a snapshot", shmap_map_open_file(other, NULL, &map));
    CHECK(unlink(other) == 0);
    free(bytes);
    bytes = contents(at(path, "shmap.published.snapshot"), &len);
    make(at(other, "shmap.disguised.table"), bytes, len, 0600);
    tables_fail("disguised", SHMAP_CORRUPT, "snapshot");
    CHECK(unlink(other) == 0);
    free(bytes);
    CHECK(mkdir(at(other, "shmap.folder.table"), 0700) == 0);
    tables_fail("folder", SHMAP_CORRUPT, "not a regular file");
    CHECK(rmdir(other) == 0);
    CHECK(mkfifo(at(other, "shmap.pipe.table"), 0600) == 0);
    tables_fail("pipe", SHMAP_CORRUPT, "not a regular file");
    CHECK(unlink(other) == 0);
}

static void corrupt(shmap_tree *tree) {
    size_t len, after;
    shmap_map *map = NULL;
    char *bytes = contents(at(path, "shmap.victim.table"), &len);
    bytes[40] ^= 1;
    make(at(other, "shmap.broken.table"), bytes, len, 0600);
    tables_fail("broken", SHMAP_CORRUPT, "shmap.broken.table");
    char *kept = contents(other, &after);
    CHECK(after == len && memcmp(kept, bytes, len) == 0);
    free(kept);
    bytes[40] ^= 1;
    make(other, bytes, 4000, 0600); // cut
    tables_fail("broken", SHMAP_CORRUPT, "shmap.broken.table");
    make(other, bytes, 0, 0600);
    tables_fail("broken", SHMAP_CORRUPT, "shmap.broken.table");
    CHECK(unlink(other) == 0);
    free(bytes);

    bytes = contents(at(path, "shmap.published.snapshot"), &len);
    bytes[40] ^= 1;
    make(at(other, "shmap.broken.snapshot"), bytes, len, 0400);
    maps_fail("broken", SHMAP_CORRUPT, "shmap.broken.snapshot");
    bytes[40] ^= 1;
    // Beyond the headers only a copy and `verify` look.
    bytes[len - 64] ^= 1;
    make(other, bytes, len, 0400);
    GIVES(SHMAP_OK, shmap_map_open("broken", NULL, &map));
    FAILS(SHMAP_CORRUPT, "damaged map", shmap_map_verify(map));
    GIVES(SHMAP_OK, shmap_map_close(map));
    map = NULL;
    FAILS(SHMAP_CORRUPT, "damaged map", shmap_map_open_copy("broken", NULL, &map));
    CHECK(unlink(other) == 0);
    free(bytes);

    make(at(other, "short.avl"), "short", 5, 0400);
    FAILS(SHMAP_CORRUPT, "not a snapshot", shmap_map_open_file(other, NULL, &map));
    CHECK(unlink(other) == 0 && map == NULL);
    // A control segment that is none: what is published stays, and nothing is published over it.
    bytes = contents(at(path, "shmap.published.control"), &len);
    make(at(other, "shmap.seized.control"), bytes, 100, 0600);
    FAILS(SHMAP_CORRUPT, "shmap.seized.control", shmap_tree_share(tree, "seized", NULL, NULL));
    FAILS(SHMAP_NOT_FOUND, "shmap.seized.snapshot", shmap_map_open("seized", NULL, &map));
    FAILS(SHMAP_NOT_FOUND, "shmap.seized.snapshot", shmap_map_open_copy("seized", NULL, &map));
    CHECK(unlink(other) == 0);
    free(bytes);
}

static void not_permitted(shmap_tree *tree, shmap_table *table) {
    shmap_map_options force;
    GIVES(SHMAP_OK, shmap_map_options_init(&force, sizeof force));
    force.force = 1;
    shmap_table *reader = NULL;
    shmap_map *map = NULL;
    const shmap_status status = {1, {"x", 1}};
    size_t len;
    // Others may write to it: whoever that is, it is not trusted.
    CHECK(chmod(at(path, "shmap.victim.table"), 0666) == 0);
    tables_fail("victim", SHMAP_PERMISSION, "0o666");
    CHECK(chmod(path, 0600) == 0);
    CHECK(chmod(at(path, "shmap.published.snapshot"), 0600) == 0);
    FAILS(SHMAP_PERMISSION, "0o600", shmap_map_open("published", NULL, &map));
    GIVES(SHMAP_OK, shmap_map_open_copy("published", NULL, &map)); // which is for these
    GIVES(SHMAP_OK, shmap_map_close(map));
    map = NULL;
    CHECK(chmod(path, 0420) == 0);
    maps_fail("published", SHMAP_PERMISSION, "0o420");
    CHECK(chmod(path, 0400) == 0);
    make(at(other, "open.avl"), "x", 1, 0666);
    FAILS(SHMAP_PERMISSION, "0o666", shmap_map_open_file(other, NULL, &map));
    CHECK(unlink(other) == 0 && map == NULL);
    // Root may give files away, and others may not write to a directory; both are refused with the same code.
    if (geteuid() == 0) {
        CHECK(chown(at(path, "shmap.victim.table"), 12345, (gid_t)-1) == 0);
        tables_fail("victim", SHMAP_PERMISSION, "12345");
        CHECK(chown(path, 0, (gid_t)-1) == 0);
        CHECK(chown(at(path, "shmap.published.control"), 12345, (gid_t)-1) == 0);
        FAILS(SHMAP_PERMISSION, "12345", shmap_tree_share(tree, "published", &force, NULL));
        FAILS(SHMAP_PERMISSION, "12345", shmap_table_freeze(table, "published", &force, NULL));
        CHECK(chown(path, 0, (gid_t)-1) == 0);
        // But it keeps nobody from removing a map of one's own.
        GIVES(SHMAP_OK, shmap_tree_share(tree, "beside", NULL, NULL));
        CHECK(chown(at(path, "shmap.beside.control"), 12345, (gid_t)-1) == 0);
        GIVES(SHMAP_OK, shmap_map_remove_name("beside", NULL));
        FAILS(SHMAP_NOT_FOUND, "beside", shmap_map_remove_name("beside", NULL));
        CHECK(unlink(path) == 0);
    } else {
        shmap_table *made = NULL;
        CHECK(chmod(getenv("SHMAP_DIR"), 0500) == 0);
        FAILS(SHMAP_PERMISSION, "Permission denied", shmap_table_create("made", NULL, &made));
        GIVES(SHMAP_PERMISSION, shmap_table_remove_name("victim", NULL));
        GIVES(SHMAP_PERMISSION, shmap_tree_share(tree, "made", &force, NULL));
        GIVES(SHMAP_PERMISSION, shmap_table_freeze(table, "made", &force, NULL));
        GIVES(SHMAP_PERMISSION, shmap_tree_save(tree, at(other, "saved.avl")));
        CHECK(chmod(getenv("SHMAP_DIR"), 0700) == 0 && made == NULL);
    }

    GIVES(SHMAP_OK, shmap_table_open_read_only("victim", NULL, &reader));
    GIVES(SHMAP_OK, shmap_map_open("published", NULL, &map));
#define REFUSED(call) FAILS(SHMAP_PERMISSION, "\"victim\" was opened for reading only", call)
    REFUSED(shmap_table_add(reader, 2, "x", 1));
    REFUSED(shmap_table_update(reader, 1, "x", 1));
    REFUSED(shmap_table_upsert(reader, 1, "x", 1));
    REFUSED(shmap_table_remove(reader, 1));
    REFUSED(shmap_table_clear(reader));
    REFUSED(shmap_table_compare_exchange(reader, 1, "one", 3, "x", 1));
    REFUSED(shmap_table_fetch_add(reader, 1, 1, NULL));
    REFUSED(shmap_table_verify(reader));
    REFUSED(shmap_table_add_many(reader, &status, 1));
    REFUSED(shmap_table_update_many(reader, &status, 1));
    REFUSED(shmap_table_upsert_many(reader, &status, 1));
    REFUSED(shmap_table_remove_many(reader, &key, 1));
    REFUSED(shmap_table_unlink(reader));
    REFUSED(shmap_table_load(reader, map, &len));
    GIVES(1, shmap_table_contains(reader, 1));
    GIVES(SHMAP_OK, shmap_map_close(map));
    GIVES(SHMAP_OK, shmap_table_close(reader));
}

static void too_long(shmap_table *table, shmap_tree *tree) {
    static char big[1 << 20];
    const shmap_status new_key = {2, {big, 257}}, old_key = {1, {big, 257}};
    shmap_map *map = NULL;
    uint8_t bytes[4];
    shmap_tree *wide = NULL;
    FAILS(SHMAP_NO_SPACE, "257 bytes long, at most 256", shmap_table_add(table, 2, big, 257));
    FAILS(SHMAP_NO_SPACE, "257 bytes long, at most 256", shmap_table_update(table, 1, big, 257));
    FAILS(SHMAP_NO_SPACE, "257 bytes long, at most 256", shmap_table_upsert(table, 1, big, 257));
    FAILS(SHMAP_NO_SPACE, "at most 256", shmap_table_compare_exchange(table, 1, "one", 3, big, 257));
    FAILS(SHMAP_NO_SPACE, "member 0: value is 257", shmap_table_add_many(table, &new_key, 1));
    FAILS(SHMAP_NO_SPACE, "member 0: value is 257", shmap_table_update_many(table, &old_key, 1));
    FAILS(SHMAP_NO_SPACE, "member 0: value is 257", shmap_table_upsert_many(table, &old_key, 1));
    FAILS(SHMAP_NO_SPACE, "key is 1048576 bytes long", shmap_tree_set(tree, big, sizeof big, "", 0));
    GIVES(SHMAP_NOT_FOUND, shmap_tree_get(tree, big, sizeof big, &(shmap_bytes){NULL, 0}));
    // A map with a value that no slot takes.
    GIVES(SHMAP_OK, shmap_tree_new(&wide));
    GIVES(SHMAP_OK, shmap_map_key(1, bytes));
    GIVES(SHMAP_OK, shmap_tree_set(wide, bytes, 4, big, 257));
    GIVES(SHMAP_OK, shmap_tree_share(wide, "wide", NULL, NULL));
    GIVES(SHMAP_OK, shmap_map_open("wide", NULL, &map));
    FAILS(SHMAP_NO_SPACE, "member 0: value is 257", shmap_table_load(table, map, NULL));
    GIVES(SHMAP_OK, shmap_map_close(map));
    GIVES(SHMAP_OK, shmap_map_remove_name("wide", NULL));
    // And one with keys that are no table's.
    GIVES(SHMAP_OK, shmap_map_open("published", NULL, &map));
    FAILS(SHMAP_MISMATCH, "not a table's", shmap_table_load(table, map, NULL));
    GIVES(SHMAP_OK, shmap_map_close(map));
    GIVES(SHMAP_OK, shmap_tree_free(wide));
}

int main(void) {
    shmap_table *table = NULL;
    shmap_tree *tree = NULL;
    char buffer[8];
    size_t len, before_len, after_len;
    shmap_stats stats;
    GIVES(SHMAP_OK, shmap_table_create("victim", NULL, &table));
    GIVES(SHMAP_OK, shmap_table_add(table, 1, "one", 3));
    GIVES(SHMAP_OK, shmap_tree_new(&tree));
    GIVES(SHMAP_OK, shmap_tree_set(tree, "a key", 5, "a value", 7));
    GIVES(SHMAP_OK, shmap_tree_share(tree, "published", NULL, NULL));
    char *before = contents(at(path, "shmap.published.snapshot"), &before_len);
    names(tree, table);
    wrong_kind();
    corrupt(tree);
    not_permitted(tree, table);
    too_long(table, tree);

    // Nothing of all this changed anything.
    GIVES(SHMAP_OK, shmap_table_stats(table, &stats));
    CHECK(stats.len == 1 && stats.writes == 1);
    GIVES(SHMAP_OK, shmap_table_get(table, 1, buffer, sizeof buffer, &len));
    CHECK(len == 3 && memcmp(buffer, "one", 3) == 0);
    GIVES(SHMAP_OK, shmap_table_verify(table));
    char *after = contents(at(path, "shmap.published.snapshot"), &after_len);
    CHECK(before_len == after_len && memcmp(before, after, before_len) == 0);
    free(before);
    free(after);
    GIVES(SHMAP_OK, shmap_table_unlink(table));
    GIVES(SHMAP_OK, shmap_map_remove_name("published", NULL));
    GIVES(SHMAP_OK, shmap_table_close(table));
    GIVES(SHMAP_OK, shmap_tree_free(tree));
    puts("ok");
    return 0;
}
