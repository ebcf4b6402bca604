//! The index: open addressing with linear probing over places of 32 bits, two in each
//! atomic word. It is derived from the slots and can be rebuilt from them at any time.
//!
//! | place | meaning |
//! |---|---|
//! | 0 | empty: a probe ends here |
//! | 1 | tombstone: a probe goes on |
//! | `fingerprint \| slot + 2` | an entry |
//!
//! The fingerprint is what the slot leaves of the high half of the key's hash.
//!
//! # Why readers need no lock
//! While a key is present, no place between its home and its entry is empty: an
//! entry is stored before its slot is committed and cleared after the removal is
//! committed; a tombstone becomes empty only when the place after it is empty, so
//! no entry's probe leads over it. A reader therefore finds every key that is
//! present during the whole of its search, and a slot it is led to in error is
//! recognised by its key. While the index is being rebuilt the epoch is odd, and
//! readers scan the slots instead: also when the rebuilder died.
//!
//! # The door
//! What the rest of the protocol may use is listed here. Nothing in this folder knows of
//! transactions: of the protocol it imports the slot and its words. Imports go one way:
//!
//! ```text
//! build
//! search   crowded
//! places   hash   steps
//! ```

mod build;
mod crowded;
mod hash;
mod places;
mod search;
mod steps;

pub(crate) use build::{check, rebuild};
pub(crate) use crowded::CheckRoom;
pub(crate) use hash::hash;
pub(crate) use search::{
    Located, Probe, count, delete, entries_to, has_room, insert, leads_to, locate, undo_insert,
};
pub(crate) use steps::Steps;
