// The cells of the matrix: ROW(function, missing, kind, corrupt, too long, read-only, owner, writers, mode, hidden,
// directory), see `matrix.c`, which includes this twice.

#ifndef MATRIX_CELLS
#define MATRIX_CELLS

#define LOOKED_UP NONE("the name was looked up, and the file checked, when the handle was made")
#define NO_HANDLE NONE("takes no handle of a table")
#define NO_BYTES NONE("takes neither name, key nor value")
#define ONLY_READS NONE("only reads")
#define PRIVATE NONE("private memory, which no file and no other process can damage")
#define BY_DIRECTORY NONE("a name may be removed by who may write to the directory, whatever has it")
#define WRONG(what, call) REFUSED(SHMAP_INVALID, ", not of " what, call)
#define LONG_NAME(call) REFUSED(SHMAP_INVALID_NAME, "201", call)
#define READER(call) REFUSED(SHMAP_PERMISSION, "\"victim\" was opened for reading only", call)
#define WORDS_READER(call) REFUSED(SHMAP_PERMISSION, "\"words\" was opened for reading only", call)
#define LONG_VALUE(text, call)                                                                            \
    status.value.len = wide_status.value.len = word_status.value.len = 17;                                \
    REFUSED(SHMAP_NO_SPACE, text "the value of key ", call);                                              \
    REFUSED(SHMAP_NO_SPACE, " is 17 bytes long, at most 16 fit", call);                                   \
    status.value.len = wide_status.value.len = word_status.value.len = 1
#define LONG_KEY(text, call)                                                                              \
    word.data = word_status.key.data = big;                                                               \
    word.len = word_status.key.len = sizeof big;                                                          \
    REFUSED(SHMAP_NO_SPACE, text "key \"", call);                                                          \
    REFUSED(SHMAP_NO_SPACE, " is 1048576 bytes long, at most 8 fit", call);                               \
    word.data = word_status.key.data = "two";                                                             \
    word.len = word_status.key.len = 3
// A key of another kind than the table's.
#define NO_WORDS(form, call) REFUSED(SHMAP_MISMATCH, "\"words\" has keys of type str, not " form, call)
#define ONLY_WORDS(call) REFUSED(SHMAP_MISMATCH, "\"victim\" has keys of type i32, not bytes", call)
#define TOO_WIDE(text, call)                                                                              \
    wide_key = wide_status.key = INT64_C(1) << 40;                                                        \
    REFUSED(SHMAP_MISMATCH, text "key 1099511627776 is not of type i32", call);                           \
    wide_key = wide_status.key = 2

// A call with a handle, which no name and no file meets any more.
#define HANDLE(function, kind, corrupt, too_long, read_only)                                              \
    ROW(function, LOOKED_UP, kind, corrupt, too_long, read_only, LOOKED_UP, LOOKED_UP, LOOKED_UP, LOOKED_UP, LOOKED_UP)
#define TREE(function, kind, too_long) HANDLE(function, kind, PRIVATE, too_long, NO_HANDLE)
#define MAP(function, kind, corrupt, too_long) HANDLE(function, kind, corrupt, too_long, NO_HANDLE)
// A call that meets nothing shared.
#define PURE(function, too_long, why)                                                                     \
    ROW(function, NONE(why), NONE(why), NONE(why), too_long, NONE(why), NONE(why), NONE(why), NONE(why), NONE(why), NONE(why))

// What cannot be opened is listed, too.
#define LISTS(count)                                                                                      \
    GIVES(SHMAP_OK, shmap_list(NULL, &out_names));                                                        \
    GIVES(SHMAP_OK, shmap_names_len(out_names, &len));                                                    \
    CHECK(len == (count));                                                                                \
    GIVES(SHMAP_OK, shmap_names_free(out_names));                                                         \
    out_names = NULL

#define TABLE_FILE "shmap.victim.table"
#define MAP_FILE "shmap.published.snapshot"
#define CONTROL_FILE "shmap.published.control"
#endif

PURE(shmap_version, NO_BYTES, "constant text")
PURE(shmap_strerror, NO_BYTES, "constant text")
PURE(shmap_last_error, NO_BYTES, "what this thread failed at last")
PURE(shmap_table_options_init, NO_BYTES, "fills in a structure of the caller")
PURE(shmap_map_options_init, NO_BYTES, "fills in a structure of the caller")
PURE(shmap_map_key, NO_BYTES, "arithmetic")
PURE(shmap_table_key, REFUSED(SHMAP_MISMATCH, "a key of 5 bytes", shmap_table_key("12345", 5, &key)), "arithmetic")
PURE(shmap_map_key_i64, NO_BYTES, "arithmetic")
PURE(shmap_table_key_i64, REFUSED(SHMAP_MISMATCH, "a key of 4 bytes", shmap_table_key_i64("1234", 4, &wide_key)), "arithmetic")
PURE(shmap_tree_new, NO_BYTES, "private memory")

// Tables: names.
ROW(shmap_table_open,
    REFUSED(SHMAP_NOT_FOUND, TABLE_FILE, shmap_table_open("victim", NULL, &out_table));
    REFUSED(SHMAP_NOT_FOUND, "/no/such", shmap_table_open("victim", &nowhere, &out_table)),
    REFUSED(SHMAP_MISMATCH, TABLE_FILE "\": segment is a `snapshot`", shmap_table_open("victim", NULL, &out_table));
    REFUSED(SHMAP_NOT_FOUND, "there is a map of that name", shmap_table_open("frozen", NULL, &out_table)),
    REFUSED(SHMAP_CORRUPT, TABLE_FILE, shmap_table_open("victim", NULL, &out_table)),
    LONG_NAME(shmap_table_open(long_name, NULL, &out_table)),
    NO_HANDLE,
    REFUSED(SHMAP_PERMISSION, TABLE_FILE "\" belongs to uid 12345", shmap_table_open("victim", NULL, &out_table)),
    REFUSED(SHMAP_PERMISSION, TABLE_FILE "\" has mode 0o666", shmap_table_open("victim", NULL, &out_table)),
    REFUSED(SHMAP_PERMISSION, TABLE_FILE, shmap_table_open("victim", NULL, &out_table)),
    REFUSED(SHMAP_PERMISSION, TABLE_FILE, shmap_table_open("victim", NULL, &out_table)),
    NONE("opens what is there, and stores in that"))
ROW(shmap_table_open_read_only,
    REFUSED(SHMAP_NOT_FOUND, TABLE_FILE, shmap_table_open_read_only("victim", NULL, &out_table));
    REFUSED(SHMAP_NOT_FOUND, "/no/such", shmap_table_open_read_only("victim", &nowhere, &out_table)),
    REFUSED(SHMAP_MISMATCH, TABLE_FILE "\": segment is a `snapshot`", shmap_table_open_read_only("victim", NULL, &out_table));
    REFUSED(SHMAP_NOT_FOUND, "there is a map of that name", shmap_table_open_read_only("frozen", NULL, &out_table)),
    REFUSED(SHMAP_CORRUPT, TABLE_FILE, shmap_table_open_read_only("victim", NULL, &out_table)),
    LONG_NAME(shmap_table_open_read_only(long_name, NULL, &out_table)),
    NO_HANDLE,
    REFUSED(SHMAP_PERMISSION, TABLE_FILE "\" belongs to uid 12345", shmap_table_open_read_only("victim", NULL, &out_table)),
    REFUSED(SHMAP_PERMISSION, TABLE_FILE "\" has mode 0o666", shmap_table_open_read_only("victim", NULL, &out_table)),
    REFUSED(SHMAP_PERMISSION, TABLE_FILE, shmap_table_open_read_only("victim", NULL, &out_table)),
    REFUSED(SHMAP_PERMISSION, TABLE_FILE, shmap_table_open_read_only("victim", NULL, &out_table)),
    ONLY_READS)
ROW(shmap_table_create,
    REFUSED(SHMAP_NOT_FOUND, "/no/such", shmap_table_create("new", &nowhere, &out_table)),
    REFUSED(SHMAP_DUPLICATE_KEY, TABLE_FILE "\" exists", shmap_table_create("victim", NULL, &out_table)),
    REFUSED(SHMAP_DUPLICATE_KEY, TABLE_FILE "\" exists", shmap_table_create("victim", NULL, &out_table)),
    LONG_NAME(shmap_table_create(long_name, NULL, &out_table));
    REFUSED(SHMAP_INVALID, "value_size is 1099511627776", shmap_table_create("new", &large, &out_table)),
    NO_HANDLE,
    REFUSED(SHMAP_DUPLICATE_KEY, TABLE_FILE "\" exists", shmap_table_create("victim", NULL, &out_table)),
    REFUSED(SHMAP_DUPLICATE_KEY, TABLE_FILE "\" exists", shmap_table_create("victim", NULL, &out_table)),
    REFUSED(SHMAP_DUPLICATE_KEY, TABLE_FILE "\" exists", shmap_table_create("victim", NULL, &out_table)),
    REFUSED(SHMAP_PERMISSION, "ermission denied", shmap_table_create("new", NULL, &out_table)),
    REFUSED(SHMAP_PERMISSION, "ermission denied", shmap_table_create("new", NULL, &out_table)))
ROW(shmap_table_open_or_create,
    REFUSED(SHMAP_NOT_FOUND, "/no/such", shmap_table_open_or_create("victim", &nowhere, &out_table)),
    REFUSED(SHMAP_MISMATCH, TABLE_FILE "\": segment is a `snapshot`", shmap_table_open_or_create("victim", NULL, &out_table)),
    REFUSED(SHMAP_CORRUPT, TABLE_FILE, shmap_table_open_or_create("victim", NULL, &out_table)),
    LONG_NAME(shmap_table_open_or_create(long_name, NULL, &out_table));
    REFUSED(SHMAP_INVALID, "value_size is 1099511627776", shmap_table_open_or_create("new", &large, &out_table)),
    NO_HANDLE,
    REFUSED(SHMAP_PERMISSION, TABLE_FILE "\" belongs to uid 12345", shmap_table_open_or_create("victim", NULL, &out_table)),
    REFUSED(SHMAP_PERMISSION, TABLE_FILE "\" has mode 0o666", shmap_table_open_or_create("victim", NULL, &out_table)),
    REFUSED(SHMAP_PERMISSION, TABLE_FILE, shmap_table_open_or_create("victim", NULL, &out_table)),
    REFUSED(SHMAP_PERMISSION, "ermission denied", shmap_table_open_or_create("new", NULL, &out_table)),
    REFUSED(SHMAP_PERMISSION, "ermission denied", shmap_table_open_or_create("new", NULL, &out_table)))
