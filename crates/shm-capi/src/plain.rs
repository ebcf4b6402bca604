//! Structures that cross the FFI boundary by value.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_void};

use shm_facade::{TableVersion, TableWriter, Version};

/// Types that C may store in memory that is then read.
///
/// # Safety
/// Any bytes are a value of the type.
pub(crate) unsafe trait Plain: Copy {}

// SAFETY: any byte is a number.
unsafe impl Plain for u8 {}
// SAFETY: any four bytes are a number.
unsafe impl Plain for i32 {}
// SAFETY: any four bytes are a number.
unsafe impl Plain for u32 {}
// SAFETY: any eight bytes are a number.
unsafe impl Plain for i64 {}
// SAFETY: any eight bytes are a number.
unsafe impl Plain for usize {}
// SAFETY: a raw pointer and a number, which may be anything.
unsafe impl Plain for ShmapBytes {}
// SAFETY: a number and `ShmapBytes`; the padding between them is never looked at.
unsafe impl Plain for ShmapStatus {}
// SAFETY: a number and `ShmapBytes`.
unsafe impl Plain for ShmapStatusI64 {}
// SAFETY: `ShmapBytes` twice.
unsafe impl Plain for ShmapPair {}

/// Bytes that somebody else owns. They need not end with a NUL, and may contain NULs.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ShmapBytes {
    /// The first byte. In a result it is NULL only if there is no value.
    data: *const c_void,
    /// Number of bytes.
    len: usize,
}

/// A key of a table and its value.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ShmapStatus {
    /// The key.
    key: i32,
    /// The value.
    value: ShmapBytes,
}

/// A key of a table and its value, for keys of up to 64 bits.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ShmapStatusI64 {
    /// The key.
    key: i64,
    /// The value.
    value: ShmapBytes,
}

/// A byte key and its value. They are an entry of a map, where both lie in the mapping, or an entry
/// of a table with keys of text or bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ShmapPair {
    /// The key.
    key: ShmapBytes,
    /// The value.
    value: ShmapBytes,
}

/// A name, and whether a table or a map has it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ShmapName {
    /// The name, as text that ends with a NUL.
    name: *const c_char,
    /// `SHMAP_KIND_TABLE` or `SHMAP_KIND_MAP`.
    kind: c_int,
}

/// The entries of a map between two ranks. Iteration removes them from the range one by one. A
/// range owns nothing, so it may be copied and discarded. After a refresh, it refers to ranks of
/// the new edition.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ShmapRange {
    /// Rank of the first remaining entry.
    pub front: usize,
    /// One more than the rank of the last remaining entry.
    pub back: usize,
}

// SAFETY: two numbers.
unsafe impl Plain for ShmapRange {}

/// A position between two entries of a map, before the first one or after the last one. It begins
/// before the first entry if it is `{0}`. A cursor owns nothing, so it may be copied and discarded.
/// After a refresh, it refers to a rank of the new edition.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ShmapCursor {
    /// Rank of the entry after the cursor, which is the number of entries before it. May be set to
    /// any number: beyond the last entry, the cursor is after that one.
    pub rank: usize,
}

// SAFETY: a number.
unsafe impl Plain for ShmapCursor {}

/// The version of a key in a table, whether the key is present or absent. The version changes when
/// an entry is added, replaced or removed. Two versions of a key are equal if and only if their
/// bytes are.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ShmapKeyVersion {
    /// The library's own. Programs only copy and compare them.
    pub words: [u64; 4],
}

/// The version of a whole table, which grows with each change.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ShmapWholeVersion {
    /// The library's own. Programs only copy and compare them.
    pub words: [u64; 3],
}

// SAFETY: four numbers.
unsafe impl Plain for ShmapKeyVersion {}
// SAFETY: three numbers.
unsafe impl Plain for ShmapWholeVersion {}

/// A thread that writes, or has written, to a table.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ShmapWriter {
    /// Its process, as the pid namespace of the table's writers numbers it.
    pub pid: u32,
    /// The thread, in the same way.
    pub tid: u32,
    /// Number of writes of present keys that its record counts. The record may have counted those
    /// of earlier threads, too.
    pub writes: u64,
    /// 1 if the thread is registered as a writer at this moment, 0 if it has ended or has closed
    /// the table.
    pub is_alive: c_int,
    /// The command that the process of a living thread runs, as text that ends with a NUL. Empty if
    /// it is not known.
    pub command: [c_char; 16],
}

