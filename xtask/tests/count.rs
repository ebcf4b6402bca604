//! `cargo xtask bench --count` from end to end, with few keys: every call of every map is counted.

use std::process::{Command, Output};

use serde_json::Value;

fn bench(arguments: &[&str]) -> Output {
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    xtask.arg("bench").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_call_of_every_map_is_counted() {
    let few = ["--keys", "urls,ties", "--entries", "300", "--unoptimised", "--json"];
    let Output { status, stdout, stderr } = bench(&[&["--count"], &few[..]].concat());
    let said = text(&stderr);
    assert!(status.success(), "{said}");
    if said.contains("skipped the counts") {
        eprintln!("{said}");
        return;
    }
    let result: Value = serde_json::from_slice(&stdout).unwrap();
    let counts = result["counts"].as_array().unwrap();
    let mut seen = Vec::new();
    for count in counts {
        let figure = |name: &str| count[name].as_f64().unwrap();
        assert!(figure("instructions") > 10.0, "{count}");
        assert!(figure("mispredicted") >= 0.0, "{count}");
        // All of so small a map is in the cache.
        assert!((0.0..0.1).contains(&figure("beyond_second")), "{count}");
        assert!(figure("beyond_third") <= figure("beyond_second"), "{count}");
        let words = ["keys", "call", "map"].map(|name| count[name].as_str().unwrap().to_owned());
        seen.push(words.join(" "));
    }
    let of_one = [
        "get tree",
        "get hash-index",
        "get btree-map",
        "get lmdb",
        "get fst",
        "get hashbrown",
        "get_many tree",
        "get_many hash-index",
        "range tree",
        "range btree-map",
        "range lmdb",
    ];
    let expected: Vec<String> = ["urls", "ties"]
        .iter()
        .flat_map(|keys| of_one.map(|calls| format!("{keys} {calls}")))
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn what_cannot_be_counted_is_refused() {
    for (arguments, named) in [
        (&["--count", "--entries", "0"][..], "--entries"),
        (&["--count", "--entries", "many"], "--entries"),
        (&["--count", "--keys", "dates"], "--keys"),
        (&["--keys", "urls"], "--count"),
        (&["--count", "--rows"], "--rows"),
    ] {
        let output = bench(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(text(&output.stderr).contains(named), "{arguments:?}: {}", text(&output.stderr));
    }
}
