//! The ties section, which decides ties above the bottom tier without reading keys.
//!
//! In a subtree, the keys that have the same partial key at the root node are contiguous in key
//! order and share a longer prefix. A *separator* is a key of the node itself. If several keys of
//! the subtree tie and some of them are separators, these separators form a *group*: their tie
//! words (`node.rs`) from the end of that prefix on. The query's tie word is compared with the tie
//! words of the group, as with partial keys. If the query ties again, the separators that it ties
//! with form another group, and so on.
//!
//! A query that does not have the prefix of a group may take a wrong way. It is found to be absent
//! when it is compared with the one candidate key at the end. Such a query comes before all keys
//! that share the prefix, or after all of them. The group contains their ranks.
//!
//! The section consists of words of four bytes: first one word for each node above the bottom tier,
//! then tables and groups. The word of a node is 0 if the node has no groups. Otherwise it is the
//! position of the node's table plus one, counted in words from the first table. The groups of a
//! node follow its table.
//!
//! | words | table of a node |
//! |---|---|
//! | 8 | a half word for each separator |
//!
//! | words | group of k separators |
//! |---|---|
//! | 1 | length of the prefix that all tied keys share |
//! | 2 | the rank of the first tied key, and of the key after the last one, counted from the first key of the subtree |
//! | k | tie words of the separators |
//! | k / 2, rounded up | a half word for each separator |
//!
//! Of separators that tie with each other, the first one has the half word for all of them, and the
//! others have 0. The half word is 0 if only one key of the subtree has this word, and [`DEEP`] if
//! whole keys have to be compared. Otherwise it is the position of the next group, counted in words
//! from the table.

use super::derive::Keys;
use super::layout::{MAX_TIES, TIE_LEN};
use super::node::{Node, partial, shared, tie_word};
use super::raw::Raw;
use super::shape::{NODE_KEYS, Tier};
use crate::error::BuildError;
use crate::grow::with_room;

/// Maximum number of groups that decide one tie. Only keys that are made for it need more.
pub(crate) const GROUPS: u32 = 16;
/// A half word that stands for a group beyond the maximum.
const DEEP: u16 = u16::MAX;
/// The word of a node whose table does not fit into the section.
const NO_ROOM: u32 = u32::MAX;
/// Number of words of a group before its tie words.
const HEAD: usize = 3;
/// Number of words of a table.
const TABLE: usize = NODE_KEYS.div_ceil(2);

/// How a tie is decided.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Next {
    /// The separator is the only key that ties.
    Alone,
    /// Whole keys have to be compared.
    Keys,
    /// The group at offset `at` decides. The table of its node is at offset `table`.
    Group { at: usize, table: usize },
}

impl<'a> Raw<'a> {
    /// Prefetches the table of a node and the groups right after it.
    #[inline(always)]
    pub(crate) fn fetch_ties(self, node: u64) {
        let at = self.layout.ties_at.wrapping_add(TIE_LEN.wrapping_mul(node as usize));
        let word = self.chunk(at).map_or(0, |word| u32::from_le_bytes(*word));
        let place = TIE_LEN.wrapping_mul((word as usize).wrapping_sub(1));
        self.fetch::<2>(self.layout.tables_at.wrapping_add(place));
    }

    /// Returns how a tie at a node is decided. `key` is the number of the first separator that
    /// ties.
    #[inline(always)]
    pub(crate) fn tie(self, node: u64, key: u64) -> Next {
        if self.layout.ties == 0 {
            return Next::Alone;
        }
        let at = self.layout.ties_at.wrapping_add(TIE_LEN.wrapping_mul(node as usize));
        match self.chunk(at).map_or(0, |word| u32::from_le_bytes(*word)) {
            0 => Next::Alone,
            NO_ROOM => Next::Keys,
            place => {
                let place = TIE_LEN.wrapping_mul(place as usize - 1);
                let table = self.layout.tables_at.wrapping_add(place);
                self.next(table, table, key)
            }
        }
    }

