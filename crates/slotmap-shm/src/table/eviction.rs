//! Removing the entries that were written longest ago, to make room for others.
//!
//! A scan of the table finds a part of its entries, the oldest ones, and remembers them in private
//! memory, in the order in which they were written. They are removed in this order, each only if it
//! was not written since. Whatever was written since is younger than all of them, and so is every
//! entry that the scan left out. So the order is exact, and an eviction visits only a few slots on
//! average.

use std::collections::BinaryHeap;

use super::closing::Waited;
use super::growth::Needed;
use super::handle::Table;
use super::oldest::Aged;
use crate::key::{Key, any_key};
use crate::layout::EVICTED;
use crate::observer::Event;
use crate::protocol::{Fault, is_live, room};
use crate::value::Value;

/// A scan remembers one entry of so many slots, but at least [`MIN_REMEMBERED`].
const SLOTS_FOR_EACH: usize = 8;
const MIN_REMEMBERED: usize = 16;
/// After so many scans whose entries were all written again at once, what the next scan finds is
/// removed even so.
const PATIENT_SCANS: usize = 2;

impl<K: Key + ?Sized> Table<K> {
    /// Removes as many entries as are needed, but none of those that are to stay. Returns true if
    /// there may be room now.
    #[cold]
    pub(super) fn evict(&self, needed: &Needed, waited: &Waited) -> Result<bool, Fault> {
        let free = self.capacity().saturating_sub(self.len());
        let mut missing = needed.absent.saturating_sub(free);
        if missing == 0 {
            return Ok(true);
        }
        let (mut oldest, mut kept) = (self.oldest.take(), Vec::new());
        let (mut evicted, mut scans) = (0, 0);
        let result = loop {
            if missing == 0 {
                break Ok(());
            }
            let Some(aged) = oldest.pop() else {
                // Nothing was removed since the last scans.
                if scans > PATIENT_SCANS {
                    break Ok(());
                }
                scans += 1;
                kept.clear();
                oldest = self.find_oldest(needed.present.len());
                continue;
            };
            if needed.present.binary_search(&aged.slot).is_ok() {
                kept.push(aged);
                continue;
            }
            match self.evict_one(aged, scans > PATIENT_SCANS, waited) {
                Ok(false) => {}
                Ok(true) => (evicted, missing, scans) = (evicted + 1, missing - 1, 0),
                Err(fault) => break Err(fault),
            }
        };
        // They were the oldest.
        oldest.extend(kept.into_iter().rev());
        self.oldest.put_back(oldest);
        result.map(|()| evicted > 0)
    }

    /// Looks through the whole table for the entries that were written longest ago, without the
    /// lock. Returns them, the oldest last. `more` is how many more are wanted than usual.
    fn find_oldest(&self, more: usize) -> Vec<Aged> {
        let view = self.view().current();
        let capacity = view.layout.capacity;
        let most = (capacity / SLOTS_FOR_EACH).max(MIN_REMEMBERED).saturating_add(more);
        let mut found = BinaryHeap::with_capacity(most.min(capacity) + 1);
        for number in 0..capacity {
            let slot = view.slot(number);
            if !slot.effective().is_some_and(is_live) {
                continue;
            }
            let aged = Aged { stamp: slot.stamp(), slot: number };
            if found.len() < most {
                found.push(aged);
            } else if let Some(mut youngest) = found.peek_mut()
                && *youngest > aged
            {
                *youngest = aged;
            }
        }
        let mut found = found.into_sorted_vec();
        found.reverse();
        found
    }

    /// Removes an entry, unless it was written since it was found, or `anyway`. Tells the observer.
    fn evict_one(&self, aged: Aged, anyway: bool, waited: &Waited) -> Result<bool, Fault> {
        let is_told = self.waits.observer.is_set();
        let shape = self.shape();
        let mut key = vec![0; if is_told { shape.key_words } else { 0 }];
        let mut value = Value::with_room(if is_told { shape.geometry.value_size } else { 0 });
        let evicted = self.write(room(1), waited, |transaction| {
            let evicted = transaction.remove_if(aged.slot, anyway, |slot| {
                let is_due = anyway || slot.stamp() == aged.stamp;
                if is_due && is_told {
                    // Nothing is allocated here: there is room.
                    slot.key().iter_relaxed().zip(&mut key).for_each(|(word, to)| *to = word);
                    let (buffer, len) = slot.value();
                    buffer.copy_to_value(&mut value, len);
                }
                is_due
            })?;
            if evicted {
                transaction.count(EVICTED, 1);
            }
            Ok(evicted)
        })?;
        if evicted && is_told {
            let key = any_key(self.key_kind(), &key);
            self.waits.observer.tell(Event::Evicted { key, value: value.fit() });
        }
        Ok(evicted)
    }
}
