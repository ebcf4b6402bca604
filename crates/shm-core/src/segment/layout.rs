//! The first page of every segment: header, session and lock block.
//!
//! `docs/format.md` says the same in prose; `tests/format_doc` ties the two.
//!
//! | offset | bytes | what | changes |
//! |---|---|---|---|
//! | 0 | 256 | [`Header`] | never after creation |
//! | 256 | 64 | [`Session`] | when a segment is taken over from an earlier boot or a copy |
//! | 320 | 192 | zero | reserved |
//! | 512 | 64 | lock block: lock (8), wake (8), dirty (8), zero (40) | by writers |
//! | 576 | 64 | zero | reserved |
//! | 640 | 128 each | records of writers: mutex of glibc (48), registration (8), pid namespace (8); mutex of musl (48), thread (8), writes (8) | by their owners |
//! | … | … | zero, to the next multiple of 4096 | reserved |
//! | `header_len` | … | the body, which belongs to the kind | by the kind's protocol |

use std::io;
use std::mem::{offset_of, size_of};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytemuck::{Pod, Zeroable};

use crate::error::{CreateError, HeaderError};
use crate::namespace::Kind;
use crate::os::identity;
use crate::os::random::random;

/// Number of bytes before the body of a segment without records of writers; see [`body_offset`].
pub const BODY_OFFSET: usize = 4096;
/// The most records of writers that a segment may have, without those of guests.
pub const MAX_WRITERS: u32 = 4096;
/// Format version of the first page that this crate writes and reads.
pub const FORMAT_VERSION: u32 = 2;
/// Number of words in which a kind records its geometry.
pub const GEOMETRY_WORDS: usize = 12;

const MAGIC: [u8; 8] = *b"SHMAPSEG";
const BYTE_ORDER: u32 = 0x0102_0304;
/// The ABI id of a segment that has no lock.
pub(crate) const NO_LOCK: u64 = 0;
pub(crate) const SESSION_OFFSET: usize = 256;
/// The word that names the holder of the lock, the word on which threads sleep that wait for it,
/// and the word that asks the next holder to repair.
pub(crate) const LOCK_OFFSET: usize = 512;
pub(crate) const WAKE_OFFSET: usize = LOCK_OFFSET + 8;
pub(crate) const DIRTY_OFFSET: usize = LOCK_OFFSET + 16;
/// Where the records of writers begin, and how long each is. A record is within one page.
pub(crate) const RECORDS_OFFSET: usize = 640;
pub(crate) const RECORD_LEN: usize = 128;
/// Offsets within a record. At the start of each of its two lines is a mutex, and what follows it
/// is changed by those that look at the other line only if the owner has the other C library.
pub(crate) const RECORD_GLIBC_MUTEX: usize = 0;
pub(crate) const RECORD_REGISTRATION: usize = 48;
pub(crate) const RECORD_NAMESPACE: usize = 56;
pub(crate) const RECORD_MUSL_MUTEX: usize = 64;
pub(crate) const RECORD_THREAD: usize = 112;
pub(crate) const RECORD_WRITES: usize = 120;
/// The most bytes that a mutex of a record may have.
pub(crate) const RECORD_MUTEX_LEN: usize = 48;
/// As many records as fit on the first page.
const FIRST_PAGE_RECORDS: u32 = ((BODY_OFFSET - RECORDS_OFFSET) / RECORD_LEN) as u32;

/// The immutable part of a segment, which is written once, before the name exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) magic: [u8; 8],
    pub(crate) byte_order: u32,
    pub(crate) format_version: u32,
    pub(crate) header_len: u32,
    pub(crate) word_bytes: u32,
    pub(crate) total_len: u64,
    pub(crate) kind: [u8; 8],
    pub(crate) kind_version: u64,
    pub(crate) abi: u64,
    pub(crate) created_unix_ns: u64,
    pub(crate) random_id: [u8; 16],
    pub(crate) geometry: [u64; GEOMETRY_WORDS],
    pub(crate) writers: u64,
    pub(crate) holes: u64,
    pub(crate) reserved: [u64; 7],
    pub(crate) checksum: u64,
}

/// Identifies the processes that may rely on what the records of writers say: the processes that
/// run in the same boot and use this same file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Session {
    pub(crate) boot_id: [u8; 16],
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) reserved: [u64; 3],
    pub(crate) checksum: u64,
}

