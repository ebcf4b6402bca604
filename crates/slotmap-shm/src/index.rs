//! The index: open addressing with linear probing over places of 32 bits, two in each
//! atomic word. It is derived from the slots and can be rebuilt from them at any time.
//!
//! | place | meaning |
//! |---|---|
//! | 0 | empty: a probe ends here |
//! | 1 | tombstone: a probe goes on |
//! | `fingerprint \| slot + 2` | an entry; the fingerprint is what the slot leaves of the high half of the key's hash |
//!
//! Places of half a word, because the index of a large table is no longer in the cache, and the smaller
//! it is, the more of it is: `docs/benchmarks.md`. Only the holder of the lock stores, so it can store the word
//! with one half as it was.
//!
//! # Why readers need no lock
//! While a key is present, no place between its home and its entry is empty: an
//! entry is stored before its slot is committed and cleared after the removal is
//! committed; a tombstone becomes empty only when the place after it is empty, so
//! no entry's probe leads over it. A reader therefore finds every key that is
//! present during the whole of its search, and a slot it is led to in error is
//! recognised by its key. While the index is being rebuilt the epoch is odd, and
//! readers scan the slots instead: also when the rebuilder died.

use rapidhash::v3::rapidhash_v3_nano_inline;
use shm_core::{Ordering, ReadWords, Words, fence};

use crate::crowded::{self, CheckRoom, Steps};
use crate::key::{KeyRoom, NO_KEY};
use crate::layout::{EPOCH, Layout, USED};
use crate::slot::{self, SlotMut};

pub(crate) const EMPTY: u32 = 0;
pub(crate) const TOMBSTONE: u32 = 1;
pub(crate) const FIRST_ENTRY: u32 = 2;

/// Hash of a key's words under the table's secrets, which are drawn at creation, so
/// that colliding keys cannot be made without reading the segment.
///
/// Part of the format: all processes must agree, whatever they were built with.
///
/// - One word (an integer): two folded multiplications by a secret, `hi ^ lo` of the 128-bit
///   product, each of a value masked by another secret, as in wyhash; half of
///   the instructions of the general function. One multiplication is not enough: under one
///   seed in 400, keys that differ in their high bits only then share a run.
/// - More words: rapidhash v3 (nano), whose output is stable by its specification.
#[inline(always)]
pub(crate) fn hash(layout: &Layout, key: &[u64]) -> u64 {
    match key {
        [only] => {
            let [mask, factor, second_mask] = layout.integer_secrets;
            fold(fold(only ^ mask, factor) ^ second_mask, factor)
        }
        _ => rapidhash_v3_nano_inline::<true, true>(bytemuck::cast_slice(key), &layout.secrets),
    }
}

/// The two halves of the product, combined.
#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

/// The places, as readers see them.
#[derive(Clone, Copy)]
struct Places<'a>(ReadWords<'a>);

impl<'a> Places<'a> {
    #[inline(always)]
    fn new(words: ReadWords<'a>, layout: &Layout) -> Self {
        Self(words.slice(layout.index, layout.index_words()))
    }

    /// Relaxed: what an entry leads to is validated by the slot's version.
    #[inline(always)]
    fn load(self, place: usize) -> u32 {
        (self.0.load(place / 2, Ordering::Relaxed) >> shift(place)) as u32
    }
}

/// The places, as the holder of the lock sees them.
#[derive(Clone, Copy)]
pub(crate) struct PlacesMut<'a>(Words<'a>);

impl<'a> PlacesMut<'a> {
    #[inline(always)]
    pub(crate) fn new(words: Words<'a>, layout: &Layout) -> Self {
        Self(words.slice(layout.index, layout.index_words()))
    }

    #[inline(always)]
    pub(crate) fn load(self, place: usize) -> u32 {
        (self.0.load(place / 2, Ordering::Relaxed) >> shift(place)) as u32
    }

    /// Release, always: a reader of several keys that misses one because its place was cleared sees the
    /// commit that came before, also when the word was stored to again for the sake of the other half.
    #[inline(always)]
    pub(crate) fn store(self, place: usize, entry: u32) {
        let others = self.0.load(place / 2, Ordering::Relaxed) & !(0xFFFF_FFFF << shift(place));
        self.0.store(place / 2, others | u64::from(entry) << shift(place), Ordering::Release);
    }
}

