//! A broken line of an input file is named: file, line, reason. Nothing is published, nothing set.

use crate::place::Place;

#[test]
fn a_broken_line_names_file_line_and_reason() {
    let place = Place::with_maps();
    for (file, text, said) in [
        ("a.tsv", "1\tx\n2\n", "a.tsv:2: no tab"),
        ("a.tsv", "1\tx\n2\ty\tz\n", "a.tsv:2: 3 fields"),
        ("a.tsv", "1\tx\n\n", "a.tsv:2: no tab"),
        ("a.tsv", "1\t\\q\n", "a.tsv:1: value: the backslash at byte 1"),
        ("a.csv", "1,x\n", "a.csv:1: the heading is not key,value"),
        ("a.csv", "key,value\n1,x\n2\n", "a.csv:3: 1 fields"),
        ("a.jsonl", "{\"key\":1,\"value\":\"x\"}\n{}\n", "a.jsonl:2: there is no \"key\""),
        ("a.ndjson", "{\"key\":1,\"value\":2}\n", "a.ndjson:1: the value is no string"),
    ] {
        place.write(file, text);
        let words = [said, "try: nothing was changed"];
        for sorted in [&[][..], &["--sorted"], &["--force"]] {
            place.fails(["share", "new", file].iter().chain(sorted), 11, &words);
        }
        place.fails(["share", "words", file, "--force"], 11, &words);
        place.fails(["load", "jobs", file], 11, &words);
    }
    place.write("a.tsv", "1\tx\ntwo\ty\n");
    place.fails(["load", "jobs", "a.tsv"], 11, &["a.tsv:2: \"two\" is no key of type i32"]);
    let keys = ["share", "new", "a.tsv", "--keys", "i32"];
    place.fails(keys, 11, &["a.tsv:2: \"two\" is no key of type i32"]);
    place.write("a.tsv", b"1\tx\n\xff\ty\n");
    place.ok(["create", "names", "--keys", "str"]);
    place.fails(["load", "names", "a.tsv"], 11, &["a.tsv:2: ", "not UTF-8"]);
}

#[test]
fn a_broken_line_of_standard_input_is_named_too() {
    let place = Place::with_maps();
    let before = place.files();
    for arguments in [&["share", "new", "-"][..], &["load", "jobs", "-"]] {
        let said = place.run_with(arguments, b"1\tx\nbroken\n");
        assert_eq!(said.code, 11, "{said:?}");
        assert!(said.err.contains("standard input:2: no tab"), "{said:?}");
    }
    assert!(place.files() == before);
}

#[test]
fn an_unsorted_line_is_named() {
    let place = Place::new();
    for text in ["a\t1\nc\t2\nb\t3\n", "a\t1\nb\t2\nb\t3\n"] {
        place.write("a.tsv", text);
        let words = ["a.tsv:3: the key is not greater", "try: leave --sorted out"];
        place.fails(["share", "new", "a.tsv", "--sorted"], 11, &words);
    }
    place.ok(["share", "new", "a.tsv"]);
    assert_eq!(place.ok(["get", "new", "b"]), "3\n");
}

#[test]
fn input_that_never_ends_stops_where_it_does_not_fit() {
    let place = Place::with_maps();
    let lines: String = (0..100_000).map(|i| format!("{i}\tx\n")).collect();
    let said = place.run_with(["load", "jobs", "-"], lines.as_bytes());
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.err.contains("standard input:17: the table is full: all 16"), "{said:?}");
    assert_eq!(place.ok(["get", "jobs", "3325", "3326"]), "3325\trunning\n3326\twaiting\n");
}
