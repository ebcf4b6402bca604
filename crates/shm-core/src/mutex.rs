//! The robust process-shared mutex and the type state around a dead owner.
//!
//! rustix has futexes but no pthread mutex, and only the C library's mutex takes
//! part in the kernel's robust list, so this module alone uses `libc`.
//!
//! A dead owner is not an error that carries a live guard: a bare `?` would then
//! release an inconsistent mutex, which is unrecoverable for ever. It is
//! [`Acquired::OwnerDied`], and only [`Recovery::repair`] turns it into a guard.
//!
//! # Invariants
//! 1. The functions here are called on writable mappings whose lock block was
//!    initialised by [`init`] on the same ABI (checked by the opener), or by `init` itself.
//! 2. The mutex is never destroyed, and its mapping outlives every guard.

#![allow(unsafe_code, reason = "pthread calls")]

use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_utils::Backoff;
use libc::c_int;

use crate::error::{HeaderError, LockError};
use crate::fork::process_token;
use crate::layout::{CANARY_OFFSET, DIRTY_OFFSET, LOCK_OFFSET};
use crate::map::Mapping;
use crate::sync::Words;

const _: () = assert!(LOCK_OFFSET + size_of::<libc::pthread_mutex_t>() <= CANARY_OFFSET);

/// How long an acquisition may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    No,
    For(Duration),
    Forever,
}

/// Makes the mutex anew. `dirty` asks the first owner to repair.
///
/// Nobody else may use the segment meanwhile: it has no name yet, or is one
/// of an earlier boot and the caller holds its `flock`.
pub(crate) fn init(map: &Mapping, canary: u64, dirty: bool) -> io::Result<()> {
    map.header_word(CANARY_OFFSET).store(0, Ordering::SeqCst);
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
        // SAFETY: the lock block is inside the writable mapping (invariant 1),
        // 64-aligned, large enough (const assert), and unused by others
        // (precondition).
        check(unsafe { libc::pthread_mutex_init(raw(map), attr) })
    })();
    // SAFETY: `attr` was initialised and is not used afterwards.
    unsafe { libc::pthread_mutexattr_destroy(attr) };
    set?;
    map.header_word(DIRTY_OFFSET).store(u64::from(dirty), Ordering::SeqCst);
    map.header_word(CANARY_OFFSET).store(canary, Ordering::SeqCst);
    Ok(())
}

/// Checks that the lock block was initialised: an all-zero mutex is a valid
/// one for the C library, but not a robust one.
pub(crate) fn validate(map: &Mapping, canary: u64) -> Result<(), HeaderError> {
    match map.header_word(CANARY_OFFSET).load(Ordering::SeqCst) {
        found if found == canary => Ok(()),
        found => Err(HeaderError::Lock { found, expected: canary }),
    }
}

/// Locks.
#[inline]
pub(crate) fn acquire(map: &Mapping, wait: Wait) -> Result<Acquired<'_>, LockError> {
    let inconsistent = match trylock(map) {
        libc::EBUSY if wait != Wait::No => lock_contended(map, wait)?,
        tried => outcome(tried, Duration::ZERO)?,
    };
    let guard = Guard::new(map);
    if inconsistent || is_dirty(map) {
        Ok(Acquired::OwnerDied(Recovery { guard, inconsistent }))
    } else {
        Ok(Acquired::Clean(guard))
    }
}

/// Locks if that takes no waiting and no repair.
#[inline]
pub(crate) fn acquire_clean(map: &Mapping) -> Option<Guard<'_>> {
    match trylock(map) {
        0 => {
            let guard = Guard::new(map);
            // Dropping the guard leaves the flag, and with it the duty to repair.
            (!is_dirty(map)).then_some(guard)
        }
        libc::EOWNERDEAD => {
            // Held now, and inconsistent: put it back as one that needs repair.
            drop(Recovery { guard: Guard::new(map), inconsistent: true });
            None
        }
        _ => None,
    }
}

