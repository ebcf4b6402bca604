//! A program closes all its descriptors, those of this library too, and their numbers become those
//! of its own files.

use shm_tests::TempNamespace;
use shm_tests::roles::{run, scenario};

const WORKER: &str = env!("CARGO_BIN_EXE_shm-worker");

fn lost(what: &str) {
    let namespace = TempNamespace::new().unwrap();
    let mut command = scenario(WORKER, "lost-descriptors", namespace.path());
    command.arg(what);
    let said = run(command);
    assert!(said.is_empty(), "{said:?}");
}

#[test]
fn closed() {
    lost("nothing");
}

#[test]
fn reused_by_a_log() {
    lost("log");
}

#[test]
fn reused_by_pipes() {
    lost("pipe");
}

#[test]
fn reused_by_sockets() {
    lost("socket");
}

#[test]
fn reused_by_other_openings_of_the_table() {
    lost("same");
}

#[test]
fn reused_by_paths() {
    lost("path");
}

#[test]
fn closed_once_more() {
    let namespace = TempNamespace::new().unwrap();
    assert!(run(scenario(WORKER, "descriptors-lost-twice", namespace.path())).is_empty());
}
