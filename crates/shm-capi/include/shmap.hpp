// libshmap for C++17: handles that close themselves, std::string_view, exceptions. Wraps shmap.h,
// which says more about each function.
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Failures throw shmap::Error, except for those that a caller asks about: if a key is present
// already or missing, add, update, remove and the like return false, and get returns std::nullopt.
// Results that must not be ignored are [[nodiscard]]. Views into a map are valid until it takes
// another edition (refresh, wait_for_update) or is destroyed.
#ifndef SHMAP_HPP
#define SHMAP_HPP

#if __cplusplus < 201703L
#error "shmap.hpp needs C++17: compile with -std=c++17 or later"
#endif

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "shmap.h"

namespace shmap {

// What failed: a code of shmap.h, and a message with names, sizes, paths and causes.
class Error : public std::runtime_error {
public:
    explicit Error(int code) : std::runtime_error(message(code)), code_(code) {}
    Error(int code, const std::string &message) : std::runtime_error(message), code_(code) {}
    [[nodiscard]] int code() const noexcept { return code_; }

private:
    static const char *message(int code) {
        const char *text = shmap_last_error();
        return *text != '\0' ? text : shmap_strerror(code);
    }
    int code_;
};

namespace detail {

// Throws for an error; otherwise returns the result.
inline int check(int result) {
    if (result < 0) throw Error(result);
    return result;
}

// False for this one error.
inline bool unless(int error, int result) {
    if (result == error) return false;
    check(result);
    return true;
}

inline std::string_view view(shmap_bytes bytes) {
    return {static_cast<const char *>(bytes.data), bytes.len};
}

inline shmap_bytes bytes(std::string_view view) { return {view.data(), view.size()}; }

// Never NULL: an empty view is no bytes, whatever NULL may mean to the function.
inline const void *data(std::string_view view) { return view.data() != nullptr ? view.data() : ""; }

inline std::string kind_name(int kind) {
    static const char *const names[] = {"i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "str", "[u8]"};
    return kind >= SHMAP_KEYS_I8 && kind <= SHMAP_KEYS_BYTES ? names[kind - SHMAP_KEYS_I8] : "unknown";
}

template <auto close>
struct Closer {
    template <typename T>
    void operator()(T *handle) const noexcept {
        close(handle);
    }
};

} // namespace detail

// What has a name. (Before the classes of these names, which its members would shadow.)
enum class Kind { Table = SHMAP_KIND_TABLE, Map = SHMAP_KIND_MAP };

// For TableOptions::ttl: an entry expires if it was written with a time to live.
inline constexpr std::chrono::milliseconds ttl_by_entry{SHMAP_TTL_BY_ENTRY};

// How a table is created and opened.
struct TableOptions {
    std::string dir{};                                 // empty: $SHMAP_DIR, or /dev/shm
    std::size_t capacity = 1024;                       // entries
    std::size_t max_capacity = 0;                      // entries to which it may grow; 0: does not grow
    std::size_t value_size = 256;                      // bytes
    int key_kind = 0;                                  // of a new table: SHMAP_KEYS_...; 0: as the class has it
    std::size_t key_size = 64;                         // bytes, of keys of text and bytes
    std::chrono::milliseconds ttl{SHMAP_TTL_NONE};     // after which entries expire; 0: never; or ttl_by_entry
    int evict = SHMAP_EVICT_NEVER;                     // what a full table does: SHMAP_EVICT_...
    std::uint32_t mode = 0600;                         // exact, whatever the umask
    bool shared_writers = false;                       // also what group or others may write to
    std::vector<std::uint32_t> trusted_uids{};         // besides one's own and root
    std::chrono::milliseconds lock_timeout{5000};      // negative: for ever

    // Valid as long as this object is neither changed nor destroyed.
    shmap_table_options raw() const {
        shmap_table_options options;
        detail::check(shmap_table_options_init(&options, sizeof options));
        options.dir = dir.empty() ? nullptr : dir.c_str();
        options.capacity = capacity;
        options.max_capacity = max_capacity;
        options.value_size = value_size;
        if (key_kind != 0) options.key_kind = key_kind;
        options.key_size = key_size;
        options.ttl_ms = ttl.count();
        options.evict = evict;
        options.mode = mode;
        options.shared_writers = shared_writers;
        options.trusted_uids = trusted_uids.data();
        options.trusted_count = trusted_uids.size();
        options.lock_timeout_ms = lock_timeout.count();
        return options;
    }
};

// How a map is published, opened and removed.
struct MapOptions {
    std::string dir{};                                 // empty: $SHMAP_DIR, or /dev/shm
    std::uint32_t mode = 0;                            // read bits only; 0: as what is replaced, or 0400
    bool force = false;                                // replace what has the name
    bool allow_empty = false;                          // also replace entries by none
    bool hash_index = true;                            // faster lookups, twelve bytes an entry
    bool shared_writers = false;                       // also what group or others may write to
    std::vector<std::uint32_t> trusted_uids{};         // besides one's own and root
    std::chrono::milliseconds lock_timeout{5000};      // negative: for ever

