//! `shmap.Table` without its mapping methods. Each call is a method in this file. `calls` has the
//! parts that are the same for every type of keys. `leases` and `waits` have the functions behind
//! the methods that `_mappings.py` defines.

mod calls;
mod evicted;
pub(crate) mod figures;
mod frozen;
mod handle;
mod key;
pub(crate) mod leases;
pub(crate) mod lookup;
mod opening;
mod values;
pub(crate) mod waits;

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use shm_core::{Name, Namespace};
use shm_facade::ShareOptions;
use slotmap_shm::{Geometry, KIND, PutMode, TableOptions, Value};

use self::handle::{Opened, reading, typed};
use self::key::py_type;
use self::opening::How;
use self::values::value_of;
use crate::arguments::{list, namespace, pairs, timeout, trust};
use crate::attached::Lending;
use crate::failure::{closed, failure, missing};
use crate::interpreter;
use crate::numbers::counter_of;
use crate::signals;

/// An open table of a namespace.
#[pyclass(subclass, frozen, mapping, module = "shmap._shmap", name = "TableBase")]
pub(crate) struct TableBase {
    /// The table, or `None` after it was closed.
    table: Lending<Option<Arc<Opened>>>,
    name: Name,
    namespace: Namespace,
    timeout: Option<f64>,
    trust: Vec<u32>,
    shared_writers: bool,
    /// What is called with each entry that this handle evicts.
    on_evict: Option<Py<PyAny>>,
}

