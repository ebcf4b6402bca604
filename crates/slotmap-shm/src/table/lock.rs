//! Taking the lock of a table, and repairing the table if that is necessary.

use shm_core::{Acquired, Guard, LockError, Ordering, Words, fence};

use super::closing::Waited;
use super::handle::Table;
use crate::error::TableError;
use crate::key::Key;
use crate::layout::CLOSED;
use crate::observer::Event;
use crate::protocol::{CheckRoom, Repaired, Touched, recover};

impl<K: Key + ?Sized> Table<K> {
    /// Takes the lock, and repairs the table if the last owner died.
    #[inline(always)]
    pub(crate) fn lock(&self) -> Result<Guard<'_>, LockError> {
        self.lock_within(&Waited::default())
    }

    /// The same, as one of the waits of a call.
    #[inline(always)]
    pub(super) fn lock_within(&self, waited: &Waited) -> Result<Guard<'_>, LockError> {
        // Relaxed: only a hint within this process.
        if !self.suspect.load(Ordering::Relaxed)
            && let Some(guard) = self.segment.try_lock_clean()
        {
            return Ok(guard);
        }
        self.lock_patiently(waited)
    }

    #[cold]
    fn lock_patiently(&self, waited: &Waited) -> Result<Guard<'_>, LockError> {
        let mut told = Repaired::default();
        if self.suspect.load(Ordering::Relaxed) {
            self.check_suspect(&mut told, waited)?;
        }
        self.lock_slowly(&mut told, waited)
    }

    /// Like [`Table::lock`], but does not repair damage that was detected when the table was
    /// opened.
    pub(crate) fn lock_as_it_is(&self) -> Result<Guard<'_>, LockError> {
        self.lock_slowly(&mut Repaired::default(), &Waited::default())
    }

    /// Checks the table. If anything is wrong, makes the next owner of the lock repair the table,
    /// as after the death of a writer.
    fn check_suspect(&self, told: &mut Repaired, waited: &Waited) -> Result<(), LockError> {
        let mut room = CheckRoom::new(self.shape());
        self.settle(told, waited, &mut room)?;
        let guard = self.lock_slowly(told, waited)?;
        let words = guard.words()?;
        // Under the lock: no other thread writes through this handle between this and the check,
        // and what a reader finds during the check is not forgotten.
        self.suspect.store(false, Ordering::Relaxed);
        self.damaged.store(false, Ordering::Relaxed);
        if self.is_damaged(words, &mut room) {
            guard.mark_dirty();
        }
        drop(guard);
        Ok(())
    }

    /// Removes what an earlier boot has left that does not outlast a boot. Until this is done, the
    /// handle is suspect: none of its threads claims a slot.
    fn settle(
        &self,
        told: &mut Repaired,
        waited: &Waited,
        room: &mut CheckRoom,
    ) -> Result<(), LockError> {
        if self.is_settled() {
            return Ok(());
        }
        let spent = self.room_to_settle();
        let mut guard = self.lock_slowly(told, waited)?;
        if self.is_damaged(guard.words()?, room) {
            guard.mark_dirty();
            drop(guard);
            guard = self.lock_slowly(told, waited)?;
        }
        self.settle_boot(guard.words()?, spent);
        guard.hand_over();
        Ok(())
    }

    /// Checks the table. The caller holds the lock.
    fn is_damaged(&self, words: Words<'_>, room: &mut CheckRoom) -> bool {
        let is_dead = |claim| self.is_dead(claim);
        recover::check(words, self.current_layout(), &is_dead, room).is_err()
    }

    /// Checks the whole table under the lock, and repairs it if anything is wrong.
    pub(crate) fn check_and_repair(&self) -> Result<Repaired, LockError> {
        let mut told = Repaired::default();
        let mut room = CheckRoom::new(self.shape());
        let waited = Waited::default();
        // Before the handle ceases to be suspect.
        self.settle(&mut told, &waited, &mut room)?;
        let mut guard = self.lock_slowly(&mut told, &waited)?;
        if self.is_damaged(guard.words()?, &mut room) {
            guard.mark_dirty();
            drop(guard);
            guard = self.lock_slowly(&mut told, &waited)?;
        }
        // If nothing is wrong, the lock is taken only once: otherwise a loop of such calls would
        // take it again before a writer that was woken could run, and would starve that writer.
        self.suspect.store(false, Ordering::Relaxed);
        self.damaged.store(false, Ordering::Relaxed);
        guard.hand_over();
        Ok(told)
    }

    fn lock_slowly(&self, told: &mut Repaired, waited: &Waited) -> Result<Guard<'_>, LockError> {
        let observer = &self.waits.observer;
        loop {
            let recovery = match self.acquire(waited)? {
                Acquired::Clean(guard) => return Ok(guard),
                Acquired::OwnerDied(recovery) => recovery,
            };
            let mut repaired = Repaired::default();
            let guard = recovery.repair(|words| {
                let layout = self.current_layout();
                repaired = recover::repair(words, layout, &|claim| self.is_dead(claim));
                Ok::<(), LockError>(())
            })?;
            // Under the lock, because this is rare: some of what waiters have seen may be gone.
            // SeqCst: as after an unlock, whatever the C library does here.
            fence(Ordering::SeqCst);
            self.wake_after_unlock(Touched::Many);
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

    /// Runs `read` under the lock, and asks the writers that need no lock to wait for it too. Those
    /// that have claimed a slot already go on.
    pub(crate) fn without_writers<R>(
        &self,
        read: impl FnOnce() -> Result<R, TableError>,
    ) -> Result<R, TableError> {
        let guard = self.lock()?;
        let words = guard.words()?;
        // Relaxed: a request. Nothing is right or wrong because of it.
        words.store(CLOSED, 1, Ordering::Relaxed);
        let result = read();
        // Another call may have closed them, and wait without the lock. If claims are in its way
        // again, it closes them again; and if it is over by now, nobody else would open them.
        words.store(CLOSED, 0, Ordering::Relaxed);
        guard.hand_over();
        result
    }

    fn acquire(&self, waited: &Waited) -> Result<Acquired<'_>, LockError> {
        if self.waits.observer.is_set() {
            match self.segment.try_lock() {
                Err(LockError::WouldBlock) => self.waits.observer.tell(Event::Waiting),
                other => return other,
            }
        }
        match self.segment.try_lock() {
            Err(LockError::WouldBlock) => {
                self.segment.lock_since(&self.waits.patience, waited.start())
            }
            other => other,
        }
    }
}