    // Valid as long as this object is neither changed nor destroyed.
    shmap_map_options raw() const {
        shmap_map_options options;
        detail::check(shmap_map_options_init(&options, sizeof options));
        options.dir = dir.empty() ? nullptr : dir.c_str();
        options.mode = mode;
        options.force = force;
        options.allow_empty = allow_empty;
        options.hash_index = hash_index;
        options.shared_writers = shared_writers;
        options.trusted_uids = trusted_uids.data();
        options.trusted_count = trusted_uids.size();
        options.lock_timeout_ms = lock_timeout.count();
        return options;
    }
};

// A key of a map and its value, in the mapping.
struct Entry {
    std::string_view key;
    std::string_view value;
};

// Entries of a map in key order, for range-for. Valid for as long as the map has its edition.
class Range {
public:
    struct End {};
    class Iterator {
    public:
        Iterator(const shmap_map *map, shmap_range left) : map_(map), left_(left) { ++*this; }
        const Entry &operator*() const { return entry_; }
        const Entry *operator->() const { return &entry_; }
        Iterator &operator++() {
            shmap_pair pair;
            more_ = detail::check(shmap_map_next(map_, &left_, &pair)) == 1;
            if (more_) entry_ = {detail::view(pair.key), detail::view(pair.value)};
            return *this;
        }
        bool operator!=(End) const { return more_; }

    private:
        const shmap_map *map_;
        shmap_range left_;
        Entry entry_{};
        bool more_ = false;
    };

    Range(const shmap_map *map, shmap_range range) : map_(map), range_(range) {}
    Iterator begin() const { return {map_, range_}; }
    End end() const { return {}; }
    [[nodiscard]] std::size_t size() const { return range_.back - range_.front; }

    // Takes the last entry off.
    std::optional<Entry> pop_back() {
        shmap_pair pair;
        if (detail::check(shmap_map_prev(map_, &range_, &pair)) == 0) return std::nullopt;
        return Entry{detail::view(pair.key), detail::view(pair.value)};
    }

private:
    const shmap_map *map_;
    shmap_range range_;
};

// A position between two entries of a map, before the first one or after the last one. Valid for as
// long as the map is open; after refresh(), it is at the same rank of the new edition.
class Cursor {
public:
    explicit Cursor(const shmap_map *map) : map_(map) {}

    // Moves before the first entry whose key is not less, or after the last entry. Returns whether
    // that entry has this key.
    bool seek(std::string_view key) {
        return detail::check(shmap_cursor_seek(map_, &at_, key.data(), key.size())) == 1;
    }
    // Moves before the entry at a rank, or after the last entry if there are not so many.
    void seek_rank(std::size_t rank) { at_.rank = rank; }
    // The entry after the cursor, which then moves behind it; std::nullopt at the end.
    std::optional<Entry> next() {
        shmap_pair pair;
        if (detail::check(shmap_cursor_next(map_, &at_, &pair)) == 0) return std::nullopt;
        return Entry{detail::view(pair.key), detail::view(pair.value)};
    }
    // The entry before the cursor, which then moves in front of it; std::nullopt at the start.
    std::optional<Entry> prev() {
        shmap_pair pair;
        if (detail::check(shmap_cursor_prev(map_, &at_, &pair)) == 0) return std::nullopt;
        return Entry{detail::view(pair.key), detail::view(pair.value)};
    }

private:
    const shmap_map *map_;
    shmap_cursor at_{};
};

// An open map: published, from a file, or a copy. Movable. Any thread may read or wait();
// refresh() and wait_for_update() may only be called while no other thread reads.
class Map {
public:
    [[nodiscard]] static Map open(const std::string &name, const MapOptions &options = {}) {
        return made(shmap_map_open, name, options);
    }
    [[nodiscard]] static Map open_copy(const std::string &name, const MapOptions &options = {}) {
        return made(shmap_map_open_copy, name, options);
    }
    [[nodiscard]] static Map open_file(const std::string &path, const MapOptions &options = {}) {
        return made(shmap_map_open_file, path, options);
    }
    [[nodiscard]] static Map open_file_copy(const std::string &path, const MapOptions &options = {}) {
        return made(shmap_map_open_file_copy, path, options);
    }
    // False when there is no map of that name.
    static bool remove_name(const std::string &name, const MapOptions &options = {}) {
        const shmap_map_options raw = options.raw();
        return detail::unless(SHMAP_NOT_FOUND, shmap_map_remove_name(name.c_str(), &raw));
    }

    [[nodiscard]] std::optional<std::string_view> get(std::string_view key) const {
        shmap_bytes value;
        const int result = shmap_map_get(handle(), key.data(), key.size(), &value);
        if (!detail::unless(SHMAP_NOT_FOUND, result)) return std::nullopt;
        return detail::view(value);
    }
    [[nodiscard]] std::vector<std::optional<std::string_view>> get_many(const std::vector<std::string_view> &keys) const {
        std::vector<shmap_bytes> asked, found(keys.size());
        asked.reserve(keys.size());
        for (const std::string_view key : keys) asked.push_back(detail::bytes(key));
        detail::check(shmap_map_get_many(handle(), asked.data(), asked.size(), found.data()));
        std::vector<std::optional<std::string_view>> values(keys.size());
        for (std::size_t i = 0; i < keys.size(); ++i) {
            if (found[i].data != nullptr) values[i] = detail::view(found[i]);
        }
        return values;
    }
    [[nodiscard]] bool contains(std::string_view key) const {
        return detail::check(shmap_map_contains(handle(), key.data(), key.size())) == 1;
    }
    [[nodiscard]] std::size_t size() const {
        std::size_t size = 0;
        detail::check(shmap_map_len(handle(), &size));
        return size;
    }
    [[nodiscard]] bool empty() const { return size() == 0; }

