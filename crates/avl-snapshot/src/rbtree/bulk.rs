//! Building a tree from many entries: they are sorted and then linked, instead of being inserted
//! one by one.
//!
//! The sort compares eight bytes of the keys at a time, the most significant first. Nodes are
//! sorted by the eight bytes of their keys that are kept in the node. Then each run of equal nodes
//! is sorted by the eight bytes that follow. So a key is read once for every eight bytes that it
//! shares with other keys, not at every comparison. This follows "multikey quicksort" (Bentley &
//! Sedgewick 1997) with the cached characters of Ng & Kakehi, "Cache efficient radix sort for
//! string sorting" (2007).

use std::cmp::Ordering;

use super::arena::{Arena, Node};
use crate::error::BuildError;
use crate::grow::grow;
use crate::image::shared;

/// Runs of up to this many nodes are sorted by comparing whole keys.
const SHORT_RUN: usize = 8;

/// Sorts nodes by their keys. Of several nodes with equal keys, keeps the node that was stored last
/// and passes the others to `drop`.
pub(super) fn sort(
    nodes: &mut Vec<Node>,
    arena: &Arena,
    mut drop: impl FnMut(&Node),
) -> Result<(), BuildError> {
    let mut runs = vec![(0, nodes.len(), 0)];
    while let Some((from, to, depth)) = runs.pop() {
        let Some(run) = nodes.get_mut(from..to).filter(|run| run.len() > 1) else { continue };
        if run.len() <= SHORT_RUN {
            sort_whole(run, arena, depth);
            continue;
        }
        let depth = depth + shared_by_all(run, arena, depth);
        for node in &mut *run {
            node.head = Arena::head_of(arena.key(node), depth);
        }
        let digit = |node: &Node| (node.head, rest(node, depth));
        run.sort_unstable_by(|a, b| {
            let order = digit(a).cmp(&digit(b));
            order.then_with(|| a.age().cmp(&b.age()))
        });
        let mut start = from;
        for equal in run.chunk_by_mut(|a, b| digit(a) == digit(b)) {
            let end = start + equal.len();
            if equal.first().is_some_and(|node| rest(node, depth) > HEAD) {
                grow(&mut runs, 1)?;
                runs.push((start, end, depth + HEAD));
            } else {
                mark_all_but_last(equal);
            }
            start = end;
        }
    }
    nodes.retain(|node| {
        if node.is_marked() {
            drop(node);
        }
        !node.is_marked()
    });
    Ok(())
}

/// Number of bytes of a head.
const HEAD: usize = 8;

/// Returns the length of the rest of a key from `depth` on, limited to one more byte than a head
/// holds. A longer rest makes no difference.
fn rest(node: &Node, depth: usize) -> usize {
    (node.key_len() - depth).min(HEAD + 1)
}

fn shared_by_all(run: &[Node], arena: &Arena, depth: usize) -> usize {
    let rest = |node| arena.key(node).get(depth..).unwrap_or_default();
    let Some((first, others)) = run.split_first() else { return 0 };
    let first = rest(first);
    others.iter().fold(first.len(), |len, node| {
        if len == 0 { 0 } else { shared(first.get(..len).unwrap_or(first), rest(node)) }
    })
}

fn sort_whole(run: &mut [Node], arena: &Arena, depth: usize) {
    let rest = |node: &Node| arena.key(node).get(depth..).unwrap_or_default();
    run.sort_unstable_by(|a, b| match rest(a).cmp(rest(b)) {
        Ordering::Equal => a.age().cmp(&b.age()),
        order => order,
    });
    for equal in run.chunk_by_mut(|a, b| rest(a) == rest(b)) {
        mark_all_but_last(equal);
    }
}

/// Marks nodes with equal keys for removal, except the node that was stored last.
fn mark_all_but_last(equal: &mut [Node]) {
    if let Some((_, earlier)) = equal.split_last_mut() {
        earlier.iter_mut().for_each(Node::mark);
    }
}
