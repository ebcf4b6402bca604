// What a C program sees of the commonest errors: a line for each, HEADING<tab>CODE: MESSAGE, which the test
// compares with tests/data/golden/errors.md. Works in $SHMAP_DIR, and leaves nothing there.
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { NOBODY = 65534 };

static shmap_table_options options;
static shmap_map_options sharing;
static shmap_table *table;
static shmap_map *map;
static shmap_tree *tree;

static const char *const codes[] = {"SHMAP_OK",         "SHMAP_NOT_FOUND",     "SHMAP_NO_SPACE",
                                    "SHMAP_DUPLICATE_KEY", "SHMAP_INVALID_NAME", "SHMAP_TIMEOUT",
                                    "SHMAP_CORRUPT",    "SHMAP_MISMATCH",      "SHMAP_PERMISSION",
                                    "SHMAP_SYSTEM",     "SHMAP_INVALID"};

// The call fails; what it said.
static void fails(const char *heading, int code) {
    CHECK(code < 0 && code >= SHMAP_INVALID);
    printf("%s\t %s: %s\n", heading, codes[-code], shmap_last_error());
}

static void none(const char *heading, const char *why) {
    printf("%s\t: no error: %s\n", heading, why);
}

static const char *at(const char *kind) {
    static char path[512];
    snprintf(path, sizeof path, "%s/shmap.it.%s", getenv("SHMAP_DIR"), kind);
    return path;
}

// Closes what is open, and removes all files.
static void clear(void) {
    if (table != NULL) GIVES(SHMAP_OK, shmap_table_close(table));
    if (map != NULL) GIVES(SHMAP_OK, shmap_map_close(map));
    table = NULL;
    map = NULL;
    DIR *dir = opendir(getenv("SHMAP_DIR"));
    CHECK(dir != NULL);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        CHECK(unlinkat(dirfd(dir), entry->d_name, 0) == 0 ||
              unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR) == 0);
    }
    closedir(dir);
}

// A fresh table with the key 1, open.
static void new_table(void) {
    clear();
    GIVES(SHMAP_OK, shmap_table_create("it", &options, &table));
    GIVES(SHMAP_OK, shmap_table_add(table, 1, "one", 3));
}

// A fresh table with the key 1, closed, and its path.
static const char *table_file(void) {
    new_table();
    GIVES(SHMAP_OK, shmap_table_close(table));
    table = NULL;
    return at("table");
}

// A fresh map, and its path.
static const char *map_file(void) {
    clear();
    GIVES(SHMAP_OK, shmap_tree_share(tree, "it", &sharing, NULL));
    return at("snapshot");
}

static int open_table(void) {
    return shmap_table_open("it", &options, &table);
}

static int open_map(void) {
    return shmap_map_open("it", &sharing, &map);
}

static void patch(const char *path, off_t where, const char *bytes, size_t len) {
    const int file = open(path, O_WRONLY);
    CHECK(file >= 0 && pwrite(file, bytes, len, where) == (ssize_t)len && close(file) == 0);
}

static void names(void) {
    static char longest[202];
    memset(longest, 'x', 201);
    clear();
    fails("The table is missing", open_table());
    fails("The map is missing", open_map());
    map_file();
    fails("A map has the name, and a table is asked for", open_table());
    table_file();
    fails("A table has the name, and a map is asked for", open_map());
    fails("The table exists already", shmap_table_create("it", &options, &table));
    map_file();
    fails("The map exists already", shmap_tree_share(tree, "it", &sharing, NULL));
    fails("The name is empty", shmap_table_open("", &options, &table));
    fails("The name has a slash", shmap_table_open("a/b", &options, &table));
    fails("The name begins with a dot", shmap_table_open(".it", &options, &table));
    fails("The name is too long", shmap_table_open(longest, &options, &table));

    char missing[512];
    snprintf(missing, sizeof missing, "%s/no", getenv("SHMAP_DIR"));
    shmap_table_options elsewhere = options;
    elsewhere.dir = missing;
    fails("The directory is missing, for a table", shmap_table_create("it", &elsewhere, &table));
    shmap_map_options away = sharing;
    away.dir = missing;
    fails("The directory is missing, for a map", shmap_tree_share(tree, "it", &away, NULL));
}

