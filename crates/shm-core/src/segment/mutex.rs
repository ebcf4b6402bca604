//! The robust process-shared mutex: the calls of the C library, and waiting.
//!
//! rustix has futexes but no pthread mutex, and only the C library's mutex takes part in the
//! kernel's robust list. So this module uses `libc` for the mutex. `acquire.rs` builds on this
//! module, and `guard.rs` defines what a caller gets.
//!
//! # Waiting
//! A process that may only read the segment can still call `futex` on the mutex. By that, it can
//! take or move the wake-up that a release sends. So no waiter sleeps for long: each sleep lasts at
//! most [`SLICE`], and then the lock is tried again.
//!
//! # Invariants
//! 1. The functions here are called on writable mappings whose lock block was
//!    initialised by [`init`] on the same ABI (checked by the opener), or by `init` itself.
//! 2. The mutex is never destroyed, and its mapping outlives every guard.

#![allow(unsafe_code, reason = "pthread calls")]

use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use crossbeam_utils::Backoff;
use libc::c_int;

use super::layout::{
    CANARY_OFFSET, DIRTY_OFFSET, LOCK_OFFSET, RECORD_GENERATION, RECORD_LEN, record_offset,
};
use super::lock_word::LockWord;
use super::map::{Mapping, Pages};
use super::patience::Waiting;
use crate::error::{HeaderError, LockError};

const _: () = assert!(LOCK_OFFSET + size_of::<libc::pthread_mutex_t>() <= CANARY_OFFSET);
const _: () = assert!(size_of::<libc::pthread_mutex_t>() <= RECORD_GENERATION);

/// Maximum length of a single sleep.
const SLICE: Duration = Duration::from_millis(20);
/// Maximum time that a thread that held the lock for long gives way to waiters.
const GIVE_WAY: Duration = Duration::from_millis(5);

/// Reinitialises the mutex. `dirty` asks the first owner to repair.
///
/// Nobody else may use the segment meanwhile: it must have no name yet, or no living writer. If
/// this call is interrupted, it leaves an [unfinished](is_unfinished) lock.
pub(crate) fn init(map: &Mapping, canary: u64, dirty: bool) -> io::Result<()> {
    map.header_word(CANARY_OFFSET).store(!canary, Ordering::SeqCst);
    // Before the mutex changes.
    fence(Ordering::SeqCst);
    init_at(raw(map))?;
    map.header_word(DIRTY_OFFSET).store(u64::from(dirty), Ordering::SeqCst);
    map.header_word(CANARY_OFFSET).store(canary, Ordering::SeqCst);
    Ok(())
}

/// Reinitialises the mutex of a record, which nobody holds or tries to take.
pub(crate) fn init_record(map: &Mapping, index: u32) -> io::Result<()> {
    init_at(raw_record(map.pages(), index))
}

/// The mutex is that of a lock block or of a record of a writable mapping.
fn init_at(mutex: *mut libc::pthread_mutex_t) -> io::Result<()> {
    let mut attr = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
    // SAFETY: `attr` is valid for writing an attribute object.
    check(unsafe { libc::pthread_mutexattr_init(attr.as_mut_ptr()) })?;
    // SAFETY: `pthread_mutexattr_init` succeeded.
    let attr = unsafe { attr.assume_init_mut() };
    let set = (|| {
        // SAFETY: `attr` is an initialised attribute object.
        check(unsafe { libc::pthread_mutexattr_setpshared(attr, libc::PTHREAD_PROCESS_SHARED) })?;
        // SAFETY: as above.
        check(unsafe { libc::pthread_mutexattr_setrobust(attr, libc::PTHREAD_MUTEX_ROBUST) })?;
        // SAFETY: as above.
        check(unsafe { libc::pthread_mutexattr_settype(attr, libc::PTHREAD_MUTEX_ERRORCHECK) })?;
        // SAFETY: the lock block or record is inside the writable mapping (invariant 1),
        // 64-aligned, large enough (const asserts), and unused by others
        // (precondition of the callers).
        check(unsafe { libc::pthread_mutex_init(mutex, attr) })
    })();
    // SAFETY: `attr` was initialised and is not used afterwards.
    unsafe { libc::pthread_mutexattr_destroy(attr) };
    set
}