ROW(shmap_table_remove_name,
    REFUSED(SHMAP_NOT_FOUND, TABLE_FILE, shmap_table_remove_name("victim", NULL));
    REFUSED(SHMAP_NOT_FOUND, "/no/such", shmap_table_remove_name("victim", &nowhere)),
    REFUSED(SHMAP_NOT_FOUND, "there is a map of that name", shmap_table_remove_name("frozen", NULL)),
    BY_DIRECTORY,
    LONG_NAME(shmap_table_remove_name(long_name, NULL)),
    NO_HANDLE,
    BY_DIRECTORY,
    BY_DIRECTORY,
    BY_DIRECTORY,
    REFUSED(SHMAP_PERMISSION, "ermission denied", shmap_table_remove_name("victim", NULL)),
    REFUSED(SHMAP_PERMISSION, "ermission denied", shmap_table_remove_name("victim", NULL)))
ROW(shmap_table_unlink,
    REFUSED(SHMAP_NOT_FOUND, "\"victim\" does not lead to this table", shmap_table_unlink(table)),
    WRONG("a table", shmap_table_unlink(NOT_A_TABLE));
    REFUSED(SHMAP_NOT_FOUND, "\"victim\" does not lead to this table", shmap_table_unlink(table)),
    BY_DIRECTORY,
    NO_BYTES,
    READER(shmap_table_unlink(reader)),
    BY_DIRECTORY,
    BY_DIRECTORY,
    BY_DIRECTORY,
    REFUSED(SHMAP_PERMISSION, "ermission denied", shmap_table_unlink(table)),
    REFUSED(SHMAP_PERMISSION, "ermission denied", shmap_table_unlink(table)))
ROW(shmap_table_is_orphaned,
    GIVES(1, shmap_table_is_orphaned(table)),
    WRONG("a table", shmap_table_is_orphaned(NOT_A_TABLE));
    GIVES(1, shmap_table_is_orphaned(table)),
    GIVES(0, shmap_table_is_orphaned(hurt_table)),
    NO_BYTES,
    GIVES(0, shmap_table_is_orphaned(reader)),
    GIVES(0, shmap_table_is_orphaned(table)),
    GIVES(0, shmap_table_is_orphaned(table)),
    GIVES(0, shmap_table_is_orphaned(table)),
    REFUSED(SHMAP_PERMISSION, "ermission denied", shmap_table_is_orphaned(table)),
    ONLY_READS)
ROW(shmap_table_freeze,
    REFUSED(SHMAP_NOT_FOUND, "/no/such", shmap_table_freeze(table, "new", &nowhere_map, NULL)),
    WRONG("a table", shmap_table_freeze(NOT_A_TABLE, "new", NULL, NULL));
    REFUSED(SHMAP_DUPLICATE_KEY, MAP_FILE "\" exists", shmap_table_freeze(table, "published", NULL, NULL)),
    REFUSED(SHMAP_CORRUPT, CONTROL_FILE, shmap_table_freeze(table, "published", &force, NULL));
    SURVIVES(shmap_table_freeze(hurt_table, "hurt-too", NULL, NULL)),
    LONG_NAME(shmap_table_freeze(table, long_name, NULL, NULL)),
    ONLY_READS,
    REFUSED(SHMAP_PERMISSION, CONTROL_FILE "\" belongs to uid 12345", shmap_table_freeze(table, "published", &force, NULL)),
    REFUSED(SHMAP_PERMISSION, CONTROL_FILE "\" has mode 0o666", shmap_table_freeze(table, "published", &force, NULL)),
    REFUSED(SHMAP_PERMISSION, CONTROL_FILE, shmap_table_freeze(table, "published", &force, NULL)),
    REFUSED(SHMAP_PERMISSION, "ermission denied", shmap_table_freeze(table, "new", NULL, NULL)),
    REFUSED(SHMAP_PERMISSION, "ermission denied", shmap_table_freeze(table, "new", NULL, NULL));
    REFUSED(SHMAP_PERMISSION, "ermission denied", shmap_table_freeze(table, "published", &force, NULL)))

// Tables: handles.
HANDLE(shmap_table_close,
    WRONG("a table", shmap_table_close(NOT_A_TABLE)),
    GIVES(SHMAP_OK, shmap_table_close(hurt_table)); hurt_table = NULL,
    NO_BYTES,
    GIVES(SHMAP_OK, shmap_table_close(reader)); reader = NULL)
HANDLE(shmap_table_load,
    WRONG("a table", shmap_table_load(NOT_A_TABLE, frozen, NULL));
    WRONG("a map", shmap_table_load(table, NOT_A_MAP, NULL));
    REFUSED(SHMAP_MISMATCH, "is no key of this table, whose keys are i32", shmap_table_load(table, map, NULL)),
    SURVIVES(shmap_table_load(hurt_table, hurt_map, NULL)),
    LONG_VALUE("batch member 0: ", shmap_table_load(table, wide, NULL)),
    READER(shmap_table_load(reader, frozen, NULL)))
HANDLE(shmap_table_add,
    WRONG("a table", shmap_table_add(NOT_A_TABLE, 2, "x", 1));
    NO_WORDS("i32", shmap_table_add(words, 2, "x", 1)),
    SURVIVES(shmap_table_add(hurt_table, 2, "x", 1)),
    LONG_VALUE("", shmap_table_add(table, 2, big, 17)),
    READER(shmap_table_add(reader, 2, "x", 1)))
HANDLE(shmap_table_update,
    WRONG("a table", shmap_table_update(NOT_A_TABLE, 1, "x", 1));
    NO_WORDS("i32", shmap_table_update(words, 1, "x", 1)),
    SURVIVES(shmap_table_update(hurt_table, 1, "x", 1)),
    LONG_VALUE("", shmap_table_update(table, 1, big, 17)),
    READER(shmap_table_update(reader, 1, "x", 1)))
HANDLE(shmap_table_upsert,
    WRONG("a table", shmap_table_upsert(NOT_A_TABLE, 1, "x", 1));
    NO_WORDS("i32", shmap_table_upsert(words, 1, "x", 1)),
    SURVIVES(shmap_table_upsert(hurt_table, 1, "x", 1)),
    LONG_VALUE("", shmap_table_upsert(table, 1, big, 17)),
    READER(shmap_table_upsert(reader, 1, "x", 1)))
HANDLE(shmap_table_get,
    WRONG("a table", shmap_table_get(NOT_A_TABLE, 1, buffer, sizeof buffer, &len));
    NO_WORDS("i32", shmap_table_get(words, 1, buffer, sizeof buffer, &len)),
    SURVIVES(shmap_table_get(hurt_table, 1, buffer, sizeof buffer, &len)),
    REFUSED(SHMAP_NO_SPACE, "the value of key 1 is 3 bytes long, the buffer only 2", shmap_table_get(table, 1, buffer, 2, &len)),
    ONLY_READS)
HANDLE(shmap_table_contains,
    WRONG("a table", shmap_table_contains(NOT_A_TABLE, 1));
    NO_WORDS("i32", shmap_table_contains(words, 1)),
    SURVIVES(shmap_table_contains(hurt_table, 1)),
    NO_BYTES,
    ONLY_READS)
HANDLE(shmap_table_remove,
    WRONG("a table", shmap_table_remove(NOT_A_TABLE, 1));
    NO_WORDS("i32", shmap_table_remove(words, 1)),
    SURVIVES(shmap_table_remove(hurt_table, 1)),
    NO_BYTES,
    READER(shmap_table_remove(reader, 1)))
HANDLE(shmap_table_clear,
    WRONG("a table", shmap_table_clear(NOT_A_TABLE)),
    SURVIVES(shmap_table_clear(hurt_table)),
    NO_BYTES,
    READER(shmap_table_clear(reader)))
HANDLE(shmap_table_compare_exchange,
    WRONG("a table", shmap_table_compare_exchange(NOT_A_TABLE, 1, "one", 3, "x", 1));
    NO_WORDS("i32", shmap_table_compare_exchange(words, 1, "one", 3, "x", 1)),
    SURVIVES(shmap_table_compare_exchange(hurt_table, 1, "one", 3, "x", 1)),
    LONG_VALUE("", shmap_table_compare_exchange(table, 1, "one", 3, big, 17));
    REFUSED(SHMAP_MISMATCH, "not the expected one", shmap_table_compare_exchange(table, 1, big, 17, "x", 1)),
    READER(shmap_table_compare_exchange(reader, 1, "one", 3, "x", 1)))
HANDLE(shmap_table_fetch_add,
    WRONG("a table", shmap_table_fetch_add(NOT_A_TABLE, 1, 1, &before));
    NO_WORDS("i32", shmap_table_fetch_add(words, 1, 1, &before));
    REFUSED(SHMAP_MISMATCH, "the value of key 1 is 3 bytes long, a counter is 8", shmap_table_fetch_add(table, 1, 1, &before)),
    SURVIVES(shmap_table_fetch_add(hurt_table, 1, 1, &before)),
    NO_BYTES,
    READER(shmap_table_fetch_add(reader, 1, 1, &before)))
HANDLE(shmap_table_len,
    WRONG("a table", shmap_table_len(NOT_A_TABLE, &len)),
    SURVIVES(shmap_table_len(hurt_table, &len)),
    NO_BYTES,
    ONLY_READS)
HANDLE(shmap_table_stats,
    WRONG("a table", shmap_table_stats(NOT_A_TABLE, &stats)),
    SURVIVES(shmap_table_stats(hurt_table, &stats)),
    NO_BYTES,
    ONLY_READS)
HANDLE(shmap_table_get_with_version,
    WRONG("a table", shmap_table_get_with_version(NOT_A_TABLE, 1, buffer, sizeof buffer, &len, &key_version));
    NO_WORDS("i32", shmap_table_get_with_version(words, 1, buffer, sizeof buffer, &len, &key_version)),
    SURVIVES(shmap_table_get_with_version(hurt_table, 1, buffer, sizeof buffer, &len, &key_version)),
    REFUSED(SHMAP_NO_SPACE, "the value of key 1 is 3 bytes long, the buffer only 2", shmap_table_get_with_version(table, 1, buffer, 2, &len, &key_version)),
    ONLY_READS)
