//! The optional hash index: cells that lead from a key's hash to its rank, for exact lookups.
//!
//! Open addressing over 32-bit cells, two thirds full, linear probing. A cell is 0 when empty; else its low bits are
//! rank + 1, as many as the number of entries needs, and the bits above a tag from the hash.
//! Where keys collide so much that a probe would be longer than [`PROBES`], no index is written, and lookups
//! go through the tree: whoever chooses the keys cannot make lookups slow.

use rapidhash::v3::{DEFAULT_RAPID_SECRETS, rapidhash_v3_nano_inline};

use crate::raw::Raw;

/// The most cells that a lookup reads.
const PROBES: usize = 64;
/// The most entries for which an index is made: cells keep at least four bits of tag.
const MAX_INDEXED: u64 = 1 << 28;

/// Number of cells for this many entries; 0 when there is no index for so many.
pub(crate) const fn cells_for(entries: u64) -> u64 {
    if entries == 0 || entries > MAX_INDEXED { 0 } else { (entries + entries / 2 + 1) | 1 }
}

/// What a key looks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    /// The first cell.
    pub(crate) home: usize,
    tag: u32,
    /// The bits of a cell that are rank + 1.
    ranks: u32,
    cells: usize,
}

impl Probe {
    /// Where to look for `key`. The hash is rapidhash v3 (nano), whose output is stable by its specification.
    #[inline(always)]
    pub(crate) fn new(key: &[u8], entries: usize, cells: usize) -> Self {
        let hash = rapidhash_v3_nano_inline::<true, false>(key, &DEFAULT_RAPID_SECRETS);
        let ranks = u32::MAX >> (entries as u32).leading_zeros();
        // The high half scaled to the number of cells; the low half is the tag.
        let home = (((hash >> 32) * cells as u64) >> 32) as usize;
        Self { home, tag: hash as u32 & !ranks, ranks, cells }
    }

    /// The rank in a cell whose tag fits.
    #[inline(always)]
    fn rank(&self, cell: u32) -> Option<usize> {
        (cell & !self.ranks == self.tag).then(|| (cell & self.ranks).wrapping_sub(1) as usize)
    }

    #[inline(always)]
    fn next(&self, at: usize) -> usize {
        if at + 1 < self.cells { at + 1 } else { 0 }
    }
}

impl Raw<'_> {
    #[inline(always)]
    pub(crate) fn probe(self, key: &[u8]) -> Probe {
        Probe::new(key, self.layout.entries, self.layout.cells)
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
            let cell = self.cell(at);
            if cell == 0 {
                return None;
            }
            if let Some(rank) = probe.rank(cell)
                && is_it(rank)
            {
                return Some(rank);
            }
            at = probe.next(at);
        }
        None
    }
}

/// The cells for keys in order; `None` when some probe would be too long.
pub(crate) fn build<'a>(
    keys: impl Iterator<Item = &'a [u8]>,
    entries: usize,
    cells: usize,
) -> Option<Vec<u32>> {
    let mut index = vec![0; cells];
    for (rank, key) in keys.enumerate() {
        let probe = Probe::new(key, entries, cells);
        let mut at = probe.home;
        let mut left = PROBES;
        while *index.get(at)? != 0 {
            left -= 1;
            // The last probe of a lookup must reach an empty cell or its key.
            if left == 0 {
                return None;
            }
            at = probe.next(at);
        }
        *index.get_mut(at)? = probe.tag | (rank as u32 + 1);
    }
    Some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_and_tags_share_a_cell() {
        for entries in [1usize, 2, 3, 255, 256, 1 << 20, 1 << 28] {
            let cells = cells_for(entries as u64) as usize;
            let probe = Probe::new(b"key", entries, cells);
            assert!(probe.home < cells);
            assert!(probe.ranks as usize >= entries);
            assert_eq!(probe.rank(probe.tag | entries as u32), Some(entries - 1));
        }
        assert_eq!(cells_for(MAX_INDEXED + 1), 0);
        assert_eq!(cells_for(0), 0);
    }

    #[test]
    fn too_many_collisions_give_no_index() {
        let key: &[u8] = b"the same";
        let many = std::iter::repeat_n(key, PROBES + 1);
        assert!(build(many, 1000, cells_for(1000) as usize).is_none());
        let few = std::iter::repeat_n(key, PROBES);
        assert!(build(few, 1000, cells_for(1000) as usize).is_some());
    }
}
