// The usual mistakes, each with the message that says what to do. Works in $SHMAP_DIR, and leaves nothing
// there.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static shmap_table *table, *words, *none;
static shmap_map *map, *other;
static shmap_tree *tree;

static const char *path_of(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/shmap.%s", getenv("SHMAP_DIR"), name);
    return path;
}

static void permit(const char *name, mode_t mode) {
    CHECK(chmod(path_of(name), mode) == 0);
}

// A message and the call that it is about, as arguments of one call: the text lies at one address.
static void message(void) {
    const char *const first = shmap_last_error();
    char both[512];
    CHECK(strcmp(first, "") == 0);
    snprintf(both, sizeof both, "%d %s", shmap_table_open("no", NULL, &none), shmap_last_error());
    CHECK(strstr(both, "shmap.no.table\" does not exist") != NULL);
    snprintf(both, sizeof both, "%d %s", shmap_table_open("none", NULL, &none), shmap_last_error());
    CHECK(strstr(both, "shmap.none.table\" does not exist") != NULL && shmap_last_error() == first);
    CHECK(strstr(first, "shmap.none.table\" does not exist") != NULL);
    // Of a message that is too long for its place, the start and the end are there.
    char path[4000] = "/";
    memset(path + 1, 'x', sizeof path - 2);
    GIVES(SHMAP_SYSTEM, shmap_map_open_file(path, NULL, &map));
    CHECK(strlen(first) == 2047 && strstr(first, "File name too long") != NULL);
}

static void opening(void) {
    shmap_table_options options = {0};
    FAILS(SHMAP_INVALID, "was the init function called?", shmap_table_open("it", &options, &none));
    FAILS(SHMAP_INVALID, "was the init function called?", shmap_table_options_init(&options, 3));
    GIVES(SHMAP_OK, shmap_table_options_init(&options, sizeof options));
    FAILS(SHMAP_NOT_FOUND, "does not exist; open_or_create makes one; is SHMAP_DIR the same in both programs?",
          shmap_table_open("it", &options, &none));
    FAILS(SHMAP_INVALID, "the name is null", shmap_table_open(NULL, NULL, &none));
    FAILS(SHMAP_INVALID, "the place for the handle is null", shmap_table_open("it", NULL, NULL));
    FAILS(SHMAP_INVALID_NAME, "not allowed in a name; a name is no path: the directory is `dir` of the options, or SHMAP_DIR",
          shmap_table_open("a/b", NULL, &none));
    options.dir = "/no/such/directory";
    FAILS(SHMAP_NOT_FOUND, "; make the directory first", shmap_table_create("it", &options, &none));
    options.dir = NULL;
    options.capacity = 0;
    FAILS(SHMAP_INVALID, "capacity is 0, it must be 1 to ", shmap_table_create("it", &options, &none));
    options.capacity = 2;
    options.max_capacity = 1;
    FAILS(SHMAP_INVALID, "max_capacity is 1, it must be 2 to ",
          shmap_table_create("it", &options, &none));
    options.max_capacity = 0;
    options.key_kind = 77;
    FAILS(SHMAP_INVALID, "no kind of keys 77: 1 to 10", shmap_table_create("it", &options, &none));
    options.key_kind = SHMAP_KEYS_I32;
    options.mode = 0666;
    FAILS(SHMAP_PERMISSION, "others than its owner may write to it; set shared_writers in the options",
          shmap_table_open_or_create("it", &options, &none));
    options.mode = 0777; // is not made possible by shared_writers
    FAILS(SHMAP_INVALID, "mode 0o777 is not possible: only rw bits", shmap_table_open_or_create("it", &options, &none));
    options.mode = 644;
    FAILS(SHMAP_INVALID, "this is decimal 644: write it in octal, 0o644 (0644 in C)",
          shmap_table_open_or_create("it", &options, &none));
    options.mode = 0600;
    options.value_size = 8;
    GIVES(SHMAP_OK, shmap_table_create("it", &options, &table));
    FAILS(SHMAP_DUPLICATE_KEY, "shmap.it.table\" exists already", shmap_table_create("it", &options, &none));
    options.capacity = 3;
    FAILS(SHMAP_MISMATCH, "is 2, not 3; set capacity in the options, or use open",
          shmap_table_open_or_create("it", &options, &none));
    options.capacity = 2;
    options.max_capacity = 4;
    FAILS(SHMAP_MISMATCH, "is 2, not 4; set max_capacity in the options, or use open",
          shmap_table_open_or_create("it", &options, &none));
    options.max_capacity = 0;
    options.capacity = 3;
    options.key_kind = SHMAP_KEYS_TEXT;
    GIVES(SHMAP_OK, shmap_table_create("words", &options, &words));
    permit("words.table", 0666);
    FAILS(SHMAP_PERMISSION, "set shared_writers in the options if you trust everybody who may",
          shmap_table_open("words", NULL, &none));
    FAILS(SHMAP_NOT_FOUND, "there is a table of that name", shmap_map_open("words", NULL, &map));
    FILE *const file = fopen(path_of("short.table"), "w");
    CHECK(file != NULL && fputs("short", file) >= 0 && fclose(file) == 0);
    permit("short.table", 0600);
    FAILS(SHMAP_CORRUPT, "file is 5 bytes long, too short for a header of 256",
          shmap_table_open("short", NULL, &none));
    CHECK(remove(path_of("short.table")) == 0);
    CHECK(none == NULL && map == NULL);
}

