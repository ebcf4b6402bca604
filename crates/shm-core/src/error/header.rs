//! Why the header of a file is refused.

use thiserror::Error;

use crate::os::identity::AbiInWords;

/// Why the first page of a file does not belong to a usable segment.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The file ends within the header.
    #[error("file is {found} bytes long, too short for a header of {needed}")]
    TooShort {
        /// Length of the file in bytes.
        found: u64,
        /// Length of a header in bytes.
        needed: u64,
    },
    /// The file does not start with the magic bytes.
    #[error("not a segment: the file starts with \"{}\"", found.escape_ascii())]
    Magic {
        /// The first eight bytes.
        found: [u8; 8],
    },
    /// The segment was written by a machine with the other byte order.
    #[error("byte order mark is {found:#010x}, expected {expected:#010x}")]
    ByteOrder {
        /// The byte order mark as this machine reads it.
        found: u32,
        /// The byte order mark of this machine.
        expected: u32,
    },
    /// The segment has a format that this version does not know.
    #[error("format version {found}, this library supports {supported}")]
    Version {
        /// Version in the header.
        found: u32,
        /// The only version that this library supports.
        supported: u32,
    },
    /// The immutable part of the segment was changed after creation.
    #[error("header checksum is wrong: the header was changed after creation")]
    Checksum {
        /// Checksum in the header.
        found: u64,
        /// Checksum of the header's contents.
        expected: u64,
    },
    /// The segment uses words of another size.
    #[error("word size {found} bytes, expected {expected}")]
    WordSize {
        /// Bytes per word, from the header.
        found: u32,
        /// Bytes per word on this machine.
        expected: u32,
    },
    /// The first page has another length.
    #[error("header length {found} bytes, expected {expected}")]
    HeaderLength {
        /// Length in the header, in bytes.
        found: u32,
        /// Length of this format, in bytes.
        expected: u32,
    },
    /// The segment has more records of writers than it can, or records but no lock.
    #[error("{found} records of writers, at most {max} are possible")]
    Writers {
        /// Number in the header.
        found: u64,
        /// The most that such a segment may have.
        max: u32,
    },
    /// The file is not as long as its header says: it was truncated or extended.
    #[error("file is {found} bytes long, its header says {expected}")]
    Length {
        /// Length of the file in bytes.
        found: u64,
        /// Length that the header states, in bytes.
        expected: u64,
    },
    /// The header says that more of the file may be holes than the length of the body.
    #[error("{found} bytes may be holes, at most {max} are possible")]
    HoleLength {
        /// Number in the header, in bytes.
        found: u64,
        /// Length of the body in bytes.
        max: u64,
    },
    /// Part of the file is not backed by memory, because a hole was punched into the file.
    #[error("only {allocated} of {expected} bytes are allocated: the file has holes")]
    Holes {
        /// Bytes allocated.
        allocated: u64,
        /// Bytes expected.
        expected: u64,
    },
    /// The segment is of another kind.
    #[error("segment is a `{found}`, expected a `{expected}`")]
    Kind {
        /// Kind in the header.
        found: String,
        /// The requested kind.
        expected: String,
    },
    /// The layout of this kind has a version that this library does not know.
    #[error("layout version {found} of this kind, this library supports {supported}")]
    KindVersion {
        /// Version in the header.
        found: u64,
        /// The only version that this library supports.
        supported: u64,
    },
    /// The segment is that of another architecture or pointer width.
    #[error("the lock is one of {}, and this process has {}: open it read-only",
        AbiInWords(*.found), AbiInWords(*.expected))]
    Abi {
        /// ABI id in the header.
        found: u64,
        /// ABI id of this process.
        expected: u64,
    },
    /// The file has a lock, so processes may store to it, whatever its mode says. It cannot be used
    /// in place.
    #[error("the file has a lock, one of {}, so it is no published one", AbiInWords(*.found))]
    Locked {
        /// ABI id in the header.
        found: u64,
    },
    /// The file was published: it has no lock, and nobody may write to it.
    #[error("a published file has no lock: open it read-only")]
    NoLock,
    /// The C library of this process is neither glibc nor musl, and the segment has no place for
    /// its mutexes.
    #[error("writers need glibc or musl, and this process has neither: open it read-only")]
    CLibrary,
    /// The session record (boot, file identity) is damaged.
    #[error("the session record is damaged")]
    Session,
}
