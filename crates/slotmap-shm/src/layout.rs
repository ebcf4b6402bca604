//! The layout of the body of a table segment.
//!
//! All offsets are in 64-bit words from the start of the body. `docs/format.md` describes the same
//! layout in prose.
//!
//! | part | at | words |
//! |---|---|---|
//! | epoch of the index | 0 | 1 |
//! | claims are closed | 1 | 1; with the epoch in a cache line that is hardly ever stored to |
//! | commit word | 8 | 1, alone in its cache line |
//! | bookkeeping: len, used, recoveries, lost | 16 | 4, in a cache line for writers only |
//! | wake words: of the whole table, and of absent keys | 24 | 2, in a cache line of their own |
//! | wake words of the slots | 32 | 16: that of slot n is n mod 16 |
//! | free stack | 48 | largest capacity, rounded up to a cache line |
//! | index of each level | … | at least two places for each entry of the capacity, two places a word |
//! | slots | … | largest capacity × slot words |
//!
//! A table that may grow has levels. Level 0 has the capacity of a new table, each following level
//! twice as much, and the last one the largest capacity. The levels share the free stack and the
//! slots, of which each uses as many as its capacity says, from the first on. Each level has an
//! index of its own. The epoch says which level the table has. A table that does
//! not grow has one level.
//!
//! A slot is a whole number of cache lines:
//!
//! | word | what |
//! |---|---|
//! | 0 | version |
//! | 1 | next version |
//! | 2 | length of buffer 0 (low half) and of buffer 1 (high half), in bytes |
//! | 3 | key: 1 word for an integer, 1 + ⌈max/8⌉ for bytes |
//! | … | head of buffer 0, head of buffer 1: 2 words each |
//! | … | tail of buffer 0, tail of buffer 1: the words of a value after the second |
//!
//! For a value of up to 16 bytes, all words that a reader needs are often in the first cache line
//! of the slot. With integer keys, this is always so. With a `key_size` of up to 16, it is so while
//! buffer 0 holds the value. Buffer 0 is used first.

use std::ops::Range;
use std::time::Duration;

use rapidhash::v3::{RapidSecrets, rapidhash_v3_nano_inline};

use crate::error::TableError;
use crate::geometry::{Eviction, Expiry, Geometry, GeometryError};
use crate::key::Key;
use crate::key_kind::KeyKind;

/// Version of this layout, in the segment header.
pub(crate) const LAYOUT_VERSION: u64 = 1;

/// Records of writers in a table: as many as fit before the body in four pages, with the seven of
/// guests. A thread without one writes under the lock, as a guest.
pub(crate) const WRITERS: u32 = 116;

const _: () = assert!(shm_core::body_offset(WRITERS) == 4 * 4096);
const _: () = assert!(shm_core::body_offset(WRITERS + 1) > 4 * 4096);

pub(crate) const EPOCH: usize = 0;
pub(crate) const CLOSED: usize = 1;
pub(crate) const COMMIT: usize = 8;
pub(crate) const LEN: usize = 16;
pub(crate) const USED: usize = 17;
pub(crate) const RECOVERIES: usize = 18;
pub(crate) const LOST: usize = 19;
/// The boot in which leases were written.
pub(crate) const BOOT: usize = 20;
/// The slot where the next sweep for expired entries begins.
pub(crate) const HAND: usize = 21;
/// How many entries were removed because they had expired, and to make room for others.
pub(crate) const EXPIRED: usize = 22;
pub(crate) const EVICTED: usize = 23;
/// The first wake word. `protocol/wake.rs` says which words are behind it.
pub(crate) const WAKE: usize = 24;
const FREE: usize = WAKE + WAKE_WORDS;

/// Number of words from [`WAKE`] on: a cache line, and the wake words of the slots.
pub(crate) const WAKE_WORDS: usize = LINE_WORDS + SLOT_WAKES;
/// Number of wake words that the slots share.
pub(crate) const SLOT_WAKES: usize = 16;

