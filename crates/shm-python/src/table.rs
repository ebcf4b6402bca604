//! `shmap.Table` below its mapping methods.

use std::ffi::CStr;
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyString};
use shm_core::{Name, Namespace};
use shm_facade::{RbTree, SNAPSHOT, Share, ShareOptions};
use slotmap_shm::{
    Geometry, KIND, PutMode, ReadOptions, Table, TableOpenError, TableOptions, TableReader, Value,
};

use crate::any_table::{Access, AnyTable, Opened, PyKey};
use crate::arguments::{namespace, timeout, trust};
use crate::attached::Lending;
use crate::failure::{closed, failure, missing, not_found, other_keys};
use crate::fast::Method;
use crate::interpreter;
use crate::keys::{KeyForm, bytes_of};
use crate::signals;
use crate::snapshot::SnapshotBase;

/// A table of the namespace, opened.
#[pyclass(subclass, frozen, mapping, module = "shmap._shmap", name = "TableBase")]
pub(crate) struct TableBase {
    /// None when it is closed.
    table: Lending<Option<Arc<dyn AnyTable>>>,
    name: Name,
    namespace: Namespace,
    timeout: Option<f64>,
    trust: Vec<u32>,
    shared_writers: bool,
}

/// How a table is made or found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Create,
    Open,
    OpenOrCreate,
    Read,
}

impl How {
    fn new(how: &str) -> PyResult<Self> {
        match how {
            "create" => Ok(Self::Create),
            "open" => Ok(Self::Open),
            "open_or_create" => Ok(Self::OpenOrCreate),
            "read" => Ok(Self::Read),
            other => Err(PyValueError::new_err(format!("no such way to open a table: {other:?}"))),
        }
    }

    fn go<K: PyKey + ?Sized + Sync + 'static>(
        self,
        place: (&Namespace, &Name),
        options: &TableOptions,
    ) -> Result<Arc<dyn AnyTable>, TableOpenError>
    where
        K::Owned: Send + Sync,
    {
        let (namespace, name) = place;
        let access = match self {
            Self::Create => Access::Write(Table::<K>::create(namespace, name, options)?),
            Self::Open => Access::Write(Table::<K>::open(namespace, name, options)?),
            Self::OpenOrCreate => {
                Access::Write(Table::<K>::open_or_create(namespace, name, options)?)
            }
            Self::Read => {
                let options = ReadOptions::default().trust(options.trust.clone());
                Access::Read(TableReader::<K>::open_read_only(namespace, name, &options)?)
            }
        };
        Ok(Arc::new(Opened(access)))
    }
}

/// The types of keys, by their width in bits; 0 for `str`.
const WIDTHS: [u32; 3] = [32, 64, 0];

/// Which types of keys will do; none means any.
fn widths(keys: Option<&Bound<'_, PyAny>>, bits: Option<u32>, how: How) -> PyResult<Vec<u32>> {
    let created = matches!(how, How::Create | How::OpenOrCreate);
    let wrong = || PyTypeError::new_err("keys must be int, of 32 or 64 bits, or str");
    let Some(keys) = keys else {
        return if created || bits.is_some() { Err(wrong()) } else { Ok(WIDTHS.to_vec()) };
    };
    let py = keys.py();
    match bits {
        None if keys.is(py.get_type::<PyString>()) => Ok(vec![0]),
        _ if !keys.is(py.get_type::<PyInt>()) => Err(wrong()),
        None if created => Ok(vec![32]),
        None => Ok(vec![32, 64]),
        Some(bits @ (32 | 64)) => Ok(vec![bits]),
        Some(_) => Err(wrong()),
    }
}