    [[nodiscard]] std::optional<Entry> first() const { return nth(0); }
    [[nodiscard]] std::optional<Entry> last() const {
        shmap_pair pair;
        return entry(shmap_map_last(handle(), &pair), pair);
    }
    [[nodiscard]] std::optional<Entry> nth(std::size_t rank) const {
        shmap_pair pair;
        return entry(shmap_map_nth(handle(), rank, &pair), pair);
    }
    [[nodiscard]] std::size_t rank(std::string_view key) const {
        std::size_t rank = 0;
        detail::check(shmap_map_rank(handle(), key.data(), key.size(), &rank));
        return rank;
    }
    [[nodiscard]] Range all() const { return prefix({}); }
    [[nodiscard]] Range prefix(std::string_view prefix) const {
        shmap_range range;
        detail::check(shmap_map_prefix(handle(), prefix.data(), prefix.size(), &range));
        return {handle(), range};
    }
    // first <= key < end.
    [[nodiscard]] Range range(std::string_view first, std::string_view end) const {
        shmap_range range;
        detail::check(shmap_map_range(handle(), first.data(), first.size(), detail::data(end), end.size(), &range));
        return {handle(), range};
    }
    // first <= key.
    [[nodiscard]] Range from(std::string_view first) const {
        shmap_range range;
        detail::check(shmap_map_range(handle(), first.data(), first.size(), nullptr, 0, &range));
        return {handle(), range};
    }
    // Before the first entry.
    [[nodiscard]] Cursor cursor() const { return Cursor(handle()); }

    // True when there is another edition, which refresh() takes. A negative timeout waits for ever.
    [[nodiscard]] bool wait(std::chrono::milliseconds timeout) const {
        return detail::check(shmap_map_wait(handle(), timeout.count())) == 1;
    }
    bool refresh() { return detail::check(shmap_map_refresh(handle())) == 1; }
    // As wait() and refresh(). Any number of threads.
    bool wait_for_update(std::chrono::milliseconds timeout) {
        return detail::check(shmap_map_wait_for_update(handle(), timeout.count())) == 1;
    }
    [[nodiscard]] std::uint64_t edition() const {
        std::uint64_t edition = 0;
        detail::check(shmap_map_edition(handle(), &edition));
        return edition;
    }
    [[nodiscard]] bool is_removed() const { return detail::check(shmap_map_is_removed(handle())) == 1; }
    void verify() const { detail::check(shmap_map_verify(handle())); }
    [[nodiscard]] std::string_view image() const {
        shmap_bytes image;
        detail::check(shmap_map_image(handle(), &image));
        return detail::view(image);
    }
    void save(const std::string &path) const { detail::check(shmap_map_save(handle(), path.c_str())); }

    [[nodiscard]] shmap_map *handle() const noexcept { return handle_.get(); }

private:
    explicit Map(shmap_map *handle) : handle_(handle) {}

    template <typename Open>
    static Map made(Open open, const std::string &name, const MapOptions &options) {
        const shmap_map_options raw = options.raw();
        shmap_map *handle = nullptr;
        detail::check(open(name.c_str(), &raw, &handle));
        return Map(handle);
    }
    static std::optional<Entry> entry(int result, const shmap_pair &pair) {
        if (!detail::unless(SHMAP_NOT_FOUND, result)) return std::nullopt;
        return Entry{detail::view(pair.key), detail::view(pair.value)};
    }

    std::unique_ptr<shmap_map, detail::Closer<shmap_map_close>> handle_;
};

// A map that is being built, in private memory.
class Tree {
public:
    Tree() {
        shmap_tree *handle = nullptr;
        detail::check(shmap_tree_new(&handle));
        handle_.reset(handle);
    }

    void set(std::string_view key, std::string_view value) {
        detail::check(shmap_tree_set(handle(), key.data(), key.size(), value.data(), value.size()));
    }
    // Valid until the tree is changed.
    [[nodiscard]] std::optional<std::string_view> get(std::string_view key) const {
        shmap_bytes value;
        const int result = shmap_tree_get(handle(), key.data(), key.size(), &value);
        if (!detail::unless(SHMAP_NOT_FOUND, result)) return std::nullopt;
        return detail::view(value);
    }
    bool remove(std::string_view key) {
        return detail::unless(SHMAP_NOT_FOUND, shmap_tree_remove(handle(), key.data(), key.size()));
    }
    void clear() { detail::check(shmap_tree_clear(handle())); }
    [[nodiscard]] std::size_t size() const {
        std::size_t size = 0;
        detail::check(shmap_tree_len(handle(), &size));
        return size;
    }
    // Returns the edition.
    std::uint64_t share(const std::string &name, const MapOptions &options = {}) const {
        const shmap_map_options raw = options.raw();
        std::uint64_t edition = 0;
        detail::check(shmap_tree_share(handle(), name.c_str(), &raw, &edition));
        return edition;
    }
    void save(const std::string &path) const { detail::check(shmap_tree_save(handle(), path.c_str())); }

