//! Registered writers: their deaths, and what a forked child has of them.

#![allow(unsafe_code, reason = "fork, and descriptors that others own")]

use std::io::{Read, Write, pipe};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::mpsc::channel;

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use shm_core::{LockError, Namespace, Ordering, WritableSegment, WriterId};
use shm_tests::records::{create, open};
use shm_tests::roles::SKIPPED;

use super::{open_table, say, wait_for_line};

fn open_records() -> Result<WritableSegment> {
    Ok(open(Namespace::from_env().dir())?)
}

fn id_of(segment: &WritableSegment) -> Result<WriterId> {
    Ok(segment.writer().context("a record")?.id())
}

/// Registers; claims word 0, stores word 1, and says its id. `exec`: another thread executes
/// another program. `close`: all descriptors are closed.
pub fn registers() -> Result<()> {
    register(&open_records()?)
}

/// The same by another thread than the main one.
pub fn thread_registers() -> Result<()> {
    let segment = open_records()?;
    std::thread::scope(|s| s.spawn(|| register(&segment)).join()).expect("join")
}

fn register(segment: &WritableSegment) -> Result<()> {
    let writer = segment.writer().context("a record")?;
    let (id, words) = (writer.id().to_u64(), writer.words());
    let claimed = words.compare_exchange(0, 0, id, Ordering::AcqRel, Ordering::Relaxed);
    assert_eq!(claimed, Ok(0));
    words.store(1, !id, Ordering::Relaxed);
    writer.count_write();
    say(&id.to_string())?;
    let mut line = String::new();
    while std::io::stdin().read_line(&mut line)? > 0 {
        match line.trim() {
            "exec-itself" => {
                Command::new(std::env::current_exe()?).args(["scenario", "wait"]).exec_err()?;
            }
            "exec" => {
                let exec =
                    || Command::new(std::env::current_exe()?).args(["scenario", "wait"]).exec_err();
                std::thread::scope(|s| s.spawn(exec).join()).expect("join")?;
            }
            "close" => {
                for fd in 3..64 {
                    // SAFETY: it is what this test is about.
                    unsafe { libc::close(fd) };
                }
                say("closed")?;
            }
            "die" => {
                // SAFETY: ends the process.
                unsafe { libc::raise(libc::SIGKILL) };
            }
            other => bail!("unknown line {other:?}"),
        }
        line.clear();
    }
    Ok(())
}

/// Threads register and end, for ever.
pub fn registers_and_ends() -> Result<()> {
    let segment = open_records()?;
    say("started")?;
    loop {
        std::thread::scope(|s| {
            let threads = [(); 2].map(|()| s.spawn(|| segment.writer().map(|w| w.count_write())));
            threads.into_iter().for_each(|thread| drop(thread.join()));
        });
    }
}

trait ExecErr {
    fn exec_err(&mut self) -> Result<()>;
}

impl ExecErr for Command {
    fn exec_err(&mut self) -> Result<()> {
        Err(self.exec().into())
    }
}

/// `registers`, in a pid namespace of its own, of a segment that it makes there.
pub fn foreign_registers() -> Result<()> {
    if let Err(e) = unshare(CloneFlags::CLONE_NEWPID) {
        return say(&format!("{SKIPPED}a pid namespace of its own: {e}"));
    }
    // The first process of a pid namespace cannot kill itself.
    let first = forked(|| {
        let second = forked(|| register(&create(Namespace::from_env().dir(), 4)?))?;
        Ok(waitpid(second, None).map(drop)?)
    })?;
    ends_well(first)?;
    say("gone")?;
    wait_for_line()
}

/// Forks; the child runs `f` and ends.
fn forked(f: impl FnOnce() -> Result<()>) -> Result<Pid> {
    // SAFETY: the other threads of this process hold no lock that the child needs.
    let forked = unsafe { fork() }?;
    Ok(match forked {
        ForkResult::Child => end(f()),
        ForkResult::Parent { child } => child,
    })
}

/// The same without the C library, so that no handler runs.
fn cloned(f: impl FnOnce() -> Result<()>) -> Result<Pid> {
    // SAFETY: as in `forked`; no flag, so the child has a copy of everything.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    match pid {
        0 => end(f()),
        1.. => Ok(Pid::from_raw(pid as i32)),
        _ => Err(std::io::Error::last_os_error().into()),
    }
}

fn end(outcome: Result<()>) -> ! {
    if let Err(e) = &outcome {
        eprintln!("in the child: {e:?}");
    }
    // SAFETY: ends the process; the parent's destructors are not for the child.
    unsafe { libc::_exit(i32::from(outcome.is_err())) }
}

fn ends_well(child: Pid) -> Result<()> {
    assert_eq!(waitpid(child, None)?, WaitStatus::Exited(child, 0));
    Ok(())
}

