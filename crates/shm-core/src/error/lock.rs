//! Why a lock was not acquired.

use std::fmt;
use std::io;
use std::time::Duration;

use thiserror::Error;

use crate::os::holder::Holder;

/// Why the lock of a segment was not acquired, or may not be used.
#[derive(Error)]
#[non_exhaustive]
pub enum LockError {
    /// This thread or another thread holds the lock, and the call does not wait.
    #[error("the lock is held by another thread")]
    WouldBlock,
    /// Other threads held the lock for the whole time limit.
    #[error("the lock was not released within {}{}", Took(*waited), by(holder))]
    TimedOut {
        /// How long this call waited.
        waited: Duration,
        /// Who held the lock at the end of that time, if known.
        holder: Option<Holder>,
    },
    /// The caller's [`Interrupt`](crate::Interrupt) ended the waiting.
    #[error("interrupted after waiting {} for the lock", Took(*waited))]
    Interrupted {
        /// How long this call waited.
        waited: Duration,
    },
    /// All records of writers were taken for the whole time limit, also those that threads have
    /// for one hold of the lock.
    #[error("all {records} records of writers were taken for {}", Took(*waited))]
    NoRecord {
        /// The number of records of the segment.
        records: u32,
        /// How long this call waited.
        waited: Duration,
    },
    /// This thread already holds the lock.
    #[error("this thread holds the lock already")]
    WouldDeadlock,
    /// The guard was inherited through `fork`, or the thread that forked this process had a record
    /// of the segment meanwhile. The parent goes on with it, and this process may not write.
    #[error("the lock, or a record, is held by the process that forked this one")]
    ForeignProcess,
    /// The operating system refused.
    #[error("cannot {action}")]
    Os {
        /// The action that was tried. It does not name the segment, which the caller knows.
        action: &'static str,
        /// The cause.
        source: io::Error,
    },
}

/// Formats a duration for people to read.
pub(super) struct Took(pub(super) Duration);

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < Duration::from_secs(1) {
            write!(f, "{} ms", self.0.as_millis())
        } else {
            write!(f, "{:.1} s", self.0.as_secs_f64())
        }
    }
}

fn by(holder: &Option<Holder>) -> String {
    holder.as_ref().map(|holder| format!(" by {holder}")).unwrap_or_default()
}
