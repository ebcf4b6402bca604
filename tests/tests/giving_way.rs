//! Calls that hold the lock for long hand it to the writers that wait for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use shm_core::Namespace;
use shm_tests::{TempNamespace, options, test_name};
use slotmap_shm::{Table, TableOptions};

const ENTRIES: i32 = if cfg!(debug_assertions) { 200_000 } else { 1_000_000 };
const WRITES: i32 = 20;

/// Writes beside a loop of a long call, with the default timeout. None times out. Returns how
/// long the longest write took, and the longest of the calls.
fn beside(call: fn(&Table<i32>)) -> (Duration, Duration) {
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    let table = Table::<i32>::create(&ns, &test_name(), &options(ENTRIES as usize, 16)).unwrap();
    let entries: Vec<(i32, [u8; 16])> = (0..ENTRIES).map(|key| (key, [1; 16])).collect();
    table.add_many(&entries).unwrap();
    let (started, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let looping = scope.spawn(|| {
            let other = Table::<i32>::open(&ns, &test_name(), &TableOptions::default()).unwrap();
            let mut longest = Duration::ZERO;
            while !stop.load(Ordering::Relaxed) {
                let start = Instant::now();
                call(&other);
                longest = longest.max(start.elapsed());
                started.store(true, Ordering::Relaxed);
            }
            longest
        });
        while !started.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        let mut longest = Duration::ZERO;
        let outcome = (0..WRITES).try_for_each(|key| {
            let start = Instant::now();
            // A batch, because a write of one key that is present needs no lock.
            table.upsert_many(&[(key, b"written")]).map_err(|e| format!("write {key}: {e:?}"))?;
            longest = longest.max(start.elapsed());
            Ok::<(), String>(())
        });
        stop.store(true, Ordering::Relaxed);
        outcome.unwrap();
        (longest, looping.join().unwrap())
    })
}

#[test]
fn writers_get_the_lock_beside_loops_of_long_calls() {
    for (name, call) in [
        ("verify", (|table| table.verify().unwrap()) as fn(&Table<i32>)),
        ("clear", |table| table.clear().unwrap()),
        ("recover", |table| assert_eq!(table.recover().unwrap().slots, 0)),
        ("remove_many and add_many", |table| {
            let keys: Vec<i32> = (1000..ENTRIES / 2).collect();
            let entries: Vec<(i32, &[u8])> = keys.iter().map(|&key| (key, &b"x"[..])).collect();
            table.remove_many(&keys).unwrap();
            table.add_many(&entries).unwrap();
        }),
    ] {
        let (longest, of_calls) = beside(call);
        println!("{name} of {ENTRIES}: longest write {longest:?}, longest call {of_calls:?}");
    }
}
