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
use slotmap_shm::TableError;

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

/// A child in the same pid namespace writes; one in another may read, and is told why it may not
/// write: while the lock is free, and while the parent holds it.
pub fn carried() -> Result<()> {
    let table = open_table()?;
    let segment = open_segment(&test_name())?;
    ends_well(child(|| Ok(table.upsert(&2, b"by a child").map(drop)?))?)?;
    if let Err(e) = unshare(CloneFlags::CLONE_NEWPID) {
        return say(&format!("{SKIPPED}a pid namespace of its own: {e}"));
    }
    let refused = || {
        let error = table.upsert(&3, b"by a foreign child").err();
        let told = matches!(&error, Some(TableError::Lock(LockError::PidNamespace { .. })));
        assert!(told, "{error:?}");
        let error = segment.try_lock().err();
        assert!(matches!(error, Some(LockError::PidNamespace { .. })), "{error:?}");
        assert!(segment.try_lock_clean().is_none());
        assert_eq!(table.get(&2)?.as_deref(), Some(&b"by a child"[..]));
        Ok(())
    };
    let ((free, mut was_free), (mut is_held, mut held)) = (pipe()?, pipe()?);
    let foreign = child(|| {
        // A child of its own lives where it does, and is told the same.
        refused()?;
        ends_well(child(refused)?)?;
        was_free.write_all(b".")?;
        is_held.read_exact(&mut [0])?;
        refused()
    })?;
    let mut free = free;
    free.read_exact(&mut [0])?;
    let guard = segment.lock()?;
    held.write_all(b".")?;
    ends_well(foreign)?;
    drop(guard);
    table.upsert(&4, b"by the parent")?;
    assert_eq!(table.get(&3)?, None);
    table.verify()?;
    say("refused")
}
