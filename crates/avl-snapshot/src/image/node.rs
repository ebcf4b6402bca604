//! A node: up to 15 keys of the tree in one cache line.
//!
//! | word | what |
//! |---|---|
//! | 0 | `skip`: how many bytes all keys between the node's bounds share |
//! | 1–15 | one partial key for each key, in key order; `i32::MAX` where there is no key |
//!
//! The *partial key* of a key is its four bytes from `skip` on, with zeros beyond its end, as a
//! big-endian number with the top bit flipped. The flipped bit makes partial keys compare correctly
//! as signed integers, which is what vector units compare.

use bytemuck::{Pod, Zeroable};

use super::shape::NODE_KEYS;
#[cfg(target_feature = "sse2")]
use super::sse2;

/// Partial key of an absent key.
pub(crate) const ABSENT: i32 = i32::MAX;

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
        u32::from_le_bytes(first) as usize
    }

    /// Compares a partial key with all partial keys of the node at once.
    #[inline(always)]
    pub(crate) fn place(&self, query: i32) -> Place {
        #[cfg(target_feature = "sse2")]
        {
            let (less, equal) = sse2::compare(&self.0.0, query);
            // Bit 0 is that of `skip`.
            Place::of(less >> 1, equal >> 1)
        }
        #[cfg(not(target_feature = "sse2"))]
        self.place_scalar(query)
    }

    /// Like `place`, but for other processors, in a form that compilers vectorise.
    #[cfg_attr(target_feature = "sse2", allow(dead_code, reason = "compared in tests"))]
    #[inline]
    pub(crate) fn place_scalar(&self, query: i32) -> Place {
        let [_, keys @ ..] = self.0.0;
        let (mut less, mut equal) = (0u32, 0u32);
        for (at, key) in keys.into_iter().enumerate() {
            let key = i32::from_le_bytes(key);
            less |= u32::from(key < query) << at;
            equal |= u32::from(key == query) << at;
        }
        Place::of(less, equal)
    }
}

impl Words {
    pub(crate) const ZERO: Self = Self([[0; 4]; NODE_KEYS + 1]);

    /// Returns one bit for each word that equals `value` in the bits of `mask`.
    #[inline(always)]
    pub(crate) fn equal_mask(&self, mask: u32, value: u32) -> u32 {
        #[cfg(target_feature = "sse2")]
        return sse2::equal_mask(&self.0, mask, value);
        #[cfg(not(target_feature = "sse2"))]
        return self.equal_mask_scalar(mask, value);
    }

    /// Like `equal_mask`, but for other processors.
    #[cfg_attr(target_feature = "sse2", allow(dead_code, reason = "compared in tests"))]
    #[inline]
    pub(crate) fn equal_mask_scalar(&self, mask: u32, value: u32) -> u32 {
        let equal = |word: [u8; 4]| u32::from_le_bytes(word) & mask == value;
        self.0.iter().enumerate().fold(0, |bits, (at, &word)| bits | u32::from(equal(word)) << at)
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
    let mut word = [0; 4];
    for (to, from) in word.iter_mut().zip(rest) {
        *to = *from;
    }
    flip(u32::from_be_bytes(word))
}

#[inline(always)]
const fn flip(word: u32) -> i32 {
    (word ^ 1 << 31) as i32
}

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
            assert_eq!(node.place_scalar(query), Place { less, tied }, "{query}");
        }
        assert_eq!(node.place(ABSENT).less, 4);
    }

    #[test]
    fn the_longest_skip_fits() {
        let node = node(crate::MAX_KEY_LEN, &[1; 15]);
        assert_eq!(node.skip(), crate::MAX_KEY_LEN);
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
                let scalar = node.0.equal_mask_scalar(mask, value);
                prop_assert_eq!(node.0.equal_mask(mask, value), scalar);
            }
            prop_assert_eq!(node.place(query), node.place_scalar(query));
            let present = i32::from_le_bytes(words[pick]);
            prop_assert_eq!(node.place(present), node.place_scalar(present));
        }

        #[test]
        fn a_prepared_query_yields_the_same_partial_keys(
            bytes in proptest::collection::vec(any::<u8>(), 0..12),
            skip in 0usize..16,
        ) {
            prop_assert_eq!(Query::new(&bytes).partial(skip), partial(&bytes, skip));
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
