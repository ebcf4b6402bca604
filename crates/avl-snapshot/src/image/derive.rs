//! Data that are derived from the keys: the prefix that all keys share, and the nodes of the tree.
//! The writer stores them, and [`verify`](fn@super::verify) compares them with what is stored.

use super::layout::Layout;
use super::node::{Node, partial};
use super::raw::Raw;
use super::shape::Tier;

/// Access to keys by rank, and to the layout of their image.
pub(crate) trait Keys {
    fn layout(&self) -> &Layout;
    fn key(&self, rank: usize) -> &[u8];
}

impl Keys for Raw<'_> {
    fn layout(&self) -> &Layout {
        self.layout
    }

    #[inline(always)]
    fn key(&self, rank: usize) -> &[u8] {
        Raw::key(*self, rank)
    }
}

/// Length of the prefix that all keys share. Keys are sorted, so it is the prefix that the first
/// and the last key share.
pub(crate) fn common(keys: &impl Keys) -> usize {
    match keys.layout().entries {
        0 => 0,
        entries => shared(keys.key(0), keys.key(entries - 1)),
    }
}

/// Makes the node with number `node` of a tier from the keys.
pub(crate) fn node_of(keys: &impl Keys, tier: &Tier, node: u64) -> Node {
    let shape = keys.layout().shape;
    let skip = match shape.bounds(tier, node) {
        (Some(left), Some(right)) => shared(keys.key(left as usize), keys.key(right as usize)),
        _ => keys.layout().common,
    };
    let rank = |key| shape.rank(tier, node, key) as usize;
    let partials = (0..shape.keys(tier, node)).map(|key| partial(keys.key(rank(key)), skip));
    Node::new(skip, partials)
}

/// Length of the longest common prefix.
pub(crate) fn shared(a: &[u8], b: &[u8]) -> usize {
    let words = a.chunks_exact(8).zip(b.chunks_exact(8)).take_while(|(a, b)| a == b).count();
    let rest = a.iter().zip(b).skip(8 * words).take_while(|(a, b)| a == b).count();
    8 * words + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_prefixes_are_counted_to_the_byte() {
        let a: Vec<u8> = (0..40).collect();
        for at in 0..40 {
            let mut b = a.clone();
            b[at] = 99;
            assert_eq!(shared(&a, &b), at);
            assert_eq!(shared(&a, &a[..at]), at);
        }
        assert_eq!(shared(&a, &a), 40);
        assert_eq!(shared(b"", b"x"), 0);
    }
}
