// shmap.hpp: every member does what it says; handles close themselves, also when something is thrown.
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <unistd.h>

#include "shmap.hpp"

#define CHECK(condition)                                                                                  \
    do {                                                                                                  \
        if (!(condition)) {                                                                               \
            std::cerr << __FILE__ << ":" << __LINE__ << ": not so: " << #condition << std::endl;          \
            std::exit(1);                                                                                 \
        }                                                                                                 \
    } while (0)

// The code of what `call` throws; SHMAP_OK when it throws nothing. The message contains `text`.
template <typename Call>
static int thrown(const char *text, Call call) {
    try {
        call();
    } catch (const shmap::Error &error) {
        CHECK(std::string(error.what()).find(text) != std::string::npos);
        return error.code();
    }
    return SHMAP_OK;
}

static_assert(std::is_nothrow_move_constructible_v<shmap::Table> && !std::is_copy_constructible_v<shmap::Table>);
static_assert(std::is_nothrow_move_constructible_v<shmap::Tree> && !std::is_copy_constructible_v<shmap::Tree>);
static_assert(std::is_nothrow_move_constructible_v<shmap::Map> && !std::is_copy_constructible_v<shmap::Map>);

static void tables() {
    using namespace std::string_view_literals;
    CHECK(thrown("missing", [] { return shmap::Table::open("missing"); }) == SHMAP_NOT_FOUND);
    shmap::Table table = shmap::Table::open_or_create("status");
    CHECK(thrown("status", [] { return shmap::Table::create("status"); }) == SHMAP_DUPLICATE_KEY);
    CHECK(table.add(1, "one") && !table.add(1, "uno") && table.get(1) == "one");
    CHECK(!table.update(2, "two") && table.update(1, "a\0b"sv) && table.get(1) == "a\0b"sv);
    CHECK(!table.get(2) && !table.contains(2) && !table.remove(2));
    table.upsert(2, "");
    CHECK(table.get(2) == "" && table.remove(2));
    const std::string big(256, 'x');
    table.upsert(3, big);
    CHECK(table.get(3) == big);
    CHECK(thrown("257", [&] { table.upsert(3, big + "y"); }) == SHMAP_NO_SPACE && table.get(3) == big);

    table.upsert_many(std::map<int, std::string>{{10, "ten"}, {11, "eleven"}});
    table.update_many(std::vector<std::pair<int, const char *>>{{10, "zehn"}});
    CHECK(thrown("member 0", [&] { table.add_many(std::map<int, std::string>{{10, "x"}}); }) == SHMAP_DUPLICATE_KEY);
    const auto values = table.get_many({10, 99, 11});
    CHECK(values.size() == 3 && values[0] == "zehn" && !values[1] && values[2] == "eleven");
    CHECK(thrown("member 1", [&] { table.remove_many({10, 99}); }) == SHMAP_NOT_FOUND && table.contains(10));
    table.remove_many({10, 11});
    const auto entries = table.entries();
    CHECK(entries.size() == 2 && entries[0].first == 1 && entries[1].second == big && table.size() == 2);

    CHECK(!table.compare_exchange(1, "other", "x") && table.compare_exchange(1, "a\0b"sv, std::string_view("\0\0\0\0\0\0\0\0", 8)));
    CHECK(table.fetch_add(1, 41) == 0 && table.fetch_add(1, 1) == 41);
    CHECK(table.stats().capacity == 1024 && table.stats().growths == 0);
    const std::vector<shmap_writer> writers = table.writers();
    CHECK(writers.size() == 1 && writers[0].pid == static_cast<std::uint32_t>(getpid()) && writers[0].is_alive == 1);
    table.verify();

    const shmap::Table reader = shmap::Table::open_read_only("status");
    CHECK(reader.get(3) == big);
    shmap::Table moved = std::move(table);
    moved.clear();
    CHECK(reader.size() == 0 && !moved.is_orphaned());
    // What was moved from is a null handle, and says so.
    CHECK(thrown("null", [&] { table.clear(); }) == SHMAP_INVALID);

    moved.upsert(-1, "minus");
    moved.upsert(1, "plus");
    CHECK(moved.freeze("frozen") == 1);
    const shmap::Map frozen = shmap::Map::open("frozen");
    CHECK(frozen.get(shmap::map_key(-1)) == "minus" && shmap::table_key(frozen.last()->key) == 1);
    CHECK(!shmap::table_key("x"));
    moved.clear();
    CHECK(moved.load(frozen) == 2 && reader.get(1) == "plus");
    CHECK(shmap::Map::remove_name("frozen") && !shmap::Map::remove_name("frozen"));

    CHECK(moved.unlink() && !moved.unlink() && reader.is_orphaned());
    CHECK(!shmap::Table::remove_name("status"));
    shmap::TableOptions options;
    options.dir = std::getenv("SHMAP_DIR");
    options.capacity = 2;
    options.value_size = 4;
    options.trusted_uids = {12345};
    shmap::Table small = shmap::Table::create("small", options);
    small.add_many(std::map<int, std::string>{{1, "1234"}, {2, "x"}});
    CHECK(thrown("2", [&] { return small.add(3, "x"); }) == SHMAP_NO_SPACE);
    CHECK(thrown("capacity", [] { return shmap::Table::open_or_create("small"); }) == SHMAP_MISMATCH);
    CHECK(shmap::Table::remove_name("small", options));

    options.max_capacity = 5;
    shmap::Table growing = shmap::Table::create("growing", options);
    for (int key = 0; key < 5; ++key) growing.upsert(key, "x");
    CHECK(growing.stats().growths == 2 && growing.stats().capacity == 5 && growing.stats().max_capacity == 5);
    CHECK(thrown("all 5 entries", [&] { return growing.add(5, "x"); }) == SHMAP_NO_SPACE);
    CHECK(shmap::Table::remove_name("growing", options));
}

