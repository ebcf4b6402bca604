#![doc = include_str!("../README.md")]
//!
//! ## A tour of the types
//!
//! - [`StatusTable`] is a live table with `i32` keys. By default, it holds 1024 entries with values
//!   of up to 256 bytes. [`StatusReader`] reads such a table from a read-only mapping.
//!   [`StatusOptions`] says how a table is created. [`Table`], [`TableReader`] and [`UntypedTable`]
//!   are tables with other keys. [`Expiry`] and [`Eviction`] say whether entries of a table expire,
//!   and whether it makes room when it is full.
//! - [`RbTree`] is a dictionary in private memory, and [`Builder`] makes an image from sorted
//!   entries. [`Share::share_with`] publishes the dictionary or the image under a name.
//!   [`ShareOptions`] says how.
//! - [`SharedMap`] is a published dictionary, read in place. [`refresh`](SharedMap::refresh) takes
//!   the newest edition, and [`wait_for_update`](SharedMap::wait_for_update) sleeps until there is
//!   a newer one. [`prune`] removes what killed processes left behind.
//! - [`StatusTable::freeze`] publishes the entries of a table, and [`StatusTable::load`] copies
//!   them back.
//! - [`Error`] is the only error type, and [`Error::code`] returns its [`ResultCode`].
//!
//! ## Other crates
//!
//! The calls that read, modify and write a value in one step are in `slotmap-shm`. Bare segments
//! and the lock are in `shm-core`. A program that only reads snapshots needs `avl-snapshot`
//! alone.

#![forbid(unsafe_code)]

mod error;
mod freeze;
mod instance;
mod reopen;
mod result_code;
mod share;
mod shared_map;
mod status_expiry;
mod status_options;
mod status_table;
mod status_wait;

pub use avl_snapshot::{
    AlignedBytes, BuildError, Builder, FreezeOptions, RbTree, Snapshot, SnapshotError,
    StreamBuilder, StreamError,
};
pub use error::Error;
pub use freeze::{any_map_key, any_table_key, freeze_table, load_table, map_key, table_key};
pub use result_code::ResultCode;
pub use share::{MapBuilder, SNAPSHOT, Share, ShareOptions, share_sorted};
pub use shared_map::{MapOptions, SharedMap, litter, prune};
// For the libraries of other languages, whose handles survive a fork.
#[doc(hidden)]
pub use shm_core::process_token;
pub use shm_core::{
    CreateError, Entry, FileKind, HeaderError, Holder, InPlace, Interrupt, InvalidName, IoError,
    Kind, Limit, Litter, LockError, LostDescriptor, MappedFile, Name, Namespace, OpenError, Pruned,
    PublishError, Published, PublishedKind, Report, Trust, report,
};
pub use slotmap_shm::{
    Access, AnyKey, Damage, Event, Eviction, Expiry, Geometry, GeometryError, KIND as TABLE, Key,
    KeyKind, Listing, Observer, PutMode, ReadOnly, ReadOptions, ReadWrite, Repaired, Stats, Table,
    TableError, TableOpenError, TableOptions, TableReader, TableVersion, TableWriter, TimeToLive,
    TypedKey, UntypedTable, Upserted, Value, Version,
};
pub use status_options::StatusOptions;
pub use status_table::{StatusReader, StatusTable};
