//! A writer stopped by SIGSTOP in the middle of a write.

use std::time::Duration;

use nix::sys::signal::Signal;
use shm_core::{LockError, Namespace};
use shm_tests::{
    Child, Step, Stepper, TempNamespace, WATCHDOG, create, open_read_only, options, pattern,
    test_name, worker,
};
use slotmap_shm::{Table, TableError};

const BINARY: &str = env!("CARGO_BIN_EXE_shm-worker");
const KEYS: i32 = 20;

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
        let error = writer.upsert(&1, b"late").unwrap_err();
        assert!(matches!(error, TableError::Lock(LockError::TimedOut { .. })), "{error}");
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