// A wait for a change of a key, or of the table.
static void waits() {
    using namespace std::chrono_literals;
    shmap::TextTable table = shmap::TextTable::create("waits");
    const shmap::TextTable reader = shmap::TextTable::open_read_only("waits");
    const std::string big(200, 'x');
    const auto [nothing, absent] = table.get_with_version("key");
    CHECK(!nothing && absent == reader.version("key") && !table.wait_for_change("key", absent, 1ms));
    const shmap::TableVersion before = table.table_version();
    std::thread writer([&] { table.upsert("key", big); });
    const std::optional<shmap::Version> now = reader.wait_for_change("key", absent, -1ms);
    writer.join();
    CHECK(now && *now != absent);
    const auto [value, seen] = reader.get_with_version("key");
    CHECK(value == big && seen == *now && !table.wait_for_change("key", seen, 1ms));
    const std::optional<shmap::TableVersion> after = table.wait_for_any_change(before, -1ms);
    CHECK(after && *after != before && *after == reader.table_version() && !reader.wait_for_any_change(*after, 1ms));
    shmap::Table other = shmap::Table::create("other");
    CHECK(thrown("of the table with id", [&] { return other.wait_for_change(1, seen, -1ms); }) == SHMAP_MISMATCH);
    CHECK(other.unlink() && table.unlink());
}

