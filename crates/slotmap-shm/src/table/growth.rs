//! Growing when the table is full.
//!
//! Memory for the next level is allocated without the lock, because that may take long. Then the
//! lock is taken again, and if the table is still full, it grows.

use shm_core::Words;

use super::handle::Table;
use super::open::in_bytes;
use crate::key::Key;
use crate::protocol::{Fault, grow};

/// The highest level for which this call has allocated memory.
#[derive(Default)]
pub(super) struct Allocated {
    level: u64,
}

impl<K: Key + ?Sized> Table<K> {
    /// Called after a write found the table full with this capacity. Returns true if the write is
    /// to be tried again: the table has grown meanwhile, or memory for the next level was allocated
    /// now.
    #[cold]
    pub(super) fn may_grow(
        &self,
        capacity: usize,
        allocated: &mut Allocated,
    ) -> Result<bool, Fault> {
        let full = self.current_layout();
        if full.capacity > capacity {
            return Ok(true);
        }
        let Some(next) = self.level_after(full).filter(|next| next.level > allocated.level) else {
            return Ok(false);
        };
        let parts = next.parts_beyond(full).map(in_bytes);
        if let Err(source) = self.segment.allocate(&parts, self.used_bytes(next)) {
            // Others may have taken the memory to grow this very table.
            if self.current_layout().capacity > full.capacity {
                return Ok(true);
            }
            return Err(Fault::NoMemory { capacity: full.capacity, source: Box::new(source) });
        }
        allocated.level = next.level;
        Ok(true)
    }

    /// Grows if this call has allocated memory for the next level. The caller holds the lock, and
    /// nothing is staged.
    #[cold]
    pub(super) fn grow(&self, words: Words<'_>, allocated: &Allocated) {
        let full = self.current_layout();
        if let Some(next) = self.level_after(full).filter(|next| next.level <= allocated.level) {
            grow(words, full, next);
            self.current_layout();
        }
    }
}
