//! Guards that are leaked, inherited by a child, or lost in `execve`.

#![allow(unsafe_code, reason = "fork")]

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use shm_core::{Acquired, Guard, LockError, Recovery, WritableSegment};
use shm_facade::StatusTable;
use shm_tests::{WATCHDOG, test_name};

use super::{open_segment, open_table, say, wait_for_line};

fn clean(segment: &WritableSegment) -> Result<Guard<'_>> {
    match segment.try_lock()? {
        Acquired::Clean(guard) => Ok(guard),
        Acquired::OwnerDied(_) => bail!("nobody died"),
    }
}

fn owner_died(segment: &WritableSegment) -> Result<Recovery<'_>> {
    match segment.try_lock()? {
        Acquired::Clean(_) => bail!("the death was not noticed"),
        Acquired::OwnerDied(recovery) => Ok(recovery),
    }
}

pub fn hold() -> Result<()> {
    let segment = open_segment(&test_name())?;
    let _guard = clean(&segment)?;
    say("holding")?;
    wait_for_line()
}

pub fn exec_holding() -> Result<()> {
    let segment = open_segment(&test_name())?;
    let _guard = clean(&segment)?;
    Err(Command::new(std::env::current_exe()?).args(["scenario", "wait"]).exec().into())
}

pub fn leak_in_thread() -> Result<()> {
    let table = open_table()?;
    let segment = Arc::new(open_segment(&test_name())?);
    let before = table.stats();
    for deaths in 1..=3 {
        let leaking = Arc::clone(&segment);
        std::thread::spawn(move || clean(&leaking).map(std::mem::forget)).join().expect("join")?;
        // Not repaired by this one: dropped, so the next owner must be told again.
        drop(owner_died(&segment)?);
        let recovery = owner_died(&segment)?;
        drop(recovery);
        table.add(&(1000 + deaths), b"after")?;
        table.verify()?;
        assert_eq!(table.stats().recoveries, before.recoveries + deaths as u64);
        assert_eq!(table.len(), before.len + deaths as usize);
        drop(clean(&segment)?);
    }
    Ok(())
}

fn leak(segment: &WritableSegment) -> Result<()> {
    std::mem::forget(match segment.lock_timeout(Duration::from_secs(30))? {
        Acquired::Clean(guard) => guard,
        Acquired::OwnerDied(recovery) => recovery.repair(|_| Ok::<_, LockError>(()))?,
    });
    Ok(())
}

pub fn leak_and_drop() -> Result<()> {
    let name = test_name();
    let other = open_segment(&name)?;
    let threads = (0..4).map(|_| {
        let name = name.clone();
        std::thread::spawn(move || -> Result<()> {
            let segment = open_segment(&name)?;
            leak(&segment)?;
            drop(segment);
            // The robust list of this thread still leads to the mapping above.
            let directory = shm_tests::TempNamespace::new()?;
            let table = shm_tests::create(&directory, 8, 8);
            for round in 0..100 {
                table.upsert(&(round % 8), b"value")?;
            }
            table.verify()?;
            Ok(())
        })
    });
    for thread in threads.collect::<Vec<_>>() {
        thread.join().expect("join")?;
    }
    drop(owner_died(&other)?);
    open_table()?.upsert(&2, b"after")?;
    Ok(())
}

/// Runs `f` in a forked child, which must come to its end.
fn in_child(f: impl FnOnce() -> Result<()>) -> Result<()> {
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
        ForkResult::Parent { child } => {
            let status = waitpid(child, None)?;
            assert_eq!(status, WaitStatus::Exited(child, 0));
            Ok(())
        }
    }
}

