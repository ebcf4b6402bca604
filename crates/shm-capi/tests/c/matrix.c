// Every function of shmap.h, and everything that may be wrong with what it is given. `matrix_rows.h` has the cells; each is
// made in a directory of its own kind, and nothing in that may change. `programs.rs` sees to it that no cell is missing.
//
// For each cell it prints a line: the function, the fault, and `done`, `none` with the reason why the fault cannot meet the
// function, or `skipped` where this user cannot make the fault.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

enum fault {
    MISSING,   // the names lead nowhere
    KIND,      // at the name of a table is a map, at that of a map a table; a handle or a key is of another kind
    CORRUPT,   // the first pages are damaged; `hurt_table` and `hurt_map` are damaged behind them
    TOO_LONG,  // names of 201 bytes, values of 17 where 16 fit, keys of a mebibyte
    READ_ONLY, // the handle is for reading only
    OWNER,     // all files belong to somebody who is not trusted; only root can make that
    WRITERS,   // group and others may write to all files
    MODE,      // nobody may do anything with the files; stops all but root
    HIDDEN,    // nobody may look into the directory; stops all but root
    DIRECTORY, // nobody may write to the directory; stops all but root
    FAULTS
};

static const char *const fault_names[FAULTS] = {"missing", "kind",    "corrupt", "too-long", "read-only",
                                                "owner",   "writers", "mode",    "hidden",   "directory"};

#define SOMEBODY 12345

static const char *dir;
// Tables with keys of `int32_t`, and of text.
static shmap_table *table, *reader, *hurt_table, *out_table;
static shmap_table *words, *words_reader, *hurt_words;
static shmap_tree *tree;
static shmap_map *map, *frozen, *hurt_map, *wide, *out_map;
static shmap_entries *entries, *word_entries, *out_entries;
static shmap_names *out_names;
static shmap_table_options small, small_words, large, nowhere, trusting;
static shmap_map_options force, nowhere_map;
static shmap_bytes value;
static shmap_pair pair;
static shmap_name name;
static shmap_range range;
static shmap_cursor cursor;
static shmap_stats stats;
static shmap_writer writer;
static shmap_key_version key_version;
static shmap_whole_version whole_version;
static shmap_status status;
static shmap_status_i64 wide_status;
static shmap_pair word_status;
static shmap_bytes word;
static char big[1 << 20], long_name[202], long_path[5000], buffer[64], saved[512];
static size_t len;
static uint64_t number;
static int32_t key;
static int64_t before, wide_key;
static int is_none;

// Handles of another kind than the function wants.
#define NOT_A_TABLE ((shmap_table *)(void *)map)
#define NOT_A_MAP ((shmap_map *)(void *)table)
#define NOT_A_TREE ((shmap_tree *)(void *)map)
#define NOT_ENTRIES ((shmap_entries *)(void *)table)
#define NOT_NAMES ((shmap_names *)(void *)table)

// The call fails so; the message goes to the log, too.
#define REFUSED(code, text, call)                                                                         \
    do {                                                                                                  \
        FAILS(code, text, call);                                                                          \
        printf("    %d: %s\n", (int)(code), shmap_last_error());                                          \
    } while (0)

// The call meets damaged bytes: any answer will do, but not a panic.
#define SURVIVES(call)                                                                                    \
    do {                                                                                                  \
        const int result_ = (call);                                                                       \
        CHECK(result_ >= SHMAP_INVALID && result_ <= 1 && result_ != SHMAP_SYSTEM);                       \
        if (result_ < 0) printf("    %d: %s\n", result_, shmap_last_error());                             \
    } while (0)

#define NONE(why)                                                                                         \
    do {                                                                                                  \
        is_none = 1;                                                                                      \
        printf("    %s\n", why);                                                                          \
    } while (0)

static const char *at(const char *file) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    return path;
}

static char *contents(const char *file, size_t *count) {
    FILE *in = fopen(at(file), "rb");
    if (in == NULL) return NULL;
    CHECK(fseek(in, 0, SEEK_END) == 0);
    *count = (size_t)ftell(in);
    rewind(in);
    char *bytes = malloc(*count + 1);
    CHECK(bytes != NULL && fread(bytes, 1, *count, in) == *count);
    fclose(in);
    return bytes;
}

// Another file of this name, so that who has the old one mapped keeps that.
static void make(const char *file, const char *bytes, size_t count, mode_t mode) {
    (void)unlink(at(file));
    FILE *out = fopen(at(file), "wb");
    CHECK(out != NULL && fwrite(bytes, 1, count, out) == count && fclose(out) == 0);
    CHECK(chmod(at(file), mode) == 0);
}