// Entries that expire, that go with their writer, and that make room for others.
template <typename Table, typename Key>
static void expiry(const std::vector<Key> &key) {
    using namespace std::chrono_literals;
    shmap::TableOptions options;
    options.capacity = 4;
    options.ttl = shmap::ttl_by_entry;
    Table table = Table::create("expiry", options);
    const Table reader = Table::open_read_only("expiry");
    CHECK(reader.stats().ttl_ms == SHMAP_TTL_BY_ENTRY && reader.stats().evict == SHMAP_EVICT_NEVER);
    table.upsert_for(key[0], "one", std::chrono::hours(1));
    std::optional<shmap::TimeToLive> ttl = reader.ttl(key[0]);
    CHECK(ttl && !ttl->is_for_ever() && !ttl->is_ephemeral() && *ttl->left() > 30min && *ttl->left() <= 60min);
    CHECK(table.touch(key[0], 3h) && reader.ttl(key[0])->left() > 1h && !table.touch(key[1], 1h) && !table.ttl(key[1]));
    table.upsert(key[0], "stays");
    ttl = reader.ttl(key[0]);
    CHECK(ttl && ttl->is_for_ever() && !ttl->is_ephemeral() && !ttl->left());
    // Longer than what a first try has place for.
    const std::string big(200, 'x');
    table.upsert_for(key[0], big, 1ms);
    while (reader.contains(key[0])) std::this_thread::yield();
    CHECK(!table.get(key[0]) && reader.get_stale(key[0]) == big && !table.touch(key[0], 1h) && !table.get_stale(key[1]));
    CHECK(table.expire(1) == 1 && table.expire(100) == 4 && !reader.get_stale(key[0]) && table.stats().expired == 1);
    std::thread([&] {
        CHECK(table.add_ephemeral(key[1], "here") && !table.add_ephemeral(key[1], "x"));
        const std::optional<shmap::TimeToLive> of_thread = reader.ttl(key[1]);
        CHECK(of_thread && of_thread->is_ephemeral() && !of_thread->is_for_ever() && !of_thread->left());
    }).join();
    while (reader.contains(key[1])) std::this_thread::yield();
    CHECK(thrown("the time to live is 0ns", [&] { table.upsert_for(key[0], "x", 0ms); }) == SHMAP_INVALID);
    CHECK(thrown("the time to live is -1 ms", [&] { return table.touch(key[0], -1ms); }) == SHMAP_INVALID);
    CHECK(thrown("reading only", [&] { const_cast<Table &>(reader).expire(1); }) == SHMAP_PERMISSION);
    CHECK(thrown("expire differently than asked: each after a time of its own, not never",
                 [] { return Table::open_or_create("expiry"); }) == SHMAP_MISMATCH);
    CHECK(table.unlink());

    options.ttl = 1ms;
    table = Table::create("expiry", options);
    table.upsert(key[0], "brief");
    while (table.contains(key[0])) std::this_thread::yield();
    CHECK(table.stats().ttl_ms == 1 && table.unlink());

    options.ttl = 0ms;
    options.evict = SHMAP_EVICT_LEAST_RECENTLY_WRITTEN;
    options.capacity = 1;
    table = Table::create("expiry", options);
    CHECK(table.add(key[0], "x") && table.add(key[1], "y") && !table.contains(key[0]) && table.get(key[1]) == "y");
    CHECK(table.stats().evict == SHMAP_EVICT_LEAST_RECENTLY_WRITTEN && table.stats().evicted == 1);
    CHECK(thrown("created without expiry", [&] { table.upsert_for(key[0], "x", 1h); }) == SHMAP_INVALID);
    CHECK(thrown("created without expiry", [&] { return table.touch(key[1], 1h); }) == SHMAP_INVALID);
    CHECK(thrown("created without expiry", [&] { return table.add_ephemeral(key[2], "x"); }) == SHMAP_INVALID);
    CHECK(table.expire(1) == 0 && table.ttl(key[1])->is_for_ever() && table.get_stale(key[1]) == "y");
    options.evict = SHMAP_EVICT_NEVER;
    CHECK(thrown("set evict in the options", [&] { return Table::open_or_create("expiry", options); }) == SHMAP_MISMATCH);
    options.evict = 7;
    CHECK(thrown("there is no eviction 7", [&] { return Table::create("other", options); }) == SHMAP_INVALID);
    options.evict = SHMAP_EVICT_NEVER;
    options.ttl = -2ms;
    CHECK(thrown("ttl_ms is -2, it must be -1 or more", [&] { return Table::create("other", options); }) == SHMAP_INVALID);
    CHECK(table.unlink());
}

