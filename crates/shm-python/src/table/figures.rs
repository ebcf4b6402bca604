//! The figures of a table, as Python objects.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use slotmap_shm::TableWriter;

use super::TableBase;
use super::handle::{Opened, reading};
use crate::signals;

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
    dict.set_item("growths", stats.growths)?;
    dict.set_item("recoveries", stats.recoveries)?;
    dict.set_item("lost", stats.lost)?;
    dict.set_item("expired", stats.expired)?;
    dict.set_item("evicted", stats.evicted)?;
    dict.set_item("tombstones", stats.tombstones)?;
    dict.set_item("file_len", stats.file_len)?;
    Ok(dict)
}

/// `Table.writers`.
#[pyfunction]
pub(crate) fn table_writers<'py>(
    table: &Bound<'py, TableBase>,
) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let (py, opened) = (table.py(), table.get().owned(table.py())?);
    // It reads files.
    let writers = signals::detach(py, || reading!(&*opened, table => table.writers()))?;
    let dict = |writer: TableWriter| {
        let dict = PyDict::new(py);
        dict.set_item("pid", writer.pid)?;
        dict.set_item("thread", writer.tid)?;
        dict.set_item("command", writer.command)?;
        dict.set_item("alive", writer.is_alive)?;
        dict.set_item("writes", writer.writes)?;
        Ok(dict)
    };
    writers.into_iter().map(dict).collect()
}
