//! A header that is reset rather than refused: a table on a disk that outlived
//! its boot with the lock held and the data half changed, and a file that was copied.

use std::path::PathBuf;

use shm_core::{Name, Namespace, OpenError};
use shm_tests::patch::{self, Checksum, SESSION, TABLE_BODY, session};
use shm_tests::roles::{finish, scenario};
use shm_tests::{Child, TempNamespace, WATCHDOG, create, open, open_read_only, test_name};
use slotmap_shm::{Access, KIND, Table, TableError, TableOpenError, TableOptions, TableReader};

const WORKER: &str = env!("CARGO_BIN_EXE_shm-worker");
const ENTRIES: i32 = 20;
/// Words of the body: epoch of the index, number of entries, first word of the index.
const EPOCH: u64 = 0;
const LEN: u64 = 16;

/// A table in a directory on a disk, and its file.
fn on_disk() -> (TempNamespace, PathBuf) {
    let namespace = TempNamespace::below(env!("CARGO_TARGET_TMPDIR").as_ref()).unwrap();
    let table = create(&namespace, 32, 40);
    for key in 0..ENTRIES {
        table.add(&key, format!("value {key}").as_bytes()).unwrap();
    }
    table.flush().unwrap();
    let path = table.segment().path().to_owned();
    (namespace, path)
}

fn assert_intact(table: &Table<i32, impl Access>) {
    for key in 0..ENTRIES {
        assert_eq!(table.get(&key).unwrap().unwrap(), format!("value {key}").as_bytes());
    }
}

/// What a power cut leaves: the lock held by a thread that now is another one (this
/// one, which lives), an index half rebuilt, a wrong count.
fn leave_locked(path: &std::path::Path) {
    patch::hold_lock(path, nix::unistd::gettid().as_raw() as u32).unwrap();
    patch::bytes(path, TABLE_BODY + EPOCH * 8, &7u64.to_ne_bytes()).unwrap();
    patch::bytes(path, TABLE_BODY + LEN * 8, &3u64.to_ne_bytes()).unwrap();
    patch::bytes(path, TABLE_BODY + (24 + 32) * 8, &[0; 64 * 8]).unwrap();
}

fn other_boot(path: &std::path::Path) {
    patch::field(path, SESSION, session::BOOT_ID, &[0xB0; 16], Checksum::Right).unwrap();
}

#[test]
fn earlier_boot_is_reset_and_repaired() {
    let (namespace, path) = on_disk();
    // While writers live, the lock is valid.
    let living = open(&namespace);
    leave_locked(&path);
    let limit = Some(std::time::Duration::from_millis(20));
    let impatient = TableOptions::default().lock_timeout(limit);
    let ns = Namespace::at(namespace.path());
    let table = Table::<i32>::open(&ns, &test_name(), &impatient).unwrap();
    let error = std::thread::scope(|s| s.spawn(|| table.add(&100, b"")).join().unwrap());
    assert!(matches!(error, Err(TableError::Lock(_))), "{error:?}");
    drop((living, table));

    other_boot(&path);
    // Reading needs no reset and does none, and does not need the index either.
    let before: [u8; 64] = patch::read(&path, 256).unwrap();
    assert_intact(&open_read_only(&namespace));
    assert_eq!(patch::read::<64>(&path, 256).unwrap(), before);

    let table = open(&namespace);
    assert_intact(&table);
    table.add(&100, b"new").unwrap();
    table.verify().unwrap();
    assert_eq!((table.stats().recoveries, table.len()), (1, ENTRIES as usize + 1));
    drop(table);
    // It is of this boot now: not reset again.
    let table = open(&namespace);
    table.add(&101, b"new").unwrap();
    assert_eq!(table.stats().recoveries, 1);
}

#[test]
fn earlier_boot_opened_by_16_processes_is_reset_once() {
    for round in 0..5 {
        let (namespace, path) = on_disk();
        leave_locked(&path);
        other_boot(&path);
        let children: Vec<Child> = (0..16)
            .map(|key| {
                let mut command = scenario(WORKER, "visit", namespace.path());
                Child::spawn(command.arg((1000 + key % 8).to_string())).unwrap()
            })
            .collect();
        for child in children {
            let line = finish(child).concat();
            assert!(line.ends_with(" 1"), "recoveries in round {round}: {line}");
        }
        let table = open(&namespace);
        assert_intact(&table);
        assert_eq!((table.len(), table.stats().recoveries), (ENTRIES as usize + 8, 1));
        table.verify().unwrap();
    }
}