// Any integer that keeps its value is a key, and batches are also lists.
static void given() {
    using shmap::Table, shmap::Table64, shmap::TextTable;
    enum Few { some = 7 };
    Table table = Table::create("given");
    table.upsert(some, "enum");
    table.upsert('a', "char");
    table.upsert(std::uint16_t(65535), "short");
    CHECK(table.get(7) == "enum" && table.remove(97) && table.remove(65535));
    table.add_many({{1, "one"}, {2, std::string("two")}});
    table.update_many({{2, "zwei"}});
    table.upsert_many({{2, "deux"}, {3, "trois"}});
    table.upsert_many({});
    const std::vector<short> asked{1, 2};
    CHECK(table.get_many(asked)[1] == "deux" && table.get_many({1, 3})[0] == "one");
    const int array[] = {1, 2};
    table.remove_many(array);
    CHECK(table.size() == 2 && table.contains(some) && table.contains(3) && table.unlink());

    Table64 wide = Table64::create("given");
    wide.upsert(4000000000u, "unsigned");
    wide.upsert(std::size_t(1), "size");
    CHECK(wide.get(4000000000L) == "unsigned" && wide.contains(1));
    const std::uint64_t most = ~std::uint64_t(0);
    CHECK(thrown("key 18446744073709551615 is not of type i64", [&] { wide.upsert(most, "x"); }) == SHMAP_MISMATCH);
    CHECK(thrown("is not of type i64", [&] { wide.upsert_many({{most, "x"}}); }) == SHMAP_MISMATCH);
    CHECK(thrown("is not of type i64", [&] { (void)wide.get_many({most}); }) == SHMAP_MISMATCH);
    CHECK(!wide.contains(-1) && wide.unlink());
    shmap::TableOptions options;
    options.key_kind = SHMAP_KEYS_U64;
    wide = Table64::create("given", options);
    wide.upsert(most, "most");
    CHECK(wide.get(most) == "most" && wide.get(-1) == "most" && wide.unlink());

    TextTable words = TextTable::create("given");
    words.upsert_many({{"red", "1"}, {std::string("blue"), "2"}});
    const std::vector<std::string> both{"red", "blue"};
    CHECK(words.get_many(both)[1] == "2");
    words.remove_many({"red", both[1]});
    CHECK(words.empty() && words.unlink());
}

// The members that take keys, in a table of these keys.
template <typename Table, typename Key>
static void keys(const Table &made, const std::string &name, const std::vector<Key> &key) {
    Table table = Table::open(name);
    CHECK(table.empty() && made.size() == 0 && table.key_kind() == made.key_kind());
    CHECK(table.add(key[0], "one") && !table.add(key[0], "uno") && table.get(key[0]) == "one");
    CHECK(!table.update(key[1], "two") && table.update(key[0], "first") && made.get(key[0]) == "first");
    table.upsert(key[1], "");
    CHECK(table.get(key[1]) == "" && table.contains(key[1]) && table.remove(key[1]) && !table.remove(key[1]));
    CHECK(!table.compare_exchange(key[0], "other", "x") && table.compare_exchange(key[0], "first", "x"));
    CHECK(table.increment(key[1]) == 1 && table.increment(key[1], 5) == 6 && table.fetch_add(key[1], -1) == 6);
    CHECK(table.increment(key[2], -1, 10) == 9 && table.get_int(key[2]) == 9 && table.get_int(key[1]) == 5);
    CHECK(table.increment(key[1], -263) == -258 && made.get_int(key[1]) == -258);
    CHECK(thrown("1 bytes", [&] { table.increment(key[0]); }) == SHMAP_MISMATCH);
    CHECK(thrown("1 bytes", [&] { (void)table.get_int(key[0]); }) == SHMAP_MISMATCH);
    CHECK(table.remove(key[2]) && !table.get_int(key[2]));
    table.clear();
    table.add_many(std::vector<std::pair<Key, std::string>>{{key[1], "b"}, {key[0], "a"}});
    table.update_many(std::vector<std::pair<Key, const char *>>{{key[1], "bb"}});
    CHECK(thrown("member 1", [&] {
              table.update_many(std::vector<std::pair<Key, const char *>>{{key[0], "x"}, {key[2], "x"}});
          }) == SHMAP_NOT_FOUND);
    table.upsert_many(std::vector<std::pair<Key, std::string>>{{key[2], "c"}});
    const auto values = table.get_many({key[1], key[2], key[0]});
    CHECK(values.size() == 3 && values[0] == "bb" && values[1] == "c" && values[2] == "a");
    const auto entries = table.entries();
    CHECK(entries.size() == 3 && entries[0].first == key[0] && entries[1].second == "bb" && entries[2].first == key[2]);
    table.remove_many({key[0], key[2]});
    CHECK(!table.get_many({key[0]})[0] && table.size() == 1);
    table.verify();
    table.flush();
    CHECK(table.recover() == 0 && table.unlink());
}

