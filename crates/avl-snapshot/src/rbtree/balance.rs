//! The structure of the tree: links, colours and rotations.
//!
//! # Invariants
//! 1. Node 0 is `NIL`: black, its own child, never an entry.
//! 2. The root is black; a red node has black children.
//! 3. All paths from a node down to `NIL` have equally many black nodes.
//!
//! A link is the number of a child, shifted left by one. The lowest bit of a node's left link is
//! the colour of the node.
#![allow(clippy::indexing_slicing, reason = "numbers of nodes are made in this file only")]

use std::cmp::Ordering;

use super::arena::Node;
use crate::error::BuildError;
use crate::grow::grow;

/// The number that stands for no node.
pub(super) const NIL: u32 = 0;
const LEFT: usize = 0;
const RIGHT: usize = 1;
/// Maximum length of a path from the root. It is twice the logarithm of the maximum number of
/// nodes.
const MAX_DEPTH: usize = 64;

#[derive(Clone, Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    root: u32,
    /// The first of the removed nodes, which can be used again. Their left links form a list.
    free: u32,
    len: usize,
    path: Path,
}

/// The path from the root down to a node. Each step is a node and the side on which the path
/// continues.
#[derive(Clone, Debug)]
struct Path {
    steps: [(u32, u8); MAX_DEPTH],
    len: usize,
}

impl Path {
    const fn new() -> Self {
        Self { steps: [(NIL, 0); MAX_DEPTH], len: 0 }
    }

    #[inline(always)]
    fn push(&mut self, node: u32, side: usize) {
        self.steps[self.len] = (node, side as u8);
        self.len += 1;
    }

    #[inline(always)]
    fn pop(&mut self) -> Option<(u32, usize)> {
        self.len = self.len.checked_sub(1)?;
        let (node, side) = self.steps[self.len];
        Some((node, usize::from(side)))
    }

    fn last(&self) -> Option<(u32, usize)> {
        let (node, side) = self.steps[self.len.checked_sub(1)?];
        Some((node, usize::from(side)))
    }
}

/// An in-order walk. `BEFORE` is the side of a node on which the nodes that the walk visits earlier
/// lie: [`LEFT`] for a walk forwards, [`RIGHT`] for a walk backwards. The stack holds the ancestors
/// of the current node that the walk visits later.
#[derive(Clone)]
pub(super) struct Walk<const BEFORE: usize> {
    stack: [u32; MAX_DEPTH],
    len: usize,
}

pub(super) type Forwards = Walk<LEFT>;
pub(super) type Backwards = Walk<RIGHT>;

impl<const BEFORE: usize> Walk<BEFORE> {
    /// Starts a walk at the first node for which `is_in` is true, in the direction of the walk.
    /// `is_in` must be true for all nodes after that node. Returns that node (`NIL` if there is
    /// none), and the walk that continues after it.
    #[inline(always)]
    pub(super) fn start(tree: &Tree, mut is_in: impl FnMut(&Node) -> bool) -> (u32, Self) {
        let mut walk = Self { stack: [NIL; MAX_DEPTH], len: 0 };
        let mut at = tree.root;
        while at != NIL {
            at = if is_in(tree.node(at)) {
                walk.push(at);
                tree.child(at, BEFORE)
            } else {
                tree.child(at, 1 - BEFORE)
            };
        }
        (walk.pop(), walk)
    }

    /// Moves on from the current node, `node`, and returns the next node, or `NIL` at the end.
    #[inline(always)]
    pub(super) fn after(&mut self, tree: &Tree, node: u32) -> u32 {
        let mut at = tree.child(node, 1 - BEFORE);
        if at == NIL {
            return self.pop();
        }
        loop {
            match tree.child(at, BEFORE) {
                NIL => return at,
                before => {
                    self.push(at);
                    at = before;
                }
            }
        }
    }

    #[inline(always)]
    fn push(&mut self, node: u32) {
        self.stack[self.len] = node;
        self.len += 1;
    }

    #[inline(always)]
    fn pop(&mut self) -> u32 {
        match self.len.checked_sub(1) {
            None => NIL,
            Some(len) => {
                self.len = len;
                self.stack[len]
            }
        }
    }
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], root: NIL, free: NIL, len: 0, path: Path::new() }
    }
}

impl Tree {
    /// Maximum number of nodes. It follows from the 31 bits of a node's number.
    pub(super) const MAX_LEN: usize = (1 << 31) - 2;

    /// Makes a tree from nodes that are in key order. O(n).
    pub(super) fn of_sorted(mut nodes: Vec<Node>) -> Self {
        let len = nodes.len();
        nodes.insert(0, Node::default());
        let mut tree = Self { nodes, len, ..Self::default() };
        // Halving fills all levels but the last, whose nodes are red. If the last level is full
        // too, no red nodes are needed.
        let levels = usize::BITS - len.leading_zeros();
        let red = if (len + 1).is_power_of_two() { 0 } else { levels };
        tree.root = tree.link(1, len + 1, 1, red);
        tree
    }

