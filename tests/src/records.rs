//! A segment with records of writers, and nothing else: 8 words that belong to no protocol.

use std::path::Path;

use shm_core::{
    CreateError, CreateOptions, Kind, Namespace, OpenError, Patience, Segment, Trust,
    WritableSegment,
};

use crate::test_name;

/// The kind of these segments.
pub const KIND: Kind = Kind::new("records");
/// Offset of the first record in the file, and bytes of each.
pub const RECORDS: (u64, u64) = (640, 128);
/// Offsets within a record.
pub mod record {
    #![allow(missing_docs, reason = "named as the fields are")]
    pub const REGISTRATION: u64 = 48;
    pub const PID_NAMESPACE: u64 = 56;
    pub const MUSL_MUTEX: u64 = 64;
    pub const THREAD: u64 = 112;
    pub const WRITES: u64 = 120;
    /// The word of the mutex that names its owner.
    pub const LOCK_WORD: u64 = if cfg!(target_env = "musl") { MUSL_MUTEX + 4 } else { 0 };
}

/// Creates it.
///
/// # Errors
/// As [`Namespace::create`].
pub fn create(directory: &Path, writers: u32) -> Result<WritableSegment, CreateError> {
    let options = CreateOptions::new(KIND, 1, 64).writers(writers);
    Namespace::at(directory).create(&test_name(), &options, |_| ())
}

/// Opens it.
///
/// # Errors
/// As [`Namespace::open`].
pub fn open(directory: &Path) -> Result<WritableSegment, OpenError> {
    let (trust, patience) = (Trust::new(), Patience::forever());
    Namespace::at(directory).open(&test_name(), KIND, 1, &trust, &patience)
}

/// Opens it for reading only.
///
/// # Errors
/// As [`Namespace::open_read_only`].
pub fn open_read_only(directory: &Path) -> Result<Segment, OpenError> {
    Namespace::at(directory).open_read_only(&test_name(), KIND, 1, &Trust::new())
}
