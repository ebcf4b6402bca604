//! Building and checking an index whose keys crowd one run, by sorting instead of probing.
//!
//! A process that can read a table can choose keys that all fall into one run of the index. Each
//! probe is then as long as the run, and probing for all keys takes quadratic time. So [`Steps`]
//! are counted. If there are more steps than keys take that were not chosen in this way, the keys
//! are sorted by their homes instead, which is O(n log n) for any keys.

use std::cmp::Ordering as Order;

use shm_core::{Ordering, Words};

use super::hash::hash;
use super::places::{EMPTY, FIRST_ENTRY, PlacesMut, TOMBSTONE, entry};
use super::steps::Steps;
use crate::key::NO_KEY;
use crate::layout::Layout;
use crate::protocol::slot_mut::SlotMut;
use crate::protocol::stored_key::key_words;

/// Packs a slot and the home of its key into one word. Sorting such words sorts them by home.
fn packed(home: usize, slot: usize) -> u64 {
    (home as u64) << 32 | slot as u64
}

/// Unpacks the slot, clamped to the table, because another process may store anything meanwhile.
fn slot_of(layout: &Layout, packed: u64) -> usize {
    (packed as u32 as usize).min(layout.capacity - 1)
}

fn home_of(layout: &Layout, packed: u64) -> usize {
    (packed >> 32) as usize & layout.index_mask
}

/// Compares two packed words by home, then by key, then by slot, so that equal keys become
/// neighbours.
fn order(words: Words<'_>, layout: &Layout, a: u64, b: u64) -> Order {
    let keys = || {
        let (mut left, mut right) = (NO_KEY, NO_KEY);
        let key = |packed| SlotMut::new(words, layout, slot_of(layout, packed)).key();
        let left = key_words(key(a), &mut left);
        left.cmp(key_words(key(b), &mut right))
    };
    home_of(layout, a).cmp(&home_of(layout, b)).then_with(keys).then(a.cmp(&b))
}

fn same_key(words: Words<'_>, layout: &Layout, a: u64, b: u64) -> bool {
    let (mut left, mut right) = (NO_KEY, NO_KEY);
    let key = |packed| SlotMut::new(words, layout, slot_of(layout, packed)).key();
    key_words(key(a), &mut left) == key_words(key(b), &mut right)
}

fn home(words: Words<'_>, layout: &Layout, slot: usize) -> (usize, u64) {
    let mut room = NO_KEY;
    let key = key_words(SlotMut::new(words, layout, slot).key(), &mut room);
    let hash = hash(layout, key);
    (hash as usize & layout.index_mask, hash)
}