HANDLE(shmap_table_version,
    WRONG("a table", shmap_table_version(NOT_A_TABLE, 1, &key_version));
    NO_WORDS("i32", shmap_table_version(words, 1, &key_version)),
    SURVIVES(shmap_table_version(hurt_table, 1, &key_version)),
    NO_BYTES,
    ONLY_READS)
HANDLE(shmap_table_wait_for_change,
    WRONG("a table", shmap_table_wait_for_change(NOT_A_TABLE, 1, &key_version, 0, NULL));
    NO_WORDS("i32", shmap_table_wait_for_change(words, 1, &key_version, 0, NULL));
    REFUSED(SHMAP_MISMATCH, "the version is of the table with id ", shmap_table_wait_for_change(table, 1, &key_version, 0, NULL)),
    SURVIVES(shmap_table_version(hurt_table, 1, &key_version));
    SURVIVES(shmap_table_wait_for_change(hurt_table, 1, &key_version, 0, NULL)),
    NO_BYTES,
    GIVES(1, shmap_table_version(reader, 1, &key_version));
    GIVES(0, shmap_table_wait_for_change(reader, 1, &key_version, 0, NULL)))
HANDLE(shmap_table_whole_version,
    WRONG("a table", shmap_table_whole_version(NOT_A_TABLE, &whole_version)),
    SURVIVES(shmap_table_whole_version(hurt_table, &whole_version)),
    NO_BYTES,
    ONLY_READS)
HANDLE(shmap_table_wait_for_any_change,
    WRONG("a table", shmap_table_wait_for_any_change(NOT_A_TABLE, &whole_version, 0, NULL));
    GIVES(SHMAP_OK, shmap_table_whole_version(words, &whole_version));
    REFUSED(SHMAP_MISMATCH, "the version is of the table with id ", shmap_table_wait_for_any_change(table, &whole_version, 0, NULL)),
    GIVES(SHMAP_OK, shmap_table_whole_version(hurt_table, &whole_version));
    SURVIVES(shmap_table_wait_for_any_change(hurt_table, &whole_version, 0, NULL)),
    NO_BYTES,
    GIVES(SHMAP_OK, shmap_table_whole_version(reader, &whole_version));
    GIVES(0, shmap_table_wait_for_any_change(reader, &whole_version, 0, NULL)))
HANDLE(shmap_table_writers,
    WRONG("a table", shmap_table_writers(NOT_A_TABLE, NULL, 0, &len)),
    SURVIVES(shmap_table_writers(hurt_table, &writer, 1, &len)),
    NO_BYTES,
    ONLY_READS)
HANDLE(shmap_table_verify,
    WRONG("a table", shmap_table_verify(NOT_A_TABLE)),
    REFUSED(SHMAP_CORRUPT, "damaged table: ", shmap_table_verify(hurt_table)),
    NO_BYTES,
    READER(shmap_table_verify(reader)))
HANDLE(shmap_table_add_many,
    WRONG("a table", shmap_table_add_many(NOT_A_TABLE, &status, 1));
    NO_WORDS("i32", shmap_table_add_many(words, &status, 1)),
    SURVIVES(shmap_table_add_many(hurt_table, &status, 1)),
    LONG_VALUE("batch member 0: ", shmap_table_add_many(table, &status, 1)),
    READER(shmap_table_add_many(reader, &status, 1)))
HANDLE(shmap_table_update_many,
    WRONG("a table", shmap_table_update_many(NOT_A_TABLE, &status, 1));
    NO_WORDS("i32", shmap_table_update_many(words, &status, 1)),
    SURVIVES(shmap_table_update_many(hurt_table, &status, 1)),
    status.key = 1; LONG_VALUE("batch member 0: ", shmap_table_update_many(table, &status, 1)); status.key = 2,
    READER(shmap_table_update_many(reader, &status, 1)))
HANDLE(shmap_table_upsert_many,
    WRONG("a table", shmap_table_upsert_many(NOT_A_TABLE, &status, 1));
    NO_WORDS("i32", shmap_table_upsert_many(words, &status, 1)),
    SURVIVES(shmap_table_upsert_many(hurt_table, &status, 1)),
    LONG_VALUE("batch member 0: ", shmap_table_upsert_many(table, &status, 1)),
    READER(shmap_table_upsert_many(reader, &status, 1)))
HANDLE(shmap_table_remove_many,
    WRONG("a table", shmap_table_remove_many(NOT_A_TABLE, &status.key, 1));
    NO_WORDS("i32", shmap_table_remove_many(words, &status.key, 1)),
    SURVIVES(shmap_table_remove_many(hurt_table, &status.key, 1)),
    NO_BYTES,
    READER(shmap_table_remove_many(reader, &status.key, 1)))
HANDLE(shmap_table_get_many,
    WRONG("a table", shmap_table_get_many(NOT_A_TABLE, &status.key, 1, &out_entries));
    NO_WORDS("i32", shmap_table_get_many(words, &status.key, 1, &out_entries)),
    SURVIVES(shmap_table_get_many(hurt_table, &status.key, 1, &out_entries));
    if (out_entries != NULL) GIVES(SHMAP_OK, shmap_entries_free(out_entries));
    out_entries = NULL,
    NO_BYTES,
    ONLY_READS)
HANDLE(shmap_table_entries,
    WRONG("a table", shmap_table_entries(NOT_A_TABLE, &out_entries)),
    SURVIVES(shmap_table_entries(hurt_table, &out_entries));
    if (out_entries != NULL) GIVES(SHMAP_OK, shmap_entries_free(out_entries));
    out_entries = NULL,
    NO_BYTES,
    ONLY_READS)
HANDLE(shmap_entries_len, WRONG("copied entries", shmap_entries_len(NOT_ENTRIES, &len)), PRIVATE, NO_BYTES, NO_HANDLE)
HANDLE(shmap_entries_at,
    WRONG("copied entries", shmap_entries_at(NOT_ENTRIES, 0, &status));
    REFUSED(SHMAP_MISMATCH, "the entries have keys of type str, not i32", shmap_entries_at(word_entries, 0, &status)),
    PRIVATE,
    NO_BYTES,
    NO_HANDLE)
HANDLE(shmap_entries_at_i64,
    WRONG("copied entries", shmap_entries_at_i64(NOT_ENTRIES, 0, &wide_status));
    REFUSED(SHMAP_MISMATCH, "the entries have keys of type str, not i64", shmap_entries_at_i64(word_entries, 0, &wide_status)),
    PRIVATE,
    NO_BYTES,
    NO_HANDLE)
HANDLE(shmap_entries_at_bytes,
    WRONG("copied entries", shmap_entries_at_bytes(NOT_ENTRIES, 0, &word_status));
    REFUSED(SHMAP_MISMATCH, "the entries have keys of type i32, not bytes", shmap_entries_at_bytes(entries, 0, &word_status)),
    PRIVATE,
    NO_BYTES,
    NO_HANDLE)
HANDLE(shmap_entries_free, WRONG("copied entries", shmap_entries_free(NOT_ENTRIES)), PRIVATE, NO_BYTES, NO_HANDLE)

HANDLE(shmap_table_increment,
    WRONG("a table", shmap_table_increment(NOT_A_TABLE, 1, 1, 0, &before));
    NO_WORDS("i32", shmap_table_increment(words, 1, 1, 0, &before));
    REFUSED(SHMAP_MISMATCH, "the value of key 1 is 3 bytes long, a counter is 8", shmap_table_increment(table, 1, 1, 0, &before)),
    SURVIVES(shmap_table_increment(hurt_table, 1, 1, 0, &before)),
    NO_BYTES,
    READER(shmap_table_increment(reader, 1, 1, 0, &before)))
HANDLE(shmap_table_key_kind,
    WRONG("a table", shmap_table_key_kind(NOT_A_TABLE)),
    GIVES(SHMAP_KEYS_TEXT, shmap_table_key_kind(hurt_words)),
    NO_BYTES,
    ONLY_READS)
HANDLE(shmap_table_recover,
    WRONG("a table", shmap_table_recover(NOT_A_TABLE, &len)),
    GIVES(SHMAP_OK, shmap_table_recover(hurt_table, &len)),
    NO_BYTES,
    READER(shmap_table_recover(reader, &len)))
HANDLE(shmap_table_flush,
    WRONG("a table", shmap_table_flush(NOT_A_TABLE)),
    GIVES(SHMAP_OK, shmap_table_flush(hurt_table)),
    NO_BYTES,
    READER(shmap_table_flush(reader)))

// Tables: handles, entries that expire.
HANDLE(shmap_table_upsert_for,
    WRONG("a table", shmap_table_upsert_for(NOT_A_TABLE, 1, "x", 1, 1000));
    NO_WORDS("i32", shmap_table_upsert_for(words, 1, "x", 1, 1000)),
    SURVIVES(shmap_table_upsert_for(hurt_table, 1, "x", 1, 1000)),
    LONG_VALUE("", shmap_table_upsert_for(table, 2, big, 17, 1000)),
    READER(shmap_table_upsert_for(reader, 1, "x", 1, 1000)))
HANDLE(shmap_table_touch,
    WRONG("a table", shmap_table_touch(NOT_A_TABLE, 1, 1000));
    NO_WORDS("i32", shmap_table_touch(words, 1, 1000)),
    SURVIVES(shmap_table_touch(hurt_table, 1, 1000)),
    NO_BYTES,
    READER(shmap_table_touch(reader, 1, 1000)))
HANDLE(shmap_table_ttl,
    WRONG("a table", shmap_table_ttl(NOT_A_TABLE, 1, &before));
    NO_WORDS("i32", shmap_table_ttl(words, 1, &before)),
    SURVIVES(shmap_table_ttl(hurt_table, 1, &before)),
    NO_BYTES,
    ONLY_READS)
HANDLE(shmap_table_get_stale,
    WRONG("a table", shmap_table_get_stale(NOT_A_TABLE, 1, buffer, sizeof buffer, &len));
    NO_WORDS("i32", shmap_table_get_stale(words, 1, buffer, sizeof buffer, &len)),
    SURVIVES(shmap_table_get_stale(hurt_table, 1, buffer, sizeof buffer, &len)),
    REFUSED(SHMAP_NO_SPACE, "the value of key 1 is 3 bytes long, the buffer only 2", shmap_table_get_stale(table, 1, buffer, 2, &len)),
    ONLY_READS)
