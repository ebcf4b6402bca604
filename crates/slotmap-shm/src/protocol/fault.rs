//! Errors that occur while the lock is held, described without an allocation.
//!
//! Nothing is allocated between lock and unlock. Otherwise a signal handler, an interposed
//! allocator or the kernel could extend the time for which the lock is held without limit. A
//! [`Fault`] becomes a [`TableError`], which includes the key, once the lock is released.

use shm_core::{CreateError, LockError};

use crate::error::TableError;
use crate::key::any_key;
use crate::key_kind::KeyKind;
use crate::value::Value;

/// A claim in the way of a write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claimed {
    pub(crate) slot: usize,
    /// The next version of the slot.
    pub(crate) claim: u64,
    /// The version that the slot had with it. If it has another one, the claim is over: it may look
    /// the same, because it is another claim of the same writer.
    pub(crate) version: u64,
}

/// Why a transaction was dropped.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The transaction was to add a key, but the key is present.
    Duplicate,
    /// The key is absent.
    NotFound,
    Full {
        capacity: usize,
    },
    /// The table can never hold the keys of a batch up to this member.
    TooMany {
        capacity: usize,
        index: usize,
    },
    /// The table is full, and there is no memory for the next level.
    NoMemory {
        capacity: usize,
        source: Box<CreateError>,
    },
    /// The value differs from the expected one. The caller has a copy of the value that was found.
    Mismatch,
    NotACounter {
        len: usize,
    },
    Corrupt {
        what: &'static str,
        at: usize,
    },
    /// A living writer has claimed the slot. The caller waits without the lock.
    Claimed(Claimed),
    /// The slot has another version than was asked for.
    Changed,
    /// The lock was not acquired, or does not belong to this process.
    Lock(LockError),
}

impl From<LockError> for Fault {
    fn from(error: LockError) -> Self {
        Self::Lock(error)
    }
}

impl Fault {
    /// Turns this fault into the error for the caller. `kind` and `key` are the kind and the words
    /// of the key at fault.
    pub(crate) fn into_error(self, kind: KeyKind, key: &[u64]) -> TableError {
        match self {
            Self::Duplicate => TableError::DuplicateKey { key: any_key(kind, key) },
            Self::NotFound => TableError::NotFound { key: any_key(kind, key) },
            Self::Full { capacity } | Self::TooMany { capacity, .. } => {
                TableError::Full { capacity, source: None }
            }
            Self::NoMemory { capacity, source } => {
                TableError::Full { capacity, source: Some(source) }
            }
            Self::Mismatch => {
                TableError::Mismatch { key: any_key(kind, key), found: Value::with_room(0) }
            }
            Self::NotACounter { len } => TableError::NotACounter { key: any_key(kind, key), len },
            Self::Corrupt { what, at } => TableError::Corrupt { what, at },
            // Callers go on after these two, so they do not get here.
            Self::Claimed(_) | Self::Changed => TableError::Lock(LockError::WouldBlock),
            Self::Lock(error) => TableError::Lock(error),
        }
    }
}
