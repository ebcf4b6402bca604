// Trees and maps: every function does what the header says.
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static void set(shmap_tree *tree, const char *key, const char *value) {
    GIVES(SHMAP_OK, shmap_tree_set(tree, key, strlen(key), value, strlen(value)));
}

static shmap_tree *build(void) {
    shmap_tree *tree = NULL;
    shmap_bytes value;
    size_t len;
    GIVES(SHMAP_OK, shmap_tree_new(&tree));
    set(tree, "/users", "old");
    set(tree, "/users", "10.0.0.7");
    set(tree, "/orders", "10.0.0.8");
    set(tree, "/orders/new", "10.0.0.9");
    set(tree, "", "");
    set(tree, "gone", "x");
    GIVES(SHMAP_OK, shmap_tree_remove(tree, "gone", 4));
    FAILS(SHMAP_NOT_FOUND, "\"gone\"", shmap_tree_remove(tree, "gone", 4));
    GIVES(SHMAP_OK, shmap_tree_len(tree, &len));
    CHECK(len == 4);
    GIVES(SHMAP_OK, shmap_tree_get(tree, "/users", 6, &value));
    IS(value, "10.0.0.7");
    GIVES(SHMAP_NOT_FOUND, shmap_tree_get(tree, "gone", 4, &value));
    return tree;
}

static void lookups(const shmap_map *map) {
    shmap_bytes value, values[3];
    const shmap_bytes keys[] = {{"/orders", 7}, {"none", 4}, {NULL, 0}};
    size_t len, rank;
    GIVES(SHMAP_OK, shmap_map_len(map, &len));
    CHECK(len == 4);
    GIVES(SHMAP_OK, shmap_map_get(map, "/users", 6, &value));
    IS(value, "10.0.0.7");
    FAILS(SHMAP_NOT_FOUND, "none", shmap_map_get(map, "none", 4, &value));
    GIVES(SHMAP_OK, shmap_map_get_many(map, keys, 3, values));
    IS(values[0], "10.0.0.8");
    CHECK(values[1].data == NULL && values[1].len == 0);
    CHECK(values[2].data != NULL && values[2].len == 0);
    GIVES(SHMAP_OK, shmap_map_get_many(map, NULL, 0, NULL));
    GIVES(1, shmap_map_contains(map, NULL, 0));
    GIVES(0, shmap_map_contains(map, "x", 1));
    GIVES(SHMAP_OK, shmap_map_rank(map, "/p", 2, &rank));
    CHECK(rank == 3);
    GIVES(SHMAP_OK, shmap_map_verify(map));
}

static void cursors(const shmap_map *map) {
    shmap_pair entry;
    shmap_cursor cursor = {0};
    GIVES(0, shmap_cursor_prev(map, &cursor, &entry));
    GIVES(1, shmap_cursor_next(map, &cursor, &entry));
    IS(entry.key, "");
    GIVES(0, shmap_cursor_seek(map, &cursor, "/orders/a", 9));
    CHECK(cursor.rank == 2);
    // The same entry, in both directions.
    GIVES(1, shmap_cursor_next(map, &cursor, &entry));
    IS(entry.key, "/orders/new");
    GIVES(1, shmap_cursor_prev(map, &cursor, &entry));
    IS(entry.key, "/orders/new");
    GIVES(1, shmap_cursor_prev(map, &cursor, &entry));
    IS(entry.key, "/orders");
    CHECK(cursor.rank == 1);
    GIVES(1, shmap_cursor_seek(map, &cursor, "/users", 6));
    GIVES(1, shmap_cursor_next(map, &cursor, &entry));
    IS(entry.key, "/users");
    GIVES(0, shmap_cursor_next(map, &cursor, &entry));
    CHECK(cursor.rank == 4);
    IS(entry.key, "/users");
    GIVES(0, shmap_cursor_seek(map, &cursor, "/z", 2));
    CHECK(cursor.rank == 4);
    GIVES(1, shmap_cursor_seek(map, &cursor, NULL, 0));
    CHECK(cursor.rank == 0);
    // Beyond the end is the end, and a call that fails leaves the cursor where it is.
    cursor.rank = SIZE_MAX;
    GIVES(0, shmap_cursor_next(map, &cursor, &entry));
    GIVES(SHMAP_INVALID, shmap_cursor_prev(map, &cursor, NULL));
    GIVES(SHMAP_INVALID, shmap_cursor_seek(map, &cursor, NULL, 1));
    CHECK(cursor.rank == SIZE_MAX);
    GIVES(1, shmap_cursor_prev(map, &cursor, &entry));
    IS(entry.key, "/users");
    CHECK(cursor.rank == 3);
}