static void keys(void) {
    char buffer[8];
    size_t len;
    new_table();
    fails("Get a key that is missing", shmap_table_get(table, 9, buffer, sizeof buffer, &len));
    fails("Update a key that is missing", shmap_table_update(table, 9, "x", 1));
    fails("Remove a key that is missing", shmap_table_remove(table, 9));
    fails("Add a key that exists", shmap_table_add(table, 1, "x", 1));
    fails("The value is too long", shmap_table_upsert(table, 1, "123456789", 9));
    fails("The value is no counter", shmap_table_increment(table, 1, 1, 0, NULL));
    const shmap_status batch[] = {{2, {"two", 3}}, {1, {"one", 3}}};
    fails("A member of a batch is at fault", shmap_table_add_many(table, batch, 2));
    fails("A key is named twice in a batch", shmap_table_remove_many(table, (const int32_t[]){1, 1}, 2));
    GIVES(SHMAP_OK, shmap_table_add(table, 2, "two", 3));
    fails("The table is full", shmap_table_add(table, 3, "three", 5));
    fails("A key of another type", shmap_table_upsert_bytes(table, "word", 4, "x", 1));
    fails("A number that is no key of the table",
          shmap_table_upsert_i64(table, INT64_C(1) << 40, "x", 1));
    clear();
    shmap_table_options words = options;
    words.key_kind = SHMAP_KEYS_TEXT;
    words.key_size = 4;
    GIVES(SHMAP_OK, shmap_table_create("it", &words, &table));
    fails("The key is too long", shmap_table_upsert_bytes(table, "12345", 5, "x", 1));
    shmap_table *other = NULL;
    fails("The table has keys of another type", shmap_table_open_or_create("it", &options, &other));
}

static void asked_for(void) {
    table_file();
    shmap_table_options wrong = options;
    wrong.capacity = 3;
    fails("The table has another capacity", shmap_table_open_or_create("it", &wrong, &table));
    clear();
    wrong.capacity = 0;
    fails("An impossible capacity", shmap_table_create("it", &wrong, &table));
    wrong = options;
    wrong.mode = 0100;
    fails("An impossible mode of a table", shmap_table_create("it", &wrong, &table));
    shmap_map_options writable = sharing;
    writable.mode = 0600;
    fails("An impossible mode of a map", shmap_tree_share(tree, "it", &writable, NULL));
    table_file();
    GIVES(SHMAP_OK, shmap_table_open_read_only("it", &options, &table));
    fails("The table was opened for reading only", shmap_table_upsert(table, 1, "x", 1));
}

// Another process that has the file open and mapped as a writer does, and holds the lock by record 20 (`docs/format.md`).
static pid_t hold(const char *path) {
    int ready[2];
    CHECK(pipe(ready) == 0);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
        struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
        const int file = open(path, O_RDWR);
        const uint64_t owner = (uint64_t)getpid(), number = 20;
        struct stat pids;
        CHECK(stat("/proc/self/ns/pid", &pids) == 0);
        const uint64_t thread = owner << 32 | owner, pid_namespace = pids.st_ino;
        const uint64_t registration = 1 << 8 | 1 << 2 | 1, holder = 1 << 13 | number;
        const off_t record = 640 + 128 * number;
        void *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        const int held = file >= 0 && mapped != MAP_FAILED && fcntl(file, F_OFD_SETLK, &lock) == 0;
        if (!held || pwrite(file, &owner, 4, record) != 4) _exit(1);
        if (pwrite(file, &pid_namespace, 8, record + 56) != 8) _exit(1);
        if (pwrite(file, &thread, 8, record + 112) != 8) _exit(1);
        if (pwrite(file, &registration, 8, record + 48) != 8) _exit(1);
        if (pwrite(file, &holder, 8, 512) != 8) _exit(1);
        if (write(ready[1], "", 1) != 1) _exit(1);
        for (;;) pause();
    }
    char byte;
    close(ready[1]);
    CHECK(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    return child;
}

static void release(pid_t child) {
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
}

static void locks(void) {
    shmap_table_options soon = options;
    soon.lock_timeout_ms = 50;
    pid_t child = hold(table_file());
    GIVES(SHMAP_OK, shmap_table_open("it", &soon, &table));
    // A key that is present needs no lock.
    fails("The lock of the table is held", shmap_table_upsert(table, 2, "x", 1));
    release(child);
    shmap_map_options again = sharing;
    again.force = 1;
    again.lock_timeout_ms = 50;
    map_file();
    child = hold(at("control"));
    fails("The lock of the publication is held", shmap_tree_share(tree, "it", &again, NULL));
    release(child);
}

