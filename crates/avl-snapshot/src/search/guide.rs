//! What a search for a rank knows about the query.

use std::ops::Range;

/// What a search for a rank has learned about the query on its way down.
///
/// All keys of a subtree that tie with the query at a node are a range of ranks. They share a
/// longer prefix than the node knew of. If the query has every prefix that was assumed of it, its
/// rank is within each of these ranges, or at an end of one. So, if a new range has no key in
/// common with the ranges before, the query comes before or after all keys of the new range.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guide {
    /// The ranks `from` to `to - 1` are in all ranges so far.
    pub(super) from: usize,
    pub(super) to: usize,
    /// True if there was a range.
    pub(super) is_narrowed: bool,
    /// Length of the longest prefix that a group assumed of the query.
    pub(super) longest: usize,
    /// In a second descent, the number of bytes that the query shares with a key that is in all
    /// ranges.
    pub(super) shares: usize,
    /// In a second descent, whether the query is greater than that key.
    pub(super) is_after: bool,
}

impl Guide {
    /// The guide of a search that has learned nothing. A search for a value does not use a guide.
    pub(crate) const NOTHING: Self = Self {
        from: 0,
        to: usize::MAX,
        is_narrowed: false,
        longest: 0,
        shares: usize::MAX,
        is_after: false,
    };

    /// Calls `narrow` if this is a search for a rank.
    #[inline(always)]
    pub(super) fn narrow_for<const RANK: bool>(&mut self, ranks: Range<usize>) -> Result<(), bool> {
        if RANK { self.narrow(&ranks) } else { Ok(()) }
    }

    /// Narrows down the ranks that are in all ranges. If none of `ranks` is in all ranges before,
    /// changes nothing and returns, as the error, whether the query comes after all of `ranks`.
    #[inline(always)]
    pub(super) fn narrow(&mut self, ranks: &Range<usize>) -> Result<(), bool> {
        let (from, to) = (self.from.max(ranks.start), self.to.min(ranks.end));
        if from >= to {
            return Err(ranks.end <= self.from);
        }
        (self.from, self.to, self.is_narrowed) = (from, to, true);
        Ok(())
    }
}
