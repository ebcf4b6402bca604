//! Entries that expire, and entries that go with their writer.
//!
//! In Python, a time to live is a number of seconds. It is infinite if an entry stays.

use std::borrow::Borrow;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes};
use slotmap_shm::{
    Access, Eviction, Expiry, PutMode, Table, TableError, TimeToLive, Upserted, Value,
};

use super::TableBase;
use super::calls::{failed, sought, stored, write};
use super::handle::{reading, typed};
use super::key::PyKey;
use super::values::value_of;
use crate::failure::raise;
use crate::refusal::Refusal;

/// What [`Table::ttl`] returns for an entry that goes with its writer.
const EPHEMERAL: &str = "ephemeral";

/// Converts the `ttl` of a table that is created: `None` if entries stay, and infinite if each has
/// a time of its own.
pub(super) fn expiry(ttl: Option<&Bound<'_, PyAny>>) -> PyResult<Expiry> {
    let Some(ttl) = ttl else { return Ok(Expiry::Never) };
    let seconds = seconds_of(ttl)?;
    if seconds == f64::INFINITY {
        return Ok(Expiry::ByEntry);
    }
    duration(ttl.py(), seconds).map(Expiry::After)
}

pub(super) fn eviction(evict: bool) -> Eviction {
    if evict { Eviction::LeastRecentlyWritten } else { Eviction::Never }
}

/// Reads a number of seconds. A `bool` is not accepted: it would be a time of one second.
fn seconds_of(ttl: &Bound<'_, PyAny>) -> PyResult<f64> {
    if ttl.is_instance_of::<PyBool>() {
        return Err(Refusal::Type("a number of seconds").of_argument("ttl", ttl));
    }
    ttl.extract().map_err(|error| Refusal::Raised(error).of_argument("ttl", ttl))
}

/// The time to live of an entry.
fn time_to_live(ttl: &Bound<'_, PyAny>) -> PyResult<Duration> {
    duration(ttl.py(), seconds_of(ttl)?)
}

/// Converts seconds. What is too short or too long for a table, but not for a [`Duration`], the
/// table refuses.
fn duration(py: Python<'_>, seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        let text =
            format!("ttl is {seconds:?}, it must be more than 0 and at most 4611686018 seconds");
        raise(py, "InvalidOptionError", (text,))
    })
}

/// `Table.set`.
#[pyfunction]
pub(crate) fn table_set<'py>(
    table: &Bound<'py, TableBase>,
    key: &Bound<'py, PyAny>,
    value: &Bound<'py, PyAny>,
    ttl: Option<&Bound<'py, PyAny>>,
) -> PyResult<bool> {
    let py = key.py();
    let (opened, ttl) = (table.get().owned(py)?, ttl.map(time_to_live).transpose()?);
    let done = typed!(opened.writable(py)?, table => {
        put(table, key, value, |table, key, value| match ttl {
            Some(ttl) => table.upsert_for(key, value, ttl),
            None => table.put(PutMode::Upsert, key, value),
        })
    });
    Ok(table.get().told(py, &opened, done)? == Upserted::Updated)
}

/// `Table.add_ephemeral`.
#[pyfunction]
pub(crate) fn table_add_ephemeral<'py>(
    table: &Bound<'py, TableBase>,
    key: &Bound<'py, PyAny>,
    value: &Bound<'py, PyAny>,
) -> PyResult<()> {
    let (py, opened) = (key.py(), table.get().owned(key.py())?);
    let done = typed!(opened.writable(py)?, table => {
        put(table, key, value, |table, key, value| table.add_ephemeral(key, value))
    });
    table.get().told(py, &opened, done)
}

/// `Table.touch`.
#[pyfunction]
pub(crate) fn table_touch<'py>(
    table: &Bound<'py, TableBase>,
    key: &Bound<'py, PyAny>,
    ttl: &Bound<'py, PyAny>,
) -> PyResult<()> {
    let (py, opened) = (key.py(), table.get().owned(key.py())?);
    let ttl = time_to_live(ttl)?;
    typed!(opened.writable(py)?, table => touch(table, key, ttl))
}

