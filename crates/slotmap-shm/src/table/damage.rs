//! Telling that a table is damaged: on a disk, a page may come back zeroed, or as something else.
//!
//! A table with such a page still opens. Readers leave out damaged slots, and search all slots for
//! what a damaged index does not lead to; the first write repairs. Damage is noticed at opening;
//! what happens to a table that is open, [`Table::verify`](crate::Table::verify) notices.

use super::handle::{Access, Table};
use crate::key::Key;
use crate::protocol::{Slot, glance};

/// How often a slot is looked at that changes meanwhile.
const LOOKS: usize = 1000;
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
    /// [`Table::recover`](crate::Table::recover) repairs it, and so does the first write after
    /// opening.
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
