//! The shape of the tree: which node is where, by arithmetic alone.
//!
//! A complete binary search tree of `n` nodes has every level full but the last, and
//! that one filled from the left; so the heights of two siblings differ by at most one, and
//! `n` alone fixes the shape. Seen from a *perfect* tree with as many levels, only the last
//! `missing` nodes of the last level are not there, and those stand at even in-order positions.
//! That is why the rank of the node at a perfect position is two shifts and a minimum ([`Shape::before`]).
//!
//! The levels are cut into *tiers* of four, from the bottom; the top tier takes the
//! remainder. A subtree of one tier's levels is a *block* of up to 15 keys. Blocks lie tier by tier
//! from the top, and left to right in a tier. The children of block `b` of a tier with `h` levels are blocks
//! `b << h` to `(b << h) + (1 << h) - 1` of the next.
//!
//! The idea of storing a search tree by blocks of several levels is that of the B-tree layout in
//! Khuong & Morin, "Array Layouts for Comparison-Based Searching" (2017); cutting from the bottom
//! and the ranks are our own.

/// Levels of a full tier.
pub(crate) const TIER_LEVELS: u32 = 4;
/// Keys of a full block.
pub(crate) const BLOCK_KEYS: usize = 15;

/// The complete binary search tree of `n` nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    n: u64,
    /// Number of levels; 0 when there are no nodes.
    levels: u32,
    /// Nodes on the last level.
    last: u64,
}

/// One tier: `1 << above` blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tier {
    /// Number of the tier's first block.
    pub(crate) first: u64,
    /// Levels above the tier.
    pub(crate) above: u32,
    /// Levels of the tier.
    pub(crate) height: u32,
    /// Levels below the tier.
    pub(crate) below: u32,
}

impl Shape {
    /// The shape for `n` nodes, `n < 2^62`.
    #[inline]
    pub(crate) const fn of(n: u64) -> Self {
        let levels = 64 - n.leading_zeros();
        let last = if n == 0 { 0 } else { n - ((1 << (levels - 1)) - 1) };
        Self { n, levels, last }
    }

    pub(crate) const fn levels(&self) -> u32 {
        self.levels
    }

    /// The top tier. Of no nodes, an empty one.
    #[inline]
    pub(crate) const fn top(&self) -> Tier {
        let height = match self.levels {
            0 => 0,
            levels => (levels - 1) % TIER_LEVELS + 1,
        };
        Tier { first: 0, above: 0, height, below: self.levels - height }
    }

    /// All tiers, from the top.
    pub(crate) fn tiers(&self) -> impl Iterator<Item = Tier> + use<> {
        let top = Some(self.top()).filter(|top| top.height > 0);
        std::iter::successors(top, |tier| (tier.below > 0).then(|| tier.next()))
    }

    /// Number of blocks.
    pub(crate) fn blocks(&self) -> u64 {
        self.tiers().last().map_or(0, |bottom| bottom.first + bottom.blocks())
    }

    /// How many nodes stand before perfect position `at`, for an even `at`.
    #[inline(always)]
    pub(crate) const fn before(&self, at: u64) -> u64 {
        let short = (at >> 1) + self.last;
        if at < short { at } else { short }
    }

    /// Rank of key `key` of block `block` of `tier`. Keys of the bottom tier that are
    /// missing in the last level are not counted in `key`.
    #[inline(always)]
    pub(crate) const fn rank(&self, tier: &Tier, block: u64, key: u64) -> u64 {
        if tier.below == 0 {
            self.before(block << tier.height) + key
        } else {
            self.before(((block << tier.height) + key + 1) << tier.below) - 1
        }
    }

    /// Number of keys in a block.
    #[inline(always)]
    pub(crate) const fn keys(&self, tier: &Tier, block: u64) -> u64 {
        if tier.below == 0 {
            let from = block << tier.height;
            self.before(from + (1 << tier.height)) - self.before(from) - 1
        } else {
            (1 << tier.height) - 1
        }
    }

