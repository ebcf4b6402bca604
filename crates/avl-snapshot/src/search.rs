//! Searching for a key: from node to node down the tree, or through the hash index.
//!
//! At each node that a search reaches, the query lies between the node's bounds. All keys between
//! the bounds share `skip` bytes, so the query shares them too. The next four bytes then decide the
//! comparison exactly, unless they tie. A node at an edge of the tree lacks a bound on that side.
//! There, the common prefix of all keys serves as the bound, so the search first tests whether the
//! query has that prefix.
//!
//! A tie is decided without reading keys: above the bottom tier by groups (`image/ties.rs`), and in
//! the bottom tier by forks (`image/unit.rs`). Both look at bytes after a prefix that all tied keys
//! share, without checking that the query has this prefix. A query that is in the map has it, so
//! its search takes the right way. A query that is not in the map may take a wrong way. In both
//! cases only one candidate key is left at the end, and comparing the query with this key tells
//! whether the query is in the map.
//!
//! A rank is also defined for a query that is not in the map. The keys that tied on the way down
//! are ranges of ranks, and the search makes sure that these ranges have at least one key in common
//! ([`Guide`]). At the end, the query is compared with such a key. The number of bytes that they
//! share tells which prefix is the first that the query lacks. If a group had assumed this prefix,
//! a second descent to that group, which compares no keys, finds the rank: the query comes before
//! all keys that tied there, or after all of them.
//!
//! On hostile bytes the answers may be wrong, but the work is bounded: one node for each tier, and
//! in each node at most [`GROUPS`] groups and at most four comparisons of whole keys.

use std::cmp::Ordering;

use crate::image::{COMPARED, Cell, Entry, GROUPS, Next, Probe, Query, Raw, Spot, Tier};
use crate::image::{fork, shared};

mod guide;

pub(crate) use guide::Guide;

/// The position of a descent: the node to compare the query with next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) tier: Tier,
    pub(crate) node: u64,
}

/// What one step of a descent found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// The search continues at this node.
    Down(At),
    /// The search ends.
    End(End),
}

/// What a descent found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// The query is the key at this place. The keys were compared.
    Found(Spot),
    /// If the query is in the map, it is the key at this place.
    Maybe(Spot),
    /// Like `Maybe`. The key at this place ties with its neighbours in the run.
    Among(Spot, Run),
    /// The query is not in the map. Its place would be here, unless the search took a wrong way.
    Absent(Spot),
    /// The query is not in the map. This is the rank that it would have.
    Rank(usize),
}

impl End {
    /// Returns the only place that the query can have if it is in the map.
    #[inline(always)]
    pub(crate) fn candidate(self) -> Option<Spot> {
        match self {
            Self::Found(spot) | Self::Maybe(spot) | Self::Among(spot, _) => Some(spot),
            Self::Absent(_) | Self::Rank(_) => None,
        }
    }
}

/// Keys of a node of the bottom tier that tie: numbers `first` to `end - 1`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    first: u64,
    end: u64,
}

/// How a tie above the bottom tier was decided. A separator is a key of the node.
enum Decision {
    /// This number of separators are less than the query.
    Less(u64),
    /// If the query is in the map, it is this separator.
    Maybe(u64),
    /// The query is this separator. The keys were compared.
    Found(u64),
    /// The query is not in the map. This is the rank that it would have.
    Rank(usize),
}

