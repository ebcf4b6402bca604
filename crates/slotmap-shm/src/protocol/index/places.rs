//! The places of the index: 32 bits each, two in an atomic word.
//!
//! A place is only half a word, because the index of a large table does not fit into the cache. A
//! larger part of a smaller index is in the cache; see `docs/benchmarks.md`. Only the holder of the
//! lock stores, so it can store a whole word and leave the other half unchanged.

use shm_core::{Ordering, ReadWords, Words};

use crate::layout::Layout;

pub(super) const EMPTY: u32 = 0;
pub(super) const TOMBSTONE: u32 = 1;
pub(super) const FIRST_ENTRY: u32 = 2;

/// The places, as readers see them.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    words: ReadWords<'a>,
    /// Where the index begins.
    index: usize,
}

impl<'a> Places<'a> {
    #[inline(always)]
    pub(super) fn new(words: ReadWords<'a>, layout: &Layout) -> Self {
        // Not a slice: most probes load one place, and one check is cheaper than those of a slice.
        Self { words, index: layout.index }
    }

    /// Loads a place. The load is relaxed, because a reader validates the slot of an entry by the
    /// slot's version.
    #[inline(always)]
    pub(super) fn load(self, place: usize) -> u32 {
        (self.words.load(self.index + place / 2, Ordering::Relaxed) >> shift(place)) as u32
    }
}

/// The places, as the holder of the lock sees them.
#[derive(Clone, Copy)]
pub(super) struct PlacesMut<'a>(Words<'a>);

impl<'a> PlacesMut<'a> {
    #[inline(always)]
    pub(super) fn new(words: Words<'a>, layout: &Layout) -> Self {
        Self(words.slice(layout.index, layout.index_words()))
    }

    #[inline(always)]
    pub(super) fn load(self, place: usize) -> u32 {
        (self.0.load(place / 2, Ordering::Relaxed) >> shift(place)) as u32
    }

    /// Stores a place, always with Release. A reader of several keys may miss a key because its
    /// place was cleared. The reader then also sees the commit that came before the clearing, even
    /// if the word was stored again to change its other half.
    #[inline(always)]
    pub(super) fn store(self, place: usize, entry: u32) {
        let others = self.0.load(place / 2, Ordering::Relaxed) & !(0xFFFF_FFFF << shift(place));
        self.0.store(place / 2, others | u64::from(entry) << shift(place), Ordering::Release);
    }
}

/// Returns the bit offset of a place in its word. The place in the lower half comes first.
#[inline(always)]
fn shift(place: usize) -> u32 {
    (place as u32 & 1) * 32
}

/// Returns the fingerprint of a hash: its high half, without the bits that hold the slot's number.
#[inline(always)]
pub(super) fn fingerprint(layout: &Layout, hash: u64) -> u32 {
    (hash >> 32) as u32 & layout.fingerprint_mask
}

#[inline]
pub(super) fn entry(layout: &Layout, hash: u64, slot: usize) -> u32 {
    fingerprint(layout, hash) | (slot as u32 + FIRST_ENTRY)
}

/// Returns the slot of an entry with this fingerprint. Empty places and tombstones are excluded,
/// because they lead to numbers that no slot has.
#[inline(always)]
pub(super) fn slot_of(layout: &Layout, entry: u32, fingerprint: u32) -> Option<usize> {
    let slot = (entry ^ fingerprint).wrapping_sub(FIRST_ENTRY) as usize;
    (slot < layout.capacity).then_some(slot)
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::geometry::{Eviction, Expiry, Geometry};
    use crate::key::TypedKey;
    use shm_core::Word;

    #[test]
    fn the_two_places_of_a_word_leave_each_other_alone() {
        let geometry = Geometry {
            capacity: 1,
            max_capacity: None,
            expiry: Expiry::Never,
            eviction: Eviction::Never,
            value_size: 0,
            key_size: 8,
        };
        let layout = Layout::new(geometry, u64::KIND, 1).unwrap();
        let words: Vec<Word> = (0..layout.total_words).map(|_| Word::new(0)).collect();
        let places = PlacesMut::new(Words::new(&words), &layout);
        let mut expected = vec![0; layout.index_len()];
        for (at, entry) in [(0, u32::MAX), (1, 7), (2, 1), (3, u32::MAX), (0, 0), (3, 5), (1, 0)] {
            places.store(at, entry);
            expected[at] = entry;
            let readers = Places::new(ReadWords::new(&words), &layout);
            let seen = |at| (places.load(at), readers.load(at));
            assert!((0..4).all(|at| seen(at) == (expected[at], expected[at])), "{expected:?}");
        }
        let index = layout.index..layout.index + layout.index_words();
        let around = words.iter().enumerate().filter(|(at, _)| !index.contains(at));
        assert!(around.into_iter().all(|(_, word)| word.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn an_entry_leads_to_its_slot_and_nothing_else_leads_to_one() {
        for capacity in [1, 2, 1022, 1023, 1024, 1 << 20, Geometry::MAX_CAPACITY] {
            let geometry = Geometry {
                capacity,
                max_capacity: None,
                expiry: Expiry::Never,
                eviction: Eviction::Never,
                value_size: 0,
                key_size: 8,
            };
            let layout = Layout::new(geometry, u64::KIND, 1).unwrap();
            assert!(layout.slot_mask as usize > capacity && layout.slot_mask.leading_zeros() >= 3);
            for hash in [0, u64::MAX, 0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210] {
                let print = fingerprint(&layout, hash);
                for slot in [0, capacity / 2, capacity - 1] {
                    assert_eq!(slot_of(&layout, entry(&layout, hash, slot), print), Some(slot));
                    assert!(entry(&layout, hash, slot) >= FIRST_ENTRY);
                    // Every bit of the fingerprint counts.
                    let other = hash ^ 1 << 63;
                    assert_eq!(slot_of(&layout, entry(&layout, other, slot), print), None);
                }
                let beyond = print | (capacity as u32 + FIRST_ENTRY);
                assert_eq!(slot_of(&layout, beyond, print), None);
                assert_eq!(slot_of(&layout, EMPTY, print), None);
                assert_eq!(slot_of(&layout, TOMBSTONE, print), None);
            }
        }
    }
}