#[pymethods]
impl TableBase {
    #[new]
    #[pyo3(signature = (name, how, keys, bits, geometry, namespace, mode, timeout, trust, shared_writers))]
    #[expect(clippy::too_many_arguments, reason = "called by Python code that gives them names")]
    fn new(
        py: Python<'_>,
        name: &str,
        how: &str,
        keys: Option<&Bound<'_, PyAny>>,
        bits: Option<u32>,
        geometry: (usize, usize, usize),
        namespace: Option<PathBuf>,
        mode: u32,
        timeout: Option<f64>,
        trust: Vec<u32>,
        shared_writers: bool,
    ) -> PyResult<Self> {
        let how = How::new(how)?;
        let asked = widths(keys, bits, how)?;
        let limit = self::timeout(timeout)?;
        let (capacity, value_size, key_size) = geometry;
        let options = TableOptions::default()
            .geometry(
                Geometry::default().capacity(capacity).value_size(value_size).key_size(key_size),
            )
            .mode(mode)
            .trust(self::trust(&trust, shared_writers))
            .lock_timeout(limit)
            .interrupt(signals::interrupt());
        let namespace = self::namespace(namespace);
        let name = Name::new(name).map_err(|error| failure(py, error, None))?;
        let path = namespace.path_of(&name, KIND);
        let opened = signals::detach(py, || {
            let place = (&namespace, &name);
            let mut outcome = None;
            for width in &asked {
                let attempt = match *width {
                    32 => how.go::<i32>(place, &options),
                    64 => how.go::<i64>(place, &options),
                    _ => how.go::<str>(place, &options),
                };
                let other_key = matches!(attempt, Err(TableOpenError::KeyKind { .. }));
                outcome = Some(attempt);
                if !other_key {
                    break;
                }
            }
            outcome
        })?;
        match opened {
            Some(Ok(table)) => {
                let table = Lending::new(py, Some(table));
                Ok(Self { table, name, namespace, timeout, trust, shared_writers })
            }
            // Each width was tried; the error says the last one.
            Some(Err(TableOpenError::KeyKind { path, found, .. })) if asked.len() > 1 => {
                let what = if asked.len() == 2 { "i32 or i64" } else { "i32, i64 or str" };
                Err(other_keys(py, &path, found, what))
            }
            Some(Err(error)) => {
                let snapshot = namespace.path_of(&name, SNAPSHOT.kind);
                let kinds = ("table", "snapshot");
                Err(not_found(py, error, name.as_str(), kinds, (&path, &snapshot)))
            }
            None => Err(crate::failure::bug("no type of keys was tried")),
        }
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.owned(py)?.len())
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        open(&self.table.lend(key.py()), key.py())?.contains(key)
    }

    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let make = |value: &[u8]| Ok(PyBytes::new(key.py(), value).into_any());
        open(&self.table.lend(key.py()), key.py())?.get(key, &make)?.ok_or_else(|| missing(key))
    }

    fn __setitem__(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.owned(key.py())?.put(PutMode::Upsert, key, value)
    }

    fn __delitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<()> {
        self.owned(key.py())?.remove(key)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let keys: Vec<_> =
            self.owned(py)?.entries(py, true)?.into_iter().map(|(key, _)| key).collect();
        Ok(keys.into_pyobject(py)?.try_iter()?.into_any())
    }

    /// The values of several keys, or `None`, in their order, all of one moment. O(keys).
    ///
    /// Raises `LockTimeoutError` when other writes kept completing meanwhile, `CorruptError`.
    fn get_many<'py>(
        &self,
        keys: &Bound<'py, PyAny>,
    ) -> PyResult<Vec<Option<Bound<'py, PyBytes>>>> {
        let (py, keys) = (keys.py(), list(keys)?);
        let found = self.owned(py)?.get_many(py, &keys)?;
        let bytes = |value: Value| PyBytes::new(py, value.as_bytes());
        Ok(found.into_iter().map(|value| value.map(bytes)).collect())
    }

    /// All entries, in no order, as they were at one moment. O(capacity). Raises as `get_many` does.
    ///
    /// Beside writers that do not pause, a handle that may write takes the lock. One for reading only
    /// gives up after a second; without `one_moment` it then returns entries that are each whole, but
    /// of different moments. Damaged entries are left out, with a `RuntimeWarning` that says how many.
    #[pyo3(signature = (*, one_moment = true))]
    fn entries<'py>(
        &self,
        py: Python<'py>,
        one_moment: bool,
    ) -> PyResult<Vec<(Bound<'py, PyAny>, Bound<'py, PyBytes>)>> {
        let entries = self.owned(py)?.entries(py, one_moment)?.into_iter();
        Ok(entries.map(|(key, value)| (key, PyBytes::new(py, value.as_bytes()))).collect())
    }

    /// Only if it is absent. O(1). Raises `KeyExistsError`, `FullError`, `ValueTooLongError`, `KeyTooLongError`.
    ///
    /// As every change, it waits for the lock for up to `timeout` seconds, and then raises `LockTimeoutError`; a handle
    /// for reading only raises `ReadOnlyError`.
    fn add(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.owned(key.py())?.put(PutMode::Add, key, value)
    }

    /// Only if it is present. O(1). Raises `KeyMissingError`, `ValueTooLongError`.
    fn replace(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.owned(key.py())?.put(PutMode::Update, key, value)
    }

    /// `add` of all, or of none. The error names the first member at fault by its position.
    fn add_many(&self, entries: &Bound<'_, PyAny>) -> PyResult<()> {
        self.owned(entries.py())?.put_many(entries.py(), PutMode::Add, &pairs(entries)?)
    }

    /// `replace` of all, or of none. The error names the first member at fault by its position.
    fn replace_many(&self, entries: &Bound<'_, PyAny>) -> PyResult<()> {
        self.owned(entries.py())?.put_many(entries.py(), PutMode::Update, &pairs(entries)?)
    }

    /// Sets all, or none, at one moment; of equal keys the last one counts.
    ///
    /// The error names the first member at fault by its position: `FullError`, `ValueTooLongError`, `KeyTooLongError`.
    fn upsert_many(&self, entries: &Bound<'_, PyAny>) -> PyResult<()> {
        self.owned(entries.py())?.put_many(entries.py(), PutMode::Upsert, &pairs(entries)?)
    }

    /// Removes all, or none. Raises `KeyMissingError`.
    fn remove_many(&self, keys: &Bound<'_, PyAny>) -> PyResult<()> {
        self.owned(keys.py())?.remove_many(keys.py(), &list(keys)?)
    }

    /// Removes all entries, at one moment. O(capacity).
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        self.owned(py)?.clear(py)
    }

    /// Sets `new` if the value is `expected`, and says whether it was. O(1).
    ///
    /// Raises `KeyMissingError`, `ValueTooLongError`.
    fn compare_exchange(
        &self,
        key: &Bound<'_, PyAny>,
        expected: &Bound<'_, PyAny>,
        new: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let (expected, new) = (bytes_of(expected)?, bytes_of(new)?);
        self.owned(key.py())?.compare_exchange(key, expected.as_bytes(), new.as_bytes())
    }

    /// Adds to a value of eight bytes, a little-endian signed number that wraps; returns the number before. O(1).
    ///
    /// Raises `MismatchError` for a value of another length, `KeyMissingError`.
    #[pyo3(signature = (key, delta = 1))]
    fn fetch_add(&self, key: &Bound<'_, PyAny>, delta: i64) -> PyResult<i64> {
        self.owned(key.py())?.fetch_add(key, delta)
    }

    /// Publishes the entries of one moment as a snapshot, over what is there if `force`; returns the edition.
    ///
    /// O(n log n). Open it by `Snapshot(name, keys=int)`, or `keys=str` where the table's are; numbers are in their
    /// order. Raises as `RbTree.share` does.
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
        let entries = self.owned(py)?.frozen(py)?;
        let mut options = ShareOptions::default()
            .namespace(self.namespace.clone())
            .force(force)
            .allow_empty(allow_empty)
            .hash_index(hash_index)
            .lock_timeout(timeout(self.timeout)?)
            .interrupt(signals::interrupt())
            .trust(trust(&self.trust, false));
        options.mode = mode;
        signals::detach(py, || RbTree::from_entries(entries)?.share_with(name, &options))?
            .map_err(|error| failure(py, error, None))
    }

    /// Sets all entries of a snapshot that `freeze` made, or none; returns how many. O(n).
    ///
    /// Raises `WrongKindError` for keys that are no table's, `OverflowError` for numbers of more bits than this table's
    /// keys have, and what `upsert_many` does.
    fn load(&self, snapshot: &Bound<'_, SnapshotBase>) -> PyResult<usize> {
        let py = snapshot.py();
        let table = self.owned(py)?;
        let strings = table.key_type(py).is(py.get_type::<PyString>());
        let (map, _) = snapshot.get().owned(py)?;
        let form = if strings { KeyForm::Str } else { KeyForm::Int.of(&map) };
        let mut entries = Vec::with_capacity(map.len());
        for (key, value) in map.iter() {
            entries.push((form.decode(py, key)?, PyBytes::new(py, value).into_any()));
        }
        table.put_many(py, PutMode::Upsert, &entries)?;
        Ok(entries.len())
    }

    /// Checks all of the table, under the lock. O(capacity). Raises `CorruptError`; the next write then repairs.
    fn verify(&self, py: Python<'_>) -> PyResult<()> {
        self.owned(py)?.verify(py)
    }

    /// Finishes or drops what a killed writer began. The next write does so by itself.
    fn recover(&self, py: Python<'_>) -> PyResult<()> {
        self.owned(py)?.recover(py)
    }

    /// Removes the name; False when there was none. Who has the table open keeps it.
    ///
    /// Works with a closed handle, too. Raises `PermissionDeniedError`.
    fn unlink(&self, py: Python<'_>) -> PyResult<bool> {
        self.namespace.unlink(&self.name, KIND).map_err(|source| self.namespace_failure(py, source))
    }

    /// True when the name leads elsewhere by now, or nowhere.
    fn is_orphaned(&self, py: Python<'_>) -> PyResult<bool> {
        self.owned(py)?.is_orphaned().map_err(|source| self.namespace_failure(py, source))
    }

    /// `len`, `capacity`, `free`, `value_size`, `writes`, `recoveries`, entries `lost` to damage,
    /// `tombstones` of the index, `file_len` in bytes.
    ///
    /// O(1). Not of one moment, while others write.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = self.owned(py)?.stats();
        let dict = PyDict::new(py);
        dict.set_item("len", stats.len)?;
        dict.set_item("capacity", stats.capacity)?;
        dict.set_item("free", stats.free)?;
        dict.set_item("value_size", stats.value_size)?;
        dict.set_item("writes", stats.writes)?;
        dict.set_item("recoveries", stats.recoveries)?;
        dict.set_item("lost", stats.lost)?;
        dict.set_item("tombstones", stats.tombstones)?;
        dict.set_item("file_len", stats.file_len)?;
        Ok(dict)
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

    /// How many entries fit.
    #[getter]
    fn capacity(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.owned(py)?.stats().capacity)
    }

    /// How long a value may be, in bytes.
    #[getter]
    fn value_size(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.owned(py)?.stats().value_size)
    }

    /// How long a key may be, in bytes; of no use where keys are numbers.
    #[getter]
    fn key_size(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.owned(py)?.key_size())
    }

    /// `int` or `str`.
    #[getter]
    fn key_type<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.owned(py)?.key_type(py))
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

    /// What the Python class needs to open the table anew, after pickling.
    #[getter]
    fn _trust(&self) -> (Vec<u32>, bool) {
        (self.trust.clone(), self.shared_writers)
    }

    /// Ends this handle. The table stays.
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
    fn owned(&self, py: Python<'_>) -> PyResult<Arc<dyn AnyTable>> {
        self.table.lend(py).clone().ok_or_else(|| closed(py, "table"))
    }

    fn namespace_failure(&self, py: Python<'_>, source: std::io::Error) -> PyErr {
        // Of its file, not of all of the namespace.
        let dir = self.namespace.path_of(&self.name, KIND);
        failure(py, shm_core::IoError::new("look at", dir, source), None)
    }
}

