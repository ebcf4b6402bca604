//! Maps that were tables with integer keys, and are read without the type of their keys or with a
//! wrong one.

use crate::place::Place;

/// With a frozen table of keys of this type: 7, 8 and 9.
fn frozen(keys: &str) -> Place {
    let place = Place::with_maps();
    place.ok(["create", "people", "--keys", keys]);
    for key in ["7", "8", "9"] {
        place.ok(["set", "people", key, "x"]);
    }
    place.ok(["freeze", "people", "today"]);
    place
}

#[test]
fn a_search_without_the_type_of_the_keys_says_so() {
    for keys in ["i32", "u32", "i64", "u64"] {
        let place = frozen(keys);
        let said =
            format!("shmap: today: the keys look like those of a frozen table: --keys {keys}\n");
        for words in [&["--from", "8"][..], &["--to", "8"], &["7"], &["7", "--count"]] {
            let run = place.run(["search", "today"].iter().chain(words));
            assert_eq!(run.err, said, "{words:?}");
        }
        let hint = format!("try: the keys look like those of a frozen table: --keys {keys}");
        place.fails(["get", "today", "7"], 1, &["no key 7", &hint]);
        // With the type, or without a bound, there is nothing to say.
        let run = place.run(["search", "today", "--from", "8", "--keys", keys]);
        assert_eq!((&*run.out, &*run.err), ("8\tx\n9\tx\n", ""));
        assert_eq!(place.run(["search", "today"]).err, "");
        let run = place.run(["search", "today", "--from", "\\x80", "--escaped"]);
        assert_eq!(run.err, "");
    }
}

#[test]
fn text_does_not_look_like_numbers() {
    let place = Place::new();
    for text in ["blau\t1\nrotb\t2\n", "größer\t1\nkleine\t2\n", "a\t1\n", ""] {
        place.write("text.tsv", text);
        place.ok(["share", "text", "text.tsv", "--force", "--allow-empty"]);
        let run = place.run(["search", "text", "--from", "zzzz"]);
        assert_eq!((run.code, &*run.err), (1, ""), "{text}");
    }
}

#[test]
fn a_type_of_another_length_is_an_error() {
    let place = frozen("i32");
    let words = ["it has 4 bytes, not 8", "try: the keys look like", "--keys i32"];
    for verb in [
        &["get", "today", "7"][..],
        &["search", "today"],
        &["search", "today", "--from", "8"],
        &["dump", "today"],
        &["watch", "today", "--frames", "1"],
    ] {
        place.fails(verb.iter().chain(&["--keys", "i64"]), 8, &words);
    }
    let words =
        ["key blau stands for no key of type u64: it has 4 bytes, not 8", "try: leave --keys"];
    place.fails(["get", "words", "1", "--keys", "u64"], 8, &words);
    // A map without entries has keys of every type.
    place.ok(["share", "none", "/dev/null"]);
    assert_eq!(place.ok(["dump", "none", "--keys", "i64"]), "");
}

#[test]
fn one_name_for_the_table_and_its_map_is_said() {
    let place = Place::with_maps();
    let both = "shmap: `jobs` is now a table and a map: to read one, say --kind table or --kind \
                snapshot\n";
    for words in [&["freeze", "jobs"][..], &["freeze", "jobs", "jobs", "--force", "-F=json"]] {
        let said = place.run(words);
        assert!(said.code == 0 && said.err.ends_with(both), "{said:?}");
    }
    let said = place.run(["freeze", "jobs", "today"]);
    assert!(said.code == 0 && !said.err.contains("--kind"), "{said:?}");
}
