//! What is wrong with a command line or with what it leads to, beside what `matrix.rs` has. Nothing
//! changes.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use shm_core::Acquired;

use crate::place::Place;

/// Verbs that need a map of either kind, with arguments that suit it.
const EITHER: [&[&str]; 7] = [
    &["stat", "NAME"],
    &["get", "NAME", "3325"],
    &["search", "NAME"],
    &["dump", "NAME"],
    &["watch", "NAME", "--frames", "1"],
    &["verify", "NAME"],
    &["rm", "NAME"],
];

/// Verbs that need a table.
const TABLE: [&[&str]; 8] = [
    &["set", "NAME", "1", "x"],
    &["add", "NAME", "1", "x"],
    &["update", "NAME", "3325", "x"],
    &["increment", "NAME", "1"],
    &["del", "NAME", "3325"],
    &["load", "NAME", "jobs.tsv"],
    &["freeze", "NAME"],
    &["repair", "NAME"],
];

fn with(verb: &[&str], name: &str) -> Vec<String> {
    verb.iter().map(|&word| if word == "NAME" { name } else { word }.to_owned()).collect()
}

fn all() -> impl Iterator<Item = &'static [&'static str]> {
    EITHER.into_iter().chain(TABLE)
}

#[test]
fn names_that_cannot_be_are_said() {
    let place = Place::with_maps();
    let long = "x".repeat(201);
    for name in ["", "a/b", "..", long.as_str()] {
        for verb in all().chain([&["create", "NAME"][..], &["share", "NAME", "words.tsv"]]) {
            place.fails(with(verb, name), 5, &["name", "try: a name has 1 to 200 bytes"]);
        }
    }
}

#[test]
fn one_name_for_both_kinds_needs_a_word_more() {
    let place = Place::with_maps();
    place.ok(["freeze", "jobs"]);
    for verb in EITHER {
        place.fails(with(verb, "jobs"), 2, &["also a published map", "--kind table"]);
    }
    assert_eq!(place.ok(["get", "jobs", "3325", "--kind", "table"]), "running\n");
    // Those that write can mean only the table.
    place.ok(["set", "jobs", "3325", "stopped"]);
}

#[test]
fn a_file_that_was_cut_is_said() {
    let place = Place::with_maps();
    let file = std::fs::File::options().write(true).open(place.path("jobs", "table")).unwrap();
    file.set_len(5000).unwrap();
    for verb in all().filter(|verb| verb[0] != "rm") {
        place.fails(with(verb, "jobs"), 7, &["file is 5000 bytes long", "try: "]);
    }
}

#[test]
fn a_damaged_map_is_made_anew() {
    let place = Place::with_maps();
    let path = place.path("words", "snapshot");
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&path, "no map").unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    place.fails(["get", "words", "rot"], 7, &["6 bytes long"]);
    assert_eq!(place.run(["verify", "jobs", "words"]).code, 7);
    place.ok(["share", "words", "words.tsv", "--force"]);
    assert_eq!(place.ok(["get", "words", "rot"]), "red\n");
}

