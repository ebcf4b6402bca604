//! How long a read tries without the lock.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::error::TableError;

/// How long a read through a handle that may write tries without the lock.
pub(crate) const BEFORE_THE_LOCK: Duration = Duration::from_millis(20);

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
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Self { start: Cell::new(None), count: Cell::new(0), limit }
    }

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