    [[nodiscard]] shmap_tree *handle() const noexcept { return handle_.get(); }

private:
    std::unique_ptr<shmap_tree, detail::Closer<shmap_tree_free>> handle_;
};

namespace detail {

// One operation of shmap.h, for each form of key.
#define SHMAP_WITH_KEY(operation)                                                                  \
    template <typename... More>                                                                    \
    int operation(shmap_table *table, std::int32_t key, More... more) {                            \
        return shmap_table_##operation(table, key, more...);                                       \
    }                                                                                              \
    template <typename... More>                                                                    \
    int operation(shmap_table *table, std::int64_t key, More... more) {                            \
        return shmap_table_##operation##_i64(table, key, more...);                                 \
    }                                                                                              \
    template <typename... More>                                                                    \
    int operation(shmap_table *table, shmap_bytes key, More... more) {                             \
        return shmap_table_##operation##_bytes(table, key.data, key.len, more...);                 \
    }

// One operation with many keys or entries.
#define SHMAP_WITH_MANY(operation, i32, i64, bytes)                                                \
    template <typename... More>                                                                    \
    int operation(shmap_table *table, const i32 *many, std::size_t count, More... more) {          \
        return shmap_table_##operation(table, many, count, more...);                               \
    }                                                                                              \
    template <typename... More>                                                                    \
    int operation(shmap_table *table, const i64 *many, std::size_t count, More... more) {          \
        return shmap_table_##operation##_i64(table, many, count, more...);                         \
    }                                                                                              \
    template <typename... More>                                                                    \
    int operation(shmap_table *table, const bytes *many, std::size_t count, More... more) {        \
        return shmap_table_##operation##_bytes(table, many, count, more...);                       \
    }

SHMAP_WITH_KEY(add)
SHMAP_WITH_KEY(update)
SHMAP_WITH_KEY(upsert)
SHMAP_WITH_KEY(remove)
SHMAP_WITH_KEY(get)
SHMAP_WITH_KEY(contains)
SHMAP_WITH_KEY(compare_exchange)
SHMAP_WITH_KEY(fetch_add)
SHMAP_WITH_KEY(increment)
SHMAP_WITH_KEY(get_with_version)
SHMAP_WITH_KEY(version)
SHMAP_WITH_KEY(wait_for_change)
SHMAP_WITH_KEY(upsert_for)
SHMAP_WITH_KEY(touch)
SHMAP_WITH_KEY(ttl)
SHMAP_WITH_KEY(get_stale)
SHMAP_WITH_KEY(add_ephemeral)
SHMAP_WITH_MANY(add_many, shmap_status, shmap_status_i64, shmap_pair)
SHMAP_WITH_MANY(update_many, shmap_status, shmap_status_i64, shmap_pair)
SHMAP_WITH_MANY(upsert_many, shmap_status, shmap_status_i64, shmap_pair)
SHMAP_WITH_MANY(remove_many, std::int32_t, std::int64_t, shmap_bytes)
SHMAP_WITH_MANY(get_many, std::int32_t, std::int64_t, shmap_bytes)
#undef SHMAP_WITH_KEY
#undef SHMAP_WITH_MANY

inline int entry_at(const shmap_entries *entries, std::size_t index, shmap_status *entry) {
    return shmap_entries_at(entries, index, entry);
}
inline int entry_at(const shmap_entries *entries, std::size_t index, shmap_status_i64 *entry) {
    return shmap_entries_at_i64(entries, index, entry);
}
inline int entry_at(const shmap_entries *entries, std::size_t index, shmap_pair *entry) {
    return shmap_entries_at_bytes(entries, index, entry);
}

// An integer that is passed for a key, and keeps its value: other types do not compile.
template <typename Key>
class IntegerKey {
public:
    template <typename Given, std::enable_if_t<std::is_convertible_v<Given, Key>, int> = 0>
    constexpr IntegerKey(Given given) : key_(static_cast<Key>(given)) {
        static_assert(!std::is_floating_point_v<Given>, "keys are integers: convert this number to one");
        if constexpr (std::is_integral_v<Given> || std::is_enum_v<Given>) {
            static_assert(sizeof(Given) <= sizeof(Key),
                          "these keys have more bits than those of the table: use shmap::Table64");
        }
        if constexpr (std::is_integral_v<Given>) {
            if constexpr (std::is_unsigned_v<Given> && sizeof(Given) == sizeof(Key)) {
                static_assert(sizeof(Key) == 8,
                              "these unsigned keys may be too large for the table: use shmap::Table64");
                too_large_ = given > static_cast<Given>(std::numeric_limits<Key>::max());
            }
        }
    }
    constexpr Key key() const { return key_; }
    // True for a key that only tables of unsigned keys have, where key() has the same bits.
    constexpr bool too_large() const { return too_large_; }

private:
    Key key_;
    bool too_large_ = false;
};

// How the functions of shmap.h take a type of keys, and which tables have such. `Given` is what a
// member takes for a key, and `raw` what the functions take.
template <typename Key>
struct Keys;

template <>
struct Keys<std::int32_t> {
    using Argument = std::int32_t;
    using Given = IntegerKey<std::int32_t>;
    using Entry = shmap_status;
    static constexpr int created = SHMAP_KEYS_I32;
    static constexpr const char *called = "int32_t";
    static constexpr bool are(int kind) { return kind == SHMAP_KEYS_I32; }
    static std::int32_t raw(Given key, int) { return key.key(); }
    static std::int32_t key(std::int32_t raw) { return raw; }
};

template <>
struct Keys<std::int64_t> {
    using Argument = std::int64_t;
    using Given = IntegerKey<std::int64_t>;
    using Entry = shmap_status_i64;
    static constexpr int created = SHMAP_KEYS_I64;
    static constexpr const char *called = "integers";
    static constexpr bool are(int kind) { return kind >= SHMAP_KEYS_I8 && kind <= SHMAP_KEYS_U64; }
    static std::int64_t raw(Given key, int kind) {
        if (key.too_large() && kind != SHMAP_KEYS_U64) {
            throw Error(SHMAP_MISMATCH,
                        "key " + std::to_string(static_cast<std::uint64_t>(key.key())) + " is not of type " + kind_name(kind));
        }
        return key.key();
    }
    static std::int64_t key(std::int64_t raw) { return raw; }
};

template <>
struct Keys<std::string> {
    using Argument = std::string_view;
    using Given = std::string_view;
    using Entry = shmap_pair;
    static constexpr int created = SHMAP_KEYS_TEXT;
    static constexpr const char *called = "text or bytes";
    static constexpr bool are(int kind) { return kind == SHMAP_KEYS_TEXT || kind == SHMAP_KEYS_BYTES; }
    static shmap_bytes raw(Given key, int) { return bytes(key); }
    static std::string key(shmap_bytes raw) { return std::string(view(raw)); }
};

} // namespace detail

// The version of a key: changes when the entry is added, replaced or removed.
class Version {
public:
    explicit Version(const shmap_key_version &raw) : raw_(raw) {}
    [[nodiscard]] const shmap_key_version &raw() const noexcept { return raw_; }
    friend bool operator==(const Version &a, const Version &b) noexcept {
        return std::memcmp(&a.raw_, &b.raw_, sizeof a.raw_) == 0;
    }
    friend bool operator!=(const Version &a, const Version &b) noexcept { return !(a == b); }

private:
    shmap_key_version raw_;
};

// The version of a whole table, which grows with each change.
class TableVersion {
public:
    explicit TableVersion(const shmap_whole_version &raw) : raw_(raw) {}
    [[nodiscard]] const shmap_whole_version &raw() const noexcept { return raw_; }
    friend bool operator==(const TableVersion &a, const TableVersion &b) noexcept {
        return std::memcmp(&a.raw_, &b.raw_, sizeof a.raw_) == 0;
    }
    friend bool operator!=(const TableVersion &a, const TableVersion &b) noexcept { return !(a == b); }

private:
    shmap_whole_version raw_;
};

// How long an entry stays.
class TimeToLive {
public:
    explicit TimeToLive(std::int64_t raw) : raw_(raw) {}
    // Until it is removed.
    [[nodiscard]] bool is_for_ever() const noexcept { return raw_ == SHMAP_TTL_FOR_EVER; }
    // As long as the thread that added it.
    [[nodiscard]] bool is_ephemeral() const noexcept { return raw_ == SHMAP_TTL_EPHEMERAL; }
    // For this time, rounded up; std::nullopt for the other two.
    [[nodiscard]] std::optional<std::chrono::milliseconds> left() const {
        if (raw_ < 0) return std::nullopt;
        return std::chrono::milliseconds(raw_);
    }

private:
    std::int64_t raw_;
};

// An open table. Movable. Any thread may call anything. `Key` is std::int32_t (Table),
// std::int64_t (Table64, for tables of any integers) or std::string (TextTable, for text and
// bytes).
// Opening a table with keys of another kind throws, with SHMAP_MISMATCH.
template <typename Key>
class BasicTable {
    using Keys = detail::Keys<Key>;

public:
    // std::string_view for std::string.
    using KeyArgument = typename Keys::Argument;
    // What a key is passed as: any integer that keeps its value, or anything that is text.
    using GivenKey = typename Keys::Given;
    using GivenEntry = std::pair<GivenKey, std::string_view>;