#[test]
fn what_is_no_file_is_said() {
    let place = Place::new();
    std::fs::create_dir(place.path("dir", "table")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", place.path("link", "table")).unwrap();
    for (name, word) in [("dir", "a directory"), ("link", "a symbolic link")] {
        let said = place.run(["get", name, "1"]);
        assert_eq!(said.code, 8, "{said:?}");
        assert!(said.err.contains(word), "{said:?}");
    }
    assert_eq!(place.run(["create", "dir"]).code, 4);
}

#[test]
fn what_is_too_long_is_said() {
    let place = Place::with_maps();
    let long = "x".repeat(257);
    for verb in ["set", "add", "update"] {
        let key = if verb == "add" { "1" } else { "3325" };
        let fits = &[
            &*format!("jobs: the value of key {key} is 257 bytes long, at most 256 fit"),
            "try: ",
        ];
        place.fails([verb, "jobs", key, &long], 3, fits);
        // How long it is, nobody knows: it is not read to its end.
        for len in [257, 300, 100_000] {
            let said = place.run_with([verb, "jobs", key, "-"], "x".repeat(len).as_bytes());
            let what = format!("shmap: jobs: the value of key {key} has more than 256 bytes\n");
            assert!(said.code == 3 && said.err.starts_with(&what), "{said:?}");
            assert!(said.err.contains("--value-size BYTES"), "{said:?}");
        }
    }
    place.write("long.tsv", format!("1\tx\n2\t{long}\n"));
    place.fails(
        ["load", "jobs", "long.tsv"],
        3,
        &["long.tsv:2: the value of key 2 is 257 bytes", "try: "],
    );
    place.ok(["create", "names", "--keys", "str", "--key-size", "4"]);
    place.fails(
        ["set", "names", "too long", "x"],
        3,
        &["key \"too long\" is 8 bytes long, at most 4 fit"],
    );
    place.write("long.tsv", "four\tx\nlonger\tx\n");
    place.fails(
        ["load", "names", "long.tsv"],
        3,
        &["long.tsv:2: key \"longer\" is 6 bytes", "try: "],
    );
    place.write("long.tsv", format!("a\tb\n{}\tx\n", "k".repeat(1 << 20)));
    for sorted in [&[][..], &["--sorted"]] {
        let arguments = ["share", "long", "long.tsv"].iter().chain(sorted);
        place.fails(arguments, 3, &["long.tsv:2: key is 1048576 bytes"]);
    }
}

#[test]
fn what_is_full_or_there_or_not_there_is_said() {
    let place = Place::with_maps();
    place.ok(["create", "small", "--capacity", "2"]);
    place.ok(["load", "small", "jobs.tsv"]);
    place.fails(["set", "small", "1", "x"], 3, &["small: the table is full: all 2", "try: "]);
    place.write("three.tsv", "3325\tx\n1\tx\n");
    place.fails(["load", "small", "three.tsv"], 3, &["three.tsv:2: the table is full", "try: "]);
    place.fails(["add", "small", "3325", "x"], 4, &["key 3325 exists already", "`shmap set`"]);
    place.fails(["update", "small", "1", "x"], 1, &["key 1 does not exist", "`shmap add`"]);
    place.fails(["del", "small", "3325", "1"], 1, &["key 1 does not exist"]);
    place.fails(["get", "small", "1"], 1, &["no key 1 in `small`", "try: "]);
    let said = place.run(["search", "small", "--from", "5000"]);
    assert_eq!((said.code, said.out, said.err), (1, String::new(), String::new()));
    // A table is never replaced, so `create` has no --force.
    for dry in [&[][..], &["--dry-run"]] {
        let arguments = ["create", "small"].iter().chain(dry);
        let words = ["small: ", "exists already", "try: ", "`shmap rm small --kind table`"];
        let said = place.fails(arguments, 4, &words);
        assert!(!said.err.contains("--force"), "{said:?}");
    }
    place.fails(["share", "words", "words.tsv"], 4, &["words: ", "exists already", "--force"]);
    place.fails(["freeze", "jobs", "words"], 4, &["words: ", "exists already", "--force"]);
}

#[test]
fn what_makes_no_sense_is_said() {
    let place = Place::with_maps();
    for (arguments, word) in [
        (&["set", "jobs", "x", "y"][..], "no key of type i32"),
        (&["get", "jobs", "2147483648"], "no key of type i32"),
        (&["search", "jobs", "33"], "have no beginning"),
        (&["search", "words", "r", "--from", "a"], "cannot be used with"),
        (&["create", "x", "--capacity", "0"], "capacity is 0"),
        (&["create", "x", "--mode", "999"], "octal"),
        (&["create", "x", "--mode", "666"], "--trust-writers"),
        (&["share", "x", "words.tsv", "--mode", "600"], "read bits"),
        (&["get", "jobs", "1", "--trust", "no-such-user"], "no user"),
        (&["set", "jobs", "1", "\\q", "--escaped"], "backslash at byte 1"),
        (&["set", "jobs", "1", "x", "--timeout=-1"], "--timeout"),
        (&["watch", "jobs", "--interval", "NaN"], "--interval"),
        (&["get", "jobs"], "Usage"),
        (&[], "Usage"),
    ] {
        place.fails(arguments, 2, &[word]);
    }
    place.fails(["get", "jobs", "1", "--keys", "str"], 8, &["keys of type i32, not str"]);
    place.fails(["dump", "words", "--keys", "i32"], 8, &["stands for no key of type i32"]);
}

#[test]
fn advice_suits_the_verb() {
    let place = Place::with_maps();
    let out = "try: nothing was removed; leave that key out\n";
    place.fails(["del", "jobs", "3325", "77"], 1, &["jobs: key 77 does not exist", out]);
    for verb in ["rm", "stat", "watch", "verify"] {
        place.fails([verb, "nope"], 1, &["try: `shmap list` shows what there is\n"]);
    }
    place.fails(["freeze", "words"], 8, &["try: it is published already"]);
    let again = "try: a map is never repaired: publish it again, with `shmap share words FILE";
    place.fails(["repair", "words"], 8, &[again]);
}

#[test]
fn a_lock_that_is_held_is_said() {
    let place = Place::with_maps();
    let segment = place.table_segment("jobs");
    let Acquired::Clean(guard) = segment.lock().unwrap() else { panic!("nobody died") };
    for verb in ["set", "add"] {
        let arguments = [verb, "jobs", "77", "x", "--timeout", "0.05"];
        place.fails(arguments, 6, &["not released within", "try: `shmap stat jobs`"]);
    }
    place.fails(["del", "jobs", "3325", "--timeout", "0.05"], 6, &["not released within"]);
    place.fails(["load", "jobs", "jobs.tsv", "--timeout", "0"], 6, &["not released within"]);
    // Readers wait for nobody, nor do writers of a key that is present.
    assert_eq!(place.ok(["get", "jobs", "3325"]), "running\n");
    for verb in ["set", "update"] {
        place.ok([verb, "jobs", "3325", verb, "--timeout", "0.05"]);
        assert_eq!(place.ok(["get", "jobs", "3325"]), format!("{verb}\n"));
    }
    drop(guard);
    place.ok(["set", "jobs", "77", "x"]);
}

#[test]
fn a_map_that_may_be_written_to_is_said() {
    let place = Place::with_maps();
    let writable = Permissions::from_mode(0o600);
    std::fs::set_permissions(place.path("words", "snapshot"), writable).unwrap();
    for verb in EITHER.iter().filter(|verb| verb[0] != "rm") {
        place.fails(with(verb, "words"), 9, &["0o600", "try: `chmod a-w "]);
    }
}
