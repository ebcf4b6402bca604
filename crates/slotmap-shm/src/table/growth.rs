//! Making room when the table is full.
//!
//! Memory for the next level is allocated without the lock, because that may take long. Then the
//! lock is taken again, and if the table is still full, it grows.

use std::collections::HashSet;

use shm_core::Words;

use super::closing::Waited;
use super::handle::Table;
use super::open::in_bytes;
use crate::encoded_keys::EncodedKeys;
use crate::key::Key;
use crate::layout::Layout;
use crate::protocol::{Fault, grow};

/// What a write needs that found the table full.
pub(super) struct Needed {
    /// How many of its keys are absent.
    pub(super) absent: usize,
    /// The slots of the others, in ascending order.
    pub(super) present: Vec<usize>,
}

/// The highest level for which this call has allocated memory.
#[derive(Default)]
pub(super) struct Allocated {
    level: u64,
}

impl<K: Key + ?Sized> Table<K> {
    /// Called after a write found the table full with this capacity. Returns true if the write is
    /// to be tried again: there is room now, or memory for the next level was allocated. `keys` are
    /// those of a batch; otherwise the write adds one key.
    ///
    /// First, entries that have expired are removed. Then the table grows. Then, entries are
    /// evicted.
    #[cold]
    pub(super) fn make_room(
        &self,
        capacity: usize,
        keys: Option<&EncodedKeys>,
        waited: &Waited,
        allocated: &mut Allocated,
    ) -> Result<bool, Fault> {
        let full = self.current_layout();
        if full.capacity > capacity || self.remove_some_over(waited)? {
            return Ok(true);
        }
        let needed = self.needed(keys)?;
        let evicts = self.shape().stamp != 0;
        match self.allocate_next(full, allocated) {
            Ok(false) | Err(_) if evicts => self.evict(&needed, waited),
            other => other,
        }
    }

    /// Allocates memory for the next level, if this call has not done that yet. Returns true if the
    /// write is to be tried again.
    fn allocate_next(&self, full: &Layout, allocated: &mut Allocated) -> Result<bool, Fault> {
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

    /// Finds out what a write needs. Fails if the table can never hold all keys of a batch.
    fn needed(&self, keys: Option<&EncodedKeys>) -> Result<Needed, Fault> {
        let Some(keys) = keys else { return Ok(Needed { absent: 1, present: Vec::new() }) };
        let mut needed = Needed { absent: 0, present: Vec::new() };
        let max = self.shape().max_capacity();
        let stay = if self.shape().stamp == 0 { self.len() } else { 0 };
        let mut seen = HashSet::with_capacity(keys.len());
        for (index, key) in (0..keys.len()).map(|index| (index, keys.get(index))) {
            if !seen.insert(key) {
                continue;
            }
            match self.look_up(key) {
                Ok(Some(found)) => needed.present.push(found.slot),
                // If it cannot be read, the batch itself finds out why.
                Ok(None) | Err(_) => needed.absent += 1,
            }
            // Of what stays, the present keys of the batch are a part.
            let entries = needed.absent + stay.max(needed.present.len());
            if entries > max {
                return Err(Fault::TooMany { capacity: max, index });
            }
        }
        needed.present.sort_unstable();
        Ok(needed)
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
