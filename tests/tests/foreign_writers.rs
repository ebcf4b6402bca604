//! Writers that the file locks do not show, or whose thread ids mean something else: a file with
//! two inodes, a handle that was carried into another pid namespace.

use shm_tests::roles::{is_root, run, scenario};
use shm_tests::{TempNamespace, create};

const WORKER: &str = env!("CARGO_BIN_EXE_shm-worker");

/// Runs a scenario, which must come to `expected` unless it was skipped.
fn comes_to(name: &str, namespace: &TempNamespace, expected: &str) {
    let said = run(scenario(WORKER, name, namespace.path()));
    let skipped = said.first().is_some_and(|line| line.starts_with("skipped: "));
    assert!(skipped || said == [expected], "{said:?}");
}

#[test]
fn both_sides_of_an_overlay_write() {
    if is_root("an overlay") {
        comes_to("two-inodes", &TempNamespace::new().unwrap(), "whole");
    }
}

#[test]
fn both_sides_of_an_overlay_write_from_two_pid_namespaces() {
    if is_root("an overlay and a pid namespace") {
        comes_to("two-inodes-and-pids", &TempNamespace::new().unwrap(), "whole");
    }
}

#[test]
fn a_handle_carried_into_another_pid_namespace_writes() {
    if is_root("a pid namespace") {
        let namespace = TempNamespace::new().unwrap();
        drop(create(&namespace, 16, 40));
        comes_to("carried-handle", &namespace, "whole");
    }
}