static void walks(const shmap_map *map) {
    static const char *const order[] = {"", "/orders", "/orders/new", "/users"};
    shmap_pair entry;
    shmap_range range;
    GIVES(SHMAP_OK, shmap_map_first(map, &entry));
    IS(entry.key, "");
    GIVES(SHMAP_OK, shmap_map_last(map, &entry));
    IS(entry.key, "/users");
    GIVES(SHMAP_OK, shmap_map_nth(map, 2, &entry));
    IS(entry.key, "/orders/new");
    FAILS(SHMAP_NOT_FOUND, "rank 4", shmap_map_nth(map, 4, &entry));

    GIVES(SHMAP_OK, shmap_map_range(map, NULL, 0, NULL, 0, &range));
    for (size_t i = 0; i < 4; i++) {
        GIVES(1, shmap_map_next(map, &range, &entry));
        IS(entry.key, order[i]);
    }
    GIVES(0, shmap_map_next(map, &range, &entry));
    GIVES(0, shmap_map_prev(map, &range, &entry));
    GIVES(SHMAP_OK, shmap_map_prefix(map, NULL, 0, &range));
    for (size_t i = 4; i-- > 0;) {
        GIVES(1, shmap_map_prev(map, &range, &entry));
        IS(entry.key, order[i]);
    }
    GIVES(0, shmap_map_prev(map, &range, &entry));

    GIVES(SHMAP_OK, shmap_map_prefix(map, "/o", 2, &range));
    CHECK(range.back - range.front == 2);
    GIVES(SHMAP_OK, shmap_map_range(map, "/orders", 7, "/orders/new", 11, &range));
    CHECK(range.front == 1 && range.back == 2);
    // An end that is empty text is before all keys; NULL is after them.
    GIVES(SHMAP_OK, shmap_map_range(map, "/users", 6, "", 0, &range));
    CHECK(range.front == range.back);

    // Whatever a range says, steps stay within the map.
    range.front = 3;
    range.back = SIZE_MAX;
    GIVES(1, shmap_map_next(map, &range, &entry));
    GIVES(0, shmap_map_next(map, &range, &entry));
    range.front = SIZE_MAX;
    GIVES(0, shmap_map_next(map, &range, &entry));
    GIVES(0, shmap_map_prev(map, &range, &entry));
    range.front = 0;
    range.back = SIZE_MAX;
    GIVES(1, shmap_map_prev(map, &range, &entry));
    IS(entry.key, "/users");
}

static void editions(shmap_tree *tree, shmap_map *map, const shmap_map_options *force) {
    shmap_map *other = NULL;
    shmap_bytes value;
    uint64_t number = 0;
    GIVES(0, shmap_map_refresh(map));
    GIVES(0, shmap_map_wait_for_update(map, 1));
    FAILS(SHMAP_DUPLICATE_KEY, "routes", shmap_tree_share(tree, "routes", NULL, &number));
    set(tree, "/users", "10.0.0.70");
    GIVES(SHMAP_OK, shmap_tree_share(tree, "routes", force, &number));
    CHECK(number == 2);
    GIVES(SHMAP_OK, shmap_map_get(map, "/users", 6, &value));
    IS(value, "10.0.0.7");
    GIVES(1, shmap_map_refresh(map));
    GIVES(SHMAP_OK, shmap_map_get(map, "/users", 6, &value));
    IS(value, "10.0.0.70");
    GIVES(SHMAP_OK, shmap_map_edition(map, &number));
    CHECK(number == 2);
    GIVES(SHMAP_OK, shmap_tree_share(tree, "routes", force, NULL));
    GIVES(1, shmap_map_wait_for_update(map, -1));

    GIVES(0, shmap_map_is_removed(map));
    GIVES(SHMAP_OK, shmap_map_remove_name("routes", NULL));
    GIVES(1, shmap_map_is_removed(map));
    GIVES(0, shmap_map_refresh(map));
    FAILS(SHMAP_NOT_FOUND, "routes", shmap_map_open("routes", NULL, &other));
    FAILS(SHMAP_NOT_FOUND, "routes", shmap_map_remove_name("routes", NULL));
    GIVES(SHMAP_OK, shmap_map_get(map, "/users", 6, &value));
    IS(value, "10.0.0.70");
}

