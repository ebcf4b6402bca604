//! A writer stopped by SIGSTOP in the middle of a write.

use std::time::Duration;

use nix::sys::signal::Signal;
use shm_core::{LockError, Namespace, Ordering};
use shm_tests::{
    Child, Step, Stepper, TempNamespace, WATCHDOG, create, open_read_only, options, pattern,
    test_name, worker,
};
use slotmap_shm::{Table, TableError};

const BINARY: &str = env!("CARGO_BIN_EXE_shm-worker");
const KEYS: i32 = 20;
const CAPACITY: usize = 64;
/// Of a slot with a value of 40 bytes.
const SLOT_WORDS: usize = 16;

/// A writer stopped `depth` instructions after it took the lock; `None` when its
/// write is shorter.
fn stopped(namespace: &TempNamespace, depth: u64) -> Option<Child> {
    let mut child = Child::spawn(&mut worker(BINARY, "on-demand", namespace.path())).unwrap();
    let lock = child.line(WATCHDOG).unwrap().parse().unwrap();
    // Its first write adds the key, the second one is stopped.
    assert_eq!(child.ask("write", WATCHDOG).unwrap(), "done");
    let mut stepper = Stepper::seize(child.pid()).unwrap();
    child.send("stop").unwrap();
    assert!(matches!(stepper.run_to_mark().unwrap(), Step::Marked(_)));
    stepper.step_until(|s| s.owns_lock(lock)).unwrap().unwrap();
    stepper.step(depth).unwrap();
    if !stepper.owns_lock(lock).unwrap() {
        return None;
    }
    stepper.leave_stopped().unwrap();
    Some(child)
}

#[test]
fn readers_proceed_without_a_retry_and_writers_time_out() {
    let mut stops = 0;
    for depth in (0..).step_by(25) {
        let namespace = TempNamespace::new().unwrap();
        let table = create(&namespace, 64, 40);
        for key in 0..KEYS {
            table.add(&key, pattern::value(key, 7, 40)).unwrap();
        }
        let Some(child) = stopped(&namespace, depth) else {
            break;
        };
        stops += 1;
        let key = child.pid().as_raw();
        let reader = open_read_only(&namespace);
        for _ in 0..100 {
            for key in 0..KEYS {
                let value = reader.get(&key).unwrap().unwrap();
                assert_eq!(pattern::sequence(key, &value), Some(7));
            }
            let value = reader.get(&key).unwrap().unwrap();
            assert!(matches!(pattern::sequence(key, &value), Some(0 | 1)), "depth {depth}");
            let both = reader.get_many(&[0, key]).unwrap();
            assert!(both.iter().all(Option::is_some));
            assert_eq!(reader.entries().unwrap().len(), KEYS as usize + 1);
        }
        assert_eq!(reader.read_retries(), 0, "depth {depth}");

        let impatient = options(64, 40).lock_timeout(Some(Duration::from_millis(5)));
        let ns = Namespace::at(namespace.path());
        let writer = Table::<i32>::open(&ns, &test_name(), &impatient).unwrap();
        for error in [
            writer.add(&-1, b"late").unwrap_err(),
            writer.upsert_many(&[(1, b"late")]).unwrap_err(),
            writer.remove(&1).unwrap_err(),
        ] {
            assert!(matches!(error, TableError::Lock(LockError::TimedOut { .. })), "{error}");
        }
        // A key that is present needs no lock.
        writer.update(&2, pattern::value(2, 8, 40)).unwrap();
        let value = reader.get(&2).unwrap().unwrap();
        assert_eq!(pattern::sequence(2, &value), Some(8));
        let value = reader.get(&1).unwrap().unwrap();
        assert_eq!(pattern::sequence(1, &value), Some(7));

        child.signal(Signal::SIGCONT).unwrap();
        assert_eq!(child.line(WATCHDOG).unwrap(), "done");
        let value = reader.get(&key).unwrap().unwrap();
        assert_eq!(pattern::sequence(key, &value), Some(1));
        table.verify().unwrap();
        assert_eq!(table.stats().recoveries, 0);
    }
    assert!(stops >= 5, "stopped at only {stops} depths");
}