    [[nodiscard]] static BasicTable open(const std::string &name, const TableOptions &options = {}) {
        return made(shmap_table_open, name, options);
    }
    [[nodiscard]] static BasicTable create(const std::string &name, const TableOptions &options = {}) {
        return made(shmap_table_create, name, options);
    }
    [[nodiscard]] static BasicTable open_or_create(const std::string &name, const TableOptions &options = {}) {
        return made(shmap_table_open_or_create, name, options);
    }
    [[nodiscard]] static BasicTable open_read_only(const std::string &name, const TableOptions &options = {}) {
        return made(shmap_table_open_read_only, name, options);
    }
    // False when there is no table of that name.
    static bool remove_name(const std::string &name, const TableOptions &options = {}) {
        const shmap_table_options raw = options.raw();
        return detail::unless(SHMAP_NOT_FOUND, shmap_table_remove_name(name.c_str(), &raw));
    }

    // False when the key is there already.
    [[nodiscard]] bool add(GivenKey key, std::string_view value) {
        return detail::unless(SHMAP_DUPLICATE_KEY, detail::add(handle(), raw_key(key), value.data(), value.size()));
    }
    // False when the key is missing.
    [[nodiscard]] bool update(GivenKey key, std::string_view value) {
        return detail::unless(SHMAP_NOT_FOUND, detail::update(handle(), raw_key(key), value.data(), value.size()));
    }
    void upsert(GivenKey key, std::string_view value) {
        detail::check(detail::upsert(handle(), raw_key(key), value.data(), value.size()));
    }
    // False when the key was missing.
    bool remove(GivenKey key) {
        return detail::unless(SHMAP_NOT_FOUND, detail::remove(handle(), raw_key(key)));
    }
    [[nodiscard]] std::optional<std::string> get(GivenKey key) const {
        return copied([&](std::string &value, std::size_t *len) {
            return detail::get(handle(), raw_key(key), value.data(), value.size(), len);
        });
    }
    // A value, or std::nullopt, and the version of the key at that moment.
    [[nodiscard]] std::pair<std::optional<std::string>, Version> get_with_version(GivenKey key) const {
        std::string value(64, '\0');
        for (;;) {
            std::size_t len = 0;
            shmap_key_version version{};
            const int result =
                detail::get_with_version(handle(), raw_key(key), value.data(), value.size(), &len, &version);
            if (result == SHMAP_NO_SPACE && len > value.size()) {
                value.resize(len);
                continue;
            }
            if (!detail::unless(SHMAP_NOT_FOUND, result)) return {std::nullopt, Version(version)};
            value.resize(len);
            return {std::move(value), Version(version)};
        }
    }
    [[nodiscard]] Version version(GivenKey key) const {
        shmap_key_version version{};
        detail::check(detail::version(handle(), raw_key(key), &version));
        return Version(version);
    }
    // Sleeps until the key has another version, and returns that; std::nullopt once the time is
    // over. A negative timeout waits for ever.
    [[nodiscard]] std::optional<Version> wait_for_change(GivenKey key, const Version &seen,
                                                         std::chrono::milliseconds timeout) const {
        shmap_key_version now{};
        const int result = detail::wait_for_change(handle(), raw_key(key), &seen.raw(), timeout.count(), &now);
        if (detail::check(result) == 0) return std::nullopt;
        return Version(now);
    }
    // To miss nothing, ask for this first, then read, and then wait with it.
    [[nodiscard]] TableVersion table_version() const {
        shmap_whole_version version{};
        detail::check(shmap_table_whole_version(handle(), &version));
        return TableVersion(version);
    }
    // The same for any change of the table.
    [[nodiscard]] std::optional<TableVersion> wait_for_any_change(const TableVersion &seen,
                                                                  std::chrono::milliseconds timeout) const {
        shmap_whole_version now{};
        const int result = shmap_table_wait_for_any_change(handle(), &seen.raw(), timeout.count(), &now);
        if (detail::check(result) == 0) return std::nullopt;
        return TableVersion(now);
    }

