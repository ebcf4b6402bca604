//! Out of descriptors, out of address space, interrupted by signals.

use std::path::Path;

use shm_tests::roles::{run, scenario};
use shm_tests::{TempNamespace, create};

const WORKER: &str = env!("CARGO_BIN_EXE_shm-worker");

fn role(name: &str, namespace: &TempNamespace) {
    assert!(run(scenario(WORKER, name, namespace.path())).is_empty());
}

#[test]
fn out_of_descriptors() {
    role("no-descriptors", &TempNamespace::new().unwrap());
}

#[test]
fn out_of_address_space() {
    role("no-address-space", &TempNamespace::new().unwrap());
}

#[test]
fn refused_at_the_last_step() {
    role("no-name", &TempNamespace::new().unwrap());
}

#[test]
fn out_of_descriptors_around_maps() {
    role("map-no-descriptors", &TempNamespace::new().unwrap());
}

#[test]
fn out_of_memory_while_maps_are_built() {
    role("map-no-memory", &TempNamespace::new().unwrap());
}

#[test]
fn copies_of_huge_files() {
    // On a disk: in memory, files with holes are refused before.
    let namespace = TempNamespace::below(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let said = run(scenario(WORKER, "map-huge-files", namespace.path()));
    assert!(said.iter().all(|line| line.starts_with("skipped: ")), "{said:?}");
}

#[test]
fn signals_around_maps() {
    role("map-signals", &TempNamespace::new().unwrap());
}

#[test]
fn signals_while_creating_and_opening() {
    role("signals-while-creating", &TempNamespace::new().unwrap());
}

#[test]
fn signals_while_waiting_for_the_lock() {
    let namespace = TempNamespace::new().unwrap();
    let _table = create(&namespace, 8, 8);
    role("signals-while-locking", &namespace);
}
