//! Groups and forks, which decide ties, made by the text of the format: for each node above the
//! bottom tier, all keys of the subtree are looked at.

use std::ops::Range;

use super::{Subtree, partial, shared};

/// Maximum number of groups in a row.
const GROUPS: usize = 16;

/// Returns the fork of two keys, which is where they differ first.
pub(super) fn fork(a: &[u8], b: &[u8]) -> u32 {
    let at = shared(a, b);
    let bit = match (a.get(at), b.get(at)) {
        (Some(a), Some(b)) => {
            (0..8).find(|bit| (a ^ b) << bit & 0x80 != 0).map_or(0, |bit| bit + 1)
        }
        _ => 0,
    };
    16 * at as u32 + bit
}

/// Makes a tie word of the next three bytes, and of the number of bytes that are left.
fn tie_word(key: &[u8], at: usize) -> u32 {
    let left = key.len().saturating_sub(at).min(4) as u32;
    partial(key, at) & 0xFFFF_FF00 | left
}

/// Makes the ties section for these nodes. `skip` returns the `skip` of the node whose subtree has
/// these keys.
pub(super) fn words(
    keys: &[&[u8]],
    nodes: &[Subtree],
    skip: impl Fn(&Range<usize>) -> usize,
) -> Vec<u32> {
    let mut directory = Vec::new();
    let mut tables = Vec::new();
    for node in nodes {
        let mut of_node = OfNode { keys, first: node.all.start, words: vec![0; 8] };
        let skip = skip(&node.all);
        let halves = of_node.halves(&node.ranks, &node.all, 0, &|key| partial(key, skip));
        if of_node.words.len() == 8 {
            directory.push(0);
            continue;
        }
        of_node.put(0, &halves);
        directory.push(1 + tables.len() as u32);
        tables.extend(of_node.words);
    }
    if tables.is_empty() { Vec::new() } else { [directory, tables].concat() }
}

/// The table and the groups of a node.
struct OfNode<'a> {
    keys: &'a [&'a [u8]],
    /// Rank of the first key of the subtree.
    first: usize,
    words: Vec<u32>,
}

impl OfNode<'_> {
    /// Appends the groups that the keys `ranks` of the node need, and returns the half words of
    /// these keys. `all` are the keys of the subtree that have tied so far.
    fn halves(
        &mut self,
        ranks: &[usize],
        all: &Range<usize>,
        depth: usize,
        word: &dyn Fn(&[u8]) -> u32,
    ) -> Vec<u16> {
        let mut halves = vec![0; ranks.len()];
        let mut at = 0;
        while at < ranks.len() {
            let value = word(self.keys[ranks[at]]);
            let tied: Vec<usize> = ranks[at..]
                .iter()
                .copied()
                .take_while(|&rank| word(self.keys[rank]) == value)
                .collect();
            // If keys are out of order, only those next to the first one count.
            let is = |rank: &usize| word(self.keys[*rank]) == value;
            let from = (all.start..=ranks[at]).rev().take_while(is).last().unwrap();
            let last = tied[tied.len() - 1];
            let end = (last..all.end).take_while(is).last().unwrap() + 1;
            if end - from > 1 {
                halves[at] =
                    if depth == GROUPS { 0xFFFF } else { self.group(&tied, &(from..end), depth) };
            }
            at += tied.len();
        }
        halves
    }

    fn group(&mut self, ranks: &[usize], all: &Range<usize>, depth: usize) -> u16 {
        let place = self.words.len();
        let prefix = shared(self.keys[all.start], self.keys[all.end - 1]);
        let head = [prefix, all.start - self.first, all.end - self.first];
        self.words.extend(head.map(|number| number as u32));
        self.words.extend(ranks.iter().map(|&rank| tie_word(self.keys[rank], prefix)));
        let halves_at = self.words.len();
        self.words.resize(halves_at + ranks.len().div_ceil(2), 0);
        let halves = self.halves(ranks, all, depth + 1, &|key| tie_word(key, prefix));
        self.put(halves_at, &halves);
        place as u16
    }

    fn put(&mut self, at: usize, halves: &[u16]) {
        for (word, pair) in self.words[at..].iter_mut().zip(halves.chunks(2)) {
            *word = u32::from(pair[0]) | u32::from(pair.get(1).copied().unwrap_or(0)) << 16;
        }
    }
}