    // The following calls are for tables whose options have a `ttl`. All but get_stale find nothing
    // at a key whose entry has expired.
    void upsert_for(GivenKey key, std::string_view value, std::chrono::milliseconds ttl) {
        detail::check(detail::upsert_for(handle(), raw_key(key), value.data(), value.size(), ttl.count()));
    }
    // Gives the entry a new time to live. False when the key is missing.
    [[nodiscard]] bool touch(GivenKey key, std::chrono::milliseconds ttl) {
        return detail::unless(SHMAP_NOT_FOUND, detail::touch(handle(), raw_key(key), ttl.count()));
    }
    // How long the entry stays; std::nullopt for a missing key.
    [[nodiscard]] std::optional<TimeToLive> ttl(GivenKey key) const {
        std::int64_t raw = 0;
        if (!detail::unless(SHMAP_NOT_FOUND, detail::ttl(handle(), raw_key(key), &raw))) return std::nullopt;
        return TimeToLive(raw);
    }
    // Also finds an entry that has expired, as long as nothing else has taken its place.
    [[nodiscard]] std::optional<std::string> get_stale(GivenKey key) const {
        return copied([&](std::string &value, std::size_t *len) {
            return detail::get_stale(handle(), raw_key(key), value.data(), value.size(), len);
        });
    }
    // Adds an entry that is gone when this thread ends, forks, or destroys this object. False when
    // the key is there already.
    [[nodiscard]] bool add_ephemeral(GivenKey key, std::string_view value) {
        return detail::unless(SHMAP_DUPLICATE_KEY,
                              detail::add_ephemeral(handle(), raw_key(key), value.data(), value.size()));
    }
    // Removes what has expired among the next places of the table. Returns how many were visited.
    std::size_t expire(std::size_t max_visited) {
        std::size_t visited = 0;
        detail::check(shmap_table_expire(handle(), max_visited, &visited));
        return visited;
    }

    // The number of a counter (8 bytes, little endian); std::nullopt for a missing key.
    [[nodiscard]] std::optional<std::int64_t> get_int(GivenKey key) const {
        const std::optional<std::string> value = get(key);
        if (!value) return std::nullopt;
        if (value->size() != sizeof(std::int64_t)) {
            throw Error(SHMAP_MISMATCH, "the value is " + std::to_string(value->size()) + " bytes long, a counter is 8");
        }
        std::uint64_t number = 0;
        for (std::size_t i = value->size(); i > 0; --i) number = number << 8 | static_cast<unsigned char>((*value)[i - 1]);
        return static_cast<std::int64_t>(number);
    }
    [[nodiscard]] bool contains(GivenKey key) const {
        return detail::check(detail::contains(handle(), raw_key(key))) == 1;
    }

