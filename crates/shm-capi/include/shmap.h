// libshmap: shared-memory maps for Linux. Made by cbindgen of crates/shm-capi/src; do not edit.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// A table (shmap_table) is small, live and mutable: any process writes, every process reads, and a
// process that is killed at any instruction damages nothing. A map (shmap_map) is a big ordered
// dictionary that changes as a whole: it is built in a tree (shmap_tree), published under a name in
// one step, and read in place by any number of processes.
//
// RESULTS. Each function that returns int returns a code: SHMAP_OK (0) or a negative SHMAP_...
// number. Functions that answer a question return 1, 0 or a negative code. After an error nothing
// was changed, and no result was stored unless the function says so. shmap_last_error() tells what
// happened; shmap_strerror() tells what a code means. Each thread has one place for its message:
// the address stays, and the next failure changes the text. No panic and no exception leaves the
// library. A process that runs out of private memory is aborted.
//
// KEYS. A table has keys of one kind, SHMAP_KEYS_..., which its creator chose; shmap_table_key_kind
// tells it. Functions that take a key come in three forms: shmap_table_get takes an int32_t,
// shmap_table_get_i64 an int64_t, and shmap_table_get_bytes text or any bytes, given by their address
// and their number, so without a NUL. Either form for integers serves every table of integer keys,
// if the key is in their range. A key of another kind gives SHMAP_MISMATCH, and the message names
// both kinds.
//
// HANDLES are made by the library. The function that makes one names the function that ends it; the
// table or map that it leads to stays. A handle that is NULL, closed, of another kind or not a
// handle at all gives SHMAP_INVALID; none is ever dereferenced. Handles are not addresses. Those
// that are open at exit need not be closed.
//
// YOU PROMISE, and the library cannot check:
// 1. Text ends with a NUL. A pointer that is passed with a count points to that many elements,
//    which can be read, or written if they are for results. A pointer for one result points to
//    memory for it. Nobody else changes any of this memory during the call.
// 2. A handle is not closed while another thread is in a call with it, except for shmap_map_wait
//    and shmap_map_wait_for_update.
// 3. While shmap_map_refresh or shmap_map_wait_for_update takes an edition (it then returns 1), no
//    other thread is in a call that reads with this handle, and pointers into the map are no longer
//    used. Other threads may wait on it and refresh it. If threads must read while others refresh,
//    give each a handle of its own, or let them sleep in shmap_map_wait, which takes no edition.
// 4. A signal handler that interrupts a call returns: no longjmp, no pthread_exit, no exception out
//    of it.
// NULL may stand for no bytes if the length is 0. Lengths are in bytes.
//
// THREADS. Apart from 2 and 3, any thread may call any function at any time. SIGNALS. No function
// may be called in a signal handler. Handlers run during a wait, and the wait goes on.
//
// FORK. A child, even of a program with threads, may call every function at once, with the handles
// of its parent and with new ones, whatever the other threads did at the fork. Two things are lost. A
// tree that another thread was changing at that moment is half changed in the child: each call with
// it then gives SHMAP_INVALID, except for shmap_tree_free. And the ephemeral entries that the thread
// which forks has added (shmap_table_add_ephemeral) are gone.
//
// CANCELLATION. No function is a cancellation point. A thread that is cancelled (pthread_cancel)
// within a call ends after the call, at its next cancellation point. So a thread that may be
// cancelled should not wait here for ever, but in a loop with a timeout and pthread_testcancel.
// With asynchronous cancellation enabled (PTHREAD_CANCEL_ASYNCHRONOUS) no function may be called.


#ifndef SHMAP_H
#define SHMAP_H

#include <stddef.h>
#include <stdint.h>

// Success.
#define SHMAP_OK 0

// The key, the table, the map or the directory does not exist.
#define SHMAP_NOT_FOUND -1

// The table is full, a value or key is too long for it, the buffer is too small, the file system
// is full, or the table has no record left for another writing thread.
#define SHMAP_NO_SPACE -2

// The key, the table or the map exists already, or a batch names a key twice.
#define SHMAP_DUPLICATE_KEY -3

// The name is not valid. A valid name has 1 to 200 bytes of UTF-8, no slash and no leading dot.
#define SHMAP_INVALID_NAME -4

// The lock was not acquired in time.
#define SHMAP_TIMEOUT -5

// The file at the name is damaged, or never was a table or map.
#define SHMAP_CORRUPT -6

// The file at the name has another kind, size, key type or format, or was created under another C
// library or pid namespace, or a value is not the expected one.
#define SHMAP_MISMATCH -7

// Not permitted: the operating system refuses it, the file belongs to a user who is not trusted,
// or the table was opened for reading only.
#define SHMAP_PERMISSION -8

// The operating system refused the operation for another reason.
#define SHMAP_SYSTEM -9

// An argument is not possible: a null pointer, a handle that is closed, unknown or of another
// kind, a length without data, an impossible mode, size or time, or a time to live for a table
// whose entries do not expire.
#define SHMAP_INVALID -10

// A bug of the library: it panicked. No memory was damaged; please report the message.
#define SHMAP_PANIC -11

// Major version of this header.
#define SHMAP_VERSION_MAJOR 0

// Minor version of this header.
#define SHMAP_VERSION_MINOR 1

// Patch level of this header.
#define SHMAP_VERSION_PATCH 0

// Keys are signed 8-bit integers.
#define SHMAP_KEYS_I8 1

// Keys are signed 16-bit integers.
#define SHMAP_KEYS_I16 2

// Keys are `int32_t`. The default.
#define SHMAP_KEYS_I32 3

// Keys are `int64_t`.
#define SHMAP_KEYS_I64 4

// Keys are unsigned 8-bit integers.
#define SHMAP_KEYS_U8 5

// Keys are unsigned 16-bit integers.
#define SHMAP_KEYS_U16 6

// Keys are `uint32_t`.
#define SHMAP_KEYS_U32 7

// Keys are `uint64_t`. The functions for `int64_t` take and return the number with the same bits.
#define SHMAP_KEYS_U64 8

// Keys are UTF-8 text of up to `key_size` bytes.
#define SHMAP_KEYS_TEXT 9

// Keys are up to `key_size` bytes, which may be any bytes.
#define SHMAP_KEYS_BYTES 10

// For `ttl_ms` of the options: entries stay until they are removed. The default.
#define SHMAP_TTL_NONE 0

// For `ttl_ms` of the options: an entry expires if it was written with a time to live.
#define SHMAP_TTL_BY_ENTRY -1

// For `evict` of the options: an insertion into a full table fails. The default.
#define SHMAP_EVICT_NEVER 0

// For `evict` of the options: an insertion into a full table removes the entry that was written
// longest ago. A touch counts as a write, a read does not.
#define SHMAP_EVICT_LEAST_RECENTLY_WRITTEN 1

// The result of `shmap_table_ttl` for an entry that stays until it is removed.
#define SHMAP_TTL_FOR_EVER -1

// The result of `shmap_table_ttl` for an ephemeral entry, which stays as long as the thread that
// added it.
#define SHMAP_TTL_EPHEMERAL -2

// A table has the name.
#define SHMAP_KIND_TABLE 1

// A map has the name.
#define SHMAP_KIND_MAP 2

// Copies of entries of a table, all as they were at one moment. They never change.
typedef struct shmap_entries shmap_entries;

// An open map. A handle stays at its edition until it takes another edition.
typedef struct shmap_map shmap_map;

// The names that were in a directory. They never change.
typedef struct shmap_names shmap_names;

// An open table, for reading and writing or for reading only, with keys of any kind.
typedef struct shmap_table shmap_table;

// An ordered map in private memory. Its contents can be published as a map.
typedef struct shmap_tree shmap_tree;