static void files_and_copies(shmap_tree *tree, const shmap_map *map, const shmap_map_options *force) {
    char path[512];
    shmap_map *file = NULL, *copy = NULL;
    shmap_bytes one, two;
    struct stat status;
    uint64_t number = 9;
    snprintf(path, sizeof path, "%s/saved.avl", getenv("SHMAP_DIR"));
    GIVES(SHMAP_OK, shmap_tree_save(tree, path));
    CHECK(stat(path, &status) == 0 && (status.st_mode & 0777) == 0400);
    GIVES(SHMAP_OK, shmap_map_open_file(path, NULL, &file));
    lookups(file);
    walks(file);
    cursors(file);
    GIVES(0, shmap_map_refresh(file));
    FAILS(SHMAP_INVALID, "follows no name", shmap_map_wait_for_update(file, 1));
    FAILS(SHMAP_INVALID, "follows no name", shmap_map_is_removed(file));
    GIVES(SHMAP_OK, shmap_map_edition(file, &number));
    CHECK(number == 0);
    // The published one has a hash index besides.
    GIVES(SHMAP_OK, shmap_map_save(map, path));
    GIVES(SHMAP_OK, shmap_map_close(file));
    GIVES(SHMAP_OK, shmap_map_open_file(path, NULL, &file));
    GIVES(SHMAP_OK, shmap_map_image(map, &one));
    GIVES(SHMAP_OK, shmap_map_image(file, &two));
    CHECK(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
    GIVES(SHMAP_OK, shmap_map_close(file));

    GIVES(SHMAP_OK, shmap_tree_share(tree, "copied", force, NULL));
    GIVES(SHMAP_OK, shmap_map_open_copy("copied", NULL, &copy));
    lookups(copy);
    GIVES(SHMAP_OK, shmap_map_close(copy));
    GIVES(SHMAP_OK, shmap_map_remove_name("copied", NULL));
    CHECK(unlink(path) == 0);
}

static void an_empty_map_is_a_map(void) {
    shmap_tree *tree = NULL;
    shmap_map *map = NULL;
    shmap_pair entry;
    shmap_range range;
    shmap_cursor cursor = {7};
    size_t len = 9;
    GIVES(SHMAP_OK, shmap_tree_new(&tree));
    set(tree, "x", "y");
    GIVES(SHMAP_OK, shmap_tree_clear(tree));
    GIVES(SHMAP_OK, shmap_tree_share(tree, "empty", NULL, NULL));
    GIVES(SHMAP_OK, shmap_map_open("empty", NULL, &map));
    GIVES(SHMAP_OK, shmap_map_len(map, &len));
    CHECK(len == 0);
    FAILS(SHMAP_NOT_FOUND, "empty", shmap_map_first(map, &entry));
    FAILS(SHMAP_NOT_FOUND, "empty", shmap_map_last(map, &entry));
    GIVES(SHMAP_OK, shmap_map_prefix(map, NULL, 0, &range));
    GIVES(0, shmap_map_next(map, &range, &entry));
    GIVES(0, shmap_cursor_next(map, &cursor, &entry));
    GIVES(0, shmap_cursor_prev(map, &cursor, &entry));
    GIVES(0, shmap_cursor_seek(map, &cursor, "x", 1));
    CHECK(cursor.rank == 0);
    GIVES(SHMAP_OK, shmap_map_close(map));
    GIVES(SHMAP_OK, shmap_map_remove_name("empty", NULL));
    GIVES(SHMAP_OK, shmap_tree_free(tree));
}

static void path_of(char *path, size_t size, const char *file) {
    CHECK(snprintf(path, size, "%s/%s", getenv("SHMAP_DIR"), file) < (int)size);
}

static void nothing_replaces_something_only_when_asked_to(void) {
    shmap_tree *tree = NULL;
    shmap_map_options force;
    char path[4096];
    struct stat status;
    path_of(path, sizeof path, "shmap.kept.snapshot");
    GIVES(SHMAP_OK, shmap_map_options_init(&force, sizeof force));
    CHECK(force.mode == 0 && force.allow_empty == 0);
    GIVES(SHMAP_OK, shmap_tree_new(&tree));
    set(tree, "x", "y");
    GIVES(SHMAP_OK, shmap_tree_share(tree, "kept", NULL, NULL));
    CHECK(stat(path, &status) == 0 && (status.st_mode & 07777) == 0400);
    force.force = 1;
    force.mode = 0444;
    GIVES(SHMAP_OK, shmap_tree_share(tree, "kept", &force, NULL));
    force.mode = 0;
    GIVES(SHMAP_OK, shmap_tree_share(tree, "kept", &force, NULL));
    CHECK(stat(path, &status) == 0 && (status.st_mode & 07777) == 0444);
    GIVES(SHMAP_OK, shmap_tree_clear(tree));
    FAILS(SHMAP_DUPLICATE_KEY, "has entries (1)", shmap_tree_share(tree, "kept", &force, NULL));
    force.allow_empty = 1;
    GIVES(SHMAP_OK, shmap_tree_share(tree, "kept", &force, NULL));
    GIVES(SHMAP_OK, shmap_map_remove_name("kept", NULL));
    GIVES(SHMAP_OK, shmap_tree_free(tree));
}

// Files are removed from outside, and the name published anew: first a wait without time finds it, then a refresh.
static void made_anew_from_outside(void) {
    shmap_tree *tree = NULL;
    shmap_map *map = NULL;
    shmap_bytes value;
    char path[4096];
    GIVES(SHMAP_OK, shmap_tree_new(&tree));
    set(tree, "x", "0");
    GIVES(SHMAP_OK, shmap_tree_share(tree, "anew", NULL, NULL));
    GIVES(SHMAP_OK, shmap_map_open("anew", NULL, &map));
    for (int round = 1; round < 4; round++) {
        char text[2] = {(char)('0' + round), 0};
        path_of(path, sizeof path, "shmap.anew.snapshot");
        CHECK(unlink(path) == 0);
        path_of(path, sizeof path, "shmap.anew.control");
        CHECK(unlink(path) == 0);
        set(tree, "x", text);
        GIVES(SHMAP_OK, shmap_tree_share(tree, "anew", NULL, NULL));
        GIVES(1, shmap_map_is_removed(map));
        if (round == 1) {
            GIVES(1, shmap_map_wait_for_update(map, 0));
        } else {
            int taken = 0;
            for (int tries = 0; taken == 0; tries++) {
                CHECK(tries < 60000);
                usleep(1000);
                taken = shmap_map_refresh(map);
            }
            CHECK(taken == 1);
        }
        GIVES(SHMAP_OK, shmap_map_get(map, "x", 1, &value));
        IS(value, text);
        GIVES(0, shmap_map_is_removed(map));
    }
    GIVES(SHMAP_OK, shmap_map_close(map));
    GIVES(SHMAP_OK, shmap_map_remove_name("anew", NULL));
    GIVES(SHMAP_OK, shmap_tree_free(tree));
}

// As a daemon does: all descriptors are closed, and the numbers are those of other files then.
static void descriptors_are_closed_and_reused(void) {
    shmap_table *table = NULL, *reader = NULL;
    shmap_map *map = NULL;
    shmap_tree *tree = NULL;
    int mine[32];
    GIVES(SHMAP_OK, shmap_table_create("daemon", NULL, &table));
    GIVES(SHMAP_OK, shmap_table_open_read_only("daemon", NULL, &reader));
    GIVES(SHMAP_OK, shmap_tree_new(&tree));
    set(tree, "x", "y");
    GIVES(SHMAP_OK, shmap_tree_share(tree, "daemon", NULL, NULL));
    GIVES(SHMAP_OK, shmap_map_open("daemon", NULL, &map));
    for (int fd = 3; fd < 64; fd++) (void)close(fd);
    for (size_t i = 0; i < 32; i += 2) CHECK(pipe(mine + i) == 0);
    GIVES(0, shmap_table_is_orphaned(table));
    GIVES(0, shmap_table_is_orphaned(reader));
    GIVES(SHMAP_OK, shmap_table_add(table, 1, "one", 3));
    GIVES(1, shmap_table_contains(reader, 1));
    GIVES(0, shmap_map_refresh(map));
    GIVES(0, shmap_map_wait_for_update(map, 1));
    GIVES(SHMAP_OK, shmap_table_unlink(table));
    GIVES(1, shmap_table_is_orphaned(reader));
    GIVES(SHMAP_OK, shmap_table_close(reader));
    GIVES(SHMAP_OK, shmap_table_close(table));
    GIVES(SHMAP_OK, shmap_map_close(map));
    GIVES(SHMAP_OK, shmap_map_remove_name("daemon", NULL));
    GIVES(SHMAP_OK, shmap_tree_free(tree));
    // Each is what it was.
    for (size_t i = 0; i < 32; i += 2) {
        char byte = 0;
        CHECK(write(mine[i + 1], "x", 1) == 1 && read(mine[i], &byte, 1) == 1 && byte == 'x');
        CHECK(close(mine[i]) == 0 && close(mine[i + 1]) == 0);
    }
}

static void names_are_listed(void) {
    static const struct {
        const char *name;
        int kind;
    } expected[] = {{"routes", SHMAP_KIND_MAP}, {"routes", SHMAP_KIND_TABLE}, {"z\xc3\xa4hler", SHMAP_KIND_TABLE}};
    shmap_table *tables[2];
    shmap_names *names = NULL;
    shmap_name name;
    size_t len;
    GIVES(SHMAP_OK, shmap_table_create("z\xc3\xa4hler", NULL, &tables[0]));
    GIVES(SHMAP_OK, shmap_table_create("routes", NULL, &tables[1]));
    GIVES(SHMAP_OK, shmap_list(NULL, &names));
    // What comes and goes later is not in it.
    for (size_t i = 0; i < 2; i++) {
        GIVES(SHMAP_OK, shmap_table_unlink(tables[i]));
        GIVES(SHMAP_OK, shmap_table_close(tables[i]));
    }
    GIVES(SHMAP_OK, shmap_names_len(names, &len));
    CHECK(len == 3);
    for (size_t i = 0; i < len; i++) {
        GIVES(SHMAP_OK, shmap_names_at(names, i, &name));
        CHECK(strcmp(name.name, expected[i].name) == 0 && name.kind == expected[i].kind);
    }
    FAILS(SHMAP_INVALID, "name 3 of 3", shmap_names_at(names, 3, &name));
    GIVES(SHMAP_OK, shmap_names_free(names));
    GIVES(SHMAP_OK, shmap_list(getenv("SHMAP_DIR"), &names));
    GIVES(SHMAP_OK, shmap_names_len(names, &len));
    CHECK(len == 1);
    GIVES(SHMAP_OK, shmap_names_free(names));
}

int main(void) {
    shmap_tree *tree = build();
    shmap_map *map = NULL;
    shmap_map_options force;
    uint64_t edition = 0;
    size_t litter = 9;
    GIVES(SHMAP_OK, shmap_map_options_init(&force, sizeof force));
    CHECK(force.force == 0 && force.hash_index == 1 && force.mode == 0);
    force.force = 1;
    GIVES(SHMAP_OK, shmap_tree_share(tree, "routes", NULL, &edition));
    CHECK(edition == 1);
    GIVES(SHMAP_OK, shmap_map_open("routes", NULL, &map));
    names_are_listed();
    lookups(map);
    walks(map);
    cursors(map);
    files_and_copies(tree, map, &force);
    editions(tree, map, &force);
    an_empty_map_is_a_map();
    nothing_replaces_something_only_when_asked_to();
    made_anew_from_outside();
    descriptors_are_closed_and_reused();
    GIVES(SHMAP_OK, shmap_prune(NULL, 1, NULL));
    GIVES(SHMAP_OK, shmap_prune(getenv("SHMAP_DIR"), 0, &litter));
    CHECK(litter == 0);
    GIVES(SHMAP_OK, shmap_map_close(map));
    GIVES(SHMAP_OK, shmap_tree_free(tree));
    puts("ok");
    return 0;
}
