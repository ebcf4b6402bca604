//! Taking the lock of a table, and repairing the table if that is necessary.

use shm_core::{Acquired, Guard, LockError, Ordering};

use super::handle::Table;
use crate::key::Key;
use crate::observer::Event;
use crate::protocol::{CheckRoom, Repaired, recover};

impl<K: Key + ?Sized> Table<K> {
    /// Takes the lock, and repairs the table if the last owner died.
    #[inline(always)]
    pub(crate) fn lock(&self) -> Result<Guard<'_>, LockError> {
        // Relaxed: only a hint within this process.
        if !self.suspect.load(Ordering::Relaxed)
            && let Some(guard) = self.segment.try_lock_clean()
        {
            return Ok(guard);
        }
        self.lock_patiently()
    }

    #[cold]
    fn lock_patiently(&self) -> Result<Guard<'_>, LockError> {
        let mut told = Repaired::default();
        if self.suspect.load(Ordering::Relaxed) {
            self.check_suspect(&mut told)?;
        }
        self.lock_slowly(&mut told)
    }

    /// Like [`Table::lock`], but does not repair damage that was detected when the table was
    /// opened.
    pub(crate) fn lock_as_it_is(&self) -> Result<Guard<'_>, LockError> {
        self.lock_slowly(&mut Repaired::default())
    }

    /// Checks the table. If anything is wrong, makes the next owner of the lock repair the table,
    /// as after the death of a writer.
    fn check_suspect(&self, told: &mut Repaired) -> Result<(), LockError> {
        let mut room = CheckRoom::new(self.layout());
        let guard = self.lock_slowly(told)?;
        let words = guard.words()?;
        // Under the lock: no other thread writes through this handle between this and the check,
        // and what a reader finds during the check is not forgotten.
        self.suspect.store(false, Ordering::Relaxed);
        if recover::check(words, self.layout(), &mut room).is_err() {
            guard.mark_dirty();
        }
        drop(guard);
        Ok(())
    }

    /// Checks the whole table under the lock, and repairs it if anything is wrong.
    pub(crate) fn check_and_repair(&self) -> Result<Repaired, LockError> {
        let mut told = Repaired::default();
        let mut room = CheckRoom::new(self.layout());
        let mut guard = self.lock_slowly(&mut told)?;
        if recover::check(guard.words()?, self.layout(), &mut room).is_err() {
            guard.mark_dirty();
            drop(guard);
            guard = self.lock_slowly(&mut told)?;
        }
        // If nothing is wrong, the lock is taken only once: otherwise a loop of such calls would
        // take it again before a writer that was woken could run, and would starve that writer.
        self.suspect.store(false, Ordering::Relaxed);
        guard.hand_over();
        Ok(told)
    }

    fn lock_slowly(&self, told: &mut Repaired) -> Result<Guard<'_>, LockError> {
        let observer = &self.waits.observer;
        loop {
            let recovery = match self.acquire()? {
                Acquired::Clean(guard) => return Ok(guard),
                Acquired::OwnerDied(recovery) => recovery,
            };
            let mut repaired = Repaired::default();
            let guard = recovery.repair(|words| {
                repaired = recover::repair(words, self.layout());
                Ok::<(), LockError>(())
            })?;
            told.slots += repaired.slots;
            told.entries += repaired.entries;
            if !observer.is_set() {
                return Ok(guard);
            }
            // The caller's code does not run under the lock.
            drop(guard);
            observer.tell(Event::Repaired { slots: repaired.slots, entries: repaired.entries });
        }
    }

    fn acquire(&self) -> Result<Acquired<'_>, LockError> {
        if self.waits.observer.is_set() {
            match self.segment.try_lock() {
                Err(LockError::WouldBlock) => self.waits.observer.tell(Event::Waiting),
                other => return other,
            }
        }
        self.segment.lock_with(&self.waits.patience)
    }
}
