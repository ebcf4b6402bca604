//! What locking returns: a guard, or the duty to repair first.
//!
//! The death of an owner is not reported by an error that contains a guard, because a bare `?`
//! would drop it. It is reported by [`Acquired::OwnerDied`], and only [`Recovery::repair`] turns
//! that into a guard.

use std::marker::PhantomData;

use super::lock;
use super::map::{Held, Mapping};
use super::records::WriterId;
use super::seats;
use crate::error::LockError;
use crate::os::fork::process_token;
use crate::sync::{Ordering, Words};

/// A lock that was acquired. If its last owner died, or gave up in the middle of a write, the data
/// must be repaired first.
#[derive(Debug)]
#[must_use]
pub enum Acquired<'a> {
    /// The last owner released the lock in order.
    Clean(Guard<'a>),
    /// The last owner died, or gave up in the middle of a write.
    OwnerDied(Recovery<'a>),
}

/// Proof that this thread holds the lock. Released on drop.
#[derive(Debug)]
#[must_use]
pub struct Guard<'a> {
    map: &'a Mapping,
    /// The process token. Its lowest bit is cleared if the thread was already unwinding when it
    /// locked, because that panic interrupts no write under this lock. One word holds both facts,
    /// because a guard of two words stays in registers. With three words, a write took 14 ns longer
    /// because of store-forwarding stalls.
    process: u64,
    /// The lock names the thread's record.
    _not_send: PhantomData<*mut ()>,
}

impl<'a> Guard<'a> {
    /// Creates the guard of a lock that the caller has just taken. The caller is a thread of
    /// `process`.
    #[inline]
    pub(crate) fn new(map: &'a Mapping, process: u64, held: Held) -> Self {
        map.set_held(held);
        let process = process ^ u64::from(std::thread::panicking());
        Self { map, process, _not_send: PhantomData }
    }

    /// False in a child that inherited the guard through `fork`.
    #[inline]
    fn is_ours(&self) -> bool {
        self.process | 1 == process_token()
    }

    /// Returns the body for reading and writing.
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

    /// Asks the next owner to repair, as if this owner had died. A writer that must stop in the
    /// middle of a write calls this.
    pub fn mark_dirty(&self) {
        if self.is_ours() {
            self.map.set_dirty(true);
        }
    }

    /// Releases the lock. If other threads wait for the lock, this thread waits until one of them
    /// has got it, but for at most 5 ms. Callers that hold the lock for a long time, and may take
    /// it again immediately, need this. Otherwise, other threads would starve.
    pub fn hand_over(mut self) {
        self.release(lock::unlock_and_give_way);
        std::mem::forget(self);
    }

    #[inline(always)]
    fn release(&mut self, unlock: impl FnOnce(&Mapping)) {
        // A forked child inherits the guard but not the lock.
        if self.is_ours() {
            if self.process & 1 == 1 && std::thread::panicking() {
                // The next owner must repair what the panic interrupted.
                self.mark_dirty();
            }
            if self.map.is_held_by_guest() {
                self.release_as_guest(unlock);
                return;
            }
            self.map.set_held(Held::No);
            unlock(self.map);
        }
    }

    #[cold]
    fn release_as_guest(&self, unlock: impl FnOnce(&Mapping)) {
        // Relaxed: this thread stored it.
        let id = WriterId::from_u64(self.map.lock_word().load(Ordering::Relaxed));
        self.map.set_held(Held::No);
        unlock(self.map);
        if let Some(id) = id {
            seats::leave_as_guest(self.map, id);
        }
    }
}

impl Drop for Guard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.release(lock::unlock);
    }
}

/// A lock whose last owner died. Only [`Recovery::repair`] can store through it. Dropping it
/// without a repair leaves the repair to the next owner.
#[derive(Debug)]
#[must_use]
pub struct Recovery<'a> {
    /// `None` after a repair has succeeded.
    guard: Option<Guard<'a>>,
}

impl<'a> Recovery<'a> {
    pub(crate) fn new(guard: Guard<'a>) -> Self {
        Self { guard: Some(guard) }
    }

    /// Runs `repair` on the body. If it succeeds, returns the guard.
    ///
    /// If `repair` fails or panics, or the process dies in it, the next owner is asked to repair
    /// again, so `repair` must be idempotent.
    ///
    /// # Errors
    /// Any error that `repair` returns, or [`LockError::ForeignProcess`].
    pub fn repair<E: From<LockError>>(
        mut self,
        repair: impl FnOnce(Words<'_>) -> Result<(), E>,
    ) -> Result<Guard<'a>, E> {
        let guard = self.guard.as_ref().ok_or(LockError::ForeignProcess)?;
        repair(guard.words()?)?;
        // `repair` may have forked; the child must not say that the data is repaired.
        guard.words()?;
        // After a death before the release, the lock names a dead holder again.
        guard.map.set_dirty(false);
        self.guard.take().ok_or_else(|| LockError::ForeignProcess.into())
    }
}

impl Drop for Recovery<'_> {
    fn drop(&mut self) {
        let Some(guard) = self.guard.take() else { return };
        // The dirty word passes the duty on. The guard then releases the lock.
        guard.mark_dirty();
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::{CreateOptions, Kind, Name, Namespace, WritableSegment};

    /// A value that locks in its destructor, for instance to record that its worker failed.
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
        let options = CreateOptions::new(kind, 1, 8).geometry(geometry);
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
