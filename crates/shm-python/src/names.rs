//! The functions on names: listing them, removing them, and removing the files that killed
//! publishers left behind.

use std::path::PathBuf;

use pyo3::prelude::*;
use shm_facade::{SNAPSHOT, SharedMap};

use crate::arguments::{map_options, namespace, timeout};
use crate::failure::failure;
use crate::interpreter;
use crate::signals;
use crate::snapshot::name_failure;

/// Removes a published name. Open snapshots keep their edition. O(1).
///
/// Waits for a publisher for up to `timeout` seconds. Raises `NotFoundError`,
/// `PermissionDeniedError`, `LockTimeoutError`. `Table.unlink` removes the name of a table.
#[pyfunction]
#[pyo3(
    signature = (name, *, namespace = None, timeout = Some(5.0)),
    text_signature = "(name, *, namespace=None, timeout=5.0)"
)]
pub(crate) fn remove(
    py: Python<'_>,
    name: &str,
    namespace: Option<PathBuf>,
    timeout: Option<f64>,
) -> PyResult<()> {
    let options =
        map_options(namespace, &[], self::timeout(py, timeout)?).interrupt(signals::interrupt());
    signals::detach(py, || SharedMap::remove_with(name, &options))?
        .map_err(|error| name_failure(py, error, name, &options))
}

/// Removes files that killed publishers of this user left behind, and returns their paths; with
/// `dry_run` it removes none.
///
/// Living publishers, names, and other users' files are left alone. Raises `NotFoundError` for a
/// missing directory.
#[pyfunction]
#[pyo3(signature = (*, namespace = None, dry_run = false))]
pub(crate) fn prune(
    py: Python<'_>,
    namespace: Option<PathBuf>,
    dry_run: bool,
) -> PyResult<Vec<Bound<'_, PyAny>>> {
    let namespace = self::namespace(namespace);
    let sweep = if dry_run { shm_facade::litter } else { shm_facade::prune };
    let pruned = py.detach(|| sweep(&namespace)).map_err(|error| failure(py, error, None))?;
    pruned.into_iter().map(|pruned| interpreter::path(py, &pruned.path)).collect()
}

/// The tables and snapshots of a namespace: each name with its kind, `"table"` or `"snapshot"`.
///
/// In no order. Opens none of them. O(files). Raises `NotFoundError` for a missing directory,
/// `PermissionDeniedError`.
#[pyfunction]
#[pyo3(signature = (*, namespace = None))]
pub(crate) fn names(py: Python<'_>, namespace: Option<PathBuf>) -> PyResult<Vec<(String, String)>> {
    let namespace = self::namespace(namespace);
    let entries = namespace.list().map_err(|source| {
        failure(py, shm_core::IoError::new("list", namespace.dir(), source), None)
    })?;
    let shown = entries.into_iter().filter(|entry| entry.kind != SNAPSHOT.control.to_string());
    Ok(shown.map(|entry| (entry.name.to_string(), entry.kind)).collect())
}
