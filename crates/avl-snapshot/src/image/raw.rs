//! Reading an image. Every access is checked against the end of the bytes, so nothing in an image
//! can lead outside of it. Sums of offsets wrap, because hostile numbers may exceed 32-bit
//! addresses. A sum is checked like any other offset.

use bytemuck::Zeroable;

use super::layout::{CACHE_LINE, DATA_AT, ENTRY_LEN, Layout, unpack};
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
    fn chunk<const N: usize>(self, at: usize) -> Option<&'a [u8; N]> {
        self.bytes.get(at..)?.first_chunk()
    }

    /// Returns node `at`, or a node of zeros if there is no such node.
    #[inline(always)]
    pub(crate) fn node(self, at: u64) -> Node {
        let at = self.layout.nodes_at + CACHE_LINE * at as usize;
        match self.chunk::<CACHE_LINE>(at) {
            Some(node) => bytemuck::cast(*node),
            None => Node::zeroed(),
        }
    }

    /// Returns the entry at `rank`, or an empty entry if there is no such entry.
    #[inline(always)]
    pub(crate) fn entry(self, rank: usize) -> Entry {
        let at = self.layout.entries_at.wrapping_add(ENTRY_LEN.wrapping_mul(rank));
        // This entry, and the next one, whose offset is where this one ends.
        let Some(pair) = self.chunk::<{ 2 * ENTRY_LEN }>(at) else {
            return Entry::default();
        };
        let [this, next]: [[u8; 8]; 2] = bytemuck::cast(*pair);
        let (start, key_len) = unpack(u64::from_le_bytes(this));
        let (end, _) = unpack(u64::from_le_bytes(next));
        Entry { start, key_len, end }
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

    /// Returns the key and the value of the entry at `rank`.
    #[inline]
    pub(crate) fn pair(self, rank: usize) -> (&'a [u8], &'a [u8]) {
        let entry = self.entry(rank);
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
            let _ = raw.entry(start);
        }
    }
}
