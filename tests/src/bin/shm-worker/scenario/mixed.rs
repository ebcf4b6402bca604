//! Writers that are killed at random, in pid namespaces of their own or not.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, unshare};
use shm_core::Namespace;
use shm_tests::mixed::{COUNTER, GROUP, ROOM, VALUE_SIZE};
use shm_tests::roles::SKIPPED;
use shm_tests::test_name;
use slotmap_shm::{Table, TableOptions};

use super::say;

/// Counts, adds, removes and writes batches for ever. Says the process id first, then prints one
/// byte for each count that was acknowledged.
pub fn writer(own: i32) -> Result<()> {
    let table = Table::<i32>::open(&Namespace::from_env(), &test_name(), &TableOptions::default())?;
    let mut stdout = std::io::stdout().lock();
    let group: Vec<i32> = GROUP.collect();
    for round in 0u64.. {
        table.fetch_add(&COUNTER, 1)?;
        stdout.write_all(b".")?;
        stdout.flush()?;
        let value = format!("{own} {round} ").repeat(VALUE_SIZE / 16);
        let batch: Vec<_> = group.iter().map(|&key| (key, value.as_bytes())).collect();
        // Most of the time is spent under the lock.
        for _ in 0..16 {
            table.update_many(&batch)?;
        }
        let key = ROOM + own;
        // It may have died with the key.
        table.upsert(&key, value.as_bytes())?;
        table.remove(&key)?;
        if round % 16 == 0 {
            // A thread of its own: it registers, and gives its record back.
            std::thread::scope(|s| s.spawn(|| table.update(&group[0], b"alone")).join())
                .ok()
                .context("join")??;
            table.update_many(&batch)?;
        }
    }
    Ok(())
}

/// Starts a program as process 1 of a new pid namespace, says its id as this namespace numbers it,
/// and waits for its end.
pub fn in_own_pids(binary: &str, arguments: &[&str]) -> Result<()> {
    if let Err(e) = unshare(CloneFlags::CLONE_NEWPID) {
        return say(&format!("{SKIPPED}a pid namespace of its own: {e}"));
    }
    let mut child =
        Command::new(binary).args(arguments).stdin(Stdio::null()).spawn().context("start it")?;
    say(&child.id().to_string())?;
    child.wait()?;
    Ok(())
}