/// A table that was not closed.
#[inline]
fn open<'a>(table: &'a Option<Arc<dyn AnyTable>>, py: Python<'_>) -> PyResult<&'a dyn AnyTable> {
    table.as_deref().ok_or_else(|| closed(py, "table"))
}

/// `Table.get`.
pub(crate) struct Get;

impl Method for Get {
    type Class = TableBase;
    const NAME: &'static CStr = c"get";
    const DOC: &'static CStr = c"get($self, key, default=None)\n--\n\n\
        A copy of the value, as bytes, or `default`. O(1). Takes no lock.\n\
        \n\
        Raises `CorruptError` where the file is damaged.";
    const ARGUMENTS: &'static [&'static str] = &["key", "default"];
    const REQUIRED: usize = 1;

    #[inline]
    fn call<'py>(
        this: &Bound<'py, TableBase>,
        key: &Bound<'py, PyAny>,
        default: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let table = this.get().table.lend(key.py());
        let make = |value: &[u8]| Ok(PyBytes::new(key.py(), value).into_any());
        Ok(open(&table, key.py())?.get(key, &make)?.or_else(|| default.cloned()))
    }
}

/// `Table.get_str`.
pub(crate) struct GetStr;

impl Method for GetStr {
    type Class = TableBase;
    const NAME: &'static CStr = c"get_str";
    const DOC: &'static CStr = c"get_str($self, key, default=None)\n--\n\n\
        As `get`, but the value as text. Raises `UnicodeDecodeError` where it is not UTF-8.";
    const ARGUMENTS: &'static [&'static str] = &["key", "default"];
    const REQUIRED: usize = 1;

    #[inline]
    fn call<'py>(
        this: &Bound<'py, TableBase>,
        key: &Bound<'py, PyAny>,
        default: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let table = this.get().table.lend(key.py());
        let make = |value: &[u8]| Ok(PyString::from_bytes(key.py(), value)?.into_any());
        Ok(open(&table, key.py())?.get(key, &make)?.or_else(|| default.cloned()))
    }
}

/// The members of an iterable.
pub(crate) fn list<'py>(objects: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    objects.try_iter()?.collect()
}

/// The entries of a mapping or of an iterable of pairs.
pub(crate) fn pairs<'py>(
    entries: &Bound<'py, PyAny>,
) -> PyResult<Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)>> {
    let items;
    let entries = match entries.getattr_opt("items")? {
        Some(method) => {
            items = method.call0()?;
            &items
        }
        None => entries,
    };
    entries.try_iter()?.map(|pair| pair?.extract()).collect()
}