impl<'a> Raw<'a> {
    /// Returns the entry of `key`. Uses the hash index if there is one.
    #[inline(always)]
    pub(crate) fn find(self, key: &[u8]) -> Option<Entry> {
        if self.layout.buckets > 0 {
            return self.search_index(key, self.probe(key));
        }
        self.find_by_tree(key)
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
            Cell::Long => self.find_instead(key),
        }
    }

    #[cold]
    #[inline(never)]
    fn find_instead(self, key: &[u8]) -> Option<Entry> {
        self.find_by_tree(key)
    }

    /// Finds the entry of `key` through the tree. O(log n).
    #[inline(always)]
    fn find_by_tree(self, key: &[u8]) -> Option<Entry> {
        let query = Query::new(key);
        let start = self.start(&query).ok()?;
        let end = self.descend::<false>(&query, start, &mut Guide::NOTHING.clone());
        self.confirm(key, self.entry_in(end.candidate()?))
    }

    /// Returns the entry at a place.
    #[inline(always)]
    pub(crate) fn entry_in(self, spot: Spot) -> Entry {
        let is_wide = self.node_at(self.layout.unit_at(spot.unit)).is_wide();
        self.entry_at(spot, is_wide)
    }

    /// Returns `entry` if its key is `key`.
    #[inline(always)]
    pub(crate) fn confirm(self, key: &[u8], entry: Entry) -> Option<Entry> {
        counts::one();
        (self.key_of(entry) == key).then_some(entry)
    }

    /// Returns the rank of `key` or, as the error, the rank that an absent key would have. O(log
    /// n).
    pub(crate) fn search(self, key: &[u8]) -> Result<usize, usize> {
        let query = Query::new(key);
        let start = self.start(&query)?;
        let mut guide = Guide { to: self.layout.entries, ..Guide::NOTHING };
        let end = self.descend::<true>(&query, start, &mut guide);
        // The rank of a key that is in all ranges.
        let rank = match end {
            End::Found(spot) => return Ok(self.rank_of(spot)),
            End::Rank(rank) => return Err(rank.min(self.layout.entries)),
            End::Maybe(spot) | End::Among(spot, _) => self.rank_of(spot),
            End::Absent(_) if guide.is_narrowed => guide.from,
            End::Absent(spot) => return Err(self.rank_of(spot)),
        };
        let other = self.key(rank);
        counts::one();
        let shares = shared(key, other);
        let is_after = match (key.get(shares), other.get(shares)) {
            (None, None) => return Ok(rank),
            (byte, other) => byte > other,
        };
        if guide.longest > shares {
            // Descends again, down to the first prefix that the query does not have.
            let mut guide = Guide { to: self.layout.entries, shares, is_after, ..Guide::NOTHING };
            if let End::Rank(rank) = self.descend::<true>(&query, start, &mut guide) {
                return Err(rank.min(self.layout.entries));
            }
        }
        Err(match end {
            End::Among(spot, run) => self.rank_in_run(spot, run, fork(key, other), is_after),
            End::Absent(spot) => self.rank_of(spot),
            _ => rank + usize::from(is_after),
        })
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

    /// Descends from a node until the search ends.
    #[inline(always)]
    fn descend<const RANK: bool>(self, query: &Query<'_>, mut at: At, guide: &mut Guide) -> End {
        loop {
            match self.step::<RANK>(query, at, guide) {
                Step::Down(next) => at = next,
                Step::End(end) => return end,
            }
        }
    }

    /// Compares the query with the keys of one node. `RANK` says whether the search is for a rank
    /// or for a value.
    #[inline(always)]
    pub(crate) fn step<const RANK: bool>(
        self,
        query: &Query<'_>,
        at: At,
        guide: &mut Guide,
    ) -> Step {
        let At { tier, node } = at;
        if tier.below == 0 {
            return Step::End(self.bottom::<RANK>(query, at, guide));
        }
        if self.layout.has_many_ties() {
            self.fetch_ties(tier.first + node);
        }
        let keys = self.node(tier.first + node);
        let place = keys.place(query.partial(keys.skip()));
        let mut less = u64::from(place.less);
        if place.tied > 0 {
            match self.decide::<RANK>(query, at, less, u64::from(place.tied), guide) {
                Decision::Less(decided) => less = decided,
                Decision::Maybe(key) => return Step::End(End::Maybe(self.spot_of(at, key))),
                Decision::Found(key) => return Step::End(End::Found(self.spot_of(at, key))),
                Decision::Rank(rank) => return Step::End(End::Rank(rank)),
            }
        }
        // A hostile node of the top tier may count more keys than fit.
        let less = less & ((1 << tier.height) - 1);
        let next = At { tier: tier.next(), node: (node << tier.height) + less };
        if next.tier.below == 0 {
            self.fetch::<3>(self.layout.unit_at(next.node));
        }
        Step::Down(next)
    }

    /// Decides a tie of the query and `tied` keys of a node above the bottom tier. `key` is the
    /// first of these keys.
    #[inline(always)]
    fn decide<const RANK: bool>(
        self,
        query: &Query<'_>,
        at: At,
        mut key: u64,
        tied: u64,
        guide: &mut Guide,
    ) -> Decision {
        let shape = &self.layout.shape;
        // A word without a key ties with a query of four 0xFF.
        let mut count = tied.min(shape.keys(&at.tier, at.node).saturating_sub(key));
        if count == 0 {
            return Decision::Less(key);
        }
        let mut next = self.tie(at.tier.first + at.node, key);
        for _ in 0..=GROUPS {
            let (group_at, table) = match next {
                Next::Group { at, table } => (at, table),
                Next::Keys => return self.decide_by_keys(query, at, key, count),
                Next::Alone => {
                    let rank = shape.rank(&at.tier, at.node, key) as usize;
                    return match guide.narrow_for::<RANK>(rank..rank.wrapping_add(1)) {
                        Ok(()) => Decision::Maybe(key),
                        Err(is_after) => Decision::Less(key + u64::from(is_after)),
                    };
                }
            };
            let group = self.group(group_at);
            if RANK {
                let subtree = shape.before(at.node << (at.tier.height + at.tier.below)) as usize;
                let rank = |key| subtree.wrapping_add(key as usize);
                let ranks = rank(group.keys.start)..rank(group.keys.end);
                if let Err(is_after) = guide.narrow(&ranks) {
                    return Decision::Less(if is_after { key + count } else { key });
                }
                guide.longest = guide.longest.max(group.prefix);
                if group.prefix > guide.shares {
                    return Decision::Rank(if guide.is_after { ranks.end } else { ranks.start });
                }
            }
            let place = group.words.place_among(query.tie_word(group.prefix), count);
            let less = u64::from(place.less);
            key += less;
            if place.tied == 0 {
                break;
            }
            next = self.next_tie(group_at, table, count, less);
            count = u64::from(place.tied);
        }
        Decision::Less(key)
    }

    /// Decides a tie by comparing whole keys. This is a binary search of at most four comparisons.
    #[cold]
    fn decide_by_keys(self, query: &Query<'_>, at: At, key: u64, count: u64) -> Decision {
        let rank = |key| self.layout.shape.rank(&at.tier, at.node, key) as usize;
        match self.search_keys(query.bytes, key, key + count, |key| self.entry(rank(key))) {
            Ok(key) => Decision::Found(key),
            Err(less) => Decision::Less(less),
        }
    }

    /// Searches for the query among keys `first` to `end - 1` of a node. Returns the number of the
    /// key or, as the error, the number of the first key that is greater.
    fn search_keys(
        self,
        query: &[u8],
        first: u64,
        end: u64,
        entry: impl Fn(u64) -> Entry,
    ) -> Result<u64, u64> {
        let (mut low, mut high) = (first, end);
        while low < high {
            let middle = low.midpoint(high);
            counts::one();
            match self.key_of(entry(middle)).cmp(query) {
                Ordering::Equal => return Ok(middle),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// Compares the query with the keys of a node of the bottom tier.
    #[inline(always)]
    fn bottom<const RANK: bool>(self, query: &Query<'_>, at: At, guide: &mut Guide) -> End {
        let At { tier, node: unit } = at;
        let shape = &self.layout.shape;
        let keys = self.node_at(self.layout.unit_at(unit));
        let place = keys.place(query.partial(keys.skip()));
        let spot = |slot| Spot { unit, slot };
        // A word without a key ties with a query of four 0xFF.
        let count = shape.keys(&tier, unit);
        let first = count.min(place.less.into());
        let mut run = Run { first, end: count.min(first + u64::from(place.tied)) };
        if run.end <= run.first {
            return End::Absent(spot(first));
        }
        if RANK {
            let before = shape.rank(&tier, unit, 0) as usize;
            let ranks = before + run.first as usize..before + run.end as usize;
            if let Err(is_after) = guide.narrow(&ranks) {
                return End::Absent(spot(if is_after { run.end } else { run.first }));
            }
            // Keeps the tied keys that are in all ranges.
            run = Run {
                first: guide.from.saturating_sub(before) as u64,
                end: guide.to.saturating_sub(before) as u64,
            };
        }
        if run.end - run.first == 1 {
            return End::Maybe(spot(run.first));
        }
        if keys.is_wide() {
            let entry = |slot| self.entry_at(spot(slot), true);
            return match self.search_keys(query.bytes, run.first, run.end, entry) {
                Ok(slot) => End::Found(spot(slot)),
                Err(slot) => End::Absent(spot(slot)),
            };
        }
        self.decide_in_unit(query, unit, run)
    }

    /// Decides a tie of several keys of a narrow unit. Compares no keys.
    #[inline(always)]
    fn decide_in_unit(self, query: &Query<'_>, unit: u64, run: Run) -> End {
        let mut slot = run.first;
        // If the query turns left at a fork, the keys after the fork are greater than the query, up
        // to the next fork that is nearer to the start of the keys.
        let mut passed = u32::MAX;
        for key in run.first..run.end - 1 {
            let fork = self.fork(unit, key);
            let turns_right = query.turns_right(fork);
            if fork < passed {
                passed = if turns_right { u32::MAX } else { fork };
                slot = if turns_right { key + 1 } else { slot };
            }
        }
        End::Among(Spot { unit, slot }, run)
    }

    /// Returns the rank of a query that lies among tied keys. The key at `spot` shares the longest
    /// prefix with the query, and `at` is the fork between the two.
    fn rank_in_run(self, spot: Spot, run: Run, at: u32, is_after: bool) -> usize {
        let Spot { unit, mut slot } = spot;
        if is_after {
            while slot + 1 < run.end && self.fork(unit, slot) > at {
                slot += 1;
            }
            slot += 1;
        } else {
            while slot > run.first && self.fork(unit, slot - 1) > at {
                slot -= 1;
            }
        }
        self.rank_of(Spot { unit, slot })
    }

    /// Returns the place of the entry of a key above the bottom tier.
    #[inline(always)]
    fn spot_of(self, at: At, key: u64) -> Spot {
        let shape = &self.layout.shape;
        shape.spot(shape.rank(&at.tier, at.node, key))
    }

    /// Returns the rank of the entry at a place.
    fn rank_of(self, spot: Spot) -> usize {
        let shape = &self.layout.shape;
        let rank = shape.rank(&shape.bottom(), spot.unit, spot.slot) as usize;
        rank.min(self.layout.entries)
    }
}

/// Counts the comparisons of whole keys, in tests.
mod counts {
    #[cfg(not(test))]
    #[inline(always)]
    pub(super) fn one() {}

    #[cfg(test)]
    thread_local! {
        static COUNT: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
    }

    #[cfg(test)]
    pub(super) fn one() {
        COUNT.set(COUNT.get() + 1);
    }

    /// Returns the number of comparisons in this thread since the last call.
    #[cfg(test)]
    pub(super) fn take() -> u64 {
        COUNT.take()
    }
}

#[cfg(test)]
mod adversarial;
#[cfg(test)]
mod tests;
