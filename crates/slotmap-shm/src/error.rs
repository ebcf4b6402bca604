//! Errors of the table, each with its data.

use std::path::{Path, PathBuf};
use std::time::Duration;

use shm_core::{CreateError, IoError, LockError, OpenError};
use thiserror::Error;

use crate::any_key::AnyKey;
use crate::geometry::{Eviction, Expiry, GeometryError};
use crate::key_kind::KeyKind;
use crate::value::Value;

shm_core::debug_is_report!(GeometryError, TableOpenError, TableError);

impl From<OpenError> for TableOpenError {
    /// A failure to create a table becomes [`TableOpenError::Create`], whichever call tried to
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
    #[error("{path:?} has keys of type {found}, not {expected}")]
    KeyKind {
        /// Path of the table.
        path: PathBuf,
        /// The key type of the table.
        found: KeyKind,
        /// The key type that was requested.
        expected: KeyKind,
    },
    /// The table has keys of a kind that this version does not know.
    #[error("{path:?} has keys of a kind that this version does not know ({code:#x})")]
    UnknownKeyKind {
        /// Path of the table.
        path: PathBuf,
        /// The code of the kind in the header.
        code: u64,
    },
    /// The table exists, but its geometry differs from the requested one.
    #[error("{what} of {path:?} is {found}, not {expected}")]
    GeometryMismatch {
        /// Path of the table.
        path: PathBuf,
        /// Name of the parameter that differs.
        what: &'static str,
        /// The value of this parameter in the table.
        found: u64,
        /// The requested value of this parameter.
        expected: u64,
    },
    /// The table exists, but its entries expire in another way than requested.
    #[error("entries of {path:?} expire differently than asked: {found}, not {expected}")]
    ExpiryMismatch {
        /// Path of the table.
        path: PathBuf,
        /// How the entries of the table expire.
        found: Expiry,
        /// The requested way.
        expected: Expiry,
    },
    /// The table exists, but makes room in another way than requested.
    #[error("entries of {path:?} are evicted differently than asked: {found}, not {expected}")]
    EvictionMismatch {
        /// Path of the table.
        path: PathBuf,
        /// How the entries of the table are evicted.
        found: Eviction,
        /// The requested way.
        expected: Eviction,
    },
    /// The body of the segment is not a valid table.
    #[error("damaged table {path:?}: {what} at {at}")]
    Corrupt {
        /// Path of the table.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
        /// Number of the slot or word where the damage was found.
        at: usize,
    },
}