const _: () = {
    assert!(size_of::<Header>() == 256);
    assert!(offset_of!(Header, total_len) == 24);
    assert!(offset_of!(Header, kind) == 32);
    assert!(offset_of!(Header, abi) == 48);
    assert!(offset_of!(Header, random_id) == 64);
    assert!(offset_of!(Header, geometry) == 80);
    assert!(offset_of!(Header, writers) == 176);
    assert!(offset_of!(Header, holes) == 184);
    assert!(offset_of!(Header, checksum) == 248);
    assert!(size_of::<Session>() == 64);
    assert!(offset_of!(Session, device) == 16);
    assert!(offset_of!(Session, checksum) == 56);
    assert!(SESSION_OFFSET == size_of::<Header>());
    assert!(LOCK_OFFSET >= SESSION_OFFSET + size_of::<Session>());
    assert!(LOCK_OFFSET.is_multiple_of(64));
    assert!(DIRTY_OFFSET + 8 <= RECORDS_OFFSET);
    assert!(RECORDS_OFFSET.is_multiple_of(RECORD_LEN) && BODY_OFFSET.is_multiple_of(RECORD_LEN));
    assert!(RECORD_GLIBC_MUTEX + RECORD_MUTEX_LEN <= RECORD_REGISTRATION);
    assert!(RECORD_MUSL_MUTEX + RECORD_MUTEX_LEN <= RECORD_THREAD);
    assert!(RECORD_WRITES + 8 <= RECORD_LEN);
    assert!(body_offset(0) == BODY_OFFSET);
    assert!(body_offset(23) == BODY_OFFSET && body_offset(24) == 2 * BODY_OFFSET);
};

/// Returns the CRC-32 (IEEE) of `bytes` in the low half and its complement in the high half, so
/// that zero is never a valid checksum.
fn checksum(bytes: &[u8]) -> u64 {
    let crc = crc32fast::hash(bytes);
    u64::from(crc) | (u64::from(!crc) << 32)
}

/// Returns the offset of the body of a segment with this many records of writers, in bytes from the
/// start of the file. The offset is a multiple of 4096.
#[must_use]
pub const fn body_offset(writers: u32) -> usize {
    record_offset(records(writers)).next_multiple_of(BODY_OFFSET)
}

/// Returns the number of records that threads take for one hold of the lock, if a segment has this
/// many that threads keep. A segment has at least four of them. If there are no others, they fill
/// the first page.
pub(crate) const fn guests(writers: u32) -> u32 {
    match writers {
        0 => FIRST_PAGE_RECORDS,
        1..64 => 4,
        _ => writers / 16,
    }
}

/// Returns the number of all records of a segment that has a lock and this many records that
/// threads keep.
pub(crate) const fn records(writers: u32) -> u32 {
    writers + guests(writers)
}

/// Returns the offset of a record, in bytes from the start of the file.
pub(crate) const fn record_offset(index: u32) -> usize {
    RECORDS_OFFSET + RECORD_LEN * index as usize
}

/// Returns the length of a file with this many records of writers, whose body has `body_len` bytes.
pub(crate) fn total_len(body_len: u64, writers: u32) -> Result<u64, CreateError> {
    if writers > MAX_WRITERS {
        return Err(CreateError::TooManyWriters { writers, max: MAX_WRITERS });
    }
    let bad = CreateError::BadLength { len: body_len };
    match body_len.checked_add(body_offset(writers) as u64) {
        Some(len) if body_len.is_multiple_of(8) && len <= isize::MAX as u64 => Ok(len),
        _ => Err(bad),
    }
}

