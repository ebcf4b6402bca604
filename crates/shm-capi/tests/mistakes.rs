//! The first steps of a new user: the examples, compiled in every standard and with more warnings
//! than usual; and the usual mistakes, whose messages must say what to do.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test, and its helpers")]
#![allow(dead_code, reason = "the helpers are those of `programs.rs`")]

mod support;

use std::process::Command;

use support::{C11, CPP17, Language, Link, compile, have, prefix, root, run};

/// Warnings besides those that [`compile`] asks for.
const MORE: [&str; 4] = ["-Wpedantic", "-Wshadow", "-Wconversion", "-Wold-style-cast"];

#[test]
fn what_c_and_cpp_call_wrongly_is_told_with_what_to_do() {
    let source = root().join("tests/c/mistakes.c");
    let Some(program) = compile(C11, &source, "mistakes", Link::Shared) else { return };
    assert_eq!(run(&mut Command::new(program)), ["ok"]);
    let source = root().join("tests/cpp/mistakes.cpp");
    let Some(program) = compile(CPP17, &source, "mistakes-cpp", Link::Shared) else { return };
    assert_eq!(run(&mut Command::new(program)), ["ok"]);
}

/// The first example of the README in a language.
fn example(language: &str) -> String {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let start = format!("```{language}\n");
    readme.split(&start).nth(1).unwrap().split("```").next().unwrap().to_owned()
}

/// Writes a program beside the others.
fn written(name: &str, text: &str) -> std::path::PathBuf {
    let path = prefix().join("programs").join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn the_examples_compile_in_every_standard_without_a_warning() {
    let source = written("standards.c", &example("c"));
    let more = MORE.iter().filter(|flag| !flag.contains("old-style"));
    for standard in ["-std=c99", "-std=c11", "-std=c17"] {
        let flags: Vec<_> = [standard].into_iter().chain(more.clone().copied()).collect();
        let language = Language { compiler: "gcc", flags: flags.leak() };
        let name = format!("standards{standard}");
        let Some(program) = compile(language, &source, &name, Link::Shared) else { return };
        assert_eq!(run(&mut Command::new(program)).len(), 5);
    }
    let source = written("standards.cpp", &example("cpp"));
    for standard in ["-std=c++17", "-std=c++20"] {
        let flags: Vec<_> = [standard].into_iter().chain(MORE).collect();
        let language = Language { compiler: "g++", flags: flags.leak() };
        let name = format!("standards{standard}");
        let Some(program) = compile(language, &source, &name, Link::Shared) else { return };
        assert_eq!(run(&mut Command::new(program)).len(), 6);
    }
}

/// What the compiler says about a program that it refuses; `None` without a compiler.
fn refused(name: &str, standard: &str, text: &str) -> Option<String> {
    if !have("g++") {
        return None;
    }
    let source = written(name, text);
    let mut command = Command::new("g++");
    command.args([standard, "-fsyntax-only", "-I"]).arg(prefix().join("include")).arg(source);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{text}\n{said}");
    Some(said)
}

#[test]
fn an_older_standard_of_cpp_is_refused_in_words() {
    for standard in ["-std=c++11", "-std=c++14"] {
        let Some(said) = refused("older.cpp", standard, "#include <shmap.hpp>\n") else { return };
        let first = said.lines().find(|line| line.contains("error")).unwrap();
        assert!(first.contains("shmap.hpp needs C++17: compile with -std=c++17"), "{said}");
    }
}

#[test]
fn a_batch_with_wider_keys_than_the_table_has_does_not_compile() {
    let text = "#include <map>\n#include <shmap.hpp>\nint main() {\n\
        auto table = shmap::Table::open(\"x\");\n\
        table.upsert_many(std::map<std::int64_t, std::string>{});\n}\n";
    let Some(said) = refused("wider.cpp", "-std=c++17", text) else { return };
    assert!(
        said.contains("these keys have more bits than those of the table: use shmap::Table64"),
        "{said}"
    );
    let of_64 = text.replace("shmap::Table::", "shmap::Table64::");
    let source = written("wide.cpp", &of_64);
    let compiled = compile(CPP17, &source, "wide", Link::Shared);
    assert!(compiled.is_some());
}

#[test]
fn a_key_that_would_lose_its_value_does_not_compile() {
    let wider = "these keys have more bits than those of the table: use shmap::Table64";
    let unsigned = "these unsigned keys may be too large for the table: use shmap::Table64";
    let broken = "keys are integers: convert this number to one";
    let keys = [
        ("Table", "std::int64_t key = 4294967297", wider),
        ("Table", "enum : std::int64_t { one } key = one", wider),
        ("Table", "std::uint32_t key = 4000000000", unsigned),
        ("Table", "double key = 3.7", broken),
        ("Table64", "float key = 3.7f", broken),
    ];
    let calls = [
        "(void)table.add(key, \"x\");",
        "(void)table.update(key, \"x\");",
        "table.upsert(key, \"x\");",
        "table.remove(key);",
        "(void)table.get(key);",
        "(void)table.contains(key);",
        "(void)table.compare_exchange(key, \"x\", \"y\");",
        "table.fetch_add(key, 1);",
        "table.increment(key);",
        "table.upsert_for(key, \"x\", std::chrono::seconds(1));",
        "(void)table.touch(key, std::chrono::seconds(1));",
        "(void)table.ttl(key);",
        "(void)table.get_stale(key);",
        "(void)table.add_ephemeral(key, \"x\");",
        "table.upsert_many({{key, \"x\"}});",
        "table.remove_many({key});",
        "(void)table.get_many({key});",
    ];
    for (class, key, why) in keys {
        let start = format!("#include <shmap.hpp>\nvoid f(shmap::{class} &table) {{ {key}; ");
        // All at once, and each call by itself of one kind.
        let all = format!("{start}{} }}\n", calls.join("\n"));
        let Some(said) = refused("cut-key.cpp", "-std=c++17", &all) else { return };
        assert!(said.contains(why), "{all}\n{said}");
        for call in calls.iter().filter(|_| why == broken && class == "Table") {
            let one = format!("{start}{call} }}\n");
            let Some(said) = refused("cut-key.cpp", "-std=c++17", &one) else { return };
            assert!(said.contains(why), "{one}\n{said}");
        }
    }
}

#[test]
fn options_are_named_where_they_are_given_in_cpp_20() {
    let text = "#include <shmap.hpp>\nint main() {\n\
        auto table = shmap::Table::create(\"x\", {.capacity = 8, .value_size = 16});\n\
        shmap::Tree().share(\"x\", {.mode = 0444, .allow_empty = true});\n\
        return !(table.stats().capacity == 8 && table.unlink() \n\
        && shmap::Map::remove_name(\"x\"));\n}\n";
    let source = written("named.cpp", text);
    let language = Language { compiler: "g++", flags: &["-std=c++20", "-Wpedantic"] };
    let Some(program) = compile(language, &source, "named", Link::Shared) else { return };
    assert!(run(&mut Command::new(program)).is_empty());
}