#[pymethods]
impl TableBase {
    /// Shows what is called to the collector of garbage. It may be a method of the handle's owner.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.on_evict)
    }

    #[new]
    #[pyo3(signature = (
        name, how, keys, bits, capacity, max_capacity, value_size, key_size, ttl, evict, on_evict,
        namespace, mode, timeout, trust, shared_writers
    ))]
    #[expect(clippy::too_many_arguments, reason = "called by Python code that gives them names")]
    fn new(
        py: Python<'_>,
        name: &str,
        how: &str,
        keys: Option<&Bound<'_, PyAny>>,
        bits: Option<u32>,
        capacity: usize,
        max_capacity: Option<usize>,
        value_size: usize,
        key_size: usize,
        ttl: Option<&Bound<'_, PyAny>>,
        evict: bool,
        on_evict: Option<Bound<'_, PyAny>>,
        namespace: Option<PathBuf>,
        mode: u32,
        timeout: Option<f64>,
        trust: Vec<u32>,
        shared_writers: bool,
    ) -> PyResult<Self> {
        let how = How::new(how, keys, bits)?;
        let limit = self::timeout(py, timeout)?;
        let mut geometry =
            Geometry::default().capacity(capacity).value_size(value_size).key_size(key_size);
        geometry.max_capacity = max_capacity;
        (geometry.expiry, geometry.eviction) = (leases::expiry(ttl)?, leases::eviction(evict));
        let on_evict = evicted::function(on_evict)?;
        let observer = on_evict.as_ref().map(|_| evicted::observer());
        let options = TableOptions::default()
            .geometry(geometry)
            .observer(observer.unwrap_or_default())
            .mode(mode)
            .trust(self::trust(&trust, shared_writers))
            .lock_timeout(limit)
            .interrupt(signals::interrupt());
        let namespace = self::namespace(namespace);
        let name = Name::new(name).map_err(|error| failure(py, error, None))?;
        match signals::detach(py, || how.go(&namespace, &name, &options))? {
            Ok(table) => {
                let table = Lending::new(py, Some(Arc::new(table)));
                Ok(Self { table, name, namespace, timeout, trust, shared_writers, on_evict })
            }
            Err(refused) => Err(refused.raised(py, &namespace, &name)),
        }
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(reading!(&*self.owned(py)?, table => table.len()))
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        let table = self.table.lend(key.py());
        reading!(open(&table, key.py())?, table => calls::contains(table, key))
    }

    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let make = |value: &[u8]| Ok(PyBytes::new(key.py(), value).into_any());
        let table = self.table.lend(key.py());
        let found = reading!(open(&table, key.py())?, table => calls::get(table, key, &make))?;
        found.ok_or_else(|| missing(key))
    }

    fn __setitem__(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.put(PutMode::Upsert, key, value)
    }

    fn __delitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<()> {
        typed!(self.owned(key.py())?.writable(key.py())?, table => calls::remove(table, key))
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let entries = reading!(&*self.owned(py)?, table => calls::entries(table, py, true))?;
        let keys: Vec<_> = entries.into_iter().map(|(key, _)| key).collect();
        Ok(keys.into_pyobject(py)?.try_iter()?.into_any())
    }

    /// The values of several keys, in their order, as they were at one moment; `None` for an
    /// absent key. O(keys).
    ///
    /// Raises `LockTimeoutError` if other writes completed during each attempt, or `CorruptError`.
    fn get_many<'py>(
        &self,
        keys: &Bound<'py, PyAny>,
    ) -> PyResult<Vec<Option<Bound<'py, PyBytes>>>> {
        let (py, keys) = (keys.py(), list(keys)?);
        let found = reading!(&*self.owned(py)?, table => calls::get_many(table, py, &keys))?;
        let bytes = |value: Value| PyBytes::new(py, value.as_bytes());
        Ok(found.into_iter().map(|value| value.map(bytes)).collect())
    }

    /// All entries, in no order, as they were at one moment. O(capacity). Raises whatever
    /// `get_many` raises.
    ///
    /// If other writers never pause, a handle that may write takes the lock. A read-only handle
    /// gives up after a second; with `one_moment=False` it then returns entries that are each
    /// whole, but from different moments. Damaged entries are left out, with a `RuntimeWarning`
    /// that says how many.
    #[pyo3(signature = (*, one_moment = true))]
    fn entries<'py>(
        &self,
        py: Python<'py>,
        one_moment: bool,
    ) -> PyResult<Vec<(Bound<'py, PyAny>, Bound<'py, PyBytes>)>> {
        let entries = reading!(&*self.owned(py)?, table => calls::entries(table, py, one_moment))?;
        let entries = entries.into_iter();
        Ok(entries.map(|(key, value)| (key, PyBytes::new(py, value.as_bytes()))).collect())
    }

    /// Sets the value of a key that is absent. O(1).
    ///
    /// Like every change, it waits for the lock for up to `timeout` seconds, and then raises
    /// `LockTimeoutError`. A read-only handle raises `ReadOnlyError`. Other errors are
    /// `KeyExistsError`, `FullError`, `ValueTooLongError`, `KeyTooLongError` and `OutOfRangeError`.
    fn add(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.put(PutMode::Add, key, value)
    }

    /// Replaces the value of a key that is present. O(1).
    ///
    /// Raises `KeyMissingError`, `ValueTooLongError`.
    fn replace(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.put(PutMode::Update, key, value)
    }

    /// Adds all entries, or none. The error names the position of the first entry at fault.
    fn add_many(&self, entries: &Bound<'_, PyAny>) -> PyResult<()> {
        self.put_many(PutMode::Add, entries)
    }

    /// Replaces all values, or none. The error names the position of the first entry at fault.
    fn replace_many(&self, entries: &Bound<'_, PyAny>) -> PyResult<()> {
        self.put_many(PutMode::Update, entries)
    }

    /// Sets all entries, or none, at one moment. If a key occurs twice, the last value counts.
    ///
    /// The error names the position of the first entry at fault: `FullError`, `ValueTooLongError`,
    /// `KeyTooLongError` or `OutOfRangeError`.
    fn upsert_many(&self, entries: &Bound<'_, PyAny>) -> PyResult<()> {
        self.put_many(PutMode::Upsert, entries)
    }

    /// Removes all keys, or none. Raises `KeyMissingError`.
    fn remove_many(&self, keys: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, table) = (keys.py(), self.owned(keys.py())?);
        let keys = list(keys)?;
        typed!(table.writable(py)?, table => calls::remove_many(table, py, &keys))
    }

    /// Removes all entries, at one moment. O(capacity).
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        let table = self.owned(py)?;
        typed!(table.writable(py)?, table => calls::write(table, py, || table.clear()))
    }

    /// Sets the value to `new` if it is `expected`. Returns whether it was. O(1).
    ///
    /// Raises `KeyMissingError`, `ValueTooLongError`.
    fn compare_exchange(
        &self,
        key: &Bound<'_, PyAny>,
        expected: &Bound<'_, PyAny>,
        new: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let (expected, new) = (value_of(expected)?, value_of(new)?);
        let (old, new) = (expected.as_bytes(), new.as_bytes());
        let table = self.owned(key.py())?;
        typed!(table.writable(key.py())?, table => calls::compare_exchange(table, key, old, new))
    }

    /// Adds `by` to a counter, and returns the new value. If the key is absent, the counter
    /// starts at `initial`. O(1).
    ///
    /// A counter is a value of eight bytes: a little-endian signed number that wraps around.
    /// `get_int` reads it, and storing an `int` sets it. Raises `MismatchError` if the value is not
    /// a counter, or if the table's values have fewer than eight bytes; `FullError`; or
    /// `OutOfRangeError`.
    #[pyo3(signature = (key, by = 1, initial = 0))]
    fn increment(
        &self,
        key: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = counter_of)] by: i64,
        #[pyo3(from_py_with = counter_of)] initial: i64,
    ) -> PyResult<i64> {
        let (py, table) = (key.py(), self.owned(key.py())?);
        let done = typed!(table.writable(py)?, table => {
            calls::count(table, key, |table, key| table.increment(key, by, initial))
        });
        self.told(py, &table, done)
    }

    /// Adds `delta` to a counter, and returns the old value. O(1).
    ///
    /// Raises `KeyMissingError` if the key is absent, `MismatchError` if the value is not a
    /// counter, or `OutOfRangeError`.
    #[pyo3(signature = (key, delta = 1))]
    fn fetch_add(
        &self,
        key: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = counter_of)] delta: i64,
    ) -> PyResult<i64> {
        let table = self.owned(key.py())?;
        typed!(table.writable(key.py())?, table => {
            calls::count(table, key, |table, key| table.fetch_add(key, delta))
        })
    }

    /// Publishes the entries, as they were at one moment, as a snapshot. `force` replaces an
    /// existing one. Returns the number of the edition. O(n log n).
    ///
    /// Open it with `Snapshot(name, keys=table.key_type, signed=table.signed)`. Numbers are in
    /// numerical order. Raises whatever `RbTree.share` raises.
    #[pyo3(signature = (name, force = false, *, hash_index = true, mode = None, allow_empty = false))]
    fn freeze(
        &self,
        py: Python<'_>,
        name: &str,
        force: bool,
        hash_index: bool,
        mode: Option<u32>,
        allow_empty: bool,
    ) -> PyResult<u64> {
        let mut options = ShareOptions::default()
            .namespace(self.namespace.clone())
            .force(force)
            .allow_empty(allow_empty)
            .hash_index(hash_index)
            .lock_timeout(timeout(py, self.timeout)?)
            .interrupt(signals::interrupt())
            .trust(trust(&self.trust, false));
        options.mode = mode;
        frozen::freeze(&*self.owned(py)?, py, name, &options)
    }

    /// Sets all entries of a snapshot that `freeze` made, or none. Returns their number. O(n).
    ///
    /// Raises `WrongKindError` for keys that the table cannot have, and whatever `upsert_many`
    /// raises.
    fn load(&self, py: Python<'_>, snapshot: &Bound<'_, PyAny>) -> PyResult<usize> {
        let table = self.owned(py)?;
        let done = frozen::load(&table, py, snapshot);
        self.told(py, &table, done)
    }

    /// Checks the whole table, under the lock. O(capacity).
    ///
    /// Raises `CorruptError`; the next write then repairs the table.
    fn verify(&self, py: Python<'_>) -> PyResult<()> {
        let table = self.owned(py)?;
        typed!(table.writable(py)?, table => calls::write(table, py, || table.verify()))
    }

    /// Repairs what a killed writer left half done. Otherwise the next write does so.
    fn recover(&self, py: Python<'_>) -> PyResult<()> {
        let table = self.owned(py)?;
        typed!(table.writable(py)?, table => calls::write(table, py, || table.recover().map(drop)))
    }

    /// Removes the name; False if there was none. Open handles keep the table.
    ///
    /// Also works with a closed handle. Raises `PermissionDeniedError`.
    fn unlink(&self, py: Python<'_>) -> PyResult<bool> {
        self.namespace.unlink(&self.name, KIND).map_err(|source| self.namespace_failure(py, source))
    }

    /// True if the name no longer leads to this table: it was removed or created again.
    fn is_orphaned(&self, py: Python<'_>) -> PyResult<bool> {
        reading!(&*self.owned(py)?, table => table.is_orphaned())
            .map_err(|source| self.namespace_failure(py, source))
    }

    /// `len`, `capacity`, `max_capacity`, `free`, `value_size`, `writes`, `growths`, `recoveries`,
    /// entries `lost` to damage, `expired` and `evicted` entries, `tombstones` of the index,
    /// `file_len` in bytes. O(1).
    ///
    /// While other processes write, the figures may be from different moments. `len` counts
    /// entries that have expired until their slots are taken, and `expired` counts them then.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        figures::stats(&*self.owned(py)?, py)
    }

    /// The name.
    #[getter]
    fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The directory.
    #[getter]
    fn namespace<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        interpreter::path(py, self.namespace.dir())
    }

    /// The file.
    #[getter]
    fn path<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        interpreter::path(py, &self.namespace.path_of(&self.name, KIND))
    }

    /// The number of entries that fit, before the table grows again if it may grow.
    #[getter]
    fn capacity(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.owned(py)?.stats().capacity)
    }

    /// The largest `capacity` to which the table may grow.
    #[getter]
    fn max_capacity(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.owned(py)?.stats().max_capacity)
    }

    /// The maximum length of a value, in bytes.
    #[getter]
    fn value_size(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.owned(py)?.stats().value_size)
    }

    /// The maximum length of a key, in bytes. Has no meaning if keys are numbers.
    #[getter]
    fn key_size(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(reading!(&*self.owned(py)?, table => table.geometry().key_size))
    }

    /// `int`, `str` or `bytes`.
    #[getter]
    fn key_type<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(py_type(self.owned(py)?.key_kind(), py))
    }

    /// Whether the keys are signed numbers. Also true if the keys are not numbers.
    #[getter]
    fn signed(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.owned(py)?.key_kind().integer().is_none_or(|(_, signed)| signed))
    }

    /// Whether this handle may only read.
    #[getter]
    fn read_only(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.owned(py)?.is_read_only())
    }

    /// Whether `close` was called.
    #[getter]
    fn closed(&self, py: Python<'_>) -> bool {
        self.table.lend(py).is_none()
    }

    /// How long a write waits for the lock, in seconds; `None` for ever.
    #[getter]
    fn timeout(&self) -> Option<f64> {
        self.timeout
    }

    /// The arguments that the Python class needs to open the table again after pickling.
    #[getter]
    fn _trust(&self) -> (Vec<u32>, bool) {
        (self.trust.clone(), self.shared_writers)
    }

    /// Closes this handle. The table remains.
    fn close(&self, py: Python<'_>) {
        self.table.replace(py, None);
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let class = slf.get_type().name()?;
        let name = slf.get().name.as_str();
        Ok(match &*slf.get().table.lend(slf.py()) {
            Some(table) => {
                let stats = table.stats();
                format!("<{class} {name:?}: {} of {} entries>", stats.len, stats.capacity)
            }
            None => format!("<{class} {name:?}: closed>"),
        })
    }
}

