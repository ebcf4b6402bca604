//! The two version words of a slot: what they mean, and the fences around changes of them.
//!
//! # States
//! A version word is `counter << 2 | live << 1 | buffer`. The counter grows by one
//! with every committed change of the slot and never shrinks.
//!
//! | version | next | commit word | the slot is | left by |
//! |---|---|---|---|---|
//! | v | v | any | v | – |
//! | v | v+1 | even | v: staged, not committed | commit (→ below) or repair (next ← v) |
//! | v | v+1 | odd | v+1: committed, not yet flipped | flip or repair (version ← v+1) |
//! | v | claimed by w | any | v | commit of w (version ← v+1), or the end of the claim (next ← v) |
//! | v+1 | claimed by w | any | v+1 | the end of the claim (next ← v+1) |
//!
//! The commit word is even while nothing is committed but not yet flipped. The commit makes it odd,
//! and the end of the flips makes it even again. So one store changes all slots of a transaction at
//! once for every reader, and it does not matter what happens to the writer afterwards.

use shm_core::{Ordering, ReadWords, WriterId, fence};

use crate::layout::VERSION;

const BUFFER: u64 = 1;
const LIVE: u64 = 2;
const COUNT: u64 = 4;

/// The version of a slot that was never used: dead, counter 1 and buffer 1, so that buffer 0 is
/// used first. Zero is not a valid version, so that zeroed memory is detected.
pub(crate) const INITIAL: u64 = COUNT | BUFFER;

#[inline]
pub(crate) fn is_live(version: u64) -> bool {
    version & LIVE != 0
}

/// The limit of the counter. No slot is written so often, so a higher counter means damage. If the
/// counter could grow further, a few writes would make it wrap around to an invalid version.
const LIMIT: u64 = 1 << 62;

pub(crate) fn is_valid(version: u64) -> bool {
    (COUNT..LIMIT).contains(&version)
}

/// The bit of a next version that says that the slot is claimed. The other bits are the id of the
/// claiming writer's registration.
const CLAIM: u64 = 1 << 63;

/// The next version of a slot that is claimed under the registration `writer`.
#[inline(always)]
pub(crate) fn claim_by(writer: WriterId) -> u64 {
    CLAIM | writer.to_u64()
}

/// The writer of a claim; `None` if no writer leaves such a claim.
pub(crate) fn writer_of(claim: u64) -> Option<WriterId> {
    WriterId::from_u64(claim & !CLAIM)
}

#[inline(always)]
pub(crate) fn is_claim(next: u64) -> bool {
    next & CLAIM != 0
}

#[inline(always)]
pub(crate) fn buffer_of(version: u64) -> usize {
    usize::from(version & BUFFER != 0)
}

/// Returns the version that follows `version`: it has the next counter and the other buffer.
#[inline]
pub(super) fn successor(version: u64, live: bool) -> u64 {
    let counted = (version & !(BUFFER | LIVE)).wrapping_add(COUNT);
    counted | (!version & BUFFER) | if live { LIVE } else { 0 }
}

/// Orders all flips that this thread has seen before every store that follows. It is called after a
/// slot was staged or claimed and before its buffer is filled, and at the start of a transaction.
#[inline]
pub(crate) fn begin_writing() {
    fence(Ordering::Release);
}

/// True if no write of the slot has completed since it had this version. If so, the bytes that were
/// copied meanwhile are one whole value. `line` is the slot's first cache line.
#[inline(always)]
pub(crate) fn is_unchanged(line: ReadWords<'_>, version: u64) -> bool {
    // Acquire: pairs with the Release fence in `begin_writing`. If any load before
    // saw a store of a later transaction, the load below sees the flip that
    // came before that transaction.
    fence(Ordering::Acquire);
    line.load(VERSION, Ordering::Relaxed) <= version
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn a_successor_counts_on_and_changes_the_buffer() {
        let live = successor(INITIAL, true);
        assert_eq!(buffer_of(live), 0);
        assert!(is_live(live) && !is_live(INITIAL));
        assert!(live > INITIAL);
        assert_ne!(buffer_of(live), buffer_of(INITIAL));
        let dead = successor(live, false);
        assert!(dead > live && !is_live(dead));
        assert_eq!(buffer_of(dead), buffer_of(INITIAL));
        assert!(is_valid(INITIAL) && !is_valid(0));
        assert!(is_valid(LIMIT - 1) && !is_valid(LIMIT) && !is_valid(u64::MAX));
    }
}
