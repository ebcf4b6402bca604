//! The lock of a handle that may write, and the repair that it may find necessary.

use shm_core::{Acquired, Guard, LockError, Ordering};

use crate::crowded::CheckRoom;
use crate::key::Key;
use crate::recover::{self, Repaired};
use crate::table::Table;

impl<K: Key + ?Sized> Table<K> {
    /// Has the whole table checked under the lock before the next write, and repaired if need be.
    pub(crate) fn suspect(&self) {
        self.suspect.store(true, Ordering::Relaxed);
    }

    /// Locks, and repairs if the last owner died.
    #[inline(always)]
    pub(crate) fn lock(&self) -> Result<Guard<'_>, LockError> {
        // Relaxed: a hint to this process.
        if !self.suspect.load(Ordering::Relaxed)
            && let Some(guard) = self.segment.try_lock_clean()
        {
            return Ok(guard);
        }
        self.lock_patiently()
    }

    #[cold]
    fn lock_patiently(&self) -> Result<Guard<'_>, LockError> {
        Ok(self.lock_and_tell()?.0)
    }

    /// As [`Table::lock`], but leaves damage that was noticed at opening as it is.
    pub(crate) fn lock_as_it_is(&self) -> Result<Guard<'_>, LockError> {
        self.lock_slowly(&mut Repaired::default())
    }

    /// As [`Table::lock`]; tells what a repair could not keep.
    #[cold]
    pub(crate) fn lock_and_tell(&self) -> Result<(Guard<'_>, Repaired), LockError> {
        let mut told = Repaired::default();
        if self.suspect.swap(false, Ordering::Relaxed) {
            match self.lock_if_sound(&mut told) {
                Ok(None) => {}
                Ok(Some(guard)) => return Ok((guard, told)),
                Err(error) => {
                    self.suspect();
                    return Err(error);
                }
            }
        }
        let guard = self.lock_slowly(&mut told)?;
        Ok((guard, told))
    }

    /// Locks, and checks the whole table. `None`, and not locked, if anything is wrong: the next
    /// owner of the lock repairs, as after a death.
    fn lock_if_sound(&self, told: &mut Repaired) -> Result<Option<Guard<'_>>, LockError> {
        let mut room = CheckRoom::new(self.layout());
        let guard = self.lock_slowly(told)?;
        if recover::check(guard.words()?, self.layout(), &mut room).is_ok() {
            // Not released in between: a loop of such calls would take the lock again before a
            // writer that was woken runs, and starve it.
            return Ok(Some(guard));
        }
        guard.mark_dirty();
        Ok(None)
    }

    fn lock_slowly(&self, told: &mut Repaired) -> Result<Guard<'_>, LockError> {
        match self.segment.lock_with(&self.patience)? {
            Acquired::Clean(guard) => Ok(guard),
            Acquired::OwnerDied(recovery) => recovery.repair(|words| {
                *told = recover::repair(words, self.layout());
                Ok(())
            }),
        }
    }
}
