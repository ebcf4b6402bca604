//! What a handle tells of its waits and repairs, and that it tells it while it holds no lock.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use shm_core::{Acquired, LockError, Namespace, Patience, Trust};
use shm_tests::patch;
use shm_tests::roles::scenario;
use shm_tests::{Child, TempNamespace, WATCHDOG, create, test_name};
use slotmap_shm::{Event, KIND, Observer, Table, TableError, TableOptions};

const WORKER: &str = env!("CARGO_BIN_EXE_shm-worker");

/// A handle that records what it tells; each time another handle writes, which needs the lock.
fn observed(
    namespace: &TempNamespace,
    also: impl Fn(&Event) + Send + Sync + 'static,
) -> (Table<i32>, Arc<Mutex<Vec<Event>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let record = told.clone();
    let observer = Observer::new(move |event| {
        record.lock().unwrap().push(event.clone());
        also(event);
    });
    let limit = Some(Duration::from_millis(50));
    let options = TableOptions::default().observer(observer).lock_timeout(limit);
    let table = Table::open(&Namespace::at(namespace.path()), &test_name(), &options).unwrap();
    (table, told)
}

#[test]
fn a_repair_is_told_once_and_without_the_lock() {
    let namespace = TempNamespace::new().unwrap();
    let other = create(&namespace, 16, 40);
    let (table, told) =
        observed(&namespace, move |_| other.upsert(&9, b"other").map(drop).unwrap());
    table.add(&1, b"one").unwrap();
    assert_eq!(*told.lock().unwrap(), [], "nobody died, and nobody waits");
    let mut child = Child::spawn(&mut scenario(WORKER, "hold", namespace.path())).unwrap();
    assert_eq!(child.line(WATCHDOG).unwrap(), "holding");
    child.kill().unwrap();
    table.add(&2, b"two").unwrap();
    table.add(&3, b"three").unwrap();
    assert_eq!(*told.lock().unwrap(), [Event::Repaired { slots: 0, entries: 0 }]);
    assert_eq!(table.get(&9).unwrap().unwrap(), b"other");
    assert_eq!(table.stats().recoveries, 1);
    table.verify().unwrap();
}

#[test]
fn a_wait_is_told_when_it_begins() {
    let namespace = TempNamespace::new().unwrap();
    drop(create(&namespace, 16, 40));
    let (table, told) = observed(&namespace, |_| {});
    let (name, ns) = (test_name(), Namespace::at(namespace.path()));
    let segment = ns.open(&name, KIND, 1, &Trust::new(), &Patience::forever()).unwrap();
    let Ok(Acquired::Clean(guard)) = segment.lock() else { panic!("not clean") };
    let error = std::thread::scope(|s| s.spawn(|| table.add(&1, b"one")).join().unwrap());
    assert!(matches!(error, Err(TableError::Lock(LockError::TimedOut { .. }))), "{error:?}");
    drop(guard);
    table.add(&1, b"one").unwrap();
    assert_eq!(*told.lock().unwrap(), [Event::Waiting]);
}

#[test]
fn an_observer_that_panics_leaves_the_check_of_a_damaged_table_to_the_next_write() {
    let namespace = TempNamespace::new().unwrap();
    create(&namespace, 16, 40).add_many(&[(1, "one"), (3, "three")]).unwrap();
    let (name, ns) = (test_name(), Namespace::at(namespace.path()));
    let path = ns.path_of(&name, KIND);
    let whole = std::fs::read(&path).unwrap();
    // Nothing of the body is left: opening finds that, and the first write is to repair.
    patch::bytes(&path, 4096, &vec![0xA5; whole.len() - 4096]).unwrap();
    let (table, told) = observed(&namespace, |event| {
        assert!(*event != Event::Waiting, "on purpose");
    });
    assert!(!table.damage().is_none());
    let segment = ns.open(&name, KIND, 1, &Trust::new(), &Patience::forever()).unwrap();
    let Ok(Acquired::Clean(guard)) = segment.lock() else { panic!("not clean") };
    let panicked = std::thread::scope(|s| s.spawn(|| table.add(&2, b"two")).join().is_err());
    assert!(panicked);
    drop(guard);
    table.upsert(&2, b"two").unwrap();
    table.verify().unwrap();
    let told = told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    assert!(matches!(told[..], [Event::Waiting, Event::Repaired { .. }]), "{told:?}");
}
