//! Making a table whole after its writer died, at whatever instruction.
//!
//! The slots and the commit word are the truth; all else is derived from them. Each
//! step may be repeated, so a repairer may die too, any number of times.

use shm_core::{Ordering, Words};

use crate::index;
use crate::layout::{COMMIT, LEN, Layout, RECOVERIES};
use crate::sabotage;
use crate::slot::{self, SlotMut};

/// Fills the body of a new segment, which is all zeros.
pub(crate) fn initialise(words: Words<'_>, layout: &Layout) {
    for slot in 0..layout.geometry.capacity {
        SlotMut::new(words, layout, slot).init();
    }
    derive(words, layout);
}

/// Repairs everything. O(capacity).
pub(crate) fn repair(words: Words<'_>, layout: &Layout) {
    if sabotage::skips_repair() {
        return;
    }
    settle_slots(words, layout);
    derive(words, layout);
    let recoveries = words.load(RECOVERIES, Ordering::Relaxed);
    words.store(RECOVERIES, recoveries.wrapping_add(1), Ordering::Relaxed);
}

/// Finishes the transaction that was committed, or drops the one that was not.
pub(crate) fn settle_slots(words: Words<'_>, layout: &Layout) {
    let commit = words.load(COMMIT, Ordering::Relaxed);
    let committed = commit & 1 != 0;
    for at in 0..layout.geometry.capacity {
        let slot = SlotMut::new(words, layout, at);
        if slot.next() != slot.version() {
            if committed && slot.next() > slot.version() {
                slot.flip();
            } else {
                slot.unstage();
            }
        }
        // No writer leaves this behind; a torn disk page may.
        if !slot::is_valid(slot.version()) || !slot.lengths_fit() {
            slot.retire();
        }
    }
    if committed {
        // Release: a reader that sees the word even again sees the flips.
        words.store(COMMIT, commit.wrapping_add(1), Ordering::Release);
    }
}

/// Derives index, free stack and length from the slots.
pub(crate) fn derive(words: Words<'_>, layout: &Layout) {
    let entries = index::rebuild(words, layout, |duplicate| duplicate.retire());
    let capacity = layout.geometry.capacity;
    let dead =
        (0..capacity).rev().filter(|&slot| !SlotMut::new(words, layout, slot).will_be_live());
    for (place, slot) in dead.enumerate() {
        words.store(layout.free_at(place), slot as u64, Ordering::Relaxed);
    }
    words.store(LEN, entries as u64, Ordering::Relaxed);
}

/// Checks that everything agrees; for the holder of the lock. O(capacity).
pub(crate) fn check(words: Words<'_>, layout: &Layout) -> Result<(), (&'static str, usize)> {
    if words.load(COMMIT, Ordering::Relaxed) & 1 != 0 {
        return Err(("commit word of an unfinished transaction", COMMIT));
    }
    for at in 0..layout.geometry.capacity {
        let slot = SlotMut::new(words, layout, at);
        if !slot::is_valid(slot.version()) {
            return Err(("version of a slot", at));
        }
        if slot.next() != slot.version() {
            return Err(("slot with an unfinished write", at));
        }
        if !slot.lengths_fit() {
            return Err(("length of a value", at));
        }
    }
    let live = index::check(words, layout)?;
    if words.load(LEN, Ordering::Relaxed) != live as u64 {
        return Err(("number of entries", LEN));
    }
    let capacity = layout.geometry.capacity;
    let mut free = vec![false; capacity];
    for place in 0..capacity - live {
        let slot = words.load(layout.free_at(place), Ordering::Relaxed);
        let slot = usize::try_from(slot).unwrap_or(usize::MAX);
        let fresh = free.get_mut(slot).is_some_and(|seen| !std::mem::replace(seen, true));
        if !fresh || SlotMut::new(words, layout, slot).will_be_live() {
            return Err(("free stack", layout.free_at(place)));
        }
    }
    Ok(())
}
