//! The table as its users see it: a handle, and the calls on it.
//!
//! This is the top layer of this crate. It brings together a segment of `shm_core`, the
//! [`protocol`](crate::protocol) on the words of that segment, and the caller's keys and values.
//! `handle` holds the type and imports no other file of this folder; each of the other files adds
//! some calls. The code here decides what a call does before it takes the lock, under the lock and
//! after it. Code that depends on the order of stores or loads belongs in `protocol`.

mod claims;
mod closing;
mod collect;
mod counters;
mod damage;
mod eviction;
mod growth;
mod handle;
mod leases;
mod listing;
mod lock;
mod oldest;
mod open;
mod read;
mod reopen;
mod transact;
mod untyped;
mod wait;
mod write;
mod writers;

pub use damage::Damage;
pub use handle::{Access, ReadOnly, ReadWrite, Table, TableReader};
pub use leases::TimeToLive;
pub use listing::{Iter, Listing};
pub use read::Stats;
pub use untyped::UntypedTable;
pub use wait::{TableVersion, Version};
pub use writers::TableWriter;
