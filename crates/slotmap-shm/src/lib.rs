#![doc = include_str!("../README.md")]
//!
//! ## A tour of the types
//!
//! - [`Table<K>`](Table) reads and writes. [`TableReader<K>`](TableReader) reads, from a read-only
//!   mapping. `K` is an integer type, `str` or `[u8]`, see [`Key`].
//! - [`UntypedTable`] opens a table of any [`KeyKind`]; its keys are of type [`AnyKey`].
//! - [`TableOptions`] says how a table is created and opened, and [`ReadOptions`] how it is opened
//!   for reading only. [`Geometry`] says how many entries fit, and how long keys and values may be.
//! - [`Version`] says which value of a key a caller has seen, so that it can wait for the next one;
//!   [`TableVersion`] does the same for the whole table.
//! - [`Value`] is an owned copy of a value, and [`Listing`] is a copy of all entries.
//! - [`PutMode`] says whether a write expects its key to be present. [`Upserted`] says whether an
//!   upsert found its key present.
//! - [`Stats`], [`Damage`], [`TableWriter`] and [`Repaired`] describe the state of a table, its
//!   writers, and the result of a repair.
//! - [`TableError`] and [`TableOpenError`] say what went wrong, with the data.
//!
//! ## How it works
//!
//! The slots hold the data. Each slot has two buffers and a version word. One store to a commit
//! word makes every staged change effective. The index, the free list and the count are derived
//! from the slots, and are rebuilt after a writer dies. In the repository, `docs/concurrency.md`
//! has the state tables, the orderings and the crash matrix, and `docs/format.md` describes the
//! bytes.

#![deny(unsafe_code)]

// From the bottom up: leaves, layout, protocol, table. Imports go downward only.

mod any_key;
mod bytes;
mod encoded_keys;
mod error;
mod geometry;
mod geometry_words;
mod key;
mod key_kind;
mod observer;
mod options;
mod sabotage;
mod tries;
mod value;

mod layout;
mod levels;

mod protocol;

mod table;

pub use any_key::AnyKey;
pub use error::{TableError, TableOpenError};
pub use geometry::{Eviction, Expiry, Geometry, GeometryError};
pub use key::{Key, TypedKey};
pub use key_kind::KeyKind;
pub use observer::{Event, Observer};
pub use options::{ReadOptions, TableOptions};
pub use protocol::{PutMode, Repaired, Upserted};
#[doc(no_inline)]
pub use shm_core::report;
/// Types in the options and errors of a table, exported so that this crate is usable alone.
pub use shm_core::{CreateError, Holder, Interrupt, LockError, Name, Namespace, OpenError, Trust};
pub use table::{
    Access, Damage, Iter, Listing, ReadOnly, ReadWrite, Stats, Table, TableReader, TableVersion,
    TableWriter, TimeToLive, UntypedTable, Version,
};
pub use value::Value;

/// The kind of a table's segment.
pub const KIND: shm_core::Kind = shm_core::Kind::new("table");
