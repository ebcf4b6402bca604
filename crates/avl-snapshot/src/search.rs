//! Searching for a key: from node to node down the tree, or through the hash index.
//!
//! At each node that a search reaches, the query lies between the node's bounds. All keys between
//! the bounds share `skip` bytes, so the query shares them too. The next four bytes then decide the
//! comparison exactly, unless they tie. Only a tie reads whole keys. A node at an edge of the tree
//! lacks a bound on that side. There, the common prefix of all keys serves as the bound, so the
//! search first tests whether the query has that prefix.
//!
//! On hostile bytes the answers may be wrong, but the work is the same: one node for each tier, and
//! at most four comparisons of whole keys in each.

use std::cmp::Ordering;

use crate::image::{COMPARED, Cell, Entry, Probe, Query, Raw, Tier};

/// The position of a descent: the node to compare the query with next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) tier: Tier,
    pub(crate) node: u64,
}

/// What one step of a descent found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// The key has this rank.
    Found(usize),
    /// The key is not in this node. The search continues at this place.
    Down(At),
    /// The key is absent. This is the rank that it would have.
    Absent(usize),
}

impl<'a> Raw<'a> {
    /// Returns the entry of `key`. Uses the hash index if there is one.
    #[inline(always)]
    pub(crate) fn find(self, key: &[u8]) -> Option<Entry> {
        if self.layout.buckets > 0 {
            return self.search_index(key, self.probe(key));
        }
        Some(self.entry(self.search(key).ok()?))
    }

    /// Finds the entry of `key` through the hash index, which must exist. O(1), unless the key or
    /// its value is long.
    #[inline(always)]
    pub(crate) fn search_index(self, key: &[u8], probe: Probe) -> Option<Entry> {
        let mut left = COMPARED;
        let found = self.matching(&probe, |cell| match cell {
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

    /// Finds the entry of `key` through the tree. O(log n).
    #[cold]
    #[inline(never)]
    fn search_tree(self, key: &[u8]) -> Option<Entry> {
        Some(self.entry(self.search(key).ok()?))
    }

    /// Returns the rank of `key` or, as the error, the rank that an absent key would have. O(log
    /// n).
    #[inline(always)]
    pub(crate) fn search(self, key: &[u8]) -> Result<usize, usize> {
        let query = Query::new(key);
        let mut at = self.start(&query)?;
        loop {
            match self.step(&query, at) {
                Step::Down(next) => at = next,
                Step::Found(rank) => return Ok(rank),
                Step::Absent(rank) => return Err(rank),
            }
        }
    }

    /// Returns where the descent starts. For a query without the common prefix, returns the rank
    /// that it would have.
    #[inline(always)]
    pub(crate) fn start(self, query: &Query<'_>) -> Result<At, usize> {
        let common = self.common();
        if !query.bytes.starts_with(common) {
            return Err(if query.bytes < common { 0 } else { self.layout.entries });
        }
        if self.layout.entries == 0 {
            return Err(0);
        }
        Ok(At { tier: self.layout.shape.top(), node: 0 })
    }

    /// Compares the query with the keys of one node.
    #[inline(always)]
    pub(crate) fn step(self, query: &Query<'_>, at: At) -> Step {
        let At { tier, node } = at;
        let keys = self.node(tier.first + node);
        let place = keys.place(query.partial(keys.skip()));
        let mut gap = u64::from(place.less);
        if place.tied > 0 {
            match self.break_tie(query.bytes, at, gap, u64::from(place.tied)) {
                Ok(rank) => return Step::Found(rank),
                Err(less) => gap = less,
            }
        }
        self.descend(at, gap)
    }

    /// Returns the step that follows a node in which `gap` keys are less than the query.
    #[inline(always)]
    fn descend(self, at: At, gap: u64) -> Step {
        let At { tier, node } = at;
        if tier.below == 0 {
            let rank = self.layout.shape.rank(&tier, node, gap) as usize;
            return Step::Absent(rank.min(self.layout.entries));
        }
        // A hostile node of the top tier may count more keys than fit.
        let gap = gap & ((1 << tier.height) - 1);
        Step::Down(At { tier: tier.next(), node: (node << tier.height) + gap })
    }

    /// Compares whole keys where partial keys tie, namely the `tied` keys of a node after its first
    /// `less` keys. Returns the rank of an equal key or, as the error, how many keys of the node
    /// are less than the query. This is a binary search of at most four comparisons.
    #[inline(always)]
    fn break_tie(self, query: &[u8], at: At, less: u64, tied: u64) -> Result<usize, u64> {
        let shape = &self.layout.shape;
        // A word without a key ties with a query of four 0xFF.
        let end = shape.keys(&at.tier, at.node).min(less + tied);
        let (mut low, mut high) = (less, end);
        while low < high {
            let middle = low.midpoint(high);
            let rank = shape.rank(&at.tier, at.node, middle) as usize;
            match self.key(rank).cmp(query) {
                Ordering::Equal => return Ok(rank),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }
}