static void calling(void) {
    char small[2];
    size_t len = 0;
    int64_t count;
    FAILS(SHMAP_NO_SPACE, "the value of key 1 is 9 bytes long, at most 8 fit; value_size is fixed at creation",
          shmap_table_upsert(table, 1, "too long!", 9));
    FAILS(SHMAP_INVALID, "the value is null", shmap_table_upsert(table, 1, NULL, 5));
    FAILS(SHMAP_INVALID, "the handle is null, not a table", shmap_table_upsert(NULL, 1, "x", 1));
    FAILS(SHMAP_MISMATCH, "table \"it\" has keys of type i32, not bytes; call the function for integer keys",
          shmap_table_upsert_bytes(table, "k", 1, "x", 1));
    FAILS(SHMAP_MISMATCH, "table \"words\" has keys of type str, not i32; call the function that ends in _bytes",
          shmap_table_upsert(words, 1, "x", 1));
    FAILS(SHMAP_MISMATCH, "keys of type str, not i64; call the function that ends in _bytes",
          shmap_table_contains_i64(words, 1));
    FAILS(SHMAP_MISMATCH, "key 1099511627776 is not of type i32",
          shmap_table_upsert_i64(table, INT64_C(1) << 40, "x", 1));
    FAILS(SHMAP_MISMATCH, "key \"\\xff\" is not of type str", shmap_table_add_bytes(words, "\xff", 1, "x", 1));
    GIVES(SHMAP_OK, shmap_table_add(table, 1, "one", 3));
    FAILS(SHMAP_NO_SPACE, "the value of key 1 is 3 bytes long, the buffer only 2",
          shmap_table_get(table, 1, small, sizeof small, &len));
    CHECK(len == 3);
    FAILS(SHMAP_INVALID, "len is null", shmap_table_get(table, 1, small, sizeof small, NULL));
    FAILS(SHMAP_INVALID, "the buffer is null", shmap_table_get(table, 1, NULL, 9, &len));
    FAILS(SHMAP_NOT_FOUND, "key 2 does not exist", shmap_table_update(table, 2, "x", 1));
    FAILS(SHMAP_NOT_FOUND, "key 2 does not exist; increment starts a counter", shmap_table_fetch_add(table, 2, 1, NULL));
    FAILS(SHMAP_DUPLICATE_KEY, "key 1 exists already", shmap_table_add(table, 1, "x", 1));
    FAILS(SHMAP_MISMATCH, "the value of key 1 is 3 bytes long, a counter is 8",
          shmap_table_increment(table, 1, 1, 0, &count));
    GIVES(SHMAP_OK, shmap_table_add(table, 2, "two", 3));
    FAILS(SHMAP_NO_SPACE,
          "the table is full: all 2 entries are taken; capacity and max_capacity are fixed at creation",
          shmap_table_upsert(table, 3, "x", 1));
    const shmap_status no_value[] = {{1, {"x", 1}}, {2, {NULL, 3}}};
    FAILS(SHMAP_INVALID, "batch member 1: the value is null", shmap_table_update_many(table, no_value, 2));
    const shmap_bytes no_key[] = {{"k", 1}, {NULL, 3}};
    FAILS(SHMAP_INVALID, "batch member 1: the key is null", shmap_table_remove_many_bytes(words, no_key, 2));
    const int32_t twice[] = {1, 2, 1};
    FAILS(SHMAP_DUPLICATE_KEY, "batch member 2: key 1 is named twice in the batch",
          shmap_table_remove_many(table, twice, 3));
    const shmap_pair twins[] = {{{"k", 1}, {"x", 1}}, {{"k", 1}, {"y", 1}}};
    FAILS(SHMAP_DUPLICATE_KEY, "batch member 1: key \"k\" is named twice in the batch",
          shmap_table_add_many_bytes(words, twins, 2));
    GIVES(SHMAP_OK, shmap_table_open_read_only("it", NULL, &none));
    FAILS(SHMAP_PERMISSION, "table \"it\" was opened for reading only; open it with open or open_or_create",
          shmap_table_upsert(none, 1, "x", 1));
    GIVES(SHMAP_OK, shmap_table_close(none));
    FAILS(SHMAP_INVALID, "the handle of a table was closed already", shmap_table_upsert(none, 1, "x", 1));
    FAILS(SHMAP_INVALID, "the handle of a table was closed already", shmap_table_close(none));
}

