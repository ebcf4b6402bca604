//! What another user may do, and the errors when it may not. Needs root.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use crate::place::{NOBODY, Place, changed, is_root};

/// Maps with these modes, in a directory that all users may read.
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
fn an_input_file_that_may_not_be_read() {
    if !is_root() {
        return;
    }
    let place = with_modes(0o644, 0o444);
    std::fs::set_permissions(place.work().join("words.tsv"), Permissions::from_mode(0o600))
        .unwrap();
    let said = place.as_nobody(["share", "new", "words.tsv"]);
    assert_eq!(said.code, 9, "{said:?}");
    assert!(said.err.contains("words.tsv: Permission denied"), "{said:?}");
}

#[test]
fn what_others_may_read_they_read() {
    if !is_root() {
        return;
    }
    let place = with_modes(0o644, 0o444);
    assert_eq!(place.as_nobody(["get", "jobs", "3325"]).out, "running\n");
    assert_eq!(place.as_nobody(["get", "words", "rot"]).out, "red\n");
    assert_eq!(place.as_nobody(["verify", "jobs"]).out, "jobs\ttable\treadable\n");
    assert_eq!(place.as_nobody(["set", "jobs", "3325", "x"]).code, 9);
    let said = place.as_nobody(["stat", "jobs", "--format", "json"]);
    let stat: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    // Root's processes are among those that it may not inspect.
    assert!(stat["processes_not_seen"].as_u64().unwrap() > 0, "{stat}");
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

#[test]
fn a_control_segment_that_cannot_be_swept_is_said() {
    if !is_root() {
        return;
    }
    let place = with_modes(0o644, 0o444);
    let control = place.path("words", "control");
    std::fs::remove_file(place.path("words", "snapshot")).unwrap();
    std::os::unix::fs::chown(&control, Some(NOBODY), None).unwrap();
    let before = place.files();
    assert!(place.as_nobody(["prune"]).out.contains("control segment of nothing"));
    let said = place.as_nobody(["prune", "--yes"]);
    assert_eq!(said.code, 9, "{said:?}");
    assert!(said.err.contains(control.to_str().unwrap()), "{said:?}");
    said.is_clear().unwrap();
    assert_eq!(changed(&before, &place.files()), Vec::<&str>::new());
}
