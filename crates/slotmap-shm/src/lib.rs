//! A crash-safe hash table in shared memory, for Linux: small, live status that
//! any process writes and every process reads.
//!
//! - Readers take no lock, store nothing, and never wait: not for a running writer, not for a
//!   stopped one, not for one that was killed in the middle of a write. A read-only mapping is
//!   enough.
//! - Each change, and each batch of changes, is all or nothing, for every reader at
//!   once, even under SIGKILL at any instruction.
//! - Exactly `capacity` entries fit; values are any bytes up to `value_size`.
//!
//! # A tour of types
//! - [`Table<K>`](Table) reads and writes; [`TableReader<K>`](TableReader) reads, from a
//!   `PROT_READ` mapping. `K` is an integer type, `str` or `[u8]` ([`Key`]).
//! - [`UntypedTable`] opens any table and says its [`KeyKind`]; its keys are [`AnyKey`].
//! - [`Geometry`] and [`TableOptions`] say how a table is made; [`Stats`] how it is doing.
//! - [`Value`] is an owned copy: nobody hands out references into memory that a
//!   peer may write.
//!
//! # Example
//! ```
//! use slotmap_shm::{Name, Namespace, ReadOptions, Table, TableOptions, TableReader};
//!
//! # let dir = std::env::temp_dir().join(format!("slotmap-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&dir)?;
//! let namespace = Namespace::at(&dir); // or Namespace::from_env()
//! let name = Name::new("workers")?;
//! let table = Table::<i32>::open_or_create(&namespace, &name, &TableOptions::default())?;
//! table.upsert(&3325, b"running")?;
//!
//! // In this process or any other:
//! let reader = TableReader::<i32>::open_read_only(&namespace, &name, &ReadOptions::default())?;
//! assert_eq!(reader.get(&3325)?.as_deref(), Some(&b"running"[..]));
//! assert_eq!(reader.get(&1)?, None);
//! # std::fs::remove_dir_all(&dir)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it works
//! The slots are the truth: each has two buffers behind a version word, and one
//! store to a commit word makes everything staged effective. Index, free list and
//! count are derived and rebuilt after a death. `docs/concurrency.md` has the state
//! tables, the orderings and the crash matrix; `docs/format.md` the bytes.
//!
//! # What it cannot do
//! It does not grow, and does not order its keys. Writers exclude each other by one lock.
//! It does not protect against a hostile writer beyond memory safety: whoever may
//! write can write nonsense (readers then get errors or wrong values, never undefined behaviour).

#![deny(unsafe_code)]

// From the ground up: leaves, layout, protocol, table. Imports go downward only.

mod any_key;
mod bytes;
mod encoded_keys;
mod error;
mod geometry;
mod key;
mod key_kind;
mod options;
mod sabotage;
mod tries;
mod value;

mod layout;

mod protocol;

mod table;

pub use any_key::AnyKey;
pub use error::{TableError, TableOpenError};
pub use geometry::{Geometry, GeometryError};
pub use key::{Key, TypedKey};
pub use key_kind::KeyKind;
pub use options::{ReadOptions, TableOptions};
pub use protocol::{PutMode, Repaired, Upserted};
#[doc(no_inline)]
pub use shm_core::report;
/// What the options and errors of a table are made of, so that this crate is usable alone.
pub use shm_core::{CreateError, Holder, Interrupt, LockError, Name, Namespace, OpenError, Trust};
pub use table::{
    Access, Damage, Iter, Listing, ReadOnly, ReadWrite, Stats, Table, TableReader, UntypedTable,
};
pub use value::Value;

/// Longest byte or string key.
const MAX_KEY_BYTES: usize = 256;

/// The kind of segment that a table is.
pub const KIND: shm_core::Kind = shm_core::Kind::new("table");
