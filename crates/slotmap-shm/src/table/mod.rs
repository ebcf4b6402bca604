//! The table as its users have it: a handle, and the calls on it.
//!
//! The highest room: it puts together what [`protocol`](crate::protocol) does to words, a segment of
//! `shm_core` and the caller's keys and values. `handle` holds the type, and imports no other file of
//! this room; each of the others gives it some of its calls. What is public in this crate is listed
//! in `lib.rs`.

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