// How a table is created and opened. Initialise it with `shmap_table_options_init`, then change
// fields.
typedef struct shmap_table_options {
  // Size of this structure, as `shmap_table_options_init` set it.
  size_t size;
  // Directory. NULL, the default, means `$SHMAP_DIR`, or `/dev/shm` if that is not set.
  const char *dir;
  // Maximum number of entries. If the table may grow, the maximum before it has grown. Default:
  // 1024.
  size_t capacity;
  // Maximum number of entries to which the table may grow. 0 means that it does not grow.
  // Default: 0.
  size_t max_capacity;
  // Maximum length of a value in bytes. Default: 256.
  size_t value_size;
  // Kind of the keys of a table that is created, one of SHMAP_KEYS_... Default: SHMAP_KEYS_I32.
  int key_kind;
  // Maximum length of a key in bytes, 1 to 256, if keys are text or bytes. Default: 64.
  size_t key_size;
  // Whether entries expire. A number above 0 is the time in milliseconds after which an entry
  // expires, unless it was written with another time to live. With SHMAP_TTL_BY_ENTRY, only
  // entries that were written with a time to live expire. Default: SHMAP_TTL_NONE.
  int64_t ttl_ms;
  // What happens to an insertion into a full table, one of SHMAP_EVICT_... Entries that have
  // expired are removed first, and a table that may grow grows first. Default:
  // SHMAP_EVICT_NEVER.
  int evict;
  // Permission bits of a table that is created. The umask does not change them. 0644 lets other
  // users read. Default: 0600.
  uint32_t mode;
  // If not 0, also opens tables that their group or other users may write to. Default: 0.
  int shared_writers;
  // User ids of further users whose tables may be opened, besides this user and root. Default:
  // NULL, which means none.
  const uint32_t *trusted_uids;
  // Number of these users.
  size_t trusted_count;
  // How long a write waits for another writer, in milliseconds. A negative number means for
  // ever. Default: 5000.
  int64_t lock_timeout_ms;
} shmap_table_options;

// How a map is published, opened and removed. Initialise it with `shmap_map_options_init`, then
// change fields.
typedef struct shmap_map_options {
  // Size of this structure, as `shmap_map_options_init` set it.
  size_t size;
  // Directory. NULL, the default, means `$SHMAP_DIR`, or `/dev/shm` if that is not set.
  const char *dir;
  // Publishing: permission bits of the map. The umask does not change them. Only read bits are
  // allowed; 0444 lets other users read. With 0, the default, a map gets the bits of the map
  // that it replaces, and a first map gets 0400.
  uint32_t mode;
  // Publishing: if not 0, replaces the map that has the name. Default: 0.
  int force;
  // Publishing with `force`: if not 0, a map without entries may replace a map with entries.
  // Default: 0.
  int allow_empty;
  // Publishing a tree or table: if not 0, adds a hash index, which makes lookups of single keys
  // several times as fast and takes twelve bytes per entry. Default: 1.
  int hash_index;
  // If not 0, also uses files that their group or other users may write to. Default: 0.
  int shared_writers;
  // User ids of further users whose maps may be opened, besides this user and root. Default:
  // NULL, which means none.
  const uint32_t *trusted_uids;
  // Number of these users.
  size_t trusted_count;
  // How long to wait for another publisher of the name, in milliseconds. A negative number means
  // for ever. Default: 5000.
  int64_t lock_timeout_ms;
} shmap_map_options;

// Counts and sizes of a table.
typedef struct shmap_stats {
  // Number of entries in the table. An entry that has expired counts until its place is taken
  // or `shmap_table_expire` removes it.
  size_t len;
  // Maximum number of entries. If the table may grow, the number of entries that fit before it
  // grows again.
  size_t capacity;
  // Maximum number of entries to which the table may grow. Equals `capacity` if it does not grow
  // any more.
  size_t max_capacity;
  // Maximum length of a value in bytes.
  size_t value_size;
  // Maximum length of a key in bytes, if keys are text or bytes. It has no meaning for other
  // keys.
  size_t key_size;
  // Whether entries expire: SHMAP_TTL_NONE, SHMAP_TTL_BY_ENTRY, or the time after which they do,
  // in milliseconds, rounded up.
  int64_t ttl_ms;
  // What happens to an insertion into the full table, one of SHMAP_EVICT_...
  int evict;
  // Number of write transactions since creation. A batch is one transaction.
  uint64_t writes;
  // Number of times that the table has grown.
  uint64_t growths;
  // Number of repairs after the death of a writer, since creation.
  uint64_t recoveries;
  // Number of entries that were lost in repairs since creation.
  uint64_t lost;
  // Number of entries that were removed or replaced after they had expired, since creation.
  uint64_t expired;
  // Number of entries that were removed to make room for others, since creation.
  uint64_t evicted;
  // Length of the file in bytes. If the table may grow, part of the file is a hole, which takes
  // no memory.
  uint64_t file_len;
} shmap_stats;

// A thread that writes, or has written, to a table.
typedef struct shmap_writer {
  // Its process, as the pid namespace of the table's writers numbers it.
  uint32_t pid;
  // The thread, in the same way.
  uint32_t tid;
  // Number of writes of present keys that its record counts. The record may have counted those
  // of earlier threads, too.
  uint64_t writes;
  // 1 if the thread is registered as a writer at this moment, 0 if it has ended or has closed
  // the table.
  int is_alive;
  // The command that the process of a living thread runs, as text that ends with a NUL. Empty if
  // it is not known.
  char command[16];
} shmap_writer;

// Bytes that somebody else owns. They need not end with a NUL, and may contain NULs.
typedef struct shmap_bytes {
  // The first byte. In a result it is NULL only if there is no value.
  const void *data;
  // Number of bytes.
  size_t len;
} shmap_bytes;

// A key of a table and its value.
typedef struct shmap_status {
  // The key.
  int32_t key;
  // The value.
  struct shmap_bytes value;
} shmap_status;

// A key of a table and its value, for keys of up to 64 bits.
typedef struct shmap_status_i64 {
  // The key.
  int64_t key;
  // The value.
  struct shmap_bytes value;
} shmap_status_i64;

// A byte key and its value. They are an entry of a map, where both lie in the mapping, or an entry
// of a table with keys of text or bytes.
typedef struct shmap_pair {
  // The key.
  struct shmap_bytes key;
  // The value.
  struct shmap_bytes value;
} shmap_pair;

// The version of a key in a table, whether the key is present or absent. The version changes when
// an entry is added, replaced or removed. Two versions of a key are equal if and only if their
// bytes are.
typedef struct shmap_key_version {
  // The library's own. Programs only copy and compare them.
  uint64_t words[4];
} shmap_key_version;

// The version of a whole table, which grows with each change.
typedef struct shmap_whole_version {
  // The library's own. Programs only copy and compare them.
  uint64_t words[3];
} shmap_whole_version;

// The entries of a map between two ranks. Iteration removes them from the range one by one. A
// range owns nothing, so it may be copied and discarded. After a refresh, it refers to ranks of
// the new edition.
typedef struct shmap_range {
  // Rank of the first remaining entry.
  size_t front;
  // One more than the rank of the last remaining entry.
  size_t back;
} shmap_range;

// A position between two entries of a map, before the first one or after the last one. It begins
// before the first entry if it is `{0}`. A cursor owns nothing, so it may be copied and discarded.
// After a refresh, it refers to a rank of the new edition.
typedef struct shmap_cursor {
  // Rank of the entry after the cursor, which is the number of entries before it. May be set to
  // any number: beyond the last entry, the cursor is after that one.
  size_t rank;
} shmap_cursor;