#[test]
fn a_lock_that_nobody_alive_holds_is_made_anew() {
    // As in a backup that was taken while a writer held the lock, and put back under the same
    // inode number: the session is this one, and yet nobody will ever unlock.
    let (namespace, path) = on_disk();
    leave_locked(&path);
    let table = open(&namespace);
    table.add(&100, b"new").unwrap();
    assert_eq!(table.stats().recoveries, 1);
    assert_intact(&table);
    table.verify().unwrap();
}

#[test]
fn writers_that_see_another_boot_are_left_alone() {
    // As where a container is shown another boot id than its host.
    let (namespace, path) = on_disk();
    let mut holder = Child::spawn(&mut scenario(WORKER, "hold", namespace.path())).unwrap();
    assert_eq!(holder.line(WATCHDOG).unwrap(), "holding");
    other_boot(&path);
    let session: [u8; 64] = patch::read(&path, 256).unwrap();
    let ns = Namespace::at(namespace.path());
    let error = Table::<i32>::open(&ns, &test_name(), &TableOptions::default()).unwrap_err();
    assert!(matches!(error, TableOpenError::Open(OpenError::ResetBusy { .. })), "{error:?}");
    assert_eq!(patch::read::<64>(&path, 256).unwrap(), session, "left to the others");
    assert_intact(&open_read_only(&namespace));
    // Their deaths end that, wherever they happen.
    holder.kill().unwrap();
    let table = open(&namespace);
    table.add(&100, b"new").unwrap();
    assert_eq!(table.stats().recoveries, 1);
}

#[test]
fn a_damaged_session_is_not_guessed_at() {
    let (namespace, path) = on_disk();
    patch::field(&path, SESSION, session::BOOT_ID, &[0xB0; 16], Checksum::Stale).unwrap();
    let ns = Namespace::at(namespace.path());
    let error = Table::<i32>::open(&ns, &test_name(), &TableOptions::default()).unwrap_err();
    assert!(format!("{error:?}").contains("the session record is damaged"), "{error:?}");
    assert_intact(&open_read_only(&namespace));
}

#[test]
fn copied_file_is_a_table_of_its_own() {
    for namespace in [on_disk().0, in_memory()] {
        let ns = Namespace::at(namespace.path());
        let copy = Name::new("copy").unwrap();
        // Copied while a living process holds the lock.
        let mut holder = Child::spawn(&mut scenario(WORKER, "hold", namespace.path())).unwrap();
        assert_eq!(holder.line(WATCHDOG).unwrap(), "holding");
        std::fs::copy(ns.path_of(&test_name(), KIND), ns.path_of(&copy, KIND)).unwrap();
        let options = TableOptions::default();
        assert_intact(
            &TableReader::open_read_only(&ns, &copy, &shm_tests::reading(&options)).unwrap(),
        );
        let table = Table::<i32>::open(&ns, &copy, &options).unwrap();
        table.add(&100, b"in the copy").unwrap();
        assert_intact(&table);
        table.verify().unwrap();
        assert_eq!(table.stats().recoveries, 1);
        // The original is as it was: locked, and without the new key.
        let impatient =
            TableOptions::default().lock_timeout(Some(std::time::Duration::from_millis(20)));
        let original = Table::<i32>::open(&ns, &test_name(), &impatient).unwrap();
        assert!(matches!(original.add(&100, b""), Err(TableError::Lock(_))));
        holder.close_stdin();
        assert!(holder.wait(WATCHDOG).unwrap().success());
        original.add(&101, b"in the original").unwrap();
        assert_eq!((original.get(&100).unwrap(), table.get(&101).unwrap()), (None, None));
        assert_eq!(original.stats().recoveries, 0);
    }
}

fn in_memory() -> TempNamespace {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, 32, 40);
    for key in 0..ENTRIES {
        table.add(&key, format!("value {key}").as_bytes()).unwrap();
    }
    namespace
}