/// A lock that was acquired: either nothing happened, or its last owner died
/// (or gave up in the middle) and the data must be repaired first.
#[derive(Debug)]
#[must_use]
pub enum Acquired<'a> {
    /// The last owner released the lock in order.
    Clean(Guard<'a>),
    /// The last owner did not.
    OwnerDied(Recovery<'a>),
}

/// Proof that this thread holds the lock. Released on drop.
#[derive(Debug)]
#[must_use]
pub struct Guard<'a> {
    map: &'a Mapping,
    /// The process token; made even when the thread was unwinding already as it locked, so
    /// that the panic cut nothing short here. One word for both: a guard of two words stays in
    /// registers, one of three cost a write 14 ns of store-forwarding stalls.
    process: u64,
    /// A pthread mutex must be released by the thread that locked it.
    _not_send: PhantomData<*mut ()>,
}

impl<'a> Guard<'a> {
    /// The caller has just locked the mutex.
    #[inline]
    fn new(map: &'a Mapping) -> Self {
        map.set_held(true);
        let process = process_token() ^ u64::from(std::thread::panicking());
        Self { map, process, _not_send: PhantomData }
    }

    /// False in a forked child.
    #[inline]
    fn is_ours(&self) -> bool {
        self.process | 1 == process_token()
    }

    /// The body, for writing.
    ///
    /// # Errors
    /// [`LockError::ForeignProcess`] in a forked child: the parent holds the
    /// lock, and the child may not write.
    #[inline]
    pub fn words(&self) -> Result<Words<'_>, LockError> {
        if self.is_ours() {
            Ok(Words::new(self.map.body()))
        } else {
            Err(LockError::ForeignProcess)
        }
    }

    /// Asks the next owner to repair, as if this one had died. For a writer that
    /// must stop in the middle.
    pub fn mark_dirty(&self) {
        if self.is_ours() {
            self.map.header_word(DIRTY_OFFSET).store(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Guard<'_> {
    #[inline]
    fn drop(&mut self) {
        // A forked child inherits the guard but not the lock.
        if self.is_ours() {
            if self.process & 1 == 1 && std::thread::panicking() {
                // Whatever the panic cut short is the next owner's to repair.
                self.mark_dirty();
            }
            self.map.set_held(false);
            // SAFETY: the mutex is initialised (invariant 1) and this thread
            // holds it (the guard is neither Send nor Clone).
            unsafe { libc::pthread_mutex_unlock(raw(self.map)) };
        }
    }
}

/// A lock whose last owner died. Dropping it unrepaired leaves the repair to the
/// next owner.
#[derive(Debug)]
#[must_use]
pub struct Recovery<'a> {
    guard: Guard<'a>,
    /// The mutex itself is inconsistent, not only the data.
    inconsistent: bool,
}

impl<'a> Recovery<'a> {
    /// Runs `repair` on the body and, if it succeeds, returns the guard.
    ///
    /// If it fails, panics, or the process dies in it, the next owner is asked to
    /// repair again; so `repair` must be idempotent.
    ///
    /// # Errors
    /// Whatever `repair` returns, or [`LockError::ForeignProcess`].
    pub fn repair<E: From<LockError>>(
        mut self,
        repair: impl FnOnce(Words<'_>) -> Result<(), E>,
    ) -> Result<Guard<'a>, E> {
        let words = self.guard.words()?;
        repair(words)?;
        // `repair` may have forked; the child must not call the mutex consistent.
        self.guard.words()?;
        // Order: a death before `consistent` is seen as EOWNERDEAD again.
        self.guard.map.header_word(DIRTY_OFFSET).store(0, Ordering::Relaxed);
        if std::mem::take(&mut self.inconsistent) {
            consistent(self.guard.map).map_err(LockError::Os)?;
        }
        let this = std::mem::ManuallyDrop::new(self);
        // SAFETY: `this` is never used or dropped, so the guard is moved out once.
        Ok(unsafe { std::ptr::read(&this.guard) })
    }
}

impl Drop for Recovery<'_> {
    fn drop(&mut self) {
        // Unlocking an inconsistent mutex would make it unrecoverable; the dirty
        // flag carries the duty on instead. The guard then unlocks.
        self.guard.mark_dirty();
        if self.inconsistent && self.guard.is_ours() {
            let _ = consistent(self.guard.map);
        }
    }
}

