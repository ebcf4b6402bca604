//! A unit: a node of the bottom tier, followed by the entries of its keys, and by the entry of the
//! next key in key order. A search that knows the number of the node fetches node and entries at
//! the same time.
//!
//! | bytes after the node | content, in a narrow unit |
//! |---|---|
//! | 8 | base: the offset of the data of the unit's first entry |
//! | 4 for each slot | the *part* of an entry: in the low half the length of the key, in the high half the end of the value, counted from the base |
//! | 4 for each slot except two | the fork of a key of the node and the next key of the node if both tie, otherwise 0 |
//!
//! A unit with more than 65,535 bytes of data is *wide*: it has a packed entry of 8 bytes for each
//! slot, and no forks. A bit in its node says so. Slots without an entry are zeros.
//!
//! The *fork* of two keys is the first place where they differ. The forks of keys in key order are
//! a binary tree on these keys without pointers (Ferguson, "Bit-Tree: A Data Structure for Fast
//! File Processing", 1992). A scan of the forks finds the only key that may equal a query. It reads
//! bits of the query, but no keys.

use super::derive::{Keys, node_of};
use super::layout::{CACHE_LINE, SLOT_LEN, pack, unpack};
use super::node::{WIDE, fork};
use super::raw::{Entry, Raw};
use super::shape::{NODE_KEYS, Spot};

/// Maximum length of the data of a narrow unit in bytes.
const MAX_NARROW: usize = u16::MAX as usize;
/// Length of the base in bytes.
const BASE_LEN: usize = 8;
/// Length of a part, and of a fork, in bytes.
const PART_LEN: usize = 4;

/// A unit as it is stored in an image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unit {
    bytes: [u8; Self::LONGEST],
    len: usize,
}

/// The narrow unit that was read last. It makes reading entry by entry fast.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CachedUnit<'a> {
    /// The rank of the unit's first entry.
    first: usize,
    base: usize,
    /// The last four bytes of the base, followed by the parts of the unit's entries. Empty if no
    /// unit, or a wide unit, was read.
    parts: &'a [u8],
}

/// Makes an entry of a narrow unit. The low half of `parts` is the part of the slot before the
/// entry's slot, and the high half is the part of the entry's slot.
#[inline(always)]
fn entry_from(base: usize, parts: u64) -> Entry {
    Entry {
        start: base.wrapping_add((parts >> 16) as usize & MAX_NARROW),
        key_len: (parts >> 32) as usize & MAX_NARROW,
        end: base.wrapping_add((parts >> 48) as usize),
    }
}

impl Unit {
    /// Maximum length of a unit in bytes.
    pub(crate) const LONGEST: usize = CACHE_LINE + SLOT_LEN * (NODE_KEYS + 1);

    /// Makes a unit from the keys and entries.
    pub(crate) fn of(keys: &impl Keys, unit: u64) -> Self {
        let shape = keys.layout().shape;
        let bottom = shape.bottom();
        let first = shape.rank(&bottom, unit, 0) as usize;
        let count = shape.keys(&bottom, unit) as usize;
        let mut node = node_of(keys, &bottom, unit);
        let (start, end) = (keys.entry(first).start, keys.entry(first + count).end);
        let len = CACHE_LINE + SLOT_LEN * shape.slots(unit) as usize;
        let mut made = Self { bytes: [0; Self::LONGEST], len };
        let entries = (first..=first + count).map(|rank| keys.entry(rank));
        if end.wrapping_sub(start) > MAX_NARROW {
            let packed = entries.map(|entry| pack(entry.start as u64, entry.key_len));
            made.put(CACHE_LINE, packed.map(u64::to_le_bytes));
            node.0.set_word(0, node.0.word(0) | WIDE);
        } else {
            made.put(CACHE_LINE, [(start as u64).to_le_bytes()]);
            let end_of = |entry: Entry| entry.end.wrapping_sub(start) as u32;
            let part = |entry: Entry| end_of(entry) << 16 | entry.key_len as u32 & 0xFFFF;
            let parts_at = CACHE_LINE + BASE_LEN;
            made.put(parts_at, entries.map(|entry| part(entry).to_le_bytes()));
            let forks = (1..count).map(|key| match node.0.word(key) == node.0.word(key + 1) {
                true => fork(&keys.key(first + key - 1), &keys.key(first + key)),
                false => 0,
            });
            let forks_at = parts_at + PART_LEN * shape.slots(unit) as usize;
            made.put(forks_at, forks.map(u32::to_le_bytes));
        }
        made.put(0, node.0.0);
        made
    }

    /// Returns the bytes of the unit, which start with its node.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn put<const N: usize>(&mut self, at: usize, words: impl IntoIterator<Item = [u8; N]>) {
        let place = self.bytes.get_mut(at..).unwrap_or_default();
        for (to, from) in place.chunks_exact_mut(N).zip(words) {
            to.copy_from_slice(&from);
        }
    }
}

