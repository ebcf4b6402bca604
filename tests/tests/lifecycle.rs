//! Creating, finding, replacing and naming tables.

use std::collections::HashSet;
use std::fs::File;
use std::sync::Arc;

use nix::fcntl::{Flock, FlockArg};
use shm_core::{CreateError, InvalidName, LockError, Name, Namespace};
use shm_facade::{Error, ResultCode, StatusOptions, StatusReader, StatusTable};
use shm_tests::roles::{finish, run, scenario};
use shm_tests::{Child, TempNamespace, WATCHDOG, create, open, open_read_only, options, test_name};
use slotmap_shm::{KIND, Table, TableError, TableOpenError, TableOptions};

const WORKER: &str = env!("CARGO_BIN_EXE_shm-worker");
const PROCESSES: usize = 64;

/// 64 processes wait at a gate, and create one table when it opens. Returns what each did.
fn at_once(how: &str, way: &str) -> Vec<(String, String)> {
    let (namespace, outside) = (TempNamespace::new().unwrap(), TempNamespace::new().unwrap());
    let path = outside.path().join("gate");
    let gate = Flock::lock(File::create(&path).unwrap(), FlockArg::LockExclusive).unwrap();
    let children: Vec<Child> = (0..PROCESSES)
        .map(|_| {
            let mut command = scenario(WORKER, "join", namespace.path());
            Child::spawn(command.arg(&path).args([how, way])).unwrap()
        })
        .collect();
    children.iter().for_each(|child| assert_eq!(child.line(WATCHDOG).unwrap(), "ready"));
    drop(gate);
    let said = children.into_iter().map(|child| {
        let line = finish(child).concat();
        let (what, id) = line.split_once(' ').unwrap();
        (what.to_owned(), id.to_owned())
    });
    let said = said.collect();
    let table = open(&namespace);
    assert_eq!(table.len(), PROCESSES, "each added its own key");
    assert_eq!(table.stats().recoveries, 0);
    table.verify().unwrap();
    assert_eq!(namespace.files().unwrap(), ["shmap.test.table"], "no litter");
    said
}

#[test]
fn processes_create_one_name_at_once() {
    for way in ["tmpfile", "no-tmpfile", "tmpfile", "no-tmpfile"] {
        let said = at_once("create", way);
        let created = said.iter().filter(|(what, _)| what == "created").count();
        let attached = said.iter().filter(|(what, _)| what == "attached").count();
        assert_eq!((created, attached), (1, PROCESSES - 1));
        assert_eq!(said.iter().map(|(_, id)| id).collect::<HashSet<_>>().len(), 1);
    }
}

#[test]
fn processes_open_or_create_one_name_at_once() {
    for way in ["tmpfile", "no-tmpfile", "tmpfile", "no-tmpfile"] {
        let said = at_once("open-or-create", way);
        assert_eq!(said.iter().map(|(_, id)| id).collect::<HashSet<_>>().len(), 1);
    }
}

#[test]
fn unlinked_while_mapped() {
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    let table = create(&namespace, 8, 8);
    let reader = open_read_only(&namespace);
    assert!(!table.is_orphaned().unwrap() && !reader.is_orphaned().unwrap());
    assert!(ns.unlink(&test_name(), KIND).unwrap());
    assert!(!ns.unlink(&test_name(), KIND).unwrap(), "gone already");
    assert!(table.is_orphaned().unwrap() && reader.is_orphaned().unwrap());
    // A process that has it open goes on.
    table.add(&1, b"one").unwrap();
    assert_eq!(reader.get(&1).unwrap().unwrap(), b"one");
}

#[test]
fn replaced_while_mapped() {
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    let old = create(&namespace, 8, 8);
    let reader = open_read_only(&namespace);
    // By unlinking and creating, and by renaming another table over it.
    ns.unlink(&test_name(), KIND).unwrap();
    let new = create(&namespace, 8, 8);
    assert!(old.is_orphaned().unwrap() && reader.is_orphaned().unwrap());
    assert!(!new.is_orphaned().unwrap());
    assert_ne!(old.segment().id(), new.segment().id());
    let other = Name::new("other").unwrap();
    let newer = Table::<i32>::create(&ns, &other, &options(8, 8)).unwrap();
    std::fs::rename(ns.path_of(&other, KIND), ns.path_of(&test_name(), KIND)).unwrap();
    assert!(new.is_orphaned().unwrap());
    assert_eq!(open(&namespace).segment().id(), newer.segment().id());
    // Even a directory in its place is noticed.
    ns.unlink(&test_name(), KIND).unwrap();
    std::fs::create_dir(ns.path_of(&test_name(), KIND)).unwrap();
    assert!(new.is_orphaned().unwrap());
}