    /// Returns how a tie in a group of `count` separators is decided. `key` is the number of the
    /// first separator of the group that ties.
    #[inline(always)]
    pub(crate) fn next_tie(self, at: usize, table: usize, count: u64, key: u64) -> Next {
        self.next(at.wrapping_add(TIE_LEN * (HEAD + count as usize)), table, key)
    }

    #[inline(always)]
    fn next(self, halves: usize, table: usize, key: u64) -> Next {
        let half = self.chunk(halves.wrapping_add(2 * key as usize));
        match half.map_or(0, |half| u16::from_le_bytes(*half)) {
            0 => Next::Alone,
            DEEP => Next::Keys,
            place => Next::Group { at: table.wrapping_add(TIE_LEN * usize::from(place)), table },
        }
    }
}

/// The parts of a group that are at fixed offsets.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// Length of the prefix that all tied keys share.
    pub(crate) prefix: usize,
    /// The tied keys, as ranks within the subtree.
    pub(crate) keys: std::ops::Range<u64>,
    /// The tie words, in place of a node's partial keys. Other words follow them.
    pub(crate) words: Node,
}

impl Raw<'_> {
    /// Returns the group at an offset.
    #[inline(always)]
    pub(crate) fn group(self, at: usize) -> Group {
        let word = |nth: usize| {
            let word = self.chunk(at.wrapping_add(TIE_LEN * nth));
            word.map_or(0, |word| u32::from_le_bytes(*word))
        };
        // The word before the tie words takes the place of a node's word 0.
        let words = self.node_at(at.wrapping_add(TIE_LEN * (HEAD - 1)));
        Group { prefix: word(0) as usize, keys: u64::from(word(1))..u64::from(word(2)), words }
    }
}

/// Makes the ties section, node by node.
pub(crate) struct Ties<'k, K> {
    keys: &'k K,
    /// Number of words of all tables and groups so far.
    len: u64,
    /// The table and the groups of the last node.
    words: Vec<u32>,
    /// The first rank of the last node's subtree.
    subtree: usize,
}

/// The content of the section for one node: its word, and its table and groups.
pub(crate) struct NodeTies<'a> {
    pub(crate) word: u32,
    pub(crate) words: &'a [u32],
}

impl<'k, K: Keys> Ties<'k, K> {
    pub(crate) fn of(keys: &'k K) -> Result<Self, BuildError> {
        // Never more: a separator is in at most 16 groups, and takes at most five words in each.
        let words = with_room(TABLE + 5 * NODE_KEYS * (GROUPS as usize + 1))?;
        Ok(Self { keys, len: 0, words, subtree: 0 })
    }

