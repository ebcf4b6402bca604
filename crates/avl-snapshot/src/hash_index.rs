//! The optional hash index: from a key's hash to its rank, for exact lookups.
//!
//! Buckets of 16 cells, one cache line each, two thirds full on average. A key's cell is in the bucket that its hash
//! says, or, where that is full, in the next one that is not; so a bucket with an empty cell ends a lookup. A cell is 0 when empty; else its
//! low bits are rank + 1, as many as the number of entries needs, and the bits above a tag from the hash.
//! Where keys collide so much that a lookup would read more than [`PROBES`] buckets, no index is written, and lookups
//! go through the tree: whoever chooses the keys cannot make lookups slow.

use rapidhash::v3::{DEFAULT_RAPID_SECRETS, rapidhash_v3_nano_inline};

use crate::line::Words;
use crate::raw::Raw;

/// Cells of a bucket.
pub(crate) const BUCKET: usize = 16;
/// The most buckets that a lookup reads.
const PROBES: usize = 16;
/// The most entries for which an index is made: cells keep at least three bits of tag.
const MAX_INDEXED: u64 = 1 << 28;

/// Number of buckets for this many entries; 0 when there is no index for so many.
pub(crate) const fn buckets_for(entries: u64) -> u64 {
    if entries == 0 || entries > MAX_INDEXED {
        0
    } else {
        (entries + entries / 2).div_ceil(BUCKET as u64) + 1
    }
}

/// What a key looks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    /// The first bucket.
    home: usize,
    tag: u32,
    /// The bits of a cell that are rank + 1.
    ranks: u32,
    buckets: usize,
}

impl Probe {
    /// Where to look for `key`. The hash is rapidhash v3 (nano), whose output is stable by its specification.
    #[inline(always)]
    pub(crate) fn new(key: &[u8], entries: usize, buckets: usize) -> Self {
        let hash = rapidhash_v3_nano_inline::<true, false>(key, &DEFAULT_RAPID_SECRETS);
        let ranks = u32::MAX >> (entries as u32).leading_zeros();
        // The high half scaled to the number of buckets; the low half is the tag.
        let home = (((hash >> 32) * buckets as u64) >> 32) as usize;
        Self { home, tag: hash as u32 & !ranks, ranks, buckets }
    }

    #[inline(always)]
    fn next(&self, at: usize) -> usize {
        if at + 1 < self.buckets { at + 1 } else { 0 }
    }
}

impl Raw<'_> {
    #[inline(always)]
    pub(crate) fn probe(self, key: &[u8]) -> Probe {
        Probe::new(key, self.layout.entries, self.layout.buckets)
    }

    /// Rank of `key` by the index, which must exist. O(1).
    #[inline(always)]
    pub(crate) fn search_index(self, key: &[u8], probe: Probe) -> Option<usize> {
        self.fitting(&probe, |rank| self.key(rank) == key)
    }

    /// The first rank whose tag fits; its key may be another.
    #[inline(always)]
    pub(crate) fn candidate(self, probe: &Probe) -> Option<usize> {
        self.fitting(probe, |_| true)
    }

    #[inline(always)]
    fn fitting(self, probe: &Probe, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let mut at = probe.home;
        for _ in 0..PROBES {
            let bucket = self.bucket(at);
            // An empty cell bears no rank, so its tag, 0, must not pass for one.
            let empty = bucket.equal_mask(u32::MAX, 0);
            let mut fits = bucket.equal_mask(!probe.ranks, probe.tag) & !empty;
            while fits != 0 {
                let cell = bucket.word(fits.trailing_zeros() as usize);
                let rank = (cell & probe.ranks).wrapping_sub(1) as usize;
                if is_it(rank) {
                    return Some(rank);
                }
                fits &= fits - 1;
            }
            if empty != 0 {
                return None;
            }
            at = probe.next(at);
        }
        None
    }
}

/// The cells for keys in order; `None` when some lookup would take too long.
pub(crate) fn build<'a>(
    keys: impl Iterator<Item = &'a [u8]>,
    entries: usize,
    buckets: usize,
) -> Option<Vec<Words>> {
    let mut index = vec![Words::ZERO; buckets];
    for (rank, key) in keys.enumerate() {
        let probe = Probe::new(key, entries, buckets);
        let mut at = probe.home;
        let mut left = PROBES;
        loop {
            let bucket = index.get_mut(at)?;
            let empty = bucket.equal_mask(u32::MAX, 0);
            if empty != 0 {
                bucket.set_word(empty.trailing_zeros() as usize, probe.tag | (rank as u32 + 1));
                break;
            }
            left = left.checked_sub(1).filter(|&left| left > 0)?;
            at = probe.next(at);
        }
    }
    Some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_and_tags_share_a_cell() {
        for entries in [1usize, 2, 3, 255, 256, 1 << 20, 1 << 28] {
            let buckets = buckets_for(entries as u64) as usize;
            let probe = Probe::new(b"key", entries, buckets);
            assert!(probe.home < buckets);
            assert!(probe.ranks as usize >= entries);
            assert_eq!(probe.tag & probe.ranks, 0);
        }
        assert_eq!(buckets_for(MAX_INDEXED + 1), 0);
        assert_eq!(buckets_for(0), 0);
    }

    #[test]
    fn too_many_collisions_give_no_index() {
        let key: &[u8] = b"the same";
        let room = PROBES * BUCKET;
        assert!(build(std::iter::repeat_n(key, room + 1), 1000, 100).is_none());
        assert!(build(std::iter::repeat_n(key, room), 1000, 100).is_some());
    }
}