    // Batches, all or nothing, from a std::map<int, std::string>, a vector of pairs, or the like.
    // Also from a list: upsert_many({{1, "one"}, {2, "two"}}).
    template <typename Pairs>
    void add_many(const Pairs &entries) {
        const auto raw = raw_entries(entries);
        detail::check(detail::add_many(handle(), raw.data(), raw.size()));
    }
    void add_many(std::initializer_list<GivenEntry> entries) { add_many<>(entries); }
    template <typename Pairs>
    void update_many(const Pairs &entries) {
        const auto raw = raw_entries(entries);
        detail::check(detail::update_many(handle(), raw.data(), raw.size()));
    }
    void update_many(std::initializer_list<GivenEntry> entries) { update_many<>(entries); }
    template <typename Pairs>
    void upsert_many(const Pairs &entries) {
        const auto raw = raw_entries(entries);
        detail::check(detail::upsert_many(handle(), raw.data(), raw.size()));
    }
    void upsert_many(std::initializer_list<GivenEntry> entries) { upsert_many<>(entries); }
    template <typename Many>
    void remove_many(const Many &keys) {
        const auto raw = raw_keys(keys);
        detail::check(detail::remove_many(handle(), raw.data(), raw.size()));
    }
    void remove_many(std::initializer_list<GivenKey> keys) { remove_many<>(keys); }
    // All of one moment.
    template <typename Many>
    [[nodiscard]] std::vector<std::optional<std::string>> get_many(const Many &keys) const {
        const auto raw_of_keys = raw_keys(keys);
        shmap_entries *raw = nullptr;
        detail::check(detail::get_many(handle(), raw_of_keys.data(), raw_of_keys.size(), &raw));
        const Copies copies(raw);
        std::vector<std::optional<std::string>> values(raw_of_keys.size());
        for (std::size_t i = 0; i < values.size(); ++i) {
            typename Keys::Entry entry;
            if (detail::unless(SHMAP_NOT_FOUND, detail::entry_at(raw, i, &entry))) {
                values[i] = std::string(detail::view(entry.value));
            }
        }
        return values;
    }
    [[nodiscard]] std::vector<std::optional<std::string>> get_many(std::initializer_list<GivenKey> keys) const {
        return get_many<>(keys);
    }
    // All of one moment, by key.
    [[nodiscard]] std::vector<std::pair<Key, std::string>> entries() const {
        shmap_entries *raw = nullptr;
        detail::check(shmap_table_entries(handle(), &raw));
        const Copies copies(raw);
        std::size_t count = 0;
        detail::check(shmap_entries_len(raw, &count));
        std::vector<std::pair<Key, std::string>> entries(count);
        for (std::size_t i = 0; i < count; ++i) {
            typename Keys::Entry entry;
            detail::check(detail::entry_at(raw, i, &entry));
            entries[i] = {Keys::key(entry.key), std::string(detail::view(entry.value))};
        }
        return entries;
    }

    void clear() { detail::check(shmap_table_clear(handle())); }
    // False when the value is not the expected one, and for a key that no such table can have.
    [[nodiscard]] bool compare_exchange(GivenKey key, std::string_view expected, std::string_view value) {
        return detail::unless(SHMAP_MISMATCH,
                              detail::compare_exchange(handle(), raw_key(key), expected.data(), expected.size(),
                                                       value.data(), value.size()));
    }
    // Adds to a counter (8 bytes, little endian) and returns its old value. The key must exist.
    std::int64_t fetch_add(GivenKey key, std::int64_t delta) {
        std::int64_t before = 0;
        detail::check(detail::fetch_add(handle(), raw_key(key), delta, &before));
        return before;
    }
    // Adds to a counter, which starts at `initial` if the key is absent, and returns the new value.
    std::int64_t increment(GivenKey key, std::int64_t by = 1, std::int64_t initial = 0) {
        std::int64_t after = 0;
        detail::check(detail::increment(handle(), raw_key(key), by, initial, &after));
        return after;
    }
    [[nodiscard]] std::size_t size() const {
        std::size_t size = 0;
        detail::check(shmap_table_len(handle(), &size));
        return size;
    }
    [[nodiscard]] bool empty() const { return size() == 0; }
    // SHMAP_KEYS_...
    [[nodiscard]] int key_kind() const { return detail::check(shmap_table_key_kind(handle())); }
    [[nodiscard]] shmap_stats stats() const {
        shmap_stats stats;
        detail::check(shmap_table_stats(handle(), &stats));
        return stats;
    }
    // The threads that write, or have written, to the table.
    [[nodiscard]] std::vector<shmap_writer> writers() const {
        std::vector<shmap_writer> writers(64);
        for (;;) {
            std::size_t count = 0;
            detail::check(shmap_table_writers(handle(), writers.data(), writers.size(), &count));
            const bool fits = count <= writers.size();
            writers.resize(count);
            if (fits) return writers;
        }
    }
    void verify() const { detail::check(shmap_table_verify(handle())); }
    // Repairs now. Returns how many entries could not be kept.
    std::size_t recover() {
        std::size_t lost = 0;
        detail::check(shmap_table_recover(handle(), &lost));
        return lost;
    }
    // Writes the table back to its file.
    void flush() { detail::check(shmap_table_flush(handle())); }

    // False when the name no longer leads to this table.
    bool unlink() { return detail::unless(SHMAP_NOT_FOUND, shmap_table_unlink(handle())); }
    [[nodiscard]] bool is_orphaned() const { return detail::check(shmap_table_is_orphaned(handle())) == 1; }

    std::uint64_t freeze(const std::string &name, const MapOptions &options = {}) const {
        const shmap_map_options raw = options.raw();
        std::uint64_t edition = 0;
        detail::check(shmap_table_freeze(handle(), name.c_str(), &raw, &edition));
        return edition;
    }
    std::size_t load(const Map &map) {
        std::size_t count = 0;
        detail::check(shmap_table_load(handle(), map.handle(), &count));
        return count;
    }

