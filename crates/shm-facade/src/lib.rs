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
//! # What else there is
//! `slotmap-shm` below has tables with other keys and the read-modify-write calls;
//! `shm-core` has bare segments and the robust mutex.

// The example of the README is a test, too.
#![cfg_attr(doctest, doc = include_str!("../../../README.md"))]
#![forbid(unsafe_code)]

mod error;
mod instance;
mod status_table;

pub use error::{Error, ResultCode};
pub use shm_core::{Entry, Name, Namespace, Trust};
pub use slotmap_shm::{Geometry, Stats, Upserted, Value};
pub use status_table::{StatusOptions, StatusReader, StatusTable};