impl TableBase {
    /// The table, whatever becomes of the handle.
    fn owned(&self, py: Python<'_>) -> PyResult<Arc<Opened>> {
        self.table.lend(py).clone().ok_or_else(|| closed(py, "table"))
    }

    fn put(&self, mode: PutMode, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, table) = (key.py(), self.owned(key.py())?);
        let done = typed!(table.writable(py)?, table => calls::put(table, mode, key, value));
        self.told(py, &table, done)
    }

    fn put_many(&self, mode: PutMode, entries: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, table) = (entries.py(), self.owned(entries.py())?);
        let entries = pairs(entries)?;
        let done = typed!(table.writable(py)?, table => calls::put_many(table, py, mode, &entries));
        self.told(py, &table, done)
    }

    /// Tells what a call has evicted, if anybody wants to know, and returns what came of the call.
    fn told<T>(&self, py: Python<'_>, table: &Opened, done: PyResult<T>) -> PyResult<T> {
        match &self.on_evict {
            Some(function) => evicted::tell(py, function, table.key_kind(), done),
            None => done,
        }
    }

    fn namespace_failure(&self, py: Python<'_>, source: std::io::Error) -> PyErr {
        // Of its file, not of all of the namespace.
        let dir = self.namespace.path_of(&self.name, KIND);
        failure(py, shm_core::IoError::new("look at", dir, source), None)
    }
}

/// Returns the table, unless it was closed.
#[inline]
fn open<'a>(table: &'a Option<Arc<Opened>>, py: Python<'_>) -> PyResult<&'a Opened> {
    table.as_deref().ok_or_else(|| closed(py, "table"))
}
