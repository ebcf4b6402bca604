//! The right to register and unregister writers of a file: one thread of the machine has it.
//!
//! It is an open file description lock on a byte of the file, on a description of its own.
//! `docs/concurrency.md`, chapter Records, says what it is for, and which gaps remain.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering, compiler_fence};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};

use super::alive::{self, Hold};
use super::fork::process_token;
use super::retry::retry;

/// The token of the process of which a thread has a registrar or is about to fork; or another one,
/// if the process is a child that was forked meanwhile without the handlers of `pthread_atfork`.
static BUSY: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The thread has a registrar: what its signal handlers do must not wait for it.
    static MINE: Cell<bool> = const { Cell::new(false) };
}

/// The pauses of those that wait double from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LAST_PAUSE: Duration = Duration::from_millis(1);
/// How long a thread that forks waits for another that registers.
const FORK_LIMIT: Duration = Duration::from_secs(1);

/// While it lives, no other thread of any process registers or unregisters writers of the file.
pub(crate) struct Registrar<'a> {
    lock: Lock<'a>,
}

/// How the byte is locked.
enum Lock<'a> {
    /// On a description of its own.
    Own(File),
    /// By the process, since a description of its own could not be opened.
    Process(&'a File),
}

impl<'a> Registrar<'a> {
    /// Waits until it gets the right, but for no longer than `limit`: `None` then, or in a signal
    /// handler that has interrupted a thread which has the right.
    ///
    /// # Errors
    /// If the file cannot be locked.
    pub(crate) fn get(file: &'a File, limit: Duration) -> io::Result<Option<Self>> {
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let mut start = None;
        let mut pause = FIRST_PAUSE;
        loop {
            if MINE.get() {
                return Ok(None);
            }
            if enter() {
                match Self::try_lock(file, &path) {
                    Ok(None) => leave(),
                    Err(error) => {
                        leave();
                        return Err(error);
                    }
                    Ok(some) => return Ok(some),
                }
            }
            if start.get_or_insert_with(Instant::now).elapsed() >= limit {
                return Ok(None);
            }
            std::thread::sleep(pause);
            pause = LAST_PAUSE.min(2 * pause);
        }
    }

    /// The thread has entered.
    fn try_lock(file: &'a File, path: &str) -> io::Result<Option<Self>> {
        // A description of its own: a child that was forked before shares that of `file`.
        match retry(|| rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())) {
            Ok(fd) => {
                let own = File::from(fd);
                let held = alive::try_hold_registrar(&own, Hold::Exclusive)?;
                Ok(held.then_some(Self { lock: Lock::Own(own) }))
            }
            // No descriptor left, no `/proc`, or no permission any more.
            Err(_) => {
                let held = alive::try_hold_by_process(file, Hold::Exclusive)?;
                Ok(held.then_some(Self { lock: Lock::Process(file) }))
            }
        }
    }
}

impl Drop for Registrar<'_> {
    fn drop(&mut self) {
        // Explicitly: a child that was forked meanwhile may have a copy of the descriptor.
        let _ = match &self.lock {
            Lock::Own(file) => alive::try_hold_registrar(file, Hold::Nothing),
            Lock::Process(file) => alive::try_hold_by_process(file, Hold::Nothing),
        };
        leave();
    }
}

/// At most one thread of a process is between `enter` and `leave`, and no thread forks meanwhile.
fn enter() -> bool {
    MINE.set(true);
    compiler_fence(Ordering::SeqCst);
    let entered = try_enter();
    if !entered {
        MINE.set(false);
    }
    entered
}

fn leave() {
    BUSY.store(0, Ordering::Release);
    compiler_fence(Ordering::SeqCst);
    MINE.set(false);
}

fn try_enter() -> bool {
    let token = process_token();
    let found = BUSY.load(Ordering::Relaxed);
    // That of another process is a copy from before a fork.
    found != token
        && BUSY.compare_exchange(found, token, Ordering::Acquire, Ordering::Relaxed).is_ok()
}

thread_local! {
    static FORKING: Cell<bool> = const { Cell::new(false) };
}

/// A thread calls this before it forks, after it has done what needs a registrar: no other thread
/// of the process has one until [`after_fork`].
pub(crate) fn before_fork() {
    // In a signal handler that interrupted this thread, or once more.
    if MINE.get() || FORKING.get() {
        return;
    }
    let start = Instant::now();
    while !try_enter() {
        if start.elapsed() >= FORK_LIMIT {
            return;
        }
        std::thread::sleep(FIRST_PAUSE);
    }
    FORKING.set(true);
}

/// The thread has forked. For parent and child.
pub(crate) fn after_fork() {
    if FORKING.replace(false) {
        BUSY.store(0, Ordering::Release);
    }
}
