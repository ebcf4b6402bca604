//! Errors of the table, each with its data.

use std::time::Duration;

use shm_core::{CreateError, IoError, LockError, OpenError};
use thiserror::Error;

use crate::any_key::AnyKey;
use crate::geometry::GeometryError;
use crate::key_kind::KeyKind;
use crate::value::Value;

shm_core::debug_is_report!(GeometryError, TableOpenError, TableError);

impl From<OpenError> for TableOpenError {
    /// A table that could not be created is [`TableOpenError::Create`], whichever call was to
    /// create it.
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Create(e) => Self::Create(e),
            other => Self::Open(other),
        }
    }
}

impl From<IoError> for TableOpenError {
    fn from(error: IoError) -> Self {
        Self::Open(error.into())
    }
}

/// Why a table could not be created or opened.
#[derive(Error)]
#[non_exhaustive]
pub enum TableOpenError {
    /// The geometry is not possible.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    /// The segment could not be created.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// The segment could not be opened.
    #[error(transparent)]
    Open(OpenError),
    /// The table has keys of another type.
    #[error("table has keys of type {found}, not {expected}")]
    KeyKind {
        /// Key type of the table.
        found: KeyKind,
        /// Key type asked for.
        expected: KeyKind,
    },
    /// The table has keys of a kind that this version does not know.
    #[error("table has keys of an unknown kind ({code:#x})")]
    UnknownKeyKind {
        /// The number in the header.
        code: u64,
    },
    /// The table exists with another geometry than the one asked for.
    #[error("{what} of the existing table is {found}, not {expected}")]
    GeometryMismatch {
        /// The parameter.
        what: &'static str,
        /// Its value in the table.
        found: u64,
        /// The value asked for.
        expected: u64,
    },
    /// The body is not that of a table.
    #[error("damaged table: {what} at {at}")]
    Corrupt {
        /// What is wrong.
        what: &'static str,
        /// Slot or word where it was found.
        at: usize,
    },
}

/// Why an operation on a table failed. Nothing was changed.
#[derive(Error)]
#[non_exhaustive]
pub enum TableError {
    /// `add` was called for a key that is present.
    #[error("key {key} exists already")]
    DuplicateKey {
        /// The key.
        key: AnyKey,
    },
    /// `update` or `remove` was called for a key that is absent.
    #[error("key {key} does not exist")]
    NotFound {
        /// The key.
        key: AnyKey,
    },
    /// All slots are taken: `len == capacity`.
    #[error("the table is full: all {capacity} entries are taken")]
    Full {
        /// The table's capacity.
        capacity: usize,
    },
    /// The value does not fit a slot.
    #[error("value is {len} bytes long, at most {max} fit")]
    ValueTooLarge {
        /// Length of the value in bytes.
        len: usize,
        /// The table's value size in bytes.
        max: usize,
    },
    /// The key does not fit a slot.
    #[error("key is {len} bytes long, at most {max} fit")]
    KeyTooLong {
        /// Length of the key in bytes.
        len: usize,
        /// The table's key size in bytes.
        max: usize,
    },
    /// An [`AnyKey`] that is not one of the table's kind: of another type, or out of range.
    #[error("key {key} is not of type {kind}")]
    WrongKey {
        /// The key.
        key: AnyKey,
        /// Key type of the table.
        kind: KeyKind,
    },
    /// The caller's buffer is shorter than the value.
    #[error("value is {needed} bytes long, the buffer only {len}")]
    BufferTooSmall {
        /// Length of the buffer in bytes.
        len: usize,
        /// Length of the value in bytes.
        needed: usize,
    },
    /// `compare_exchange` found another value.
    #[error("the value is not the expected one")]
    Mismatch {
        /// The value found.
        found: Value,
    },
    /// The value of a counter is not eight bytes long.
    #[error("value is {len} bytes long, a counter is 8")]
    NotACounter {
        /// Length of the value in bytes.
        len: usize,
    },
    /// A member of a batch failed; the whole batch was dropped.
    #[error("batch member {index}")]
    InBatch {
        /// Position of the member in the batch, from 0.
        index: usize,
        /// Why it failed.
        source: Box<TableError>,
    },
    /// Other writers completed a change during every attempt, for as long as the call may take:
    /// [`ReadOptions::read_timeout`](crate::ReadOptions::read_timeout) for a read through a
    /// read-only handle, the lock timeout for `update_with`.
    #[error("gave up after {} ms: each time another write completed meanwhile", waited.as_millis())]
    Contended {
        /// How long the call tried.
        waited: Duration,
    },
    /// The shared memory holds something that no writer of this library leaves there. If a write or
    /// `verify` fails with this error, the next write repairs the table.
    #[error("damaged table: {what} at {at}")]
    Corrupt {
        /// What is wrong.
        what: &'static str,
        /// Slot or word where it was found.
        at: usize,
    },
    /// The lock was not acquired.
    #[error(transparent)]
    Lock(#[from] LockError),
}
