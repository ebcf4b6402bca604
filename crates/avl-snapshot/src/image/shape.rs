//! The shape of the tree, from which arithmetic derives where each key is.
//!
//! In a complete binary search tree of `n` keys, every level is full except the last one, which is
//! filled from the left. So the heights of two siblings differ by at most one, and `n` alone
//! determines the shape. Compared with a *perfect* tree of as many levels, only keys at the end of
//! the last level are missing. The keys of that level stand at the even in-order positions. So the
//! rank of the key at a position of the perfect tree takes a shift, an addition and a minimum
//! ([`Shape::before`]).
//!
//! The levels are cut into *tiers* of four, from the bottom; the top tier takes the remainder. A
//! *node* is a subtree that spans the levels of one tier. It has up to 15 keys. Nodes are stored
//! tier by tier from the top, and left to right within a tier. The children of node `i` of a tier
//! with `h` levels are nodes `i << h` to `(i << h) + (1 << h) - 1` of the next tier.
//!
//! Each node holds several levels of the search tree. This is the B-tree layout of Khuong & Morin,
//! "Array Layouts for Comparison-Based Searching" (2017). Cutting the levels from the bottom and
//! computing ranks are specific to this crate.

/// Number of levels of a full tier.
pub(crate) const TIER_LEVELS: u32 = 4;
/// Number of keys of a full node.
pub(crate) const NODE_KEYS: usize = 15;

/// The shape of the complete binary search tree of `n` keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    n: u64,
    /// Number of levels, or 0 if there are no keys.
    levels: u32,
    /// Number of keys on the last level.
    last: u64,
}

/// The place of an entry in the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    /// Number of the unit, which is also the number of its node within the bottom tier.
    pub(crate) unit: u64,
    /// Number of the slot within the unit.
    pub(crate) slot: u64,
}

/// One tier of the tree, which has `1 << above` nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tier {
    /// Number of the tier's first node.
    pub(crate) first: u64,
    /// Number of levels above the tier.
    pub(crate) above: u32,
    /// Number of levels of the tier.
    pub(crate) height: u32,
    /// Number of levels below the tier.
    pub(crate) below: u32,
}

impl Shape {
    /// Computes the shape of a tree of `n` keys. `n` must be less than 2^62.
    #[inline]
    pub(crate) const fn of(n: u64) -> Self {
        let levels = 64 - n.leading_zeros();
        let last = if n == 0 { 0 } else { n - ((1 << (levels - 1)) - 1) };
        Self { n, levels, last }
    }

    pub(crate) const fn levels(&self) -> u32 {
        self.levels
    }

    /// The top tier. It has no levels when there are no keys.
    #[inline]
    pub(crate) const fn top(&self) -> Tier {
        let height = match self.levels {
            0 => 0,
            levels => (levels - 1) % TIER_LEVELS + 1,
        };
        Tier { first: 0, above: 0, height, below: self.levels - height }
    }

    /// Iterates over all tiers, from the top.
    pub(crate) fn tiers(&self) -> impl Iterator<Item = Tier> + use<> {
        let top = Some(self.top()).filter(|top| top.height > 0);
        std::iter::successors(top, |tier| (tier.below > 0).then(|| tier.next()))
    }

    /// The bottom tier. It has no levels when there are no keys.
    pub(crate) fn bottom(&self) -> Tier {
        self.tiers().last().unwrap_or(self.top())
    }

    /// Number of nodes above the bottom tier.
    pub(crate) fn upper_nodes(&self) -> u64 {
        self.bottom().first
    }

    /// Number of units, which is the number of nodes of the bottom tier.
    pub(crate) fn units(&self) -> u64 {
        if self.levels == 0 { 0 } else { self.bottom().nodes() }
    }

    /// Returns the number of keys before position `at` of the perfect tree. `at` must be even.
    #[inline(always)]
    pub(crate) const fn before(&self, at: u64) -> u64 {
        let short = (at >> 1) + self.last;
        if at < short { at } else { short }
    }

