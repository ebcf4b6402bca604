//! The calls of a table with any kind of keys. They take and return Python objects.
//!
//! Calls that wait or take long run without the interpreter, as `signals` requires.

use std::borrow::Borrow;
use std::ffi::CString;
use std::path::Path;
use std::time::Instant;

use pyo3::exceptions::{PyRuntimeWarning, PyTypeError};
use pyo3::prelude::*;
use slotmap_shm::{Access, KeyKind, PutMode, Table, TableError, Value};

use super::key::PyKey;
use super::values::value_of;
use crate::failure::{advised, bug, missing};
use crate::numbers::{equal_int, int_of, out_of_range, range};
use crate::refusal::Refusal;
use crate::signals;

type Object<'py> = Bound<'py, PyAny>;
type Pair<'py> = (Object<'py>, Object<'py>);
/// Makes a Python object of a value.
pub(crate) type Make<'a, 'py> = dyn Fn(&[u8]) -> PyResult<Object<'py>> + 'a;

/// Maximum length in bytes of a value that is copied to the stack.
const SMALL: usize = 64;

/// Returns the value of a key as a Python object.
#[inline]
pub(crate) fn get<'py, K: PyKey + ?Sized, A: Access>(
    table: &Table<K, A>,
    key: &Object<'py>,
    make: &Make<'_, 'py>,
) -> PyResult<Option<Object<'py>>> {
    let Some(held) = sought(table, key)? else { return Ok(None) };
    let found = if table.geometry().value_size <= SMALL {
        let mut buffer = [0; SMALL];
        match table.get_into(held.borrow(), &mut buffer) {
            Ok(Some(len)) => return make(buffer.get(..len).unwrap_or_default()).map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        }
    } else {
        table.get(held.borrow())
    };
    match found {
        Ok(value) => value.map(|value| make(&value)).transpose(),
        // No table has such a key, so it is not there.
        Err(TableError::KeyTooLong { .. }) => Ok(None),
        Err(error) => Err(failed(key.py(), table, error)),
    }
}

#[inline]
pub(crate) fn contains<K: PyKey + ?Sized, A: Access>(
    table: &Table<K, A>,
    key: &Object<'_>,
) -> PyResult<bool> {
    let Some(held) = sought(table, key)? else { return Ok(false) };
    match table.contains_key(held.borrow()) {
        Err(TableError::KeyTooLong { .. }) => Ok(false),
        found => found.map_err(|error| failed(key.py(), table, error)),
    }
}

pub(crate) fn get_many<'py, K: PyKey + ?Sized, A: Access>(
    table: &Table<K, A>,
    py: Python<'py>,
    keys: &[Object<'py>],
) -> PyResult<Vec<Option<Value>>> {
    let mut held = Vec::with_capacity(keys.len());
    for key in keys {
        held.push(sought(table, key)?.filter(|held| fits(table, held.borrow())));
    }
    let keys: Vec<&K> = held.iter().flatten().map(Borrow::borrow).collect();
    let found = signals::detach(py, || table.get_many(&keys))?;
    let mut found = found.map_err(|error| failed(py, table, error))?.into_iter();
    // No table has the others, so they are not there.
    Ok(held.iter().map(|held| held.as_ref().and_then(|_| found.next().flatten())).collect())
}

/// Returns all entries, if possible as they were at one moment. Otherwise, each entry is whole, but
/// the entries are of different moments.
pub(crate) fn entries<'py, K: PyKey + ?Sized, A: Access>(
    table: &Table<K, A>,
    py: Python<'py>,
    one_moment: bool,
) -> PyResult<Vec<(Object<'py>, Value)>> {
    let (entries, kind) = (copied(table, py, one_moment)?, table.key_kind());
    entries.into_iter().map(|(key, value)| Ok((K::give(kind, key, py)?, value))).collect()
}

/// Returns the entries as they were at one moment, with map keys in place of the table's keys.
pub(crate) fn frozen<K: PyKey + ?Sized, A: Access>(
    table: &Table<K, A>,
    py: Python<'_>,
) -> PyResult<Vec<(Vec<u8>, Value)>> {
    let (entries, kind) = (copied(table, py, true)?.into_iter(), table.key_kind());
    let entries = entries.map(|(key, value)| Some((K::frozen(kind, &key)?, value)));
    entries.collect::<Option<_>>().ok_or_else(|| bug("a key is not of its table's kind"))
}

