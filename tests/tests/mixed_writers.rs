//! Writers in two pid namespaces, and with two C libraries, that are killed at random: nothing is
//! lost, and nobody is stuck.
//!
//! `SHM_KILLS` says how often each pair is killed; in the full mode of the suite (`SHMAP_FULL`), it
//! is 1,000 times. `SHM_MUSL_WORKER` is the path of an `shm-worker`
//! that was built for musl: `cargo build -p shm-tests --bin shm-worker --target
//! x86_64-unknown-linux-musl`. Without it, the tests that need one look where this command leaves
//! it, and are skipped otherwise.

use std::path::Path;

use shm_tests::mixed::{Kind, kill_in_turn, runs};
use shm_tests::roles::is_root;

const WORKER: &str = env!("CARGO_BIN_EXE_shm-worker");

fn kills() -> u32 {
    let some = if std::env::var_os("SHMAP_FULL").is_some() { 1000 } else { 60 };
    std::env::var("SHM_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(some)
}

fn kill(what: &str, kinds: &[Kind; 2]) {
    let Some(outcome) = kill_in_turn(WORKER, kinds, kills()) else { return };
    let at = |percent: usize| outcome.delays[(outcome.delays.len() - 1) * percent / 100];
    println!(
        "{what}: {} kills, {} repairs; kill to next write: p50 {:?}, p99 {:?}, longest {:?}",
        outcome.kills,
        outcome.repaired,
        at(50),
        at(99),
        at(100)
    );
}

fn ours(own_pids: bool) -> Kind {
    Kind { binary: WORKER.to_owned(), own_pids }
}

/// The worker that was built for musl, if there is one.
fn musl(own_pids: bool) -> Option<Kind> {
    let built = Path::new(WORKER).ancestors().nth(2).map(|target| {
        target.join("x86_64-unknown-linux-musl/debug/shm-worker").to_string_lossy().into_owned()
    });
    let binary = std::env::var("SHM_MUSL_WORKER").ok().or(built)?;
    if runs(&binary) {
        return Some(Kind { binary, own_pids });
    }
    println!("skipped: no worker with musl at {binary}");
    None
}

#[test]
fn in_one_pid_namespace() {
    kill("one pid namespace", &[ours(false), ours(false)]);
}

#[test]
fn in_two_pid_namespaces_with_the_same_thread_ids() {
    if is_root("a pid namespace of its own") {
        kill("two pid namespaces", &[ours(true), ours(true)]);
    }
}

#[test]
fn with_musl_beside_glibc() {
    if let Some(musl) = musl(false) {
        kill("musl beside glibc", &[musl, ours(false)]);
    }
}

#[test]
fn with_musl_beside_glibc_in_two_pid_namespaces() {
    if is_root("a pid namespace of its own")
        && let Some(musl) = musl(true)
    {
        kill("musl beside glibc, two pid namespaces", &[musl, ours(true)]);
    }
}
