//! Errors of building an image, and of opening or verifying one.

use std::fmt;

use thiserror::Error;

/// Why an image could not be built. The map from which it was to be built is unchanged.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The key is longer than the format can express.
    #[error("key is {len} bytes long, at most {max} are possible")]
    KeyTooLong {
        /// Length of the key in bytes.
        len: usize,
        /// The longest possible, in bytes.
        max: usize,
    },
    /// A key is not greater than the one before it.
    #[error("key {index} is not greater than the one before it")]
    NotSorted {
        /// Number of the offending key, counted from 0.
        index: usize,
    },
    /// There are more entries than a tree can number.
    #[error("more than {max} entries")]
    TooManyEntries {
        /// The most possible.
        max: u64,
    },
    /// The memory that the entries need could not be allocated.
    #[error("no memory for {needed} bytes of entries")]
    NoMemory {
        /// Bytes that were asked for in one piece.
        needed: u64,
    },
    /// All keys and values together are longer than the format can express.
    #[error("keys and values of {len} bytes, at most {max} are possible")]
    TooLarge {
        /// Bytes of keys and values.
        len: u64,
        /// The most possible, in bytes.
        max: u64,
    },
}

/// Why bytes are not a snapshot.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// They do not start with the magic bytes.
    #[error("not a snapshot: the bytes start with {found:02x?}")]
    Magic {
        /// The first eight bytes, or zeros beyond the end.
        found: [u8; 8],
    },
    /// This library does not know the format version.
    #[error("format version {found}, this library supports {supported}")]
    Version {
        /// Version in the header.
        found: u32,
        /// The one version supported.
        supported: u32,
    },
    /// There are more or fewer bytes than the header says.
    #[error("{found} bytes, the header says {expected}")]
    Length {
        /// Number of bytes given.
        found: u64,
        /// Number of bytes that the header states; if there is not even a whole header, the length
        /// of a header.
        expected: u64,
    },
    /// One part of the bytes contradicts another.
    #[error("{what} at byte {at}")]
    Corrupt {
        /// What is wrong.
        what: &'static str,
        /// Offset from the start of the image, in bytes.
        at: u64,
    },
}

// Prints the message, for a `main` that returns an error.
impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
