//! Searching the index (readers without the lock, writers with it), and changing one entry at a
//! time.

use shm_core::{Ordering, ReadWords, Words, fence};

use super::places::{
    EMPTY, FIRST_ENTRY, Places, PlacesMut, TOMBSTONE, entry, fingerprint, slot_of,
};
use super::steps::Steps;
use crate::layout::{EPOCH, Layout, USED};
use crate::protocol::slot_mut::SlotMut;

/// A reader's probe: a walk along the places where the entry of a key may be.
pub(crate) struct Probe<'a> {
    words: ReadWords<'a>,
    places: Places<'a>,
    layout: &'a Layout,
    fingerprint: u32,
    epoch: u64,
    hash: u64,
    place: usize,
}

impl<'a> Probe<'a> {
    /// Begins a probe. Returns `None` while the index is being rebuilt, and once the table has
    /// grown beyond this level.
    #[inline(always)]
    pub(crate) fn new(words: ReadWords<'a>, layout: &'a Layout, hash: u64) -> Option<Self> {
        // Acquire: pairs with the Release store that ends a rebuild.
        let epoch = words.load(EPOCH, Ordering::Acquire);
        if !layout.is_searchable(epoch) {
            return None;
        }
        let places = Places::new(words, layout);
        let fingerprint = fingerprint(layout, hash);
        let place = hash as usize & layout.index_mask;
        Some(Self { words, places, layout, fingerprint, epoch, hash, place })
    }

    /// Loads the entry at the place that the probe has reached.
    #[inline(always)]
    pub(crate) fn entry(&self) -> u32 {
        self.places.load(self.place)
    }

    /// Returns the slot to which an entry leads, if it may be that of the key.
    #[inline(always)]
    pub(crate) fn slot_of(&self, entry: u32) -> Option<usize> {
        slot_of(self.layout, entry, self.fingerprint)
    }

    /// True if a place with this entry ends the probe.
    #[inline(always)]
    pub(crate) fn ends_at(&self, entry: u32) -> bool {
        entry == EMPTY
    }

    /// Goes on from the place with this entry, which did not lead to the key. Returns false if the
    /// key is at no later place either.
    #[inline(always)]
    pub(crate) fn step(&mut self, entry: u32) -> bool {
        self.place = (self.place + 1) & self.layout.index_mask;
        // Only in a damaged index, no place is empty.
        !self.ends_at(entry) && self.place != self.hash as usize & self.layout.index_mask
    }

    /// Called after the last candidate. Returns true if the probe proves that the key is absent.
    /// Returns false if it proves nothing, because the index was rebuilt meanwhile or is damaged.
    #[inline(always)]
    pub(crate) fn proves_absence(&self) -> bool {
        // Acquire: pairs with the Release fence that begins a rebuild: if a load of
        // the probe saw a word of a rebuild, the load below sees its epoch.
        fence(Ordering::Acquire);
        self.words.load(EPOCH, Ordering::Relaxed) == self.epoch
            && self.epoch != self.layout.distrusted
    }
}

/// Where the holder of the lock found a key, or where it would go.
pub(crate) enum Located {
    /// The key is in slot `slot`, and its index entry is at `place`.
    Found { slot: usize, place: usize },
    /// The key is absent. `place` is the first place that may take an entry, and `empty` says
    /// whether that place is empty or a tombstone. `place` is `None` only if memory is damaged.
    Absent { place: Option<usize>, empty: bool },
}

/// Searches as a writer. The search includes what the transaction in flight has staged.
#[inline(always)]
pub(crate) fn locate(words: Words<'_>, layout: &Layout, hash: u64, key: &[u64]) -> Located {
    let places = PlacesMut::new(words, layout);
    let fingerprint = fingerprint(layout, hash);
    let mut free = None;
    let mut place = hash as usize & layout.index_mask;
    for _ in 0..layout.index_len() {
        let entry = places.load(place);
        if entry == EMPTY {
            let empty = free.is_none();
            return Located::Absent { place: free.or(Some(place)), empty };
        }
        if entry == TOMBSTONE {
            free = free.or(Some(place));
        } else if let Some(slot) = slot_of(layout, entry, fingerprint) {
            let found = SlotMut::new(words, layout, slot);
            if found.will_be_live() && found.key_is(key) {
                return Located::Found { slot, place };
            }
        }
        place = (place + 1) & layout.index_mask;
    }
    Located::Absent { place: free, empty: false }
}

