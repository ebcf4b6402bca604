//! The demo's readers of names find nothing wrong in whole editions, and notice all else: what the
//! demo counts is counted.

use std::path::Path;

use shm_core::Namespace;
use shm_facade::{RbTree, Share, ShareOptions};
use shm_tests::{Child, TempNamespace, WATCHDOG, worker};

const NAMES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/unicode-names.tsv");

/// Publishes the names as edition 1, with some changes, and lets a reader look them up; the
/// mixtures it counts.
fn mixtures(change: impl Fn(&mut RbTree)) -> u64 {
    let dir = TempNamespace::new().unwrap();
    let list = std::fs::read_to_string(Path::new(NAMES)).unwrap();
    let entries = list.lines().map(|line| {
        let (code, name) = line.split_once('\t').unwrap();
        (code, format!("{name}\t1"))
    });
    let mut tree = RbTree::from_entries(entries).unwrap();
    change(&mut tree);
    let namespace = Namespace::at(dir.path());
    let options = ShareOptions::default().namespace(namespace);
    assert_eq!(tree.share_with("unicode-names", &options).unwrap(), 1);

    let mut command = worker(env!("CARGO_BIN_EXE_shm-worker"), "demo-names", dir.path());
    let mut reader = Child::spawn(command.args(["--names", NAMES])).unwrap();
    let said = reader.ask("show", WATCHDOG).unwrap();
    let figures: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(figures["lookups"].as_u64().unwrap() > 0);
    assert_eq!(figures["went_back"], 0);
    reader.close_stdin();
    reader.line(WATCHDOG).unwrap();
    assert!(reader.wait(WATCHDOG).unwrap().success());
    figures["mixtures"].as_u64().unwrap()
}

#[test]
fn a_whole_edition_has_no_mixtures() {
    assert_eq!(mixtures(|_| {}), 0);
}

#[test]
fn values_of_another_edition_are_counted() {
    let of_two = |tree: &mut RbTree| {
        let codes: Vec<Vec<u8>> = tree.iter().map(|(code, _)| code.to_vec()).collect();
        for code in codes.iter().step_by(2) {
            let value = String::from_utf8(tree.get(code).unwrap().to_vec()).unwrap();
            tree.set(code, value.replace("\t1", "\t2")).unwrap();
        }
    };
    assert!(mixtures(of_two) > 0);
}

#[test]
fn a_missing_name_is_counted() {
    let without_a = |tree: &mut RbTree| assert!(tree.remove("U+0041"));
    assert!(mixtures(without_a) > 0);
}
