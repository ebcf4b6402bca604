// What may be found at a name, beside what `matrix.c` has: each gives its code and a message with the name, and changes nothing.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static char path[512], other[512];

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

static void no_files(void) {
    CHECK(mkdir(at(other, "shmap.folder.table"), 0700) == 0);
    tables_fail("folder", SHMAP_MISMATCH, "not a regular file");
    CHECK(rmdir(other) == 0);
    CHECK(mkfifo(at(other, "shmap.pipe.table"), 0600) == 0);
    tables_fail("pipe", SHMAP_MISMATCH, "not a regular file");
    CHECK(unlink(other) == 0);
}

static void corrupt(shmap_tree *tree) {
    size_t len;
    shmap_map *map = NULL;
    char *bytes = contents(at(path, "shmap.victim.table"), &len);
    make(at(other, "shmap.broken.table"), bytes, 4000, 0600); // cut
    tables_fail("broken", SHMAP_CORRUPT, "shmap.broken.table");
    make(other, bytes, 0, 0600);
    tables_fail("broken", SHMAP_CORRUPT, "shmap.broken.table");
    CHECK(unlink(other) == 0);
    free(bytes);

    make(at(other, "short.avl"), "short", 5, 0400);
    FAILS(SHMAP_CORRUPT, "too short: 5 bytes, a header has 64", shmap_map_open_file(other, NULL, &map));
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

static void not_permitted(void) {
    shmap_map *map = NULL;
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
}

// A control segment that is damaged, or a stranger's, keeps nobody from removing a map of one's own.
static void removed_all_the_same(shmap_tree *tree) {
    GIVES(SHMAP_OK, shmap_tree_share(tree, "beside", NULL, NULL));
    make(at(path, "shmap.beside.control"), "x", 1, 0600);
    GIVES(SHMAP_OK, shmap_map_remove_name("beside", NULL));
    FAILS(SHMAP_NOT_FOUND, "beside", shmap_map_remove_name("beside", NULL));
    CHECK(access(path, F_OK) != 0);
    if (geteuid() != 0) return;
    GIVES(SHMAP_OK, shmap_tree_share(tree, "beside", NULL, NULL));
    CHECK(chown(path, 12345, (gid_t)-1) == 0);
    GIVES(SHMAP_OK, shmap_map_remove_name("beside", NULL));
    FAILS(SHMAP_NOT_FOUND, "beside", shmap_map_remove_name("beside", NULL));
    CHECK(unlink(path) == 0);
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
    no_files();
    corrupt(tree);
    not_permitted();
    removed_all_the_same(tree);

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