// SAFETY: numbers; the padding between them is never looked at.
unsafe impl Plain for ShmapWriter {}

/// Counts and sizes of a table.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ShmapTableStats {
    /// Number of entries in the table. An entry that has expired counts until its place is taken
    /// or `shmap_table_expire` removes it.
    pub len: usize,
    /// Maximum number of entries. If the table may grow, the number of entries that fit before it
    /// grows again.
    pub capacity: usize,
    /// Maximum number of entries to which the table may grow. Equals `capacity` if it does not grow
    /// any more.
    pub max_capacity: usize,
    /// Maximum length of a value in bytes.
    pub value_size: usize,
    /// Maximum length of a key in bytes, if keys are text or bytes. It has no meaning for other
    /// keys.
    pub key_size: usize,
    /// Whether entries expire: SHMAP_TTL_NONE, SHMAP_TTL_BY_ENTRY, or the time after which they do,
    /// in milliseconds, rounded up.
    pub ttl_ms: i64,
    /// What happens to an insertion into the full table, one of SHMAP_EVICT_...
    pub evict: c_int,
    /// Number of write transactions since creation. A batch is one transaction.
    pub writes: u64,
    /// Number of times that the table has grown.
    pub growths: u64,
    /// Number of repairs after the death of a writer, since creation.
    pub recoveries: u64,
    /// Number of entries that were lost in repairs since creation.
    pub lost: u64,
    /// Number of entries that were removed or replaced after they had expired, since creation.
    pub expired: u64,
    /// Number of entries that were removed to make room for others, since creation.
    pub evicted: u64,
    /// Length of the file in bytes. If the table may grow, part of the file is a hole, which takes
    /// no memory.
    pub file_len: u64,
}

impl ShmapKeyVersion {
    pub(crate) fn new(version: Version) -> Self {
        Self { words: version.to_words() }
    }
}

impl ShmapWholeVersion {
    pub(crate) fn new(version: TableVersion) -> Self {
        Self { words: version.to_words() }
    }
}

impl ShmapWriter {
    pub(crate) fn new(writer: &TableWriter) -> Self {
        let mut command = [0; 16];
        // The last place is for the NUL.
        let name = writer.command.as_deref().unwrap_or_default().bytes().take(15);
        for (place, byte) in command.iter_mut().zip(name) {
            *place = byte as c_char;
        }
        Self {
            pid: writer.pid,
            tid: writer.tid,
            writes: writer.writes,
            is_alive: c_int::from(writer.is_alive),
            command,
        }
    }
}

impl ShmapBytes {
    /// No value.
    pub(crate) const NONE: Self = Self { data: std::ptr::null(), len: 0 };

    /// Wraps these bytes. The caller that stores the result keeps them alive.
    #[inline]
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr().cast(), len: bytes.len() }
    }

    /// These bytes, or no value.
    pub(crate) fn of_option(bytes: Option<&[u8]>) -> Self {
        bytes.map_or(Self::NONE, Self::of)
    }

    pub(crate) fn parts(&self) -> (*const c_void, usize) {
        (self.data, self.len)
    }
}

impl ShmapName {
    /// Wraps this name. The caller that stores the result keeps the text alive.
    pub(crate) fn of(name: &CStr, kind: c_int) -> Self {
        Self { name: name.as_ptr(), kind }
    }
}

impl ShmapStatus {
    pub(crate) fn new(key: i32, value: Option<&[u8]>) -> Self {
        Self { key, value: ShmapBytes::of_option(value) }
    }

    pub(crate) fn key_and_value(&self) -> (&i32, &ShmapBytes) {
        (&self.key, &self.value)
    }
}

impl ShmapStatusI64 {
    pub(crate) fn new(key: i64, value: Option<&[u8]>) -> Self {
        Self { key, value: ShmapBytes::of_option(value) }
    }

    pub(crate) fn key_and_value(&self) -> (&i64, &ShmapBytes) {
        (&self.key, &self.value)
    }
}

impl ShmapPair {
    pub(crate) fn new(key: &[u8], value: Option<&[u8]>) -> Self {
        Self { key: ShmapBytes::of(key), value: ShmapBytes::of_option(value) }
    }

    pub(crate) fn key_and_value(&self) -> (&ShmapBytes, &ShmapBytes) {
        (&self.key, &self.value)
    }

    #[inline]
    pub(crate) fn of((key, value): (&[u8], &[u8])) -> Self {
        Self { key: ShmapBytes::of(key), value: ShmapBytes::of(value) }
    }
}