HANDLE(shmap_table_add_ephemeral,
    WRONG("a table", shmap_table_add_ephemeral(NOT_A_TABLE, 1, "x", 1));
    NO_WORDS("i32", shmap_table_add_ephemeral(words, 1, "x", 1)),
    SURVIVES(shmap_table_add_ephemeral(hurt_table, 1, "x", 1)),
    LONG_VALUE("", shmap_table_add_ephemeral(table, 2, big, 17)),
    READER(shmap_table_add_ephemeral(reader, 1, "x", 1)))
HANDLE(shmap_table_upsert_for_i64,
    WRONG("a table", shmap_table_upsert_for_i64(NOT_A_TABLE, 1, "x", 1, 1000));
    NO_WORDS("i64", shmap_table_upsert_for_i64(words, 1, "x", 1, 1000)),
    SURVIVES(shmap_table_upsert_for_i64(hurt_table, 1, "x", 1, 1000)),
    LONG_VALUE("", shmap_table_upsert_for_i64(table, 2, big, 17, 1000));
    TOO_WIDE("", shmap_table_upsert_for_i64(table, wide_key, "x", 1, 1000)),
    READER(shmap_table_upsert_for_i64(reader, 1, "x", 1, 1000)))
HANDLE(shmap_table_touch_i64,
    WRONG("a table", shmap_table_touch_i64(NOT_A_TABLE, 1, 1000));
    NO_WORDS("i64", shmap_table_touch_i64(words, 1, 1000)),
    SURVIVES(shmap_table_touch_i64(hurt_table, 1, 1000)),
    TOO_WIDE("", shmap_table_touch_i64(table, wide_key, 1000)),
    READER(shmap_table_touch_i64(reader, 1, 1000)))
HANDLE(shmap_table_ttl_i64,
    WRONG("a table", shmap_table_ttl_i64(NOT_A_TABLE, 1, &before));
    NO_WORDS("i64", shmap_table_ttl_i64(words, 1, &before)),
    SURVIVES(shmap_table_ttl_i64(hurt_table, 1, &before)),
    TOO_WIDE("", shmap_table_ttl_i64(table, wide_key, &before)),
    ONLY_READS)
HANDLE(shmap_table_get_stale_i64,
    WRONG("a table", shmap_table_get_stale_i64(NOT_A_TABLE, 1, buffer, sizeof buffer, &len));
    NO_WORDS("i64", shmap_table_get_stale_i64(words, 1, buffer, sizeof buffer, &len)),
    SURVIVES(shmap_table_get_stale_i64(hurt_table, 1, buffer, sizeof buffer, &len)),
    TOO_WIDE("", shmap_table_get_stale_i64(table, wide_key, buffer, sizeof buffer, &len)),
    ONLY_READS)
HANDLE(shmap_table_add_ephemeral_i64,
    WRONG("a table", shmap_table_add_ephemeral_i64(NOT_A_TABLE, 1, "x", 1));
    NO_WORDS("i64", shmap_table_add_ephemeral_i64(words, 1, "x", 1)),
    SURVIVES(shmap_table_add_ephemeral_i64(hurt_table, 1, "x", 1)),
    LONG_VALUE("", shmap_table_add_ephemeral_i64(table, 2, big, 17));
    TOO_WIDE("", shmap_table_add_ephemeral_i64(table, wide_key, "x", 1)),
    READER(shmap_table_add_ephemeral_i64(reader, 1, "x", 1)))
HANDLE(shmap_table_upsert_for_bytes,
    WRONG("a table", shmap_table_upsert_for_bytes(NOT_A_TABLE, "one", 3, "x", 1, 1000));
    ONLY_WORDS(shmap_table_upsert_for_bytes(table, "one", 3, "x", 1, 1000)),
    SURVIVES(shmap_table_upsert_for_bytes(hurt_words, "one", 3, "x", 1, 1000)),
    LONG_VALUE("", shmap_table_upsert_for_bytes(words, "two", 3, big, 17, 1000));
    LONG_KEY("", shmap_table_upsert_for_bytes(words, word.data, word.len, "x", 1, 1000)),
    WORDS_READER(shmap_table_upsert_for_bytes(words_reader, "one", 3, "x", 1, 1000)))
HANDLE(shmap_table_touch_bytes,
    WRONG("a table", shmap_table_touch_bytes(NOT_A_TABLE, "one", 3, 1000));
    ONLY_WORDS(shmap_table_touch_bytes(table, "one", 3, 1000)),
    SURVIVES(shmap_table_touch_bytes(hurt_words, "one", 3, 1000)),
    LONG_KEY("", shmap_table_touch_bytes(words, word.data, word.len, 1000)),
    WORDS_READER(shmap_table_touch_bytes(words_reader, "one", 3, 1000)))
HANDLE(shmap_table_ttl_bytes,
    WRONG("a table", shmap_table_ttl_bytes(NOT_A_TABLE, "one", 3, &before));
    ONLY_WORDS(shmap_table_ttl_bytes(table, "one", 3, &before)),
    SURVIVES(shmap_table_ttl_bytes(hurt_words, "one", 3, &before)),
    LONG_KEY("", shmap_table_ttl_bytes(words, word.data, word.len, &before)),
    ONLY_READS)
HANDLE(shmap_table_get_stale_bytes,
    WRONG("a table", shmap_table_get_stale_bytes(NOT_A_TABLE, "one", 3, buffer, sizeof buffer, &len));
    ONLY_WORDS(shmap_table_get_stale_bytes(table, "one", 3, buffer, sizeof buffer, &len)),
    SURVIVES(shmap_table_get_stale_bytes(hurt_words, "one", 3, buffer, sizeof buffer, &len)),
    LONG_KEY("", shmap_table_get_stale_bytes(words, word.data, word.len, buffer, sizeof buffer, &len)),
    ONLY_READS)
HANDLE(shmap_table_add_ephemeral_bytes,
    WRONG("a table", shmap_table_add_ephemeral_bytes(NOT_A_TABLE, "one", 3, "x", 1));
    ONLY_WORDS(shmap_table_add_ephemeral_bytes(table, "one", 3, "x", 1)),
    SURVIVES(shmap_table_add_ephemeral_bytes(hurt_words, "one", 3, "x", 1)),
    LONG_VALUE("", shmap_table_add_ephemeral_bytes(words, "two", 3, big, 17));
    LONG_KEY("", shmap_table_add_ephemeral_bytes(words, word.data, word.len, "x", 1)),
    WORDS_READER(shmap_table_add_ephemeral_bytes(words_reader, "one", 3, "x", 1)))
HANDLE(shmap_table_expire,
    WRONG("a table", shmap_table_expire(NOT_A_TABLE, 9, &len)),
    SURVIVES(shmap_table_expire(hurt_table, 9, &len)),
    NO_BYTES,
    READER(shmap_table_expire(reader, 9, &len)))

// Tables: handles, keys of 64 bits.
HANDLE(shmap_table_add_i64,
    WRONG("a table", shmap_table_add_i64(NOT_A_TABLE, 1, "x", 1));
    NO_WORDS("i64", shmap_table_add_i64(words, 1, "x", 1)),
    SURVIVES(shmap_table_add_i64(hurt_table, 1, "x", 1)),
    LONG_VALUE("", shmap_table_add_i64(table, 2, big, 17));
    TOO_WIDE("", shmap_table_add_i64(table, wide_key, "x", 1)),
    READER(shmap_table_add_i64(reader, 1, "x", 1)))
HANDLE(shmap_table_update_i64,
    WRONG("a table", shmap_table_update_i64(NOT_A_TABLE, 1, "x", 1));
    NO_WORDS("i64", shmap_table_update_i64(words, 1, "x", 1)),
    SURVIVES(shmap_table_update_i64(hurt_table, 1, "x", 1)),
    LONG_VALUE("", shmap_table_update_i64(table, 2, big, 17));
    TOO_WIDE("", shmap_table_update_i64(table, wide_key, "x", 1)),
    READER(shmap_table_update_i64(reader, 1, "x", 1)))
HANDLE(shmap_table_upsert_i64,
    WRONG("a table", shmap_table_upsert_i64(NOT_A_TABLE, 1, "x", 1));
    NO_WORDS("i64", shmap_table_upsert_i64(words, 1, "x", 1)),
    SURVIVES(shmap_table_upsert_i64(hurt_table, 1, "x", 1)),
    LONG_VALUE("", shmap_table_upsert_i64(table, 2, big, 17));
    TOO_WIDE("", shmap_table_upsert_i64(table, wide_key, "x", 1)),
    READER(shmap_table_upsert_i64(reader, 1, "x", 1)))
HANDLE(shmap_table_get_with_version_i64,
    WRONG("a table", shmap_table_get_with_version_i64(NOT_A_TABLE, 1, buffer, sizeof buffer, &len, &key_version));
    NO_WORDS("i64", shmap_table_get_with_version_i64(words, 1, buffer, sizeof buffer, &len, &key_version)),
    SURVIVES(shmap_table_get_with_version_i64(hurt_table, 1, buffer, sizeof buffer, &len, &key_version)),
    TOO_WIDE("", shmap_table_get_with_version_i64(table, wide_key, buffer, sizeof buffer, &len, &key_version)),
    ONLY_READS)
HANDLE(shmap_table_version_i64,
    WRONG("a table", shmap_table_version_i64(NOT_A_TABLE, 1, &key_version));
    NO_WORDS("i64", shmap_table_version_i64(words, 1, &key_version)),
    SURVIVES(shmap_table_version_i64(hurt_table, 1, &key_version)),
    TOO_WIDE("", shmap_table_version_i64(table, wide_key, &key_version)),
    ONLY_READS)
HANDLE(shmap_table_wait_for_change_i64,
    WRONG("a table", shmap_table_wait_for_change_i64(NOT_A_TABLE, 1, &key_version, 0, NULL));
    NO_WORDS("i64", shmap_table_wait_for_change_i64(words, 1, &key_version, 0, NULL));
    REFUSED(SHMAP_MISMATCH, "the version is of the table with id ", shmap_table_wait_for_change_i64(table, 1, &key_version, 0, NULL)),
    SURVIVES(shmap_table_version_i64(hurt_table, 1, &key_version));
    SURVIVES(shmap_table_wait_for_change_i64(hurt_table, 1, &key_version, 0, NULL)),
    GIVES(1, shmap_table_version_i64(table, 1, &key_version));
    TOO_WIDE("", shmap_table_wait_for_change_i64(table, wide_key, &key_version, 0, NULL)),
    GIVES(1, shmap_table_version_i64(reader, 1, &key_version));
    GIVES(0, shmap_table_wait_for_change_i64(reader, 1, &key_version, 0, NULL)))
