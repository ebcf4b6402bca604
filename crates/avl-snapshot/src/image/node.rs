//! A node: up to 15 keys of the tree in one cache line.
//!
//! | word | what |
//! |---|---|
//! | 0 | `skip`: how many bytes all keys between the node's bounds share; and the bit [`WIDE`] |
//! | 1–15 | one partial key for each key, in key order; `i32::MAX` where there is no key |
//!
//! The *partial key* of a key is its four bytes from `skip` on, with zeros beyond its end, as a
//! big-endian number with the top bit flipped. The flipped bit makes partial keys compare correctly
//! as signed integers, which is what vector units compare.

use bytemuck::{Pod, Zeroable};

use super::layout::MAX_KEY_LEN;
#[cfg(any(test, fuzzing))]
use super::scalar;
use super::shape::NODE_KEYS;
use super::vector;

/// Partial key of an absent key.
pub(crate) const ABSENT: i32 = i32::MAX;
/// The bit of word 0 that is set if the unit of this node is wide (`unit.rs`).
pub(crate) const WIDE: u32 = 1 << 31;

/// Sixteen little-endian words in one cache line. They are a node or a bucket of the hash index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Words(pub(crate) [[u8; 4]; NODE_KEYS + 1]);

/// A node as it is stored in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub(crate) struct Node(pub(crate) Words);

/// Where the partial key of a query belongs among the partial keys of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Number of keys whose partial key is less than the partial key of the query: 0 to 15.
    pub(crate) less: u32,
    /// Number of keys after them whose partial key equals the partial key of the query: 0 to 15.
    /// Words without a key may be counted.
    pub(crate) tied: u32,
}

impl Node {
    /// Makes a node of up to 15 partial keys.
    pub(crate) fn new(skip: usize, keys: impl Iterator<Item = i32>) -> Self {
        let mut words = [ABSENT.to_le_bytes(); NODE_KEYS + 1];
        let all = std::iter::once(skip as i32).chain(keys);
        for (word, value) in words.iter_mut().zip(all) {
            *word = value.to_le_bytes();
        }
        Self(Words(words))
    }

    /// How many bytes all keys between the node's bounds share.
    #[inline(always)]
    pub(crate) fn skip(&self) -> usize {
        let [first, ..] = self.0.0;
        u32::from_le_bytes(first) as usize & MAX_KEY_LEN
    }

    /// True if the unit of this node is wide.
    #[inline(always)]
    pub(crate) fn is_wide(&self) -> bool {
        self.0.word(0) & WIDE != 0
    }

    /// Compares a partial key with all partial keys of the node at once.
    #[inline(always)]
    pub(crate) fn place(&self, query: i32) -> Place {
        self.place_among(query, NODE_KEYS as u64)
    }

    /// Like `place`, but only among the first `count` words after word 0.
    #[inline(always)]
    pub(crate) fn place_among(&self, query: i32, count: u64) -> Place {
        let (less, equal) = self.compare(query);
        // Bit 0 of each mask is for word 0, which is not a key.
        let mask = (1 << count) - 1;
        Place::of(less >> 1 & mask, equal >> 1 & mask)
    }

    /// Returns a mask with one bit for each word that is less than `query`, and a mask with one bit
    /// for each word that equals `query`.
    #[inline(always)]
    fn compare(&self, query: i32) -> (u32, u32) {
        #[cfg(any(test, fuzzing))]
        if scalar::IS_USED.get() {
            return scalar::compare(&self.0.0, query);
        }
        vector::compare(&self.0.0, query)
    }
}

impl Words {
    pub(crate) const ZERO: Self = Self([[0; 4]; NODE_KEYS + 1]);

    /// Returns one bit for each word that equals `value` in the bits of `mask`.
    #[inline(always)]
    pub(crate) fn equal_mask(&self, mask: u32, value: u32) -> u32 {
        #[cfg(any(test, fuzzing))]
        if scalar::IS_USED.get() {
            return scalar::equal_mask(&self.0, mask, value);
        }
        vector::equal_mask(&self.0, mask, value)
    }

    /// Returns the word at index `at`, or 0 if `at` is beyond the last word.
    #[inline(always)]
    pub(crate) fn word(&self, at: usize) -> u32 {
        self.0.get(at).map_or(0, |word| u32::from_le_bytes(*word))
    }

