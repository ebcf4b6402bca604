//! Nothing is allocated or freed while the table's lock is held: an allocator that waits, maps
//! pages or is interrupted there would hold up every writer.

#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::borrow::Borrow;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use shm_core::Namespace;
use shm_tests::{TempNamespace, options, test_name};
use slotmap_shm::{Key, Table, TableError, TypedKey};

struct Watched;

/// Address of the word that names the holder of the lock, and what happened while there was one:
/// this thread, the only one.
static OWNER: AtomicUsize = AtomicUsize::new(0);
static UNDER_LOCK: AtomicUsize = AtomicUsize::new(0);

fn note() {
    let owner = OWNER.load(Ordering::Relaxed) as *const AtomicU64;
    // SAFETY: null, or the address of a word in the mapping of a living table.
    let Some(owner) = (unsafe { owner.as_ref() }) else { return };
    if owner.load(Ordering::Relaxed) != 0 {
        UNDER_LOCK.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: everything is the system allocator's.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        note();
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        note();
        // SAFETY: as the caller promises.
        unsafe { System.realloc(at, layout, len) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// How often `f` allocated or freed while it held the lock.
fn under_lock<K: Key + ?Sized, R>(table: &Table<K>, f: impl FnOnce() -> R) -> usize {
    UNDER_LOCK.store(0, Ordering::Relaxed);
    OWNER.store(table.lock_address(), Ordering::Relaxed);
    drop(f());
    OWNER.store(0, Ordering::Relaxed);
    UNDER_LOCK.load(Ordering::Relaxed)
}

fn every_call<K: TypedKey + ?Sized, Q: Borrow<K> + Clone>(key: impl Fn(usize) -> Q) {
    const SIZE: usize = 300;
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    let table = Table::<K>::create(&ns, &test_name(), &options(64, SIZE)).unwrap();
    let value = [7; SIZE];
    let first = key(0);
    let first = first.borrow();
    let batch: Vec<(Q, &[u8])> = (1..40).map(|n| (key(n), &value[..])).collect();
    let too_many: Vec<(Q, &[u8])> = (40..120).map(|n| (key(n), &value[..])).collect();
    let keys: Vec<Q> = batch.iter().map(|(key, _)| key.clone()).collect();
    let check = |what: &str, seen: usize| assert_eq!(seen, 0, "{what} under the lock");

    check("add", under_lock(&table, || table.add(first, value).unwrap()));
    check("add, duplicate", under_lock(&table, || table.add(first, value).unwrap_err()));
    check("update", under_lock(&table, || table.update(first, value).unwrap()));
    let absent = key(63);
    let absent = absent.borrow();
    check("update, absent", under_lock(&table, || table.update(absent, value).unwrap_err()));
    check("upsert", under_lock(&table, || table.upsert(first, value).unwrap()));
    check("remove, absent", under_lock(&table, || table.remove(absent).unwrap_err()));
    check("add_many", under_lock(&table, || table.add_many(&batch).unwrap()));
    check("add_many, duplicate", under_lock(&table, || table.add_many(&batch).unwrap_err()));
    check("add_many, full", under_lock(&table, || table.add_many(&too_many).unwrap_err()));
    check("update_many", under_lock(&table, || table.update_many(&batch).unwrap()));
    check("upsert_many", under_lock(&table, || table.upsert_many(&batch).unwrap()));
    let exchange = |expected: &[u8]| table.compare_exchange(first, expected, [9; SIZE]);
    check("exchange", under_lock(&table, || exchange(&value).unwrap()));
    let mismatch = || match exchange(&value) {
        Err(TableError::Mismatch { found, .. }) => assert_eq!(&found[..], [9; SIZE]),
        other => panic!("{other:?}"),
    };
    check("exchange, mismatch", under_lock(&table, mismatch));
    check("fetch_add, no counter", under_lock(&table, || table.fetch_add(first, 1).unwrap_err()));
    table.update(first, 5i64.to_le_bytes()).unwrap();
    check("fetch_add", under_lock(&table, || assert_eq!(table.fetch_add(first, 1).unwrap(), 5)));
    check("increment", under_lock(&table, || assert_eq!(table.increment(first, 1, 0).unwrap(), 7)));
    check("update_with", under_lock(&table, || table.update_with(first, |v| v.push(1)).unwrap()));
    check("verify", under_lock(&table, || table.verify().unwrap()));
    check("recover", under_lock(&table, || table.recover().unwrap()));
    check("remove_many", under_lock(&table, || table.remove_many(&keys).unwrap()));
    check("remove_many, absent", under_lock(&table, || table.remove_many(&keys).unwrap_err()));
    // Keys are added and removed until the index was rebuilt at least once.
    check(
        "churn",
        under_lock(&table, || {
            for n in 0..2000 {
                table.add(key(1000 + n).borrow(), value).unwrap();
                table.remove(key(1000 + n).borrow()).unwrap();
            }
        }),
    );
    check("clear", under_lock(&table, || table.clear().unwrap()));
    check(
        "remove",
        under_lock(&table, || {
            table.add(first, b"").unwrap();
            table.remove(first).unwrap();
        }),
    );
}

// One test: the watch is global.
#[test]
fn no_call_allocates_while_it_holds_the_lock() {
    every_call::<i64, i64>(|n| n as i64);
    every_call::<str, String>(|n| format!("the key of number {n}"));

    // Control: the watch sees what it is for.
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    let table = Table::<i64>::create(&ns, &test_name(), &options(1, 8)).unwrap();
    drop(table);
    let segment = ns
        .open(
            &test_name(),
            slotmap_shm::KIND,
            1,
            &shm_core::Trust::new(),
            &shm_core::Patience::forever(),
        )
        .unwrap();
    OWNER.store(segment.lock_address(), Ordering::Relaxed);
    let before = UNDER_LOCK.load(Ordering::Relaxed);
    let guard = segment.lock().unwrap();
    let seen = vec![1; 100].len();
    drop(guard);
    OWNER.store(0, Ordering::Relaxed);
    assert!(UNDER_LOCK.load(Ordering::Relaxed) > before && seen == 100, "the watch sees nothing");
}
