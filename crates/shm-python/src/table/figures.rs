//! The figures of a table, as Python objects.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::handle::Opened;

/// What `Table.stats` returns.
pub(crate) fn stats<'py>(table: &Opened, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
    let stats = table.stats();
    let dict = PyDict::new(py);
    dict.set_item("len", stats.len)?;
    dict.set_item("capacity", stats.capacity)?;
    dict.set_item("max_capacity", stats.max_capacity)?;
    dict.set_item("free", stats.free)?;
    dict.set_item("value_size", stats.value_size)?;
    dict.set_item("writes", stats.writes)?;
    dict.set_item("recoveries", stats.recoveries)?;
    dict.set_item("lost", stats.lost)?;
    dict.set_item("tombstones", stats.tombstones)?;
    dict.set_item("file_len", stats.file_len)?;
    Ok(dict)
}
