//! Locking. It returns either a guard or the duty to repair.

use std::time::Duration;

use super::guard::{Acquired, Guard, Recovery};
use super::lock::{self, Taken};
use super::map::{Held, Mapping};
use super::patience::Waiting;
use super::records::{self, Record, WriterId};
use super::seats::{self, InUse, Unregistered};
use crate::error::LockError;
use crate::os::fork::{known_token, process_token};
use crate::os::identity;
use crate::sync::Ordering;

/// How long an acquisition may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait<'a> {
    No,
    While(Waiting<'a>),
}

/// How long a call that does not wait for the lock waits for the right to register.
const REGISTERING: Duration = Duration::from_millis(100);
/// How long a call waits for the right to register before it asks the caller's interrupt.
const SLICE: Duration = Duration::from_millis(20);
/// How long a guest waits before it looks for a free record again.
const PAUSE: Duration = Duration::from_millis(1);

/// Takes the lock, waiting as `wait` says.
#[inline]
pub(crate) fn acquire<'a>(map: &'a Mapping, wait: Wait<'_>) -> Result<Acquired<'a>, LockError> {
    // From here on a fork leaves the record to this thread. Once the lock names the record, the
    // lock does.
    let _in_use = InUse::begin();
    let (id, held) = match seats::current(map.key()) {
        Some(id) => (id, Held::Yes),
        None => register(map, wait)?,
    };
    let taken = match (lock::try_lock(map, id), wait) {
        // By this thread, through the same handle.
        (Taken::Held(holder), _) if holder == id.to_u64() => Err(LockError::WouldDeadlock),
        (Taken::Held(_), Wait::No) => Err(LockError::WouldBlock),
        (Taken::Held(_), Wait::While(waiting)) => {
            lock::lock_contended(map, id, waiting, |holder| look_up(map, holder))
        }
        (taken, _) => Ok(taken),
    };
    match taken {
        Ok(taken) => {
            // Not `known_token`, which does not know a process without `MADV_WIPEONFORK`.
            let guard = Guard::new(map, process_token(), held);
            Ok(if taken == Taken::FromTheDead || map.is_dirty() {
                Acquired::OwnerDied(Recovery::new(guard))
            } else {
                Acquired::Clean(guard)
            })
        }
        Err(error) => {
            if held == Held::ByGuest {
                seats::leave_as_guest(map, id);
            }
            Err(error)
        }
    }
}

/// Takes the lock if that needs neither waiting nor a repair.
#[inline]
pub(crate) fn acquire_clean(map: &Mapping) -> Option<Guard<'_>> {
    let _in_use = InUse::begin();
    let id = match seats::current(map.key()) {
        Some(id) => id,
        None => seats::find(map.key())?,
    };
    lock::take_free(map.lock_word(), id.to_u64()).ok()?;
    let guard = Guard::new(map, known_token(), Held::Yes);
    // Dropping the guard leaves the word, and with it the duty to repair.
    (!map.is_dirty()).then_some(guard)
}

/// Registers the calling thread, as a guest if need be.
#[cold]
#[inline(never)]
fn register(map: &Mapping, wait: Wait<'_>) -> Result<(WriterId, Held), LockError> {
    process_token();
    let slice = |waiting: Waiting<'_>| waiting.slice(SLICE);
    loop {
        let limit = match wait {
            Wait::No => REGISTERING,
            Wait::While(waiting) => slice(waiting),
        };
        match seats::find_or_register(map, limit) {
            Ok(id) => return Ok((id, Held::Yes)),
            Err(Unregistered::Full) => {
                // Before it waits for a record that the thread itself may have.
                let holder = map.lock_word().load(Ordering::Acquire);
                if let Some(holder) = WriterId::from_u64(holder)
                    && records::is_this_thread(map, holder)
                {
                    return Err(would_deadlock(wait));
                }
                match seats::register_as_guest(map, limit) {
                    Ok(id) => return Ok((id, Held::ByGuest)),
                    Err(Unregistered::Full) if matches!(wait, Wait::While(_)) => {
                        std::thread::sleep(PAUSE.min(limit));
                    }
                    Err(Unregistered::Busy) if matches!(wait, Wait::While(_)) => {}
                    Err(why) => return Err(why.into()),
                }
                if let Wait::While(waiting) = wait
                    && waiting.is_over()
                {
                    return Err(LockError::NoRecord {
                        records: map.records(),
                        waited: waiting.waited(),
                    });
                }
            }
            Err(Unregistered::Busy) if matches!(wait, Wait::While(_)) => {}
            Err(why) => return Err(why.into()),
        }
        if let Wait::While(waiting) = wait {
            let waited = waiting.waited();
            if waiting.is_over() {
                return Err(LockError::TimedOut { waited, holder: lock::holder(map) });
            }
            if waiting.is_interrupted() {
                return Err(LockError::Interrupted { waited });
            }
        }
    }
}

fn would_deadlock(wait: Wait<'_>) -> LockError {
    match wait {
        Wait::No => LockError::WouldBlock,
        Wait::While(_) => LockError::WouldDeadlock,
    }
}

/// Finds out about a holder that has not released the lock for a while.
#[cold]
fn look_up(map: &Mapping, holder: WriterId) -> Result<(), LockError> {
    if records::is_this_thread(map, holder) {
        return Err(LockError::WouldDeadlock);
    }
    notice_death(map, holder);
    Ok(())
}

/// Notices the death of a writer that the kernel does not report.
#[cold]
pub(crate) fn notice_death(map: &Mapping, id: WriterId) {
    if let Some(record) = Record::get(map, id.index())
        && !records::is_dead(map, id)
        && let Ok(here) = identity::pid_namespace()
        && record.seems_gone(here)
        && let Some(file) = map.file()
        && let Ok(registrar) = seats::registrar_of(file, Duration::ZERO)
    {
        record.mark_if_gone(&registrar, here);
    }
}