// A name, and whether a table or a map has it.
typedef struct shmap_name {
  // The name, as text that ends with a NUL.
  const char *name;
  // `SHMAP_KIND_TABLE` or `SHMAP_KIND_MAP`.
  int kind;
} shmap_name;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Returns the version of the library that is linked, such as "0.1.0". The text is constant. Any
// thread.
const char *shmap_version(void);

// Returns what a result code means in general. `shmap_last_error` says what happened. The text is
// constant, and there is one for any number. Any thread.
const char *shmap_strerror(int code);

// Returns the message of the last call that failed in this thread, with names, sizes, paths and
// causes. The message is empty if no call has failed yet. A call that succeeds does not change it.
// The library owns the text. Each thread has one place for it, of 2048 bytes: the address is the
// same for every call and valid until the thread ends, and the next call that fails changes the
// text. Of a longer message the middle is left out. Never NULL.
const char *shmap_last_error(void);

// Fills in the defaults. `size` is `sizeof(shmap_table_options)`, which lets later versions of the
// library add fields.
//
// Errors: SHMAP_INVALID for NULL or a size that this version does not know; nothing was changed.
int shmap_table_options_init(struct shmap_table_options *options, size_t size);

// Fills in the defaults. `size` is `sizeof(shmap_map_options)`, which lets later versions of the
// library add fields.
//
// Errors: SHMAP_INVALID for NULL or a size that this version does not know; nothing was changed.
int shmap_map_options_init(struct shmap_map_options *options, size_t size);

// Opens a table, whatever its sizes and its kind of keys, and stores a handle of it in `*table`.
// The caller closes it with `shmap_table_close`. NULL for `options` means the defaults. Any
// thread.
//
// Errors: SHMAP_NOT_FOUND, SHMAP_INVALID_NAME, SHMAP_CORRUPT, SHMAP_MISMATCH, SHMAP_PERMISSION,
// SHMAP_SYSTEM; `*table` is not changed.
int shmap_table_open(const char *name,
                     const struct shmap_table_options *options,
                     struct shmap_table **table);

// Creates a table. Its keys are of the kind that `options` name, which is `int32_t` by default. No
// table may have that name yet. In all other respects, this is like `shmap_table_open`.
//
// Errors: SHMAP_DUPLICATE_KEY if a table has that name, SHMAP_INVALID for impossible sizes and
// times, SHMAP_NO_SPACE, and those of `shmap_table_open`.
int shmap_table_create(const char *name,
                       const struct shmap_table_options *options,
                       struct shmap_table **table);

// Opens a table, or creates it if it does not exist. An existing table must have the requested
// kind of keys and sizes, and its entries must expire and be evicted as requested. In all other
// respects, this is like `shmap_table_open`.
//
// Errors: SHMAP_MISMATCH for other keys, sizes, expiry or eviction, SHMAP_INVALID for impossible
// sizes and times, SHMAP_NO_SPACE, and those of `shmap_table_open`.
int shmap_table_open_or_create(const char *name,
                               const struct shmap_table_options *options,
                               struct shmap_table **table);

// Opens a table for reading only. Read permission is enough, and every call that would change the
// table fails with SHMAP_PERMISSION. In all other respects, this is like `shmap_table_open`.
int shmap_table_open_read_only(const char *name,
                               const struct shmap_table_options *options,
                               struct shmap_table **table);

// Closes a handle. The table stays, without the ephemeral entries that this thread has added with
// this handle. No other thread may be in a call with this handle.
int shmap_table_close(struct shmap_table *table);

// Removes the name of this table. Processes that have the table open keep it. Any thread.
//
// Errors: SHMAP_NOT_FOUND if the name was already gone or leads to another table now;
// SHMAP_PERMISSION, SHMAP_SYSTEM.
int shmap_table_unlink(const struct shmap_table *table);

// Removes the name of a table without opening it. Of `options`, only `dir` is used. Any thread.
//
// Errors: SHMAP_NOT_FOUND, SHMAP_INVALID_NAME, SHMAP_PERMISSION, SHMAP_SYSTEM.
int shmap_table_remove_name(const char *name, const struct shmap_table_options *options);

// Returns 1 if the name no longer leads to this table, 0 if it does, or an error code. Any thread.
// This takes two system calls.
int shmap_table_is_orphaned(const struct shmap_table *table);

// Copies the value of a key to `buffer`, which holds up to `size` bytes, and stores the value's
// length in `*len`. No NUL is appended. Any thread; takes no lock. O(1).
//
// Errors: SHMAP_NOT_FOUND; SHMAP_MISMATCH for a key of another kind; SHMAP_NO_SPACE if the value
// is longer than `size`. In that case, `*len` is the value's length, and nothing was copied.
int shmap_table_get(const struct shmap_table *table,
                    int32_t key,
                    void *buffer,
                    size_t size,
                    size_t *len);

// `shmap_table_get` for a key of 64 bits.
int shmap_table_get_i64(const struct shmap_table *table,
                        int64_t key,
                        void *buffer,
                        size_t size,
                        size_t *len);

// `shmap_table_get` for a key of text or bytes.
int shmap_table_get_bytes(const struct shmap_table *table,
                          const void *key,
                          size_t key_len,
                          void *buffer,
                          size_t size,
                          size_t *len);

// Returns 1 if the key has a value, 0 if it has none, or an error code. Any thread; takes no lock.
// O(1).
//
// Errors: SHMAP_MISMATCH for a key of another kind.
int shmap_table_contains(const struct shmap_table *table, int32_t key);

// `shmap_table_contains` for a key of 64 bits.
int shmap_table_contains_i64(const struct shmap_table *table, int64_t key);

// `shmap_table_contains` for a key of text or bytes.
int shmap_table_contains_bytes(const struct shmap_table *table, const void *key, size_t key_len);

// Stores the number of entries in `*len`. An entry that has expired counts until its place is
// taken or `shmap_table_expire` removes it. Any thread. O(1).
int shmap_table_len(const struct shmap_table *table, size_t *len);

// Returns the kind of the table's keys, which is one of SHMAP_KEYS_... (all above 0), or an error
// code. Any thread. O(1).
int shmap_table_key_kind(const struct shmap_table *table);

// Stores the counts and sizes of the table in `*stats`. Any thread. O(1).
int shmap_table_stats(const struct shmap_table *table, struct shmap_stats *stats);

// Stores the threads that write, or have written, to the table in `writers`, which has place for
// `size` of them, and stores their number in `*count`. If there are more than `size`, the first
// ones are stored. A thread is listed after its first write, for as long as no other writer has
// taken over its record. Any thread. O(number of records), and reads `/proc` for each living
// writer.
int shmap_table_writers(const struct shmap_table *table,
                        struct shmap_writer *writers,
                        size_t size,
                        size_t *count);

// Adds a key that is absent. Any thread. O(1).
//
// Errors: SHMAP_DUPLICATE_KEY; SHMAP_NO_SPACE if the table is full, or the value or the key is too
// long; SHMAP_MISMATCH for a key of another kind; SHMAP_TIMEOUT; SHMAP_PERMISSION; nothing was
// changed.
int shmap_table_add(const struct shmap_table *table, int32_t key, const void *value, size_t len);

// `shmap_table_add` for a key of 64 bits.
int shmap_table_add_i64(const struct shmap_table *table,
                        int64_t key,
                        const void *value,
                        size_t len);

// `shmap_table_add` for a key of text or bytes.
int shmap_table_add_bytes(const struct shmap_table *table,
                          const void *key,
                          size_t key_len,
                          const void *value,
                          size_t len);