    /// Returns the rank of a key: number `key` in node `node` of `tier`. In the bottom tier, keys
    /// that are missing from the last level are not numbered.
    #[inline(always)]
    pub(crate) const fn rank(&self, tier: &Tier, node: u64, key: u64) -> u64 {
        if tier.below == 0 {
            self.before(node << tier.height) + key
        } else {
            self.before(((node << tier.height) + key + 1) << tier.below) - 1
        }
    }

    /// Number of keys in a node.
    #[inline(always)]
    pub(crate) const fn keys(&self, tier: &Tier, node: u64) -> u64 {
        if tier.below == 0 {
            let from = node << tier.height;
            self.before(from + (1 << tier.height)) - self.before(from) - 1
        } else {
            (1 << tier.height) - 1
        }
    }

    /// Returns `last`, rounded up so that every unit has 8 or 16 slots. A unit at the end of the
    /// last level may have slots without an entry.
    #[inline(always)]
    const fn rounded(&self) -> u64 {
        (self.last + 7) & !7
    }

    /// Returns the number of slots in all units before `unit`. `unit` must be 0 if the tree has
    /// fewer than four levels.
    #[inline(always)]
    pub(crate) const fn slots_before(&self, unit: u64) -> u64 {
        let short = (unit << 3) + self.rounded();
        if unit << 4 < short { unit << 4 } else { short }
    }

    /// Returns the number of slots of a unit, which is greater than the number of keys of its node.
    #[inline(always)]
    pub(crate) const fn slots(&self, unit: u64) -> u64 {
        if self.levels < TIER_LEVELS {
            self.n + 1
        } else {
            self.slots_before(unit + 1) - self.slots_before(unit)
        }
    }

    /// Returns the number of slots of all units. The empty entry after the last key has a slot too.
    pub(crate) const fn all_slots(&self) -> u64 {
        match self.levels {
            0 => 0,
            1..TIER_LEVELS => self.n + 1,
            levels => (1 << (levels - 1)) + self.rounded(),
        }
    }

    /// Returns the place of the entry at `rank`, which must be at most n.
    #[inline(always)]
    pub(crate) const fn spot(&self, rank: u64) -> Spot {
        // The entries from this rank on come after the slots without an entry.
        let behind = (self.last & !7) + 8 + self.last;
        let slot = if rank < behind { rank } else { rank + self.rounded() - self.last };
        if slot < 2 * self.rounded() {
            Spot { unit: slot >> 4, slot: slot & 15 }
        } else {
            Spot { unit: (slot - self.rounded()) >> 3, slot: slot & 7 }
        }
    }

    /// Returns the ranks of the keys next to a node's subtree, to the left and to the right. All
    /// keys of the subtree lie between these two keys. A rank is `None` at an edge of the tree.
    pub(crate) fn bounds(&self, tier: &Tier, node: u64) -> (Option<u64>, Option<u64>) {
        let span = tier.height + tier.below;
        let left = (node > 0).then(|| self.before(node << span) - 1);
        let right = (node + 1 < tier.nodes()).then(|| self.before((node + 1) << span) - 1);
        (left, right)
    }
}

impl Tier {
    pub(crate) const fn nodes(&self) -> u64 {
        1 << self.above
    }

