//! Support of the multi-process tests: where the worker binary is, and self-describing values.

#![deny(unsafe_code)]

/// The examples of the README are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}

pub mod claims;
pub mod document;
pub mod edition;
pub mod golden;
pub mod image;
mod input;
pub mod mixed;
pub mod ops;
pub mod patch;
pub mod pattern;
pub mod random;
pub mod records;
pub mod roles;
pub mod search_ops;
pub mod snapshot_calls;
pub mod snapshot_ops;
pub mod snapshot_patches;
pub mod status_line;
pub mod wakes;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use shm_core::{Name, Namespace};
pub use shm_harness::{Child, Hung, Step, Stepper, TempNamespace};
use slotmap_shm::{Geometry, ReadOptions, Table, TableOptions, TableReader};

/// What a watchdog grants a process that has nothing to wait for. Far beyond any
/// honest run, so that only a hang ends there.
pub const WATCHDOG: Duration = Duration::from_secs(60);

/// A command that runs the worker in a role, in a namespace.
#[must_use]
pub fn worker(binary: &str, role: &str, namespace: &Path) -> Command {
    let mut command = Command::new(binary);
    command.arg(role).env(Namespace::ENV, namespace);
    command
}

/// The name that all tests use in their own namespaces.
#[must_use]
#[allow(clippy::missing_panics_doc, reason = "a constant")]
pub fn test_name() -> Name {
    Name::new("test").expect("a constant")
}

/// Options with this capacity and value size.
#[must_use]
pub fn options(capacity: usize, value_size: usize) -> TableOptions {
    TableOptions::default().geometry(Geometry::default().capacity(capacity).value_size(value_size))
}

/// Creates the test table of a namespace.
///
/// # Panics
/// When that fails: it is for tests.
#[must_use]
pub fn create(namespace: &TempNamespace, capacity: usize, value_size: usize) -> Table<i32> {
    let ns = Namespace::at(namespace.path());
    Table::create(&ns, &test_name(), &options(capacity, value_size)).expect("create a table")
}

/// Opens the test table of a namespace.
///
/// # Panics
/// When that fails: it is for tests.
#[must_use]
pub fn open(namespace: &TempNamespace) -> Table<i32> {
    let ns = Namespace::at(namespace.path());
    Table::open(&ns, &test_name(), &TableOptions::default()).expect("open the table")
}

/// Opens the test table of a namespace for reading only.
///
/// # Panics
/// When that fails: it is for tests.
#[must_use]
pub fn open_read_only(namespace: &TempNamespace) -> TableReader<i32> {
    let ns = Namespace::at(namespace.path());
    TableReader::open_read_only(&ns, &test_name(), &ReadOptions::default()).expect("open the table")
}

/// Options for reading that trust whom these trust.
#[must_use]
pub fn reading(options: &TableOptions) -> ReadOptions {
    ReadOptions::default().trust(options.trust.clone())
}

/// Tests read maps in place; where they write to a map's file, they expect to be refused.
// SAFETY: a test that makes a file writable again does not use the bytes of a map of that file.
#[allow(unsafe_code, reason = "a promise of the tests")]
pub const IN_PLACE: shm_core::InPlace = unsafe { shm_core::InPlace::trust_writers() };