fn status_options(namespace: &TempNamespace) -> StatusOptions {
    StatusOptions::default().namespace(Namespace::at(namespace.path()))
}

#[test]
fn one_instance_per_process_and_name() {
    let (namespace, elsewhere) = (TempNamespace::new().unwrap(), TempNamespace::new().unwrap());
    let options = status_options(&namespace);
    let instance = |name: &str| StatusTable::instance_with(name, &options).unwrap();
    let first = instance("status");
    assert!(Arc::ptr_eq(&first, &instance("status")));
    assert!(!Arc::ptr_eq(&first, &instance("other")));
    let foreign = StatusTable::instance_with("status", &status_options(&elsewhere)).unwrap();
    assert!(!Arc::ptr_eq(&first, &foreign));
    let threads: Vec<_> = std::thread::scope(|s| {
        let all: Vec<_> = (0..8).map(|_| s.spawn(|| instance("at once"))).collect();
        all.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(threads.iter().all(|t| Arc::ptr_eq(t, &threads[0])));

    // Not a stale one, once its name leads elsewhere.
    assert!(first.unlink().unwrap());
    let second = instance("status");
    assert!(!Arc::ptr_eq(&first, &second) && first.is_orphaned().unwrap());
    assert!(!first.unlink().unwrap(), "the new table of that name is not its to remove");
    assert!(!second.is_orphaned().unwrap());
    second.add(1, "one").unwrap();
    assert_eq!(first.get(1).unwrap(), None);
    drop((first, second));
    assert_eq!(instance("status").get(1).unwrap().unwrap(), b"one", "the table outlives handles");
}

#[test]
fn a_status_table_with_a_max_capacity_grows() {
    let namespace = TempNamespace::new().unwrap();
    let options = status_options(&namespace).capacity(2).max_capacity(5);
    let table = StatusTable::open_or_create_with("status", &options).unwrap();
    let reader = StatusReader::open_read_only_with("status", &options).unwrap();
    assert_eq!((table.capacity(), table.stats().max_capacity), (2, 5));
    for key in 0..5 {
        table.add(key, "x").unwrap();
        assert!(reader.contains(key).unwrap());
    }
    let full = table.add(5, "x").unwrap_err();
    assert_eq!(full.code(), ResultCode::NoSpace, "{full}");
    assert_eq!((reader.len(), reader.capacity()), (5, 5));
    // It counts as a table of the capacity with which it was created.
    let same = StatusTable::instance_with("status", &options).unwrap();
    assert_eq!(same.capacity(), 5);
}

#[test]
fn an_instance_of_other_sizes_is_not_handed_out() {
    let namespace = TempNamespace::new().unwrap();
    let small = status_options(&namespace).capacity(10).value_size(20);
    let instance = StatusTable::instance_with("status", &small).unwrap();
    let asked = |capacity, value_size| {
        let options = small.clone().capacity(capacity).value_size(value_size);
        match StatusTable::instance_with("status", &options) {
            Ok(same) => {
                assert!(Arc::ptr_eq(&same, &instance));
                None
            }
            Err(Error::OpenTable(TableOpenError::GeometryMismatch {
                what,
                found,
                expected,
                ..
            })) => Some((what, found, expected)),
            Err(other) => panic!("{other:?}"),
        }
    };
    assert_eq!(asked(10, 20), None);
    assert_eq!(asked(11, 20), Some(("capacity", 10, 11)));
    assert_eq!(asked(10, 256), Some(("value_size", 20, 256)));
    let growing = StatusTable::instance_with("status", &small.clone().max_capacity(30));
    assert!(matches!(
        growing,
        Err(Error::OpenTable(TableOpenError::GeometryMismatch { what: "max_capacity", .. }))
    ));
    // As for a table that no instance in this process has open.
    drop(instance);
    let error = StatusTable::instance_with("status", &status_options(&namespace)).unwrap_err();
    assert!(
        matches!(error, Error::OpenTable(TableOpenError::GeometryMismatch { .. })),
        "{error:?}"
    );
}

#[test]
fn a_child_that_is_forked_while_others_open_instances_gets_its_own() {
    let namespace = TempNamespace::new().unwrap();
    let said = run(scenario(WORKER, "fork-in-instance", namespace.path()));
    assert!(said.is_empty(), "{said:?}");
}

#[test]
fn list_finds_the_tables() {
    let namespace = TempNamespace::new().unwrap();
    let options = status_options(&namespace);
    for name in ["b", "a.b", "红", "test:3325"] {
        StatusTable::create_with(name, &options).unwrap();
    }
    std::fs::write(namespace.path().join("sem.other"), "").unwrap();
    std::fs::write(namespace.path().join(".shmap-tmp-0123456789abcdef"), "").unwrap();
    let found = StatusTable::list(&options.namespace).unwrap();
    let names: Vec<_> = found.iter().map(|e| (e.name.as_str(), e.kind.as_str())).collect();
    assert_eq!(names, [("a.b", "table"), ("b", "table"), ("test:3325", "table"), ("红", "table")]);
    assert!(StatusTable::unlink_name("b", &options.namespace).unwrap());
    assert_eq!(StatusTable::list(&options.namespace).unwrap().len(), 3);
    let nowhere = Namespace::at(namespace.path().join("absent"));
    assert_eq!(StatusTable::list(&nowhere).unwrap_err().code(), ResultCode::NotFound);
}

#[test]
fn umask_changes_nothing() {
    for umask in ["000", "022", "077", "777"] {
        for mode in ["600", "644", "640", "666", "604"] {
            for way in ["tmpfile", "no-tmpfile"] {
                let namespace = TempNamespace::new().unwrap();
                let mut command = scenario(WORKER, "umask", namespace.path());
                command.args([umask, mode, way]);
                assert!(run(command).is_empty());
            }
        }
    }
}

#[test]
fn impossible_modes_are_refused() {
    let namespace = TempNamespace::new().unwrap();
    for mode in [0o700, 0o200, 0, 0o1600, 0o4600, 0o400, 0o444, 0o466] {
        let options = options(4, 8).mode(mode);
        let error = Table::<i32>::create(&Namespace::at(namespace.path()), &test_name(), &options)
            .unwrap_err();
        let TableOpenError::Create(CreateError::BadMode { mode: found }) = error else {
            panic!("{error:?}");
        };
        assert_eq!(found, mode);
    }
    assert!(namespace.files().unwrap().is_empty());
}

#[test]
fn bad_names_are_refused() {
    let namespace = TempNamespace::new().unwrap();
    let options = status_options(&namespace);
    let long = "x".repeat(300);
    let just_too_long = "x".repeat(201);
    let bad = ["", ".", "..", ".hidden", "a/b", "/", "../x", "a\0", "\0", &long, &just_too_long];
    for name in bad {
        assert!(Name::new(name).is_err(), "{name:?}");
        let errors = [
            StatusTable::instance_with(name, &options).map(drop),
            StatusTable::open_or_create_with(name, &options).map(drop),
            StatusTable::create_with(name, &options).map(drop),
            StatusTable::open_with(name, &options).map(drop),
            StatusReader::open_read_only_with(name, &options).map(drop),
            StatusTable::unlink_name(name, &options.namespace).map(drop),
        ];
        for error in errors.map(Result::unwrap_err) {
            assert!(matches!(error, Error::Name(_)), "{name:?}: {error:?}");
            assert_eq!(error.code() as i32, -4);
        }
    }
    assert_eq!(Name::new(&long), Err(InvalidName::TooLong { len: 300, max: 200 }));
    assert!(namespace.files().unwrap().is_empty());
    let good = "x".repeat(200);
    StatusTable::create_with(&good, &options).unwrap();
    assert_eq!(StatusTable::list(&options.namespace).unwrap()[0].name.as_str(), good);
}

#[test]
fn a_lock_held_elsewhere_times_out_and_says_so() {
    let namespace = TempNamespace::new().unwrap();
    let _table = create(&namespace, 8, 8);
    let mut holder = Child::spawn(&mut scenario(WORKER, "hold", namespace.path())).unwrap();
    assert_eq!(holder.line(WATCHDOG).unwrap(), "holding");
    let limit = std::time::Duration::from_millis(20);
    let impatient = TableOptions::default().lock_timeout(Some(limit));
    let table =
        Table::<i32>::open(&Namespace::at(namespace.path()), &test_name(), &impatient).unwrap();
    let error = table.add(&1, b"one").unwrap_err();
    assert!(
        matches!(error, TableError::Lock(LockError::TimedOut { waited, .. }) if waited >= limit),
        "{error:?}"
    );
    assert_eq!(table.get(&1).unwrap(), None);
    holder.close_stdin();
    assert!(holder.wait(WATCHDOG).unwrap().success());
    table.add(&1, b"one").unwrap();
}
