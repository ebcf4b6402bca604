//! The claims of a table's slots, as its shared memory has them.
//!
//! The layout is that of `docs/format.md`, on purpose not taken from the library.

use std::os::unix::fs::FileExt;

use shm_core::{Ordering, WriterId, WriterRecord};
use slotmap_shm::{Access, Geometry, Key, Table};

/// Records of writers in a table.
pub const RECORDS: usize = 116;

/// Where the word of the lock is in the file.
const LOCK: u64 = 512;
/// Words of a cache line.
const LINE: usize = 8;
/// Where the next version of a slot is, and the key.
const NEXT: usize = 1;
const KEY: usize = 3;
/// The bit of a next version that says that the slot is claimed.
const CLAIMED: u64 = 1 << 63;

/// A slot that is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The key of its entry.
    pub key: i32,
    /// The registration under which it is claimed.
    pub writer: WriterId,
}

/// The slots that are claimed now.
#[must_use]
pub fn claims(table: &Table<i32, impl Access>) -> Vec<Claim> {
    claims_among(table, table.capacity())
}

/// Those of the first slots.
#[must_use]
#[allow(clippy::missing_panics_doc, reason = "the table exists, so its geometry is possible")]
pub fn claims_among(table: &Table<i32, impl Access>, first: usize) -> Vec<Claim> {
    let Geometry { capacity, max_capacity, value_size, .. } = table.geometry();
    let tail_words = value_size.div_ceil(8).saturating_sub(2);
    let slot_words = (KEY + 1 + 2 * (2 + tail_words)).next_multiple_of(LINE);
    let file_len = table.geometry().file_len(i32::EXPECTED.expect("a kind")).expect("a length");
    let words = file_len as usize / 8 - shm_core::body_offset(RECORDS as u32) / 8;
    let slots = words - max_capacity.unwrap_or(capacity) * slot_words;
    let words = table.segment().words();
    let claim = |slot: usize| {
        let at = slots + slot * slot_words;
        let next = words.load(at + NEXT, Ordering::Acquire);
        let key = words.load(at + KEY, Ordering::Relaxed) as i32;
        let writer = WriterId::from_u64(next & !CLAIMED)?;
        (next & CLAIMED != 0).then_some(Claim { key, writer })
    };
    (0..first.min(table.capacity())).filter_map(claim).collect()
}

/// The writer that has the table's lock now.
///
/// # Errors
/// If the file cannot be read.
pub fn lock_holder(file: &std::fs::File) -> std::io::Result<Option<WriterId>> {
    let mut word = [0; 8];
    file.read_exact_at(&mut word, LOCK)?;
    Ok(WriterId::from_u64(u64::from_le_bytes(word)))
}

/// The registrations that are not over.
#[must_use]
pub fn living<A: Access>(table: &Table<i32, A>) -> Vec<WriterRecord> {
    table.segment().writers().into_iter().filter(|record| record.is_alive).collect()
}