pub fn fork_with_guard() -> Result<()> {
    let table = open_table()?;
    let segment = open_segment(&test_name())?;
    let guard = clean(&segment)?;
    for drops in [false, true] {
        // The child's copy of the guard; the parent's is forgotten by the child.
        let copy = std::mem::ManuallyDrop::new(&guard);
        in_child(|| {
            assert!(matches!(copy.words(), Err(LockError::ForeignProcess)));
            copy.mark_dirty();
            // Its list of robust locks may be the parent's.
            assert!(matches!(segment.try_lock(), Err(LockError::ForeignProcess)));
            let waited = segment.lock_timeout(Duration::from_millis(20));
            assert!(matches!(waited, Err(LockError::ForeignProcess)));
            if drops {
                // SAFETY: a read of a valid guard; this process never returns to the original.
                drop(unsafe { std::ptr::read(&raw const guard) });
                assert!(matches!(segment.try_lock(), Err(LockError::ForeignProcess)));
            }
            assert_eq!(table.get(&1)?.as_deref(), Some(&b"one"[..]));
            Ok(())
        })?;
        // The parent holds it still, and may write.
        assert!(matches!(segment.try_lock(), Err(LockError::WouldDeadlock)));
        guard.words()?;
        let other = open_segment(&test_name())?;
        let tried = std::thread::scope(|s| s.spawn(|| other.try_lock().map(drop)).join());
        assert!(matches!(tried, Ok(Err(LockError::WouldBlock))));
    }
    drop(guard);
    drop(clean(&segment)?);
    // A child that does not touch its parent's guard writes like anybody else.
    in_child(|| Ok(table.upsert(&2, b"by the child").map(drop)?))?;
    assert_eq!(table.get(&2)?.as_deref(), Some(&b"by the child"[..]));
    assert_eq!(table.stats().recoveries, 0);
    Ok(table.verify()?)
}

pub fn fork_with_recovery() -> Result<()> {
    let table = open_table()?;
    let segment = open_segment(&test_name())?;
    in_child(|| {
        std::mem::forget(clean(&segment)?);
        Ok(())
    })?;
    let recovery = owner_died(&segment)?;
    in_child(|| {
        // SAFETY: a read of a valid recovery; this process never returns to the original.
        let copy = unsafe { std::ptr::read(&raw const recovery) };
        let repaired = copy.repair(|_| -> Result<(), LockError> { panic!("repaired by a child") });
        assert!(matches!(repaired, Err(LockError::ForeignProcess)));
        assert!(matches!(segment.try_lock(), Err(LockError::ForeignProcess)));
        Ok(())
    })?;
    drop(recovery.repair(|_| Ok::<_, LockError>(()))?);
    drop(clean(&segment)?);
    table.upsert(&2, b"after")?;
    Ok(table.verify()?)
}

/// Children are forked while other threads are in `StatusTable::instance` all the time. Each of
/// them asks for an instance, too.
pub fn fork_in_instance() -> Result<()> {
    const CHILDREN: usize = 300;
    let stop = AtomicBool::new(false);
    let ask = |name: &str| StatusTable::instance(name).map(drop);
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let stop = &stop;
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    ask(&format!("other{thread}")).expect("an instance");
                }
            });
        }
        let outcome = (0..CHILDREN).try_for_each(|nth| {
            // SAFETY: the child allocates and opens files, which the C library allows
            // after a fork, takes no lock of the other threads' that is not under test, and ends.
            match unsafe { fork() }? {
                ForkResult::Child => {
                    let said = ask("test").and_then(|()| ask(&format!("other{}", nth % 3)));
                    // SAFETY: ends the process; nothing of the parent's is destroyed.
                    unsafe { libc::_exit(i32::from(said.is_err())) }
                }
                ForkResult::Parent { child } => {
                    let start = Instant::now();
                    let flags = Some(WaitPidFlag::WNOHANG);
                    let mut status = waitpid(child, flags)?;
                    while status == WaitStatus::StillAlive {
                        if start.elapsed() > WATCHDOG {
                            kill(child, Signal::SIGKILL)?;
                            waitpid(child, None)?;
                            anyhow::bail!("child {nth} hangs");
                        }
                        std::thread::yield_now();
                        status = waitpid(child, flags)?;
                    }
                    anyhow::ensure!(status == WaitStatus::Exited(child, 0), "{status:?}");
                    Ok(())
                }
            }
        });
        stop.store(true, Ordering::Relaxed);
        outcome
    })
}