/// Where in its word a place is: the lower half first.
#[inline(always)]
fn shift(place: usize) -> u32 {
    (place as u32 & 1) * 32
}

/// The fingerprint of a hash: its high half, without the bits that number slots.
#[inline(always)]
fn fingerprint(layout: &Layout, hash: u64) -> u32 {
    (hash >> 32) as u32 & !layout.slot_mask
}

#[inline]
pub(crate) fn entry(layout: &Layout, hash: u64, slot: usize) -> u32 {
    fingerprint(layout, hash) | (slot as u32 + FIRST_ENTRY)
}

/// The slot of an entry of this fingerprint. Empty places and
/// tombstones lead to numbers that no slot has.
#[inline(always)]
fn slot_of(layout: &Layout, entry: u32, fingerprint: u32) -> Option<usize> {
    let slot = (entry ^ fingerprint).wrapping_sub(FIRST_ENTRY) as usize;
    (slot < layout.geometry.capacity).then_some(slot)
}

/// A reader's probe: an iterator over the slots that may hold a key.
pub(crate) struct Probe<'a> {
    words: ReadWords<'a>,
    places: Places<'a>,
    layout: &'a Layout,
    fingerprint: u32,
    epoch: u64,
    place: usize,
    left: usize,
}

impl<'a> Probe<'a> {
    /// Begins; `None` while the index is being rebuilt.
    #[inline(always)]
    pub(crate) fn new(words: ReadWords<'a>, layout: &'a Layout, hash: u64) -> Option<Self> {
        // Acquire: pairs with the Release store that ends a rebuild.
        let epoch = words.load(EPOCH, Ordering::Acquire);
        if epoch & 1 != 0 {
            return None;
        }
        let (place, left) = (hash as usize & layout.index_mask, layout.index_len());
        let places = Places::new(words, layout);
        let fingerprint = fingerprint(layout, hash);
        Some(Self { words, places, layout, fingerprint, epoch, place, left })
    }

    /// After the last candidate: true when the key is absent; false when the index
    /// was rebuilt meanwhile or is damaged, which proves nothing.
    #[inline(always)]
    pub(crate) fn proves_absence(&self) -> bool {
        // Acquire: pairs with the Release fence that begins a rebuild: if a load of
        // the probe saw a word of a rebuild, the load below sees its epoch.
        fence(Ordering::Acquire);
        self.words.load(EPOCH, Ordering::Relaxed) == self.epoch
            && self.epoch != self.layout.distrusted
    }
}

impl Iterator for Probe<'_> {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        while self.left > 0 {
            let entry = self.places.load(self.place);
            if entry == EMPTY {
                return None;
            }
            self.left -= 1;
            self.place = (self.place + 1) & self.layout.index_mask;
            let slot = slot_of(self.layout, entry, self.fingerprint);
            if slot.is_some() {
                return slot;
            }
        }
        None
    }
}

/// Where the holder of the lock found a key, or where it would go.
pub(crate) enum Located {
    /// In this slot, by the entry at this place.
    Found { slot: usize, place: usize },
    /// Nowhere; the first place that may take an entry, and whether it is empty
    /// (or else a tombstone). No place at all only in damaged memory.
    Absent { place: Option<usize>, empty: bool },
}

/// The writer's search. Sees what the transaction in flight has staged.
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

/// Stores an entry at a place that [`locate`] named. Its slot is not committed
/// yet, so readers that see the entry find nothing there.
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

/// Makes a place again what it was before [`insert`]. Entries that were inserted after it
/// are gone, so no present key's probe leads over it.
pub(crate) fn undo_insert(words: Words<'_>, layout: &Layout, place: usize, empty: bool) {
    let before = if empty { EMPTY } else { TOMBSTONE };
    PlacesMut::new(words, layout).store(place, before);
    if empty {
        let used = words.load(USED, Ordering::Relaxed);
        words.store(USED, used.wrapping_sub(1), Ordering::Relaxed);
    }
}