    /// Ranks of the nodes next to a block's subtree, to the left and to the right: all keys of the subtree
    /// lie between them. `None` at an edge of the tree.
    pub(crate) fn bounds(&self, tier: &Tier, block: u64) -> (Option<u64>, Option<u64>) {
        let span = tier.height + tier.below;
        let left = (block > 0).then(|| self.before(block << span) - 1);
        let right = (block + 1 < tier.blocks()).then(|| self.before((block + 1) << span) - 1);
        (left, right)
    }
}

impl Tier {
    pub(crate) const fn blocks(&self) -> u64 {
        1 << self.above
    }

    /// The tier below this one, which is not the bottom.
    #[inline(always)]
    pub(crate) const fn next(&self) -> Self {
        Self {
            first: self.first + self.blocks(),
            above: self.above + self.height,
            height: TIER_LEVELS,
            below: self.below - TIER_LEVELS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In-order ranks of a complete tree in breadth-first order, by walking it.
    fn walked(n: u64) -> Vec<u64> {
        fn walk(node: u64, n: u64, next: &mut u64, ranks: &mut [u64]) {
            if node < n {
                walk(2 * node + 1, n, next, ranks);
                ranks[node as usize] = *next;
                *next += 1;
                walk(2 * node + 2, n, next, ranks);
            }
        }
        let mut ranks = vec![0; n as usize];
        walk(0, n, &mut 0, &mut ranks);
        ranks
    }

    /// The keys of a block, as breadth-first nodes of its subtree, in order.
    fn members(root: u64, height: u32, n: u64, found: &mut Vec<u64>) {
        if height > 0 && root < n {
            members(2 * root + 1, height - 1, n, found);
            found.push(root);
            members(2 * root + 2, height - 1, n, found);
        }
    }

    #[test]
    fn blocks_hold_the_subtrees_of_the_complete_tree() {
        for n in (0..600).chain([1000, 1023, 1024, 1025, 4095, 4096, 5000, 65_535, 65_536]) {
            let shape = Shape::of(n);
            let ranks = walked(n);
            let mut seen = vec![false; n as usize];
            let mut blocks = 0;
            for tier in shape.tiers() {
                assert_eq!(tier.first, blocks);
                for block in 0..tier.blocks() {
                    let root = (1 << tier.above) - 1 + block;
                    let mut nodes = Vec::new();
                    members(root, tier.height, n, &mut nodes);
                    assert_eq!(shape.keys(&tier, block), nodes.len() as u64, "n {n} {tier:?}");
                    for (key, &node) in nodes.iter().enumerate() {
                        let rank = shape.rank(&tier, block, key as u64);
                        assert_eq!(rank, ranks[node as usize], "n {n} {tier:?} {block} {key}");
                        assert!(!std::mem::replace(&mut seen[rank as usize], true));
                    }
                }
                blocks += tier.blocks();
            }
            assert_eq!(shape.blocks(), blocks);
            assert!(seen.iter().all(|&s| s), "n {n}: every rank is in a block");
        }
    }

    #[test]
    fn every_node_is_balanced() {
        fn height(node: u64, n: u64) -> u32 {
            if node >= n {
                return 0;
            }
            let (left, right) = (height(2 * node + 1, n), height(2 * node + 2, n));
            assert!(left.abs_diff(right) <= 1, "node {node} of {n}");
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
                for block in 0..tier.blocks() {
                    let span = tier.height + tier.below;
                    let first = shape.before(block << span);
                    let end = shape.before((block + 1) << span) - 1;
                    let (left, right) = shape.bounds(&tier, block);
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
            let bottom = shape.tiers().last().unwrap();
            assert_eq!(shape.rank(&bottom, 0, 0), 0);
            let block = bottom.blocks() - 1;
            let last = shape.keys(&bottom, block) - 1;
            assert_eq!(shape.rank(&bottom, block, last), n - 1);
        }
    }
}