static void keys_of_every_type() {
    using shmap::Table, shmap::Table64, shmap::TextTable;
    shmap::TableOptions options;
    options.key_size = 8;
    const std::int64_t far = std::int64_t(1) << 40;
    keys(Table64::create("wide"), "wide", std::vector<std::int64_t>{-far, far, far + 1});
    keys(Table::create("narrow"), "narrow", std::vector<std::int32_t>{-1, 0, 1});
    using namespace std::string_view_literals;
    keys(TextTable::create("words", options), "words", std::vector<std::string_view>{"", "blau", "rot"});
    options.key_kind = SHMAP_KEYS_BYTES;
    keys(TextTable::create("bytes", options), "bytes",
         std::vector<std::string_view>{"a"sv, "a\0"sv, "\xff"sv});

    // Of other keys, nothing is made or opened.
    CHECK(thrown("of type [u8], not int32_t", [&] { return Table::create("words", options); }) == SHMAP_MISMATCH);
    options.key_kind = 0;
    TextTable words = TextTable::create("words", options);
    CHECK(thrown("of type str, not int32_t", [] { return Table::open("words"); }) == SHMAP_MISMATCH);
    CHECK(thrown("of type str, not i64", [] { return Table64::open_or_create("words"); }) == SHMAP_MISMATCH);
    CHECK(thrown("of type str, not integers", [] { return Table64::open_read_only("words"); }) == SHMAP_MISMATCH);
    CHECK(thrown("9 bytes long", [&] { words.upsert("123456789", ""); }) == SHMAP_NO_SPACE);
    CHECK(thrown("9 bytes long", [&] { return words.get("123456789"); }) == SHMAP_NO_SPACE);
    CHECK(thrown("not of type str", [&] { return words.add("\xff", ""); }) == SHMAP_MISMATCH);
    words.upsert("rot", "red");
    CHECK(words.freeze("words") == 1);
    const shmap::Map frozen = shmap::Map::open("words");
    CHECK(frozen.get("rot") == "red" && words.load(frozen) == 1 && words.stats().key_size == 8);
    CHECK(shmap::Map::remove_name("words") && TextTable::remove_name("words"));

    // A table of narrower integers serves, within their range.
    Table narrow = Table::create("narrow");
    Table64 wide = Table64::open("narrow");
    wide.upsert(7, "seven");
    CHECK(narrow.get(7) == "seven" && wide.entries()[0].first == 7 && narrow.unlink());
    CHECK(thrown("not of type i32", [&] { wide.upsert(far, ""); }) == SHMAP_MISMATCH);
    CHECK(shmap::table_key_64(shmap::map_key_64(-far)) == -far && !shmap::table_key_64("x"));
}