    [[nodiscard]] shmap_table *handle() const noexcept { return handle_.get(); }

private:
    using Copies = std::unique_ptr<shmap_entries, detail::Closer<shmap_entries_free>>;

    explicit BasicTable(shmap_table *handle) : handle_(handle) {}

    template <typename Open>
    static BasicTable made(Open open, const std::string &name, const TableOptions &options) {
        shmap_table_options raw = options.raw();
        if (options.key_kind == 0) raw.key_kind = Keys::created;
        must_be(raw.key_kind, "the options ask for");
        shmap_table *handle = nullptr;
        detail::check(open(name.c_str(), &raw, &handle));
        BasicTable table(handle);
        must_be(table.key_kind(), "table \"" + name + "\" has");
        return table;
    }
    static void must_be(int kind, const std::string &who) {
        if (Keys::are(kind)) return;
        throw Error(SHMAP_MISMATCH, who + " keys of type " + detail::kind_name(kind) + ", not " + Keys::called);
    }
    // The value that `read` copies to a string, and whose length it stores.
    template <typename Read>
    static std::optional<std::string> copied(Read read) {
        std::string value(64, '\0');
        for (;;) {
            std::size_t len = 0;
            const int result = read(value, &len);
            // A key that is too long for the table is SHMAP_NO_SPACE, too, and does not change the
            // length.
            if (result == SHMAP_NO_SPACE && len > value.size()) {
                value.resize(len);
                continue;
            }
            if (!detail::unless(SHMAP_NOT_FOUND, result)) return std::nullopt;
            value.resize(len);
            return value;
        }
    }
    // Needs the kind only for numbers that no int64_t has, and does not ask for it otherwise.
    auto raw_key(GivenKey key) const {
        if constexpr (std::is_integral_v<KeyArgument>) {
            if (key.too_large()) return Keys::raw(key, key_kind());
        }
        return Keys::raw(key, Keys::created);
    }
    template <typename Pairs>
    std::vector<typename Keys::Entry> raw_entries(const Pairs &entries) const {
        std::vector<typename Keys::Entry> raw;
        for (const auto &[key, value] : entries) raw.push_back({raw_key(GivenKey(key)), detail::bytes(value)});
        return raw;
    }
    template <typename Many>
    auto raw_keys(const Many &keys) const {
        std::vector<decltype(raw_key(std::declval<GivenKey>()))> raw;
        raw.reserve(std::size(keys));
        for (const auto &key : keys) raw.push_back(raw_key(GivenKey(key)));
        return raw;
    }

    std::unique_ptr<shmap_table, detail::Closer<shmap_table_close>> handle_;
};

using Table = BasicTable<std::int32_t>;
using Table64 = BasicTable<std::int64_t>;
using TextTable = BasicTable<std::string>;

// The bytes that stand for a key of a table in a map.
[[nodiscard]] inline std::string map_key(detail::IntegerKey<std::int32_t> key) {
    unsigned char bytes[4];
    detail::check(shmap_map_key(key.key(), bytes));
    return std::string(reinterpret_cast<const char *>(bytes), sizeof bytes);
}

// The same for keys of 64 bits.
[[nodiscard]] inline std::string map_key_64(std::int64_t key) {
    unsigned char bytes[8];
    detail::check(shmap_map_key_i64(key, bytes));
    return std::string(reinterpret_cast<const char *>(bytes), sizeof bytes);
}

// The key of a table that a key of a map stands for, if it stands for one.
[[nodiscard]] inline std::optional<std::int32_t> table_key(std::string_view map_key) {
    std::int32_t key = 0;
    if (!detail::unless(SHMAP_MISMATCH, shmap_table_key(map_key.data(), map_key.size(), &key))) return std::nullopt;
    return key;
}

// The same for keys of 64 bits.
[[nodiscard]] inline std::optional<std::int64_t> table_key_64(std::string_view map_key) {
    std::int64_t key = 0;
    const int result = shmap_table_key_i64(map_key.data(), map_key.size(), &key);
    if (!detail::unless(SHMAP_MISMATCH, result)) return std::nullopt;
    return key;
}

// A name, and whether a table or a map has it.
struct Name {
    std::string name;
    Kind kind;
};

// The tables and maps of a directory, in the order of their names, whether they can be opened or
// not.
[[nodiscard]] inline std::vector<Name> list(const std::string &dir = {}) {
    shmap_names *handle = nullptr;
    detail::check(shmap_list(dir.empty() ? nullptr : dir.c_str(), &handle));
    const std::unique_ptr<shmap_names, detail::Closer<shmap_names_free>> names(handle);
    std::size_t size = 0;
    detail::check(shmap_names_len(names.get(), &size));
    std::vector<Name> all;
    for (std::size_t i = 0; i < size; i++) {
        shmap_name one;
        detail::check(shmap_names_at(names.get(), i, &one));
        all.push_back({one.name, static_cast<Kind>(one.kind)});
    }
    return all;
}

// Removes the files that killed publishers left, and returns their number.
inline std::size_t prune(const std::string &dir = {}, bool dry_run = false) {
    std::size_t count = 0;
    detail::check(shmap_prune(dir.empty() ? nullptr : dir.c_str(), dry_run, &count));
    return count;
}

} // namespace shmap

#endif
