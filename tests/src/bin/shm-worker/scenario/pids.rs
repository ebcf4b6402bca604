//! Handles that a fork carries into another pid namespace.

#![allow(unsafe_code, reason = "fork")]

use std::io::{Read, Write, pipe};

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use shm_core::LockError;
use shm_tests::roles::SKIPPED;
use shm_tests::test_name;

use super::{open_segment, open_table, say};

/// Forks; the child runs `f` and ends.
fn child(f: impl FnOnce() -> Result<()>) -> Result<Pid> {
    // SAFETY: this process has one thread, so the child may do anything.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let outcome = f();
            if let Err(e) = &outcome {
                eprintln!("in the child: {e:?}");
            }
            // SAFETY: ends the process; the parent's destructors are not for the child.
            unsafe { libc::_exit(i32::from(outcome.is_err())) }
        }
        ForkResult::Parent { child } => Ok(child),
    }
}

fn ends_well(child: Pid) -> Result<()> {
    assert_eq!(waitpid(child, None)?, WaitStatus::Exited(child, 0));
    Ok(())
}

/// A child in the same pid namespace writes, and so does one in another, also while the parent
/// holds the lock: then it waits, and is told who does.
pub fn carried() -> Result<()> {
    let table = open_table()?;
    let segment = open_segment(&test_name())?;
    ends_well(child(|| Ok(table.upsert(&2, b"by a child").map(drop)?))?)?;
    if let Err(e) = unshare(CloneFlags::CLONE_NEWPID) {
        return say(&format!("{SKIPPED}a pid namespace of its own: {e}"));
    }
    let parent = std::process::id();
    let writes = |key: i32| -> Result<()> {
        table.upsert(&key, b"by a foreign child")?;
        table.remove(&key)?;
        table.add(&key, b"by a foreign child")?;
        assert_eq!(table.get(&2)?.as_deref(), Some(&b"by a child"[..]));
        drop(segment.try_lock()?);
        assert!(segment.try_lock_clean().is_some());
        Ok(())
    };
    let waits = || -> Result<()> {
        assert!(matches!(segment.try_lock(), Err(LockError::WouldBlock)));
        let error = segment.lock_timeout(std::time::Duration::from_millis(20)).err();
        let Some(LockError::TimedOut { holder: Some(holder), .. }) = error else {
            panic!("{error:?}");
        };
        assert_eq!((holder.pid, holder.tid), (Some(parent), parent));
        assert!(holder.pid_namespace.is_some(), "{holder}");
        Ok(())
    };
    let ((free, mut was_free), (mut is_held, mut held)) = (pipe()?, pipe()?);
    let foreign = child(|| {
        // A child of its own lives where it does.
        writes(3)?;
        ends_well(child(|| writes(4))?)?;
        was_free.write_all(b".")?;
        is_held.read_exact(&mut [0])?;
        waits()
    })?;
    let mut free = free;
    free.read_exact(&mut [0])?;
    let guard = segment.lock()?;
    held.write_all(b".")?;
    ends_well(foreign)?;
    drop(guard);
    table.upsert(&5, b"by the parent")?;
    assert_eq!(table.get(&4)?.as_deref(), Some(&b"by a foreign child"[..]));
    table.verify()?;
    assert_eq!((table.len(), table.stats().recoveries), (4, 0));
    say("whole")
}
