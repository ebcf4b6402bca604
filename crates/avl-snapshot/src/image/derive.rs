//! Data that are derived from the keys: the prefix that all keys share, and the nodes of the tree.
//! The writer stores them, and [`verify`](fn@super::verify) compares them with what is stored.

use std::ops::Deref;

use super::layout::Layout;
use super::node::{Node, partial, shared};
use super::raw::{Entry, Raw};
use super::shape::Tier;

/// Access to keys by rank, and to the layout of their image.
pub(crate) trait Keys {
    /// A key. It is not always a reference, because the writer of a stream reads keys back.
    type Key<'k>: Deref<Target = [u8]>
    where
        Self: 'k;

    fn layout(&self) -> &Layout;
    fn key(&self, rank: usize) -> Self::Key<'_>;
    /// Returns the entry at `rank`. An empty entry follows the last one.
    fn entry(&self, rank: usize) -> Entry;
}

impl Keys for Raw<'_> {
    type Key<'k>
        = &'k [u8]
    where
        Self: 'k;

    fn layout(&self) -> &Layout {
        self.layout
    }

    #[inline(always)]
    fn key(&self, rank: usize) -> &[u8] {
        Raw::key(*self, rank)
    }

    #[inline(always)]
    fn entry(&self, rank: usize) -> Entry {
        let data_len = self.layout.data_len;
        match rank < self.layout.entries {
            true => Raw::entry(*self, rank),
            false => Entry { start: data_len, key_len: 0, end: data_len },
        }
    }
}

/// Length of the prefix that all keys share. Keys are sorted, so it is the prefix that the first
/// and the last key share.
pub(crate) fn common(keys: &impl Keys) -> usize {
    match keys.layout().entries {
        0 => 0,
        entries => shared(&keys.key(0), &keys.key(entries - 1)),
    }
}

/// Makes the node with number `node` of a tier from the keys.
pub(crate) fn node_of(keys: &impl Keys, tier: &Tier, node: u64) -> Node {
    let shape = keys.layout().shape;
    let skip = match shape.bounds(tier, node) {
        (Some(left), Some(right)) => shared(&keys.key(left as usize), &keys.key(right as usize)),
        _ => keys.layout().common,
    };
    let rank = |key| shape.rank(tier, node, key) as usize;
    let partials = (0..shape.keys(tier, node)).map(|key| partial(&keys.key(rank(key)), skip));
    Node::new(skip, partials)
}