    /// Links nodes `from` to `to - 1` to a subtree whose root is on level `level`. Returns the
    /// root.
    fn link(&mut self, from: usize, to: usize, level: u32, red: u32) -> u32 {
        if from == to {
            return NIL;
        }
        let middle = from.midpoint(to);
        let left = self.link(from, middle, level + 1, red);
        let right = self.link(middle + 1, to, level + 1, red);
        self.nodes[middle].children = [left << 1 | u32::from(level == red), right << 1];
        middle as u32
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn reserve(&mut self, nodes: usize) -> Result<(), BuildError> {
        grow(&mut self.nodes, nodes)
    }

    pub(super) fn clear(&mut self) {
        self.nodes.truncate(1);
        (self.root, self.free, self.len, self.path.len) = (NIL, NIL, 0, 0);
    }

    pub(super) fn node(&self, node: u32) -> &Node {
        &self.nodes[node as usize]
    }

    pub(super) fn node_mut(&mut self, node: u32) -> &mut Node {
        &mut self.nodes[node as usize]
    }

    /// Returns all nodes, including removed ones and `NIL`.
    pub(super) fn nodes_mut(&mut self) -> &mut [Node] {
        &mut self.nodes
    }

    #[inline(always)]
    fn child(&self, node: u32, side: usize) -> u32 {
        self.nodes[node as usize].children[side] >> 1
    }

    fn set_child(&mut self, node: u32, side: usize, child: u32) {
        let link = &mut self.nodes[node as usize].children[side];
        *link = child << 1 | (*link & 1);
    }

    fn is_red(&self, node: u32) -> bool {
        self.nodes[node as usize].children[LEFT] & 1 != 0
    }

    fn paint(&mut self, node: u32, red: bool) {
        let link = &mut self.nodes[node as usize].children[LEFT];
        *link = *link & !1 | u32::from(red);
    }

    /// Makes `node` the child at the end of the path, or the root if the path is empty.
    fn hang(&mut self, node: u32) {
        match self.path.last() {
            Some((parent, side)) => self.set_child(parent, side, node),
            None => self.root = node,
        }
    }

    /// Returns the node for which `compare` returns `Equal`, or `NIL` if there is no such node.
    #[inline(always)]
    pub(super) fn find(&self, mut compare: impl FnMut(&Node) -> Ordering) -> u32 {
        let mut at = self.root;
        while at != NIL {
            let node = &self.nodes[at as usize];
            match compare(node) {
                Ordering::Equal => break,
                Ordering::Less => at = node.children[LEFT] >> 1,
                Ordering::Greater => at = node.children[RIGHT] >> 1,
            }
        }
        at
    }

    /// Returns the last node, in key order, for which `is_in` is true, or `NIL` if there is none.
    /// `is_in` must be true for all nodes before that node.
    #[inline(always)]
    pub(super) fn last(&self, mut is_in: impl FnMut(&Node) -> bool) -> u32 {
        let (mut at, mut last) = (self.root, NIL);
        while at != NIL {
            if is_in(self.node(at)) {
                last = at;
                at = self.child(at, RIGHT);
            } else {
                at = self.child(at, LEFT);
            }
        }
        last
    }

    /// Like [`Tree::find`], but keeps the path for [`Tree::insert`] or [`Tree::remove`].
    #[inline(always)]
    pub(super) fn descend(&mut self, mut compare: impl FnMut(&Node) -> Ordering) -> u32 {
        self.path.len = 0;
        let mut at = self.root;
        while at != NIL {
            let node = &self.nodes[at as usize];
            let side = match compare(node) {
                Ordering::Equal => break,
                Ordering::Less => LEFT,
                Ordering::Greater => RIGHT,
            };
            self.path.push(at, side);
            at = node.children[side] >> 1;
        }
        at
    }

    /// Inserts a node where [`Tree::descend`] found nothing. [`Tree::reserve`] has made space for
    /// it.
    pub(super) fn insert(&mut self, node: Node) {
        let new = self.allocate(node);
        self.paint(new, true);
        self.hang(new);
        self.len += 1;
        self.repair_red(new);
    }

    fn allocate(&mut self, node: Node) -> u32 {
        if self.free == NIL {
            self.nodes.push(node);
            return (self.nodes.len() - 1) as u32;
        }
        let new = self.free;
        self.free = self.child(new, LEFT);
        self.nodes[new as usize] = node;
        new
    }

    /// Restores the invariants after an insertion. `node` is red, and its parent, which is the end
    /// of the path, may be red too.
    fn repair_red(&mut self, mut node: u32) {
        while let Some((parent, side)) = self.path.pop() {
            if !self.is_red(parent) {
                return;
            }
            // A red node is not the root.
            let Some((grand, parent_side)) = self.path.pop() else { break };
            let uncle = self.child(grand, 1 - parent_side);
            if self.is_red(uncle) {
                self.paint(parent, false);
                self.paint(uncle, false);
                self.paint(grand, true);
                node = grand;
                continue;
            }
            let top = if side == parent_side {
                parent
            } else {
                self.rotate(parent, side);
                self.set_child(grand, parent_side, node);
                node
            };
            self.rotate(grand, parent_side);
            self.paint(top, false);
            self.paint(grand, true);
            self.hang(top);
            return;
        }
        self.paint(self.root, false);
    }

    /// Rotates: lifts the child of `node` at `side` above `node`. The caller links the child to its
    /// new parent.
    fn rotate(&mut self, node: u32, side: usize) -> u32 {
        let child = self.child(node, side);
        self.set_child(node, side, self.child(child, 1 - side));
        self.set_child(child, 1 - side, node);
        child
    }

    /// Removes the node where [`Tree::descend`] ended.
    pub(super) fn remove(&mut self) {
        let mut node = match self.path.last() {
            Some((parent, side)) => self.child(parent, side),
            None => self.root,
        };
        if self.child(node, LEFT) != NIL && self.child(node, RIGHT) != NIL {
            // Its successor, which has no left child, goes in its stead.
            let heir = node;
            self.path.push(node, RIGHT);
            node = self.child(node, RIGHT);
            while self.child(node, LEFT) != NIL {
                self.path.push(node, LEFT);
                node = self.child(node, LEFT);
            }
            let children = self.nodes[heir as usize].children;
            self.nodes[heir as usize] = self.nodes[node as usize];
            self.nodes[heir as usize].children = children;
        }
        let child = match self.child(node, LEFT) {
            NIL => self.child(node, RIGHT),
            left => left,
        };
        self.hang(child);
        self.len -= 1;
        let was_red = self.is_red(node);
        self.nodes[node as usize].children = [self.free << 1, 0];
        self.free = node;
        if self.is_red(child) {
            self.paint(child, false);
        } else if !was_red {
            self.repair_black();
        }
    }

    /// Restores the invariants after a removal. Each way down the subtree at the end of the path
    /// has one black node too few.
    fn repair_black(&mut self) {
        while let Some((parent, side)) = self.path.pop() {
            let mut sibling = self.child(parent, 1 - side);
            if self.is_red(sibling) {
                self.paint(sibling, false);
                self.paint(parent, true);
                let top = self.rotate(parent, 1 - side);
                self.hang(top);
                self.path.push(top, side);
                sibling = self.child(parent, 1 - side);
            }
            let (near, far) = (self.child(sibling, side), self.child(sibling, 1 - side));
            if !self.is_red(near) && !self.is_red(far) {
                self.paint(sibling, true);
                if self.is_red(parent) {
                    self.paint(parent, false);
                    return;
                }
                continue;
            }
            if !self.is_red(far) {
                self.paint(near, false);
                self.paint(sibling, true);
                let top = self.rotate(sibling, side);
                self.set_child(parent, 1 - side, top);
                sibling = top;
            }
            self.paint(sibling, self.is_red(parent));
            self.paint(parent, false);
            let far = self.child(sibling, 1 - side);
            self.paint(far, false);
            let top = self.rotate(parent, 1 - side);
            self.hang(top);
            return;
        }
    }

    /// Iterates over the numbers of the nodes, in key order.
    pub(super) fn indices(&self) -> impl Iterator<Item = u32> {
        let (mut at, mut walk) = Forwards::start(self, |_| true);
        std::iter::from_fn(move || {
            let node = at;
            if node == NIL {
                return None;
            }
            at = walk.after(self, node);
            Some(node)
        })
    }

    /// Iterates over the nodes, in key order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Node> {
        self.indices().map(|node| self.node(node))
    }

    /// Checks the invariants, and returns the number of black nodes on each way down.
    #[cfg(test)]
    pub(super) fn check(&self) -> usize {
        assert_eq!(self.nodes[0].children, [0, 0]);
        assert!(!self.is_red(self.root));
        assert_eq!(self.indices().count(), self.len);
        self.check_below(self.root)
    }

    #[cfg(test)]
    fn check_below(&self, node: u32) -> usize {
        if node == NIL {
            return 0;
        }
        let children = [LEFT, RIGHT].map(|side| self.child(node, side));
        let heights = children.map(|child| self.check_below(child));
        assert_eq!(heights[0], heights[1], "black height");
        if self.is_red(node) {
            assert!(!children.iter().any(|&child| self.is_red(child)), "red below red");
        }
        heights[0] + usize::from(!self.is_red(node))
    }
}