    /// Returns the tier below this one. This tier must not be the bottom tier.
    #[inline(always)]
    pub(crate) const fn next(&self) -> Self {
        Self {
            first: self.first + self.nodes(),
            above: self.above + self.height,
            height: TIER_LEVELS,
            below: self.below - TIER_LEVELS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In-order ranks of a complete tree in breadth-first order, found by walking it.
    fn walked(n: u64) -> Vec<u64> {
        fn walk(at: u64, n: u64, next: &mut u64, ranks: &mut [u64]) {
            if at < n {
                walk(2 * at + 1, n, next, ranks);
                ranks[at as usize] = *next;
                *next += 1;
                walk(2 * at + 2, n, next, ranks);
            }
        }
        let mut ranks = vec![0; n as usize];
        walk(0, n, &mut 0, &mut ranks);
        ranks
    }

    /// Collects the keys of a node in key order. Keys are given by their breadth-first numbers.
    fn members(root: u64, height: u32, n: u64, found: &mut Vec<u64>) {
        if height > 0 && root < n {
            members(2 * root + 1, height - 1, n, found);
            found.push(root);
            members(2 * root + 2, height - 1, n, found);
        }
    }

    #[test]
    fn nodes_hold_the_subtrees_of_the_complete_tree() {
        for n in (0..600).chain([1000, 1023, 1024, 1025, 4095, 4096, 5000, 65_535, 65_536]) {
            let shape = Shape::of(n);
            let ranks = walked(n);
            let mut seen = vec![false; n as usize];
            let mut count = 0;
            for tier in shape.tiers() {
                assert_eq!(tier.first, count);
                for node in 0..tier.nodes() {
                    let root = (1 << tier.above) - 1 + node;
                    let mut keys = Vec::new();
                    members(root, tier.height, n, &mut keys);
                    assert_eq!(shape.keys(&tier, node), keys.len() as u64, "n {n} {tier:?}");
                    for (key, &number) in keys.iter().enumerate() {
                        let rank = shape.rank(&tier, node, key as u64);
                        assert_eq!(rank, ranks[number as usize], "n {n} {tier:?} {node} {key}");
                        assert!(!std::mem::replace(&mut seen[rank as usize], true));
                    }
                }
                count += tier.nodes();
            }
            assert_eq!(shape.upper_nodes() + shape.units(), count);
            assert!(seen.iter().all(|&s| s), "n {n}: every rank is in a node");
        }
    }

    #[test]
    fn each_entry_has_a_slot_beside_its_node() {
        for n in (1..700).chain([1000, 1023, 1024, 1025, 4095, 4096, 5000, 65_535, 65_536]) {
            let shape = Shape::of(n);
            let bottom = shape.bottom();
            let mut ranks = 0..=n;
            let mut slots = 0;
            for unit in 0..shape.units() {
                assert_eq!(shape.slots_before(unit), slots);
                // The keys of the node, and the next key.
                let keys = shape.keys(&bottom, unit);
                for slot in 0..=keys {
                    let rank = ranks.next().unwrap();
                    assert!(slot == keys || shape.rank(&bottom, unit, slot) == rank);
                    assert_eq!(shape.spot(rank), Spot { unit, slot }, "n {n} rank {rank}");
                }
                slots += shape.slots(unit);
                let more = shape.slots(unit) - keys - 1;
                assert!(
                    more < 8 && (n < 8 || shape.slots(unit).is_multiple_of(8)),
                    "n {n} unit {unit}"
                );
            }
            assert_eq!((ranks.next(), shape.all_slots()), (None, slots), "n {n}");
        }
        assert_eq!((Shape::of(0).units(), Shape::of(0).all_slots()), (0, 0));
    }

    #[test]
    fn siblings_are_balanced() {
        fn height(at: u64, n: u64) -> u32 {
            if at >= n {
                return 0;
            }
            let (left, right) = (height(2 * at + 1, n), height(2 * at + 2, n));
            assert!(left.abs_diff(right) <= 1, "key {at} of {n}");
            1 + left.max(right)
        }
        for n in (0..300).chain([1000, 4096]) {
            assert_eq!(height(0, n), Shape::of(n).levels());
        }
    }

    #[test]
    fn bounds_are_the_neighbours_of_the_subtree() {
        for n in [1, 2, 15, 16, 17, 100, 255, 256, 300, 5000] {
            let shape = Shape::of(n);
            for tier in shape.tiers() {
                for node in 0..tier.nodes() {
                    let span = tier.height + tier.below;
                    let first = shape.before(node << span);
                    let end = shape.before((node + 1) << span) - 1;
                    let (left, right) = shape.bounds(&tier, node);
                    assert_eq!(left, first.checked_sub(1));
                    assert_eq!(right, Some(end).filter(|&end| end < n));
                }
            }
        }
    }

    #[test]
    fn large_trees_do_not_overflow() {
        for n in [u64::from(u32::MAX), 1 << 40, (1 << 40) - 1] {
            let shape = Shape::of(n);
            let bottom = shape.bottom();
            assert_eq!(shape.rank(&bottom, 0, 0), 0);
            let node = bottom.nodes() - 1;
            let last = shape.keys(&bottom, node) - 1;
            assert_eq!(shape.rank(&bottom, node, last), n - 1);
            assert_eq!(shape.spot(n - 1), Spot { unit: node, slot: last });
        }
    }
}