/// A child has no record of its parent's, and leaves the parent's alone.
pub fn fork_registered() -> Result<()> {
    let segment = open_records()?;
    let before = id_of(&segment)?;
    let (told, its) = channel();
    let (end, ended) = channel::<()>();
    std::thread::scope(|s| {
        let theirs = &segment;
        s.spawn(move || {
            told.send(id_of(theirs)).expect("send");
            let _ = ended.recv();
        });
        let other = its.recv()??;
        let outcome = forks(&segment, before, other);
        drop(end);
        outcome
    })
}

/// Parent and child add to one counter and to one of their own each, through one handle.
pub fn fork_claims() -> Result<()> {
    const ROUNDS: i64 = 10_000;
    let table = open_table()?;
    for key in 0..3 {
        table.add(&key, 0i64.to_le_bytes())?;
    }
    let adds = |own| -> Result<()> {
        for n in 0..ROUNDS {
            table.fetch_add(&0, 1)?;
            assert_eq!(table.fetch_add(&own, 1)?, n);
        }
        Ok(())
    };
    // Registered before the fork, too.
    table.fetch_add(&0, 1)?;
    let child = forked(|| adds(1))?;
    adds(2)?;
    ends_well(child)?;
    assert_eq!(table.fetch_add(&0, 0)?, 2 * ROUNDS + 1);
    assert_eq!(table.fetch_add(&1, 0)?, ROUNDS);
    assert_eq!(table.stats().writes, 4 * ROUNDS as u64 + 6);
    assert!(table.segment().writes_by_records() > 0);
    say("forked")
}

/// Where the record with this id is among all that were used.
fn other_record(id: WriterId) -> usize {
    (id.to_u64() & 0x1FFF) as usize
}

fn forks(segment: &WritableSegment, before: WriterId, other: WriterId) -> Result<()> {
    // By `fork`: the thread that forks gives its record back, and takes one again when it writes.
    let (mut is_registered, mut registered) = pipe()?;
    let (mut may_end, mut end) = pipe()?;
    let child = forked(|| {
        assert!(segment.is_writer_dead(before) && !segment.is_writer_dead(other));
        let id = id_of(segment)?;
        assert_ne!(id, before);
        assert_eq!(id_of(segment)?, id);
        drop(segment.lock()?);
        registered.write_all(&id.to_u64().to_ne_bytes())?;
        may_end.read_exact(&mut [0])?;
        assert!(!segment.is_writer_dead(id));
        Ok(())
    })?;
    let mut its = [0; 8];
    is_registered.read_exact(&mut its)?;
    let its = WriterId::from_u64(u64::from_ne_bytes(its)).context("an id")?;
    let after = id_of(segment)?;
    assert!(after != before && after != its);
    for living in [its, after, other] {
        assert!(!segment.is_writer_dead(living));
    }
    assert!(segment.is_writer_dead(before));
    end.write_all(b".")?;
    ends_well(child)?;
    assert!(segment.is_writer_dead(its) && !segment.is_writer_dead(after));

    // Without the handlers, or in the middle of a write: the parent keeps its record. The child
    // gets none, nor the lock, because its list of robust locks is its parent's.
    let refused = || {
        assert!(!segment.is_writer_dead(after) && !segment.is_writer_dead(other));
        assert!(segment.writer().is_none() && segment.writer().is_none());
        let refused = segment.lock();
        assert!(matches!(refused, Err(LockError::ForeignProcess)), "{refused:?}");
        Ok(())
    };
    ends_well(cloned(refused)?)?;
    let writer = segment.writer().context("a record")?;
    assert_eq!(writer.id(), after);
    ends_well(forked(refused)?)?;
    assert_eq!(id_of(segment)?, after);
    drop(writer);
    assert!(!segment.is_writer_dead(after) && !segment.is_writer_dead(other));
    drop(segment.lock()?);

    // A child in another pid namespace.
    if let Err(e) = unshare(CloneFlags::CLONE_NEWPID) {
        return say(&format!("{SKIPPED}a pid namespace of its own: {e}"));
    }
    ends_well(forked(|| {
        assert!(segment.is_writer_dead(after));
        let id = id_of(segment)?;
        assert!(segment.is_this_thread(id) && !segment.is_writer_dead(id));
        let records = segment.writers();
        let own = records.iter().find(|record| record.id == id).context("its record")?;
        // Another thread of that number is not this one.
        assert_eq!((own.pid, own.tid), (1, 1));
        assert_ne!(own.pid_namespace, records[other_record(other)].pid_namespace);
        drop(segment.lock()?);
        Ok(())
    })?)?;
    assert!(segment.writer().is_some());
    say("forked")
}
