//! Who writes to a table: living threads, threads that have ended, and killed processes.

use std::process::Command;

use nix::unistd::gettid;
use shm_core::Namespace;
use shm_tests::roles::is_root;
use shm_tests::{
    Child, Stepper, TempNamespace, WATCHDOG, create, open, open_read_only, options, test_name,
    worker,
};
use slotmap_shm::{Table, TableWriter};

const WORKER: &str = env!("CARGO_BIN_EXE_shm-worker");

/// Process, thread, command, whether it is alive, and writes.
type Told = (u32, u32, Option<String>, bool, u64);

/// What the table tells of its writers, in the order of their threads.
fn told(writers: Vec<TableWriter>) -> Vec<Told> {
    let all = writers.into_iter().map(|w| (w.pid, w.tid, w.command, w.is_alive, w.writes));
    let mut all: Vec<_> = all.collect();
    all.sort();
    all
}

fn this_thread() -> u32 {
    gettid().as_raw() as u32
}

/// The command of this process.
fn command() -> Option<String> {
    Some(std::fs::read_to_string("/proc/self/comm").unwrap().trim_end().to_owned())
}

#[test]
fn a_killed_writer_is_no_longer_alive() {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, 16, 40);
    for key in 0..10 {
        table.add(&key, vec![0; 40]).unwrap();
    }
    let reader = open_read_only(&namespace);
    let mut worker = worker(WORKER, "operation", namespace.path());
    worker.args(["--op", "claim-update"]);
    let mut stepper = Stepper::spawn(&mut worker).unwrap();
    let pid = stepper.pid().as_raw() as u32;
    // These rows were added under the lock, which no record counts.
    let own = (std::process::id(), this_thread(), command(), true, 0);
    let theirs = |alive: bool, writes: u64| {
        (pid, pid, alive.then(|| "shm-worker".to_owned()), alive, writes)
    };
    let expected = |theirs: Told| {
        let mut expected = vec![own.clone(), theirs];
        expected.sort();
        expected
    };
    // It is registered by its first write, and has not begun the next one.
    assert_eq!(told(table.writers()), expected(theirs(true, 1)));
    assert_eq!(told(reader.writers()), expected(theirs(true, 1)));
    assert!(matches!(stepper.run_to_mark(), Ok(shm_tests::Step::Marked(_))));
    assert_eq!(told(reader.writers()), expected(theirs(true, 2)));
    stepper.kill().unwrap();
    assert_eq!(told(table.writers()), expected(theirs(false, 2)));
    assert_eq!(told(reader.writers()), expected(theirs(false, 2)));
}

#[test]
fn threads_and_their_writes_are_told() {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, 16, 8);
    table.add(&0, b"").unwrap();
    table.add(&1, b"").unwrap();
    let reader = open_read_only(&namespace);
    let pid = std::process::id();
    let own = |writes| (pid, this_thread(), command(), true, writes);
    assert_eq!(told(reader.writers()), [own(0)]);
    table.update(&1, b"x").unwrap();
    assert_eq!(told(reader.writers()), [own(1)]);
    let write = || {
        for _ in 0..100 {
            table.update(&0, b"x").unwrap();
        }
        // While a thread lives, it is told, also by another handle.
        (this_thread(), told(reader.writers()))
    };
    let (thread, living) = std::thread::scope(|s| s.spawn(write).join().unwrap());
    let mut expected = vec![own(1), (pid, thread, command(), true, 100)];
    expected.sort();
    assert_eq!(living, expected);
    let ended = (pid, thread, None, false, 100);
    let mut expected = vec![own(1), ended];
    expected.sort();
    assert_eq!(told(reader.writers()), expected);
    // Another handle that reads, or has not written, is no writer.
    drop((open(&namespace), open_read_only(&namespace)));
    assert_eq!(told(reader.writers()), expected);
}

#[test]
fn a_writer_of_another_pid_namespace_is_told_by_the_numbers_there() {
    let unshare = |arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork"]).args(arguments);
        command
    };
    let works = is_root("a pid namespace of its own")
        && unshare(&["true"]).status().is_ok_and(|status| status.success());
    if !works {
        return println!("skipped: no pid namespace of its own");
    }
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, 16, 40);
    table.add(&0, b"").unwrap();
    let reader = open_read_only(&namespace);
    let mut command = unshare(&[WORKER, "on-demand"]);
    let mut child = Child::spawn(command.env(Namespace::ENV, namespace.path())).unwrap();
    child.line(WATCHDOG).unwrap();
    let own = (std::process::id(), this_thread(), self::command(), true, 0);
    // It is process 1 there, and its row is the one with this number: absent at first, and then
    // replaced without the lock. (Process 1 of a namespace ignores that it is stopped.)
    for (line, writes) in [("write", 0), ("claim", 1), ("claim", 2)] {
        assert_eq!(child.ask(line, WATCHDOG).unwrap(), "done");
        let expected = [(1, 1, None, true, writes), own.clone()];
        assert_eq!(told(reader.writers()), expected);
        assert_eq!(told(table.writers()), expected);
    }
    child.close_stdin();
    assert!(child.wait(WATCHDOG).unwrap().success());
    assert_eq!(told(reader.writers()), [(1, 1, None, false, 2), own]);
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