impl Header {
    /// Creates a header with the current time. `abi` is the ABI id of the lock, or [`NO_LOCK`]. If
    /// it is [`NO_LOCK`], there are no records of writers.
    pub(crate) fn new(
        (kind, kind_version): (Kind, u64),
        geometry: [u64; GEOMETRY_WORDS],
        (abi, writers): (u64, u32),
        total_len: u64,
    ) -> io::Result<Self> {
        let mut random_id = [0; 16];
        random(&mut random_id)?;
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut header = Self {
            magic: MAGIC,
            byte_order: BYTE_ORDER,
            format_version: FORMAT_VERSION,
            header_len: body_offset(writers) as u32,
            word_bytes: 8,
            total_len,
            kind: kind.tag(),
            kind_version,
            abi,
            created_unix_ns: u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX),
            random_id,
            geometry,
            writers: writers.into(),
            holes: 0,
            reserved: [0; 7],
            checksum: 0,
        };
        header.checksum = header.checksum();
        Ok(header)
    }

    /// Says that this many bytes of the file may be holes.
    pub(crate) fn with_holes(mut self, holes: u64) -> Self {
        self.holes = holes;
        self.checksum = self.checksum();
        self
    }

    /// Returns when the segment was created, according to its creator's wall clock.
    pub(crate) fn created(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.created_unix_ns)
    }

    /// Number of records that threads keep. Of a validated header, as are the next two.
    pub(crate) fn writers(&self) -> u32 {
        self.writers as u32
    }

    /// Number of all records.
    pub(crate) fn records(&self) -> u32 {
        if self.abi == NO_LOCK { 0 } else { records(self.writers()) }
    }

    /// Where the body begins.
    pub(crate) fn body_offset(&self) -> usize {
        self.header_len as usize
    }

    /// Returns the edition of a published segment.
    pub(crate) fn edition(&self) -> u64 {
        let [edition, ..] = self.geometry;
        edition
    }

    /// Computes the checksum of the header's contents.
    pub(crate) fn checksum(&self) -> u64 {
        checksum(bytemuck::bytes_of(&Self { checksum: 0, ..*self }))
    }

    /// Checks a private copy of a header against the length of the file from which it was read.
    /// Every field is checked before the fields whose meaning depends on it.
    pub(crate) fn validate(&self, file_len: u64) -> Result<(), HeaderError> {
        if self.magic != MAGIC {
            return Err(HeaderError::Magic { found: self.magic });
        }
        if self.byte_order != BYTE_ORDER {
            return Err(HeaderError::ByteOrder { found: self.byte_order, expected: BYTE_ORDER });
        }
        if self.format_version != FORMAT_VERSION {
            return Err(HeaderError::Version {
                found: self.format_version,
                supported: FORMAT_VERSION,
            });
        }
        if self.checksum != self.checksum() {
            return Err(HeaderError::Checksum { found: self.checksum, expected: self.checksum() });
        }
        if self.word_bytes != 8 {
            return Err(HeaderError::WordSize { found: self.word_bytes, expected: 8 });
        }
        // Without a lock nobody writes.
        let max = if self.abi == NO_LOCK { 0 } else { MAX_WRITERS };
        let writers = match u32::try_from(self.writers) {
            Ok(writers) if writers <= max => writers,
            _ => return Err(HeaderError::Writers { found: self.writers, max }),
        };
        let expected = body_offset(writers) as u32;
        if self.header_len != expected {
            return Err(HeaderError::HeaderLength { found: self.header_len, expected });
        }
        let whole = self.total_len >= u64::from(expected) && self.total_len.is_multiple_of(8);
        if !whole || self.total_len != file_len {
            return Err(HeaderError::Length { found: file_len, expected: self.total_len });
        }
        let max = self.total_len - u64::from(expected);
        if self.holes > max {
            return Err(HeaderError::HoleLength { found: self.holes, max });
        }
        Ok(())
    }

    /// Checks that there is no lock. A segment that has a lock may be stored to.
    pub(crate) fn validate_lockless(&self) -> Result<(), HeaderError> {
        if self.abi == NO_LOCK { Ok(()) } else { Err(HeaderError::Locked { found: self.abi }) }
    }

    /// Checks that this process may take the lock of the segment.
    pub(crate) fn validate_abi(&self) -> Result<(), HeaderError> {
        let expected = identity::abi();
        if self.abi == NO_LOCK {
            Err(HeaderError::NoLock)
        } else if self.abi == expected {
            Ok(())
        } else {
            Err(HeaderError::Abi { found: self.abi, expected })
        }
    }
}

impl Session {
    /// Makes the session of this process on the file with these ids.
    pub(crate) fn current(device: u64, inode: u64) -> io::Result<Self> {
        let mut session =
            Self { boot_id: identity::boot_id()?, device, inode, reserved: [0; 3], checksum: 0 };
        session.checksum = session.checksum();
        Ok(session)
    }

    fn checksum(&self) -> u64 {
        checksum(bytemuck::bytes_of(&Self { checksum: 0, ..*self }))
    }

    pub(crate) fn is_intact(&self) -> bool {
        self.checksum == self.checksum()
    }

    /// True if processes that use this same file may be alive. The device is not compared, because
    /// a file below an overlay has two devices.
    pub(crate) fn is_same_boot_and_inode(&self, other: &Self) -> bool {
        self.boot_id == other.boot_id && self.inode == other.inode
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        let mut h = Header {
            magic: MAGIC,
            byte_order: BYTE_ORDER,
            format_version: FORMAT_VERSION,
            header_len: BODY_OFFSET as u32,
            word_bytes: 8,
            total_len: 8192,
            kind: *b"table\0\0\0",
            kind_version: 1,
            abi: identity::abi(),
            created_unix_ns: 1,
            random_id: [7; 16],
            geometry: [0; GEOMETRY_WORDS],
            writers: 0,
            holes: 0,
            reserved: [0; 7],
            checksum: 0,
        };
        h.checksum = h.checksum();
        h
    }

