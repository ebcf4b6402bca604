//! The table. As a [`Store`](crate::Store) it is implemented beside that trait.

use anyhow::Result;
use shm_core::{Name, Namespace};
use slotmap_shm::{Table, TableOptions};

use crate::workload::{CAPACITY, Workload};

/// Opens, or creates, a table of the default geometry: 1024 entries of 256 bytes.
///
/// # Errors
/// When it cannot be opened.
pub fn table(dir: &std::path::Path, name: &str) -> Result<Table<i32>> {
    let options = TableOptions::default();
    Ok(Table::open_or_create(&Namespace::at(dir), &Name::new(name)?, &options)?)
}

/// A table with the workload's entries, with values of `len` bytes.
///
/// Every other key is written twice: a slot has two value buffers, at different distances from its
/// key, and a table in use has values in both.
///
/// # Errors
/// When it cannot be created or filled.
pub fn filled(
    dir: &std::path::Path,
    name: &str,
    work: &Workload,
    len: usize,
) -> Result<Table<i32>> {
    filled_of_size(dir, name, CAPACITY, work, len)
}

/// As [`filled`], a table with room for `capacity` entries.
///
/// # Errors
/// When it cannot be created or filled.
pub fn filled_of_size(
    dir: &std::path::Path,
    name: &str,
    capacity: usize,
    work: &Workload,
    len: usize,
) -> Result<Table<i32>> {
    let mut options = TableOptions::default();
    options.geometry.capacity = capacity;
    let table = Table::open_or_create(&Namespace::at(dir), &Name::new(name)?, &options)?;
    work.fill(&table, len)?;
    for (&key, _) in work.present().iter().zip(0..).filter(|(_, i)| i % 2 == 0) {
        let value = Workload::value(key);
        table.upsert(&key, value.get(..len).unwrap_or(&value))?;
    }
    Ok(table)
}