impl<'a> Deref for Recovery<'a> {
    type Target = Guard<'a>;

    fn deref(&self) -> &Guard<'a> {
        &self.guard
    }
}

#[inline]
fn is_dirty(map: &Mapping) -> bool {
    // Relaxed: the flag is stored only under the lock.
    map.header_word(DIRTY_OFFSET).load(Ordering::Relaxed) != 0
}

#[inline]
fn trylock(map: &Mapping) -> c_int {
    // SAFETY: the mutex is initialised (invariant 1).
    unsafe { libc::pthread_mutex_trylock(raw(map)) }
}

#[inline]
fn raw(map: &Mapping) -> *mut libc::pthread_mutex_t {
    // SAFETY: LOCK_OFFSET is inside the first page, which is mapped.
    unsafe { map.base().add(LOCK_OFFSET) }.cast()
}

fn consistent(map: &Mapping) -> io::Result<()> {
    // SAFETY: the mutex is initialised and held by this thread.
    check(unsafe { libc::pthread_mutex_consistent(raw(map)) })
}

fn check(code: c_int) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code)) }
}

/// Waits for the lock; true when its last owner died.
#[cold]
fn lock_contended(map: &Mapping, wait: Wait) -> Result<bool, LockError> {
    // A critical section is shorter than a sleep and a wake-up: spin a little.
    let backoff = Backoff::new();
    while !backoff.is_completed() {
        backoff.spin();
        let code = trylock(map);
        if code != libc::EBUSY {
            return outcome(code, Duration::ZERO);
        }
        backoff.snooze();
    }
    match wait {
        Wait::For(limit) => {
            let start = Instant::now();
            let code = timed_lock(map, limit)?;
            outcome(code, start.elapsed())
        }
        Wait::Forever | Wait::No => {
            // SAFETY: the mutex is initialised (invariant 1).
            outcome(unsafe { libc::pthread_mutex_lock(raw(map)) }, Duration::ZERO)
        }
    }
}

fn outcome(code: c_int, waited: Duration) -> Result<bool, LockError> {
    match code {
        0 => Ok(false),
        libc::EOWNERDEAD => Ok(true),
        libc::EBUSY => Err(LockError::WouldBlock),
        libc::ETIMEDOUT => Err(LockError::TimedOut { waited }),
        libc::EDEADLK => Err(LockError::WouldDeadlock),
        libc::ENOTRECOVERABLE => Err(LockError::NotRecoverable),
        other => Err(LockError::Os(io::Error::from_raw_os_error(other))),
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
        return Err(LockError::Os(io::Error::last_os_error()));
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

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::{CreateOptions, Kind, Name, Namespace, WritableSegment};

    /// Locks in its destructor, as one that records that its worker failed.
    struct Last<'a>(&'a WritableSegment);

    impl Drop for Last<'_> {
        fn drop(&mut self) {
            assert!(matches!(self.0.lock(), Ok(Acquired::Clean(_))));
        }
    }

    #[test]
    fn a_panic_asks_for_a_repair_only_if_the_lock_was_held_before_it() {
        let dir = std::env::temp_dir().join(format!("shm-core-unwinding-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (kind, geometry) = (Kind::new("test"), [0; crate::GEOMETRY_WORDS]);
        let options = CreateOptions { kind, kind_version: 1, geometry, body_len: 8, mode: 0o600 };
        let name = Name::new("unwinding").unwrap();
        let segment = Namespace::at(&dir).create(&name, &options, |_| ()).unwrap();

        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let _last = Last(&segment);
            panic!("on purpose");
        }));
        assert!(outcome.is_err());
        assert!(matches!(segment.lock(), Ok(Acquired::Clean(_))));

        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let _guard = segment.lock().unwrap();
            panic!("on purpose");
        }));
        assert!(outcome.is_err());
        assert!(matches!(segment.lock(), Ok(Acquired::OwnerDied(_))));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