/// A writer stopped `depth` instructions after it claimed the slot of its key, which is slot
/// `slot`; `None` when its claim is shorter.
fn stopped_in_a_claim(table: &Table<i32>, depth: u64, slot: usize) -> Option<Child> {
    let namespace = table.segment().path().parent().unwrap();
    let mut child = Child::spawn(&mut worker(BINARY, "on-demand", namespace)).unwrap();
    child.line(WATCHDOG).unwrap();
    assert_eq!(child.ask("write", WATCHDOG).unwrap(), "done");
    let words = table.segment().words();
    let next = words.len() - (CAPACITY - slot) * SLOT_WORDS + 1;
    let is_claimed = || words.load(next, Ordering::Acquire) >> 63 == 1;
    assert!(!is_claimed());
    let mut stepper = Stepper::seize(child.pid()).unwrap();
    child.send("claim").unwrap();
    assert!(matches!(stepper.run_to_mark().unwrap(), Step::Marked(_)));
    stepper.step_until(|_| Ok(is_claimed())).unwrap().unwrap();
    stepper.step(depth).unwrap();
    if !is_claimed() {
        return None;
    }
    stepper.leave_stopped().unwrap();
    Some(child)
}

#[test]
fn a_writer_stopped_in_a_claim_holds_up_its_own_key_only() {
    let mut stops = 0;
    for depth in 0.. {
        let namespace = TempNamespace::new().unwrap();
        let table = create(&namespace, CAPACITY, 40);
        for key in 0..KEYS {
            table.add(&key, pattern::value(key, 7, 40)).unwrap();
        }
        let Some(mut child) = stopped_in_a_claim(&table, depth, KEYS as usize) else {
            break;
        };
        stops += 1;
        let key = child.pid().as_raw();
        let sequence = |key| pattern::sequence(key, &table.get(&key).unwrap().unwrap());
        let reader = open_read_only(&namespace);
        let before = reader.entries().unwrap();
        assert_eq!(before.len(), KEYS as usize + 1);
        assert!(matches!(sequence(key), Some(0 | 1)), "depth {depth}");
        assert_eq!(reader.read_retries(), 0, "depth {depth}");

        let impatient = options(CAPACITY, 40).lock_timeout(Some(Duration::from_millis(2)));
        let ns = Namespace::at(namespace.path());
        let writer = Table::<i32>::open(&ns, &test_name(), &impatient).unwrap();
        for error in [
            writer.upsert(&key, b"late").unwrap_err(),
            writer.update_many(&[(1, b"late"), (key, b"late")]).unwrap_err(),
            writer.remove(&key).unwrap_err(),
            writer.clear().unwrap_err(),
        ] {
            let holder = match &error {
                TableError::Lock(LockError::TimedOut { holder, .. }) => holder.as_ref(),
                TableError::InBatch { source, .. } => match &**source {
                    TableError::Lock(LockError::TimedOut { holder, .. }) => holder.as_ref(),
                    _ => None,
                },
                _ => None,
            };
            let holder = holder.unwrap_or_else(|| panic!("depth {depth}: {error}"));
            assert!(holder.to_string().contains(&key.to_string()), "depth {depth}: {holder}");
        }
        assert_eq!(reader.entries().unwrap(), before, "nothing was changed");
        // All other keys go on, with the lock and without it.
        writer.update(&1, pattern::value(1, 8, 40)).unwrap();
        writer.update_many(&[(2, pattern::value(2, 8, 40))]).unwrap();
        writer.add(&-1, b"new").unwrap();
        writer.remove(&-1).unwrap();
        writer.verify().unwrap();
        assert_eq!((sequence(1), sequence(2), sequence(3)), (Some(8), Some(8), Some(7)));

        if depth % 2 == 0 {
            child.signal(Signal::SIGCONT).unwrap();
            assert_eq!(child.line(WATCHDOG).unwrap(), "done");
            assert_eq!(sequence(key), Some(1));
        } else {
            let found = sequence(key);
            child.kill().unwrap();
            assert_eq!(sequence(key), found, "depth {depth}");
        }
        // Whether it went on or died: at once, and without a repair.
        writer.update(&key, pattern::value(key, 9, 40)).unwrap();
        assert_eq!(sequence(key), Some(9));
        table.verify().unwrap();
        assert_eq!(table.stats().recoveries, 0);
    }
    assert!(stops >= 10, "stopped at only {stops} depths");
}

#[test]
fn a_stopped_writer_that_is_killed_is_repaired_after() {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, 64, 40);
    let mut child = stopped(&namespace, 30).unwrap();
    let key = child.pid().as_raw();
    child.kill().unwrap();
    table.add(&1, b"next").unwrap();
    assert_eq!(table.stats().recoveries, 1);
    let value = table.get(&key).unwrap().unwrap();
    assert!(matches!(pattern::sequence(key, &value), Some(0 | 1)));
    table.verify().unwrap();
}