/// Fills an empty index with the entries of the slots that `belongs` selects. Passes the second of
/// two slots with the same key to `duplicate`. Returns the number of entries.
///
/// Sorts in the memory of the free stack, which has a word for each slot, so nothing is allocated.
/// The caller must derive the free stack again.
pub(crate) fn build(
    words: Words<'_>,
    layout: &Layout,
    belongs: impl Fn(SlotMut<'_>) -> bool,
    duplicate: &mut dyn FnMut(SlotMut<'_>),
    steps: &mut Steps,
) -> usize {
    let list = words.slice(layout.free_at(0), layout.capacity);
    let get = |at: usize| list.load(at, Ordering::Relaxed);
    let set = |at: usize, packed: u64| list.store(at, packed, Ordering::Relaxed);
    let mut len = 0;
    for slot in 0..layout.capacity {
        if belongs(SlotMut::new(words, layout, slot)) {
            set(len, packed(home(words, layout, slot).0, slot));
            len += 1;
        }
    }
    heap_sort(len, &get, &set, &mut |a, b| {
        steps.count();
        order(words, layout, a, b) == Order::Less
    });
    // Of equal keys, the slot with the lowest number is kept.
    let mut kept = 0;
    for at in 0..len {
        let this = get(at);
        if kept > 0 && same_key(words, layout, get(kept - 1), this) {
            duplicate(SlotMut::new(words, layout, slot_of(layout, this)));
        } else {
            set(kept, this);
            kept += 1;
        }
    }
    place(words, layout, kept, &get, steps);
    kept
}

/// Stores the entries of a list, which is in the order of their homes. Each entry goes to the first
/// free place at or after its home.
fn place(
    words: Words<'_>,
    layout: &Layout,
    len: usize,
    get: &impl Fn(usize) -> u64,
    steps: &mut Steps,
) {
    // The number of entries that do not fit before the end. They go to the beginning, before those
    // whose home is there. That does not push further entries over the end, because there is a gap,
    // and nothing moves after it.
    let mut next = 0;
    for at in 0..len {
        next = next.max(home_of(layout, get(at))) + 1;
    }
    let wrapped = next.saturating_sub(layout.index_len()).min(len);
    let places = PlacesMut::new(words, layout);
    let mut next = wrapped;
    let mut store = |at: usize, place: usize| {
        steps.count();
        let slot = slot_of(layout, get(at));
        let (_, hash) = home(words, layout, slot);
        places.store(place & layout.index_mask, entry(layout, hash, slot));
    };
    for at in 0..len - wrapped {
        next = next.max(home_of(layout, get(at)));
        store(at, next);
        next += 1;
    }
    for nth in 0..wrapped {
        store(len - wrapped + nth, nth);
    }
}

/// Sorts `len` words in place. The words are read and stored one by one.
fn heap_sort(
    len: usize,
    get: &impl Fn(usize) -> u64,
    set: &impl Fn(usize, u64),
    less: &mut impl FnMut(u64, u64) -> bool,
) {
    let mut sift = |mut at: usize, end: usize| {
        let this = get(at);
        loop {
            let mut child = 2 * at + 1;
            if child >= end {
                break;
            }
            if child + 1 < end && less(get(child), get(child + 1)) {
                child += 1;
            }
            if !less(this, get(child)) {
                break;
            }
            set(at, get(child));
            at = child;
        }
        set(at, this);
    };
    for at in (0..len / 2).rev() {
        sift(at, len);
    }
    for end in (1..len).rev() {
        let (first, last) = (get(0), get(end));
        set(0, last);
        set(end, first);
        sift(0, end);
    }
}

/// Private memory for [`check`], allocated before the lock is taken.
pub(crate) struct CheckRoom {
    /// One bit for each slot, which is set once the slot was recorded.
    seen: Vec<u64>,
    /// Capacity for one word for each slot, or empty if that memory could not be allocated.
    order: Vec<u64>,
}

impl CheckRoom {
    pub(crate) fn new(layout: &Layout) -> Self {
        // More than now, because the table may grow before this memory is used.
        let capacity = layout.max_capacity();
        let mut order = Vec::new();
        // Without it the check is slow for keys that crowd a run, but still right.
        let _ = order.try_reserve_exact(capacity);
        Self { seen: vec![0; capacity.div_ceil(64)], order }
    }

    pub(crate) fn can_sort(&self, layout: &Layout) -> bool {
        self.order.capacity() >= layout.capacity
    }

    pub(crate) fn forget(&mut self) {
        self.seen.fill(0);
    }

    /// Records a slot. Returns false if the slot was recorded before or does not exist.
    pub(crate) fn note(&mut self, slot: usize) -> bool {
        let Some(word) = self.seen.get_mut(slot / 64) else { return false };
        let bit = 1 << (slot % 64);
        *word & bit == 0 && {
            *word |= bit;
            true
        }
    }

    fn has(&self, slot: usize) -> bool {
        self.seen.get(slot / 64).is_some_and(|word| word & 1 << (slot % 64) != 0)
    }
}

/// Checks that every live slot can be found by its key, and that no two slots have the same key.
pub(crate) fn check(
    words: Words<'_>,
    layout: &Layout,
    room: &mut CheckRoom,
    is_live: impl Fn(SlotMut<'_>) -> bool,
    steps: &mut Steps,
) -> Result<(), (&'static str, usize)> {
    let live = |slot: usize| is_live(SlotMut::new(words, layout, slot));
    room.order.clear();
    for slot in (0..layout.capacity).filter(|&slot| live(slot)) {
        room.order.push(packed(home(words, layout, slot).0, slot));
    }
    room.order.sort_unstable_by(|&a, &b| {
        steps.count();
        order(words, layout, a, b)
    });
    for pair in room.order.windows(2) {
        if let &[a, b] = pair
            && same_key(words, layout, a, b)
        {
            return Err(("two slots with one key", slot_of(layout, b)));
        }
    }
    room.forget();
    let places = PlacesMut::new(words, layout);
    // Where a run begins: after an empty place, if there is one.
    let all = 0..layout.index_len();
    let begin = all.clone().find(|&place| places.load(place) == EMPTY).unwrap_or(0);
    let mut run = begin;
    for place in all.map(|n| (begin + n) & layout.index_mask) {
        steps.count();
        let found = places.load(place);
        if found == EMPTY {
            run = (place + 1) & layout.index_mask;
            continue;
        }
        let slot = (found & layout.slot_mask).wrapping_sub(FIRST_ENTRY) as usize;
        if found == TOMBSTONE || slot >= layout.capacity || !live(slot) {
            continue; // Entries that lead nowhere show in the number of entries.
        }
        let (home, hash) = home(words, layout, slot);
        let distance = |from: usize| place.wrapping_sub(from) & layout.index_mask;
        if found == entry(layout, hash, slot) && distance(home) <= distance(run) {
            room.note(slot);
        }
    }
    let unknown = (0..layout.capacity).find(|&slot| live(slot) && !room.has(slot));
    unknown.map_or(Ok(()), |slot| Err(("slot that the index does not know", slot)))
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::geometry::{Eviction, Expiry, Geometry};
    use crate::key::TypedKey;
    use crate::protocol::{index, recover, version};
    use shm_core::Word;

    struct Model {
        layout: Layout,
        words: Vec<Word>,
    }

    impl Model {
        /// Creates live slots with these keys. Index, free stack and counts do not exist yet.
        fn new(capacity: usize, keys: &[u64]) -> Self {
            let geometry = Geometry {
                capacity,
                max_capacity: None,
                expiry: Expiry::Never,
                eviction: Eviction::Never,
                value_size: 0,
                key_size: 8,
            };
            let layout = Layout::new(geometry, u64::KIND, 7).unwrap();
            let words = (0..layout.total_words).map(|_| Word::new(0)).collect();
            let model = Self { layout, words };
            recover::initialise(model.words(), &model.layout);
            for (slot, key) in keys.iter().enumerate() {
                let slot = model.slot(slot);
                slot.put_key(&[*key]);
                slot.stage(true, None, &|_| false).unwrap();
                slot.flip();
            }
            model
        }

        fn words(&self) -> Words<'_> {
            Words::new(&self.words)
        }

        fn slot(&self, slot: usize) -> SlotMut<'_> {
            SlotMut::new(self.words(), &self.layout, slot)
        }

        fn check(&self) -> Result<(), (&'static str, usize)> {
            recover::check(
                self.words(),
                &self.layout,
                &|_| false,
                &mut CheckRoom::new(&self.layout),
            )
        }

        /// Runs the check by sorting, whatever the keys are.
        fn check_sorted(&self) -> Result<(), (&'static str, usize)> {
            let (mut room, mut steps) = (CheckRoom::new(&self.layout), Steps::default());
            let is_live = |slot: SlotMut<'_>| version::is_live(slot.version());
            check(self.words(), &self.layout, &mut room, is_live, &mut steps)
        }

        /// Returns the number of steps that it takes to probe for each key in the index as it is.
        fn probes(&self, keys: usize) -> u64 {
            let steps = (0..keys).map(|slot| {
                let (mut one, (_, hash)) =
                    (Steps::default(), home(self.words(), &self.layout, slot));
                let words = self.words().as_read();
                index::leads_to(words, &self.layout, hash, slot, &mut one);
                one.get()
            });
            steps.sum()
        }
    }

    /// Finds keys whose homes are all in this part of the index.
    fn keys_at(layout: &Layout, homes: std::ops::Range<usize>, count: usize) -> Vec<u64> {
        let home = |key: &u64| hash(layout, &[*key]) as usize & layout.index_mask;
        (0..).filter(|key| homes.contains(&home(key))).take(count).collect()
    }

    #[test]
    fn keys_made_for_one_run_are_indexed_and_checked_in_few_steps() {
        const CAPACITY: usize = 1 << 17;
        const KEYS: usize = 117_964;
        let layout = Model::new(CAPACITY, &[]).layout;
        let part = layout.index_len() / 16;
        for homes in [0..part, layout.index_len() - part..layout.index_len()] {
            let model = Model::new(CAPACITY, &keys_at(&layout, homes, KEYS));
            let mut steps = Steps::default();
            let none = &mut |_: SlotMut<'_>| panic!("no two keys are equal");
            assert_eq!(index::rebuild(model.words(), &layout, none, &mut steps), KEYS);
            let few = 64 * CAPACITY as u64;
            assert!(steps.get() < few, "{} steps to build", steps.get());

            let (mut room, mut steps) = (CheckRoom::new(&layout), Steps::default());
            assert_eq!(index::check(model.words(), &layout, &mut room, &mut steps), Ok(KEYS));
            assert!(steps.get() < few, "{} steps to check", steps.get());
            recover::repair(model.words(), &layout, &|_| false);
            assert_eq!(model.check(), Ok(()));

            // Control: by probing, the same index takes hundreds of times as many steps. Some of
            // the keys are enough to show it.
            let probes = model.probes(KEYS / 64) * 64;
            assert!(probes > 100 * few, "{probes} probes");
        }
    }

    #[test]
    fn keys_that_nobody_chose_are_not_sorted() {
        const CAPACITY: usize = 1 << 17;
        let keys: Vec<u64> = (0..CAPACITY as u64).collect();
        let model = Model::new(CAPACITY, &keys);
        let mut steps = Steps::default();
        index::rebuild(model.words(), &model.layout, &mut |_| (), &mut steps);
        let (mut room, mut checked) = (CheckRoom::new(&model.layout), Steps::default());
        index::check(model.words(), &model.layout, &mut room, &mut checked).unwrap();
        let most = 4 * CAPACITY as u64;
        assert!(steps.get() < most && checked.get() < most, "{steps:?} {checked:?}");
        assert!(!steps.are_too_many(&model.layout));
    }

    #[test]
    fn an_index_built_by_sorting_is_sound_wherever_its_runs_are() {
        let layout = Model::new(64, &[]).layout;
        let len = layout.index_len();
        for (from, to) in
            [(0, len), (0, 1), (len - 1, len), (len - 9, len), (3, 20), (len - 40, len)]
        {
            for count in [0, 1, 2, 20, 63, 64] {
                let mut keys = keys_at(&layout, from..to, count);
                keys.reverse();
                let model = Model::new(64, &keys);
                let belongs = |slot: SlotMut<'_>| slot.will_be_live();
                let mut steps = Steps::default();
                let built =
                    build(model.words(), &layout, belongs, &mut |_| panic!("equal"), &mut steps);
                assert_eq!(built, count);
                assert_eq!(model.check_sorted(), Ok(()), "{count} keys at {from}..{to}");
                let probed = |slot: usize| {
                    let (_, hash) = home(model.words(), &layout, slot);
                    let words = model.words().as_read();
                    index::leads_to(words, &layout, hash, slot, &mut Steps::default())
                };
                assert!(
                    (0..count).all(|slot| probed(slot) == Some(true)),
                    "{count} at {from}..{to}"
                );
            }
        }
    }

    #[test]
    fn sorting_finds_what_probing_finds_wrong() {
        let layout = Model::new(8, &[]).layout;
        let keys = keys_at(&layout, 0..layout.index_len(), 6);
        let model = Model::new(8, &keys);
        recover::derive(model.words(), &layout, &|_| false);
        assert_eq!((model.check(), model.check_sorted()), (Ok(()), Ok(())));
        // An entry is missing.
        let places = PlacesMut::new(model.words(), &layout);
        let at = (0..layout.index_len()).find(|&place| places.load(place) > TOMBSTONE);
        let (at, entry) = (at.unwrap(), places.load(at.unwrap()));
        places.store(at, EMPTY);
        assert!(model.check_sorted().is_err());
        // An entry is where no probe leads: after an empty place, far from its home.
        let far = (at + layout.index_len() / 2) & layout.index_mask;
        let far = (far..far + layout.index_len())
            .map(|place| place & layout.index_mask)
            .find(|&place| places.load(place) == 0)
            .unwrap();
        places.store(far, entry);
        assert!(model.check_sorted().is_err());
        // Two slots have the same key: the first is kept.
        model.slot(7).put_key(&keys[..1]);
        model.slot(7).stage(true, None, &|_| false).unwrap();
        model.slot(7).flip();
        assert_eq!(model.check_sorted(), Err(("two slots with one key", 7)));
        let (mut retired, mut steps) = (0, Steps::default());
        let belongs = |slot: SlotMut<'_>| slot.will_be_live();
        for place in 0..layout.index_len() {
            places.store(place, EMPTY);
        }
        let mut retire = |slot: SlotMut<'_>| {
            slot.retire(&|_| false);
            retired += 1;
        };
        assert_eq!(build(model.words(), &layout, belongs, &mut retire, &mut steps), 6);
        assert_eq!(retired, 1);
        assert!(!model.slot(7).will_be_live() && model.slot(0).will_be_live());
        assert_eq!(model.check_sorted(), Ok(()));
    }
}
