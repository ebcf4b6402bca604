//! No space is a typed error, leaves nothing, and never becomes a SIGBUS.

use shm_tests::TempNamespace;
use shm_tests::roles::{is_root, run, scenario};

const WORKER: &str = env!("CARGO_BIN_EXE_shm-worker");

fn role(name: &str, way: &str) {
    let namespace = TempNamespace::new().unwrap();
    let mut command = scenario(WORKER, name, namespace.path());
    command.arg(way);
    let said = run(command);
    assert!(said.iter().all(|line| line.starts_with("skipped: ")), "{said:?}");
}

#[test]
fn tmpfs_full() {
    if is_root("mounting a tmpfs") {
        role("full-disk", "tmpfile");
    }
}

#[test]
fn tmpfs_full_without_unnamed_files() {
    if is_root("mounting a tmpfs") {
        role("full-disk", "no-tmpfile");
    }
}

#[test]
fn files_limited_in_size() {
    role("file-limit", "tmpfile");
    role("file-limit", "no-tmpfile");
}

#[test]
fn sizes_that_no_machine_has() {
    if is_root("mounting a tmpfs") {
        let namespace = TempNamespace::new().unwrap();
        let said = run(scenario(WORKER, "impossible-sizes", namespace.path()));
        assert!(said.iter().all(|line| line.starts_with("skipped: ")), "{said:?}");
    }
}
