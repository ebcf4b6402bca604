//! The search: from block to block, one comparison with 15 partial keys each.
//!
//! At a block the query lies between the block's bounds, or it would not have come there. All
//! keys between the bounds share `skip` bytes, so the query does too, and four bytes
//! from there on decide the comparison exactly unless they tie. Only a tie looks at whole keys.
//! The bounds of the blocks at the tree's edges are the common prefix of all keys, which
//! is tested first.
//!
//! On hostile bytes the answers are wrong, and the work is the same: a block a tier, and at most
//! four comparisons of whole keys in each.

use std::cmp::Ordering;

use crate::line::Query;
use crate::raw::Raw;
use crate::shape::Tier;

/// Where a descent is: a block that is to be looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) tier: Tier,
    pub(crate) block: u64,
}

/// What a look at a block found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Look {
    /// The key has this rank.
    Found(usize),
    /// No key here; the next block.
    Down(At),
    /// There is no such key; it would have this rank.
    Absent(usize),
}

impl<'a> Raw<'a> {
    /// Rank of `key`, or else the rank that it would have. O(log n).
    #[inline(always)]
    pub(crate) fn search(self, key: &[u8]) -> Result<usize, usize> {
        let query = Query::new(key);
        let mut at = self.start(&query)?;
        loop {
            match self.look(&query, at) {
                Look::Down(next) => at = next,
                Look::Found(rank) => return Ok(rank),
                Look::Absent(rank) => return Err(rank),
            }
        }
    }

    /// Where the descent starts, or the rank of a key that is outside of the common prefix.
    #[inline(always)]
    pub(crate) fn start(self, query: &Query<'_>) -> Result<At, usize> {
        let common = self.common();
        if !query.bytes.starts_with(common) {
            return Err(if query.bytes < common { 0 } else { self.layout.entries });
        }
        if self.layout.entries == 0 {
            return Err(0);
        }
        Ok(At { tier: self.layout.shape.top(), block: 0 })
    }

    #[inline(always)]
    pub(crate) fn look(self, query: &Query<'_>, at: At) -> Look {
        let At { tier, block } = at;
        let line = self.line(tier.first + block);
        let place = line.place(query.partial(line.skip()));
        let mut gap = u64::from(place.less);
        if place.tied > 0 {
            match self.break_tie(query.bytes, at, gap, u64::from(place.tied)) {
                Ok(rank) => return Look::Found(rank),
                Err(less) => gap = less,
            }
        }
        self.descend(at, gap)
    }

    /// The step below the keys of a block of which `gap` are less than the query.
    #[inline(always)]
    pub(crate) fn descend(self, at: At, gap: u64) -> Look {
        let At { tier, block } = at;
        if tier.below == 0 {
            let rank = self.layout.shape.rank(&tier, block, gap) as usize;
            return Look::Absent(rank.min(self.layout.entries));
        }
        // A hostile line of the top tier may count more keys than fit.
        let gap = gap & ((1 << tier.height) - 1);
        Look::Down(At { tier: tier.next(), block: (block << tier.height) + gap })
    }

    /// Compares whole keys where the partial ones tie: `tied` keys after the first
    /// `less`. The rank of an equal one, or how many of the block are less. Binary search: at most four comparisons.
    #[inline(always)]
    fn break_tie(self, query: &[u8], at: At, less: u64, tied: u64) -> Result<usize, u64> {
        let shape = &self.layout.shape;
        // An absent key ties with a query of four 0xFF.
        let end = shape.keys(&at.tier, at.block).min(less + tied);
        let (mut low, mut high) = (less, end);
        while low < high {
            let middle = low.midpoint(high);
            let rank = shape.rank(&at.tier, at.block, middle) as usize;
            match self.key(rank).cmp(query) {
                Ordering::Equal => return Ok(rank),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }
}