impl<'a> Raw<'a> {
    /// Returns the entry at `rank`, or an empty entry if there is no such entry.
    #[inline(always)]
    pub(crate) fn entry(self, rank: usize) -> Entry {
        let spot = self.layout.shape.spot(rank as u64);
        let is_wide = self.node_at(self.layout.unit_at(spot.unit)).is_wide();
        self.entry_at(spot, is_wide)
    }

    /// Returns the entry at a place, which is in a wide or in a narrow unit.
    #[inline(always)]
    pub(crate) fn entry_at(self, spot: Spot, is_wide: bool) -> Entry {
        match is_wide {
            true => self.wide_entry(spot),
            false => self.narrow_entry(self.layout.unit_at(spot.unit), spot.slot as usize),
        }
    }

    /// Returns the entry at `rank`, which must be less than n. If the entry is not in the cached
    /// unit, replaces the cached unit by the entry's unit.
    #[inline(always)]
    pub(crate) fn entry_of(self, cached: &mut CachedUnit<'a>, rank: usize) -> Entry {
        let at = PART_LEN.wrapping_mul(rank.wrapping_sub(cached.first));
        match cached.parts.get(at..).and_then(|parts| parts.first_chunk()) {
            Some(parts) => entry_from(cached.base, u64::from_le_bytes(*parts)),
            None => {
                // The unit is returned by value. A reference would leak the address of an
                // iterator's state, and the compiler could not keep the state in registers.
                let entry;
                (*cached, entry) = self.entry_elsewhere(rank);
                entry
            }
        }
    }

    #[inline(never)]
    fn entry_elsewhere(self, rank: usize) -> (CachedUnit<'a>, Entry) {
        let shape = &self.layout.shape;
        let spot = shape.spot(rank as u64);
        let at = self.layout.unit_at(spot.unit);
        let slot = spot.slot as usize;
        if self.node_at(at).is_wide() {
            return (CachedUnit::default(), self.wide_entry(spot));
        }
        let parts_at = at.wrapping_add(CACHE_LINE + BASE_LEN - PART_LEN);
        let len = PART_LEN * (2 + shape.keys(&shape.bottom(), spot.unit) as usize);
        let base = self.chunk(at.wrapping_add(CACHE_LINE));
        let parts = self.bytes.get(parts_at..parts_at.wrapping_add(len));
        let cached = match (base, parts) {
            (Some(base), Some(parts)) => {
                let base = usize::try_from(u64::from_le_bytes(*base)).unwrap_or(usize::MAX);
                CachedUnit { first: rank - slot, base, parts }
            }
            _ => CachedUnit::default(),
        };
        (cached, self.narrow_entry(at, slot))
    }

    /// Returns the entry at a slot of the narrow unit at an offset.
    #[inline(always)]
    fn narrow_entry(self, unit_at: usize, slot: usize) -> Entry {
        let at = unit_at.wrapping_add(CACHE_LINE);
        let base = self.chunk(at).map(|base| u64::from_le_bytes(*base));
        // Reads the part of this slot and the part before it. Before the first part is the high
        // half of the base, whose upper 16 bits are zero.
        let parts_at = at.wrapping_add(BASE_LEN - PART_LEN + PART_LEN * slot);
        let parts = self.chunk(parts_at).map(|parts| u64::from_le_bytes(*parts));
        let (Some(base), Some(parts)) = (base, parts) else { return Entry::default() };
        entry_from(usize::try_from(base).unwrap_or(usize::MAX), parts)
    }

    #[cold]
    fn wide_entry(self, spot: Spot) -> Entry {
        let at = self.layout.unit_at(spot.unit).wrapping_add(CACHE_LINE);
        let word = |slot| {
            let at = at.wrapping_add(SLOT_LEN.wrapping_mul(slot));
            self.chunk(at).map(|word| unpack(u64::from_le_bytes(*word)))
        };
        let slot = spot.slot as usize;
        let Some((start, key_len)) = word(slot) else { return Entry::default() };
        let shape = &self.layout.shape;
        let end = if spot.slot < shape.keys(&shape.bottom(), spot.unit) {
            word(slot + 1).map(|(start, _)| start)
        } else if spot.unit + 1 < shape.units() {
            self.start_of(spot.unit + 1)
        } else {
            None
        };
        Entry { start, key_len, end: end.unwrap_or(start) }
    }

    /// Returns the offset of the data of a unit, counted from the start of the data.
    fn start_of(self, unit: u64) -> Option<usize> {
        let at = self.layout.unit_at(unit);
        let word = self.chunk(at.wrapping_add(CACHE_LINE)).map(|word| u64::from_le_bytes(*word))?;
        if self.node_at(at).is_wide() { Some(unpack(word).0) } else { usize::try_from(word).ok() }
    }

    /// Returns the fork of key `key` of a unit's node and the next key, or 0 if the fork would lie
    /// outside the image.
    #[inline(always)]
    pub(crate) fn fork(self, unit: u64, key: u64) -> u32 {
        let parts = self.layout.shape.slots(unit).wrapping_add(key) as usize;
        let at = CACHE_LINE + BASE_LEN + PART_LEN * parts;
        let fork = self.chunk(self.layout.unit_at(unit).wrapping_add(at));
        fork.map_or(0, |fork| u32::from_le_bytes(*fork))
    }
}