    pub(crate) fn set_word(&mut self, at: usize, value: u32) {
        if let Some(word) = self.0.get_mut(at) {
            *word = value.to_le_bytes();
        }
    }
}

impl Place {
    /// Makes a place from two masks of one bit for each key. In a sound node each mask is one run
    /// of ones. In a hostile node, what comes after the first run is ignored.
    #[inline(always)]
    pub(crate) fn of(less: u32, equal: u32) -> Self {
        let less = less.trailing_ones();
        Self { less, tied: (equal >> less).trailing_ones() }
    }
}

/// Returns the partial key of `key`: its four bytes from `skip` on.
#[inline]
pub(crate) fn partial(key: &[u8], skip: usize) -> i32 {
    let rest = key.get(skip..).unwrap_or_default();
    if let Some(word) = rest.first_chunk() {
        return flip(u32::from_be_bytes(*word));
    }
    let mut word = [0; 4];
    for (to, from) in word.iter_mut().zip(rest) {
        *to = *from;
    }
    flip(u32::from_be_bytes(word))
}

/// Returns the tie word of `key`: its three bytes from `at` on, with zeros beyond its end, and the
/// number of bytes that are left from `at` on, at most 4. Unlike partial keys, two tie words are
/// equal only if the keys are equal from `at` on, or share three more bytes and do not end there.
pub(crate) fn tie_word(key: &[u8], at: usize) -> i32 {
    flip(flip_back(partial(key, at)) & !0xFF | key.len().saturating_sub(at).min(4) as u32)
}

/// Returns the fork of two different keys, which is the first place where they differ, as a number:
/// the offset of the byte, times 16, plus 1 to 8 for the bit, where 1 is the highest bit, or plus 0
/// if one of the keys ends there.
pub(crate) fn fork(a: &[u8], b: &[u8]) -> u32 {
    let at = shared(a, b);
    let bit = match (a.get(at), b.get(at)) {
        (Some(a), Some(b)) => 1 + (a ^ b).leading_zeros(),
        _ => 0,
    };
    (at as u32) << FORK_BITS | bit
}

/// Returns the length of the longest common prefix.
pub(crate) fn shared(a: &[u8], b: &[u8]) -> usize {
    let words = a.chunks_exact(8).zip(b.chunks_exact(8)).take_while(|(a, b)| a == b).count();
    let rest = a.iter().zip(b).skip(8 * words).take_while(|(a, b)| a == b).count();
    8 * words + rest
}

#[inline(always)]
const fn flip_back(word: i32) -> u32 {
    word as u32 ^ 1 << 31
}

#[inline(always)]
const fn flip(word: u32) -> i32 {
    (word ^ 1 << 31) as i32
}

/// Number of low bits of a fork that say which bit of a byte it is at.
const FORK_BITS: u32 = 4;

/// A key that is looked up, prepared so that its partial keys can be computed fast.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<'a> {
    pub(crate) bytes: &'a [u8],
    /// The whole query as a big-endian number, if the query is shorter than four bytes. This number
    /// is made once, because copying the query to a padded buffer for each node would stall on
    /// store forwarding.
    short: u64,
}

