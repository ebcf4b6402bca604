//! The index: open addressing with linear probing over places of 32 bits, two in each atomic word.
//! The index is derived from the slots and can be rebuilt from them at any time.
//!
//! | place | meaning |
//! |---|---|
//! | 0 | empty: a probe ends here |
//! | 1 | tombstone: a probe goes on |
//! | `fingerprint \| slot + 2` | an entry |
//!
//! The fingerprint is the high half of the key's hash, without the bits that the slot's number
//! takes.
//!
//! # Why readers need no lock
//! While a key is present, no place between its home and its entry is empty. An entry is stored
//! before its slot is committed, and cleared after the removal is committed. A tombstone becomes
//! empty only if the place after it is empty, because then no entry's probe passes over the
//! tombstone. A reader therefore finds every key that is present during its whole search, and
//! recognises a wrong slot by its key. While the index is being rebuilt, and also if the rebuilder
//! died, the epoch is odd, and readers scan the slots instead.
//!
//! # The door
//! What the rest of the protocol may use is exported here. Nothing in this folder depends on
//! transactions: from the protocol, this folder imports only the slot and its words. Files import
//! only files that are further down in this list:
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

pub(crate) use build::{build, check, rebuild};
pub(crate) use crowded::CheckRoom;
pub(crate) use hash::hash;
pub(crate) use search::{
    Located, Probe, count, delete, entries_to, has_room, insert, leads_to, locate, undo_insert,
};
pub(crate) use steps::Steps;