pub(crate) const VERSION: usize = 0;
pub(crate) const NEXT: usize = 1;
pub(crate) const LENGTHS: usize = 2;
pub(crate) const KEY: usize = 3;

/// Number of words of each buffer that lie next to the key.
pub(crate) const HEAD_WORDS: usize = 2;

/// A value that differs from every epoch under which the index is probed.
const TRUSTED: u64 = u64::MAX;

/// Number of words of a cache line.
pub(crate) const LINE_WORDS: usize = 8;

/// Up to this capacity, the index is at most a quarter full, so that the branches of a probe are
/// predicted well. In an index that is half full, mispredictions cost a third of a lookup. In
/// larger tables, where cache misses dominate, the index may be up to half full.
const SPARSE_CAPACITY: usize = 1 << 14;

/// The bits of the epoch. Bit 0 is set while the index is being rebuilt, the next five bits say
/// which level the table has, and the rest counts.
const REBUILDING: u64 = 1;
const LEVEL_SHIFT: u32 = 1;
const LEVELS: u64 = 0x1F << LEVEL_SHIFT;
const EPOCH_COUNT: u64 = 1 << 6;

impl Geometry {
    /// Returns the length in bytes of the file of a table that has this geometry and keys of this
    /// kind. If the table may grow, most of the file is a hole at first.
    ///
    /// # Errors
    /// [`GeometryError`] if no table can have this geometry.
    pub fn file_len(self, keys: KeyKind) -> Result<u64, GeometryError> {
        let words = Layout::new(self, keys, 0)?.total_words;
        Ok((shm_core::body_offset(WRITERS) + words * 8) as u64)
    }
}

/// The offsets that follow from a geometry, and the hash secrets. They are a private, checked copy,
/// so a change of shared memory does not affect them.
#[derive(Clone)]
pub(crate) struct Layout {
    pub(crate) geometry: Geometry,
    pub(crate) kind: KeyKind,
    /// The number of the level, from 0.
    pub(crate) level: u64,
    /// The capacity of the level.
    pub(crate) capacity: usize,
    /// The epoch of an index that was found damaged. A failed search in that index does not prove
    /// that the key is absent. The value is odd if no index was found damaged.
    pub(crate) distrusted: u64,
    pub(crate) key_words: usize,
    /// Offset of the head of buffer 0 within a slot.
    pub(crate) heads: usize,
    pub(crate) tail_words: usize,
    pub(crate) slot_words: usize,
    /// One less than the number of places in the index.
    pub(crate) index_mask: usize,
    /// The bits of an index entry that hold the slot's number.
    pub(crate) slot_mask: u32,
    /// The other bits of an index entry, which hold the fingerprint.
    pub(crate) fingerprint_mask: u32,
    /// The maximum length in bytes of a value that is copied without a loop: one that fits into the
    /// table and into the head of a buffer.
    pub(crate) short_len: usize,
    /// Offset within a slot of what follows the buffers, or 0 if nothing does.
    pub(crate) extras: usize,
    /// Offset of the lease of buffer 0 within a slot, or 0 if entries do not expire. The lease of
    /// buffer 1 follows.
    pub(crate) leases: usize,
    /// Offset within a slot of the time of its last write, or 0 if no entries are evicted.
    pub(crate) stamp: usize,
    /// The time to live of an entry that is written without one, in nanoseconds. 0: it stays.
    pub(crate) default_ttl: u64,
    pub(crate) index: usize,
    pub(crate) slots: usize,
    pub(crate) total_words: usize,
    /// The hash secrets for keys of one word, and for longer keys.
    pub(crate) integer_secrets: [u64; 3],
    pub(crate) secrets: RapidSecrets,
}