impl TableOpenError {
    /// The file or directory that the error is about, if the error names one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Create(e) => e.path(),
            Self::Open(e) => e.path(),
            Self::KeyKind { path, .. }
            | Self::UnknownKeyKind { path, .. }
            | Self::GeometryMismatch { path, .. }
            | Self::ExpiryMismatch { path, .. }
            | Self::EvictionMismatch { path, .. }
            | Self::Corrupt { path, .. } => Some(path),
            Self::Geometry(_) => None,
        }
    }
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
    /// `add_many` or `remove_many` was called with a key that occurs twice.
    #[error("key {key} is named twice in the batch")]
    NamedTwice {
        /// The key.
        key: AnyKey,
    },
    /// A time to live was given to an entry of a table that was created without
    /// [expiry](crate::Geometry::expiry).
    #[error("entries of this table do not expire: it was created without expiry")]
    NoExpiry,
    /// A time to live is zero, or longer than the clock goes.
    #[error(transparent)]
    TimeToLive(GeometryError),
    /// The calling thread has no record of a writer, and cannot get one.
    #[error("this thread cannot be registered as a writer: no record is free")]
    NotRegistered,
    /// All slots are taken: `len == capacity`. A table that may grow has its largest capacity, or
    /// there is no memory for the next one.
    #[error("the table is full: all {capacity} entries are taken{}", if source.is_some() { ", and it cannot grow" } else { "" })]
    Full {
        /// The table's capacity.
        capacity: usize,
        /// Why the table could not grow to a larger capacity.
        source: Option<Box<CreateError>>,
    },
    /// The value does not fit a slot.
    #[error("the value of key {key} is {len} bytes long, at most {max} fit")]
    ValueTooLarge {
        /// The key.
        key: AnyKey,
        /// Length of the value in bytes.
        len: usize,
        /// The table's value size in bytes.
        max: usize,
    },
    /// The key does not fit a slot.
    #[error("key {key}{} is {len} bytes long, at most {max} fit", dots(key, *len))]
    KeyTooLong {
        /// The start of the key: at most its first 64 bytes.
        key: AnyKey,
        /// Length of the key in bytes.
        len: usize,
        /// The table's key size in bytes.
        max: usize,
    },
    /// The [`AnyKey`] is not of the table's kind: it has another type, or is out of range.
    #[error("key {key} is not of type {kind}")]
    WrongKey {
        /// The key.
        key: AnyKey,
        /// The key type of the table.
        kind: KeyKind,
    },
    /// The caller's buffer is shorter than the value.
    #[error("the value of key {key} is {needed} bytes long, the buffer only {len}")]
    BufferTooSmall {
        /// The key.
        key: AnyKey,
        /// Length of the buffer in bytes.
        len: usize,
        /// Length of the value in bytes.
        needed: usize,
    },
    /// `compare_exchange` found another value.
    #[error("the value of key {key} is not the expected one")]
    Mismatch {
        /// The key.
        key: AnyKey,
        /// The value that was found.
        found: Value,
    },
    /// The value of a counter is not eight bytes long.
    #[error("the value of key {key} is {len} bytes long, a counter is 8")]
    NotACounter {
        /// The key.
        key: AnyKey,
        /// Length of the value in bytes.
        len: usize,
    },
    /// The table cannot hold counters, because its values are shorter than eight bytes.
    #[error(
        "key {key} cannot be a counter: counters need values of at least 8 bytes, this table has {max}"
    )]
    NoRoomForCounter {
        /// The key.
        key: AnyKey,
        /// The table's value size in bytes.
        max: usize,
    },
    /// A member of a batch failed, so the whole batch was dropped.
    #[error("batch member {index}")]
    InBatch {
        /// Position of the member in the batch, counted from 0.
        index: usize,
        /// Why the member failed.
        source: Box<TableError>,
    },
    /// Other writers completed a change during every attempt, until the time limit of the call was
    /// reached. For a read through a read-only handle, the limit is
    /// [`ReadOptions::read_timeout`](crate::ReadOptions::read_timeout). For `update_with`, it is
    /// the lock timeout.
    #[error("gave up after {} ms: each time another write completed meanwhile", waited.as_millis())]
    Contended {
        /// How long the call tried.
        waited: Duration,
    },
    /// The shared memory holds something that no writer of this library stores. If a write or
    /// `verify` fails with this error, the next write repairs the table.
    #[error("damaged table: {what} at {at}")]
    Corrupt {
        /// What is wrong.
        what: &'static str,
        /// Number of the slot or word where the damage was found.
        at: usize,
    },
    /// A call that waits for a change was given a version of another table. That table may have had
    /// the same name.
    #[error(
        "the version is of the table with id {:032x}, this is {:032x}",
        u128::from_be_bytes(*found), u128::from_be_bytes(*expected)
    )]
    OtherTable {
        /// The id of the table whose version it is.
        found: [u8; 16],
        /// The id of this table.
        expected: [u8; 16],
    },
    /// The lock was not acquired, or a wait for a change was interrupted.
    #[error(transparent)]
    Lock(#[from] LockError),
}

/// Maximum number of bytes that an error shows of a key that is too long.
const SHOWN: usize = 64;

impl TableError {
    /// Returns [`TableError::KeyTooLong`] for this key, which may have any length. Copies only the
    /// start of the key: at most 64 bytes. If the key is text, only whole characters are copied.
    #[cold]
    #[must_use]
    pub fn key_too_long(key: &[u8], max: usize) -> Self {
        let start = key.get(..SHOWN).unwrap_or(key);
        let start = match std::str::from_utf8(start) {
            Err(cut) if cut.error_len().is_none() => start.get(..cut.valid_up_to()),
            _ => None,
        }
        .unwrap_or(start);
        Self::KeyTooLong { key: start.into(), len: key.len(), max }
    }
}

