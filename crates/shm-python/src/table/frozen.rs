//! From a table to a snapshot, and back.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use shm_facade::{Error, RbTree, Share, ShareOptions};
use slotmap_shm::PutMode;

use super::calls;
use super::handle::{Opened, reading, typed};
use crate::failure::{failure, share_failure};
use crate::keys::KeyForm;
use crate::refusal::Refusal;
use crate::signals;
use crate::snapshot::SnapshotBase;

/// `Table.freeze`.
pub(super) fn freeze(
    table: &Opened,
    py: Python<'_>,
    name: &str,
    options: &ShareOptions,
) -> PyResult<u64> {
    let entries = reading!(table, table => calls::frozen(table, py))?;
    signals::detach(py, || RbTree::from_entries(entries)?.share_with(name, options))?
        .map_err(|error| share_failure(py, error))
}

/// `Table.load`.
pub(super) fn load(table: &Opened, py: Python<'_>, snapshot: &Bound<'_, PyAny>) -> PyResult<usize> {
    let Ok(snapshot) = snapshot.cast::<SnapshotBase>() else {
        let expected = "the Snapshot to copy from, opened";
        return Err(Refusal::Type(expected).of_argument("snapshot", snapshot));
    };
    let (map, form) = snapshot.get().owned(py)?;
    let kind = table.key_kind();
    // Nothing in the map says whether its numbers have a sign: its handle knows, if anybody does.
    let form = match (form.kind().integer(), kind.integer()) {
        (Some(_), Some(_)) => form,
        _ => KeyForm::frozen(kind).of(&map),
    };
    let mut entries = Vec::with_capacity(map.len());
    for (rank, (key, value)) in map.iter().enumerate() {
        let Some(found) = form.decode(py, key)? else {
            let error = Error::NotATableKey { rank, key: key.to_vec(), kind };
            return Err(failure(py, error, None));
        };
        entries.push((found, PyBytes::new(py, value).into_any()));
    }
    let mode = PutMode::Upsert;
    typed!(table.writable(py)?, table => calls::put_many(table, py, mode, &entries))?;
    Ok(entries.len())
}
