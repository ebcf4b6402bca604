//! Changes single fields of a segment file, with or without a correct checksum.
//!
//! The offsets are those of `docs/format.md`. They are deliberately not taken from the library.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A checksummed record of the first page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    start: u64,
    len: usize,
}

/// The immutable header.
pub const HEADER: Record = Record { start: 0, len: 256 };
/// The session record: boot, device and inode.
pub const SESSION: Record = Record { start: 256, len: 64 };

/// Offsets of the header's fields, from its start.
pub mod header {
    #![allow(missing_docs, reason = "named as the fields are")]
    pub const MAGIC: usize = 0;
    pub const BYTE_ORDER: usize = 8;
    pub const FORMAT_VERSION: usize = 12;
    pub const HEADER_LEN: usize = 16;
    pub const WORD_BYTES: usize = 20;
    pub const TOTAL_LEN: usize = 24;
    pub const KIND: usize = 32;
    pub const KIND_VERSION: usize = 40;
    pub const ABI: usize = 48;
    pub const CREATED: usize = 56;
    pub const RANDOM_ID: usize = 64;
    pub const GEOMETRY: usize = 80;
    pub const WRITERS: usize = 176;
    pub const HOLES: usize = 184;
    pub const RESERVED: usize = 192;
    pub const CHECKSUM: usize = 248;
}

/// Offsets of the session's fields, from its start.
pub mod session {
    #![allow(missing_docs, reason = "named as the fields are")]
    pub const BOOT_ID: usize = 0;
    pub const DEVICE: usize = 16;
    pub const INODE: usize = 24;
}

/// Offset of the lock block in the file, and its length.
pub const LOCK: (u64, usize) = (512, 64);
/// Offset of the word on which those sleep that wait for the lock. Bit 0 says that somebody may.
pub const WAKE: u64 = LOCK.0 + 8;

/// Makes the lock look as if a thread with this id held it by record 0, which was used before.
///
/// # Errors
/// When the file cannot be read or written.
pub fn hold_lock(path: &Path, tid: u32) -> io::Result<()> {
    use crate::records::{RECORDS, record};
    let generation = u64::from_ne_bytes(read(path, RECORDS.0 + record::REGISTRATION)?) >> 8;
    bytes(path, RECORDS.0 + record::LOCK_WORD, &tid.to_ne_bytes())?;
    bytes(path, LOCK.0, &(generation << 13).to_ne_bytes())
}
/// Offset of the body in the file, where there are few records of writers or none.
pub const BODY: u64 = 4096;
/// Offset of the body in the file of a table.
pub const TABLE_BODY: u64 = 16384;

/// What happens to the checksum of a record that is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// It is computed again.
    Right,
    /// It stays as it was.
    Stale,
}

/// Replaces the bytes at `at` of a record.
///
/// # Errors
/// When the file cannot be read or written.
pub fn field(
    path: &Path,
    record: Record,
    at: usize,
    bytes: &[u8],
    checksum: Checksum,
) -> io::Result<()> {
    let file = writable(path)?;
    let mut image = vec![0; record.len];
    file.read_exact_at(&mut image, record.start)?;
    image[at..][..bytes.len()].copy_from_slice(bytes);
    if checksum == Checksum::Right {
        set_checksum(&mut image);
    }
    file.write_all_at(&image, record.start)
}

/// Computes the checksum at the end of a record: CRC-32 of the rest with the
/// checksum zeroed in the low half, its complement in the high half.
pub fn set_checksum(record: &mut [u8]) {
    let at = record.len() - 8;
    record[at..].fill(0);
    let crc = crc32fast::hash(record);
    let sum = u64::from(crc) | u64::from(!crc) << 32;
    record[at..].copy_from_slice(&sum.to_ne_bytes());
}

/// Replaces bytes anywhere in the file.
///
/// # Errors
/// When the file cannot be written.
pub fn bytes(path: &Path, at: u64, bytes: &[u8]) -> io::Result<()> {
    writable(path)?.write_all_at(bytes, at)
}

/// Bytes of a file.
///
/// # Errors
/// When they cannot be read.
pub fn read<const N: usize>(path: &Path, at: u64) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open(path)?.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

fn writable(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}
