//! A process that may only read a segment takes the wake-ups of its lock, or moves the waiters
//! elsewhere. Writers and publishers still make progress.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use shm_core::{Acquired, Kind, Namespace, Patience, Trust};
use shm_facade::{RbTree, Share, ShareOptions};
use shm_tests::patch::{self, WAKE};
use shm_tests::roles::{NOBODY, as_user, is_root};
use shm_tests::{Child, TempNamespace, WATCHDOG, options, test_name};
use slotmap_shm::{KIND, Table};

const WORKER: &str = env!("CARGO_BIN_EXE_shm-worker");
/// How often each of the two takes the lock.
const ROUNDS: usize = 300;
/// How long a holder waits for the other thread to come.
const HELD: Duration = Duration::from_millis(5);
/// The bit of the wake word that says that somebody sleeps.
const ASLEEP: u64 = 1;
/// Far longer than a stolen wake-up may cost.
const LIMIT: Duration = Duration::from_secs(5);

/// A table of mode 0644 and a map of mode 0444 beside it.
fn readable_by_all() -> (TempNamespace, Namespace) {
    let namespace = TempNamespace::new().unwrap();
    std::fs::set_permissions(namespace.path(), Permissions::from_mode(0o755)).unwrap();
    let ns = Namespace::at(namespace.path());
    let options = options(16, 40).mode(0o644);
    Table::<i32>::create(&ns, &test_name(), &options).unwrap();
    let sharing = ShareOptions::default().namespace(ns.clone()).mode(0o444);
    RbTree::new().share_with(test_name().as_str(), &sharing).unwrap();
    (namespace, ns)
}

/// Two threads lock in turn beside a thief.
fn go_on_beside(how: &str, what: &str) {
    if !is_root("becoming another user") {
        return;
    }
    let (namespace, ns) = readable_by_all();
    let (mut command, _binary) = as_user(NOBODY, WORKER, &["thief", how, what], namespace.path());
    let mut thief = Child::spawn(&mut command).unwrap();
    assert_eq!(thief.line(WATCHDOG).unwrap(), "stealing");
    let kind = if what == "table" { KIND } else { Kind::new("control") };
    let barrier = Barrier::new(2);
    let [(first, met), (second, more)] = std::thread::scope(|scope| {
        let write = || {
            let version = 1;
            let patience = Patience::forever().limit(Some(LIMIT));
            let segment = ns.open(&test_name(), kind, version, &Trust::new(), &patience).unwrap();
            barrier.wait();
            let (mut longest, mut met) = (Duration::ZERO, 0);
            for _ in 0..ROUNDS {
                let start = Instant::now();
                let acquired = segment.lock_with(&patience).unwrap();
                longest = longest.max(start.elapsed());
                assert!(matches!(acquired, Acquired::Clean(_)));
                let held = Instant::now();
                let is_waited_for = || {
                    let word = patch::read::<8>(segment.path(), WAKE).unwrap();
                    u64::from_ne_bytes(word) & ASLEEP != 0
                };
                while !is_waited_for() && held.elapsed() < HELD {
                    std::thread::yield_now();
                }
                met += usize::from(is_waited_for());
                drop(acquired);
            }
            (longest, met)
        };
        let writers = [scope.spawn(write), scope.spawn(write)];
        writers.map(|writer| writer.join().unwrap())
    });
    println!("{how} {what}: met {} times, longest waits {first:?}, {second:?}", met + more);
    assert!(met + more > ROUNDS / 2, "they did not meet");
    thief.close_stdin();
    assert!(thief.wait(WATCHDOG).unwrap().success());
}

#[test]
fn writers_go_on_when_a_reader_sleeps_in_their_place() {
    go_on_beside("wait", "table");
}

#[test]
fn writers_go_on_when_a_reader_moves_them_elsewhere() {
    go_on_beside("requeue", "table");
}

#[test]
fn publishers_go_on_when_a_reader_sleeps_in_their_place() {
    go_on_beside("wait", "control");
}

#[test]
fn publishers_go_on_when_a_reader_moves_them_elsewhere() {
    go_on_beside("requeue", "control");
}