static void damage(const char *file, size_t where, size_t count, mode_t mode) {
    size_t all;
    char *bytes = contents(file, &all);
    CHECK(bytes != NULL && where < all);
    for (size_t i = where; i < all && i < where + count; i++) bytes[i] = (char)~bytes[i];
    make(file, bytes, all, mode);
    free(bytes);
}

// Calls `what` for each file that the faults are made at or that must not change.
static void each_file(void (*what)(const char *file, void *data), void *data) {
    struct dirent **files;
    const int count = scandir(dir, &files, NULL, alphasort);
    CHECK(count >= 0);
    for (int i = 0; i < count; i++) {
        const char *file = files[i]->d_name;
        if (strcmp(file, ".") != 0 && strcmp(file, "..") != 0) what(file, data);
        free(files[i]);
    }
    free(files);
}

static void remove_one(const char *file, void *data) {
    (void)data;
    CHECK(unlink(at(file)) == 0);
}

static void give_away(const char *file, void *data) {
    (void)data;
    CHECK(chown(at(file), SOMEBODY, (gid_t)-1) == 0);
}

static void set_mode(const char *file, void *data) { CHECK(chmod(at(file), *(const mode_t *)data) == 0); }

static void hash(uint64_t *sum, const void *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) *sum = (*sum ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
}

// Adds a file: name, mode, owner, identity and bytes; of a table its entries and the count of writes, since its lock and the
// buffers that no reader looks at change with every try.
static void add(const char *file, void *data) {
    struct stat meta;
    if (strstr(file, "hurt") != NULL) return; // which may be repaired
    CHECK(lstat(at(file), &meta) == 0);
    hash(data, file, strlen(file));
    hash(data, &meta.st_mode, sizeof meta.st_mode);
    hash(data, &meta.st_uid, sizeof meta.st_uid);
    hash(data, &meta.st_ino, sizeof meta.st_ino);
    shmap_table *seen = NULL;
    const char *table_name = strcmp(file, "shmap.victim.table") == 0  ? "victim"
                             : strcmp(file, "shmap.words.table") == 0 ? "words"
                                                                      : NULL;
    if (table_name != NULL && shmap_table_open_read_only(table_name, &trusting, &seen) == 0) {
        shmap_entries *all;
        shmap_status one;
        shmap_pair pair_of_words;
        size_t count;
        GIVES(SHMAP_OK, shmap_table_entries(seen, &all));
        GIVES(SHMAP_OK, shmap_entries_len(all, &count));
        for (size_t i = 0; i < count; i++) {
            if (shmap_table_key_kind(seen) == SHMAP_KEYS_TEXT) {
                GIVES(SHMAP_OK, shmap_entries_at_bytes(all, i, &pair_of_words));
                hash(data, pair_of_words.key.data, pair_of_words.key.len);
                one.value = pair_of_words.value;
            } else {
                GIVES(SHMAP_OK, shmap_entries_at(all, i, &one));
                hash(data, &one.key, sizeof one.key);
            }
            hash(data, one.value.data, one.value.len);
        }
        GIVES(SHMAP_OK, shmap_table_stats(seen, &stats));
        hash(data, &stats.writes, sizeof stats.writes);
        GIVES(SHMAP_OK, shmap_entries_free(all));
        GIVES(SHMAP_OK, shmap_table_close(seen));
        return;
    }
    size_t count;
    char *bytes = contents(file, &count);
    if (bytes != NULL) {
        // The records of a control segment say who has taken its lock, not what came of it.
        const size_t ends = strlen(file), control = strlen(".control");
        if (ends > control && strcmp(file + ends - control, ".control") == 0 && count >= 4096) {
            memset(bytes + 640, 0, 4096 - 640);
        }
        hash(data, bytes, count);
    }
    free(bytes);
}

static uint64_t picture(void) {
    uint64_t sum = 0xcbf29ce484222325u;
    struct stat meta;
    CHECK(stat(dir, &meta) == 0 && chmod(dir, 0700) == 0);
    each_file(add, &sum);
    CHECK(chmod(dir, meta.st_mode & 07777) == 0);
    return sum;
}