/// Checks that the lock block was initialised. The C library takes an all-zero mutex for a valid
/// one, but that mutex is not robust.
pub(crate) fn validate(map: &Mapping, canary: u64) -> Result<(), HeaderError> {
    match map.header_word(CANARY_OFFSET).load(Ordering::SeqCst) {
        found if found == canary => Ok(()),
        found => Err(HeaderError::Lock { found, expected: canary }),
    }
}

/// True if [`init`] is running, or if a process died while running it.
pub(crate) fn is_unfinished(map: &Mapping, canary: u64) -> bool {
    map.header_word(CANARY_OFFSET).load(Ordering::SeqCst) == !canary
}

/// Sets or clears the request that the next owner repair the data.
pub(crate) fn set_dirty(map: &Mapping, dirty: bool) {
    // Relaxed: the flag is stored only under the lock.
    map.header_word(DIRTY_OFFSET).store(u64::from(dirty), Ordering::Relaxed);
}

#[inline]
pub(crate) fn is_dirty(map: &Mapping) -> bool {
    // Relaxed: as above.
    map.header_word(DIRTY_OFFSET).load(Ordering::Relaxed) != 0
}

/// Tries to lock without waiting, and returns the result code of the C library.
#[inline]
pub(crate) fn trylock(map: &Mapping) -> c_int {
    // SAFETY: the mutex is initialised (invariant 1).
    unsafe { libc::pthread_mutex_trylock(raw(map)) }
}

/// Unlocks. The calling thread must hold the lock.
#[inline]
pub(crate) fn unlock(map: &Mapping) {
    // SAFETY: the mutex is initialised (invariant 1). It is of the error-checking kind, so a
    // thread that does not hold it gets an error.
    unsafe { libc::pthread_mutex_unlock(raw(map)) };
}

/// Unlocks, and gives way to a waiter. Otherwise a thread that locks again immediately would get
/// the lock before the thread that it woke can run.
pub(crate) fn unlock_and_give_way(map: &Mapping) {
    let waited_for = map.lock_word().is_some_and(LockWord::has_waiters);
    unlock(map);
    if !waited_for {
        return;
    }
    // Wait until another thread has the lock. If that thread was quicker than this loop, or no
    // longer waits, this costs no more than the limit.
    let start = std::time::Instant::now();
    let backoff = Backoff::new();
    while map.lock_word().is_some_and(|word| word.owner().is_none()) {
        if start.elapsed() > GIVE_WAY {
            break;
        }
        backoff.snooze();
    }
}

#[inline]
fn raw(map: &Mapping) -> *mut libc::pthread_mutex_t {
    // SAFETY: LOCK_OFFSET is inside the first page, which is mapped.
    unsafe { map.base().add(LOCK_OFFSET) }.cast()
}

/// Tries to lock a record. True if the calling thread holds it now, whether or not its last owner
/// died.
pub(crate) fn try_record(map: &Mapping, index: u32) -> bool {
    let mutex = raw_record(map.pages(), index);
    // SAFETY: the mutex is initialised (invariant 1, and the canary that the caller checked).
    match unsafe { libc::pthread_mutex_trylock(mutex) } {
        0 => true,
        libc::EOWNERDEAD => {
            // SAFETY: this thread holds it.
            let consistent = check(unsafe { libc::pthread_mutex_consistent(mutex) });
            if consistent.is_err() {
                let _ = unlock_record(map.pages(), index);
            }
            consistent.is_ok()
        }
        _ => false,
    }
}

/// Releases a record, which the calling thread holds. False if it does not: then the record may
/// still be in the robust list of this thread.
pub(crate) fn unlock_record(pages: &Pages, index: u32) -> bool {
    // SAFETY: as in `unlock`.
    unsafe { libc::pthread_mutex_unlock(raw_record(pages, index)) == 0 }
}