static void files(void) {
    static const char noise[] = "\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5";
    const uint32_t version = 9;
    patch(table_file(), 0, "NO TABLE", 8);
    fails("The file is no table", open_table());
    patch(table_file(), 64, noise, 16);
    fails("The header was changed", open_table());
    CHECK(truncate(table_file(), 4200) == 0);
    fails("The file was cut", open_table());
    // The version is looked at before the checksum.
    patch(table_file(), 12, (const char *)&version, sizeof version);
    fails("The file is of another format version", open_table());
    clear();
    CHECK(mkdir(at("table"), 0700) == 0);
    fails("A directory has the name", open_table());
    clear();
    CHECK(symlink("/etc/passwd", at("table")) == 0);
    fails("A symbolic link has the name", open_table());
    char path[512];
    snprintf(path, sizeof path, "%s", map_file());
    CHECK(rename(path, at("table")) == 0);
    fails("The file of a map has the name of a table",
          shmap_table_open_read_only("it", &options, &table));
    map_file();
    CHECK(chmod(path, 0600) == 0);
    patch(path, 4096 + 16, noise, 16);
    CHECK(chmod(path, 0400) == 0);
    fails("The image of a map is damaged", open_map());
}

static void owners_and_modes(void) {
    table_file();
    if (geteuid() == 0) {
        CHECK(seteuid(NOBODY) == 0);
        fails("Not permitted to open the table", open_table());
        fails("Not permitted to make a file", shmap_table_create("new", &options, &table));
        CHECK(seteuid(0) == 0 && chown(at("table"), NOBODY, (gid_t)-1) == 0);
        fails("A foreign owner", open_table());
    }
    CHECK(chmod(table_file(), 0666) == 0);
    fails("Others may write to the table", open_table());
    CHECK(chmod(map_file(), 0666) == 0);
    fails("Others may write to the map", open_map());
    CHECK(chmod(at("snapshot"), 0600) == 0);
    fails("The owner may write to the map", open_map());
}

static void entries(void) {
    shmap_tree *empty = NULL;
    shmap_map_options again = sharing;
    again.force = 1;
    map_file();
    GIVES(SHMAP_OK, shmap_tree_new(&empty));
    fails("No entries replace some", shmap_tree_share(empty, "it", &again, NULL));
    GIVES(SHMAP_OK, shmap_tree_free(empty));
    none("Keys out of order", "a tree sorts them");
    none("A broken line of tab-separated values", "the libraries read no text");
    none("A broken line of CSV", "the libraries read no text");
    none("A broken line of JSON", "the libraries read no text");
}

static void times_to_live(void) {
    shmap_table *other = NULL;
    shmap_table_options leased = options, evicting = options;
    leased.ttl_ms = SHMAP_TTL_BY_ENTRY;
    evicting.evict = SHMAP_EVICT_LEAST_RECENTLY_WRITTEN;
    new_table();
    fails("A time to live where entries do not expire",
          shmap_table_upsert_for(table, 1, "x", 1, 1000));
    fails("An ephemeral entry where entries do not expire",
          shmap_table_add_ephemeral(table, 2, "x", 1));
    fails("The entries of the table expire differently than asked",
          shmap_table_open_or_create("it", &leased, &other));
    fails("The table evicts differently than asked", shmap_table_open_or_create("it", &evicting, &other));
    clear();
    none("A table whose entries live for no time", "0 in the options lets entries stay");
    GIVES(SHMAP_OK, shmap_table_create("it", &leased, &table));
    fails("A time to live of zero", shmap_table_upsert_for(table, 1, "x", 1, 0));
    fails("A time to live that is too long",
          shmap_table_upsert_for(table, 1, "x", 1, INT64_C(5000000000000)));
    fails("Touch a key that is missing", shmap_table_touch(table, 9, 1000));
    GIVES(SHMAP_OK, shmap_table_add(table, 1, "one", 3));
    GIVES(SHMAP_OK, shmap_table_upsert_for(table, 2, "two", 3, 3600000));
    fails("The table is full, and no entry has expired", shmap_table_add(table, 3, "three", 5));
}

static void space(void) {
    struct rlimit before, small;
    clear();
    CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
    small = before;
    small.rlim_cur = 1024;
    CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
    const int code = shmap_table_create("it", &options, &table);
    CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
    fails("The file is longer than the process may write", code);
}

int main(void) {
    GIVES(SHMAP_OK, shmap_table_options_init(&options, sizeof options));
    options.capacity = 2;
    options.value_size = 8;
    GIVES(SHMAP_OK, shmap_map_options_init(&sharing, sizeof sharing));
    GIVES(SHMAP_OK, shmap_tree_new(&tree));
    GIVES(SHMAP_OK, shmap_tree_set(tree, "rot", 3, "red", 3));
    names();
    keys();
    asked_for();
    locks();
    files();
    owners_and_modes();
    entries();
    times_to_live();
    space();
    clear();
    GIVES(SHMAP_OK, shmap_tree_free(tree));
    return 0;
}
