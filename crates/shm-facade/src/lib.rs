//! One API over the shared-memory maps: what most programs want, in one crate.
//!
//! [`StatusTable`] is a live table of status lines with `i32` keys, 1024 entries of up to 256
//! bytes unless told otherwise: any process writes, every process reads, and a process that is
//! killed at any moment takes nothing with it.
//!
//! # Example
//! ```
//! use shm_facade::StatusTable;
//!
//! # let dir = std::env::temp_dir().join(format!("facade-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&dir)?;
//! # let options = shm_facade::StatusOptions { namespace: shm_facade::Namespace::at(&dir), ..Default::default() };
//! # let table = StatusTable::open_or_create_with("workers", &options)?;
//! # let _ = || -> Result<_, shm_facade::Error> {
//! let table = StatusTable::open_or_create("workers")?;
//! # Ok(table) };
//! table.upsert(3325, b"running")?;
//! assert_eq!(table.get(3325)?.as_deref(), Some(&b"running"[..]));
//!
//! // All or nothing: 4711 does not exist, so 3325 stays as it is.
//! let error = table.batch_update(&[(3325, "stopped"), (4711, "stopped")]).unwrap_err();
//! assert_eq!(error.code(), shm_facade::ResultCode::NotFound);
//! table.unlink()?;
//! # std::fs::remove_dir_all(&dir)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`SharedMap`] is a big dictionary that changes as a whole: built once in an [`RbTree`] (or, from sorted
//! entries, by a [`Builder`]), published under a name by [`Share::share`], replaced at once, and read in place by any
//! number of processes. [`StatusTable::freeze`] makes one of a table, [`StatusTable::load`] goes back.
//!
//! ```
//! use shm_facade::{RbTree, Share, SharedMap};
//!
//! # let dir = std::env::temp_dir().join(format!("facade-map-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&dir)?;
//! # let namespace = shm_facade::Namespace::at(&dir);
//! # let options = shm_facade::MapOptions::default().namespace(namespace.clone());
//! # let share = shm_facade::ShareOptions::default().namespace(namespace).force(true);
//! let mut words = RbTree::new();
//! words.set("rot", "red")?;
//! words.set("blau", "blue")?;
//! # let _ = || -> Result<_, shm_facade::Error> {
//! words.share("colours", false)?;
//!
//! let mut map = SharedMap::open("colours")?; // in any other process
//! # Ok(map) };
//! # words.share_with("colours", &share)?;
//! # let mut map = SharedMap::open_with("colours", &options)?;
//! assert_eq!(map.get("rot"), Some(&b"red"[..])); // in the mapping: no copy
//! assert_eq!(map.prefix("b").count(), 1);
//!
//! words.set("rot", "scarlet")?;
//! # let _ = || -> Result<_, shm_facade::Error> {
//! words.share("colours", true)?;
//! # Ok(()) };
//! # words.share_with("colours", &share)?;
//! assert!(map.refresh()?); // one load when there is nothing new
//! assert_eq!(map.get("rot"), Some(&b"scarlet"[..]));
//! # SharedMap::remove_with("colours", &options)?;
//! # std::fs::remove_dir_all(&dir)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What else there is
//! `slotmap-shm` below has tables with other keys and the read-modify-write calls;
//! `shm-core` has bare segments and the robust mutex.

// The example of the README is a test, too.
#![cfg_attr(doctest, doc = include_str!("../../../README.md"))]
#![forbid(unsafe_code)]

mod error;
mod freeze;
mod instance;
mod reopen;
mod share;
mod shared_map;
mod status_table;

pub use avl_snapshot::{
    AlignedBytes, BuildError, Builder, FreezeOptions, RbTree, Snapshot, SnapshotError,
};
pub use error::{Error, ResultCode};
pub use freeze::{any_map_key, any_table_key, freeze_table, load_table, map_key, table_key};
pub use share::{SNAPSHOT, Share, ShareOptions};
pub use shared_map::{MapOptions, SharedMap, prune};
// For the libraries of other languages, whose handles survive a fork.
#[doc(hidden)]
pub use shm_core::process_token;
pub use shm_core::{
    CreateError, Entry, FileKind, HeaderError, Holder, Interrupt, InvalidName, Kind, Limit, Litter,
    LockError, LostDescriptor, MappedFile, Name, Namespace, OpenError, Pruned, PublishError,
    Published, PublishedKind, Trust,
};
pub use slotmap_shm::{
    Access, AnyKey, Damage, Geometry, KIND as TABLE, Key, KeyKind, Listing, PutMode, ReadOnly,
    ReadOptions, ReadWrite, Repaired, Stats, Table, TableError, TableOpenError, TableOptions,
    TableReader, TypedKey, UntypedTable, Upserted, Value,
};
pub use status_table::{StatusOptions, StatusReader, StatusTable};