fn raw_record(pages: &Pages, index: u32) -> *mut libc::pthread_mutex_t {
    let offset = record_offset(index);
    assert!(offset + RECORD_LEN <= pages.len());
    // SAFETY: by the assertion the record is inside the mapping.
    unsafe { pages.base().add(offset) }.cast()
}

/// Makes a mutex consistent after its owner died. The calling thread must hold the mutex.
pub(crate) fn make_consistent(map: &Mapping) -> io::Result<()> {
    // SAFETY: the mutex is initialised and held by this thread.
    check(unsafe { libc::pthread_mutex_consistent(raw(map)) })
}

fn check(code: c_int) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code)) }
}

/// Waits for the lock. Returns true if its last owner died.
#[cold]
pub(crate) fn lock_contended(map: &Mapping, waiting: Waiting<'_>) -> Result<bool, LockError> {
    // A critical section is shorter than a sleep and a wake-up: spin briefly.
    let backoff = Backoff::new();
    while !backoff.is_completed() {
        backoff.spin();
        let code = trylock(map);
        if code != libc::EBUSY {
            return outcome(code);
        }
        backoff.snooze();
    }
    loop {
        match timed_lock(map, waiting.slice(SLICE))? {
            libc::ETIMEDOUT => {}
            code => return outcome(code),
        }
        if waiting.is_over() {
            let (waited, holder) = (waiting.waited(), map.holder());
            return Err(LockError::TimedOut { waited, holder });
        }
        if waiting.is_interrupted() {
            return Err(LockError::Interrupted { waited: waiting.waited() });
        }
    }
}

/// Converts a result code of the C library. Returns true if the last owner died.
pub(crate) fn outcome(code: c_int) -> Result<bool, LockError> {
    match code {
        0 => Ok(false),
        libc::EOWNERDEAD => Ok(true),
        libc::EBUSY => Err(LockError::WouldBlock),
        libc::EDEADLK => Err(LockError::WouldDeadlock),
        libc::ENOTRECOVERABLE => Err(LockError::NotRecoverable),
        other => Err(LockError::Os {
            action: "use the mutex",
            source: io::Error::from_raw_os_error(other),
        }),
    }
}

/// `pthread_mutex_clocklock` (glibc 2.30) waits on the monotonic clock, so that a
/// step of the wall clock neither cuts nor stretches the wait.
#[cfg(target_env = "gnu")]
fn timed_lock(map: &Mapping, limit: Duration) -> Result<c_int, LockError> {
    unsafe extern "C" {
        fn pthread_mutex_clocklock(
            mutex: *mut libc::pthread_mutex_t,
            clock: libc::clockid_t,
            deadline: *const libc::timespec,
        ) -> c_int;
    }
    let deadline = deadline(libc::CLOCK_MONOTONIC, limit)?;
    // SAFETY: the mutex is initialised (invariant 1), and the
    // deadline is a valid timespec.
    Ok(unsafe { pthread_mutex_clocklock(raw(map), libc::CLOCK_MONOTONIC, &deadline) })
}

#[cfg(not(target_env = "gnu"))]
fn timed_lock(map: &Mapping, limit: Duration) -> Result<c_int, LockError> {
    let deadline = deadline(libc::CLOCK_REALTIME, limit)?;
    // SAFETY: as above.
    Ok(unsafe { libc::pthread_mutex_timedlock(raw(map), &deadline) })
}

fn deadline(clock: libc::clockid_t, limit: Duration) -> Result<libc::timespec, LockError> {
    let mut now = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: `now` is valid for writing a timespec.
    if unsafe { libc::clock_gettime(clock, now.as_mut_ptr()) } != 0 {
        return Err(LockError::Os { action: "read the clock", source: io::Error::last_os_error() });
    }
    // SAFETY: `clock_gettime` succeeded.
    let now = unsafe { now.assume_init() };
    let nanos = now.tv_nsec as u64 + u64::from(limit.subsec_nanos());
    let seconds = limit.as_secs().min(i64::MAX as u64 / 4) as i64 + (nanos / 1_000_000_000) as i64;
    Ok(libc::timespec {
        tv_sec: now.tv_sec.saturating_add(seconds as _),
        tv_nsec: (nanos % 1_000_000_000) as _,
    })
}
