//! What another user may do with a table: read it if its mode says so, and no more.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};

use shm_core::{CreateError, Namespace, OpenError, Trust};
use shm_facade::StatusOptions;
use shm_facade::{ResultCode, StatusReader};
use shm_tests::roles::{NOBODY, is_root, run_as};
use shm_tests::{TempNamespace, options, test_name};
use slotmap_shm::{Table, TableOpenError, TableOptions, TableReader};

const WORKER: &str = env!("CARGO_BIN_EXE_shm-worker");

/// A table of this mode in a directory that all may look into.
fn with_mode(mode: u32) -> (TempNamespace, Table<i32>) {
    let namespace = TempNamespace::new().unwrap();
    std::fs::set_permissions(namespace.path(), Permissions::from_mode(0o755)).unwrap();
    let options = options(16, 40).mode(mode).trust(Trust::new().shared_writers());
    let ns = Namespace::at(namespace.path());
    let table = Table::create(&ns, &test_name(), &options).unwrap();
    table.add(&1, b"one").unwrap();
    (namespace, table)
}

#[test]
fn mode_0644_is_readable_by_another_user() {
    if !is_root("becoming another user") {
        return;
    }
    let (namespace, table) = with_mode(0o644);
    let said = run_as(NOBODY, WORKER, "probe", namespace.path());
    assert_eq!(said[0], "read: ok: 1 entries");
    assert_eq!(said[3], "facade read: ok");
    for line in [&said[1], &said[2]] {
        assert!(line.contains("Permission denied"), "{line}");
    }
    assert_eq!(said[4], "facade make: Permission");
    table.add(&2, b"two").unwrap();
    assert_eq!(run_as(NOBODY, WORKER, "probe", namespace.path())[0], "read: ok: 2 entries");
}

#[test]
fn mode_0600_is_not() {
    if !is_root("becoming another user") {
        return;
    }
    let (namespace, _table) = with_mode(TableOptions::default().mode);
    for line in run_as(NOBODY, WORKER, "probe", namespace.path()) {
        assert!(line.contains("Permission denied") || line.ends_with("Permission"), "{line}");
    }
}

#[test]
fn another_users_table_must_be_trusted() {
    if !is_root("giving files away") {
        return;
    }
    let (namespace, table) = with_mode(0o644);
    let stranger = NOBODY - 1;
    chown(table.segment().path(), Some(stranger), None).unwrap();
    let (ns, name) = (Namespace::at(namespace.path()), test_name());
    let open = |trust: Trust| {
        let options = TableOptions::default().trust(trust);
        TableReader::<i32>::open_read_only(&ns, &name, &shm_tests::reading(&options))
    };
    for trust in [Trust::new(), Trust::new().owner(NOBODY), Trust::new().shared_writers()] {
        let error = open(trust).unwrap_err();
        assert!(
            matches!(error, TableOpenError::Open(OpenError::ForeignOwner { found, .. }) if found == stranger),
            "{error:?}"
        );
    }
    let reader = open(Trust::new().owner(NOBODY).owner(stranger)).unwrap();
    assert_eq!(reader.get(&1).unwrap().unwrap(), b"one");
    // And so through the facade.
    let options = |trust| StatusOptions::default().namespace(ns.clone()).trust(trust);
    let code =
        StatusReader::open_read_only_with("test", &options(Trust::new())).unwrap_err().code();
    assert_eq!(code, ResultCode::Permission);
    StatusReader::open_read_only_with("test", &options(Trust::new().owner(stranger))).unwrap();
}

#[test]
fn shared_writers_must_be_asked_for() {
    let (namespace, _table) = with_mode(0o666);
    let (ns, name) = (Namespace::at(namespace.path()), test_name());
    let open = |trust: Trust| {
        let options = TableOptions::default().trust(trust);
        Table::<i32>::open(&ns, &name, &options)
    };
    let error = open(Trust::new()).unwrap_err();
    assert!(
        matches!(error, TableOpenError::Open(OpenError::ForeignWriters { mode: 0o666, .. })),
        "{error:?}"
    );
    open(Trust::new().shared_writers()).unwrap().add(&2, b"two").unwrap();
}

#[test]
fn a_directory_without_permission() {
    if !is_root("becoming another user") {
        return;
    }
    let (namespace, _table) = with_mode(0o644);
    std::fs::set_permissions(namespace.path(), Permissions::from_mode(0o700)).unwrap();
    let said = run_as(NOBODY, WORKER, "probe", namespace.path());
    assert!(said[..3].iter().all(|line| line.contains("Permission denied")), "{said:?}");
    // The user may look into the directory, but not create: nothing is left behind either.
    let empty = TempNamespace::new().unwrap();
    std::fs::set_permissions(empty.path(), Permissions::from_mode(0o755)).unwrap();
    let said = run_as(NOBODY, WORKER, "probe", empty.path());
    assert!(said[0].contains("does not exist") && said[1].contains("does not exist"), "{said:?}");
    assert!(said[2].contains("Permission denied"), "{said:?}");
    assert!(said[3].ends_with("NotFound") && said[4].ends_with("Permission"), "{said:?}");
    assert!(empty.files().unwrap().is_empty());
}

#[test]
fn a_table_that_others_may_write_needs_trust_to_be_made() {
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    let shared = TableOptions::default().mode(0o660);
    // No trust makes other bits possible, so trust is not what is asked for.
    let impossible = TableOptions::default().mode(0o777);
    for make in [Table::<i32>::create, Table::<i32>::open_or_create] {
        let error = make(&ns, &test_name(), &shared).unwrap_err();
        let said =
            matches!(error, TableOpenError::Open(OpenError::ForeignWriters { mode: 0o660, .. }));
        assert!(said, "{error:?}");
        let error = make(&ns, &test_name(), &impossible).unwrap_err();
        let said = matches!(error, TableOpenError::Create(CreateError::BadMode { mode: 0o777 }));
        assert!(said, "{error:?}");
        assert!(namespace.files().unwrap().is_empty());
    }
    let trusting = shared.trust(Trust::new().shared_writers());
    Table::<i32>::create(&ns, &test_name(), &trusting).unwrap();
    for _ in 0..2 {
        Table::<i32>::open_or_create(&ns, &test_name(), &trusting).unwrap();
    }
}