HANDLE(shmap_table_get_i64,
    WRONG("a table", shmap_table_get_i64(NOT_A_TABLE, 1, buffer, sizeof buffer, &len));
    NO_WORDS("i64", shmap_table_get_i64(words, 1, buffer, sizeof buffer, &len)),
    SURVIVES(shmap_table_get_i64(hurt_table, 1, buffer, sizeof buffer, &len)),
    TOO_WIDE("", shmap_table_get_i64(table, wide_key, buffer, sizeof buffer, &len)),
    ONLY_READS)
HANDLE(shmap_table_contains_i64,
    WRONG("a table", shmap_table_contains_i64(NOT_A_TABLE, 1));
    NO_WORDS("i64", shmap_table_contains_i64(words, 1)),
    SURVIVES(shmap_table_contains_i64(hurt_table, 1)),
    TOO_WIDE("", shmap_table_contains_i64(table, wide_key)),
    ONLY_READS)
HANDLE(shmap_table_remove_i64,
    WRONG("a table", shmap_table_remove_i64(NOT_A_TABLE, 1));
    NO_WORDS("i64", shmap_table_remove_i64(words, 1)),
    SURVIVES(shmap_table_remove_i64(hurt_table, 1)),
    TOO_WIDE("", shmap_table_remove_i64(table, wide_key)),
    READER(shmap_table_remove_i64(reader, 1)))
HANDLE(shmap_table_compare_exchange_i64,
    WRONG("a table", shmap_table_compare_exchange_i64(NOT_A_TABLE, 1, "one", 3, "x", 1));
    NO_WORDS("i64", shmap_table_compare_exchange_i64(words, 1, "one", 3, "x", 1)),
    SURVIVES(shmap_table_compare_exchange_i64(hurt_table, 1, "one", 3, "x", 1)),
    LONG_VALUE("", shmap_table_compare_exchange_i64(table, 2, "one", 3, big, 17));
    TOO_WIDE("", shmap_table_compare_exchange_i64(table, wide_key, "one", 3, "x", 1)),
    READER(shmap_table_compare_exchange_i64(reader, 1, "one", 3, "x", 1)))
HANDLE(shmap_table_fetch_add_i64,
    WRONG("a table", shmap_table_fetch_add_i64(NOT_A_TABLE, 1, 1, &before));
    NO_WORDS("i64", shmap_table_fetch_add_i64(words, 1, 1, &before)),
    SURVIVES(shmap_table_fetch_add_i64(hurt_table, 1, 1, &before)),
    TOO_WIDE("", shmap_table_fetch_add_i64(table, wide_key, 1, &before)),
    READER(shmap_table_fetch_add_i64(reader, 1, 1, &before)))
HANDLE(shmap_table_increment_i64,
    WRONG("a table", shmap_table_increment_i64(NOT_A_TABLE, 1, 1, 0, &before));
    NO_WORDS("i64", shmap_table_increment_i64(words, 1, 1, 0, &before)),
    SURVIVES(shmap_table_increment_i64(hurt_table, 1, 1, 0, &before)),
    TOO_WIDE("", shmap_table_increment_i64(table, wide_key, 1, 0, &before)),
    READER(shmap_table_increment_i64(reader, 1, 1, 0, &before)))
HANDLE(shmap_table_add_many_i64,
    WRONG("a table", shmap_table_add_many_i64(NOT_A_TABLE, &wide_status, 1));
    NO_WORDS("i64", shmap_table_add_many_i64(words, &wide_status, 1)),
    SURVIVES(shmap_table_add_many_i64(hurt_table, &wide_status, 1)),
    LONG_VALUE("batch member 0: ", shmap_table_add_many_i64(table, &wide_status, 1));
    TOO_WIDE("batch member 0: ", shmap_table_add_many_i64(table, &wide_status, 1)),
    READER(shmap_table_add_many_i64(reader, &wide_status, 1)))
HANDLE(shmap_table_update_many_i64,
    WRONG("a table", shmap_table_update_many_i64(NOT_A_TABLE, &wide_status, 1));
    NO_WORDS("i64", shmap_table_update_many_i64(words, &wide_status, 1)),
    SURVIVES(shmap_table_update_many_i64(hurt_table, &wide_status, 1)),
    LONG_VALUE("batch member 0: ", shmap_table_update_many_i64(table, &wide_status, 1));
    TOO_WIDE("batch member 0: ", shmap_table_update_many_i64(table, &wide_status, 1)),
    READER(shmap_table_update_many_i64(reader, &wide_status, 1)))
HANDLE(shmap_table_upsert_many_i64,
    WRONG("a table", shmap_table_upsert_many_i64(NOT_A_TABLE, &wide_status, 1));
    NO_WORDS("i64", shmap_table_upsert_many_i64(words, &wide_status, 1)),
    SURVIVES(shmap_table_upsert_many_i64(hurt_table, &wide_status, 1)),
    LONG_VALUE("batch member 0: ", shmap_table_upsert_many_i64(table, &wide_status, 1));
    TOO_WIDE("batch member 0: ", shmap_table_upsert_many_i64(table, &wide_status, 1)),
    READER(shmap_table_upsert_many_i64(reader, &wide_status, 1)))
HANDLE(shmap_table_remove_many_i64,
    WRONG("a table", shmap_table_remove_many_i64(NOT_A_TABLE, &wide_key, 1));
    NO_WORDS("i64", shmap_table_remove_many_i64(words, &wide_key, 1)),
    SURVIVES(shmap_table_remove_many_i64(hurt_table, &wide_key, 1)),
    TOO_WIDE("batch member 0: ", shmap_table_remove_many_i64(table, &wide_key, 1)),
    READER(shmap_table_remove_many_i64(reader, &wide_key, 1)))
HANDLE(shmap_table_get_many_i64,
    WRONG("a table", shmap_table_get_many_i64(NOT_A_TABLE, &wide_key, 1, &out_entries));
    NO_WORDS("i64", shmap_table_get_many_i64(words, &wide_key, 1, &out_entries)),
    SURVIVES(shmap_table_get_many_i64(hurt_table, &wide_key, 1, &out_entries));
    if (out_entries != NULL) GIVES(SHMAP_OK, shmap_entries_free(out_entries));
    out_entries = NULL,
    TOO_WIDE("", shmap_table_get_many_i64(table, &wide_key, 1, &out_entries)),
    ONLY_READS)

// Tables: handles, keys of text.
HANDLE(shmap_table_add_bytes,
    WRONG("a table", shmap_table_add_bytes(NOT_A_TABLE, "one", 3, "x", 1));
    ONLY_WORDS(shmap_table_add_bytes(table, "one", 3, "x", 1));
    REFUSED(SHMAP_MISMATCH, "is not of type str", shmap_table_add_bytes(words, "\xff", 1, "x", 1)),
    SURVIVES(shmap_table_add_bytes(hurt_words, "one", 3, "x", 1)),
    LONG_VALUE("", shmap_table_add_bytes(words, word.data, word.len, big, 17));
    LONG_KEY("", shmap_table_add_bytes(words, word.data, word.len, "x", 1)),
    WORDS_READER(shmap_table_add_bytes(words_reader, "one", 3, "x", 1)))
HANDLE(shmap_table_update_bytes,
    WRONG("a table", shmap_table_update_bytes(NOT_A_TABLE, "one", 3, "x", 1));
    ONLY_WORDS(shmap_table_update_bytes(table, "one", 3, "x", 1));
    REFUSED(SHMAP_MISMATCH, "is not of type str", shmap_table_update_bytes(words, "\xff", 1, "x", 1)),
    SURVIVES(shmap_table_update_bytes(hurt_words, "one", 3, "x", 1)),
    LONG_VALUE("", shmap_table_update_bytes(words, word.data, word.len, big, 17));
    LONG_KEY("", shmap_table_update_bytes(words, word.data, word.len, "x", 1)),
    WORDS_READER(shmap_table_update_bytes(words_reader, "one", 3, "x", 1)))
HANDLE(shmap_table_upsert_bytes,
    WRONG("a table", shmap_table_upsert_bytes(NOT_A_TABLE, "one", 3, "x", 1));
    ONLY_WORDS(shmap_table_upsert_bytes(table, "one", 3, "x", 1));
    REFUSED(SHMAP_MISMATCH, "is not of type str", shmap_table_upsert_bytes(words, "\xff", 1, "x", 1)),
    SURVIVES(shmap_table_upsert_bytes(hurt_words, "one", 3, "x", 1)),
    LONG_VALUE("", shmap_table_upsert_bytes(words, word.data, word.len, big, 17));
    LONG_KEY("", shmap_table_upsert_bytes(words, word.data, word.len, "x", 1)),
    WORDS_READER(shmap_table_upsert_bytes(words_reader, "one", 3, "x", 1)))
HANDLE(shmap_table_get_with_version_bytes,
    WRONG("a table", shmap_table_get_with_version_bytes(NOT_A_TABLE, "one", 3, buffer, sizeof buffer, &len, &key_version));
    ONLY_WORDS(shmap_table_get_with_version_bytes(table, "one", 3, buffer, sizeof buffer, &len, &key_version));
    REFUSED(SHMAP_MISMATCH, "is not of type str", shmap_table_get_with_version_bytes(words, "\xff", 1, buffer, sizeof buffer, &len, &key_version)),
    SURVIVES(shmap_table_get_with_version_bytes(hurt_words, "one", 3, buffer, sizeof buffer, &len, &key_version)),
    LONG_KEY("", shmap_table_get_with_version_bytes(words, word.data, word.len, buffer, sizeof buffer, &len, &key_version)),
    ONLY_READS)
HANDLE(shmap_table_version_bytes,
    WRONG("a table", shmap_table_version_bytes(NOT_A_TABLE, "one", 3, &key_version));
    ONLY_WORDS(shmap_table_version_bytes(table, "one", 3, &key_version));
    REFUSED(SHMAP_MISMATCH, "is not of type str", shmap_table_version_bytes(words, "\xff", 1, &key_version)),
    SURVIVES(shmap_table_version_bytes(hurt_words, "one", 3, &key_version)),
    LONG_KEY("", shmap_table_version_bytes(words, word.data, word.len, &key_version)),
    ONLY_READS)