/// `Table.ttl`.
#[pyfunction]
pub(crate) fn table_ttl<'py>(
    table: &Bound<'py, TableBase>,
    key: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = key.py();
    let found = reading!(&*table.get().owned(py)?, table => {
        looked_up(table, key, |table, key| table.ttl(key))
    })?;
    let seconds = match found {
        None => return Ok(None),
        Some(TimeToLive::ForEver) => f64::INFINITY,
        Some(TimeToLive::For(left)) => left.as_secs_f64(),
        Some(_) => return Ok(Some(EPHEMERAL.into_pyobject(py)?.into_any())),
    };
    Ok(Some(seconds.into_pyobject(py)?.into_any()))
}

/// `Table.get_stale`.
#[pyfunction]
pub(crate) fn table_get_stale<'py>(
    table: &Bound<'py, TableBase>,
    key: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let py = key.py();
    let found = reading!(&*table.get().owned(py)?, table => {
        looked_up(table, key, |table, key| table.get_stale(key))
    })?;
    Ok(found.map(|value: Value| PyBytes::new(py, value.as_bytes())))
}

/// `Table.expire`.
#[pyfunction]
pub(crate) fn table_expire(table: &Bound<'_, TableBase>, max_visited: usize) -> PyResult<usize> {
    let py = table.py();
    typed!(table.get().owned(py)?.writable(py)?, table => {
        write(table, py, || table.expire(max_visited))
    })
}

/// `Table.default_ttl`.
#[pyfunction]
pub(crate) fn table_default_ttl(table: &Bound<'_, TableBase>) -> PyResult<Option<f64>> {
    let expiry = reading!(&*table.get().owned(table.py())?, table => table.geometry().expiry);
    Ok(match expiry {
        Expiry::Never => None,
        Expiry::After(ttl) => Some(ttl.as_secs_f64()),
        _ => Some(f64::INFINITY),
    })
}

/// `Table.evicts`.
#[pyfunction]
pub(crate) fn table_evicts(table: &Bound<'_, TableBase>) -> PyResult<bool> {
    let eviction = reading!(&*table.get().owned(table.py())?, table => table.geometry().eviction);
    Ok(eviction != Eviction::Never)
}

/// Stores a value under a key, without the interpreter.
fn put<K: PyKey + ?Sized, T: Send>(
    table: &Table<K>,
    key: &Bound<'_, PyAny>,
    value: &Bound<'_, PyAny>,
    put: impl FnOnce(&Table<K>, &K, &[u8]) -> Result<T, TableError> + Send,
) -> PyResult<T> {
    let (held, value) = (stored(table, key, None)?, value_of(value)?);
    let (taken, value): (&K, &[u8]) = (held.borrow(), value.as_bytes());
    write(table, key.py(), || put(table, taken, value))
}

fn touch<K: PyKey + ?Sized>(
    table: &Table<K>,
    key: &Bound<'_, PyAny>,
    ttl: Duration,
) -> PyResult<()> {
    let held = stored(table, key, None)?;
    let taken: &K = held.borrow();
    write(table, key.py(), || table.touch(taken, ttl))
}

/// Looks up a key. Returns `None` for an object that cannot be a key of this table.
fn looked_up<K: PyKey + ?Sized, A: Access, T>(
    table: &Table<K, A>,
    key: &Bound<'_, PyAny>,
    look_up: impl FnOnce(&Table<K, A>, &K) -> Result<Option<T>, TableError>,
) -> PyResult<Option<T>> {
    let Some(held) = sought(table, key)? else { return Ok(None) };
    match look_up(table, held.borrow()) {
        Err(TableError::KeyTooLong { .. }) => Ok(None),
        found => found.map_err(|error| failed(key.py(), table, error)),
    }
}
