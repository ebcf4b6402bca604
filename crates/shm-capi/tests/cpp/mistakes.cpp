// The usual mistakes in C++, each with the message that says what to do.
#include <iostream>
#include <map>
#include <shmap.hpp>

#include "../c/check.h"

// The code that a call throws, whose message has this text.
template <typename Call>
static int thrown(const std::string &text, Call call) {
    try {
        call();
    } catch (const shmap::Error &error) {
        if (std::string(error.what()).find(text) != std::string::npos) return error.code();
        std::cerr << "\"" << text << "\" is not in: " << error.what() << '\n';
        std::exit(1);
    }
    return SHMAP_OK;
}

int main() {
    shmap::TableOptions small;
    small.capacity = 2;
    small.value_size = 8;
    CHECK(thrown("does not exist", [] { (void)shmap::Table::open("it"); }) == SHMAP_NOT_FOUND);
    auto table = shmap::Table::create("it", small);
    CHECK(thrown("exists already", [&] { (void)shmap::Table::create("it", small); }) == SHMAP_DUPLICATE_KEY);
    CHECK(thrown("table \"it\" has keys of type i32, not text or bytes",
                 [] { (void)shmap::TextTable::open("it"); }) == SHMAP_MISMATCH);
    CHECK(thrown("at most 8 fit", [&] { table.upsert(1, "too long!"); }) == SHMAP_NO_SPACE);
    CHECK(!table.get(1) && !table.update(1, "x") && table.add(1, "x") && !table.add(1, "x"));
    CHECK(thrown("a counter is 8", [&] { table.increment(1); }) == SHMAP_MISMATCH);
    CHECK(thrown("batch member 2: the table is full: all 2 entries are taken", [&] {
              table.upsert_many(std::map<int, std::string>{{1, "a"}, {2, "b"}, {3, "c"}});
          }) == SHMAP_NO_SPACE);
    auto reader = shmap::Table::open_read_only("it");
    CHECK(thrown("was opened for reading only", [&] { reader.upsert(1, "y"); }) == SHMAP_PERMISSION);
    const auto moved = std::move(reader);
    CHECK(thrown("the handle is null, not a table: was it opened, or, in C++, moved from?", [&] { (void)reader.get(1); }) == SHMAP_INVALID); // NOLINT: it was moved from

    shmap::Tree tree;
    tree.set("k", "v");
    tree.share("m");
    CHECK(thrown("set force in the options", [&] { tree.share("m"); }) == SHMAP_DUPLICATE_KEY);
    CHECK(thrown("there is a map of that name", [] { (void)shmap::Table::open("m"); }) == SHMAP_NOT_FOUND);
    CHECK(thrown("there is a table of that name", [] { (void)shmap::Map::open("it"); }) == SHMAP_NOT_FOUND);
    CHECK(shmap::Map::remove_name("m") && !shmap::Map::remove_name("m"));
    CHECK(table.unlink());
    std::cout << "ok\n";
}
