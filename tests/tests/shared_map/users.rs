//! Other users' maps: who may read, replace and remove what.

use super::*;

#[test]
fn another_user_reads_mode_0444_and_nothing_else() {
    if !is_root("becoming another user") {
        return;
    }
    let (namespace, _) = with_map();
    let said = run_as(NOBODY, WORKER, "map-probe", namespace.path());
    assert!(said[..2].iter().all(|line| line.contains("Permission ")), "{said:?}");
    let options = sharing(&namespace, true).mode(0o444);
    tree("new").share_with("test", &options).unwrap();
    let said = run_as(NOBODY, WORKER, "map-probe", namespace.path());
    assert_eq!(said[..2], ["open: ok: 2 entries", "copy: ok: 2 entries"]);
    assert!(said[2].contains("DuplicateKey"), "{said:?}");
    // A user who may not read the control segment can still open the map.
    set_mode(&namespace.path().join(BOTH[0]), 0o600);
    assert_eq!(run_as(NOBODY, WORKER, "map-probe", namespace.path())[0], "open: ok: 2 entries");
    assert_eq!(namespace.files().unwrap(), BOTH);
}

#[test]
fn who_may_not_remove_a_map_leaves_nothing_beside_it() {
    if !is_root("becoming another user") {
        return;
    }
    let (namespace, path) = with_map();
    // Everybody may make files there, and nobody remove those of others.
    std::fs::set_permissions(namespace.path(), Permissions::from_mode(0o1777)).unwrap();
    set_mode(&path, 0o444);
    std::fs::remove_file(namespace.path().join(BOTH[0])).unwrap();
    assert_eq!(run_as(NOBODY, WORKER, "map-remove", namespace.path()), ["Permission"]);
    assert_eq!(namespace.files().unwrap(), [BOTH[1]]);
}

#[test]
fn a_strangers_control_segment_keeps_nobody_from_removing_a_map() {
    if !is_root("giving files away") {
        return;
    }
    let (namespace, _) = with_map();
    chown(namespace.path().join(BOTH[0]), Some(NOBODY), None).unwrap();
    let error = tree("new").share_with("test", &sharing(&namespace, true)).unwrap_err();
    assert_eq!(error.code(), ResultCode::Permission, "{error:?}");
    SharedMap::remove_with("test", &opening(&namespace)).unwrap();
    assert_eq!(namespace.files().unwrap(), [BOTH[0]], "which stays");
    let error = SharedMap::remove_with("test", &opening(&namespace)).unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
}

#[test]
fn a_stranger_must_be_trusted() {
    if !is_root("giving files away") {
        return;
    }
    let (namespace, path) = with_map();
    chown(&path, Some(NOBODY), None).unwrap();
    let error = open(&namespace).unwrap_err();
    assert_eq!(error.code(), ResultCode::Permission, "{error:?}");
    let trust = Trust::new().owner(NOBODY);
    let options = opening(&namespace).trust(trust);
    assert_eq!(
        SharedMap::open_with("test", &options, IN_PLACE).unwrap().get("key"),
        Some(&b"old"[..])
    );
    // With a write bit not even then; but a copy is possible.
    set_mode(&path, 0o644);
    let error = SharedMap::open_with("test", &options, IN_PLACE).unwrap_err();
    assert_eq!(error.code(), ResultCode::Permission, "{error:?}");
    assert_eq!(SharedMap::open_copy_with("test", &options).unwrap().len(), 2);
}
