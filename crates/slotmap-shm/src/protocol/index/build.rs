//! Building the whole index from the slots, and comparing it with the slots.

use shm_core::{Ordering, Words, fence};

use super::crowded::{self, CheckRoom};
use super::hash::hash;
use super::places::{PlacesMut, entry};
use super::search::{Located, count, locate_counted};
use super::steps::Steps;
use crate::key::NO_KEY;
use crate::layout::{EPOCH, Layout, USED};
use crate::protocol::slot_mut::SlotMut;
use crate::protocol::stored_key::key_words;
use crate::protocol::version::is_live;

/// Builds the index from the slots, including staged slots. If a slot has the same key as an
/// earlier slot, passes it to `duplicate` and leaves it out. Returns the number of entries. The
/// contents of the free stack may be lost, so the caller must derive the stack again.
///
/// O(capacity), and O(capacity × log capacity) if keys were chosen to collide.
///
/// Meanwhile, readers scan the slots instead of using the index. If this process dies here, they
/// continue to scan until the next owner of the lock rebuilds the index.
pub(crate) fn rebuild(
    words: Words<'_>,
    layout: &Layout,
    duplicate: &mut dyn FnMut(SlotMut<'_>),
    steps: &mut Steps,
) -> usize {
    let epoch = words.load(EPOCH, Ordering::Relaxed);
    words.store(EPOCH, epoch | 1, Ordering::Relaxed);
    // Release: pairs with the Acquire fence in `Probe::proves_absence`.
    fence(Ordering::Release);
    let entries = build(words, layout, duplicate, steps);
    // Release: pairs with the Acquire load in `Probe::new`.
    words.store(EPOCH, layout.next_epoch(epoch), Ordering::Release);
    entries
}

/// Builds the index of a level that no reader uses yet, as [`rebuild`] does.
pub(crate) fn build(
    words: Words<'_>,
    layout: &Layout,
    duplicate: &mut dyn FnMut(SlotMut<'_>),
    steps: &mut Steps,
) -> usize {
    let clear = || {
        for at in 0..layout.index_words() {
            words.store(layout.index + at, 0, Ordering::Relaxed);
        }
    };
    let belongs = |slot: SlotMut<'_>| slot.will_be_live() || is_live(slot.version());
    clear();
    let entries = fill(words, layout, belongs, duplicate, steps).unwrap_or_else(|| {
        clear();
        crowded::build(words, layout, belongs, duplicate, steps)
    });
    words.store(USED, entries as u64, Ordering::Relaxed);
    entries
}

/// Fills an empty index by probing. Returns `None` if probing takes too long.
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
    for slot in 0..layout.capacity {
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

/// Checks that the index and the slots agree. Used by tests and by `verify`. Only the holder of the
/// lock may call this.
pub(crate) fn check(
    words: Words<'_>,
    layout: &Layout,
    check_room: &mut CheckRoom,
    steps: &mut Steps,
) -> Result<usize, (&'static str, usize)> {
    if !layout.is_searchable(words.load(EPOCH, Ordering::Relaxed)) {
        return Err(("epoch of an unfinished rebuild, or of no level", EPOCH));
    }
    let live_now = |slot: SlotMut<'_>| is_live(slot.version());
    let mut room = NO_KEY;
    let mut crowded = false;
    let mut live = 0;
    for slot in 0..layout.capacity {
        let this = SlotMut::new(words, layout, slot);
        if !live_now(this) {
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
        crowded::check(words, layout, check_room, live_now, steps)?;
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
