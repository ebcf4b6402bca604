//! Locking: from the mutex to a guard, or to the duty to repair.

use super::guard::{Acquired, Guard, Recovery};
use super::layout::PID_NAMESPACE_OFFSET;
use super::map::Mapping;
use super::mutex;
use super::patience::Waiting;
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

/// Locks.
#[inline]
pub(crate) fn acquire<'a>(map: &'a Mapping, wait: Wait<'_>) -> Result<Acquired<'a>, LockError> {
    let process = process_token();
    if !map.is_used_by(process) {
        enter_process(map, process)?;
    }
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
        // Whatever was acquired is put back as it was.
        return Err(foreign(map));
    }
    Ok(acquired)
}

/// Locks if that takes no waiting and no repair.
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
            // Held now, and inconsistent: put it back as one that needs repair.
            drop(Recovery::new(Guard::new(map, process), true));
            None
        }
        _ => None,
    }
}

/// A forked child uses the mapping for the first time. It may live in another pid namespace
/// than its parent, where thread ids mean something else: the mutex would take one thread
/// for another.
#[cold]
fn enter_process(map: &Mapping, process: u64) -> Result<(), LockError> {
    let here = identity::pid_namespace()
        .map_err(|source| LockError::Os { action: "read this process's pid namespace", source })?;
    if here != map.pid_namespace() {
        let (found, expected) = (map.pid_namespace(), here);
        return Err(LockError::PidNamespace { found, expected });
    }
    map.set_used_by(process);
    Ok(())
}

/// True when the writers are those of another pid namespace by now: they saw no sign of this one
/// when they opened the segment.
#[inline]
fn is_taken_over(map: &Mapping) -> bool {
    // Relaxed: pairs with nothing. Where it is stored to by now, it is another value for ever.
    map.header_word(PID_NAMESPACE_OFFSET).load(Ordering::Relaxed) != map.pid_namespace()
}

#[cold]
fn foreign(map: &Mapping) -> LockError {
    let found = map.header_word(PID_NAMESPACE_OFFSET).load(Ordering::Relaxed);
    LockError::PidNamespace { found, expected: map.pid_namespace() }
}