// Replaces the value of a key that is present. Any thread. O(1).
//
// Errors: SHMAP_NOT_FOUND; SHMAP_NO_SPACE if the value is too long; SHMAP_MISMATCH for a key of
// another kind; SHMAP_TIMEOUT; SHMAP_PERMISSION; nothing was changed.
int shmap_table_update(const struct shmap_table *table, int32_t key, const void *value, size_t len);

// `shmap_table_update` for a key of 64 bits.
int shmap_table_update_i64(const struct shmap_table *table,
                           int64_t key,
                           const void *value,
                           size_t len);

// `shmap_table_update` for a key of text or bytes.
int shmap_table_update_bytes(const struct shmap_table *table,
                             const void *key,
                             size_t key_len,
                             const void *value,
                             size_t len);

// Sets the value of a key, whether the key is present or not. Any thread. O(1).
//
// Errors: those of `shmap_table_add`, without SHMAP_DUPLICATE_KEY; nothing was changed.
int shmap_table_upsert(const struct shmap_table *table, int32_t key, const void *value, size_t len);

// `shmap_table_upsert` for a key of 64 bits.
int shmap_table_upsert_i64(const struct shmap_table *table,
                           int64_t key,
                           const void *value,
                           size_t len);

// `shmap_table_upsert` for a key of text or bytes.
int shmap_table_upsert_bytes(const struct shmap_table *table,
                             const void *key,
                             size_t key_len,
                             const void *value,
                             size_t len);

// Removes a key. Any thread. O(1).
//
// Errors: SHMAP_NOT_FOUND; SHMAP_MISMATCH for a key of another kind; SHMAP_TIMEOUT;
// SHMAP_PERMISSION; nothing was changed.
int shmap_table_remove(const struct shmap_table *table, int32_t key);

// `shmap_table_remove` for a key of 64 bits.
int shmap_table_remove_i64(const struct shmap_table *table, int64_t key);

// `shmap_table_remove` for a key of text or bytes.
int shmap_table_remove_bytes(const struct shmap_table *table, const void *key, size_t key_len);

// Removes all entries at once. Any thread. O(capacity).
//
// Errors: SHMAP_TIMEOUT, SHMAP_PERMISSION; nothing was changed.
int shmap_table_clear(const struct shmap_table *table);

// Replaces the value of a key by `value` if the present value equals `expected`. Any thread. O(1).
//
// Errors: SHMAP_MISMATCH if the present value differs from `expected`, and for a key of another
// kind; SHMAP_NOT_FOUND; SHMAP_NO_SPACE; SHMAP_TIMEOUT; SHMAP_PERMISSION; nothing was changed.
int shmap_table_compare_exchange(const struct shmap_table *table,
                                 int32_t key,
                                 const void *expected,
                                 size_t expected_len,
                                 const void *value,
                                 size_t len);

// `shmap_table_compare_exchange` for a key of 64 bits.
int shmap_table_compare_exchange_i64(const struct shmap_table *table,
                                     int64_t key,
                                     const void *expected,
                                     size_t expected_len,
                                     const void *value,
                                     size_t len);

// `shmap_table_compare_exchange` for a key of text or bytes.
int shmap_table_compare_exchange_bytes(const struct shmap_table *table,
                                       const void *key,
                                       size_t key_len,
                                       const void *expected,
                                       size_t expected_len,
                                       const void *value,
                                       size_t len);

// Adds `delta` to a counter, which is a value of 8 bytes, little endian. Stores the old value in
// `*before`, unless that is NULL. The counter wraps around. The key must be present;
// `shmap_table_increment` adds a key that is absent. Any thread. O(1).
//
// Errors: SHMAP_MISMATCH if the value is not 8 bytes long, if the table's values are shorter than
// 8 bytes, and for a key of another kind; SHMAP_NOT_FOUND; SHMAP_TIMEOUT; SHMAP_PERMISSION;
// nothing was changed.
int shmap_table_fetch_add(const struct shmap_table *table,
                          int32_t key,
                          int64_t delta,
                          int64_t *before);

// `shmap_table_fetch_add` for a key of 64 bits.
int shmap_table_fetch_add_i64(const struct shmap_table *table,
                              int64_t key,
                              int64_t delta,
                              int64_t *before);

// `shmap_table_fetch_add` for a key of text or bytes.
int shmap_table_fetch_add_bytes(const struct shmap_table *table,
                                const void *key,
                                size_t key_len,
                                int64_t delta,
                                int64_t *before);

// Adds `by` to a counter, which is a value of 8 bytes, little endian. Stores the new value in
// `*after`, unless that is NULL. If the key is absent, the counter starts at `initial`, so that
// its new value is `initial + by`. The counter wraps around. Any thread. O(1).
//
// Errors: SHMAP_MISMATCH if the value is not 8 bytes long, if the table's values are shorter than
// 8 bytes, and for a key of another kind; SHMAP_NO_SPACE if the table is full or the key is too
// long; SHMAP_TIMEOUT; SHMAP_PERMISSION; nothing was changed.
int shmap_table_increment(const struct shmap_table *table,
                          int32_t key,
                          int64_t by,
                          int64_t initial,
                          int64_t *after);

// `shmap_table_increment` for a key of 64 bits.
int shmap_table_increment_i64(const struct shmap_table *table,
                              int64_t key,
                              int64_t by,
                              int64_t initial,
                              int64_t *after);

// `shmap_table_increment` for a key of text or bytes.
int shmap_table_increment_bytes(const struct shmap_table *table,
                                const void *key,
                                size_t key_len,
                                int64_t by,
                                int64_t initial,
                                int64_t *after);

// Adds keys that must all be absent: all of them or none, even if this process is killed. Any
// thread. O(count).
//
// Errors: those of `shmap_table_add`; the message names the member that failed, counted from 0. A
// key that occurs twice is SHMAP_DUPLICATE_KEY.
// Nothing was changed.
int shmap_table_add_many(const struct shmap_table *table,
                         const struct shmap_status *entries,
                         size_t count);

// `shmap_table_add_many` for keys of 64 bits.
int shmap_table_add_many_i64(const struct shmap_table *table,
                             const struct shmap_status_i64 *entries,
                             size_t count);

// `shmap_table_add_many` for keys of text or bytes.
int shmap_table_add_many_bytes(const struct shmap_table *table,
                               const struct shmap_pair *entries,
                               size_t count);

// Replaces the values of keys that must all be present: all of them or none, even if this process
// is killed, and for every reader at once. If a key occurs twice, its last value counts. Any
// thread. O(count).
//
// Errors: those of `shmap_table_update`; the message names the member that failed, counted from 0.
// Nothing was changed.
int shmap_table_update_many(const struct shmap_table *table,
                            const struct shmap_status *entries,
                            size_t count);

// `shmap_table_update_many` for keys of 64 bits.
int shmap_table_update_many_i64(const struct shmap_table *table,
                                const struct shmap_status_i64 *entries,
                                size_t count);

// `shmap_table_update_many` for keys of text or bytes.
int shmap_table_update_many_bytes(const struct shmap_table *table,
                                  const struct shmap_pair *entries,
                                  size_t count);

// Sets the values of keys, whether the keys are present or not. In all other respects, this is
// like `shmap_table_update_many`.
//
// Errors: those of `shmap_table_upsert`; the message names the member that failed, counted from 0.
// Nothing was changed.
int shmap_table_upsert_many(const struct shmap_table *table,
                            const struct shmap_status *entries,
                            size_t count);

// `shmap_table_upsert_many` for keys of 64 bits.
int shmap_table_upsert_many_i64(const struct shmap_table *table,
                                const struct shmap_status_i64 *entries,
                                size_t count);

// `shmap_table_upsert_many` for keys of text or bytes.
int shmap_table_upsert_many_bytes(const struct shmap_table *table,
                                  const struct shmap_pair *entries,
                                  size_t count);