/// True when an entry may still go to an empty place.
#[inline]
pub(crate) fn has_room(words: Words<'_>, layout: &Layout) -> bool {
    words.load(USED, Ordering::Relaxed) < layout.index_limit() as u64
}

/// Clears the entry of a removed key. Leaves a tombstone only where a probe may
/// lead on, and clears the tombstones before it where it may not.
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

/// Builds the index anew from the slots, those staged included. A second slot
/// with the key of an earlier one is handed to `duplicate` and left out; returns
/// the number of entries. The caller derives the free stack, which may be lost.
///
/// O(capacity) for keys that nobody chose, and O(capacity × log capacity) for any.
///
/// Readers scan the slots meanwhile, and also ever after if this is cut short, until
/// the next owner of the lock rebuilds again.
pub(crate) fn rebuild(
    words: Words<'_>,
    layout: &Layout,
    duplicate: &mut dyn FnMut(SlotMut<'_>),
    steps: &mut Steps,
) -> usize {
    let odd = words.load(EPOCH, Ordering::Relaxed) | 1;
    words.store(EPOCH, odd, Ordering::Relaxed);
    // Release: pairs with the Acquire fence in `Probe::proves_absence`.
    fence(Ordering::Release);
    let clear = || {
        for at in 0..layout.index_words() {
            words.store(layout.index + at, 0, Ordering::Relaxed);
        }
    };
    let belongs = |slot: SlotMut<'_>| slot.will_be_live() || slot::is_live(slot.version());
    clear();
    let entries = fill(words, layout, belongs, duplicate, steps).unwrap_or_else(|| {
        clear();
        crowded::build(words, layout, belongs, duplicate, steps)
    });
    words.store(USED, entries as u64, Ordering::Relaxed);
    // Release: pairs with the Acquire load in `Probe::new`.
    words.store(EPOCH, odd.wrapping_add(1), Ordering::Release);
    entries
}

/// Fills an empty index by probing; `None` when that takes too long.
fn fill(
    words: Words<'_>,
    layout: &Layout,
    belongs: impl Fn(SlotMut<'_>) -> bool,
    duplicate: &mut dyn FnMut(SlotMut<'_>),
    steps: &mut Steps,
) -> Option<usize> {
    let places = PlacesMut::new(words, layout);
    let mut entries = 0;
    let mut room = NO_KEY;
    for slot in 0..layout.geometry.capacity {
        let this = SlotMut::new(words, layout, slot);
        if !belongs(this) {
            continue;
        }
        let key = key_words(this.key(), &mut room);
        let hash = hash(layout, key);
        match locate_counted(words, layout, hash, key, steps)? {
            Located::Absent { place: Some(place), .. } => {
                places.store(place, entry(layout, hash, slot));
                entries += 1;
            }
            Located::Absent { place: None, .. } | Located::Found { .. } => duplicate(this),
        }
    }
    Some(entries)
}

/// As [`locate`], but gives up when all probes together took too long.
fn locate_counted(
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

/// True when a reader's probe for `hash` leads to `slot`; `None` when all probes together took
/// too long.
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

/// How many places hold an entry, and how many are in use. A damaged index may say anything.
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

/// How many entries lead to a slot that `is` names.
pub(crate) fn entries_to(words: Words<'_>, layout: &Layout, is: impl Fn(usize) -> bool) -> usize {
    let places = PlacesMut::new(words, layout);
    let leads = |place: usize| {
        let slot = (places.load(place) & layout.slot_mask).wrapping_sub(FIRST_ENTRY) as usize;
        slot < layout.geometry.capacity && is(slot)
    };
    (0..layout.index_len()).filter(|&place| places.load(place) > TOMBSTONE && leads(place)).count()
}

/// The words of a slot's key: one for an integer; for bytes, the length and as
/// many words as it takes (clamped: the memory may be damaged).
#[inline]
pub(crate) fn key_words<'b>(key: ReadWords<'_>, room: &'b mut KeyRoom) -> &'b [u64] {
    for (to, word) in room.iter_mut().zip(key.iter_relaxed()) {
        *to = word;
    }
    let all = room.get(..key.len()).unwrap_or_default();
    let [len, _, ..] = all else {
        return all;
    };
    let used = usize::try_from(*len).unwrap_or(usize::MAX).div_ceil(8).saturating_add(1);
    all.get(..used).unwrap_or(all)
}

/// Checks that the index and the slots agree: for tests and for `verify`.
/// Only for the holder of the lock.
pub(crate) fn check(
    words: Words<'_>,
    layout: &Layout,
    check_room: &mut CheckRoom,
    steps: &mut Steps,
) -> Result<usize, (&'static str, usize)> {
    if words.load(EPOCH, Ordering::Relaxed) & 1 != 0 {
        return Err(("epoch of an unfinished rebuild", EPOCH));
    }
    let is_live = |slot: SlotMut<'_>| slot::is_live(slot.version());
    let mut room = NO_KEY;
    let mut crowded = false;
    let mut live = 0;
    for slot in 0..layout.geometry.capacity {
        let this = SlotMut::new(words, layout, slot);
        if !is_live(this) {
            continue;
        }
        live += 1;
        if crowded {
            continue;
        }
        let key = key_words(this.key(), &mut room);
        let mut unlimited = Steps::default();
        let counted = if check_room.can_sort(layout) { &mut *steps } else { &mut unlimited };
        match locate_counted(words, layout, hash(layout, key), key, counted) {
            Some(Located::Found { slot: found, .. }) if found == slot => {}
            Some(Located::Found { .. }) => return Err(("two slots with one key", slot)),
            Some(Located::Absent { .. }) => {
                return Err(("slot that the index does not know", slot));
            }
            None => crowded = true,
        }
    }
    if crowded {
        crowded::check(words, layout, check_room, is_live, steps)?;
    }
    let (entries, in_use) = count(words.as_read(), layout);
    if entries != live {
        return Err(("number of index entries", entries));
    }
    if words.load(USED, Ordering::Relaxed) != in_use as u64 {
        return Err(("number of index places in use", in_use));
    }
    Ok(live)
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::geometry::Geometry;
    use crate::key::TypedKey;
    use shm_core::Word;

    #[test]
    fn the_two_places_of_a_word_leave_each_other_alone() {
        let geometry = Geometry { capacity: 1, value_size: 0, key_size: 8 };
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
        let around = words.iter().enumerate().filter(|(at, _)| !(24..34).contains(at));
        assert!(around.into_iter().all(|(_, word)| word.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn an_entry_leads_to_its_slot_and_nothing_else_leads_to_one() {
        for capacity in [1, 2, 1022, 1023, 1024, 1 << 20, Geometry::MAX_CAPACITY] {
            let geometry = Geometry { capacity, value_size: 0, key_size: 8 };
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

    /// The longest run of words in use when all these keys have entries.
    fn longest_run(layout: &Layout, keys: &[u64]) -> usize {
        let mut used = vec![false; layout.index_len()];
        for key in keys {
            let mut place = hash(layout, &[*key]) as usize & layout.index_mask;
            while used[place] {
                place = (place + 1) & layout.index_mask;
            }
            used[place] = true;
        }
        let twice = used.iter().chain(&used);
        let run = |run: usize, &used: &bool| if used { run + 1 } else { 0 };
        twice
            .scan(0, |length, used| Some(std::mem::replace(length, run(*length, used))))
            .max()
            .unwrap()
    }

    #[test]
    fn no_seed_is_bad_for_keys_of_a_pattern() {
        const KEYS: u64 = 1024;
        let mut families: Vec<Vec<u64>> = vec![
            (0..KEYS).map(u64::reverse_bits).collect(),
            (0..KEYS).map(|k| k.wrapping_neg()).collect(),
            (0..KEYS).map(|k| k * k).collect(),
        ];
        families.extend([0, 1, 8, 16, 32, 40, 48, 54].map(|k| (0..KEYS).map(|m| m << k).collect()));
        let geometry = Geometry { capacity: KEYS as usize, value_size: 0, key_size: 8 };
        for seed in 0..400 {
            let layout = Layout::new(geometry, u64::KIND, seed * 0x9E37_79B9).unwrap();
            for keys in &families {
                let run = longest_run(&layout, keys);
                assert!(run < 64, "seed {seed}: a run of {run} for {:x} …", keys[1]);
            }
        }
    }
}