pub(crate) fn put<K: PyKey + ?Sized>(
    table: &Table<K>,
    mode: PutMode,
    key: &Object<'_>,
    value: &Object<'_>,
) -> PyResult<()> {
    let (held, value) = (stored(table, key, None)?, value_of(value)?);
    let (taken, value): (&K, &[u8]) = (held.borrow(), value.as_bytes());
    write(table, key.py(), || table.put(mode, taken, value).map(drop))
}

pub(crate) fn put_many<'py, K: PyKey + ?Sized>(
    table: &Table<K>,
    py: Python<'py>,
    mode: PutMode,
    entries: &[Pair<'py>],
) -> PyResult<()> {
    let mut held = Vec::with_capacity(entries.len());
    for (member, (key, value)) in entries.iter().enumerate() {
        held.push((stored(table, key, Some(member))?, value_of(value)?));
    }
    let mut batch: Vec<(&K, &[u8])> = Vec::with_capacity(held.len());
    for (key, value) in &held {
        batch.push((key.borrow(), value.as_bytes()));
    }
    write(table, py, || table.put_many(mode, &batch))
}

pub(crate) fn remove<K: PyKey + ?Sized>(table: &Table<K>, key: &Object<'_>) -> PyResult<()> {
    let Some(held) = removed(table, key)? else { return Err(missing(key)) };
    let taken: &K = held.borrow();
    let removed = write(table, key.py(), || match table.remove(taken) {
        Ok(()) => Ok(true),
        Err(TableError::NotFound { .. } | TableError::KeyTooLong { .. }) => Ok(false),
        Err(error) => Err(error),
    })?;
    if removed { Ok(()) } else { Err(missing(key)) }
}

pub(crate) fn remove_many<'py, K: PyKey + ?Sized>(
    table: &Table<K>,
    py: Python<'py>,
    keys: &[Object<'py>],
) -> PyResult<()> {
    let mut held = Vec::with_capacity(keys.len());
    for key in keys {
        let found = removed(table, key)?.filter(|held| fits(table, held.borrow()));
        held.push(found.ok_or_else(|| missing(key))?);
    }
    let keys: Vec<&K> = held.iter().map(Borrow::borrow).collect();
    write(table, py, || table.remove_many(&keys))
}

pub(crate) fn compare_exchange<K: PyKey + ?Sized>(
    table: &Table<K>,
    key: &Object<'_>,
    old: &[u8],
    new: &[u8],
) -> PyResult<bool> {
    let held = stored(table, key, None)?;
    let taken: &K = held.borrow();
    write(table, key.py(), || match table.compare_exchange(taken, old, new) {
        Ok(()) => Ok(true),
        Err(TableError::Mismatch { .. }) => Ok(false),
        Err(error) => Err(error),
    })
}

/// Changes the counter of a key.
pub(crate) fn count<K: PyKey + ?Sized>(
    table: &Table<K>,
    key: &Object<'_>,
    change: impl FnOnce(&Table<K>, &K) -> Result<i64, TableError> + Send,
) -> PyResult<i64> {
    let held = stored(table, key, None)?;
    let taken: &K = held.borrow();
    write(table, key.py(), || change(table, taken))
}

/// Runs `f` without the interpreter.
pub(crate) fn write<K: PyKey + ?Sized, R: Send>(
    table: &Table<K>,
    py: Python<'_>,
    f: impl FnOnce() -> Result<R, TableError> + Send,
) -> PyResult<R> {
    signals::detach(py, f)?.map_err(|error| failed(py, table, error))
}

/// Converts an object to a key to look up. Returns `None` for an object that cannot be a key of
/// this table, for instance because of its type.
#[inline(always)]
pub(super) fn sought<'a, K: PyKey + ?Sized, A: Access>(
    table: &Table<K, A>,
    key: &'a Object<'_>,
) -> PyResult<Option<K::Held<'a>>> {
    let held = K::held(table.key_kind(), key, equal_int);
    held.or_else(|refusal| refusal.absent(key).map(|()| None))
}

