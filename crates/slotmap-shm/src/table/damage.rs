//! Detecting damage to a table, and repairing it. For example, a page that was on a disk may come
//! back zeroed, or with other contents.
//!
//! A table with such a page still opens. Readers skip damaged slots, and search all slots if the
//! index is damaged; the first write repairs the table. Opening a table detects damage.
//! [`Table::verify`](crate::Table::verify) detects damage that happens while the table is open.

use super::handle::{Access, Table};
use crate::error::TableError;
use crate::key::Key;
use crate::protocol::{CheckRoom, Repaired, Slot, glance, recover};

/// Maximum number of attempts to read a slot that changes meanwhile.
const LOOKS: usize = 1000;
/// What is wrong with a table. See [`Table::damage`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// Slots with contents that no writer stores. The entries that they held are lost.
    pub slots: Vec<usize>,
    /// True if the index does not lead to all entries. Readers search all slots instead, and
    /// nothing is lost.
    pub index: bool,
    /// True if counts, index, free list or commit word contradict the slots. Nothing is lost. This
    /// is also the case after a writer died in the middle of a write.
    pub derived: bool,
}

impl Damage {
    /// True if nothing is wrong.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl<K: Key + ?Sized, A: Access> Table<K, A> {
    /// Looks for damage, without the lock. O(capacity).
    ///
    /// [`Table::recover`](crate::Table::recover) repairs it, and so does the first write after
    /// opening. The bytes of values are not checked, because any bytes may be right.
    #[must_use]
    pub fn damage(&self) -> Damage {
        let (words, layout) = (self.view().words, self.current_layout());
        let is_damaged = |&number: &usize| {
            let slot = Slot::new(words, layout, number);
            let look = |_| {
                let version = slot.effective()?;
                let damaged = slot.damage(version).is_some();
                slot.is_unchanged(version).then_some(damaged)
            };
            // A slot that is being written all the time is not damaged.
            (0..LOOKS).find_map(look).unwrap_or(false)
        };
        let found = glance(words, layout);
        Damage {
            slots: (0..layout.capacity).filter(is_damaged).collect(),
            index: found.index,
            derived: found.derived,
        }
    }
}

impl<K: Key + ?Sized> Table<K> {
    /// Checks under the lock that slots, index, free list and count agree. The bytes of values are
    /// not checked, because any bytes may be right. O(capacity), and O(capacity × log capacity) for
    /// keys that were chosen to collide.
    ///
    /// The lock is held for the whole check, because nothing may change meanwhile. Afterwards it is
    /// handed to another writer that waits for it.
    ///
    /// # Errors
    /// [`TableError::Corrupt`], which says what is wrong and where. The next write repairs the
    /// table.
    pub fn verify(&self) -> Result<(), TableError> {
        let mut room = CheckRoom::new(self.shape());
        let guard = self.lock_as_it_is()?;
        let is_dead = |claim| self.is_dead(claim);
        let checked = recover::check(guard.words()?, self.current_layout(), &is_dead, &mut room);
        if checked.is_err() {
            guard.mark_dirty();
        }
        guard.hand_over();
        checked.map_err(|(what, at)| TableError::Corrupt { what, at })
    }

    /// Repairs what a dead writer or a damaged file left, now rather than at the next write.
    /// Everything in undamaged slots is kept. Returns the number of slots and entries that could
    /// not be kept.
    ///
    /// # Errors
    /// [`TableError::Lock`].
    pub fn recover(&self) -> Result<Repaired, TableError> {
        Ok(self.check_and_repair()?)
    }
}
