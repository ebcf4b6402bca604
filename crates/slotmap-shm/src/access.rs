//! How long a handle tries without the lock, and the lock of one that may write.

use std::cell::Cell;
use std::time::{Duration, Instant};

use shm_core::{Acquired, Guard, LockError, Ordering, Patience, WritableSegment};

use crate::crowded::CheckRoom;
use crate::error::TableError;
use crate::key::Key;
use crate::options::TableOptions;
use crate::reader::{Mapped, TableReader};
use crate::recover::{self, Repaired};

/// How long a read through a handle that may write tries without the lock.
const BEFORE_THE_LOCK: Duration = Duration::from_millis(20);

/// The limits that a handle was opened with.
pub(crate) struct Limits {
    pub(crate) lock: Patience,
    read: Option<Duration>,
}

impl Limits {
    pub(crate) fn new(options: &TableOptions, mapped: &Mapped) -> Self {
        let read = match mapped {
            Mapped::ReadOnly(_) => options.read_timeout,
            Mapped::Writable(_) => Some(BEFORE_THE_LOCK),
        };
        Self { lock: options.patience(), read }
    }
}

/// How often is tried at least: a reader that is not given the processor has not tried for long.
const MIN_TRIES: u32 = 16;

/// Bounds in time what would have to begin anew again and again. The time runs from the first
/// time it is asked.
pub(crate) struct Tries {
    start: Cell<Option<Instant>>,
    count: Cell<u32>,
    limit: Option<Duration>,
}

impl Tries {
    /// Something was overtaken by a write: whether to try again.
    pub(crate) fn ask(&self) -> Result<(), TableError> {
        std::hint::spin_loop();
        let count = self.count.get().saturating_add(1);
        self.count.set(count);
        match self.over() {
            Some(waited) if count >= MIN_TRIES => Err(TableError::Contended { waited }),
            _ => Ok(()),
        }
    }

    /// How long it has been, if that is too long.
    pub(crate) fn over(&self) -> Option<Duration> {
        let Some(start) = self.start.get() else {
            self.start.set(Some(Instant::now()));
            return None;
        };
        let waited = start.elapsed();
        self.limit.is_some_and(|limit| waited > limit).then_some(waited)
    }
}

impl<K: Key + ?Sized> TableReader<K> {
    pub(crate) fn tries(&self) -> Tries {
        Tries { start: Cell::new(None), count: Cell::new(0), limit: self.limits.read }
    }

    pub(crate) fn may_lock(&self) -> bool {
        self.writable().is_some()
    }

    /// Has the whole table checked under the lock before the next write, and repaired if need be.
    pub(crate) fn suspect(&self) {
        self.suspect.store(true, Ordering::Relaxed);
    }

    /// Locks, and repairs if the last owner died.
    #[inline(always)]
    pub(crate) fn lock(&self) -> Result<Guard<'_>, LockError> {
        // Relaxed: a hint to this process.
        if !self.suspect.load(Ordering::Relaxed)
            && let Some(guard) = self.writable().and_then(WritableSegment::try_lock_clean)
        {
            return Ok(guard);
        }
        self.lock_patiently()
    }

    #[cold]
    fn lock_patiently(&self) -> Result<Guard<'_>, LockError> {
        Ok(self.lock_and_tell()?.0)
    }

    /// As [`TableReader::lock`], but leaves damage that was noticed at opening as it is.
    pub(crate) fn lock_as_it_is(&self) -> Result<Guard<'_>, LockError> {
        self.lock_slowly(&mut Repaired::default())
    }

    /// As [`TableReader::lock`]; tells what a repair could not keep.
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
        // Only called where `may_lock`.
        let Some(segment) = self.writable() else {
            return Err(LockError::NotRecoverable);
        };
        match segment.lock_with(&self.limits.lock)? {
            Acquired::Clean(guard) => Ok(guard),
            Acquired::OwnerDied(recovery) => recovery.repair(|words| {
                *told = recover::repair(words, self.layout());
                Ok(())
            }),
        }
    }
}
