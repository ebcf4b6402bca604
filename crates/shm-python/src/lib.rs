//! The extension module `shmap._shmap`: what the Python package `shmap` is made of.
//!
//! Python code under `python/shmap` derives the public classes from those here, so that they are mappings by
//! `collections.abc`; the stubs beside it are their documentation.
//!
//! A handle holds its map by `Arc`. A method that gives up the interpreter, or makes containers (which may run the
//! garbage collector, and so anybody's code), takes the `Arc` out first and leaves the handle unborrowed.

#![deny(unsafe_code)]

mod any_table;
mod arguments;
mod attached;
mod dropin;
mod edition;
mod entries;
mod failure;
mod fast;
mod keys;
mod snapshot;
mod table;
mod tree;

use pyo3::prelude::*;

/// What `shmap` is made of.
#[pymodule(gil_used = true)]
mod _shmap {
    use pyo3::prelude::*;

    use super::{attached, dropin, fast, snapshot, table};

    #[pymodule_export]
    use super::dropin::{DropInMap, DropInTree, build_rbtree, open_sharedmap};
    #[pymodule_export]
    use super::entries::Entries;
    #[pymodule_export]
    use super::snapshot::{SnapshotBase, names, prune, remove};
    #[pymodule_export]
    use super::table::TableBase;
    #[pymodule_export]
    use super::tree::TreeBase;

    /// Methods whose calls are not PyO3's.
    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let py = module.py();
        attached::require_lock(py)?;
        fast::add::<dropin::Get>(py)?;
        fast::add::<dropin::Set>(py)?;
        fast::add::<snapshot::Get>(py)?;
        fast::add::<snapshot::GetStr>(py)?;
        fast::add::<table::Get>(py)?;
        fast::add::<table::GetStr>(py)
    }
}