// Removes keys: all of them or, if a key is absent or occurs twice, none. Any thread. O(count).
//
// Errors: those of `shmap_table_remove`, and SHMAP_DUPLICATE_KEY for a key that occurs twice; the
// message names the member that failed, counted from 0.
// Nothing was changed.
int shmap_table_remove_many(const struct shmap_table *table, const int32_t *keys, size_t count);

// `shmap_table_remove_many` for keys of 64 bits.
int shmap_table_remove_many_i64(const struct shmap_table *table, const int64_t *keys, size_t count);

// `shmap_table_remove_many` for keys of text or bytes.
int shmap_table_remove_many_bytes(const struct shmap_table *table,
                                  const struct shmap_bytes *keys,
                                  size_t count);

// Copies the values of keys, all as they were at one moment and in the order of the keys, and
// stores a handle of the copies in `*entries`. The caller frees it with `shmap_entries_free`. Any
// thread. O(count).
//
// Errors: SHMAP_TIMEOUT if other writers kept changing the values; SHMAP_MISMATCH for a key of
// another kind; SHMAP_NO_SPACE for a key that is too long; SHMAP_CORRUPT. A missing key is not an
// error here.
int shmap_table_get_many(const struct shmap_table *table,
                         const int32_t *keys,
                         size_t count,
                         struct shmap_entries **entries);

// `shmap_table_get_many` for keys of 64 bits.
int shmap_table_get_many_i64(const struct shmap_table *table,
                             const int64_t *keys,
                             size_t count,
                             struct shmap_entries **entries);

// `shmap_table_get_many` for keys of text or bytes.
int shmap_table_get_many_bytes(const struct shmap_table *table,
                               const struct shmap_bytes *keys,
                               size_t count,
                               struct shmap_entries **entries);

// Copies all entries as they were at one moment, in ascending order of their keys, and stores a
// handle of the copies in `*entries`. The caller frees it with `shmap_entries_free`. If the table
// is open for reading only and writers do not pause for a second, each entry is whole, but the
// entries are of different moments. Damaged slots are left out. Any thread. O(capacity + n log n).
//
// Errors: SHMAP_TIMEOUT if the lock was not acquired; SHMAP_CORRUPT.
int shmap_table_entries(const struct shmap_table *table, struct shmap_entries **entries);

// Stores the number of entries in `*len`, including those without a value. Any thread. O(1).
int shmap_entries_len(const struct shmap_entries *entries, size_t *len);

// Stores the entry with number `index`, counted from 0, in `*entry`. The value belongs to the
// handle and is valid until the handle is freed. Any thread. O(1).
//
// Errors: SHMAP_NOT_FOUND if the key had no value. In that case, `entry->key` is the key and
// `entry->value.data` is NULL. SHMAP_MISMATCH if the key is of another kind, or does not fit
// `entry->key`. SHMAP_INVALID if there is no such entry.
int shmap_entries_at(const struct shmap_entries *entries, size_t index, struct shmap_status *entry);

// `shmap_entries_at` for keys of 64 bits.
int shmap_entries_at_i64(const struct shmap_entries *entries,
                         size_t index,
                         struct shmap_status_i64 *entry);

// `shmap_entries_at` for keys of text or bytes, which belong to the handle as the values do.
int shmap_entries_at_bytes(const struct shmap_entries *entries,
                           size_t index,
                           struct shmap_pair *entry);

// Frees the copies. No other thread may be in a call with this handle.
int shmap_entries_free(struct shmap_entries *entries);

// Publishes the entries, as they were at one moment, as a map `name`. Stores the edition of that
// map in `*edition`, unless that is NULL. Keys of text and bytes are the same in the map. An
// integer becomes its bytes, the most significant first, with the sign bit flipped if the kind of
// keys is signed; see `shmap_map_key`. If `options` name no directory, the map goes to the
// directory of the table. Any thread. O(n log n).
//
// Errors: those of `shmap_tree_share`, and SHMAP_TIMEOUT. After an error, the map that was
// published before stays.
int shmap_table_freeze(const struct shmap_table *table,
                       const char *name,
                       const struct shmap_map_options *options,
                       uint64_t *edition);

// Sets the values of all keys of a map that was frozen from a table: all of them or none. Stores
// the number of keys in `*count`, unless that is NULL. Other keys of the table keep their values.
// Any thread. O(n).
//
// Errors: SHMAP_MISMATCH for a key that is not the map key of a key of this table's kind;
// SHMAP_NO_SPACE, SHMAP_TIMEOUT, SHMAP_PERMISSION; nothing was changed.
int shmap_table_load(const struct shmap_table *table, const struct shmap_map *map, size_t *count);

// Stores the map key for an `int32_t` key of a table in the 4 bytes at `bytes`. Such map keys sort
// in the order of the numbers. Any thread.
int shmap_map_key(int32_t key, uint8_t *bytes);

// Converts a map key of `len` bytes back to the `int32_t` key of a table, and stores it in `*key`.
// Any thread.
//
// Errors: SHMAP_MISMATCH if the bytes are not the map key of an `int32_t`.
int shmap_table_key(const void *bytes, size_t len, int32_t *key);

// Stores the map key for an `int64_t` key of a table in the 8 bytes at `bytes`. Such map keys sort
// in the order of the numbers. Any thread.
int shmap_map_key_i64(int64_t key, uint8_t *bytes);

// Converts a map key of `len` bytes back to the `int64_t` key of a table, and stores it in `*key`.
// Any thread.
//
// Errors: SHMAP_MISMATCH if the bytes are not the map key of an `int64_t`.
int shmap_table_key_i64(const void *bytes, size_t len, int64_t *key);

// Checks under the lock that all parts of the table agree. Any thread. O(capacity).
//
// Errors: SHMAP_CORRUPT; the message says what is wrong, and the next write repairs it.
// SHMAP_TIMEOUT, SHMAP_PERMISSION.
int shmap_table_verify(const struct shmap_table *table);

// Repairs what a dead writer or a damaged file left, now rather than at the next write. Stores the
// number of entries that were lost in `*lost`, unless that is NULL. All entries in undamaged slots
// are kept. Any thread. O(capacity).
//
// Errors: SHMAP_TIMEOUT, SHMAP_PERMISSION; nothing was changed.
int shmap_table_recover(const struct shmap_table *table, size_t *lost);

// Writes the table back to its file. This matters if the directory is on a disk. Any thread.
//
// Errors: SHMAP_SYSTEM, SHMAP_PERMISSION.
int shmap_table_flush(const struct shmap_table *table);

// `shmap_table_get`, which also stores the version of the key in `*version`, for
// `shmap_table_wait_for_change`. The version is stored whether the key is present or absent, and
// also if the value is longer than `size`. Any thread; takes no lock. O(1).
//
// Errors: those of `shmap_table_get`.
int shmap_table_get_with_version(const struct shmap_table *table,
                                 int32_t key,
                                 void *buffer,
                                 size_t size,
                                 size_t *len,
                                 struct shmap_key_version *version);

// `shmap_table_get_with_version` for a key of 64 bits.
int shmap_table_get_with_version_i64(const struct shmap_table *table,
                                     int64_t key,
                                     void *buffer,
                                     size_t size,
                                     size_t *len,
                                     struct shmap_key_version *version);

// `shmap_table_get_with_version` for a key of text or bytes.
int shmap_table_get_with_version_bytes(const struct shmap_table *table,
                                       const void *key,
                                       size_t key_len,
                                       void *buffer,
                                       size_t size,
                                       size_t *len,
                                       struct shmap_key_version *version);

