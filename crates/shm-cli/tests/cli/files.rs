//! A dump can be loaded again, byte by byte.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::place::{Place, Said};

const FORMATS: [&str; 3] = ["tsv", "csv", "jsonl"];

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// Writes entries as TSV with everything escaped.
fn tsv(entries: &Entries) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("\\x{b:02x}")).collect::<String>();
    entries.iter().map(|(key, value)| format!("{}\t{}\n", hex(key), hex(value))).collect()
}

fn round_trip(entries: &Entries) {
    let place = Place::new();
    place.write("all.tsv", tsv(entries));
    place.ok(["share", "map", "all.tsv"]);
    place.ok(["create", "table", "--keys", "bytes", "--value-size", "64"]);
    place.ok(["load", "table", "all.tsv"]);
    let [map, table] = ["map", "table"].map(|name| place.ok(["dump", name]));
    assert_eq!(map, table);
    for format in FORMATS {
        let dumped = place.command(["dump", "map", "--to", format]).output().unwrap().stdout;
        let file = format!("again.{format}");
        place.write(&file, &dumped);
        place.ok(["share", "again", &file, "--force", "--sorted"]);
        assert_eq!(place.ok(["dump", "again"]), map, "{format}");
        place.ok(["share", "again", &file, "--force"]);
        assert_eq!(place.ok(["dump", "again"]), map, "{format}");
        place.ok(["create", format, "--keys", "bytes", "--value-size", "64"]);
        place.ok(["load", format, &file]);
        assert_eq!(place.ok(["dump", format]), map, "{format}");
    }
    for (key, value) in entries.iter().take(3) {
        let key: String = key.iter().map(|b| format!("\\x{b:02x}")).collect();
        let raw = place.command(["get", "map", "--escaped", "--raw", &key]).output().unwrap();
        assert_eq!(&raw.stdout, value);
    }
}

#[test]
fn every_byte_comes_back() {
    let mut entries: Entries = (0..=255).map(|b| (vec![b], vec![b, b])).collect();
    entries.insert(Vec::new(), Vec::new());
    entries.insert(b"key".to_vec(), b"value".to_vec());
    entries.insert("红\u{202e}\u{feff}".into(), "\r\n\",\t\\".into());
    round_trip(&entries);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn any_entries_come_back(entries in prop::collection::btree_map(
        prop::collection::vec(any::<u8>(), 0..20), prop::collection::vec(any::<u8>(), 0..64), 0..20,
    )) {
        round_trip(&entries);
    }
}

#[test]
fn numbers_come_back() {
    let place = Place::new();
    for (keys, numbers) in [("i32", "-2147483648 -1 0 7"), ("u64", "0 9 18446744073709551615")] {
        place.ok(["create", keys, "--keys", keys]);
        let lines: String = numbers.split(' ').map(|n| format!("{n}\tv{n}\n")).collect();
        place.write("n.tsv", &lines);
        place.ok(["load", keys, "n.tsv"]);
        // In the order of numbers.
        assert_eq!(place.ok(["dump", keys]), lines);
        let table = ["--kind", "table"];
        for format in FORMATS {
            let dumped = place.ok(["dump", keys, "--to", format].iter().chain(&table));
            place.write(&format!("n.{format}"), dumped);
            let file = format!("n.{format}");
            place.ok(["share", keys, &file, "--force", "--sorted", "--keys", keys]);
            assert_eq!(place.ok(["dump", keys, "--kind", "snapshot", "--keys", keys]), lines);
        }
        place.ok(["freeze", keys, "frozen", "--force"]);
        assert_eq!(place.ok(["dump", "frozen", "--keys", keys]), lines);
    }
}

#[test]
fn a_json_key_may_be_a_number() {
    let place = Place::with_maps();
    let line = b"{\"key\":18446744073709551615,\"value\":{\"hex\":\"ff00\"}}\n";
    place.ok(["create", "big", "--keys", "u64"]);
    assert_eq!(place.run_with(["load", "big", "-", "--from", "jsonl"], line).code, 0);
    assert_eq!(place.ok(["dump", "big"]), "18446744073709551615\t\\xff\\x00\n");
    assert_eq!(place.ok(["dump", "big", "--format", "json"]).as_bytes(), line);
}

#[test]
fn how_much_it_was_is_said_at_the_end() {
    let place = Place::with_maps();
    place.write("twice.tsv", "1\ta\n2\tb\n1\tc\n");
    for arguments in [&["load", "jobs", "twice.tsv"][..], &["share", "twice", "twice.tsv"]] {
        let said = place.run(arguments);
        assert!(said.err.starts_with("3 entries, 12 B in "), "{said:?}");
        assert!(said.err.contains(" s; 1 named again later"), "{said:?}");
        assert_eq!(said.out, "");
    }
    assert_eq!(place.ok(["get", "jobs", "1"]), "c\n");
    let said = place.ok(["share", "twice", "twice.tsv", "--force", "--format", "json"]);
    assert!(said.starts_with("{\"edition\":2,\"read\":3,\"entries\":2,\"bytes\":12,"), "{said}");
    let said = place.ok(["load", "jobs", "twice.tsv", "--format", "json"]);
    assert!(said.starts_with("{\"read\":3,\"set\":2,\"bytes\":12,"), "{said}");
}

#[test]
fn the_text_is_not_held_in_memory() {
    let place = Place::new();
    // Four bytes of text for one of a value.
    let value = "\\x41".repeat(1 << 14);
    let lines: String = (0..1400).map(|i| format!("{i:04}\t{value}\n")).collect();
    place.write("big.tsv", &lines);
    let limit = lines.len() / 1024;
    for sorted in ["--sorted --no-index", "--no-index"] {
        let mut shell = std::process::Command::new("bash");
        place.settle(&mut shell);
        let shmap = crate::place::SHMAP;
        let script = format!("ulimit -v {limit}; {shmap} share big big.tsv --force {sorted}");
        let said = Said::of(shell.args(["-c", &script]).output().unwrap());
        assert_eq!(said.code, 0, "{sorted}, {limit} KiB: {said:?}");
    }
    assert_eq!(place.ok(["get", "big", "1399"]).len(), (1 << 14) + 1);
}