/// Stores an entry at a place that [`locate`] returned. Its slot is not committed yet, so readers
/// that follow the entry find nothing there.
#[inline]
pub(crate) fn insert(
    words: Words<'_>,
    layout: &Layout,
    hash: u64,
    slot: usize,
    place: usize,
    empty: bool,
) {
    PlacesMut::new(words, layout).store(place, entry(layout, hash, slot));
    if empty {
        let used = words.load(USED, Ordering::Relaxed);
        words.store(USED, used.wrapping_add(1), Ordering::Relaxed);
    }
}

/// Restores a place to what it was before [`insert`]. Entries that were inserted later are already
/// gone, so the probe of a present key does not pass over the place.
pub(crate) fn undo_insert(words: Words<'_>, layout: &Layout, place: usize, empty: bool) {
    let before = if empty { EMPTY } else { TOMBSTONE };
    PlacesMut::new(words, layout).store(place, before);
    if empty {
        let used = words.load(USED, Ordering::Relaxed);
        words.store(USED, used.wrapping_sub(1), Ordering::Relaxed);
    }
}

/// True if an entry may still be stored at an empty place.
#[inline]
pub(crate) fn has_room(words: Words<'_>, layout: &Layout) -> bool {
    words.load(USED, Ordering::Relaxed) < layout.index_limit() as u64
}

/// Clears the entry of a removed key. If a probe may pass over the place, leaves a tombstone.
/// Otherwise, empties the place and the tombstones before it.
#[inline]
pub(crate) fn delete(words: Words<'_>, layout: &Layout, place: usize) {
    let places = PlacesMut::new(words, layout);
    let after = (place + 1) & layout.index_mask;
    if places.load(after) != EMPTY {
        places.store(place, TOMBSTONE);
        return;
    }
    let mut cleared = 0;
    let mut at = place;
    loop {
        places.store(at, EMPTY);
        cleared += 1;
        at = at.wrapping_sub(1) & layout.index_mask;
        if places.load(at) != TOMBSTONE || cleared == layout.index_len() as u64 {
            break;
        }
    }
    let used = words.load(USED, Ordering::Relaxed);
    words.store(USED, used.wrapping_sub(cleared), Ordering::Relaxed);
}

/// Like [`locate`], but gives up if all probes together have taken too many steps.
pub(super) fn locate_counted(
    words: Words<'_>,
    layout: &Layout,
    hash: u64,
    key: &[u64],
    steps: &mut Steps,
) -> Option<Located> {
    let places = PlacesMut::new(words, layout);
    let home = hash as usize & layout.index_mask;
    for nth in 0..layout.index_len() {
        steps.count();
        let place = (home + nth) & layout.index_mask;
        let found = places.load(place);
        if found == EMPTY {
            return Some(Located::Absent { place: Some(place), empty: true });
        }
        if let Some(slot) = slot_of(layout, found, fingerprint(layout, hash)) {
            let this = SlotMut::new(words, layout, slot);
            if this.will_be_live() && this.key_is(key) {
                return Some(Located::Found { slot, place });
            }
        }
        if steps.are_too_many(layout) {
            return None;
        }
    }
    Some(Located::Absent { place: None, empty: false })
}

/// True if a reader's probe for `hash` leads to `slot`. Returns `None` if all probes together have
/// taken too many steps.
pub(crate) fn leads_to(
    words: ReadWords<'_>,
    layout: &Layout,
    hash: u64,
    slot: usize,
    steps: &mut Steps,
) -> Option<bool> {
    let places = Places::new(words, layout);
    for nth in 0..layout.index_len() {
        steps.count();
        let found = places.load((hash as usize + nth) & layout.index_mask);
        if found == EMPTY {
            return Some(false);
        }
        if slot_of(layout, found, fingerprint(layout, hash)) == Some(slot) {
            return Some(true);
        }
        if steps.are_too_many(layout) {
            return None;
        }
    }
    Some(false)
}

/// Returns how many places hold an entry, and how many are in use. If the index is damaged, both
/// numbers may be anything.
pub(crate) fn count(words: ReadWords<'_>, layout: &Layout) -> (usize, usize) {
    let places = Places::new(words, layout);
    let (mut entries, mut used) = (0, 0);
    for place in 0..layout.index_len() {
        let found = places.load(place);
        entries += usize::from(found > TOMBSTONE);
        used += usize::from(found != EMPTY);
    }
    (entries, used)
}

/// Returns how many entries lead to a slot that `is` accepts.
pub(crate) fn entries_to(words: Words<'_>, layout: &Layout, is: impl Fn(usize) -> bool) -> usize {
    let places = PlacesMut::new(words, layout);
    let leads = |place: usize| {
        let slot = (places.load(place) & layout.slot_mask).wrapping_sub(FIRST_ENTRY) as usize;
        slot < layout.capacity && is(slot)
    };
    (0..layout.index_len()).filter(|&place| places.load(place) > TOMBSTONE && leads(place)).count()
}
