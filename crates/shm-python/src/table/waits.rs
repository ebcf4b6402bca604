//! Waiting until a key of a table, or anything in it, has changed.
//!
//! In Python, a version is the bytes of the numbers that it has in Rust.

use std::borrow::Borrow;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use slotmap_shm::{Access, Table, TableError, TableVersion, Value, Version};

use super::TableBase;
use super::calls::{failed, stored};
use super::handle::{Opened, reading};
use super::key::PyKey;
use crate::arguments::{SLICE, timeout};
use crate::failure::raise;
use crate::signals;

/// A version as bytes, and back.
pub(crate) trait Token: Copy + Send + 'static {
    const WHAT: &'static str;

    fn bytes(self) -> Vec<u8>;

    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

impl Token for Version {
    const WHAT: &'static str = "the version of a key";

    fn bytes(self) -> Vec<u8> {
        self.to_words().map(u64::to_le_bytes).concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        words(bytes).map(Self::from_words)
    }
}

impl Token for TableVersion {
    const WHAT: &'static str = "the version of a table";

    fn bytes(self) -> Vec<u8> {
        self.to_words().map(u64::to_le_bytes).concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        words(bytes).map(Self::from_words)
    }
}

/// The numbers that these bytes are, if they are so many.
fn words<const N: usize>(bytes: &[u8]) -> Option<[u64; N]> {
    let (words, rest) = bytes.as_chunks::<8>();
    let words: &[[u8; 8]; N] = words.try_into().ok().filter(|_| rest.is_empty())?;
    Some(words.map(u64::from_le_bytes))
}

fn token<T: Token>(py: Python<'_>, version: T) -> Bound<'_, PyBytes> {
    PyBytes::new(py, &version.bytes())
}

/// Reads a version that Python code passes.
fn seen_by<T: Token>(py: Python<'_>, seen: &[u8]) -> PyResult<T> {
    T::from_bytes(seen).ok_or_else(|| {
        let text = format!("seen is {} bytes long, which is not {}", seen.len(), T::WHAT);
        raise(py, "InvalidOptionError", (text,))
    })
}

/// `Table.get_with_version`.
#[pyfunction]
pub(crate) fn table_get_with_version<'py>(
    table: &Bound<'py, TableBase>,
    key: &Bound<'py, PyAny>,
) -> PyResult<(Option<Bound<'py, PyBytes>>, Bound<'py, PyBytes>)> {
    let py = key.py();
    let (value, version) = reading!(&*table.get().owned(py)?, table => {
        keyed(table, key, |table, key| table.get_with_version(key))
    })?;
    let bytes = |value: Value| PyBytes::new(py, value.as_bytes());
    Ok((value.map(bytes), token(py, version)))
}

/// `Table.version`.
#[pyfunction]
pub(crate) fn table_version_of<'py>(
    table: &Bound<'py, TableBase>,
    key: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyBytes>> {
    let py = key.py();
    let version = reading!(&*table.get().owned(py)?, table => {
        keyed(table, key, |table, key| table.version(key))
    })?;
    Ok(token(py, version))
}

/// `Table.wait`.
#[pyfunction]
pub(crate) fn table_wait<'py>(
    table: &Bound<'py, TableBase>,
    key: &Bound<'py, PyAny>,
    seen: &[u8],
    timeout: Option<f64>,
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let py = key.py();
    let (seen, limit) = (seen_by(py, seen)?, self::timeout(py, timeout)?);
    in_slices(table, limit, |opened, slice| {
        reading!(opened, table => {
            slept_by_key(table, key, |table, key| table.wait_for_change(key, seen, Some(slice)))
        })
    })
}

/// `Table.table_version`.
#[pyfunction]
pub(crate) fn table_whole_version<'py>(
    table: &Bound<'py, TableBase>,
) -> PyResult<Bound<'py, PyBytes>> {
    let py = table.py();
    let version = reading!(&*table.get().owned(py)?, table => table.table_version());
    Ok(token(py, version))
}

/// `Table.wait_any`.
#[pyfunction]
pub(crate) fn table_wait_any<'py>(
    table: &Bound<'py, TableBase>,
    seen: &[u8],
    timeout: Option<f64>,
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let py = table.py();
    let (seen, limit) = (seen_by(py, seen)?, self::timeout(py, timeout)?);
    in_slices(table, limit, |opened, slice| {
        reading!(opened, table => {
            slept(table, py, || table.wait_for_any_change(seen, Some(slice)))
        })
    })
}

/// Calls `wait` with a part of the time, again and again, until it returns a version. Fails if the
/// handle is closed in between.
fn in_slices<'py, T: Token>(
    table: &Bound<'py, TableBase>,
    timeout: Option<Duration>,
    wait: impl Fn(&Opened, Duration) -> PyResult<Option<T>>,
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let (py, start) = (table.py(), Instant::now());
    loop {
        let left = timeout.map(|timeout| timeout.saturating_sub(start.elapsed()));
        let slice = left.map_or(SLICE, |left| left.min(SLICE));
        // Not borrowed across the sleep, so that the handle may be closed meanwhile.
        let opened = table.get().owned(py)?;
        if let Some(now) = wait(&opened, slice)? {
            return Ok(Some(token(py, now)));
        }
        py.check_signals()?;
        if left == Some(slice) {
            return Ok(None);
        }
    }
}

/// Calls `read` with a key of the table.
fn keyed<K: PyKey + ?Sized, A: Access, T>(
    table: &Table<K, A>,
    key: &Bound<'_, PyAny>,
    read: impl FnOnce(&Table<K, A>, &K) -> Result<T, TableError>,
) -> PyResult<T> {
    let held = stored(table, key, None)?;
    read(table, held.borrow()).map_err(|error| failed(key.py(), table, error))
}

/// Waits for a change of a key, without the interpreter.
fn slept_by_key<K: PyKey + ?Sized, A: Access, T: Send>(
    table: &Table<K, A>,
    key: &Bound<'_, PyAny>,
    wait: impl FnOnce(&Table<K, A>, &K) -> Result<T, TableError> + Send,
) -> PyResult<T> {
    let held = stored(table, key, None)?;
    let taken: &K = held.borrow();
    slept(table, key.py(), || wait(table, taken))
}

/// Waits without the interpreter.
fn slept<K: PyKey + ?Sized, A: Access, T: Send>(
    table: &Table<K, A>,
    py: Python<'_>,
    wait: impl FnOnce() -> Result<T, TableError> + Send,
) -> PyResult<T> {
    signals::detach(py, wait)?.map_err(|error| failed(py, table, error))
}