impl Layout {
    pub(crate) fn new(geometry: Geometry, kind: KeyKind, seed: u64) -> Result<Self, GeometryError> {
        let check = |what, value, min, max| {
            if (min..=max).contains(&value) {
                Ok(())
            } else {
                Err(GeometryError::OutOfRange { what, value: value as u64, min, max })
            }
        };
        let Geometry { capacity, max_capacity, expiry, eviction, value_size, key_size } = geometry;
        check("capacity", capacity, 1, Geometry::MAX_CAPACITY)?;
        let max_capacity = max_capacity.unwrap_or(capacity);
        check("max_capacity", max_capacity, capacity, Geometry::MAX_CAPACITY)?;
        check("value_size", value_size, 0, Geometry::MAX_VALUE_SIZE)?;
        check("key_size", key_size, 1, Geometry::MAX_KEY_SIZE)?;

        let key_words = kind.words(key_size);
        let value_words = value_size.div_ceil(8);
        let tail_words = value_words.saturating_sub(HEAD_WORDS);
        let values_end = KEY + key_words + 2 * (HEAD_WORDS + tail_words);
        let (leases, default_ttl) = match expiry {
            Expiry::Never => (0, 0),
            Expiry::ByEntry => (values_end, 0),
            Expiry::After(ttl) => (values_end, time_to_live(ttl)?),
        };
        let leases_end = if leases == 0 { values_end } else { leases + 2 };
        let (stamp, used_words) = match eviction {
            Eviction::Never => (0, leases_end),
            Eviction::LeastRecentlyWritten => (leases_end, leases_end + 1),
        };
        let extras = if used_words == values_end { 0 } else { values_end };
        let slot_words = used_words.next_multiple_of(LINE_WORDS);
        let index_len = index_len(capacity);
        let slot_mask = slot_mask(capacity);
        let index = FREE + max_capacity.next_multiple_of(LINE_WORDS);
        let slots = capacities(geometry).fold(index, after_index);
        let too_large = GeometryError::TooLarge { capacity: max_capacity, value_size };
        let total_words = slot_words
            .checked_mul(max_capacity)
            .and_then(|words| words.checked_add(slots))
            .filter(|&words| words <= isize::MAX as usize / 16)
            .ok_or(too_large)?;
        Ok(Self {
            geometry,
            kind,
            level: 0,
            capacity,
            distrusted: TRUSTED,
            key_words,
            heads: KEY + key_words,
            tail_words,
            slot_words,
            index_mask: index_len - 1,
            slot_mask,
            fingerprint_mask: !slot_mask,
            short_len: value_size.min(HEAD_WORDS * 8),
            extras,
            leases,
            stamp,
            default_ttl,
            index,
            slots,
            total_words,
            integer_secrets: integer_secrets(seed),
            secrets: RapidSecrets::seed(seed),
        })
    }

    /// Returns the layout of the next level, unless this is the last one.
    pub(crate) fn next_level(&self) -> Option<Self> {
        let capacity = capacities(self.geometry).nth(self.level as usize + 1)?;
        let slot_mask = slot_mask(capacity);
        Some(Self {
            level: self.level + 1,
            capacity,
            distrusted: TRUSTED,
            index_mask: index_len(capacity) - 1,
            slot_mask,
            fingerprint_mask: !slot_mask,
            index: after_index(self.index, self.capacity),
            ..self.clone()
        })
    }

    /// Returns the largest capacity, to which the table may grow.
    pub(crate) fn max_capacity(&self) -> usize {
        self.geometry.max_capacity.unwrap_or(self.geometry.capacity)
    }

    /// True if this is an epoch of this level under which the index may be searched.
    #[inline(always)]
    pub(crate) fn is_searchable(&self, epoch: u64) -> bool {
        epoch & (LEVELS | REBUILDING) == self.level << LEVEL_SHIFT
    }