// Stores the version of a key in `*version`, for `shmap_table_wait_for_change`. Returns 1 if the
// key has a value, 0 if it has none, or an error code. Any thread; takes no lock. O(1).
//
// Errors: SHMAP_MISMATCH for a key of another kind.
int shmap_table_version(const struct shmap_table *table,
                        int32_t key,
                        struct shmap_key_version *version);

// `shmap_table_version` for a key of 64 bits.
int shmap_table_version_i64(const struct shmap_table *table,
                            int64_t key,
                            struct shmap_key_version *version);

// `shmap_table_version` for a key of text or bytes.
int shmap_table_version_bytes(const struct shmap_table *table,
                              const void *key,
                              size_t key_len,
                              struct shmap_key_version *version);

// Sleeps until the key has another version than `*seen`, stores that version in `*now`, and
// returns 1. Returns 0 once `timeout_ms` milliseconds have passed, or an error code. A negative
// timeout waits for ever. `now` may be NULL, and may be `seen`. A value that is replaced, an entry
// that is removed, and one that is added are changes, even if the value is the same afterwards.
// The call may skip changes that follow each other quickly, but never the last one. Through a
// handle for reading only, it looks again every few milliseconds. Any thread; any number of
// threads may wait with one handle. Nobody may close the handle meanwhile.
//
// Errors: SHMAP_MISMATCH for a key of another kind, or a version of another table.
int shmap_table_wait_for_change(const struct shmap_table *table,
                                int32_t key,
                                const struct shmap_key_version *seen,
                                int64_t timeout_ms,
                                struct shmap_key_version *now);

// `shmap_table_wait_for_change` for a key of 64 bits.
int shmap_table_wait_for_change_i64(const struct shmap_table *table,
                                    int64_t key,
                                    const struct shmap_key_version *seen,
                                    int64_t timeout_ms,
                                    struct shmap_key_version *now);

// `shmap_table_wait_for_change` for a key of text or bytes.
int shmap_table_wait_for_change_bytes(const struct shmap_table *table,
                                      const void *key,
                                      size_t key_len,
                                      const struct shmap_key_version *seen,
                                      int64_t timeout_ms,
                                      struct shmap_key_version *now);

// Stores the version of the whole table in `*version`, for `shmap_table_wait_for_any_change`. Any
// thread; takes no lock. O(number of writers).
int shmap_table_whole_version(const struct shmap_table *table, struct shmap_whole_version *version);

// Sleeps until anything in the table has changed since it had the version `*seen`, stores the
// version that it has then in `*now`, and returns 1. The end of a thread that has written may look
// like a change. To miss nothing, ask for the version first, then read, and then wait with this
// version. In all other respects, this is like `shmap_table_wait_for_change`.
//
// Errors: SHMAP_MISMATCH for a version of another table.
int shmap_table_wait_for_any_change(const struct shmap_table *table,
                                    const struct shmap_whole_version *seen,
                                    int64_t timeout_ms,
                                    struct shmap_whole_version *now);

// `shmap_table_upsert` with a time to live, which begins now: after `ttl_ms` milliseconds, the
// entry has expired, and is absent for every call but `shmap_table_get_stale`. The time goes on
// while the machine is suspended. An entry with a time to live does not outlast a reboot. Calls
// that change the value of a present key, such as `shmap_table_update`, leave its time as it is;
// `shmap_table_upsert` gives it the default of the table. Any thread. O(1).
//
// Errors: those of `shmap_table_upsert`; SHMAP_INVALID if the table was created without `ttl_ms`
// among its options, and for a time that is not above 0 or is too long; nothing was changed.
int shmap_table_upsert_for(const struct shmap_table *table,
                           int32_t key,
                           const void *value,
                           size_t len,
                           int64_t ttl_ms);

// `shmap_table_upsert_for` for a key of 64 bits.
int shmap_table_upsert_for_i64(const struct shmap_table *table,
                               int64_t key,
                               const void *value,
                               size_t len,
                               int64_t ttl_ms);

// `shmap_table_upsert_for` for a key of text or bytes.
int shmap_table_upsert_for_bytes(const struct shmap_table *table,
                                 const void *key,
                                 size_t key_len,
                                 const void *value,
                                 size_t len,
                                 int64_t ttl_ms);

// Gives a present entry a new time to live, which begins now. Its value and its version stay as
// they are. An ephemeral entry then no longer goes with its thread. Any thread. O(1).
//
// Errors: SHMAP_NOT_FOUND, also if the entry has expired; SHMAP_INVALID as for
// `shmap_table_upsert_for`; SHMAP_MISMATCH for a key of another kind; SHMAP_TIMEOUT;
// SHMAP_PERMISSION; nothing was changed.
int shmap_table_touch(const struct shmap_table *table, int32_t key, int64_t ttl_ms);

// `shmap_table_touch` for a key of 64 bits.
int shmap_table_touch_i64(const struct shmap_table *table, int64_t key, int64_t ttl_ms);

// `shmap_table_touch` for a key of text or bytes.
int shmap_table_touch_bytes(const struct shmap_table *table,
                            const void *key,
                            size_t key_len,
                            int64_t ttl_ms);

// Stores how long the entry of a key stays in `*ttl_ms`: in milliseconds, rounded up, or
// SHMAP_TTL_FOR_EVER, or SHMAP_TTL_EPHEMERAL. Works with any table. Any thread; takes no lock.
// O(1).
//
// Errors: SHMAP_NOT_FOUND, also if the entry has expired; SHMAP_MISMATCH for a key of another
// kind.
int shmap_table_ttl(const struct shmap_table *table, int32_t key, int64_t *ttl_ms);

// `shmap_table_ttl` for a key of 64 bits.
int shmap_table_ttl_i64(const struct shmap_table *table, int64_t key, int64_t *ttl_ms);

// `shmap_table_ttl` for a key of text or bytes.
int shmap_table_ttl_bytes(const struct shmap_table *table,
                          const void *key,
                          size_t key_len,
                          int64_t *ttl_ms);

// `shmap_table_get` that also finds an entry that has expired, as long as nothing else has taken
// its place. Works with any table. Any thread; takes no lock. O(1).
//
// Errors: those of `shmap_table_get`.
int shmap_table_get_stale(const struct shmap_table *table,
                          int32_t key,
                          void *buffer,
                          size_t size,
                          size_t *len);

// `shmap_table_get_stale` for a key of 64 bits.
int shmap_table_get_stale_i64(const struct shmap_table *table,
                              int64_t key,
                              void *buffer,
                              size_t size,
                              size_t *len);

// `shmap_table_get_stale` for a key of text or bytes.
int shmap_table_get_stale_bytes(const struct shmap_table *table,
                                const void *key,
                                size_t key_len,
                                void *buffer,
                                size_t size,
                                size_t *len);

// Adds a key that is absent, as an ephemeral entry: it is gone when the calling thread ends, also
// if its process is killed. It is also gone when this thread forks by `fork` (not by `vfork` or
// `posix_spawn`), or closes the handle. If another thread closes the handle, the entry may stay
// until this thread ends. Any thread. O(1).
//
// Errors: those of `shmap_table_add`; SHMAP_INVALID if the table was created without `ttl_ms`
// among its options; SHMAP_NO_SPACE also if so many threads write to the table that this one
// cannot be registered; nothing was changed.
int shmap_table_add_ephemeral(const struct shmap_table *table,
                              int32_t key,
                              const void *value,
                              size_t len);

// `shmap_table_add_ephemeral` for a key of 64 bits.
int shmap_table_add_ephemeral_i64(const struct shmap_table *table,
                                  int64_t key,
                                  const void *value,
                                  size_t len);

// `shmap_table_add_ephemeral` for a key of text or bytes.
int shmap_table_add_ephemeral_bytes(const struct shmap_table *table,
                                    const void *key,
                                    size_t key_len,
                                    const void *value,
                                    size_t len);

