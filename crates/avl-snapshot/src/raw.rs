//! Reading a block: each access is checked against the bytes' end, so that no bytes whatever
//! lead out of them. Sums wrap: with 32-bit addresses, hostile numbers exceed them, and where they come
//! back to is checked like any other place.

use bytemuck::Zeroable;

use crate::layout::{DATA_AT, ENTRY_LEN, LINE_LEN, Layout, unpack};
use crate::line::{Line, Words};

/// The bytes of a block, and where its sections are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) layout: &'a Layout,
}

/// An entry, found but not read: where its key and its value are, relative to the start of the data.
/// The numbers are as they were in the block, so they may point anywhere.
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

    /// Line `at`, or one of zeros if there is none.
    #[inline(always)]
    pub(crate) fn line(self, at: u64) -> Line {
        let at = self.layout.lines_at + LINE_LEN * at as usize;
        match self.chunk::<LINE_LEN>(at) {
            Some(line) => bytemuck::cast(*line),
            None => Line::zeroed(),
        }
    }

    /// The entry of rank `rank`; an empty one if there is none.
    #[inline(always)]
    pub(crate) fn entry(self, rank: usize) -> Entry {
        let at = self.layout.entries_at.wrapping_add(ENTRY_LEN.wrapping_mul(rank));
        // This one and the next, where this one ends.
        let Some(pair) = self.chunk::<{ 2 * ENTRY_LEN }>(at) else {
            return Entry::default();
        };
        let [this, next]: [[u8; 8]; 2] = bytemuck::cast(*pair);
        let (start, key_len) = unpack(u64::from_le_bytes(this));
        let (end, _) = unpack(u64::from_le_bytes(next));
        Entry { start, key_len, end }
    }

    /// The key of an entry; empty if that is not inside the data.
    #[inline(always)]
    pub(crate) fn key_of(self, entry: Entry) -> &'a [u8] {
        let start = DATA_AT.wrapping_add(entry.start);
        self.bytes.get(start..start.wrapping_add(entry.key_len)).unwrap_or_default()
    }

    /// The value of an entry; empty if that is not inside the data.
    #[inline(always)]
    pub(crate) fn value_of(self, entry: Entry) -> &'a [u8] {
        let start = DATA_AT.wrapping_add(entry.start).wrapping_add(entry.key_len);
        self.bytes.get(start..DATA_AT.wrapping_add(entry.end)).unwrap_or_default()
    }

    #[inline(always)]
    pub(crate) fn key(self, rank: usize) -> &'a [u8] {
        self.key_of(self.entry(rank))
    }

    /// Key and value of rank `rank`.
    #[inline]
    pub(crate) fn pair(self, rank: usize) -> (&'a [u8], &'a [u8]) {
        let entry = self.entry(rank);
        (self.key_of(entry), self.value_of(entry))
    }

    /// Bucket `at` of the hash index; an empty one if there is none.
    #[inline(always)]
    pub(crate) fn bucket(self, at: usize) -> Words {
        let at = self.layout.buckets_at + LINE_LEN * at;
        self.chunk::<LINE_LEN>(at).map_or(Words::ZERO, |bucket| bytemuck::cast(*bucket))
    }

    /// The prefix that all keys share.
    #[inline(always)]
    pub(crate) fn common(self) -> &'a [u8] {
        // It starts the first key, whose data start the data.
        self.bytes.get(DATA_AT..DATA_AT + self.layout.common).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_beyond_all_addresses_are_no_fault() {
        let block = crate::from_sorted([("a", "1"), ("b", "2")]).unwrap();
        let (layout, _) = Layout::read(&block).unwrap();
        let raw = Raw { bytes: &block, layout: &layout };
        for start in [usize::MAX, usize::MAX - 63, usize::MAX - 64, usize::MAX / 2] {
            for key_len in [0, 1, crate::MAX_KEY_LEN] {
                for end in [0, start, usize::MAX] {
                    let entry = Entry { start, key_len, end };
                    assert!(raw.key_of(entry).len() <= block.len());
                    assert!(raw.value_of(entry).len() <= block.len());
                }
            }
            let _ = raw.entry(start);
        }
    }
}