    /// Returns the epoch that follows `epoch` once the index of this level has been built.
    pub(crate) fn next_epoch(&self, epoch: u64) -> u64 {
        let count = (epoch & !(LEVELS | REBUILDING)).wrapping_add(EPOCH_COUNT);
        count | self.level << LEVEL_SHIFT
    }

    /// Returns the parts of the body that this level uses and the level before it does not, in
    /// words.
    pub(crate) fn parts_beyond(&self, before: &Self) -> [Range<usize>; 3] {
        let [free, index, slots] = self.parts();
        [
            before.free_at(before.capacity)..free.end,
            index,
            before.slot_at(before.capacity)..slots.end,
        ]
    }

    /// Returns the parts of the body that this level uses, in words.
    pub(crate) fn parts(&self) -> [Range<usize>; 3] {
        [
            0..self.free_at(self.capacity),
            self.index..self.index + self.index_words(),
            self.slots..self.slot_at(self.capacity),
        ]
    }

    /// Encodes a key of this table as words.
    #[inline(always)]
    pub(crate) fn words_of<'r, K: Key + ?Sized>(
        &self,
        key: &K,
        room: &'r mut K::Room,
    ) -> Result<&'r [u64], TableError> {
        key.to_words(self.kind, self.geometry.key_size, room)
    }

    /// Returns the number of places of the index.
    #[inline]
    pub(crate) fn index_len(&self) -> usize {
        self.index_mask + 1
    }

    /// The number of words of the index. Each holds two places.
    #[inline(always)]
    pub(crate) fn index_words(&self) -> usize {
        self.index_len() / 2
    }

    /// Returns the maximum number of places that may be in use (by entries and tombstones). The
    /// index is rebuilt before this number is exceeded, so that probes stay short.
    #[inline]
    pub(crate) fn index_limit(&self) -> usize {
        let capacity = self.capacity;
        capacity + (self.index_len() - capacity) / 3
    }

    #[inline(always)]
    pub(crate) fn slot_at(&self, slot: usize) -> usize {
        self.slots + slot * self.slot_words
    }

    #[inline]
    pub(crate) fn free_at(&self, place: usize) -> usize {
        FREE + place
    }

    /// Offset within a slot of the first two words of a buffer.
    #[inline(always)]
    pub(crate) fn head_at(&self, buffer: usize) -> usize {
        self.heads + buffer * HEAD_WORDS
    }

    /// Offset within a slot of the other words of a buffer.
    #[inline]
    pub(crate) fn tail_at(&self, buffer: usize) -> usize {
        self.heads + 2 * HEAD_WORDS + buffer * self.tail_words
    }
}

/// Returns which level a table with this epoch has.
#[inline(always)]
pub(crate) fn level_of(epoch: u64) -> u64 {
    (epoch & LEVELS) >> LEVEL_SHIFT
}

/// The longest time to live in nanoseconds: some 146 years. Deadlines stay below 2^63 with it.
const MAX_TTL: u64 = 1 << 62;

/// Returns a time to live in nanoseconds.
pub(crate) fn time_to_live(ttl: Duration) -> Result<u64, GeometryError> {
    match u64::try_from(ttl.as_nanos()) {
        Ok(ttl @ 1..=MAX_TTL) => Ok(ttl),
        _ => Err(GeometryError::TimeToLive { ttl, max: Duration::from_nanos(MAX_TTL) }),
    }
}

/// Returns the capacity of each level.
fn capacities(geometry: Geometry) -> impl Iterator<Item = usize> {
    let last = geometry.max_capacity.unwrap_or(geometry.capacity);
    std::iter::successors(Some(geometry.capacity), move |&capacity| {
        (capacity < last).then(|| last.min(2 * capacity))
    })
}

/// Returns the number of places of the index for this many entries.
fn index_len(capacity: usize) -> usize {
    let spread = if capacity <= SPARSE_CAPACITY { 4 } else { 2 };
    (spread * capacity).next_power_of_two()
}