// What every cell begins with.
static void build(void) {
    uint8_t bytes[4];
    shmap_tree *other;
    GIVES(SHMAP_OK, shmap_table_create("victim", &small, &table));
    GIVES(SHMAP_OK, shmap_table_add(table, 1, "one", 3));
    GIVES(SHMAP_OK, shmap_table_open_read_only("victim", NULL, &reader));
    GIVES(SHMAP_OK, shmap_table_entries(table, &entries));
    GIVES(SHMAP_OK, shmap_table_create("words", &small_words, &words));
    GIVES(SHMAP_OK, shmap_table_add_bytes(words, "one", 3, "one", 3));
    GIVES(SHMAP_OK, shmap_table_open_read_only("words", NULL, &words_reader));
    GIVES(SHMAP_OK, shmap_table_entries(words, &word_entries));
    GIVES(SHMAP_OK, shmap_table_freeze(table, "frozen", NULL, NULL));
    GIVES(SHMAP_OK, shmap_map_open("frozen", NULL, &frozen));
    GIVES(SHMAP_OK, shmap_tree_new(&tree));
    GIVES(SHMAP_OK, shmap_tree_set(tree, "a key", 5, "a value", 7));
    GIVES(SHMAP_OK, shmap_tree_save(tree, saved));
    // Its handle is one edition behind, so that a refresh looks at what is there now.
    GIVES(SHMAP_OK, shmap_tree_share(tree, "published", NULL, NULL));
    GIVES(SHMAP_OK, shmap_map_open("published", NULL, &map));
    GIVES(SHMAP_OK, shmap_tree_share(tree, "published", &force, NULL));
    // A value that no slot takes.
    GIVES(SHMAP_OK, shmap_tree_new(&other));
    GIVES(SHMAP_OK, shmap_map_key(1, bytes));
    GIVES(SHMAP_OK, shmap_tree_set(other, bytes, 4, big, 17));
    GIVES(SHMAP_OK, shmap_tree_share(other, "wide", NULL, NULL));
    GIVES(SHMAP_OK, shmap_map_open("wide", NULL, &wide));
    GIVES(SHMAP_OK, shmap_tree_free(other));
}

// Damages a table behind its first page.
static void hurt_file(const char *file_name) {
    size_t all;
    char *bytes = contents(file_name, &all);
    const int file = open(at(file_name), O_WRONLY | O_CLOEXEC);
    CHECK(bytes != NULL && file >= 0 && all > 4096);
    memset(bytes, 0xff, all);
    CHECK(pwrite(file, bytes, all - 4096, 4096) == (ssize_t)(all - 4096) && close(file) == 0);
    free(bytes);
}

// Damaged behind the first page and the header of the image, which opening looks at.
static void hurt(void) {
    GIVES(SHMAP_OK, shmap_table_create("hurt", &small, &hurt_table));
    GIVES(SHMAP_OK, shmap_table_add(hurt_table, 1, "one", 3));
    GIVES(SHMAP_OK, shmap_table_create("hurt-words", &small_words, &hurt_words));
    GIVES(SHMAP_OK, shmap_table_add_bytes(hurt_words, "one", 3, "one", 3));
    GIVES(SHMAP_OK, shmap_tree_share(tree, "hurt", NULL, NULL));
    damage("shmap.hurt.snapshot", 4096 + 64, SIZE_MAX / 2, 0400);
    GIVES(SHMAP_OK, shmap_map_open("hurt", NULL, &hurt_map));
    hurt_file("shmap.hurt.table");
    hurt_file("shmap.hurt-words.table");
}

static void spoil(enum fault fault) {
    mode_t mode;
    size_t table_len, map_len;
    char *table_bytes, *map_bytes;
    switch (fault) {
    case MISSING:
        each_file(remove_one, NULL);
        break;
    case KIND:
        table_bytes = contents("shmap.victim.table", &table_len);
        map_bytes = contents("shmap.published.snapshot", &map_len);
        make("shmap.victim.table", map_bytes, map_len, 0600);
        make("shmap.published.snapshot", table_bytes, table_len, 0400);
        make("saved.avl", table_bytes, table_len, 0400);
        free(table_bytes);
        free(map_bytes);
        break;
    case CORRUPT:
        damage("shmap.victim.table", 40, 1, 0600);
        damage("shmap.published.snapshot", 40, 1, 0400);
        damage("shmap.published.control", 40, 1, 0600);
        damage("saved.avl", 20, 1, 0400);
        hurt();
        break;
    case OWNER:
        each_file(give_away, NULL);
        break;
    case WRITERS:
        mode = 0666;
        each_file(set_mode, &mode);
        break;
    case MODE:
        mode = 0;
        each_file(set_mode, &mode);
        break;
    case HIDDEN:
        CHECK(chmod(dir, 0) == 0);
        break;
    case DIRECTORY:
        make(".shmap-tmp-0123456789abcdef", "half a file", 11, 0600);
        CHECK(chmod(dir, 0500) == 0);
        break;
    default:
        break;
    }
}

