//! The lock: a word that names its holder by the holder's record.
//!
//! `docs/concurrency.md`, chapter The lock, has the state table and says why nobody takes it from a
//! living holder, and why no wake-up is lost. `models.rs` runs these functions under loom.
//!
//! # Waiting
//! Nobody wakes the waiters when the holder dies, and a process that may only read the segment can
//! take or move a wake-up. So no waiter sleeps for long: each sleep lasts at most [`SLICE`], and
//! then the lock is tried again.

use std::time::{Duration, Instant};

use crossbeam_utils::Backoff;

use super::map::Mapping;
use super::patience::Waiting;
use super::records::{self, WriterId};
use crate::error::LockError;
use crate::os::fork::process_token;
use crate::os::futex;
use crate::os::holder::Holder;
use crate::sabotage;
use crate::sync::{Ordering, Word, fence};

/// Maximum length of a single sleep.
const SLICE: Duration = Duration::from_millis(2);
/// After this many sleeps, the caller's interrupt is asked, and the holder is looked up by its
/// thread id.
const SLICES: u32 = 10;
/// Maximum time that a thread that held the lock for long gives way to waiters.
const GIVE_WAY: Duration = Duration::from_millis(5);

/// The bit of the wake word that says that somebody may be asleep.
const ASLEEP: u64 = 1;
/// One more wake-up.
const ONCE: u64 = 2;

/// What came of an attempt to take the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// The caller holds it; it was free.
    Free,
    /// The caller holds it; its holder was dead.
    FromTheDead,
    /// This one holds it.
    Held(u64),
}

/// Takes the lock for `id` if it is free.
#[inline(always)]
pub(super) fn take_free(lock: &Word, id: u64) -> Result<(), u64> {
    // Success: Acquire pairs with the release by the last holder. Release: whoever loads the id
    // with Acquire sees that its owner is registered.
    // Failure: Acquire, for that reason.
    lock.compare_exchange(0, id, Ordering::AcqRel, Ordering::Acquire).map(drop)
}

/// Takes the lock for `id` if it is free, or if its holder is dead.
pub(super) fn try_take(lock: &Word, id: u64, is_dead: impl FnOnce(u64) -> bool) -> Taken {
    // A load first: a failing exchange would take the line away from the holder.
    // Acquire: as in `take_free`.
    let found = lock.load(Ordering::Acquire);
    let found = match found {
        0 => match take_free(lock, id) {
            Ok(()) => return Taken::Free,
            Err(found) => found,
        },
        found => found,
    };
    if !is_dead(found) {
        return Taken::Held(found);
    }
    // An id is never given twice, so the word still names that dead holder if it has this value.
    // What that holder stored is visible because `is_dead` has said so.
    match lock.compare_exchange(found, id, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Taken::FromTheDead,
        Err(now) => Taken::Held(now),
    }
}

/// Releases the lock, and wakes a waiter if there may be one. This is a full barrier.
#[inline(always)]
pub(super) fn release(lock: &Word, wake: &Word, futex_wake: impl FnOnce(&Word)) {
    if cfg!(all(target_arch = "x86_64", not(loom))) {
        // Release: pairs with the acquire in `take_free`. The exchange is a full barrier, and
        // Acquire keeps the compiler from loading the wake word before it.
        lock.swap(0, Ordering::AcqRel);
    } else {
        lock.store(0, Ordering::Release);
        // SeqCst: pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
    }
    // Relaxed: ordered by the barrier.
    let seen = wake.load(Ordering::Relaxed);
    if seen & ASLEEP != 0 {
        wake_one(wake, seen, futex_wake);
    }
}

#[cold]
#[inline(never)]
fn wake_one(wake: &Word, seen: u64, futex_wake: impl FnOnce(&Word)) {
    let awake = (seen & !ASLEEP).wrapping_add(ONCE);
    // If it fails, another release has cleared the bit and wakes one, or a waiter has set it again,
    // which tries the lock before it sleeps.
    let _ = wake.compare_exchange(seen, awake, Ordering::Relaxed, Ordering::Relaxed);
    futex_wake(wake);
}

