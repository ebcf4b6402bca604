//! A check of the whole table without the lock: do slots, index, free list and counts agree?

use std::time::Duration;

use shm_core::{Ordering, ReadWords};

use super::index::{self, Steps};
use super::slot::Slot;
use super::stored_key::key_words;
use super::version::{is_live, is_valid};
use super::view::{commits, commits_after_reading};
use crate::key::NO_KEY;
use crate::layout::{COMMIT, EPOCH, LEN, Layout, USED, VERSION};

/// Number of times that the counts are compared before they are considered wrong.
const ATTEMPTS: usize = 4;
/// Time between two comparisons. A writer that is between the same two stores in every comparison
/// must be stopped.
const PAUSE: Duration = Duration::from_millis(1);

/// What the check found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Glance {
    pub(crate) slots: bool,
    pub(crate) index: bool,
    pub(crate) derived: bool,
}

impl Glance {
    pub(crate) fn is_suspect(self) -> bool {
        self.slots || self.index || self.derived
    }
}

/// Compares everything that can be compared without following the index. If something does not
/// agree, follows the index as well.
pub(crate) fn glance(words: ReadWords<'_>, layout: &Layout) -> Glance {
    let mut found = Glance::default();
    for attempt in 0..ATTEMPTS {
        // Claims change neither counts nor keys, so commits tell whether anything did.
        let before = commits(words);
        let counts = Counts::of(words, layout);
        let quiet = commits_after_reading(words) == before;
        found.slots = counts.damaged;
        if counts.agree {
            return found;
        }
        // Counts have to agree only between transactions, and a writer may be about to commit, or
        // may have just done so.
        found.derived = quiet && attempt + 1 == ATTEMPTS;
        if !quiet || found.derived {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    found.index = !index_leads_to_all(words, layout);
    found
}

/// The counts that were taken from the slots, the index and the free stack.
struct Counts {
    /// True if a version or a length is impossible.
    damaged: bool,
    agree: bool,
}

impl Counts {
    fn of(words: ReadWords<'_>, layout: &Layout) -> Self {
        let capacity = layout.capacity;
        let (mut damaged, mut live, mut dead_sum) = (false, 0, 0u64);
        for number in 0..capacity {
            let slot = Slot::new(words, layout, number);
            let version = words.load(layout.slot_at(number) + VERSION, Ordering::Relaxed);
            damaged |= !is_valid(version) || !slot.lengths_fit();
            if is_live(version) {
                live += 1;
            } else {
                dead_sum += number as u64;
            }
        }
        let load = |at| words.load(at, Ordering::Relaxed);
        let free = |place| load(layout.free_at(place));
        let free_sum = (0..capacity - live).map(free).fold(0, u64::wrapping_add);
        let (entries, used) = index::count(words, layout);
        let agree = load(COMMIT) & 1 == 0
            && layout.is_searchable(load(EPOCH))
            && load(LEN) == live as u64
            && load(USED) == used as u64
            && entries == live
            && free_sum == dead_sum;
        Self { damaged, agree }
    }
}

/// Searches the index for each entry. If a key is present during the whole search for it, the
/// search finds it, whatever writers do.
fn index_leads_to_all(words: ReadWords<'_>, layout: &Layout) -> bool {
    let mut steps = Steps::default();
    let epoch = words.load(EPOCH, Ordering::Acquire);
    if !layout.is_searchable(epoch) {
        return true; // Readers search all slots, or those of the level of now.
    }
    for number in 0..layout.capacity {
        let slot = Slot::new(words, layout, number);
        let Some(version) = slot.effective() else { continue };
        if !is_live(version) || slot.damage(version).is_some() {
            continue;
        }
        let mut room = NO_KEY;
        let hash = index::hash(layout, key_words(slot.key(), &mut room));
        match index::leads_to(words, layout, hash, number, &mut steps) {
            Some(true) => {}
            Some(false) if !slot.is_unchanged(version) => {}
            // If this cannot be found out in bounded time, the index is not relied on.
            Some(false) | None => return words.load(EPOCH, Ordering::Acquire) != epoch,
        }
    }
    true
}