static void tear_down(void) {
    CHECK(out_table == NULL && out_map == NULL && out_entries == NULL && out_names == NULL);
    if (table != NULL) GIVES(SHMAP_OK, shmap_table_close(table));
    if (reader != NULL) GIVES(SHMAP_OK, shmap_table_close(reader));
    if (hurt_table != NULL) GIVES(SHMAP_OK, shmap_table_close(hurt_table));
    if (hurt_words != NULL) GIVES(SHMAP_OK, shmap_table_close(hurt_words));
    GIVES(SHMAP_OK, shmap_table_close(words));
    GIVES(SHMAP_OK, shmap_table_close(words_reader));
    GIVES(SHMAP_OK, shmap_entries_free(word_entries));
    if (tree != NULL) GIVES(SHMAP_OK, shmap_tree_free(tree));
    if (map != NULL) GIVES(SHMAP_OK, shmap_map_close(map));
    if (frozen != NULL) GIVES(SHMAP_OK, shmap_map_close(frozen));
    if (wide != NULL) GIVES(SHMAP_OK, shmap_map_close(wide));
    if (hurt_map != NULL) GIVES(SHMAP_OK, shmap_map_close(hurt_map));
    if (entries != NULL) GIVES(SHMAP_OK, shmap_entries_free(entries));
    table = reader = hurt_table = hurt_words = NULL;
    map = frozen = wide = hurt_map = NULL;
    tree = NULL;
    entries = NULL;
    CHECK(chmod(dir, 0700) == 0);
    each_file(remove_one, NULL);
}

// The first time, each row is a function with a case for each fault; the second time, a line of the table.
#define ROW(function, missing, kind, corrupt, too_long, read_only, owner, writers, mode, hidden, directory) \
    static void row_##function(enum fault fault) {                                                        \
        (void)&function;                                                                                  \
        switch (fault) {                                                                                  \
        case MISSING: missing; break;                                                                     \
        case KIND: kind; break;                                                                           \
        case CORRUPT: corrupt; break;                                                                     \
        case TOO_LONG: too_long; break;                                                                   \
        case READ_ONLY: read_only; break;                                                                 \
        case OWNER: owner; break;                                                                         \
        case WRITERS: writers; break;                                                                     \
        case MODE: mode; break;                                                                           \
        case HIDDEN: hidden; break;                                                                       \
        case DIRECTORY: directory; break;                                                                 \
        case FAULTS: break;                                                                               \
        }                                                                                                 \
    }
#include "matrix_rows.h"
#undef ROW

#define ROW(function, ...) {#function, row_##function},
static const struct {
    const char *function;
    void (*run)(enum fault fault);
} rows[] = {
#include "matrix_rows.h"
};

static int can_make(enum fault fault) {
    const int root = geteuid() == 0;
    return fault == OWNER ? root : fault >= MODE ? !root : 1;
}

int main(int argc, char **argv) {
    static const uint32_t trusted[] = {0, SOMEBODY, 65534};
    dir = getenv("SHMAP_DIR");
    CHECK(dir != NULL);
    memset(long_name, 'x', sizeof long_name - 1);
    memset(long_path, 'x', sizeof long_path - 1);
    memcpy(long_path, dir, strlen(dir));
    long_path[strlen(dir)] = '/';
    snprintf(saved, sizeof saved, "%s/saved.avl", dir);
    GIVES(SHMAP_OK, shmap_table_options_init(&small, sizeof small));
    GIVES(SHMAP_OK, shmap_map_options_init(&force, sizeof force));
    small.capacity = 4;
    small.value_size = 16;
    small.ttl_ms = SHMAP_TTL_BY_ENTRY;
    large = nowhere = trusting = small_words = small;
    small_words.key_kind = SHMAP_KEYS_TEXT;
    small_words.key_size = 8;
    large.value_size = (size_t)1 << 40;
    nowhere.dir = "/no/such/directory";
    trusting.shared_writers = 1;
    trusting.trusted_uids = trusted;
    trusting.trusted_count = 3;
    nowhere_map = force;
    nowhere_map.dir = "/no/such/directory";
    force.force = 1;
    status.key = 2;
    status.value.data = big;
    status.value.len = 1;
    wide_key = 2;
    wide_status.key = wide_key;
    wide_status.value = status.value;
    word.data = "two";
    word.len = 3;
    word_status.key = word;
    word_status.value = status.value;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (argc > 1 && strcmp(argv[1], rows[i].function) != 0) continue;
        for (enum fault fault = 0; fault < FAULTS; fault++) {
            const char *how = "skipped";
            if (can_make(fault)) {
                build();
                spoil(fault);
                const uint64_t seen = picture();
                is_none = 0;
                rows[i].run(fault);
                const int same = picture() == seen;
                if (!same) printf("changed: %s, %s\n", rows[i].function, fault_names[fault]);
                CHECK(same);
                tear_down();
                how = is_none ? "none" : "done";
            }
            printf("%s %s %s\n", rows[i].function, fault_names[fault], how);
        }
    }
    puts("ok");
    return 0;
}
