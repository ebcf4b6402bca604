//! The entries of a tree in key order, from both ends.

use std::fmt;
use std::iter::FusedIterator;
use std::ops::Bound;

use super::arena::Arena;
use super::balance::{Backwards, Forwards, NIL, Tree};

/// An iterator over entries of an [`RbTree`](crate::RbTree), in ascending key order from the front
/// and in descending key order from the back. Each step is O(log n), and O(1) on average.
#[derive(Clone)]
pub struct TreeIter<'a> {
    tree: &'a Tree,
    arena: &'a Arena,
    /// The next nodes from the front and from the back; both are `NIL` at the end.
    first: u32,
    last: u32,
    front: Forwards,
    /// The state of iteration from the back. The first step from the back creates it, because most
    /// iterators never take such a step.
    back: Option<Backwards>,
}

impl<'a> TreeIter<'a> {
    /// Creates an iterator over the entries between two bounds.
    pub(super) fn new(
        tree: &'a Tree,
        arena: &'a Arena,
        (start, end): (Bound<&[u8]>, Bound<&[u8]>),
    ) -> Self {
        let (mut first, front) = Forwards::start(tree, |node| match start {
            Bound::Included(start) => arena.key(node) >= start,
            Bound::Excluded(start) => arena.key(node) > start,
            Bound::Unbounded => true,
        });
        let mut last = tree.last(|node| match end {
            Bound::Included(end) => arena.key(node) <= end,
            Bound::Excluded(end) => arena.key(node) < end,
            Bound::Unbounded => true,
        });
        let is_empty =
            first == NIL || last == NIL || arena.key(tree.node(first)) > arena.key(tree.node(last));
        if is_empty {
            (first, last) = (NIL, NIL);
        }
        Self { tree, arena, first, last, front, back: None }
    }

    #[inline]
    fn entry(&self, node: u32) -> (&'a [u8], &'a [u8]) {
        let node = self.tree.node(node);
        (self.arena.key(node), self.arena.value(node))
    }

    #[cold]
    fn from_the_back(tree: &Tree, arena: &Arena, last: u32) -> Backwards {
        let key = arena.key(tree.node(last));
        Backwards::start(tree, |node| arena.key(node) <= key).1
    }
}

impl<'a> Iterator for TreeIter<'a> {
    /// The key and the value of an entry.
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let node = self.first;
        if node == NIL {
            return None;
        }
        if node == self.last {
            (self.first, self.last) = (NIL, NIL);
        } else {
            self.first = self.front.after(self.tree, node);
        }
        Some(self.entry(node))
    }
}

impl DoubleEndedIterator for TreeIter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let node = self.last;
        if node == NIL {
            return None;
        }
        if node == self.first {
            (self.first, self.last) = (NIL, NIL);
        } else {
            let (tree, arena) = (self.tree, self.arena);
            let back = self.back.get_or_insert_with(|| Self::from_the_back(tree, arena, node));
            self.last = back.after(tree, node);
        }
        Some(self.entry(node))
    }
}

impl FusedIterator for TreeIter<'_> {}

impl fmt::Debug for TreeIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeIter").finish_non_exhaustive()
    }
}
