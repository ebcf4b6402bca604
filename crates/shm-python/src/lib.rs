//! The extension module `shmap._shmap`, on which the Python package `shmap` is built.
//!
//! Python code under `python/shmap` derives the public classes from the classes here, so that the
//! public ones are mappings of `collections.abc`. The stubs beside that code document the public
//! classes.
//!
//! A handle holds its map in an `Arc`. A method that releases the interpreter first takes its own
//! copy of the `Arc`. No handle is borrowed, and no lock of this process held, while Python code
//! runs or a call sleeps. Otherwise a fork by another thread would leave the child with the borrow
//! or lock for ever (`attached.rs`).

#![deny(unsafe_code)]

mod arguments;
mod attached;
mod cursor;
mod dropin;
mod edition;
mod entries;
mod failure;
mod fast;
mod interpreter;
mod keys;
mod names;
mod numbers;
mod refusal;
mod signals;
mod snapshot;
mod table;
mod tree;

use pyo3::prelude::*;

/// The contents of the module.
#[pymodule(gil_used = true)]
mod _shmap {
    use pyo3::prelude::*;

    use super::{
        cursor, dropin, entries, failure, fast, interpreter, names, snapshot, table, tree,
    };

    /// Everything is added by hand, in place of `pymodule_export`, which would create the types
    /// before this check.
    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        interpreter::require_main()?;
        let py = module.py();
        interpreter::require_lock(py)?;
        interpreter::warm(py)?;
        failure::load_classes(py)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add_class::<cursor::Cursor>()?;
        module.add_class::<dropin::DropInMap>()?;
        module.add_class::<dropin::DropInTree>()?;
        module.add_class::<entries::Entries>()?;
        module.add_class::<snapshot::SnapshotBase>()?;
        module.add_class::<table::TableBase>()?;
        module.add_class::<tree::TreeBase>()?;
        module.add_function(wrap_pyfunction!(dropin::build_rbtree, module)?)?;
        module.add_function(wrap_pyfunction!(dropin::open_sharedmap, module)?)?;
        module.add_function(wrap_pyfunction!(names::names, module)?)?;
        module.add_function(wrap_pyfunction!(names::prune, module)?)?;
        module.add_function(wrap_pyfunction!(names::remove, module)?)?;
        // What methods of `_mappings.py` call.
        for function in [
            wrap_pyfunction!(table::figures::table_writers, module)?,
            wrap_pyfunction!(table::leases::table_add_ephemeral, module)?,
            wrap_pyfunction!(table::leases::table_default_ttl, module)?,
            wrap_pyfunction!(table::leases::table_evicts, module)?,
            wrap_pyfunction!(table::leases::table_expire, module)?,
            wrap_pyfunction!(table::leases::table_get_stale, module)?,
            wrap_pyfunction!(table::leases::table_set, module)?,
            wrap_pyfunction!(table::leases::table_touch, module)?,
            wrap_pyfunction!(table::leases::table_ttl, module)?,
            wrap_pyfunction!(table::waits::table_get_with_version, module)?,
            wrap_pyfunction!(table::waits::table_version_of, module)?,
            wrap_pyfunction!(table::waits::table_wait, module)?,
            wrap_pyfunction!(table::waits::table_wait_any, module)?,
            wrap_pyfunction!(table::waits::table_whole_version, module)?,
        ] {
            module.add_function(function)?;
        }
        // Methods whose calls are not PyO3's.
        fast::add::<dropin::Get>(py)?;
        fast::add::<dropin::Set>(py)?;
        fast::add::<snapshot::Get>(py)?;
        fast::add::<snapshot::GetStr>(py)?;
        fast::add::<table::lookup::Get>(py)?;
        fast::add::<table::lookup::GetInt>(py)?;
        fast::add::<table::lookup::GetStr>(py)
    }
}