/// Converts an object to a key to remove. Returns `None` for a number that cannot be a key of this
/// table.
fn removed<'a, K: PyKey + ?Sized>(
    table: &Table<K>,
    key: &'a Object<'_>,
) -> PyResult<Option<K::Held<'a>>> {
    let kind = table.key_kind();
    K::held(kind, key, equal_int).map_err(|refusal| not_a_key(kind, key, refusal))
}

/// Converts an object to a key under which a value is stored. The object may be a member of a
/// batch.
#[inline(always)]
pub(super) fn stored<'a, K: PyKey + ?Sized, A: Access>(
    table: &Table<K, A>,
    key: &'a Object<'_>,
    member: Option<usize>,
) -> PyResult<K::Held<'a>> {
    let kind = table.key_kind();
    let held = K::held(kind, key, int_of).map_err(|refusal| not_a_key(kind, key, refusal))?;
    held.ok_or_else(|| no_key_of(kind, key, member))
}

/// The exception for an object that is no key of a table of this kind, because of its type. It says
/// which tables have such keys.
#[cold]
fn not_a_key(kind: KeyKind, key: &Object<'_>, refusal: Refusal) -> PyErr {
    let Refusal::Type(expected) = refusal else { return refusal.error(key) };
    let found = match key.get_type().qualname() {
        Ok(found) => found.to_string(),
        Err(error) => return error,
    };
    let remedy = match (kind.integer(), found.as_str()) {
        (Some(_), "str") => "; a table made with keys=str has text keys",
        (_, "bytes" | "bytearray" | "memoryview") => "; a table made with keys=bytes has them",
        (None, "int") => "; a table made with keys=int has numbers as keys",
        _ => "",
    };
    PyTypeError::new_err(format!("the keys of this table are {expected}, not {found}{remedy}"))
}

/// Makes the exception for a number that cannot be a key of a table of this kind.
#[cold]
fn no_key_of(kind: KeyKind, key: &Object<'_>, member: Option<usize>) -> PyErr {
    let (bits, signed) = kind.integer().unwrap_or((64, true));
    let (min, max) = range(bits, signed);
    let more = if bits < 64 { "; a table made with bits=64 has larger ones" } else { "" };
    let lead = member.map_or(String::new(), |member| format!("batch member {member}: "));
    let range = format!("the keys of this table are {min} to {max}{more}");
    out_of_range(key, &format!("{lead}key "), &range)
}

fn fits<K: PyKey + ?Sized, A: Access>(table: &Table<K, A>, key: &K) -> bool {
    key.len() <= table.geometry().key_size
}

pub(super) fn failed<K: PyKey + ?Sized, A: Access>(
    py: Python<'_>,
    table: &Table<K, A>,
    error: TableError,
) -> PyErr {
    let advice = match error {
        TableError::ValueTooLarge { len: 8, .. } => Some("an int is a counter, which has 8 bytes"),
        TableError::NoExpiry => Some("a table made with ttl=math.inf has entries that may expire"),
        _ => None,
    };
    advised(py, error, Some(table.segment().path()), advice)
}

/// Returns the entries, if possible as they were at one moment. Otherwise, each entry is whole, but
/// the entries are of different moments. Warns of damaged entries, which are left out.
fn copied<K: PyKey + ?Sized, A: Access>(
    table: &Table<K, A>,
    py: Python<'_>,
    one_moment: bool,
) -> PyResult<Vec<(K::Owned, Value)>> {
    let start = Instant::now();
    let listing = signals::detach(py, || table.listing())?;
    let listing = listing.map_err(|error| failed(py, table, error))?;
    if one_moment && !listing.one_moment {
        return Err(failed(py, table, TableError::Contended { waited: start.elapsed() }));
    }
    if listing.damaged > 0 {
        warn_of_damage(py, listing.damaged, table.segment().path())?;
    }
    Ok(listing.entries)
}

#[cold]
fn warn_of_damage(py: Python<'_>, damaged: usize, path: &Path) -> PyResult<()> {
    let text = format!("{path:?}: left out {damaged} damaged entries; `recover` repairs the table");
    // A path has no NUL, and is shown without control characters.
    let text = CString::new(text).unwrap_or_default();
    PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &text, 1)
}
