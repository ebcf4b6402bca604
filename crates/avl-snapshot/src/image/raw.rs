//! Reading an image. Every access is checked against the end of the bytes, so nothing in an image
//! can lead outside of it. Sums of offsets wrap, because hostile numbers may exceed 32-bit
//! addresses. A sum is checked like any other offset.

use bytemuck::Zeroable;

use super::layout::{CACHE_LINE, DATA_AT, Layout};
use super::node::{Node, Words};

/// The bytes of an image, and where its sections are. `search.rs`, above this folder, finds keys in
/// these bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) layout: &'a Layout,
}

/// The place of an entry whose key and value have not been read yet, relative to the start of the
/// data. The numbers come from the image unchecked, so they may point anywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) start: usize,
    pub(crate) key_len: usize,
    pub(crate) end: usize,
}

impl<'a> Raw<'a> {
    #[inline(always)]
    pub(crate) fn chunk<const N: usize>(self, at: usize) -> Option<&'a [u8; N]> {
        self.bytes.get(at..)?.first_chunk()
    }

    /// Returns node `at`, which must be above the bottom tier, or a node of zeros if there is no
    /// such node.
    #[inline(always)]
    pub(crate) fn node(self, at: u64) -> Node {
        self.node_at(self.layout.nodes_at.wrapping_add(CACHE_LINE.wrapping_mul(at as usize)))
    }

    /// Returns the node at an offset, or a node of zeros if it would lie outside the image.
    #[inline(always)]
    pub(crate) fn node_at(self, at: usize) -> Node {
        match self.chunk::<CACHE_LINE>(at) {
            Some(node) => bytemuck::cast(*node),
            None => Node::zeroed(),
        }
    }

    /// Prefetches cache lines from an offset on, if the processor supports it.
    #[inline(always)]
    pub(crate) fn fetch<const LINES: usize>(self, at: usize) {
        for line in 0..LINES {
            if let Some(byte) = self.bytes.get(at.wrapping_add(CACHE_LINE * line)) {
                super::vector::prefetch(byte);
            }
        }
    }

    /// Prefetches the first two cache lines of an entry's data.
    #[inline(always)]
    pub(crate) fn fetch_data(self, entry: Entry) {
        self.fetch::<2>(DATA_AT.wrapping_add(entry.start));
    }

    /// Returns the key of an entry, or an empty slice if the key would lie outside the image.
    #[inline(always)]
    pub(crate) fn key_of(self, entry: Entry) -> &'a [u8] {
        let start = DATA_AT.wrapping_add(entry.start);
        self.bytes.get(start..start.wrapping_add(entry.key_len)).unwrap_or_default()
    }

    /// Returns the value of an entry, or an empty slice if the value would lie outside the image.
    #[inline(always)]
    pub(crate) fn value_of(self, entry: Entry) -> &'a [u8] {
        let start = DATA_AT.wrapping_add(entry.start).wrapping_add(entry.key_len);
        self.bytes.get(start..DATA_AT.wrapping_add(entry.end)).unwrap_or_default()
    }

    #[inline(always)]
    pub(crate) fn key(self, rank: usize) -> &'a [u8] {
        self.key_of(self.entry(rank))
    }

    /// Returns the key and the value of an entry.
    #[inline(always)]
    pub(crate) fn pair(self, entry: Entry) -> (&'a [u8], &'a [u8]) {
        (self.key_of(entry), self.value_of(entry))
    }

    /// Returns bucket `at` of the hash index, or an empty bucket if there is no such bucket.
    #[inline(always)]
    pub(crate) fn bucket(self, at: usize) -> Words {
        let at = self.layout.buckets_at + CACHE_LINE * at;
        self.chunk::<CACHE_LINE>(at).map_or(Words::ZERO, |bucket| bytemuck::cast(*bucket))
    }

    /// The prefix that all keys share.
    #[inline(always)]
    pub(crate) fn common(self) -> &'a [u8] {
        // The first key starts with it, and the data start with the first key.
        self.bytes.get(DATA_AT..DATA_AT + self.layout.common).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_beyond_all_addresses_are_no_fault() {
        let image = crate::from_sorted([("a", "1"), ("b", "2")]).unwrap();
        let (layout, _) = Layout::read(&image).unwrap();
        let raw = Raw { bytes: &image, layout: &layout };
        for start in [usize::MAX, usize::MAX - 63, usize::MAX - 64, usize::MAX / 2] {
            for key_len in [0, 1, crate::MAX_KEY_LEN] {
                for end in [0, start, usize::MAX] {
                    let entry = Entry { start, key_len, end };
                    assert!(raw.key_of(entry).len() <= image.len());
                    assert!(raw.value_of(entry).len() <= image.len());
                }
            }
            assert_eq!(raw.node_at(start), Node::zeroed());
        }
        for rank in 0..10 {
            let entry = raw.entry(rank);
            assert!(raw.key_of(entry).len() + raw.value_of(entry).len() <= 2);
        }
    }
}
