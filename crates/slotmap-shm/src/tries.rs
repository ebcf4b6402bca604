//! How long a read retries without the lock.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::error::TableError;

/// How long a read through a handle that may write retries without the lock.
pub(crate) const BEFORE_THE_LOCK: Duration = Duration::from_millis(20);

/// Minimum number of attempts, for a reader that is not scheduled most of the time.
const MIN_TRIES: u32 = 16;

/// Limits the time for which a read is retried. The time starts with the first call of `ask`.
pub(crate) struct Tries {
    start: Cell<Option<Instant>>,
    count: Cell<u32>,
    limit: Option<Duration>,
}

impl Tries {
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Self { start: Cell::new(None), count: Cell::new(0), limit }
    }

    /// Checks whether to try again. Called after a write has overtaken an attempt.
    pub(crate) fn ask(&self) -> Result<(), TableError> {
        std::hint::spin_loop();
        let count = self.count.get().saturating_add(1);
        self.count.set(count);
        match self.over() {
            Some(waited) if count >= MIN_TRIES => Err(TableError::Contended { waited }),
            _ => Ok(()),
        }
    }

    /// Returns the time since the first call of `ask`, if it exceeds the limit.
    pub(crate) fn over(&self) -> Option<Duration> {
        let Some(start) = self.start.get() else {
            self.start.set(Some(Instant::now()));
            return None;
        };
        let waited = start.elapsed();
        self.limit.is_some_and(|limit| waited > limit).then_some(waited)
    }
}