    fn patched(patch: impl FnOnce(&mut Header)) -> Result<(), HeaderError> {
        let mut h = header();
        patch(&mut h);
        h.checksum = h.checksum();
        h.validate(8192)
    }

    #[test]
    fn every_rejected_field_is_rejected_by_name() {
        assert_eq!(header().validate(8192), Ok(()));
        assert!(matches!(patched(|h| h.magic[0] = 0), Err(HeaderError::Magic { .. })));
        assert!(matches!(
            patched(|h| h.byte_order = BYTE_ORDER.swap_bytes()),
            Err(HeaderError::ByteOrder { found: 0x0403_0201, .. })
        ));
        assert!(matches!(
            patched(|h| h.format_version = 1),
            Err(HeaderError::Version { found: 1, supported: 2 })
        ));
        assert!(matches!(
            patched(|h| h.word_bytes = 4),
            Err(HeaderError::WordSize { found: 4, expected: 8 })
        ));
        assert!(matches!(patched(|h| h.header_len = 64), Err(HeaderError::HeaderLength { .. })));
        assert!(matches!(
            patched(|h| h.header_len = 8192),
            Err(HeaderError::HeaderLength { found: 8192, expected: 4096 })
        ));
        assert_eq!(patched(|h| h.writers = 23), Ok(()));
        assert_eq!(patched(|h| (h.writers, h.header_len) = (24, 8192)), Ok(()));
        assert!(matches!(
            patched(|h| h.writers = 24),
            Err(HeaderError::HeaderLength { found: 4096, expected: 8192 })
        ));
        // The records alone are longer than the file.
        assert!(matches!(
            patched(|h| (h.writers, h.header_len) = (4096, body_offset(4096) as u32)),
            Err(HeaderError::Length { found: 8192, expected: 8192 })
        ));
        for found in [4097, 1 << 32, u64::MAX] {
            let refused = HeaderError::Writers { found, max: 4096 };
            assert_eq!(patched(|h| h.writers = found), Err(refused));
        }
        let refused = HeaderError::Writers { found: 1, max: 0 };
        assert_eq!(patched(|h| (h.abi, h.writers) = (NO_LOCK, 1)), Err(refused));
        assert!(matches!(
            patched(|h| h.total_len = 4096),
            Err(HeaderError::Length { found: 8192, expected: 4096 })
        ));
        assert!(matches!(header().validate(4096), Err(HeaderError::Length { .. })));
        let mut h = header();
        h.geometry[3] ^= 1;
        assert!(matches!(h.validate(8192), Err(HeaderError::Checksum { .. })));
        assert!(Header::zeroed().validate(8192).is_err());
        h.abi ^= 1;
        assert!(matches!(h.validate_abi(), Err(HeaderError::Abi { .. })));
        h.abi = NO_LOCK;
        assert!(matches!(h.validate_abi(), Err(HeaderError::NoLock)));
        assert_eq!(h.validate_lockless(), Ok(()));
    }

    #[test]
    fn the_length_counts_the_records() {
        assert_eq!(total_len(8, 0).unwrap(), 4104);
        assert_eq!(total_len(8, 24).unwrap(), 8200);
        assert_eq!(record_offset(28), 640 + 28 * 128);
        assert_eq!([0, 1, 24, 116, MAX_WRITERS].map(records), [27, 5, 28, 123, 4352]);
        let error = total_len(8, MAX_WRITERS + 1).unwrap_err();
        assert!(matches!(error, CreateError::TooManyWriters { writers: 4097, max: 4096 }));
        let long = isize::MAX as u64 - 4095;
        assert!(matches!(total_len(long, 28), Err(CreateError::BadLength { .. })));
    }

    #[test]
    fn a_session_knows_its_file_and_its_damage() {
        let s = Session::current(1, 2).unwrap();
        assert!(s.is_intact());
        assert!(s.is_same_boot_and_inode(&Session::current(1, 2).unwrap()));
        assert!(!s.is_same_boot_and_inode(&Session::current(1, 3).unwrap()));
        assert!(s.is_same_boot_and_inode(&Session::current(2, 2).unwrap()));
        assert!(!Session { device: 3, ..s }.is_intact());
        assert!(!Session::zeroed().is_intact());
    }
}