static void publishing(void) {
    shmap_map_options options = {0};
    shmap_bytes value;
    GIVES(SHMAP_OK, shmap_tree_new(&tree));
    GIVES(SHMAP_OK, shmap_tree_set(tree, "k", 1, "v", 1));
    FAILS(SHMAP_INVALID, "was the init function called?", shmap_tree_share(tree, "m", &options, NULL));
    GIVES(SHMAP_OK, shmap_map_options_init(&options, sizeof options));
    options.mode = 0644;
    FAILS(SHMAP_INVALID, "mode 0o644 is not possible: only read bits", shmap_tree_share(tree, "m", &options, NULL));
    options.mode = 0;
    GIVES(SHMAP_OK, shmap_tree_share(tree, "m", &options, NULL));
    FAILS(SHMAP_DUPLICATE_KEY, "exists already; set force in the options to replace it",
          shmap_tree_share(tree, "m", &options, NULL));
    FAILS(SHMAP_DUPLICATE_KEY, "exists already; set force in the options to replace it",
          shmap_table_freeze(table, "m", &options, NULL));
    options.force = 1;
    GIVES(SHMAP_OK, shmap_tree_clear(tree));
    FAILS(SHMAP_DUPLICATE_KEY, "none are to replace them; set allow_empty in the options",
          shmap_tree_share(tree, "m", &options, NULL));
    FAILS(SHMAP_NOT_FOUND, "there is a map of that name", shmap_table_open("m", NULL, &none));
    GIVES(SHMAP_OK, shmap_map_open("m", NULL, &map));
    FAILS(SHMAP_NOT_FOUND, "key \"zz\" does not exist", shmap_map_get(map, "zz", 2, &value));
    FAILS(SHMAP_INVALID, "value is null", shmap_map_get(map, "k", 1, NULL));
    FAILS(SHMAP_INVALID, "the handle is of a table, not of a map", shmap_map_get((shmap_map *)table, "k", 1, &value));
    FAILS(SHMAP_MISMATCH, "the map's key at rank 0 (\"k\") is no key of this table", shmap_table_load(table, map, NULL));

    // Each call that the advice names works.
    permit("m.snapshot", 0600);
    FAILS(SHMAP_PERMISSION, "share it anew, or call shmap_map_open_copy", shmap_map_open("m", NULL, &other));
    GIVES(SHMAP_OK, shmap_map_open_copy("m", NULL, &other));
    GIVES(SHMAP_OK, shmap_map_close(other));
    int writer = open(path_of("m.snapshot"), O_WRONLY | O_CLOEXEC);
    CHECK(writer >= 0);
    permit("m.snapshot", 0400);
    FAILS(SHMAP_PERMISSION, "`fuser -v` shows which process has it open; or call shmap_map_open_copy",
          shmap_map_open("m", NULL, &other));
    GIVES(SHMAP_OK, shmap_map_open_copy("m", NULL, &other));
    GIVES(SHMAP_OK, shmap_map_close(other));
    CHECK(close(writer) == 0);
    permit("m.snapshot", 0666);
    FAILS(SHMAP_PERMISSION, "or open a copy with shared_writers set in the options",
          shmap_map_open("m", NULL, &other));
    options.shared_writers = 1;
    GIVES(SHMAP_OK, shmap_map_open_copy("m", &options, &other));
    GIVES(SHMAP_OK, shmap_map_close(other));
    GIVES(SHMAP_OK, shmap_tree_save(tree, path_of("saved")));
    permit("saved", 0600);
    FAILS(SHMAP_PERMISSION, "`chmod a-w` it, or call shmap_map_open_file_copy",
          shmap_map_open_file(path_of("saved"), NULL, &other));
    GIVES(SHMAP_OK, shmap_map_open_file_copy(path_of("saved"), NULL, &other));
    GIVES(SHMAP_OK, shmap_map_close(other));
    writer = open(path_of("saved"), O_WRONLY | O_CLOEXEC);
    CHECK(writer >= 0);
    permit("saved", 0400);
    FAILS(SHMAP_PERMISSION, "`fuser -v` shows which process has it open; or call shmap_map_open_file_copy",
          shmap_map_open_file(path_of("saved"), NULL, &other));
    CHECK(close(writer) == 0);
    permit("saved", 0666);
    FAILS(SHMAP_PERMISSION, "shmap_map_open_file_copy with shared_writers set in the options",
          shmap_map_open_file(path_of("saved"), NULL, &other));
    GIVES(SHMAP_OK, shmap_map_open_file_copy(path_of("saved"), &options, &other));
    GIVES(SHMAP_OK, shmap_map_close(other));
    CHECK(remove(path_of("saved")) == 0);
    // What is no map at all is told so, whatever its mode.
    FAILS(SHMAP_CORRUPT, "not a snapshot", shmap_map_open_file("/etc/passwd", NULL, &other));
}

int main(void) {
    message();
    opening();
    calling();
    publishing();
    GIVES(SHMAP_OK, shmap_tree_free(tree));
    GIVES(SHMAP_OK, shmap_map_close(map));
    GIVES(SHMAP_OK, shmap_map_remove_name("m", NULL));
    GIVES(SHMAP_OK, shmap_table_unlink(table));
    GIVES(SHMAP_OK, shmap_table_unlink(words));
    GIVES(SHMAP_OK, shmap_table_close(table));
    GIVES(SHMAP_OK, shmap_table_close(words));
    puts("ok");
    return 0;
}