static void maps() {
    shmap::Tree tree;
    tree.set("/users", "10.0.0.7");
    tree.set("/orders", "10.0.0.8");
    tree.set("/orders/new", "");
    tree.set("gone", "x");
    CHECK(tree.remove("gone") && !tree.remove("gone") && tree.size() == 3);
    CHECK(tree.get("/users") == "10.0.0.7" && !tree.get("gone"));
    CHECK(tree.share("routes") == 1);
    CHECK(thrown("routes", [&] { tree.share("routes"); }) == SHMAP_DUPLICATE_KEY);
    CHECK(thrown("none", [] { return shmap::Map::open("none"); }) == SHMAP_NOT_FOUND);
    const auto names = shmap::list();
    CHECK(names.size() == 1 && names[0].name == "routes" && names[0].kind == shmap::Kind::Map);
    CHECK(thrown("/no/such", [] { return shmap::list("/no/such/directory"); }) == SHMAP_NOT_FOUND);

    shmap::Map map = shmap::Map::open("routes");
    CHECK(map.get("/users") == "10.0.0.7" && !map.get("x") && map.contains("/orders") && map.size() == 3 && !map.empty());
    const auto values = map.get_many({"/orders/new", "x", "/users"});
    CHECK(values[0] == "" && !values[1] && values[2] == "10.0.0.7");
    CHECK(map.first()->key == "/orders" && map.last()->key == "/users" && map.nth(1)->key == "/orders/new" && !map.nth(3));
    CHECK(map.rank("/p") == 2);
    std::string keys;
    for (const auto &[key, value] : map.all()) keys.append(key).append("=").append(value).append(";");
    CHECK(keys == "/orders=10.0.0.8;/orders/new=;/users=10.0.0.7;");
    CHECK(map.prefix("/o").size() == 2 && map.range("/orders/", "/users").size() == 1);
    CHECK(map.range("/orders", "").size() == 0 && map.range("", {}).size() == 0 && map.from("/orders/").size() == 2);
    shmap::Cursor cursor = map.cursor();
    CHECK(!cursor.prev() && cursor.next()->key == map.first()->key && cursor.prev() && !cursor.prev());
    CHECK(!cursor.seek("/orders/z") && cursor.next()->key == "/users" && !cursor.next());
    CHECK(cursor.seek("/users") && cursor.prev()->key == map.nth(1)->key);
    cursor.seek_rank(2);
    CHECK(cursor.next()->value == map.nth(2)->value);
    cursor.seek_rank(99);
    CHECK(!cursor.next() && cursor.prev()->key == "/users");
    shmap::Range range = map.all();
    CHECK(range.pop_back()->key == "/users" && range.size() == 2);
    CHECK(range.pop_back() && range.pop_back() && !range.pop_back());
    map.verify();

    shmap::MapOptions force;
    force.force = true;
    force.dir = std::getenv("SHMAP_DIR");
    force.hash_index = false;
    tree.set("/users", "10.0.0.70");
    CHECK(!map.refresh() && tree.share("routes", force) == 2 && map.get("/users") == "10.0.0.7");
    CHECK(map.wait(std::chrono::seconds(60)) && map.edition() == 1);
    CHECK(map.wait_for_update(std::chrono::seconds(60)) && map.get("/users") == "10.0.0.70" && map.edition() == 2);
    CHECK(!map.wait(std::chrono::milliseconds(1)) && !map.wait_for_update(std::chrono::milliseconds(1)) && !map.is_removed());

    const std::string path = force.dir + "/saved.avl";
    tree.save(path);
    CHECK(shmap::Map::open_file(path).get("/users") == "10.0.0.70");
    CHECK(shmap::Map::open_file_copy(path).get("/users") == "10.0.0.70");
    map.save(path);
    CHECK(shmap::Map::open_file(path).image() == map.image());
    CHECK(shmap::Map::open_copy("routes").size() == 3);
    std::remove(path.c_str());
    CHECK(shmap::Map::remove_name("routes") && map.is_removed() && map.get("/orders") == "10.0.0.8");
    CHECK(shmap::prune() == 0 && shmap::prune(force.dir, true) == 0);
    tree.clear();
    CHECK(tree.size() == 0);
}

int main() {
    tables();
    given();
    waits();
    expiry<shmap::Table>(std::vector<std::int32_t>{-1, 0, 1});
    expiry<shmap::Table64>(std::vector<std::int64_t>{-(std::int64_t(1) << 40), 0, std::int64_t(1) << 40});
    expiry<shmap::TextTable>(std::vector<std::string_view>{"", "blau", "rot"});
    keys_of_every_type();
    maps();
    std::cout << "ok" << std::endl;
}
