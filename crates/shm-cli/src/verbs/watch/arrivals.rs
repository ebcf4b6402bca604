//! Signals that arrive while the watch sleeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use signal_hook::iterator::Signals;
use slotmap_shm::Interrupt;

use crate::failure::Failure;

/// Why the watch goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Signal(i32),
    /// The next update is due.
    Due,
}

/// Signals, in the order in which they arrived.
pub(super) struct Arrivals {
    receive: Receiver<i32>,
    /// The number of those that were not taken yet.
    waiting: Arc<AtomicUsize>,
}

impl Arrivals {
    /// From now on, signals arrive here.
    pub(super) fn new() -> Result<Self, Failure> {
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM, SIGWINCH])
            .map_err(|error| Failure::of_file("signals", &error))?;
        let (send, receive) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&waiting);
        std::thread::spawn(move || {
            for signal in signals.forever() {
                if send.send(signal).is_err() {
                    break;
                }
                // Afterwards, so that what was counted can be received.
                count.fetch_add(1, Ordering::Release);
            }
        });
        Ok(Self { receive, waiting })
    }

    /// Ends a wait once a signal has arrived.
    pub(super) fn interrupt(&self) -> Interrupt {
        let waiting = Arc::clone(&self.waiting);
        Interrupt::new(move || waiting.load(Ordering::Acquire) > 0)
    }

    /// Sleeps until a signal arrives, or the time is over.
    pub(super) fn next(&self, limit: Duration) -> Event {
        match self.receive.recv_timeout(limit) {
            Ok(signal) => {
                // The thread may not have counted it yet; it does so soon.
                while self.waiting.load(Ordering::Acquire) == 0 {
                    std::thread::yield_now();
                }
                self.waiting.fetch_sub(1, Ordering::Release);
                Event::Signal(signal)
            }
            Err(RecvTimeoutError::Timeout) => Event::Due,
            // The thread that waits for signals does not end before this.
            Err(RecvTimeoutError::Disconnected) => Event::Signal(SIGTERM),
        }
    }
}
