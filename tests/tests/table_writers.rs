//! Who writes to a table: living threads, threads that have ended, and killed processes.

use shm_core::Namespace;
use shm_tests::{Stepper, TempNamespace, create, open, open_read_only, options, test_name, worker};
use slotmap_shm::{Table, TableWriter};

const WORKER: &str = env!("CARGO_BIN_EXE_shm-worker");

fn alive(writers: &[TableWriter]) -> Vec<(u32, u32)> {
    writers.iter().filter(|w| w.is_alive).map(|w| (w.pid, w.tid)).collect()
}

#[test]
fn a_killed_writer_is_no_longer_alive() {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, 16, 40);
    for key in 0..10 {
        table.add(&key, vec![0; 40]).unwrap();
    }
    let reader = open_read_only(&namespace);
    let mut command = worker(WORKER, "operation", namespace.path());
    command.args(["--op", "claim-update"]);
    let stepper = Stepper::spawn(&mut command).unwrap();
    let pid = stepper.pid().as_raw() as u32;
    let theirs = |table: &[TableWriter]| table.iter().find(|w| w.pid == pid).cloned();
    // It is registered, and has not begun the update.
    let living = theirs(&table.writers()).unwrap();
    assert!(living.is_alive && living.command.as_deref() == Some("shm-worker"), "{living:?}");
    let read = theirs(&reader.writers()).unwrap();
    assert_eq!((living.tid, read.tid, read.is_alive), (pid, pid, true));
    stepper.kill().unwrap();
    let dead = theirs(&reader.writers()).unwrap();
    assert_eq!(dead, {
        let mut dead = living;
        (dead.is_alive, dead.command) = (false, None);
        dead
    });
}

#[test]
fn threads_and_their_writes_are_told() {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, 16, 8);
    table.add(&0, b"").unwrap();
    table.add(&1, b"").unwrap();
    let reader = open_read_only(&namespace);
    let before: u64 = reader.writers().iter().map(|w| w.writes).sum();
    std::thread::scope(|s| {
        let write = |key: i32| {
            for _ in 0..100 {
                table.update(&key, b"x").unwrap();
            }
            alive(&reader.writers())
        };
        // While a thread lives, it is told, also by another handle.
        let first = s.spawn(move || write(0)).join().unwrap();
        let here = first.iter().filter(|(pid, _)| *pid == std::process::id()).count();
        assert!(here >= 1, "{first:?}");
    });
    let writers = reader.writers();
    let writes: u64 = writers.iter().map(|w| w.writes).sum();
    assert_eq!(writes - before, 100);
    // Another handle that reads, or has not written, is no writer.
    let count = alive(&writers).len();
    drop((open(&namespace), open_read_only(&namespace)));
    assert_eq!(alive(&reader.writers()).len(), count);
}

#[test]
fn growths_are_counted() {
    let namespace = TempNamespace::new().unwrap();
    let options = options(4, 8).max_capacity(32);
    let ns = Namespace::at(namespace.path());
    let table = Table::<i32>::create(&ns, &test_name(), &options).unwrap();
    let reader = open_read_only(&namespace);
    let mut capacity = table.capacity();
    let mut growths = 0;
    for key in 0..32 {
        table.add(&key, b"").unwrap();
        growths += u64::from(table.capacity() != capacity);
        capacity = table.capacity();
        assert_eq!((table.stats().growths, reader.stats().growths), (growths, growths));
    }
    assert_eq!((capacity, growths), (32, 3));
}
