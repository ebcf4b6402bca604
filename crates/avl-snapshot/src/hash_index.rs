//! The optional hash index: from a key's hash to where its data lie, for exact lookups.
//!
//! Buckets of eight cells, one cache line each, two thirds full on average. A key's cell is in the bucket that its hash
//! says, or, where that is full, in the next one that is not; so a bucket with an empty cell ends a lookup. A cell says all
//! that a lookup needs besides the data themselves, so a hit touches a bucket and the data, and nothing between them.
//! Whoever chooses the keys cannot make lookups slow: where keys collide so much that a lookup would read more than
//! [`PROBES`] buckets, no index is written, and a lookup that has compared [`COMPARED`] wrong keys goes through the tree.
//!
//! | bits of a cell | what |
//! |---|---|
//! | 56–63 | tag: eight bits of the hash |
//! | 48–55 | length of the key + 1; 255 for a key longer than 253 bytes; 0 only in an empty cell, which is all zeros |
//! | 36–47 | length of the value; 4095 for one longer than 4094 bytes |
//! | 0–35 | where the key starts, from the start of the data |
//!
//! What is longer than a cell can say is looked up in the tree.

use rapidhash::v3::{DEFAULT_RAPID_SECRETS, rapidhash_v3_nano_inline};

use crate::line::Words;
use crate::raw::{Entry, Raw};

/// The most buckets that a lookup reads. A run of full ones of this length comes by itself once in e^37: by Cramér, a run of
/// k in (e^-0.577)^k, for Poisson counts of mean 16/3 and eight cells.
const PROBES: usize = 64;
/// The most whole keys that a lookup compares. By itself a wrong one comes once in 50.
const COMPARED: usize = 16;
/// The most entries for which an index is made: a bucket is chosen by 32 bits of the hash.
const MAX_INDEXED: u64 = 1 << 32;

const START_BITS: u32 = 36;
const VALUE_BITS: u32 = 12;
const LONG_VALUE: usize = (1 << VALUE_BITS) - 1;
const LONG_KEY: usize = 254;

/// Number of buckets for this many entries with data of this length; 0 when there is no index for so many.
pub(crate) const fn buckets_for(entries: u64, data_len: u64) -> u64 {
    if entries == 0 || entries > MAX_INDEXED || data_len > 1 << START_BITS {
        0
    } else {
        // A half more cells than entries.
        (3 * entries).div_ceil(16) + 1
    }
}

/// What a key looks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    /// The first bucket.
    home: usize,
    /// Tag and length of the key, as they lie in the high half of a cell.
    sought: u32,
    buckets: usize,
}

/// Tag and length of the key, in the high half of a cell.
const SOUGHT: u32 = 0xFFFF_0000;
/// The length of the key, there.
const KEY_LEN: u32 = 0x00FF_0000;
/// The high halves of a bucket's cells among its words.
const HIGH: u32 = 0xAAAA;

impl Probe {
    /// Where to look for `key`. The hash is rapidhash v3 (nano), whose output is stable by its specification.
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

    /// The cell of a key that is sought like this.
    fn cell(&self, entry: Entry) -> u64 {
        let value_len = entry.end.saturating_sub(entry.start.saturating_add(entry.key_len));
        let value_len = value_len.min(LONG_VALUE);
        u64::from(self.sought) << 32 | (value_len as u64) << START_BITS | entry.start as u64
    }
}

/// What a cell says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    Entry(Entry),
    /// Nothing: the key or the value is too long for a cell. The tree knows.
    Long,
}

impl<'a> Raw<'a> {
    #[inline(always)]
    pub(crate) fn probe(self, key: &[u8]) -> Probe {
        Probe::new(key, self.layout.buckets)
    }

    /// The entry of `key` by the index, which must exist. O(1), unless the key or its value is long.
    #[inline(always)]
    pub(crate) fn search_index(self, key: &[u8], probe: Probe) -> Option<Entry> {
        let mut left = COMPARED;
        let found = self.fitting(&probe, |cell| match cell {
            Cell::Entry(entry) if self.key_of(entry) == key => true,
            Cell::Entry(_) => {
                left -= 1;
                left == 0
            }
            Cell::Long => true,
        })?;
        let found = if left == 0 { Cell::Long } else { found };
        match found {
            Cell::Entry(entry) => Some(entry),
            Cell::Long => self.search_tree(key),
        }
    }

    /// The entry of `key` by the tree. O(log n).
    #[cold]
    #[inline(never)]
    fn search_tree(self, key: &[u8]) -> Option<Entry> {
        Some(self.entry(self.search(key).ok()?))
    }

    /// The first cell that fits; its key may be another.
    #[inline(always)]
    pub(crate) fn candidate(self, probe: &Probe) -> Option<Cell> {
        self.fitting(probe, |_| true)
    }

    #[inline(always)]
    fn fitting(self, probe: &Probe, mut is_it: impl FnMut(Cell) -> bool) -> Option<Cell> {
        let mut at = probe.home;
        for _ in 0..PROBES {
            let bucket = self.bucket(at);
            let mut fits = bucket.equal_mask(SOUGHT, probe.sought) & HIGH;
            while fits != 0 {
                let high = fits.trailing_zeros() as usize;
                let cell = cell_of(bucket.word(high), bucket.word(high - 1));
                if is_it(cell) {
                    return Some(cell);
                }
                fits &= fits - 1;
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
    // Beyond all addresses of 32 bits: the last of them, which is in no block.
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    Cell::Entry(Entry { start, key_len, end: start.wrapping_add(key_len + value_len) })
}

/// Keys whose buckets are looked at together.
const BATCH: usize = 16;

/// Fills empty buckets with the cells for keys in order; `None` when some lookup would take too long.
pub(crate) fn build<'a>(
    entries: impl Iterator<Item = (&'a [u8], Entry)>,
    index: &mut [Words],
) -> Option<()> {
    let buckets = index.len();
    let mut probes = entries.map(|(key, entry)| (Probe::new(key, buckets), entry));
    loop {
        let some: [_; BATCH] = std::array::from_fn(|_| probes.next());
        // Reads all their buckets first, so that the cache misses overlap.
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

/// Puts a key into the first empty cell; `None` when that is too far.
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
    fn cells_say_what_they_were_made_of() {
        for key_len in [0, 1, 252, 253, 254, 255, crate::MAX_KEY_LEN] {
            for value_len in [0, 1, 4094, 4095, 4096, 1 << 30] {
                for start in [0u64, 1, u64::from(u32::MAX), (1 << START_BITS) - 1] {
                    let probe = Probe::new(&vec![b'k'; key_len], 1000);
                    assert!(probe.home < 1000);
                    // Not all are addresses everywhere.
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
    fn not_every_map_can_have_an_index() {
        assert_eq!(buckets_for(0, 0), 0);
        assert_eq!(buckets_for(1, 0), 2);
        assert_eq!(buckets_for(5, 1 << 36), 2);
        assert_eq!(buckets_for(6, 1 << 36), 3);
        assert_eq!(buckets_for(6, (1 << 36) + 1), 0);
        assert_ne!(buckets_for(1 << 32, 0), 0);
        assert_eq!(buckets_for((1 << 32) + 1, 0), 0);
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