/// Returns an ellipsis if `start` is only the start of a key of `len` bytes, and an empty string
/// otherwise.
fn dots(start: &AnyKey, len: usize) -> &'static str {
    match start {
        AnyKey::Bytes(start) if start.len() < len => "…",
        _ => "",
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn lock() -> LockError {
        LockError::Os { action: "read the clock", source: std::io::Error::from_raw_os_error(13) }
    }

    fn key() -> AnyKey {
        AnyKey::from("red")
    }

    fn too_short() -> GeometryError {
        GeometryError::TimeToLive { ttl: Duration::ZERO, max: Duration::from_secs(9) }
    }

    fn table_errors() -> Vec<TableError> {
        vec![
            TableError::DuplicateKey { key: key() },
            TableError::NotFound { key: key() },
            TableError::NamedTwice { key: key() },
            TableError::NoExpiry,
            TableError::TimeToLive(too_short()),
            TableError::NotRegistered,
            TableError::Full { capacity: 4, source: None },
            TableError::ValueTooLarge { key: key(), len: 9, max: 8 },
            TableError::key_too_long(b"too long", 7),
            TableError::WrongKey { key: key(), kind: KeyKind::I32 },
            TableError::BufferTooSmall { key: key(), len: 8, needed: 9 },
            TableError::Mismatch { key: key(), found: Value::with_room(0) },
            TableError::OtherTable { found: [0xA5; 16], expected: [7; 16] },
            TableError::NotACounter { key: key(), len: 3 },
            TableError::NoRoomForCounter { key: key(), max: 4 },
            TableError::Contended { waited: Duration::from_secs(1) },
            TableError::Corrupt { what: "free stack", at: 1 },
            TableError::Lock(lock()),
        ]
    }

    #[test]
    fn why_an_operation_failed() {
        let mut errors = table_errors();
        let members = table_errors().into_iter().map(Box::new);
        errors.extend(members.map(|source| TableError::InBatch { index: 1, source }));
        shm_core::every_error_is_said_well!(
            errors,
            TableError::DuplicateKey { .. },
            TableError::NotFound { .. },
            TableError::NamedTwice { .. },
            TableError::NoExpiry,
            TableError::TimeToLive(_),
            TableError::NotRegistered,
            TableError::Full { .. },
            TableError::ValueTooLarge { .. },
            TableError::KeyTooLong { .. },
            TableError::WrongKey { .. },
            TableError::BufferTooSmall { .. },
            TableError::Mismatch { .. },
            TableError::OtherTable { .. },
            TableError::NotACounter { .. },
            TableError::NoRoomForCounter { .. },
            TableError::InBatch { .. },
            TableError::Contended { .. },
            TableError::Corrupt { .. },
            TableError::Lock(_),
        );
    }

    #[test]
    fn of_a_long_key_the_start_is_shown() {
        let said = |key: &[u8]| TableError::key_too_long(key, 8).to_string();
        assert_eq!(said(b"too long!"), "key \"too long!\" is 9 bytes long, at most 8 fit");
        let (long, start) = ("ä".repeat(50), "ä".repeat(32));
        let expected = format!("key \"{start}\"… is 100 bytes long, at most 8 fit");
        assert_eq!(said(long.as_bytes()), expected);
        // The 64th byte is the first half of a character.
        let (long, start) = (format!("a{long}"), format!("a{}", "ä".repeat(31)));
        let expected = format!("key \"{start}\"… is 101 bytes long, at most 8 fit");
        assert_eq!(said(long.as_bytes()), expected);
        let expected = format!("key \"{}\"… is 65 bytes long, at most 8 fit", "\\xff".repeat(64));
        assert_eq!(said(&[0xFF; 65]), expected);
    }

    #[test]
    fn why_a_table_was_not_opened() {
        let path = || PathBuf::from("/dir/file");
        let (found, expected) = (KeyKind::Str, KeyKind::I32);
        let out_of_range =
            || GeometryError::OutOfRange { what: "capacity", value: 0, min: 1, max: 9 };
        let too_large = || GeometryError::TooLarge { capacity: 1, value_size: 1 };
        shm_core::every_error_is_said_well!(
            [out_of_range(), too_large(), too_short()],
            GeometryError::OutOfRange { .. },
            GeometryError::TimeToLive { .. },
            GeometryError::TooLarge { .. },
        );
        let errors = [
            TableOpenError::Geometry(out_of_range()),
            TableOpenError::Create(CreateError::BadMode { mode: 0 }),
            TableOpenError::Open(OpenError::NotFound { path: path() }),
            TableOpenError::KeyKind { path: path(), found, expected },
            TableOpenError::UnknownKeyKind { path: path(), code: 99 },
            TableOpenError::GeometryMismatch {
                path: path(),
                what: "capacity",
                found: 1,
                expected: 2,
            },
            TableOpenError::ExpiryMismatch {
                path: path(),
                found: Expiry::Never,
                expected: Expiry::ByEntry,
            },
            TableOpenError::EvictionMismatch {
                path: path(),
                found: Eviction::Never,
                expected: Eviction::LeastRecentlyWritten,
            },
            TableOpenError::Corrupt { path: path(), what: "length of the body", at: 1 },
        ];
        shm_core::every_error_is_said_well!(
            errors,
            TableOpenError::Geometry(_),
            TableOpenError::Create(_),
            TableOpenError::Open(_),
            TableOpenError::KeyKind { .. },
            TableOpenError::UnknownKeyKind { .. },
            TableOpenError::GeometryMismatch { .. },
            TableOpenError::ExpiryMismatch { .. },
            TableOpenError::EvictionMismatch { .. },
            TableOpenError::Corrupt { .. },
        );
    }
}
