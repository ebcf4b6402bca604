//! The table as its users have it: a handle, and the calls on it.
//!
//! The highest room. It brings together a segment of `shm_core`, what
//! [`protocol`](crate::protocol) does to the words of it, and the caller's keys and values.
//! `handle` holds the type and imports no other file of this room; each of the others adds some
//! calls. Here is what a call does before the lock is taken, under it and after it; an order of
//! stores or loads belongs in `protocol`.

mod collect;
mod damage;
mod handle;
mod listing;
mod lock;
mod open;
mod read;
mod reopen;
mod untyped;
mod write;

pub use damage::Damage;
pub use handle::{Access, ReadOnly, ReadWrite, Table, TableReader};
pub use listing::{Iter, Listing};
pub use read::Stats;
pub use untyped::UntypedTable;