impl<'a> Query<'a> {
    #[inline(always)]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let short = match bytes.len() {
            4.. => 0,
            _ => bytes.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)),
        };
        Self { bytes, short }
    }

    /// The query's partial key from `skip` on.
    #[inline(always)]
    pub(crate) fn partial(&self, skip: usize) -> i32 {
        // Reads four bytes that end within the query, and shifts those before `skip` out at the
        // top. There is no branch, because the number of bytes left is unpredictable.
        let len = self.bytes.len();
        let (word, start) = match len.checked_sub(4) {
            Some(last) => {
                let start = skip.min(last);
                let chunk = self.bytes.get(start..).and_then(|rest| rest.first_chunk::<4>());
                (u64::from(u32::from_be_bytes(chunk.copied().unwrap_or_default())), start)
            }
            None => (self.short << (8 * (4 - len)), 0),
        };
        flip((word << (8 * (skip - start).min(4))) as u32)
    }

    /// Returns the query's tie word from `at` on.
    #[inline(always)]
    pub(crate) fn tie_word(&self, at: usize) -> i32 {
        let left = self.bytes.len().saturating_sub(at).min(4);
        flip(flip_back(self.partial(at)) & !0xFF | left as u32)
    }

    /// True if the query belongs to the keys after this fork. These keys have a 1 as the bit at the
    /// fork or, if other keys end there, do not end there.
    #[inline(always)]
    pub(crate) fn turns_right(&self, fork: u32) -> bool {
        let byte = self.bytes.get((fork >> FORK_BITS) as usize);
        let bits = byte.map_or(0, |&byte| 0x100 | u32::from(byte));
        bits << (fork & ((1 << FORK_BITS) - 1)) & 0x100 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(skip: usize, keys: &[i32]) -> Node {
        Node::new(skip, keys.iter().copied())
    }

    #[test]
    fn a_node_says_where_a_query_belongs() {
        let node = node(7, &[-5, 0, 0, 3, ABSENT]);
        assert_eq!(node.skip(), 7);
        for (query, less, tied) in
            [(-6, 0, 0), (-5, 0, 1), (-1, 1, 0), (0, 1, 2), (1, 3, 0), (4, 4, 0), (i32::MIN, 0, 0)]
        {
            assert_eq!(node.place(query), Place { less, tied }, "{query}");
        }
        assert_eq!(node.place(ABSENT).less, 4);
    }

    #[test]
    fn the_longest_skip_fits() {
        let node = node(crate::MAX_KEY_LEN, &[1; 15]);
        assert_eq!(node.skip(), crate::MAX_KEY_LEN);
    }

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

    proptest! {
        #[test]
        fn vector_and_scalar_code_agree(
            mut words in any::<[[u8; 4]; 16]>(),
            sorted: bool,
            query: i32,
            pick in 0usize..16,
        ) {
            if sorted {
                words[1..].sort_by_key(|w| i32::from_le_bytes(*w));
            }
            let node = Node(Words(words));
            let mask = u32::MAX << (query as u32 % 32);
            for value in [0, u32::from_le_bytes(words[pick]) & mask] {
                let scalar = scalar::equal_mask(&node.0.0, mask, value);
                prop_assert_eq!(node.0.equal_mask(mask, value), scalar);
            }
            for query in [query, i32::from_le_bytes(words[pick])] {
                let (less, equal) = scalar::compare(&node.0.0, query);
                prop_assert_eq!(node.place(query), Place::of(less >> 1, equal >> 1));
                let mask = (1 << pick) - 1;
                let among = Place::of(less >> 1 & mask, equal >> 1 & mask);
                prop_assert_eq!(node.place_among(query, pick as u64), among);
            }
        }

        #[test]
        fn a_prepared_query_yields_the_same_partial_keys(
            bytes in proptest::collection::vec(any::<u8>(), 0..12),
            skip in 0usize..16,
        ) {
            prop_assert_eq!(Query::new(&bytes).partial(skip), partial(&bytes, skip));
            prop_assert_eq!(Query::new(&bytes).tie_word(skip), tie_word(&bytes, skip));
        }

        #[test]
        fn tie_words_order_as_keys_do_and_tie_only_if_three_bytes_do(
            a in proptest::collection::vec(0u8..2, 0..8),
            b in proptest::collection::vec(0u8..2, 0..8),
            at in 0usize..4,
        ) {
            let at = at.min(shared(&a, &b));
            match tie_word(&a, at).cmp(&tie_word(&b, at)) {
                std::cmp::Ordering::Equal => prop_assert!(a == b || shared(&a, &b) >= at + 3),
                order => prop_assert_eq!(order, a.cmp(&b)),
            }
        }

        #[test]
        fn a_fork_sends_the_greater_key_right_and_the_lesser_one_left(
            a in proptest::collection::vec(0u8..4, 0..8),
            b in proptest::collection::vec(0u8..4, 0..8),
        ) {
            if a != b {
                let at = fork(&a, &b);
                prop_assert_eq!(at, fork(&b, &a));
                prop_assert_eq!(Query::new(&a).turns_right(at), a > b);
                prop_assert_eq!(Query::new(&b).turns_right(at), b > a);
            }
        }

        #[test]
        fn partial_keys_order_as_keys_do(
            a in proptest::collection::vec(0u8..3, 0..8),
            b in proptest::collection::vec(0u8..3, 0..8),
        ) {
            let (pa, pb) = (partial(&a, 0), partial(&b, 0));
            if pa != pb {
                prop_assert_eq!(pa < pb, a < b);
            }
        }
    }
}
