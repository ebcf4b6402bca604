//! How long a call waits for others, and what may end the waiting early.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_utils::Backoff;

use crate::error::LockError;
use crate::os::holder::Holder;

/// A function that is called from time to time while a call waits. When it returns true, the call
/// gives up with [`LockError::Interrupted`](crate::LockError::Interrupted), and nothing has
/// changed.
///
/// It is for programs that must notice other events while they wait. For example, an interpreter
/// checks for signals, and a server checks for a request to stop. The function runs on the waiting
/// thread, about every 20 ms, or every millisecond during a wait for the writer of a key. No lock
/// of this library is held while it runs.
#[derive(Clone, Default)]
pub struct Interrupt(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl Interrupt {
    /// Creates an interrupt that ends the waiting once `asked` returns true.
    pub fn new(asked: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(asked)))
    }

    /// Creates an interrupt that never ends the waiting early.
    #[must_use]
    pub fn never() -> Self {
        Self::default()
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.0.as_ref().is_some_and(|asked| asked())
    }
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Interrupt(..)" } else { "Interrupt(never)" })
    }
}

/// How long a call may wait for other processes in total, however many of them it has to wait for.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Patience {
    /// Maximum time to wait, by the monotonic clock. `None` means to wait for ever.
    pub limit: Option<Duration>,
    /// An [`Interrupt`] that can end the waiting early.
    pub interrupt: Interrupt,
}

impl Patience {
    /// Waits as long as it takes.
    #[must_use]
    pub fn forever() -> Self {
        Self::default()
    }

    /// Sets the maximum time to wait. `None` means to wait for ever.
    #[must_use]
    pub fn limit(mut self, limit: Option<Duration>) -> Self {
        self.limit = limit;
        self
    }

    /// Sets an [`Interrupt`] that can end the waiting early.
    #[must_use]
    pub fn interrupt(mut self, interrupt: Interrupt) -> Self {
        self.interrupt = interrupt;
        self
    }
}

/// The pauses of [`Patience::wait_until`] double from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_micros(20);
const LAST_PAUSE: Duration = Duration::from_millis(1);

impl Patience {
    /// Waits until `is_over` returns true, by asking again and again: first at once, then with
    /// pauses of up to a millisecond. For what another thread does in a few instructions, without
    /// telling when it is done. The time counts from `start`.
    ///
    /// # Errors
    /// [`LockError::TimedOut`], with what `holder` returns, or [`LockError::Interrupted`].
    #[cold]
    pub fn wait_until(
        &self,
        start: Instant,
        mut is_over: impl FnMut() -> bool,
        holder: impl FnOnce() -> Option<Holder>,
    ) -> Result<(), LockError> {
        let waiting = Waiting::since(self, start);
        let backoff = Backoff::new();
        let mut pause = FIRST_PAUSE;
        while !is_over() {
            if !backoff.is_completed() {
                backoff.snooze();
                continue;
            }
            let waited = waiting.waited();
            if waiting.is_over() {
                return Err(LockError::TimedOut { waited, holder: holder() });
            }
            if waiting.is_interrupted() {
                return Err(LockError::Interrupted { waited });
            }
            std::thread::sleep(waiting.slice(pause));
            pause = LAST_PAUSE.min(2 * pause);
        }
        Ok(())
    }
}

/// How long a wait in slices sleeps at most before it looks again.
const SLICE: Duration = Duration::from_millis(20);

impl Patience {
    /// Calls `look` until it returns something, which is then returned. `look` may sleep, for at
    /// most as long as its argument says: 20 ms, or less near the end. After the time is over,
    /// `look` is called once more, with zero. `None` means that it has found nothing then either.
    ///
    /// # Errors
    /// Any error of `look`, or [`LockError::Interrupted`].
    pub fn wait_in_slices<R, E: From<LockError>>(
        &self,
        mut look: impl FnMut(Duration) -> Result<Option<R>, E>,
    ) -> Result<Option<R>, E> {
        let waiting = Waiting::new(self);
        loop {
            let slice = waiting.slice(SLICE);
            let found = look(slice)?;
            if found.is_some() || slice.is_zero() {
                return Ok(found);
            }
            if waiting.is_interrupted() {
                return Err(LockError::Interrupted { waited: waiting.waited() }.into());
            }
        }
    }
}

/// A [`Patience`] whose time has started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting<'a> {
    start: Instant,
    patience: &'a Patience,
}

impl<'a> Waiting<'a> {
    /// Starts the time of `patience` now.
    pub(crate) fn new(patience: &'a Patience) -> Self {
        Self { start: Instant::now(), patience }
    }

    /// It started then.
    pub(crate) fn since(patience: &'a Patience, start: Instant) -> Self {
        Self { start, patience }
    }

    /// Returns the time since the start.
    pub(crate) fn waited(&self) -> Duration {
        self.start.elapsed()
    }

    /// Returns the time that is left, but at most `slice`. Returns zero once the time is over.
    pub(crate) fn slice(&self, slice: Duration) -> Duration {
        let left = self.patience.limit.map(|limit| limit.saturating_sub(self.waited()));
        left.map_or(slice, |left| left.min(slice))
    }

    pub(crate) fn is_over(&self) -> bool {
        self.patience.limit.is_some_and(|limit| self.waited() >= limit)
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.patience.interrupt.is_requested()
    }
}
