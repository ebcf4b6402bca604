//! The entries of a tree in key order, from both ends.

use std::fmt;
use std::iter::FusedIterator;
use std::ops::Bound;

use super::arena::Arena;
use super::balance::{Tree, Walk};

/// Entries of an [`RbTree`](crate::RbTree) in ascending order of their keys, or from the back in
/// descending order. A step is O(log n), and O(1) on average.
#[derive(Clone)]
pub struct TreeIter<'a> {
    tree: &'a Tree,
    arena: &'a Arena,
    front: Walk,
    back: Walk,
    is_done: bool,
}

impl<'a> TreeIter<'a> {
    /// Creates an iterator over the entries between two bounds.
    pub(super) fn new(
        tree: &'a Tree,
        arena: &'a Arena,
        (start, end): (Bound<&[u8]>, Bound<&[u8]>),
    ) -> Self {
        let front = Walk::forwards(tree, |node| match start {
            Bound::Included(start) => arena.key(node) >= start,
            Bound::Excluded(start) => arena.key(node) > start,
            Bound::Unbounded => true,
        });
        let back = Walk::backwards(tree, |node| match end {
            Bound::Included(end) => arena.key(node) <= end,
            Bound::Excluded(end) => arena.key(node) < end,
            Bound::Unbounded => true,
        });
        let is_done = match (front.node(), back.node()) {
            (Some(first), Some(last)) => arena.key(tree.node(first)) > arena.key(tree.node(last)),
            _ => true,
        };
        Self { tree, arena, front, back, is_done }
    }

    fn entry(&self, node: u32) -> (&'a [u8], &'a [u8]) {
        let node = self.tree.node(node);
        (self.arena.key(node), self.arena.value(node))
    }
}

impl<'a> Iterator for TreeIter<'a> {
    /// Key and value.
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let node = self.front.node()?;
        self.is_done = self.back.node() == Some(node);
        self.front.advance(self.tree);
        Some(self.entry(node))
    }
}

impl DoubleEndedIterator for TreeIter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let node = self.back.node()?;
        self.is_done = self.front.node() == Some(node);
        self.back.advance(self.tree);
        Some(self.entry(node))
    }
}

impl FusedIterator for TreeIter<'_> {}

impl fmt::Debug for TreeIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeIter").finish_non_exhaustive()
    }
}
