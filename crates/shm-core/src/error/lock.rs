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
    /// The lock belongs to the threads of another pid namespace. Either this process was forked
    /// into a new namespace, or a process of another namespace took the segment over because it saw
    /// no living writer in this namespace. Open the segment again.
    #[error("the lock is that of pid namespace {found}, this process is in {expected}")]
    PidNamespace {
        /// Namespace id of the threads that may lock.
        found: u64,
        /// Namespace id of this process.
        expected: u64,
    },
    /// This thread already holds the lock.
    #[error("this thread holds the lock already")]
    WouldDeadlock,
    /// A foreign program released the lock of a dead owner without repairing.
    #[error("the lock is not recoverable: unlink the segment and create it anew")]
    NotRecoverable,
    /// The guard was inherited through `fork`: the parent holds the lock.
    #[error("the lock is held by the process that forked this one")]
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
