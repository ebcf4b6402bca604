//! Telling that a table is damaged: on a disk, a page may come back zeroed, or as something else.
//!
//! A table with such a page still opens. Readers leave out damaged slots, and search all slots for
//! what a damaged index does not lead to; the first write repairs. Damage is noticed at opening;
//! what happens to a table that is open, [`Table::verify`](crate::Table::verify) notices.

use std::time::Duration;

use shm_core::{Ordering, ReadWords};

use crate::crowded::Steps;
use crate::index::{self, key_words};
use crate::key::{Key, NO_KEY};
use crate::layout::{COMMIT, EPOCH, LEN, Layout, USED, VERSION};
use crate::slot::{Slot, is_live, is_valid};
use crate::table::{Access, Table};
use crate::view::View;

/// How often a slot is looked at that changes meanwhile.
const LOOKS: usize = 1000;
/// How often the counts are compared before they are called wrong.
const ATTEMPTS: usize = 4;
/// A writer that is between two stores for that long each time is stopped.
const PAUSE: Duration = Duration::from_millis(1);

/// What is wrong with a table. See [`Table::damage`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// Slots that hold what no writer leaves there. What they held is lost.
    pub slots: Vec<usize>,
    /// The index does not lead to all entries. Readers search all slots instead, and nothing is
    /// lost.
    pub index: bool,
    /// Counts, index, free list or commit word contradict the slots. Nothing is lost. Also after
    /// a writer died in the middle of a write.
    pub derived: bool,
}

impl Damage {
    /// True when nothing is wrong.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl<K: Key + ?Sized, A: Access> Table<K, A> {
    /// Looks for damage, without the lock. O(capacity).
    ///
    /// [`Table::recover`](crate::Table::recover) repairs it, and so does the first write after opening.
    /// The bytes of values are not checked: any may be right.
    #[must_use]
    pub fn damage(&self) -> Damage {
        let (words, layout) = (self.view().words, self.layout());
        let is_damaged = |&number: &usize| {
            let slot = Slot::new(words, layout, number);
            let look = |_| {
                let version = slot.effective()?;
                let damaged = slot.damage(version).is_some();
                slot.is_unchanged(version).then_some(damaged)
            };
            // What is written all the time is not damaged.
            (0..LOOKS).find_map(look).unwrap_or(false)
        };
        let found = glance(words, layout);
        Damage {
            slots: (0..layout.geometry.capacity).filter(is_damaged).collect(),
            index: found.index,
            derived: found.derived,
        }
    }
}

/// What a quick look found.
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

/// Compares what can be compared without following the index; where that does not agree, follows it.
pub(crate) fn glance(words: ReadWords<'_>, layout: &Layout) -> Glance {
    let view = View { words, layout };
    let mut found = Glance::default();
    for attempt in 0..ATTEMPTS {
        let (counts, quiet) = view.at_one_moment(|| Counts::of(words, layout));
        found.slots = counts.damaged;
        if counts.agree {
            return found;
        }
        // Between transactions only do counts have to agree; and a writer may be about to commit, or
        // have just done so.
        found.derived = quiet && attempt + 1 == ATTEMPTS;
        if !quiet || found.derived {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    found.index = !index_leads_to_all(words, layout);
    found
}

/// Counts of slots, index and free stack.
struct Counts {
    /// A version or a length is impossible.
    damaged: bool,
    agree: bool,
}

impl Counts {
    fn of(words: ReadWords<'_>, layout: &Layout) -> Self {
        let capacity = layout.geometry.capacity;
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
        let agree = (load(COMMIT) | load(EPOCH)) & 1 == 0
            && load(LEN) == live as u64
            && load(USED) == used as u64
            && entries == live
            && free_sum == dead_sum;
        Self { damaged, agree }
    }
}

/// Searches the index for each entry. A key that is present for the whole of its search is found,
/// whatever writers do.
fn index_leads_to_all(words: ReadWords<'_>, layout: &Layout) -> bool {
    let mut steps = Steps::default();
    let epoch = words.load(EPOCH, Ordering::Acquire);
    if epoch & 1 != 0 {
        return true; // Readers search all slots.
    }
    for number in 0..layout.geometry.capacity {
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
            // Not known in bounded time: then it is not relied on.
            Some(false) | None => return words.load(EPOCH, Ordering::Acquire) != epoch,
        }
    }
    true
}
