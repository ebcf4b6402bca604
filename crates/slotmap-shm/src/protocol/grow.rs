//! Growing a table to its next level.
//!
//! Nothing that readers of the level use is changed: the slots stay where they are, new slots
//! follow the old ones, and the index of the next level is built beside the old one. One store of
//! the epoch then makes the level current. If the grower dies before that store, the table has the
//! old level, and a repair derives the rest from the slots; if it dies after it, the new one.

use shm_core::{Ordering, Words};

use super::index::{self, Steps};
use super::recover;
use super::slot_mut::SlotMut;
use crate::layout::{EPOCH, Layout};
use crate::sabotage;

/// Makes `to` the current level. `from` is the level before it. Memory for the parts of `to` is
/// allocated, and no slot is staged. Only the holder of the lock may call this. O(capacity).
pub(crate) fn grow(words: Words<'_>, from: &Layout, to: &Layout) {
    let epoch = words.load(EPOCH, Ordering::Relaxed);
    // Release: pairs with the Acquire loads in `Probe::new` and in `Levels::current`. A reader that
    // sees the level sees its slots and its index.
    let publish = || words.store(EPOCH, to.next_epoch(epoch), Ordering::Release);
    if sabotage::grows_early() {
        publish();
    }
    for slot in from.capacity..to.capacity {
        SlotMut::new(words, to, slot).init();
    }
    index::build(words, to, &mut |_| (), &mut Steps::default());
    recover::stack_free_slots(words, to);
    publish();
}
