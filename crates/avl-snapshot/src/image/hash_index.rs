//! The optional hash index, which speeds up exact lookups. It maps the hash of a key to the place
//! of the key's data.
//!
//! A bucket is a cache line of eight cells, and is two thirds full on average. The *home* of a key
//! is the bucket that its hash selects. The cell of a key is in its home bucket or, if that bucket
//! is full, in the next bucket that has an empty cell when the key is inserted. So a bucket with an
//! empty cell ends a lookup. A cell holds everything that a lookup needs besides the data, so a hit
//! reads a bucket and the data, and nothing else.
//!
//! Keys that are chosen to collide cannot make lookups slow. If a lookup would have to read more
//! than [`PROBES`] buckets, no index is written. If a lookup has compared [`COMPARED`] wrong keys,
//! it continues in the tree.
//!
//! | bits of a cell | what |
//! |---|---|
//! | 56–63 | tag: eight bits of the hash |
//! | 48–55 | key length + 1; 255 for a key of more than 253 bytes; 0 only in an empty cell, all zeros |
//! | 36–47 | length of the value; 4095 for one of more than 4094 bytes |
//! | 0–35 | where the key starts, from the start of the data |
//!
//! Keys and values that are too long for a cell are looked up through the tree.

use std::ops::Deref;

use rapidhash::v3::{DEFAULT_RAPID_SECRETS, rapidhash_v3_nano_inline};

use super::layout::START_BITS;
use super::node::Words;
use super::raw::{Entry, Raw};

/// Maximum number of buckets that a lookup reads. By chance, a run of this many full buckets occurs
/// with a probability of e^-37. By Cramér's theorem, the probability of a run of k is (e^-0.577)^k,
/// for Poisson counts of mean 16/3 and eight cells.
const PROBES: usize = 64;
/// Maximum number of whole keys that a lookup compares. By chance, one in 50 lookups compares a
/// wrong key.
pub(crate) const COMPARED: usize = 16;

const VALUE_BITS: u32 = 12;
const LONG_VALUE: usize = (1 << VALUE_BITS) - 1;
const LONG_KEY: usize = 254;

/// Where a lookup in the hash index starts, and which cell it looks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    /// The bucket where the lookup starts.
    home: usize,
    /// Tag and length of the key, as they are stored in the high half of a cell.
    sought: u32,
    buckets: usize,
}

/// The bits of the tag and of the key length in the high half of a cell.
const SOUGHT: u32 = 0xFFFF_0000;
/// The bits of the key length in the high half of a cell.
const KEY_LEN: u32 = 0x00FF_0000;
/// One bit for each word of a bucket that is the high half of a cell.
const HIGH: u32 = 0xAAAA;

impl Probe {
    /// Prepares the lookup of `key`. The hash is rapidhash v3 (nano), whose specification keeps its
    /// output stable.
    #[inline(always)]
    pub(crate) fn new(key: &[u8], buckets: usize) -> Self {
        let hash = rapidhash_v3_nano_inline::<true, false>(key, &DEFAULT_RAPID_SECRETS);
        // The high half scaled to the number of buckets; the low half begins with the tag.
        let home = (((hash >> 32) * buckets as u64) >> 32) as usize;
        let len = key.len().min(LONG_KEY) as u32 + 1;
        Self { home, sought: hash as u32 & 0xFF00_0000 | len << 16, buckets }
    }

    #[inline(always)]
    fn next(&self, at: usize) -> usize {
        if at + 1 < self.buckets { at + 1 } else { 0 }
    }

    /// Makes the cell of an entry whose key is the key of this probe.
    fn cell(&self, entry: Entry) -> u64 {
        let value_len = entry.end.saturating_sub(entry.start.saturating_add(entry.key_len));
        let value_len = value_len.min(LONG_VALUE);
        u64::from(self.sought) << 32 | (value_len as u64) << START_BITS | entry.start as u64
    }
}

/// What a cell says about the entry of its key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    Entry(Entry),
    /// The key or the value is too long for a cell, so its entry is found through the tree.
    Long,
}

impl<'a> Raw<'a> {
    #[inline(always)]
    pub(crate) fn probe(self, key: &[u8]) -> Probe {
        Probe::new(key, self.layout.buckets)
    }

    /// Returns the first cell whose tag and key length match. The cell may belong to another key.
    #[inline(always)]
    pub(crate) fn candidate(self, probe: &Probe) -> Option<Cell> {
        self.matching(probe, |_| true)
    }

