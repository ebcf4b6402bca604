//! Repairing a table after its writer died, at whatever instruction.
//!
//! The slots and the commit word are repaired, and everything else is derived from them. Each step
//! may be repeated, so repairing processes may die as well, any number of times.

use shm_core::{Ordering, Words};

use super::index::{self, CheckRoom, Steps};
use super::slot_mut::{IsDead, SlotMut, State};
use super::version::{is_claim, writer_of};
use crate::layout::{CLOSED, COMMIT, LEN, LOST, Layout, RECOVERIES};
use crate::sabotage;

/// Initialises the body of a new segment, which is all zeros.
pub(crate) fn initialise(words: Words<'_>, layout: &Layout) {
    for slot in 0..layout.capacity {
        SlotMut::new(words, layout, slot).init();
    }
    derive(words, layout, &|_| false);
}

/// The entries that a repair could not keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repaired {
    /// Number of damaged slots, which held something that no writer stores. They are free now.
    pub slots: usize,
    /// Number of these slots that held an entry, as far as the index and the count of entries tell.
    pub entries: usize,
}

/// Repairs everything. O(capacity), unless keys were chosen to collide.
pub(crate) fn repair(words: Words<'_>, layout: &Layout, is_dead: IsDead<'_>) -> Repaired {
    if sabotage::skips_repair() {
        return Repaired::default();
    }
    let count = usize::try_from(words.load(LEN, Ordering::Relaxed)).unwrap_or(usize::MAX);
    let mut repaired = resolve_slots(words, layout, is_dead);
    let (len, duplicates) = derive(words, layout, is_dead);
    words.store(CLOSED, 0, Ordering::Relaxed);
    if count <= layout.capacity {
        repaired.entries = repaired.entries.max(count.saturating_sub(len));
    }
    repaired.entries = repaired.entries.min(repaired.slots);
    repaired.slots += duplicates;
    for (at, more) in [(RECOVERIES, 1), (LOST, repaired.entries as u64)] {
        // Release: whoever waits for any change, and sees this one, sees what was repaired.
        words.store(at, words.load(at, Ordering::Relaxed).wrapping_add(more), Ordering::Release);
    }
    repaired
}

/// Finishes the transaction in flight if that transaction was committed, and drops it otherwise.
/// Ends the claims of dead writers, and leaves those of living ones. Takes damaged slots out of
/// use.
pub(crate) fn resolve_slots(words: Words<'_>, layout: &Layout, is_dead: IsDead<'_>) -> Repaired {
    let commit = words.load(COMMIT, Ordering::Relaxed);
    let committed = commit & 1 != 0;
    let is_damaged = |at: usize| SlotMut::new(words, layout, at).damage().is_some();
    let mut damaged = 0;
    for at in 0..layout.capacity {
        let slot = SlotMut::new(words, layout, at);
        match slot.state() {
            State::AtRest => {}
            State::Claimed(claim) => end_dead_claim(slot, claim, is_dead),
            State::Staged if committed => slot.flip(),
            State::Staged | State::Damaged(_) => slot.unstage(),
        }
        damaged += usize::from(is_damaged(at));
    }
    let mut repaired = Repaired { slots: damaged, entries: 0 };
    // No writer leaves this behind, but a torn disk page may.
    if damaged > 0 {
        repaired.entries = index::entries_to(words, layout, is_damaged);
        for at in (0..layout.capacity).filter(|&at| is_damaged(at)) {
            SlotMut::new(words, layout, at).retire(is_dead);
        }
    }
    if committed {
        // Release: a reader that sees the word even again sees the flips.
        words.store(COMMIT, commit.wrapping_add(1), Ordering::Release);
    }
    repaired
}

/// Ends a claim if its writer is dead.
fn end_dead_claim(slot: SlotMut<'_>, claim: u64, is_dead: IsDead<'_>) {
    if is_dead(claim) {
        slot.end_claim_of_the_dead(claim);
    }
}

/// Derives the index, the free stack and the length from the slots. Returns the number of entries,
/// and the number of slots that were freed because another slot has the same key.
pub(crate) fn derive(words: Words<'_>, layout: &Layout, is_dead: IsDead<'_>) -> (usize, usize) {
    let mut duplicates = 0;
    let mut retire = |duplicate: SlotMut<'_>| {
        duplicates += 1;
        duplicate.retire(is_dead);
    };
    let entries = index::rebuild(words, layout, &mut retire, &mut Steps::default());
    stack_free_slots(words, layout);
    words.store(LEN, entries as u64, Ordering::Relaxed);
    (entries, duplicates)
}

/// Derives the free stack from the free slots that the transaction in flight has not taken.
pub(crate) fn stack_free_slots(words: Words<'_>, layout: &Layout) {
    let capacity = layout.capacity;
    let dead =
        (0..capacity).rev().filter(|&slot| !SlotMut::new(words, layout, slot).will_be_live());
    for (place, slot) in dead.enumerate() {
        words.store(layout.free_at(place), slot as u64, Ordering::Relaxed);
    }
}

/// Checks that all parts of the table agree. Only the holder of the lock may call this.
/// O(capacity), unless keys were chosen to collide.
pub(crate) fn check(
    words: Words<'_>,
    layout: &Layout,
    is_dead: IsDead<'_>,
    room: &mut CheckRoom,
) -> Result<(), (&'static str, usize)> {
    if words.load(COMMIT, Ordering::Relaxed) & 1 != 0 {
        return Err(("commit word of an unfinished transaction", COMMIT));
    }
    // A call may have closed claims, and wait; or its thread died meanwhile.
    let closed = words.load(CLOSED, Ordering::Relaxed);
    if closed != 0 && writer_of(closed).filter(|_| is_claim(closed)).is_none() {
        return Err(("sign that claims are closed", CLOSED));
    }
    for at in 0..layout.capacity {
        let slot = SlotMut::new(words, layout, at);
        if let Some(what) = slot.damage() {
            return Err((what, at));
        }
        match slot.state() {
            State::AtRest => {}
            // A claim is nothing that is wrong, whether its writer is alive or dead.
            State::Claimed(claim) => end_dead_claim(slot, claim, is_dead),
            State::Staged | State::Damaged(_) => {
                return Err(("slot with an unfinished write", at));
            }
        }
    }
    let live = index::check(words, layout, room, &mut Steps::default())?;
    if words.load(LEN, Ordering::Relaxed) != live as u64 {
        return Err(("number of entries", LEN));
    }
    room.forget();
    for place in 0..layout.capacity - live {
        let slot = words.load(layout.free_at(place), Ordering::Relaxed);
        let slot = usize::try_from(slot).unwrap_or(usize::MAX);
        let fresh = slot < layout.capacity && room.note(slot);
        if !fresh || SlotMut::new(words, layout, slot).will_be_live() {
            return Err(("free stack", layout.free_at(place)));
        }
    }
    Ok(())
}