HANDLE(shmap_table_wait_for_change_bytes,
    WRONG("a table", shmap_table_wait_for_change_bytes(NOT_A_TABLE, "one", 3, &key_version, 0, NULL));
    ONLY_WORDS(shmap_table_wait_for_change_bytes(table, "one", 3, &key_version, 0, NULL));
    REFUSED(SHMAP_MISMATCH, "the version is of the table with id ", shmap_table_wait_for_change_bytes(words, "one", 3, &key_version, 0, NULL));
    GIVES(1, shmap_table_version_bytes(words, "one", 3, &key_version));
    REFUSED(SHMAP_MISMATCH, "is not of type str", shmap_table_wait_for_change_bytes(words, "\xff", 1, &key_version, 0, NULL)),
    SURVIVES(shmap_table_version_bytes(hurt_words, "one", 3, &key_version));
    SURVIVES(shmap_table_wait_for_change_bytes(hurt_words, "one", 3, &key_version, 0, NULL)),
    GIVES(1, shmap_table_version_bytes(words, "one", 3, &key_version));
    LONG_KEY("", shmap_table_wait_for_change_bytes(words, word.data, word.len, &key_version, 0, NULL)),
    GIVES(1, shmap_table_version_bytes(words_reader, "one", 3, &key_version));
    GIVES(0, shmap_table_wait_for_change_bytes(words_reader, "one", 3, &key_version, 0, NULL)))
HANDLE(shmap_table_get_bytes,
    WRONG("a table", shmap_table_get_bytes(NOT_A_TABLE, "one", 3, buffer, sizeof buffer, &len));
    ONLY_WORDS(shmap_table_get_bytes(table, "one", 3, buffer, sizeof buffer, &len));
    REFUSED(SHMAP_MISMATCH, "is not of type str", shmap_table_get_bytes(words, "\xff", 1, buffer, sizeof buffer, &len)),
    SURVIVES(shmap_table_get_bytes(hurt_words, "one", 3, buffer, sizeof buffer, &len)),
    LONG_KEY("", shmap_table_get_bytes(words, word.data, word.len, buffer, sizeof buffer, &len)),
    ONLY_READS)
HANDLE(shmap_table_contains_bytes,
    WRONG("a table", shmap_table_contains_bytes(NOT_A_TABLE, "one", 3));
    ONLY_WORDS(shmap_table_contains_bytes(table, "one", 3));
    REFUSED(SHMAP_MISMATCH, "is not of type str", shmap_table_contains_bytes(words, "\xff", 1)),
    SURVIVES(shmap_table_contains_bytes(hurt_words, "one", 3)),
    LONG_KEY("", shmap_table_contains_bytes(words, word.data, word.len)),
    ONLY_READS)
HANDLE(shmap_table_remove_bytes,
    WRONG("a table", shmap_table_remove_bytes(NOT_A_TABLE, "one", 3));
    ONLY_WORDS(shmap_table_remove_bytes(table, "one", 3));
    REFUSED(SHMAP_MISMATCH, "is not of type str", shmap_table_remove_bytes(words, "\xff", 1)),
    SURVIVES(shmap_table_remove_bytes(hurt_words, "one", 3)),
    LONG_KEY("", shmap_table_remove_bytes(words, word.data, word.len)),
    WORDS_READER(shmap_table_remove_bytes(words_reader, "one", 3)))
HANDLE(shmap_table_compare_exchange_bytes,
    WRONG("a table", shmap_table_compare_exchange_bytes(NOT_A_TABLE, "one", 3, "one", 3, "x", 1));
    ONLY_WORDS(shmap_table_compare_exchange_bytes(table, "one", 3, "one", 3, "x", 1));
    REFUSED(SHMAP_MISMATCH, "is not of type str", shmap_table_compare_exchange_bytes(words, "\xff", 1, "one", 3, "x", 1)),
    SURVIVES(shmap_table_compare_exchange_bytes(hurt_words, "one", 3, "one", 3, "x", 1)),
    LONG_VALUE("", shmap_table_compare_exchange_bytes(words, word.data, word.len, "one", 3, big, 17));
    LONG_KEY("", shmap_table_compare_exchange_bytes(words, word.data, word.len, "one", 3, "x", 1)),
    WORDS_READER(shmap_table_compare_exchange_bytes(words_reader, "one", 3, "one", 3, "x", 1)))
HANDLE(shmap_table_fetch_add_bytes,
    WRONG("a table", shmap_table_fetch_add_bytes(NOT_A_TABLE, "one", 3, 1, &before));
    ONLY_WORDS(shmap_table_fetch_add_bytes(table, "one", 3, 1, &before));
    REFUSED(SHMAP_MISMATCH, "is not of type str", shmap_table_fetch_add_bytes(words, "\xff", 1, 1, &before)),
    SURVIVES(shmap_table_fetch_add_bytes(hurt_words, "one", 3, 1, &before)),
    LONG_KEY("", shmap_table_fetch_add_bytes(words, word.data, word.len, 1, &before)),
    WORDS_READER(shmap_table_fetch_add_bytes(words_reader, "one", 3, 1, &before)))
HANDLE(shmap_table_increment_bytes,
    WRONG("a table", shmap_table_increment_bytes(NOT_A_TABLE, "one", 3, 1, 0, &before));
    ONLY_WORDS(shmap_table_increment_bytes(table, "one", 3, 1, 0, &before));
    REFUSED(SHMAP_MISMATCH, "is not of type str", shmap_table_increment_bytes(words, "\xff", 1, 1, 0, &before)),
    SURVIVES(shmap_table_increment_bytes(hurt_words, "one", 3, 1, 0, &before)),
    LONG_KEY("", shmap_table_increment_bytes(words, word.data, word.len, 1, 0, &before)),
    WORDS_READER(shmap_table_increment_bytes(words_reader, "one", 3, 1, 0, &before)))
HANDLE(shmap_table_add_many_bytes,
    WRONG("a table", shmap_table_add_many_bytes(NOT_A_TABLE, &word_status, 1));
    ONLY_WORDS(shmap_table_add_many_bytes(table, &word_status, 1)),
    SURVIVES(shmap_table_add_many_bytes(hurt_words, &word_status, 1)),
    LONG_VALUE("batch member 0: ", shmap_table_add_many_bytes(words, &word_status, 1));
    LONG_KEY("batch member 0: ", shmap_table_add_many_bytes(words, &word_status, 1)),
    WORDS_READER(shmap_table_add_many_bytes(words_reader, &word_status, 1)))
HANDLE(shmap_table_update_many_bytes,
    WRONG("a table", shmap_table_update_many_bytes(NOT_A_TABLE, &word_status, 1));
    ONLY_WORDS(shmap_table_update_many_bytes(table, &word_status, 1)),
    SURVIVES(shmap_table_update_many_bytes(hurt_words, &word_status, 1)),
    LONG_VALUE("batch member 0: ", shmap_table_update_many_bytes(words, &word_status, 1));
    LONG_KEY("batch member 0: ", shmap_table_update_many_bytes(words, &word_status, 1)),
    WORDS_READER(shmap_table_update_many_bytes(words_reader, &word_status, 1)))
HANDLE(shmap_table_upsert_many_bytes,
    WRONG("a table", shmap_table_upsert_many_bytes(NOT_A_TABLE, &word_status, 1));
    ONLY_WORDS(shmap_table_upsert_many_bytes(table, &word_status, 1)),
    SURVIVES(shmap_table_upsert_many_bytes(hurt_words, &word_status, 1)),
    LONG_VALUE("batch member 0: ", shmap_table_upsert_many_bytes(words, &word_status, 1));
    LONG_KEY("batch member 0: ", shmap_table_upsert_many_bytes(words, &word_status, 1)),
    WORDS_READER(shmap_table_upsert_many_bytes(words_reader, &word_status, 1)))
HANDLE(shmap_table_remove_many_bytes,
    WRONG("a table", shmap_table_remove_many_bytes(NOT_A_TABLE, &word, 1));
    ONLY_WORDS(shmap_table_remove_many_bytes(table, &word, 1)),
    SURVIVES(shmap_table_remove_many_bytes(hurt_words, &word, 1)),
    LONG_KEY("batch member 0: ", shmap_table_remove_many_bytes(words, &word, 1)),
    WORDS_READER(shmap_table_remove_many_bytes(words_reader, &word, 1)))
HANDLE(shmap_table_get_many_bytes,
    WRONG("a table", shmap_table_get_many_bytes(NOT_A_TABLE, &word, 1, &out_entries));
    ONLY_WORDS(shmap_table_get_many_bytes(table, &word, 1, &out_entries)),
    SURVIVES(shmap_table_get_many_bytes(hurt_words, &word, 1, &out_entries));
    if (out_entries != NULL) GIVES(SHMAP_OK, shmap_entries_free(out_entries));
    out_entries = NULL,
    LONG_KEY("batch member 0: ", shmap_table_get_many_bytes(words, &word, 1, &out_entries)),
    ONLY_READS)

// Trees.
TREE(shmap_tree_set,
    WRONG("a tree", shmap_tree_set(NOT_A_TREE, "x", 1, "y", 1)),
    REFUSED(SHMAP_NO_SPACE, "key is 1048576 bytes long", shmap_tree_set(tree, big, sizeof big, "y", 1)))
TREE(shmap_tree_get,
    WRONG("a tree", shmap_tree_get(NOT_A_TREE, "x", 1, &value)),
    REFUSED(SHMAP_NOT_FOUND, "1048576 bytes", shmap_tree_get(tree, big, sizeof big, &value)))
TREE(shmap_tree_remove,
    WRONG("a tree", shmap_tree_remove(NOT_A_TREE, "x", 1)),
    REFUSED(SHMAP_NOT_FOUND, "1048576 bytes", shmap_tree_remove(tree, big, sizeof big)))
