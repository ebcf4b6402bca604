//! Locking. It returns either a guard or the duty to repair.

use super::guard::{Acquired, Guard, Recovery};
use super::layout::PID_NAMESPACE_OFFSET;
use super::map::Mapping;
use super::mutex;
use super::patience::Waiting;
use super::seats;
use crate::error::LockError;
use crate::os::fork::process_token;
use crate::os::identity;
use crate::sync::Ordering;

/// How long an acquisition may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait<'a> {
    No,
    While(Waiting<'a>),
}

/// Takes the lock, waiting as `wait` says.
#[inline]
pub(crate) fn acquire<'a>(map: &'a Mapping, wait: Wait<'_>) -> Result<Acquired<'a>, LockError> {
    let process = process_token();
    enter(map, process)?;
    let inconsistent = match (mutex::trylock(map), wait) {
        (libc::EBUSY, Wait::While(waiting)) => mutex::lock_contended(map, waiting)?,
        (tried, _) => mutex::outcome(tried)?,
    };
    let guard = Guard::new(map, process);
    let acquired = if inconsistent || mutex::is_dirty(map) {
        Acquired::OwnerDied(Recovery::new(guard, inconsistent))
    } else {
        Acquired::Clean(guard)
    };
    if is_taken_over(map) {
        // What was acquired is released as it was found.
        return Err(foreign(map));
    }
    Ok(acquired)
}

/// Takes the lock if that needs neither waiting nor a repair.
#[inline]
pub(crate) fn acquire_clean(map: &Mapping) -> Option<Guard<'_>> {
    let process = process_token();
    if !map.is_used_by(process) {
        return None;
    }
    match mutex::trylock(map) {
        0 => {
            let guard = Guard::new(map, process);
            // Dropping the guard leaves the flag, and with it the duty to repair.
            (!mutex::is_dirty(map) && !is_taken_over(map)).then_some(guard)
        }
        libc::EOWNERDEAD => {
            // Held now, and inconsistent: release it as a lock that needs repair.
            drop(Recovery::new(Guard::new(map, process), true));
            None
        }
        _ => None,
    }
}

/// Makes sure that this process may use the mutex, and those of the records.
#[inline]
pub(crate) fn enter(map: &Mapping, process: u64) -> Result<(), LockError> {
    if map.is_used_by(process) { Ok(()) } else { enter_process(map, process) }
}

/// Admits a forked child that uses the mapping for the first time. The child may live in another
/// pid namespace than its parent. If so, it is refused: thread ids mean something else there, so
/// the mutex would take one thread for another.
#[cold]
fn enter_process(map: &Mapping, process: u64) -> Result<(), LockError> {
    let here = identity::pid_namespace()
        .map_err(|source| LockError::Os { action: "read this process's pid namespace", source })?;
    if here != map.pid_namespace() {
        let (found, expected) = (map.pid_namespace(), here);
        return Err(LockError::PidNamespace { found, expected });
    }
    // Its robust list leads to its parent's records: it would store to them.
    if seats::has_inherited(process) {
        return Err(LockError::ForeignProcess);
    }
    map.set_used_by(process);
    Ok(())
}

/// True if a process of another pid namespace has taken the segment over. That process saw no sign
/// of this one when it opened the segment.
#[inline(always)]
pub(crate) fn is_taken_over(map: &Mapping) -> bool {
    // Relaxed: pairs with nothing. Once the word was stored to, it never gets its old value back.
    map.header_word(PID_NAMESPACE_OFFSET).load(Ordering::Relaxed) != map.pid_namespace()
}

#[cold]
fn foreign(map: &Mapping) -> LockError {
    let found = map.header_word(PID_NAMESPACE_OFFSET).load(Ordering::Relaxed);
    LockError::PidNamespace { found, expected: map.pid_namespace() }
}
