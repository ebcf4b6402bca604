//! Every operation of a table exists in C, in Python and on the command line, or this file says why
//! one of them lacks it.
//!
//! The operations are the public methods of `Table`, read from its source. A new one without a row
//! below fails, and so does a row that names what a front end does not have.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What an operation is in a front end.
#[derive(Clone, Copy)]
enum In {
    /// It has this name.
    Is(&'static str),
    /// It is not there, for this reason.
    Not(&'static str),
}
use In::{Is, Not};

const CLOSURE: &str = "no function of the caller's runs in the library: compare_exchange in a loop";
const SHELL_READS: &str = "a process for each step: read, and write what it was to become";
const RUST_ONLY: &str = "for tests and debuggers, which are written in Rust";
const PUT: &str = "one of add, update and upsert, which have names of their own";
const ALL_KEYS: &str = "`watch` waits for a change of any key";
const ENDS: &str = "the process ends at once, and the entry with it";
const COPIES: &str = "entries are copied at once: an iterator would hold the handle";

/// Operation, C (without `shmap_`), Python (of `shmap.Table`), verb of the command line.
const ROWS: &[(&str, In, In, In)] = &[
    ("create", Is("table_create"), Is("create"), Is("create")),
    ("create_with_kind", Is("table_create"), Is("create"), Is("create")),
    ("open_or_create", Is("table_open_or_create"), Is("__new__"), Not("create, then use")),
    (
        "open_or_create_with_kind",
        Is("table_open_or_create"),
        Is("__new__"),
        Not("create, then use"),
    ),
    ("open", Is("table_open"), Is("open"), Is("set")),
    ("open_read_only", Is("table_open_read_only"), Is("open"), Is("get")),
    (
        "reopen_if_orphaned",
        Not("threads share a handle: close, and open"),
        Not("as in C"),
        Is("watch"),
    ),
    ("is_orphaned", Is("table_is_orphaned"), Is("is_orphaned"), Not("it opens what has the name")),
    ("key_kind", Is("table_key_kind"), Is("key_type"), Is("stat")),
    ("geometry", Is("table_stats"), Is("capacity"), Is("stat")),
    ("capacity", Is("table_stats"), Is("capacity"), Is("stat")),
    ("len", Is("table_len"), Is("__len__"), Is("stat")),
    ("is_empty", Is("table_len"), Is("__len__"), Is("stat")),
    ("stats", Is("table_stats"), Is("stats"), Is("stat")),
    ("get", Is("table_get"), Is("__getitem__"), Is("get")),
    ("get_into", Is("table_get"), Not("bytes are made anew"), Not("it prints")),
    ("contains_key", Is("table_contains"), Is("__contains__"), Is("get")),
    ("get_many", Is("table_get_many"), Is("get_many"), Is("get")),
    ("entries", Is("table_entries"), Is("entries"), Is("dump")),
    ("listing", Is("table_entries"), Is("entries"), Is("dump")),
    ("entries_one_by_one", Not("shmap_table_entries falls back to it"), Is("entries"), Is("dump")),
    ("iter", Not(COPIES), Is("__iter__"), Is("dump")),
    ("add", Is("table_add"), Is("add"), Is("add")),
    ("update", Is("table_update"), Is("replace"), Is("update")),
    ("upsert", Is("table_upsert"), Is("__setitem__"), Is("set")),
    ("put", Not(PUT), Not(PUT), Not(PUT)),
    ("remove", Is("table_remove"), Is("__delitem__"), Is("del")),
    ("clear", Is("table_clear"), Is("clear"), Not("rm and create")),
    ("add_many", Is("table_add_many"), Is("add_many"), Not("load upserts")),
    ("update_many", Is("table_update_many"), Is("replace_many"), Not("load upserts")),
    ("upsert_many", Is("table_upsert_many"), Is("upsert_many"), Is("load")),
    ("put_many", Not(PUT), Not(PUT), Not(PUT)),
    ("remove_many", Is("table_remove_many"), Is("remove_many"), Is("del")),
    ("update_with", Not(CLOSURE), Not(CLOSURE), Not(SHELL_READS)),
    ("compare_exchange", Is("table_compare_exchange"), Is("compare_exchange"), Not(SHELL_READS)),
    ("fetch_add", Is("table_fetch_add"), Is("fetch_add"), Not("increment")),
    ("increment", Is("table_increment"), Is("increment"), Is("increment")),
    ("upsert_for", Is("table_upsert_for"), Is("set"), Is("set")),
    ("touch", Is("table_touch"), Is("touch"), Is("touch")),
    ("ttl", Is("table_ttl"), Is("ttl"), Is("ttl")),
    ("get_stale", Is("table_get_stale"), Is("get_stale"), Is("get")),
    ("add_ephemeral", Is("table_add_ephemeral"), Is("add_ephemeral"), Not(ENDS)),
    ("expire", Is("table_expire"), Is("expire"), Is("expire")),
    ("get_with_version", Is("table_get_with_version"), Is("get_with_version"), Not(ALL_KEYS)),
    ("version", Is("table_version"), Is("version"), Not(ALL_KEYS)),
    ("wait_for_change", Is("table_wait_for_change"), Is("wait"), Not(ALL_KEYS)),
    ("table_version", Is("table_whole_version"), Is("table_version"), Is("watch")),
    ("wait_for_any_change", Is("table_wait_for_any_change"), Is("wait_any"), Is("watch")),
    ("writers", Is("table_writers"), Is("writers"), Is("stat")),
    ("verify", Is("table_verify"), Is("verify"), Is("verify")),
    ("recover", Is("table_recover"), Is("recover"), Is("repair")),
    ("damage", Not("shmap_table_verify"), Not("verify"), Is("stat")),
    ("flush", Is("table_flush"), Not("the kernel writes back"), Not("it ends, and the file stays")),
    ("segment", Not(RUST_ONLY), Is("path"), Is("stat")),
    ("read_retries", Not(RUST_ONLY), Not(RUST_ONLY), Not(RUST_ONLY)),
    ("into_typed", Not(RUST_ONLY), Not(RUST_ONLY), Not(RUST_ONLY)),
    ("lock_address", Not(RUST_ONLY), Not(RUST_ONLY), Not(RUST_ONLY)),
];

/// What the front ends have, as text.
struct Sources {
    table: String,
    header: String,
    python: String,
    verbs: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All sources in a folder, and in those below.
fn text_below(dir: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &text_below(&path);
        } else {
            text += &std::fs::read_to_string(path).unwrap();
            text.push('\n');
        }
    }
    text
}

impl Sources {
    fn read() -> Self {
        let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
        Self {
            table: text_below(&root().join("crates/slotmap-shm/src")),
            header: read("crates/shm-capi/include/shmap.h"),
            python: read("crates/shm-python/python/shmap/__init__.pyi"),
            verbs: read("crates/shm-cli/src/verbs/mod.rs"),
        }
    }

