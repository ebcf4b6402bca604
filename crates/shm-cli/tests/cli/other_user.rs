//! What another user may do, and what is said to who may not. Needs root.

use std::fs::{File, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::place::{Place, SHMAP, Said};

/// The user `nobody`: neither the caller nor root.
const NOBODY: u32 = 65534;

/// Runs as another user. The file is started through a descriptor, so that the user needs no access to the
/// directories above it.
fn as_nobody(place: &Place, arguments: &[&str]) -> Said {
    let file = File::open(SHMAP).unwrap();
    let mut command = Command::new(format!("/proc/self/fd/{}", file.as_raw_fd()));
    place.settle(&mut command);
    command.args(arguments).uid(NOBODY).gid(NOBODY);
    Said::of(command.output().unwrap())
}

fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        println!("skipped: becoming another user needs root");
    }
    root
}

/// Maps with these modes, in a directory that all may look into.
fn with_modes(table: u32, map: u32) -> Place {
    let place = Place::with_maps();
    for dir in [place.dir().to_owned(), place.work()] {
        std::fs::set_permissions(dir, Permissions::from_mode(0o755)).unwrap();
    }
    for (name, kind, mode) in [("jobs", "table", table), ("words", "snapshot", map)] {
        std::fs::set_permissions(place.path(name, kind), Permissions::from_mode(mode)).unwrap();
    }
    place
}

#[test]
fn every_verb_says_that_it_may_not() {
    if !is_root() {
        return;
    }
    let place = with_modes(0o600, 0o400);
    let before = place.files();
    for arguments in [
        &["stat", "jobs"][..],
        &["stat", "words"],
        &["get", "jobs", "3325"],
        &["get", "words", "rot"],
        &["search", "words"],
        &["dump", "jobs"],
        &["dump", "words"],
        &["watch", "jobs", "--frames", "1"],
        &["watch", "words", "--frames", "1"],
        &["verify", "jobs"],
        &["verify", "words"],
        &["set", "jobs", "3325", "x"],
        &["add", "jobs", "1", "x"],
        &["update", "jobs", "3325", "x"],
        &["del", "jobs", "3325"],
        &["load", "jobs", "jobs.tsv"],
        &["freeze", "jobs", "frozen"],
        &["create", "new"],
        &["share", "new", "words.tsv"],
        &["share", "words", "words.tsv", "--force"],
        &["rm", "jobs"],
        &["rm", "words"],
        &["man", "--out", "."],
    ] {
        let said = as_nobody(&place, arguments);
        assert_eq!(said.code, 9, "{arguments:?}: {said:?}");
        assert!(said.err.to_lowercase().contains("permission denied"), "{arguments:?}: {said:?}");
        assert!(!said.err.contains("panicked"), "{said:?}");
        assert!(place.files() == before, "{arguments:?} changed something");
    }
    // What there is may be seen, and why no more.
    let said = as_nobody(&place, &["list"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.out.to_lowercase().matches("permission denied").count(), 2, "{said:?}");
    assert_eq!(as_nobody(&place, &["prune", "--yes"]).code, 0);
    assert!(place.files() == before);
}

#[test]
fn an_input_file_that_may_not_be_read() {
    if !is_root() {
        return;
    }
    let place = with_modes(0o644, 0o444);
    std::fs::set_permissions(place.work().join("words.tsv"), Permissions::from_mode(0o600))
        .unwrap();
    let said = as_nobody(&place, &["share", "new", "words.tsv"]);
    assert_eq!(said.code, 9, "{said:?}");
    assert!(said.err.contains("words.tsv: Permission denied"), "{said:?}");
}

#[test]
fn what_others_may_read_they_read() {
    if !is_root() {
        return;
    }
    let place = with_modes(0o644, 0o444);
    assert_eq!(as_nobody(&place, &["get", "jobs", "3325"]).out, "running\n");
    assert_eq!(as_nobody(&place, &["get", "words", "rot"]).out, "red\n");
    assert_eq!(as_nobody(&place, &["verify", "jobs"]).out, "jobs\ttable\treadable\n");
    assert_eq!(as_nobody(&place, &["set", "jobs", "3325", "x"]).code, 9);
    let said = as_nobody(&place, &["stat", "jobs", "--format", "json"]);
    let stat: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    // Root's processes are among those that it may not look at.
    assert!(stat["not_looked_at"].as_u64().unwrap() > 0, "{stat}");
}

#[test]
fn a_foreign_owner_needs_trust() {
    if !is_root() {
        return;
    }
    let place = Place::with_maps();
    for (name, kind) in [("jobs", "table"), ("words", "snapshot")] {
        let path = place.path(name, kind);
        std::os::unix::fs::chown(path, Some(NOBODY), None).unwrap();
        place.fails(["dump", name], 9, &["uid 65534", "try: if you trust", "--trust 65534"]);
        place.ok(["dump", name, "--trust", "65534"]);
        place.ok(["dump", name, "--trust", "nobody"]);
    }
    std::fs::set_permissions(place.path("jobs", "table"), Permissions::from_mode(0o666)).unwrap();
    let arguments = ["dump", "jobs", "--trust", "65534"];
    place.fails(arguments, 9, &["0o666", "try: if you trust everybody", "--trust-writers"]);
    place.ok(arguments.iter().chain(&["--trust-writers"]));
}