TREE(shmap_tree_clear, WRONG("a tree", shmap_tree_clear(NOT_A_TREE)), NO_BYTES)
TREE(shmap_tree_len, WRONG("a tree", shmap_tree_len(NOT_A_TREE, &len)), NO_BYTES)
TREE(shmap_tree_free, WRONG("a tree", shmap_tree_free(NOT_A_TREE)), NO_BYTES)
ROW(shmap_tree_share,
    REFUSED(SHMAP_NOT_FOUND, "/no/such", shmap_tree_share(tree, "new", &nowhere_map, NULL)),
    WRONG("a tree", shmap_tree_share(NOT_A_TREE, "new", NULL, NULL));
    REFUSED(SHMAP_DUPLICATE_KEY, MAP_FILE "\" exists", shmap_tree_share(tree, "published", NULL, NULL)),
    REFUSED(SHMAP_CORRUPT, CONTROL_FILE, shmap_tree_share(tree, "published", &force, NULL)),
    LONG_NAME(shmap_tree_share(tree, long_name, NULL, NULL)),
    NO_HANDLE,
    REFUSED(SHMAP_PERMISSION, CONTROL_FILE "\" belongs to uid 12345", shmap_tree_share(tree, "published", &force, NULL)),
    REFUSED(SHMAP_PERMISSION, CONTROL_FILE "\" has mode 0o666", shmap_tree_share(tree, "published", &force, NULL)),
    REFUSED(SHMAP_PERMISSION, CONTROL_FILE, shmap_tree_share(tree, "published", &force, NULL)),
    REFUSED(SHMAP_PERMISSION, "ermission denied", shmap_tree_share(tree, "new", NULL, NULL)),
    REFUSED(SHMAP_PERMISSION, "ermission denied", shmap_tree_share(tree, "new", NULL, NULL));
    REFUSED(SHMAP_PERMISSION, "ermission denied", shmap_tree_share(tree, "published", &force, NULL)))
ROW(shmap_tree_save,
    REFUSED(SHMAP_NOT_FOUND, "/no/such/directory", shmap_tree_save(tree, "/no/such/directory/x")),
    WRONG("a tree", shmap_tree_save(NOT_A_TREE, saved)),
    BY_DIRECTORY,
    REFUSED(SHMAP_SYSTEM, "too long", shmap_tree_save(tree, long_path)),
    NO_HANDLE,
    BY_DIRECTORY,
    BY_DIRECTORY,
    BY_DIRECTORY,
    REFUSED(SHMAP_PERMISSION, "ermission denied", shmap_tree_save(tree, saved)),
    REFUSED(SHMAP_PERMISSION, "ermission denied", shmap_tree_save(tree, saved)))

// Maps: names.
ROW(shmap_map_open,
    REFUSED(SHMAP_NOT_FOUND, MAP_FILE, shmap_map_open("published", NULL, &out_map));
    REFUSED(SHMAP_NOT_FOUND, "/no/such", shmap_map_open("published", &nowhere_map, &out_map)),
    REFUSED(SHMAP_MISMATCH, MAP_FILE "\": segment is a `table`", shmap_map_open("published", NULL, &out_map));
    REFUSED(SHMAP_NOT_FOUND, "there is a table of that name", shmap_map_open("victim", NULL, &out_map)),
    REFUSED(SHMAP_CORRUPT, MAP_FILE, shmap_map_open("published", NULL, &out_map)),
    LONG_NAME(shmap_map_open(long_name, NULL, &out_map)),
    NO_HANDLE,
    REFUSED(SHMAP_PERMISSION, MAP_FILE "\" belongs to uid 12345", shmap_map_open("published", NULL, &out_map)),
    REFUSED(SHMAP_PERMISSION, MAP_FILE "\" has mode 0o666", shmap_map_open("published", NULL, &out_map)),
    REFUSED(SHMAP_PERMISSION, MAP_FILE, shmap_map_open("published", NULL, &out_map)),
    REFUSED(SHMAP_PERMISSION, MAP_FILE, shmap_map_open("published", NULL, &out_map)),
    ONLY_READS)
ROW(shmap_map_open_copy,
    REFUSED(SHMAP_NOT_FOUND, MAP_FILE, shmap_map_open_copy("published", NULL, &out_map));
    REFUSED(SHMAP_NOT_FOUND, "/no/such", shmap_map_open_copy("published", &nowhere_map, &out_map)),
    REFUSED(SHMAP_MISMATCH, MAP_FILE "\": segment is a `table`", shmap_map_open_copy("published", NULL, &out_map));
    REFUSED(SHMAP_NOT_FOUND, "there is a table of that name", shmap_map_open_copy("victim", NULL, &out_map)),
    REFUSED(SHMAP_CORRUPT, MAP_FILE, shmap_map_open_copy("published", NULL, &out_map));
    REFUSED(SHMAP_CORRUPT, "shmap.hurt.snapshot\": damaged map: ", shmap_map_open_copy("hurt", NULL, &out_map)),
    LONG_NAME(shmap_map_open_copy(long_name, NULL, &out_map)),
    NO_HANDLE,
    REFUSED(SHMAP_PERMISSION, MAP_FILE "\" belongs to uid 12345", shmap_map_open_copy("published", NULL, &out_map)),
    REFUSED(SHMAP_PERMISSION, MAP_FILE "\" has mode 0o666", shmap_map_open_copy("published", NULL, &out_map)),
    REFUSED(SHMAP_PERMISSION, MAP_FILE, shmap_map_open_copy("published", NULL, &out_map)),
    REFUSED(SHMAP_PERMISSION, MAP_FILE, shmap_map_open_copy("published", NULL, &out_map)),
    ONLY_READS)
ROW(shmap_map_open_file,
    REFUSED(SHMAP_NOT_FOUND, "saved.avl", shmap_map_open_file(saved, NULL, &out_map)),
    REFUSED(SHMAP_CORRUPT, "saved.avl\": not a snapshot", shmap_map_open_file(saved, NULL, &out_map)),
    REFUSED(SHMAP_CORRUPT, "saved.avl\": damaged map: ", shmap_map_open_file(saved, NULL, &out_map)),
    REFUSED(SHMAP_SYSTEM, "too long", shmap_map_open_file(long_path, NULL, &out_map)),
    NO_HANDLE,
    REFUSED(SHMAP_PERMISSION, "saved.avl\" belongs to uid 12345", shmap_map_open_file(saved, NULL, &out_map)),
    REFUSED(SHMAP_PERMISSION, "saved.avl\" has mode 0o666", shmap_map_open_file(saved, NULL, &out_map)),
    REFUSED(SHMAP_PERMISSION, "saved.avl", shmap_map_open_file(saved, NULL, &out_map)),
    REFUSED(SHMAP_PERMISSION, "saved.avl", shmap_map_open_file(saved, NULL, &out_map)),
    ONLY_READS)
ROW(shmap_map_open_file_copy,
    REFUSED(SHMAP_NOT_FOUND, "saved.avl", shmap_map_open_file_copy(saved, NULL, &out_map)),
    REFUSED(SHMAP_CORRUPT, "saved.avl\": not a snapshot", shmap_map_open_file_copy(saved, NULL, &out_map)),
    REFUSED(SHMAP_CORRUPT, "saved.avl\": damaged map: ", shmap_map_open_file_copy(saved, NULL, &out_map)),
    REFUSED(SHMAP_SYSTEM, "too long", shmap_map_open_file_copy(long_path, NULL, &out_map)),
    NO_HANDLE,
    REFUSED(SHMAP_PERMISSION, "saved.avl\" belongs to uid 12345", shmap_map_open_file_copy(saved, NULL, &out_map)),
    REFUSED(SHMAP_PERMISSION, "saved.avl\" has mode 0o666", shmap_map_open_file_copy(saved, NULL, &out_map)),
    REFUSED(SHMAP_PERMISSION, "saved.avl", shmap_map_open_file_copy(saved, NULL, &out_map)),
    REFUSED(SHMAP_PERMISSION, "saved.avl", shmap_map_open_file_copy(saved, NULL, &out_map)),
    ONLY_READS)
ROW(shmap_map_remove_name,
    REFUSED(SHMAP_NOT_FOUND, MAP_FILE, shmap_map_remove_name("published", NULL));
    REFUSED(SHMAP_NOT_FOUND, "/no/such", shmap_map_remove_name("published", &nowhere_map)),
    REFUSED(SHMAP_NOT_FOUND, "there is a table of that name", shmap_map_remove_name("victim", NULL)),
    NONE("a damaged control segment keeps nobody from removing a map: hostile.c"),
    LONG_NAME(shmap_map_remove_name(long_name, NULL)),
    NO_HANDLE,
    NONE("a stranger's control segment keeps nobody from removing a map of one's own: hostile.c"),
    REFUSED(SHMAP_PERMISSION, CONTROL_FILE "\" has mode 0o666", shmap_map_remove_name("published", NULL)),
    REFUSED(SHMAP_PERMISSION, CONTROL_FILE, shmap_map_remove_name("published", NULL)),
    REFUSED(SHMAP_PERMISSION, MAP_FILE, shmap_map_remove_name("published", NULL)),
    REFUSED(SHMAP_PERMISSION, MAP_FILE, shmap_map_remove_name("published", NULL)))
ROW(shmap_map_refresh,
    GIVES(0, shmap_map_refresh(map)),
    WRONG("a map", shmap_map_refresh(NOT_A_MAP));
    REFUSED(SHMAP_MISMATCH, MAP_FILE "\": segment is a `table`", shmap_map_refresh(map)),
    REFUSED(SHMAP_CORRUPT, MAP_FILE, shmap_map_refresh(map)),
    NO_BYTES,
    NO_HANDLE,
    REFUSED(SHMAP_PERMISSION, MAP_FILE "\" belongs to uid 12345", shmap_map_refresh(map)),
    REFUSED(SHMAP_PERMISSION, MAP_FILE "\" has mode 0o666", shmap_map_refresh(map)),
    REFUSED(SHMAP_PERMISSION, MAP_FILE, shmap_map_refresh(map)),
    REFUSED(SHMAP_PERMISSION, "shmap.published.", shmap_map_refresh(map)),
    ONLY_READS)
ROW(shmap_map_wait_for_update,
    GIVES(0, shmap_map_wait_for_update(map, 0)),
    WRONG("a map", shmap_map_wait_for_update(NOT_A_MAP, 0));
    REFUSED(SHMAP_MISMATCH, MAP_FILE "\": segment is a `table`", shmap_map_wait_for_update(map, -1)),
    REFUSED(SHMAP_CORRUPT, MAP_FILE, shmap_map_wait_for_update(map, -1)),
    NO_BYTES,
    NO_HANDLE,
    REFUSED(SHMAP_PERMISSION, MAP_FILE "\" belongs to uid 12345", shmap_map_wait_for_update(map, -1)),
    REFUSED(SHMAP_PERMISSION, MAP_FILE "\" has mode 0o666", shmap_map_wait_for_update(map, -1)),
    REFUSED(SHMAP_PERMISSION, MAP_FILE, shmap_map_wait_for_update(map, -1)),
    REFUSED(SHMAP_PERMISSION, "shmap.published.", shmap_map_wait_for_update(map, -1)),
    ONLY_READS)