    /// The public methods of `Table`, and whether they take keys.
    fn operations(&self) -> BTreeMap<String, bool> {
        let mut found = BTreeMap::new();
        let mut inside = false;
        let mut lines = self.table.lines();
        while let Some(line) = lines.next() {
            if line.starts_with("impl") {
                inside = line.contains(" Table<") && !line.contains(" for ");
            } else if line == "}" {
                inside = false;
            } else if let Some(rest) = line.strip_prefix("    pub fn ").filter(|_| inside) {
                let mut signature = rest.to_owned();
                while !signature.contains('{') {
                    signature += lines.next().unwrap();
                }
                let end = rest.find(['<', '(']).unwrap();
                let takes_keys = signature.contains("&K") || signature.contains("Borrow<K>");
                found.insert(rest[..end].to_owned(), takes_keys);
            }
        }
        found
    }

    fn c_has(&self, function: &str) -> bool {
        self.header.contains(&format!("shmap_{function}("))
    }

    /// A method or property of `shmap.Table`.
    fn python_has(&self, name: &str) -> bool {
        let class = self.python.split("\nclass ").find(|class| class.starts_with("Table("));
        class.unwrap().contains(&format!("    def {name}("))
    }

    fn shell_has(&self, verb: &str) -> bool {
        let verbs = self.verbs.split("enum Verb {").nth(1).unwrap().split("\n}").next().unwrap();
        let is_verb = |line: &str| {
            line.trim_start().split_once('(').is_some_and(|(name, _)| name.to_lowercase() == verb)
        };
        verbs.lines().any(is_verb)
    }
}

/// What is missing, and what the rows say wrongly.
fn problems(sources: &Sources) -> Vec<String> {
    let operations = sources.operations();
    let mut found = Vec::new();
    for operation in operations.keys() {
        if !ROWS.iter().any(|(name, ..)| name == operation) {
            found.push(format!(
                "Table::{operation} has no row here: what is it in C, in Python, in a shell?"
            ));
        }
    }
    for &(operation, c, python, shell) in ROWS {
        let Some(&takes_keys) = operations.get(operation) else {
            found.push(format!("Table::{operation} is no more"));
            continue;
        };
        let mut look = |end: &str, what: In, has: &dyn Fn(&str) -> bool, same: &str| match what {
            Is(name) if !has(name) => {
                found.push(format!(
                    "Table::{operation} should be `{name}` in {end}, which has none"
                ));
            }
            Not(reason) if has(same) => {
                found.push(format!("{end} has `{same}`, and the row says: {reason}"));
            }
            Is(_) | Not(_) => {}
        };
        // In C, a function for each form of key.
        let forms: &[&str] = if takes_keys { &["", "_i64", "_bytes"] } else { &[""] };
        for form in forms {
            let has = |name: &str| sources.c_has(&format!("{name}{form}"));
            look(&format!("C{form}"), c, &has, &format!("table_{operation}"));
        }
        look("Python", python, &|name| sources.python_has(name), operation);
        look("the command line", shell, &|verb| sources.shell_has(verb), operation);
    }
    found
}

#[test]
fn every_operation_of_a_table_is_in_every_front_end() {
    let sources = Sources::read();
    let operations = sources.operations();
    assert!(operations.len() >= 40, "only {operations:?} were found");
    assert!(operations["get"] && operations["add_many"] && !operations["clear"]);
    let problems = problems(&sources);
    assert!(problems.is_empty(), "{problems:#?}");
}

/// The negative control: each thing that may be missing is missed.
#[test]
fn what_is_missing_is_found() {
    type Change = fn(&mut Sources);
    let cases: [(Change, &str); 7] = [
        (
            |s| {
                s.table +=
                    "impl<K: Key + ?Sized> Table<K> {\n    pub fn fetch_sub(&self, key: &K) {}\n}\n"
            },
            "Table::fetch_sub has no row",
        ),
        (
            |s| s.table = s.table.replace("    pub fn fetch_add(", "    fn fetch_add("),
            "fetch_add is no more",
        ),
        (
            |s| s.header = s.header.replace("shmap_table_increment(", "x("),
            "should be `table_increment` in C,",
        ),
        (
            |s| s.header = s.header.replace("shmap_table_add_many_bytes(", "x("),
            "should be `table_add_many` in C_bytes",
        ),
        (
            |s| s.python = s.python.replace("    def compare_exchange(", "    def swap("),
            "should be `compare_exchange` in Python",
        ),
        (
            |s| s.verbs = s.verbs.replace("    Repair(", "    Mend("),
            "should be `repair` in the command line",
        ),
        (
            |s| {
                s.verbs =
                    s.verbs.replace("    Repair(", "    Clear(clear::Arguments),\n    Repair(")
            },
            "the command line has `clear`, and the row says",
        ),
    ];
    for (change, expected) in cases {
        let mut sources = Sources::read();
        change(&mut sources);
        let problems = problems(&sources);
        assert_eq!(problems.len(), 1, "{expected}: {problems:#?}");
        assert!(problems[0].contains(expected), "{expected}: {problems:#?}");
    }
}