/// Returns where the part after an index begins. `at` is where the index begins, and `capacity` is
/// the capacity of its level.
fn after_index(at: usize, capacity: usize) -> usize {
    (at + index_len(capacity) / 2).next_multiple_of(LINE_WORDS)
}

/// Returns the bits of an index entry that hold a slot's number. There are two more numbers than
/// slots: for an empty place and for a tombstone.
fn slot_mask(capacity: usize) -> u32 {
    (capacity as u32 + 2).next_power_of_two() - 1
}

/// The first mask, the factor (odd) and the second mask for integer keys. Each is the rapidhash of
/// the seed and a number.
fn integer_secrets(seed: u64) -> [u64; 3] {
    let secrets = RapidSecrets::seed(seed);
    [0u64, 1, 2]
        .map(|n| rapidhash_v3_nano_inline::<true, true>(&n.to_le_bytes(), &secrets) | (n % 2))
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::key::TypedKey;

    #[test]
    fn parts_follow_each_other_and_start_at_cache_lines() {
        for capacity in [1, 2, 3, 7, 8, 9, 1000, 1024, 16_384, 16_385, 1 << 20] {
            for value_size in [0, 1, 8, 255, 256, 257] {
                let g = Geometry {
                    capacity,
                    max_capacity: None,
                    expiry: Expiry::Never,
                    eviction: Eviction::Never,
                    value_size,
                    key_size: 13,
                };
                for kind in [i32::KIND, str::KIND] {
                    let l = Layout::new(g, kind, 1).unwrap();
                    let spread = if capacity <= 16_384 { 4 } else { 2 };
                    assert!((spread..2 * spread).contains(&(l.index_len() / capacity)));
                    assert!(l.index_len().is_power_of_two());
                    assert!(l.free_at(capacity - 1) < l.index);
                    assert_eq!(l.index % LINE_WORDS, 0);
                    assert!(l.slots >= l.index + l.index_words());
                    assert_eq!(l.slots % LINE_WORDS, 0);
                    assert_eq!(l.slot_words % LINE_WORDS, 0);
                    assert!(l.tail_at(2) <= l.slot_words);
                    assert!(HEAD_WORDS + l.tail_words >= value_size.div_ceil(8));
                    assert_eq!(l.tail_at(0), l.head_at(2));
                    assert_eq!(l.head_at(0), KEY + l.key_words);
                    assert_eq!(l.total_words, l.slot_at(capacity));
                    assert!(l.index_limit() > capacity, "a full table leaves room for tombstones");
                    assert!(l.index_limit() <= 2 * l.index_len() / 3, "probes end soon");
                }
            }
        }
    }

    #[test]
    fn the_default_slot_is_nine_cache_lines() {
        let l = Layout::new(Geometry::default(), i32::KIND, 1).unwrap();
        assert_eq!(l.slot_words, 9 * 8);
        assert_eq!(l.head_at(2), LINE_WORDS, "short values need one line");
        assert_eq!(l.index_len(), 4096);
    }

    #[test]
    fn impossible_geometries_say_why() {
        let g = Geometry::default();
        let new = |g| Layout::new(g, i32::KIND, 1).map(|_| ());
        assert_eq!(
            new(Geometry { capacity: 0, ..g }),
            Err(GeometryError::OutOfRange {
                what: "capacity",
                value: 0,
                min: 1,
                max: Geometry::MAX_CAPACITY
            })
        );
        assert!(new(Geometry { capacity: usize::MAX, ..g }).is_err());
        assert!(new(Geometry { value_size: usize::MAX, ..g }).is_err());
        assert!(new(Geometry { key_size: 0, ..g }).is_err());
        let huge = Geometry {
            capacity: Geometry::MAX_CAPACITY,
            value_size: Geometry::MAX_VALUE_SIZE,
            ..g
        };
        assert!(new(huge).is_ok() || matches!(new(huge), Err(GeometryError::TooLarge { .. })));
    }
}
