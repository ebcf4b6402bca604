//! Of eight writers that wait for the lock, some are killed. Nobody is stranded.

use shm_core::{Acquired, LockError, Namespace, Patience, Trust};
use shm_tests::random::Random;
use shm_tests::{Child, TempNamespace, WATCHDOG, create, pattern, test_name, worker};
use slotmap_shm::KIND;

const BINARY: &str = env!("CARGO_BIN_EXE_shm-worker");
const WAITERS: usize = 8;
const ROUNDS: usize = 12;

/// Waits until a process sleeps in a futex call.
fn wait_until_blocked(child: &Child) {
    let path = format!("/proc/{}/syscall", child.pid());
    let futex = libc::SYS_futex.to_string();
    let start = std::time::Instant::now();
    loop {
        let call = std::fs::read_to_string(&path).unwrap();
        if call.split(' ').next() == Some(&futex) {
            return;
        }
        assert!(start.elapsed() < WATCHDOG, "it does not wait for the lock: {call}");
        std::thread::yield_now();
    }
}

#[test]
fn nobody_is_stranded() {
    if std::fs::read_to_string("/proc/self/syscall").is_err() {
        eprintln!("skipped: /proc does not show system calls here");
        return;
    }
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, 1024, 40);
    let ns = Namespace::at(namespace.path());
    let segment = ns.open(
        &test_name(),
        KIND,
        table.segment().kind_version(),
        &Trust::new(),
        &Patience::forever(),
    );
    let segment = segment.unwrap();
    let mut random = Random::new(6);
    for round in 0..ROUNDS {
        let mut waiters: Vec<Child> = (0..WAITERS)
            .map(|_| {
                let command = &mut worker(BINARY, "on-demand", namespace.path());
                let child = Child::spawn(command).unwrap();
                child.line(WATCHDOG).unwrap();
                child
            })
            .collect();
        // In every third round the owner dies too, so that a waiter takes over the lock.
        let guard = match segment.lock().unwrap() {
            Acquired::Clean(guard) => guard,
            Acquired::OwnerDied(recovery) => recovery.repair(|_| Ok::<(), LockError>(())).unwrap(),
        };
        for waiter in &mut waiters {
            waiter.send("write").unwrap();
            wait_until_blocked(waiter);
        }
        let mut alive = Vec::new();
        for mut waiter in waiters {
            if random.below(2) == 0 {
                waiter.kill().unwrap();
            } else {
                alive.push(waiter);
            }
        }
        if round % 3 == 0 {
            guard.mark_dirty();
        }
        drop(guard);
        // One more dies while the others pass the lock on.
        if alive.len() > 1 {
            alive.pop().unwrap().kill().unwrap();
        }
        for waiter in &alive {
            let key = waiter.pid().as_raw();
            assert_eq!(waiter.line(WATCHDOG).unwrap(), "done", "round {round}");
            let value = table.get(&key).unwrap().unwrap();
            assert_eq!(pattern::sequence(key, &value), Some(0));
        }
        table.verify().or_else(|_| table.recover().and_then(|_| table.verify())).unwrap();
    }
}