ROW(shmap_map_wait,
    GIVES(0, shmap_map_wait(map, 0)),
    WRONG("a map", shmap_map_wait(NOT_A_MAP, 0));
    REFUSED(SHMAP_MISMATCH, MAP_FILE "\": segment is a `table`", shmap_map_wait(map, -1)),
    REFUSED(SHMAP_CORRUPT, MAP_FILE, shmap_map_wait(map, -1)),
    NO_BYTES,
    NO_HANDLE,
    REFUSED(SHMAP_PERMISSION, MAP_FILE "\" belongs to uid 12345", shmap_map_wait(map, -1)),
    REFUSED(SHMAP_PERMISSION, MAP_FILE "\" has mode 0o666", shmap_map_wait(map, -1)),
    REFUSED(SHMAP_PERMISSION, MAP_FILE, shmap_map_wait(map, -1)),
    REFUSED(SHMAP_PERMISSION, "shmap.published.", shmap_map_wait(map, -1)),
    ONLY_READS)
ROW(shmap_map_is_removed,
    GIVES(1, shmap_map_is_removed(map)),
    WRONG("a map", shmap_map_is_removed(NOT_A_MAP));
    GIVES(0, shmap_map_is_removed(map)),
    // Both files were replaced from outside: what is there does not follow on what the handle has.
    GIVES(1, shmap_map_is_removed(map)),
    NO_BYTES,
    NO_HANDLE,
    GIVES(0, shmap_map_is_removed(map)),
    GIVES(0, shmap_map_is_removed(map)),
    GIVES(0, shmap_map_is_removed(map)),
    REFUSED(SHMAP_PERMISSION, "ermission denied", shmap_map_is_removed(map)),
    ONLY_READS)
ROW(shmap_prune,
    REFUSED(SHMAP_NOT_FOUND, "/no/such", shmap_prune("/no/such/directory", 0, &len)),
    NONE("goes by no name"),
    GIVES(SHMAP_OK, shmap_prune(NULL, 0, &len)); CHECK(len == 0),
    REFUSED(SHMAP_SYSTEM, "too long", shmap_prune(long_path, 0, &len)),
    NO_HANDLE,
    GIVES(SHMAP_OK, shmap_prune(NULL, 0, &len)); CHECK(len == 0),
    GIVES(SHMAP_OK, shmap_prune(NULL, 0, &len)); CHECK(len == 0),
    GIVES(SHMAP_OK, shmap_prune(NULL, 0, &len)); CHECK(len == 0),
    REFUSED(SHMAP_PERMISSION, "ermission denied", shmap_prune(NULL, 0, &len)),
    GIVES(SHMAP_OK, shmap_prune(NULL, 1, &len)); CHECK(len == 1);
    REFUSED(SHMAP_PERMISSION, ".shmap-tmp-0123456789abcdef", shmap_prune(NULL, 0, &len)))

// Names.
ROW(shmap_list,
    REFUSED(SHMAP_NOT_FOUND, "/no/such", shmap_list("/no/such/directory", &out_names)),
    LISTS(5),
    LISTS(8),
    REFUSED(SHMAP_SYSTEM, "too long", shmap_list(long_path, &out_names)),
    NO_HANDLE,
    LISTS(5),
    LISTS(5),
    LISTS(5),
    REFUSED(SHMAP_PERMISSION, "ermission denied", shmap_list(NULL, &out_names)),
    ONLY_READS)
HANDLE(shmap_names_len, WRONG("listed names", shmap_names_len(NOT_NAMES, &len)), PRIVATE, NO_BYTES, NO_HANDLE)
HANDLE(shmap_names_at, WRONG("listed names", shmap_names_at(NOT_NAMES, 0, &name)), PRIVATE, NO_BYTES, NO_HANDLE)
HANDLE(shmap_names_free, WRONG("listed names", shmap_names_free(NOT_NAMES)), PRIVATE, NO_BYTES, NO_HANDLE)

// Maps: handles.
MAP(shmap_map_close,
    WRONG("a map", shmap_map_close(NOT_A_MAP)),
    GIVES(SHMAP_OK, shmap_map_close(hurt_map)); hurt_map = NULL,
    NO_BYTES)
MAP(shmap_map_edition, WRONG("a map", shmap_map_edition(NOT_A_MAP, &number)), SURVIVES(shmap_map_edition(hurt_map, &number)), NO_BYTES)
MAP(shmap_map_get,
    WRONG("a map", shmap_map_get(NOT_A_MAP, "x", 1, &value)),
    SURVIVES(shmap_map_get(hurt_map, "a key", 5, &value)),
    REFUSED(SHMAP_NOT_FOUND, "1048576 bytes", shmap_map_get(map, big, sizeof big, &value)))
MAP(shmap_map_get_many,
    WRONG("a map", shmap_map_get_many(NOT_A_MAP, &status.value, 1, &value)),
    SURVIVES(shmap_map_get_many(hurt_map, &status.value, 1, &value)),
    status.value.len = sizeof big; GIVES(SHMAP_OK, shmap_map_get_many(map, &status.value, 1, &value));
    status.value.len = 1; CHECK(value.data == NULL))
MAP(shmap_map_contains,
    WRONG("a map", shmap_map_contains(NOT_A_MAP, "x", 1)),
    SURVIVES(shmap_map_contains(hurt_map, "a key", 5)),
    GIVES(0, shmap_map_contains(map, big, sizeof big)))
MAP(shmap_map_len, WRONG("a map", shmap_map_len(NOT_A_MAP, &len)), SURVIVES(shmap_map_len(hurt_map, &len)), NO_BYTES)
MAP(shmap_map_first, WRONG("a map", shmap_map_first(NOT_A_MAP, &pair)), SURVIVES(shmap_map_first(hurt_map, &pair)), NO_BYTES)
MAP(shmap_map_last, WRONG("a map", shmap_map_last(NOT_A_MAP, &pair)), SURVIVES(shmap_map_last(hurt_map, &pair)), NO_BYTES)
MAP(shmap_map_nth, WRONG("a map", shmap_map_nth(NOT_A_MAP, 0, &pair)), SURVIVES(shmap_map_nth(hurt_map, 0, &pair)), NO_BYTES)
MAP(shmap_map_rank,
    WRONG("a map", shmap_map_rank(NOT_A_MAP, "x", 1, &len)),
    SURVIVES(shmap_map_rank(hurt_map, "a key", 5, &len)),
    GIVES(SHMAP_OK, shmap_map_rank(map, big, sizeof big, &len)); CHECK(len == 0))
MAP(shmap_map_range,
    WRONG("a map", shmap_map_range(NOT_A_MAP, NULL, 0, NULL, 0, &range)),
    SURVIVES(shmap_map_range(hurt_map, "a", 1, "b", 1, &range)),
    GIVES(SHMAP_OK, shmap_map_range(map, NULL, 0, big, sizeof big, &range)); CHECK(range.front == range.back))
MAP(shmap_map_prefix,
    WRONG("a map", shmap_map_prefix(NOT_A_MAP, "a", 1, &range)),
    SURVIVES(shmap_map_prefix(hurt_map, "a", 1, &range)),
    GIVES(SHMAP_OK, shmap_map_prefix(map, big, sizeof big, &range)); CHECK(range.front == range.back))
MAP(shmap_map_next,
    WRONG("a map", shmap_map_next(NOT_A_MAP, &range, &pair)),
    range.front = 0; range.back = SIZE_MAX; SURVIVES(shmap_map_next(hurt_map, &range, &pair)),
    NO_BYTES)
MAP(shmap_map_prev,
    WRONG("a map", shmap_map_prev(NOT_A_MAP, &range, &pair)),
    range.front = 0; range.back = SIZE_MAX; SURVIVES(shmap_map_prev(hurt_map, &range, &pair)),
    NO_BYTES)
MAP(shmap_cursor_seek,
    WRONG("a map", shmap_cursor_seek(NOT_A_MAP, &cursor, "x", 1)),
    SURVIVES(shmap_cursor_seek(hurt_map, &cursor, "a key", 5)),
    GIVES(0, shmap_cursor_seek(map, &cursor, big, sizeof big)))
MAP(shmap_cursor_next,
    WRONG("a map", shmap_cursor_next(NOT_A_MAP, &cursor, &pair)),
    cursor.rank = 0; SURVIVES(shmap_cursor_next(hurt_map, &cursor, &pair)),
    NO_BYTES)
MAP(shmap_cursor_prev,
    WRONG("a map", shmap_cursor_prev(NOT_A_MAP, &cursor, &pair)),
    cursor.rank = SIZE_MAX; SURVIVES(shmap_cursor_prev(hurt_map, &cursor, &pair)),
    NO_BYTES)
MAP(shmap_map_verify,
    WRONG("a map", shmap_map_verify(NOT_A_MAP)),
    REFUSED(SHMAP_CORRUPT, "shmap.hurt.snapshot\": damaged map: ", shmap_map_verify(hurt_map)),
    NO_BYTES)
MAP(shmap_map_image, WRONG("a map", shmap_map_image(NOT_A_MAP, &value)), SURVIVES(shmap_map_image(hurt_map, &value)), NO_BYTES)
ROW(shmap_map_save,
    REFUSED(SHMAP_NOT_FOUND, "/no/such/directory", shmap_map_save(map, "/no/such/directory/x")),
    WRONG("a map", shmap_map_save(NOT_A_MAP, saved)),
    SURVIVES(shmap_map_save(hurt_map, at("hurt.avl"))),
    REFUSED(SHMAP_SYSTEM, "too long", shmap_map_save(map, long_path)),
    NO_HANDLE,
    BY_DIRECTORY,
    BY_DIRECTORY,
    BY_DIRECTORY,
    REFUSED(SHMAP_PERMISSION, "ermission denied", shmap_map_save(map, saved)),
    REFUSED(SHMAP_PERMISSION, "ermission denied", shmap_map_save(map, saved)))