/// Announces that this thread is about to sleep until the lock is released. Returns what the wake
/// word must still be when it falls asleep. The caller first tries the lock once more.
pub(super) fn announce(wake: &Word) -> u64 {
    // A guess, which the exchange confirms.
    let mut seen = wake.load(Ordering::Relaxed);
    // Stored even if the bit is set already: then every waiter has a store before its fence.
    while let Err(found) =
        wake.compare_exchange(seen, seen | ASLEEP, Ordering::Relaxed, Ordering::Relaxed)
    {
        seen = found;
    }
    // SeqCst: pairs with the full barrier in `release`. If that barrier comes first, this thread
    // sees the lock free, or a later holder. Otherwise, the releasing thread sees the bit, or a
    // wake-up that came after it.
    fence(Ordering::SeqCst);
    seen | ASLEEP
}

/// True if a thread sleeps until the lock is released, or is about to.
fn has_waiters(map: &Mapping) -> bool {
    map.wake_word().load(Ordering::Relaxed) & ASLEEP != 0
}

/// Takes the lock of a segment if it is free, or if its holder is dead.
pub(super) fn try_lock(map: &Mapping, id: WriterId) -> Taken {
    try_take(map.lock_word(), id.to_u64(), |holder| is_dead(map, holder))
}

/// True if the lock names no living registration.
pub(super) fn is_dead(map: &Mapping, holder: u64) -> bool {
    !sabotage::waits_for_the_dead()
        && WriterId::from_u64(holder).is_none_or(|id| records::is_dead(map, id))
}

/// The thread that holds the lock of a segment now, if it is alive.
pub(super) fn holder(map: &Mapping) -> Option<Holder> {
    // Acquire: as in `take_free`.
    records::holder_of(map, WriterId::from_u64(map.lock_word().load(Ordering::Acquire))?)
}

/// Releases the lock of a segment, which the calling thread holds.
#[inline(always)]
pub(super) fn unlock(map: &Mapping) {
    release(map.lock_word(), map.wake_word(), futex::wake_one);
}

/// Releases the lock, and gives way to a waiter. Otherwise a thread that locks again immediately
/// would get the lock before the thread that it woke can run.
pub(super) fn unlock_and_give_way(map: &Mapping) {
    let waited_for = has_waiters(map);
    unlock(map);
    if !waited_for {
        return;
    }
    // Wait until another thread has the lock. If that thread was quicker than this loop, or no
    // longer waits, this costs no more than the limit.
    let start = Instant::now();
    let backoff = Backoff::new();
    while map.lock_word().load(Ordering::Relaxed) == 0 {
        if start.elapsed() > GIVE_WAY {
            break;
        }
        backoff.snooze();
    }
}

/// Waits for the lock. `look_up` is called for a holder that has held it for long.
#[cold]
pub(super) fn lock_contended(
    map: &Mapping,
    id: WriterId,
    waiting: Waiting<'_>,
    mut look_up: impl FnMut(WriterId) -> Result<(), LockError>,
) -> Result<Taken, LockError> {
    // A critical section is shorter than a sleep and a wake-up: spin briefly.
    let backoff = Backoff::new();
    while !backoff.is_completed() {
        backoff.spin();
        let taken = try_lock(map, id);
        if !matches!(taken, Taken::Held(_)) {
            return Ok(taken);
        }
        backoff.snooze();
    }
    let mut sleeps = 0;
    let process = process_token();
    loop {
        let announced = announce(map.wake_word());
        let held_by = match try_lock(map, id) {
            Taken::Held(holder) => WriterId::from_u64(holder),
            taken => return Ok(taken),
        };
        if sleeps == 0 {
            held_by.map_or(Ok(()), &mut look_up)?;
        }
        let slice = waiting.slice(SLICE);
        if slice.is_zero() {
            let (waited, holder) = (waiting.waited(), holder(map));
            return Err(LockError::TimedOut { waited, holder });
        }
        let slept = futex::wait(map.wake_word(), announced, slice);
        slept.map_err(|source| LockError::Os { action: "wait for the lock", source })?;
        sleeps += 1;
        if sleeps > SLICES {
            sleeps = 0;
            let interrupted = waiting.is_interrupted();
            if process_token() != process {
                // The caller's code has forked, and this is the child: the id is its parent's.
                return Err(LockError::ForeignProcess);
            }
            if interrupted {
                return Err(LockError::Interrupted { waited: waiting.waited() });
            }
        }
    }
}
