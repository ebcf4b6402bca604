//! The protocol: which words are stored and loaded, in which order, so that readers need no lock
//! and a writer may die at any instruction.
//!
//! The protocol works on words wherever they are: in a mapping, or in a loom model, which runs this
//! very code. So nothing in this folder depends on files, namespaces or handles. From this crate,
//! it imports the basic types, such as keys and errors, and [`layout`](crate::layout). It imports
//! nothing from [`table`](crate::table). A function that takes `Words` may be called only by the
//! holder of the lock. A function that takes `ReadWords` may be called by anybody.
//!
//! What the rest of the crate may use is exported here. Files import only files that are further
//! down in this list:
//!
//! ```text
//! transaction   glance   moment   grow
//! recover       view     wake     fault
//!     index
//!        slot_mut
//!        slot
//!           buffer   stored_key
//!              version   lease   put
//! ```

mod buffer;
mod fault;
mod glance;
mod grow;
mod index;
mod lease;
mod moment;
mod put;
pub(crate) mod recover;
mod slot;
mod slot_mut;
mod stored_key;
mod transaction;
mod version;
mod view;
mod wake;

#[cfg(test)]
#[cfg(loom)]
mod models;

pub use put::{PutMode, Upserted};
pub use recover::Repaired;

pub(crate) use buffer::Buffer;
pub(crate) use fault::{Claimed, Fault};
pub(crate) use glance::{Glance, glance};
pub(crate) use grow::grow;
pub(crate) use index::CheckRoom;
pub(crate) use lease::{Everlasting, Judge, Lease, Term, term, until, while_registered};
pub(crate) use moment::{Collection, Entries, Held, Scratch, Values, read_slot};
pub(crate) use slot::{NotFlipped, Slot};
pub(crate) use slot_mut::{FirstLine, SlotMut, State};
pub(crate) use transaction::{Room, Transaction, room};
pub(crate) use version::{claim_by, is_claim, is_live, writer_of};
pub(crate) use view::{Found, Look, View};
pub(crate) use wake::{Touched, WakeWord, after_claim, after_unlock, announce, wake};
