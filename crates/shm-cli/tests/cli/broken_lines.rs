//! A broken line of an input file is named: file, line, reason. Nothing is published, nothing set.

use crate::place::Place;

#[test]
fn a_broken_line_names_file_line_and_reason() {
    let place = Place::with_maps();
    for (file, text, said) in [
        ("a.tsv", "1\tx\n2\n", "a.tsv:2: no tab"),
        ("a.tsv", "1\tx\n2\ty\tz\n", "a.tsv:2: 3 fields"),
        ("a.tsv", "1\tx\n\n2\ty\n", "a.tsv:2: a blank line"),
        ("a.tsv", "1\t\\q\n", "a.tsv:1: value: the backslash at byte 1"),
        ("a.csv", "1,x\n", "a.csv:1: the heading is not key,value"),
        ("a.csv", "key,value\n1,x\n2\n", "a.csv:3: 1 fields"),
        ("a.csv", "key,value\n1,\"x\n2,y\n3,z\n", "a.csv:2: a quote that is opened here"),
        ("a.csv", "key,value\n1,\"x\"y\n", "a.csv:2: a quote is opened here, and text follows"),
        ("a.csv", "key,value\n1,x\"y\n", "a.csv:2: a quote in a field that does not begin"),
        ("a.csv", "key,value\n1,x\n\n2,y\n", "a.csv:3: a blank line"),
        ("a.csv", "key,value,note\n1,x,y\n", "a.csv:1: the heading is not key,value: `note`"),
        ("a.jsonl", "{\"key\":1,\"value\":\"x\"}\n{}\n", "a.jsonl:2: there is no \"key\""),
        ("a.ndjson", "{\"key\":1,\"value\":2}\n", "a.ndjson:1: the value is no string"),
        ("a.jsonl", "{\"key\":1,\"value\":\"x\",\"key\":2}\n", "a.jsonl:1: \"key\" is given twice"),
        ("a.jsonl", "{\"key\":1,\"value\":\"x\"}\n\n{}\n", "a.jsonl:2: a blank line"),
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

/// What `load` and `share` advise, whatever the line is.
#[track_caller]
fn advises(place: &Place, arguments: &str, remedy: &str) {
    for command in ["load jobs", "share new"] {
        let words = command.split(' ').chain(arguments.split(' '));
        let remedy = remedy.replace("COMMAND", &format!("shmap {command}"));
        let said = place.fails(words, 11, &[]);
        let hint = said.err.lines().last().unwrap();
        assert_eq!(hint, format!("  try: nothing was changed; {remedy}"), "{said:?}");
    }
}

#[test]
fn each_cause_has_its_remedy() {
    const HEADING: &str = "name its columns: --key-column NAME --value-column NAME; or \
                           --no-heading if it has no heading";
    const COLUMNS: &str =
        "--key-column and --value-column take a name of the heading, or a position from 1";
    const REPAIR: &str = "repair the line, or say --from FORMAT if it is of another one";
    let place = Place::with_maps();
    for (text, arguments, remedy) in [
        ("id,name\n7,a\n", "--from csv", HEADING),
        ("7,a\n8,b\n", "--from csv", HEADING),
        ("", "--from csv", HEADING),
        ("id,name\n7,a\n", "--from csv --key-column key --value-column name", COLUMNS),
        ("id;name\n7;a\n", "--from csv", "--delimiter ';'"),
        ("id\tname\n7\ta\n", "--from csv", "--delimiter tab"),
        ("id|name\n7|a\n", "--from csv --key-column id", "--delimiter '|'"),
        ("key,value\n7,a\n", "--from csv --delimiter ;", "--delimiter ','"),
        ("7;a\n8;b\n", "--from csv --no-heading", "--delimiter ';'"),
        ("exported\nkey,value\n7,a\n", "--from csv", "--skip 1"),
        ("exported\n\nkey,value\n7,a\n", "--from csv", "--skip 2"),
        ("exported\ntoday\n7,a\n", "--from csv --no-heading", "--skip 2"),
        ("exported\nid;name\n7;a\n", "--from csv", "--skip 1 --delimiter ';'"),
        ("x\nexported\nkey,value\n7,a\n", "--from csv --skip 1", "--skip 2"),
        ("key\n7\n", "--from csv", HEADING),
        ("key,value\n7,a\n8;b\n", "--from csv", REPAIR),
        (
            "7,a,x\n",
            "--from csv --no-heading",
            "choose two columns: --key-column N --value-column N",
        ),
        ("exported\n7\ta\n", "--from tsv", "--skip 1"),
        ("7,a\n8,b\n", "--from tsv", "--from csv"),
        ("7;a\n8;b\n", "--from tsv", "--from csv --delimiter ';'"),
        ("{\"key\":7,\"value\":\"a\"}\n", "--from tsv", "--from jsonl"),
        ("7\ta\n8\n", "--from tsv", REPAIR),
        (
            "7\ta\tb\n",
            "--from tsv",
            "choose two columns: --from csv --delimiter tab --key-column \
                                      NAME --value-column NAME",
        ),
        ("{}\n", "--from jsonl", REPAIR),
    ] {
        place.write("a.txt", text);
        advises(&place, &format!("a.txt {arguments}"), remedy);
    }
    // The remedies help.
    place.write("a.txt", "exported\nid;name\n7;a\n");
    let words =
        "load jobs a.txt --from csv --skip 1 --delimiter ; --key-column id --value-column name";
    place.ok(words.split(' '));
}

#[test]
fn a_packed_file_is_unpacked_by_the_command_of_the_hint() {
    let place = Place::with_maps();
    for (name, bytes, tool, format) in [
        ("a.csv.gz", &b"\x1f\x8b\x08\0packed"[..], "gunzip -c", "csv"),
        ("a.jsonl.zst", b"\x28\xb5\x2f\xfdpacked", "zstd -dc", "jsonl"),
        ("a.tsv.xz", b"\xfd7zXZ\0packed", "xz -dc", "tsv"),
        ("a.csv", b"\xff\xfe\0\0a\0\0\0", "iconv -f UTF-32 -t UTF-8", "csv"),
    ] {
        place.write(name, bytes);
        advises(&place, name, &format!("`{tool} {name} | COMMAND - --from {format}`"));
    }
    let zip = "unpack it first; a spreadsheet is saved as CSV (UTF-8)";
    place.write("a.csv", b"PK\x03\x04packed");
    advises(&place, "a.csv", zip);
    let said = place.run_with(["load", "jobs", "-"], b"\x1f\x8b\x08\0packed");
    let hint = "`gunzip -c FILE | shmap load jobs - --from tsv`";
    assert!(said.err.contains(hint), "{said:?}");
}

#[test]
fn a_key_of_another_type_is_for_another_table() {
    let place = Place::with_maps();
    place.ok(["create", "names", "--keys", "str"]);
    for (name, key, keys) in [
        ("jobs", &b"two"[..], "str"),
        ("jobs", b"4294967296", "i64"),
        ("jobs", b"18446744073709551615", "u64"),
        ("names", b"\\xff", "bytes"),
    ] {
        place.write("a.tsv", [&b"1\tx\n"[..], key, b"\ty\n"].concat());
        let hint = format!("changed; a table for such keys: `shmap create OTHER --keys {keys}`");
        place.fails(["load", name, "a.tsv"], 11, &["a.tsv:2: ", &hint]);
    }
    place.write("a.tsv", "id\tname\n1\tx\n");
    place.fails(
        ["load", "jobs", "a.tsv"],
        11,
        &["--skip 1 if this is a heading; a table for such"],
    );
    let words = ["share", "new", "a.tsv", "--keys", "i32"];
    place.fails(words, 11, &["--skip 1 if this is a heading; leave --keys out"]);
}

const TEXTS: [(&str, &str); 3] = [
    ("tsv", "1\tx\n2\ty\n"),
    ("csv", "key,value\n1,x\n2,y\n"),
    ("jsonl", "{\"key\":\"1\",\"value\":\"x\"}\n{\"key\":\"2\",\"value\":\"y\"}\n"),
];

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_key() {
    let place = Place::with_maps();
    for (format, text) in TEXTS {
        let utf_16 = |order: fn(u16) -> [u8; 2]| {
            format!("\u{feff}{text}").encode_utf16().flat_map(order).collect::<Vec<u8>>()
        };
        let utf_8 = format!("\u{feff}{text}\n\n").into_bytes();
        for bytes in [utf_8, utf_16(u16::to_le_bytes), utf_16(u16::to_be_bytes)] {
            let file = format!("a.{format}");
            place.write(&file, &bytes);
            place.ok(["share", "new", &file, "--force"]);
            assert_eq!(place.ok(["dump", "new"]), "1\tx\n2\ty\n", "{format}");
            place.ok(["load", "jobs", &file]);
            assert_eq!(place.ok(["get", "jobs", "1", "2"]), "1\tx\n2\ty\n", "{format}");
            let words = ["share", "new", "-", "--force", "--from", format];
            let said = place.run_with(words, &bytes);
            // Bytes of the file, not of the text.
            let read = format!("2 entries, {} B in ", bytes.len());
            assert!(said.code == 0 && said.err.starts_with(&read), "{said:?}");
        }
    }
}

#[test]
fn a_file_that_is_no_text_of_a_known_encoding_is_refused() {
    let place = Place::with_maps();
    for (format, text) in TEXTS {
        let utf_16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let utf_32: Vec<u8> =
            format!("\u{feff}{text}").chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        for (bytes, said) in [
            (utf_16.clone(), ":1: a NUL byte"),
            (
                [&[0xff, 0xfe][..], &utf_16[..utf_16.len() - 1]].concat(),
                ": not UTF-16LE, which the byte order mark",
            ),
            (utf_32, ":1: the file is UTF-32"),
            (b"\x1f\x8b\x08\0packed".to_vec(), ":1: the file is gzip"),
        ] {
            let file = format!("a.{format}");
            place.write(&file, bytes);
            for words in [["share", "words", &file, "--force"], ["load", "jobs", &file, "-F=json"]]
            {
                place.fails(words, 11, &[&format!("{file}:"), said, "try: "]);
            }
        }
    }
    place.fails(["share", "words", ".", "--force"], 10, &[".: Is a directory", "try: "]);
}

#[test]
fn one_stray_quote_in_200_001_lines_publishes_nothing() {
    let place = Place::with_maps();
    let mut text = String::from("key,value\n");
    for i in 2..=200_001 {
        let quote = if i == 777 { "\"" } else { "" };
        text.push_str(&format!("key {i:06},{quote}value\n"));
    }
    place.write("a.csv", text);
    for sorted in [&[][..], &["--sorted"], &["--force"]] {
        let words = ["share", "new", "a.csv"].iter().chain(sorted);
        place.fails(words, 11, &["a.csv:777: a quote that is opened here and never closed"]);
    }
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