    /// Returns the first cell whose tag and key length match and which `is_it` accepts.
    #[inline(always)]
    pub(crate) fn matching(
        self,
        probe: &Probe,
        mut is_it: impl FnMut(Cell) -> bool,
    ) -> Option<Cell> {
        let mut at = probe.home;
        for _ in 0..PROBES {
            let bucket = self.bucket(at);
            let mut matches = bucket.equal_mask(SOUGHT, probe.sought) & HIGH;
            while matches != 0 {
                let high = matches.trailing_zeros() as usize;
                let cell = cell_of(bucket.word(high), bucket.word(high - 1));
                if is_it(cell) {
                    return Some(cell);
                }
                matches &= matches - 1;
            }
            if bucket.equal_mask(KEY_LEN, 0) & HIGH != 0 {
                return None;
            }
            at = probe.next(at);
        }
        None
    }
}

/// Reads a cell that is not empty.
#[inline(always)]
fn cell_of(high: u32, low: u32) -> Cell {
    let key_len = ((high & KEY_LEN) >> 16) as usize - 1;
    let value_len = (high >> (START_BITS - 32)) as usize & LONG_VALUE;
    if key_len == LONG_KEY || value_len == LONG_VALUE {
        return Cell::Long;
    }
    let start = (u64::from(high) << 32 | u64::from(low)) & ((1 << START_BITS) - 1);
    // An offset that a 32-bit address cannot express becomes the last address, outside every image.
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    Cell::Entry(Entry { start, key_len, end: start.wrapping_add(key_len + value_len) })
}

/// Number of keys whose buckets are read together.
const BATCH: usize = 16;

/// Fills empty buckets with the cells of entries that come in key order. Returns `None` if a lookup
/// would have to read too many buckets.
pub(crate) fn build<K: Deref<Target = [u8]>>(
    entries: impl Iterator<Item = (K, Entry)>,
    index: &mut [Words],
) -> Option<()> {
    let buckets = index.len();
    let mut probes = entries.map(|(key, entry)| (Probe::new(&key, buckets), entry));
    loop {
        let some: [_; BATCH] = std::array::from_fn(|_| probes.next());
        // Reads all their buckets first, so that their cache misses overlap.
        let homes = some.iter().flatten().filter_map(|(probe, _)| index.get(probe.home));
        std::hint::black_box(homes.fold(0, |all, bucket| all ^ bucket.word(0)));
        for (probe, entry) in some.iter().flatten() {
            insert(index, probe, *entry)?;
        }
        if some.last().is_none_or(Option::is_none) {
            return Some(());
        }
    }
}

/// Stores an entry in the first empty cell at or after its home. Returns `None` if that cell is too
/// far from the home.
fn insert(index: &mut [Words], probe: &Probe, entry: Entry) -> Option<()> {
    let mut at = probe.home;
    for _ in 0..PROBES {
        let bucket = index.get_mut(at)?;
        let empty = bucket.equal_mask(KEY_LEN, 0) & HIGH;
        if empty != 0 {
            let high = empty.trailing_zeros() as usize;
            let cell = probe.cell(entry);
            bucket.set_word(high - 1, cell as u32);
            bucket.set_word(high, (cell >> 32) as u32);
            return Some(());
        }
        at = probe.next(at);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_say_what_they_were_made_from() {
        for key_len in [0, 1, 252, 253, 254, 255, crate::MAX_KEY_LEN] {
            for value_len in [0, 1, 4094, 4095, 4096, 1 << 30] {
                for start in [0u64, 1, u64::from(u32::MAX), (1 << START_BITS) - 1] {
                    let probe = Probe::new(&vec![b'k'; key_len], 1000);
                    assert!(probe.home < 1000);
                    // On 32-bit machines, not all of these are addresses.
                    let Ok(start) = usize::try_from(start) else { continue };
                    let Some(end) = start.checked_add(key_len + value_len) else { continue };
                    let entry = Entry { start, key_len, end };
                    let cell = probe.cell(entry);
                    let (high, low) = ((cell >> 32) as u32, cell as u32);
                    assert_eq!(high & SOUGHT, probe.sought);
                    assert_ne!(high & KEY_LEN, 0, "only an empty cell has none");
                    match cell_of(high, low) {
                        Cell::Entry(found) => assert_eq!(found, entry),
                        Cell::Long => assert!(key_len > 253 || value_len > 4094),
                    }
                }
            }
        }
    }

    #[test]
    fn too_many_collisions_give_no_index() {
        let entry: (&[u8], Entry) = (b"the same", Entry { start: 0, key_len: 8, end: 8 });
        let room = 8 * PROBES;
        let fits = |n| build(std::iter::repeat_n(entry, n), &mut vec![Words::ZERO; 100]).is_some();
        assert!(fits(room));
        assert!(!fits(room + 1));
    }
}