// Removes entries that have expired, among the next `max_visited` places of the table, and stores
// how many were visited in `*visited`, unless that is NULL. Each call goes on where the last one
// of any process stopped. Without it, an expired entry keeps its place until the key is added
// again or an insertion needs the place. Any thread. O(max_visited).
//
// Errors: SHMAP_TIMEOUT, SHMAP_PERMISSION; nothing was changed.
int shmap_table_expire(const struct shmap_table *table, size_t max_visited, size_t *visited);

// Makes an empty tree, and stores a handle of it in `*tree`. The caller frees it with
// `shmap_tree_free`. Any thread.
int shmap_tree_new(struct shmap_tree **tree);

// Sets the value of a key, whether the key is present or not. The key and the value are copied.
// Any thread. O(log n).
//
// Errors: SHMAP_NO_SPACE for a key of 1 MiB or more, or more entries or bytes than a map can have;
// nothing was changed.
int shmap_tree_set(const struct shmap_tree *tree,
                   const void *key,
                   size_t key_len,
                   const void *value,
                   size_t value_len);

// Stores the address and length of a key's value in `*value`. The value belongs to the tree, and
// is valid until the next call that changes the tree. Any thread, as long as no other thread
// changes the tree. O(log n).
//
// Errors: SHMAP_NOT_FOUND.
int shmap_tree_get(const struct shmap_tree *tree,
                   const void *key,
                   size_t key_len,
                   struct shmap_bytes *value);

// Removes a key. Any thread. O(log n).
//
// Errors: SHMAP_NOT_FOUND.
int shmap_tree_remove(const struct shmap_tree *tree, const void *key, size_t key_len);

// Removes all keys. Any thread. O(1).
int shmap_tree_clear(const struct shmap_tree *tree);

// Stores the number of keys in `*len`. Any thread. O(1).
int shmap_tree_len(const struct shmap_tree *tree, size_t *len);

// Publishes the contents of the tree under `name`. Stores the edition, which is 1 or one more than
// the newest edition, in `*edition`, unless that is NULL. At any moment, even if this process is
// killed, the name leads to either the old map or the new map, and that map is whole. The tree
// stays as it is. NULL for `options` means the defaults. Any thread. O(n).
//
// Errors: SHMAP_DUPLICATE_KEY if the name is taken and `force` is not set, or if an empty tree
// would replace a map with entries and `allow_empty` is not set; SHMAP_INVALID_NAME,
// SHMAP_NO_SPACE, SHMAP_TIMEOUT, SHMAP_PERMISSION, SHMAP_CORRUPT, SHMAP_SYSTEM; the name leads to
// what it led to before.
int shmap_tree_share(const struct shmap_tree *tree,
                     const char *name,
                     const struct shmap_map_options *options,
                     uint64_t *edition);

// Writes the contents of the tree to a file of mode 0400, replacing any file at the path in one
// step. `shmap_map_open_file` opens it. Any thread. O(n).
//
// Errors: SHMAP_NOT_FOUND if the directory does not exist, SHMAP_NO_SPACE, SHMAP_PERMISSION,
// SHMAP_SYSTEM; the path leads to what it led to before.
int shmap_tree_save(const struct shmap_tree *tree, const char *path);

// Frees a tree. Maps that were published from it stay. No other thread may be in a call with this
// handle.
int shmap_tree_free(struct shmap_tree *tree);

// Opens the map that is published under a name, and stores a handle of it in `*map`. The caller
// closes it with `shmap_map_close`. This checks the owner of the file and the headers, but reads
// no entries. `shmap_map_verify` checks the entries. NULL for `options` means the defaults. Any
// thread. O(1).
//
// The map is read in place. By making this call, the caller promises that the file's owner and
// root do not write to the file or change its length while the handle is open. (No call of this
// library does so.) If you cannot promise that, use `shmap_map_open_copy`.
//
// Errors: SHMAP_NOT_FOUND, SHMAP_INVALID_NAME, SHMAP_CORRUPT, SHMAP_MISMATCH, SHMAP_SYSTEM;
// SHMAP_PERMISSION, also for a file that anybody may write to or has open for writing. Use
// `shmap_map_open_copy` for such a file. After an error `*map` is not changed.
int shmap_map_open(const char *name,
                   const struct shmap_map_options *options,
                   struct shmap_map **map);

// Copies the map that is published under a name into private memory, verifies it, and stores a
// handle of it in `*map`. The owner of the file may have write permission. The copy does not
// follow later editions. In all other respects, this is like `shmap_map_open`. O(n).
int shmap_map_open_copy(const char *name,
                        const struct shmap_map_options *options,
                        struct shmap_map **map);

// Opens a file that `shmap_tree_save` or `shmap_map_save` wrote, and stores a handle of it in
// `*map`. The handle does not follow later editions. `dir` in `options` is ignored. In all other
// respects, this is like `shmap_map_open`.
int shmap_map_open_file(const char *path,
                        const struct shmap_map_options *options,
                        struct shmap_map **map);

// Copies a file that `shmap_tree_save` or `shmap_map_save` wrote into private memory, verifies it,
// and stores a handle of it in `*map`. The owner of the file may have write permission. Otherwise
// as `shmap_map_open_file`. O(n).
int shmap_map_open_file_copy(const char *path,
                             const struct shmap_map_options *options,
                             struct shmap_map **map);

// Closes a handle. The published map stays, but pointers into the map that came from this handle
// become invalid. No other thread may be in a call with this handle, except for `shmap_map_wait`
// and `shmap_map_wait_for_update`, which then end within a second with SHMAP_INVALID.
int shmap_map_close(struct shmap_map *map);

// Stores the handle's edition in `*edition`. The first edition under a name is 1, and each further
// edition is one more. For files and copies, it is 0. Any thread. O(1).
int shmap_map_edition(const struct shmap_map *map, uint64_t *edition);

// Returns 0 if the name leads to this edition, or to an edition that replaced it. Returns 1 if the
// name leads to no map, or to a map that was published after this edition was removed. Otherwise,
// returns an error code. The handle remains usable in each case, and `shmap_map_refresh` takes the
// map at the name. Any thread. At most two system calls.
//
// Errors: SHMAP_INVALID for a file or a copy.
int shmap_map_is_removed(const struct shmap_map *map);

// Removes the name of a map. Later attempts to open the name fail with SHMAP_NOT_FOUND. A process
// that has the map open keeps it. Any thread.
//
// Errors: SHMAP_NOT_FOUND, SHMAP_INVALID_NAME, SHMAP_TIMEOUT, SHMAP_PERMISSION, SHMAP_CORRUPT,
// SHMAP_SYSTEM; nothing was changed.
int shmap_map_remove_name(const char *name, const struct shmap_map_options *options);

// Removes the files that killed publishers of this user left in a directory, and stores their
// number in `*count`, unless that is NULL. If `dry_run` is not 0, the call only counts them. NULL
// for `dir` means `$SHMAP_DIR`, or `/dev/shm` if that is not set. Living publishers, tables and
// other users' files are left alone. Any thread. O(files in the directory).
//
// Errors: SHMAP_NOT_FOUND, SHMAP_PERMISSION, SHMAP_SYSTEM.
int shmap_prune(const char *dir, int dry_run, size_t *count);

// Takes the newest edition. Returns 1 if that differs from the handle's edition, 0 if it does not,
// or an error code. If the result is 1, pointers into the map are invalid. Files and copies never
// change. No other thread may be in a call that reads with this handle, or use pointers into the
// map. Other threads may wait on the handle and refresh it. If nothing was published, this costs
// one atomic load under a lock of the handle. About every 100 ms it also checks the name, so that
// it finds a map whose files were deleted by other means and then published again.
//
// Errors: those of `shmap_map_open`; the handle keeps its edition. A name that was removed is not
// an error: the handle remains usable.
int shmap_map_refresh(const struct shmap_map *map);