    /// Makes the content for the next node. Must be called once for each node above the bottom
    /// tier, in their order.
    pub(crate) fn node(&mut self, tier: &Tier, node: u64, skip: usize) -> NodeTies<'_> {
        self.words.clear();
        self.words.resize(TABLE, 0);
        let shape = self.keys.layout().shape;
        let (left, right) = shape.bounds(tier, node);
        let first = left.map_or(0, |left| left as usize + 1);
        let end = right.map_or(self.keys.layout().entries, |right| right as usize);
        if (end - first) as u64 > u64::from(u32::MAX) {
            return NodeTies { word: NO_ROOM, words: &[] };
        }
        self.subtree = first;
        let mut separators = [0; NODE_KEYS];
        let count = shape.keys(tier, node) as usize;
        for (key, rank) in separators.iter_mut().take(count).enumerate() {
            *rank = shape.rank(tier, node, key as u64) as usize;
        }
        let all = Range { separators: separators.get(..count).unwrap_or_default(), first, end };
        self.runs(all, 0, 0, &|key| partial(key, skip));
        if self.words.len() == TABLE {
            return NodeTies { word: 0, words: &[] };
        }
        let place = self.len;
        if place + self.words.len() as u64 >= MAX_TIES {
            return NodeTies { word: NO_ROOM, words: &[] };
        }
        self.len += self.words.len() as u64;
        NodeTies { word: place as u32 + 1, words: &self.words }
    }

    /// Appends a group for each run of separators in `range` that have the same word, and sets
    /// their half words. The half words start at word `halves`.
    fn runs(&mut self, range: Range<'_>, halves: usize, depth: u32, word: &dyn Fn(&[u8]) -> i32) {
        let word_at = |rank| word(&self.keys.key(rank));
        let mut found = [(0, Range::default()); NODE_KEYS];
        let mut runs = 0;
        let mut at = 0;
        let (mut before, mut rest) = (range.first, range.separators);
        while let Some(&separator) = rest.first() {
            let value = word_at(separator);
            let len = 1 + rest.iter().skip(1).take_while(|&&rank| word_at(rank) == value).count();
            let (run, others) = rest.split_at(len);
            let last = run.last().copied().unwrap_or(separator);
            let behind = others.first().copied().unwrap_or(range.end);
            let first = least(before, separator, |rank| word_at(rank) == value);
            let end = 1 + greatest(last, behind, |rank| word_at(rank) == value);
            if let Some(place) = found.get_mut(runs) {
                *place = (at, Range { separators: run, first, end });
            }
            runs += 1;
            at += len;
            (before, rest) = (last + 1, others);
        }
        for &(at, run) in found.iter().take(runs) {
            if run.end - run.first > 1 {
                let place = if depth < GROUPS { self.group(run, depth) } else { DEEP };
                if let Some(word) = self.words.get_mut(halves + at / 2) {
                    *word |= u32::from(place) << (at % 2 * 16);
                }
            }
        }
    }

    /// Appends a group and the groups that decide ties in it. Returns the position of the group.
    fn group(&mut self, run: Range<'_>, depth: u32) -> u16 {
        let place = self.words.len();
        let prefix = shared(&self.keys.key(run.first), &self.keys.key(run.end - 1));
        let rank = |rank| (rank - self.subtree) as u32;
        self.words.extend([prefix as u32, rank(run.first), rank(run.end)]);
        let words =
            run.separators.iter().map(|&rank| tie_word(&self.keys.key(rank), prefix) as u32);
        self.words.extend(words);
        let halves = self.words.len();
        self.words.resize(halves + run.separators.len().div_ceil(2), 0);
        self.runs(run, halves, depth + 1, &|key| tie_word(key, prefix));
        // Never too large, by the number of words that `of` makes room for.
        place as u16
    }
}

/// The ranks `first` to `end - 1`, and the ranks of the separators among them.
#[derive(Clone, Copy, Default)]
struct Range<'a> {
    separators: &'a [usize],
    first: usize,
    end: usize,
}

/// Returns the least rank of a run in which `is` holds. The run ends with `known`, and starts at
/// `from` or later. O(log of the length of the run).
fn least(from: usize, known: usize, is: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high, mut step) = (from, known, 1);
    while low < high {
        let middle = if step == 0 { low.midpoint(high) } else { high - step.min(high - low) };
        if is(middle) {
            high = middle;
            step *= 2;
        } else {
            low = middle + 1;
            step = 0;
        }
    }
    high
}

/// Returns the greatest rank of a run in which `is` holds. The run starts with `known`, and ends
/// before `end`. O(log of the length of the run).
fn greatest(known: usize, end: usize, is: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high, mut step) = (known, end - 1, 1);
    while low < high {
        let middle = if step == 0 { high - (high - low) / 2 } else { low + step.min(high - low) };
        if is(middle) {
            low = middle;
            step *= 2;
        } else {
            high = middle - 1;
            step = 0;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_a_run_are_found() {
        for end in 1..40 {
            for from in 0..end {
                for to in from + 1..=end {
                    let is = |rank: usize| (from..to).contains(&rank);
                    for known in from..to {
                        assert_eq!(least(0, known, is), from);
                        assert_eq!(greatest(known, end, is), to - 1);
                    }
                }
            }
        }
    }
}