// Sleeps until there is another edition, takes it and returns 1. Returns 0 once `timeout_ms`
// milliseconds have passed, or an error code. A negative timeout waits for ever. If the result is
// 1, pointers into the map are invalid. When an edition is taken, no other thread may be in a call
// that reads with this handle, or use pointers into the map; `shmap_map_wait` takes no edition.
// Any number of threads may wait on one handle, and each of these calls returns 1.
//
// Errors: those of `shmap_map_open`; SHMAP_INVALID for a file or a copy, which has no later
// editions, and if the handle is closed meanwhile.
int shmap_map_wait_for_update(const struct shmap_map *map, int64_t timeout_ms);

// Sleeps until there is an edition other than the handle's edition, and returns 1. Returns 0 once
// `timeout_ms` milliseconds have passed, or an error code. A negative timeout waits for ever. This
// call does not take the new edition, so pointers into the map stay valid. `shmap_map_refresh`
// takes it. Other threads may do anything with the handle meanwhile.
//
// Errors: those of `shmap_map_wait_for_update`.
int shmap_map_wait(const struct shmap_map *map, int64_t timeout_ms);

// Stores the address and length of a key's value in `*value`. The value is in the mapping, so
// nothing is copied. The value is valid until the handle takes another edition or is closed. Any
// thread; takes no lock. O(1) with a hash index, otherwise O(log n).
//
// Errors: SHMAP_NOT_FOUND.
int shmap_map_get(const struct shmap_map *map,
                  const void *key,
                  size_t key_len,
                  struct shmap_bytes *value);

// Looks up `count` keys, and stores the address and length of each value in the array `values`, in
// the order of the keys. `data` is NULL for a key without a value. In all other respects, this is
// like `shmap_map_get`, but about twice as fast per key on big maps.
int shmap_map_get_many(const struct shmap_map *map,
                       const struct shmap_bytes *keys,
                       size_t count,
                       struct shmap_bytes *values);

// Returns 1 if the key has a value, 0 if it has none, or an error code. Any thread, and as fast as
// `shmap_map_get`.
int shmap_map_contains(const struct shmap_map *map, const void *key, size_t key_len);

// Stores the number of entries in `*len`. Any thread. O(1).
int shmap_map_len(const struct shmap_map *map, size_t *len);

// Stores the entry with the least key in `*entry`. The memory that it points to is valid for as
// long as with `shmap_map_get`. Any thread. O(1).
//
// Errors: SHMAP_NOT_FOUND if the map is empty.
int shmap_map_first(const struct shmap_map *map, struct shmap_pair *entry);

// Stores the entry with the greatest key in `*entry`. In all other respects, this is like
// `shmap_map_first`.
int shmap_map_last(const struct shmap_map *map, struct shmap_pair *entry);

// Stores the entry at a rank, which counts from 0 in key order, in `*entry`. In all other
// respects, this is like `shmap_map_first`.
//
// Errors: SHMAP_NOT_FOUND if there is no such entry.
int shmap_map_nth(const struct shmap_map *map, size_t rank, struct shmap_pair *entry);

// Stores the number of keys that are less than `key` in `*rank`. `key` need not be in the map. Any
// thread. O(log n).
int shmap_map_rank(const struct shmap_map *map, const void *key, size_t key_len, size_t *rank);

// Stores the range of the entries with `first` <= key < `end` in `*range`. If `first` is NULL, the
// range starts at the least key. If `end` is NULL, the range ends with the greatest key.
// `shmap_map_next` and `shmap_map_prev` iterate over it. Any thread. O(log n).
int shmap_map_range(const struct shmap_map *map,
                    const void *first,
                    size_t first_len,
                    const void *end,
                    size_t end_len,
                    struct shmap_range *range);

// Stores the range of the entries whose keys start with `prefix` in `*range`. A prefix of length 0
// means all entries. In all other respects, this is like `shmap_map_range`.
int shmap_map_prefix(const struct shmap_map *map,
                     const void *prefix,
                     size_t prefix_len,
                     struct shmap_range *range);

// Removes the first entry from `*range`, stores it in `*entry` and returns 1. Returns 0 if the
// range is empty, or an error code. The memory that the entry points to is valid for as long as
// with `shmap_map_get`. Any thread, each with its own range. O(1).
int shmap_map_next(const struct shmap_map *map,
                   struct shmap_range *range,
                   struct shmap_pair *entry);

// Removes the last entry from `*range`. In all other respects, this is like `shmap_map_next`.
int shmap_map_prev(const struct shmap_map *map,
                   struct shmap_range *range,
                   struct shmap_pair *entry);

// Checks the whole map: checksum, order, offsets. Any thread. O(n).
//
// Errors: SHMAP_CORRUPT; the message says what is wrong, and where.
int shmap_map_verify(const struct shmap_map *map);

// Stores the address and length of the map's image in `*image`: the bytes that `shmap_map_save`
// writes. They are valid for as long as with `shmap_map_get`. Any thread. O(1).
int shmap_map_image(const struct shmap_map *map, struct shmap_bytes *image);

// Writes the map to a file of mode 0400, replacing any file at the path in one step.
// `shmap_map_open_file` opens it. Any thread. O(n).
//
// Errors: those of `shmap_tree_save`.
int shmap_map_save(const struct shmap_map *map, const char *path);

// Moves `*cursor` before the first entry whose key is not less than `key`, or after the last entry
// if there is no such key. Returns 1 if `key` is in the map, 0 if it is not, or an error code.
// What `*cursor` was before does not matter. Any thread, each with its own cursor. O(log n).
int shmap_cursor_seek(const struct shmap_map *map,
                      struct shmap_cursor *cursor,
                      const void *key,
                      size_t key_len);

// Stores the entry after the cursor in `*entry`, moves the cursor behind it and returns 1. Returns
// 0 if there is none, or an error code; the cursor then stays. The memory that the entry points to
// is valid for as long as with `shmap_map_get`. Any thread, each with its own cursor. O(1).
int shmap_cursor_next(const struct shmap_map *map,
                      struct shmap_cursor *cursor,
                      struct shmap_pair *entry);

// Stores the entry before the cursor in `*entry`, and moves the cursor in front of it. In all
// other respects, this is like `shmap_cursor_next`.
int shmap_cursor_prev(const struct shmap_map *map,
                      struct shmap_cursor *cursor,
                      struct shmap_pair *entry);

// Lists the tables and maps of a directory in the order of their names, whether they can be opened
// or not. If both a map and a table have the same name, the map comes first. Stores a handle of
// the list in `*names`, which the caller frees with `shmap_names_free`. NULL for `dir` means
// `$SHMAP_DIR`, or `/dev/shm`. Opens no table or map. Any thread. O(files in the directory).
//
// Errors: SHMAP_NOT_FOUND, SHMAP_PERMISSION, SHMAP_SYSTEM.
int shmap_list(const char *dir, struct shmap_names **names);

// Stores the number of names in `*len`. Any thread. O(1).
int shmap_names_len(const struct shmap_names *names, size_t *len);

// Stores name number `index`, counted from 0, in `*name`. The text belongs to the handle and is
// valid until the handle is freed. Any thread. O(1).
//
// Errors: SHMAP_INVALID if there is no such name.
int shmap_names_at(const struct shmap_names *names, size_t index, struct shmap_name *name);

// Frees the list. No other thread may be in a call with this handle.
int shmap_names_free(struct shmap_names *names);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SHMAP_H */
