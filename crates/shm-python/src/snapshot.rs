//! `shmap.Snapshot` below its mapping methods.

use std::ffi::CStr;
use std::ops::Bound as RangeBound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use shm_core::Name;
use shm_facade::{Error, MapOptions, OpenError, SNAPSHOT, SharedMap};

use crate::arguments::{IN_PLACE, SLICE, list, map_options, timeout};
use crate::attached::Lending;
use crate::cursor::Cursor;
use crate::edition::Edition;
use crate::entries::{Entries, Yields};
use crate::failure::{advised, closed, failure, missing, not_found, raise};
use crate::fast::Method;
use crate::interpreter;
use crate::keys::{KeyForm, text_of};
use crate::numbers::is_below_all;

/// An open map, which was published or saved.
#[pyclass(subclass, frozen, mapping, module = "shmap._shmap", name = "SnapshotBase")]
pub(crate) struct SnapshotBase {
    handle: Lending<Handle>,
    /// The name of the map, or the path of a saved map.
    name: String,
    options: MapOptions,
    trust: Vec<u32>,
}

/// The part that changes when there is a newer edition, and when the handle is closed.
struct Handle {
    map: Option<Arc<Edition>>,
    form: KeyForm,
}

#[pymethods]
impl SnapshotBase {
    #[new]
    #[pyo3(signature = (name, keys, signed, namespace, trust, saved = None))]
    fn new(
        py: Python<'_>,
        name: String,
        keys: &Bound<'_, PyAny>,
        signed: bool,
        namespace: Option<PathBuf>,
        trust: Vec<u32>,
        saved: Option<PathBuf>,
    ) -> PyResult<Self> {
        let form = KeyForm::new(keys)?.signed(signed)?;
        let options = map_options(namespace, &trust, None);
        let map = match saved {
            Some(path) => Edition::saved(&path, &options.trust)
                .map_err(|error| map_failure(py, error, Some(&path)))?,
            None => SharedMap::open_with(&name, &options, IN_PLACE)
                .map(Edition::Published)
                .map_err(|error| name_failure(py, error, &name, &options))?,
        };
        let handle = Lending::new(py, Handle::new(map, form));
        Ok(Self { handle, name, options, trust })
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.handle.lend(py).map(py)?.len())
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        let handle = self.handle.lend(key.py());
        let map = handle.map(key.py())?;
        Ok(handle.form.looked_up(key)?.is_some_and(|key| map.contains_key(key)))
    }

    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        match self.handle.lend(key.py()).find(key)? {
            Some(value) => Ok(PyBytes::new(key.py(), value)),
            None => Err(missing(key)),
        }
    }

    fn __iter__(&self, py: Python<'_>) -> PyResult<Entries> {
        self.all(py, Yields::Keys)
    }

    /// The values of several keys, in their order; `None` for an absent key. Faster than one by
    /// one.
    fn get_many<'py>(
        &self,
        keys: &Bound<'py, PyAny>,
    ) -> PyResult<Vec<Option<Bound<'py, PyBytes>>>> {
        let (py, keys) = (keys.py(), list(keys)?);
        let (map, form) = self.owned(py)?;
        let mut held = Vec::with_capacity(keys.len());
        for key in &keys {
            held.push(form.looked_up(key)?);
        }
        // A key that encodes to nothing is in no map; the empty slice stands in for it.
        let slices: Vec<&[u8]> =
            held.iter().map(|key| key.as_ref().map_or(&[][..], AsRef::as_ref)).collect();
        let found = map.get_many(&slices);
        let values = found.into_iter().zip(&held);
        Ok(values
            .map(|(value, key)| value.filter(|_| key.is_some()).map(|v| PyBytes::new(py, v)))
            .collect())
    }

    fn _keys(&self, py: Python<'_>) -> PyResult<Entries> {
        self.all(py, Yields::Keys)
    }

    fn _values(&self, py: Python<'_>) -> PyResult<Entries> {
        self.all(py, Yields::Values)
    }

    fn _items(&self, py: Python<'_>) -> PyResult<Entries> {
        self.all(py, Yields::Items)
    }

    /// The entries from `start` to `stop`; with `stop` if `inclusive`. O(log n), then O(1) per
    /// step.
    #[pyo3(signature = (start = None, stop = None, *, inclusive = false))]
    fn range(
        &self,
        py: Python<'_>,
        start: Option<&Bound<'_, PyAny>>,
        stop: Option<&Bound<'_, PyAny>>,
        inclusive: bool,
    ) -> PyResult<Entries> {
        let (map, form) = self.owned(py)?;
        let (start, stop) = (start.map(|key| form.key(key)), stop.map(|key| form.key(key)));
        let (start, stop) = (start.transpose()?, stop.transpose()?);
        let from = start.map_or(RangeBound::Unbounded, RangeBound::Included);
        let to = match stop {
            None => RangeBound::Unbounded,
            Some(stop) if inclusive => RangeBound::Included(stop),
            Some(stop) => RangeBound::Excluded(stop),
        };
        let ranks = map.range((from, to));
        Ok(Entries::new(map, form, Yields::Items, ranks))
    }

    /// The entries whose keys start with `prefix`. O(log n), then O(1) per step.
    fn prefix(&self, prefix: &Bound<'_, PyAny>) -> PyResult<Entries> {
        let (map, form) = self.owned(prefix.py())?;
        let ranks = map.prefix(crate::keys::bytes_of(prefix)?.as_bytes());
        Ok(Entries::new(map, form, Yields::Items, ranks))
    }

    /// A cursor before the first entry, which moves to any key or rank, and on in both directions.
    /// It keeps its edition. O(1).
    fn cursor(&self, py: Python<'_>) -> PyResult<Cursor> {
        let (map, form) = self.owned(py)?;
        Ok(Cursor::new(map, form))
    }

    /// The number of keys that are less than `key`, which may be absent. O(log n).
    fn rank(&self, key: &Bound<'_, PyAny>) -> PyResult<usize> {
        let (map, form) = self.owned(key.py())?;
        match form.placed(key)? {
            Some(bytes) => Ok(map.rank(bytes)),
            // Beyond all keys on one side or the other.
            None if is_below_all(key)? => Ok(0),
            None => Ok(map.len()),
        }
    }

    /// The entry at a rank, from 0; negative ranks count from the end. O(1). Raises `IndexError`.
    fn nth<'py>(
        &self,
        py: Python<'py>,
        rank: isize,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyBytes>)> {
        let (map, form) = self.owned(py)?;
        let at =
            if rank < 0 { map.len().checked_add_signed(rank) } else { usize::try_from(rank).ok() };
        match at.and_then(|at| map.nth(at)) {
            Some((key, value)) => Ok((form.of_map(py, &map, key)?, PyBytes::new(py, value))),
            None => {
                let text = format!("rank {rank} in a map of {} entries", map.len());
                Err(pyo3::exceptions::PyIndexError::new_err(text))
            }
        }
    }

    /// Takes the newest edition; True if that is another one. Costs one load if nothing was
    /// published.
    ///
    /// About every 100 ms it also checks the name, and so finds a map that was published again
    /// after its files were removed by other means. Raises whatever opening raises; the handle then
    /// keeps its edition. Iterators and cursors keep theirs.
    fn refresh(&self, py: Python<'_>) -> PyResult<bool> {
        let handle = self.handle.lend(py);
        let map = handle.map(py)?;
        match map.newer() {
            Ok(None) => Ok(false),
            Ok(Some(newer)) => {
                self.handle.replace(py, Handle::new(newer, handle.form));
                Ok(true)
            }
            Err(error) => Err(failure(py, error, Some(map.path()))),
        }
    }

    /// Sleeps until there is another edition, and takes it; False if the time runs out first.
    ///
    /// `timeout` is in seconds; `None` waits for ever. Other threads run meanwhile, and may use
    /// this handle, wait through it, or fork. If one of them takes another edition, this call
    /// returns True. Ctrl-C ends it. If the name was removed, it waits until the name is published
    /// again. Raises whatever `refresh` raises.
    #[pyo3(signature = (timeout = None))]
    fn wait_for_update(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let (start, limit) = (Instant::now(), self::timeout(py, timeout)?);
        let (first, _) = self.owned(py)?;
        let Some(first) = first.id() else { return Err(self.never(py)) };
        loop {
            let (map, form) = self.owned(py)?;
            if map.id() != Some(first) {
                return Ok(true);
            }
            let left = limit.map(|limit| limit.saturating_sub(start.elapsed()));
            let slice = left.map_or(SLICE, |left| left.min(SLICE));
            let newer = py
                .detach(|| map.wait_for_newer(slice))
                .map_err(|error| failure(py, error, Some(map.path())))?;
            py.check_signals()?;
            if let Some(newer) = newer
                && self.owned(py)?.0.id() == Some(first)
            {
                self.handle.replace(py, Handle::new(newer, form));
                return Ok(true);
            }
            if left == Some(slice) {
                return Ok(self.owned(py)?.0.id() != Some(first));
            }
        }
    }

    /// The number of this edition: 1 for the first under the name.
    #[getter]
    fn edition(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.owned(py)?.0.number())
    }

    /// True if the name was removed after this edition was published, even if it was published
    /// again since. Then `refresh` takes the new one.
    fn is_removed(&self, py: Python<'_>) -> PyResult<bool> {
        self.owned(py)?.0.is_removed().map_err(|error| failure(py, error, None))
    }

    /// Checks every byte. O(n). Raises `CorruptError`.
    fn verify(&self, py: Python<'_>) -> PyResult<()> {
        let (map, _) = self.owned(py)?;
        py.detach(|| map.verify()).map_err(|error| failure(py, error, Some(map.path())))
    }

    /// A copy of all bytes of the snapshot. O(n).
    fn dump<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, self.owned(py)?.0.as_bytes()))
    }

    /// Writes the snapshot to a file of mode 0400, which replaces an existing one in one step.
    /// O(n). `open_file` opens it.
    ///
    /// Raises `PermissionDeniedError`, `NoSpaceError`, `NotFoundError` for a missing directory.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let (map, _) = self.owned(py)?;
        py.detach(|| map.save(&path)).map_err(|error| failure(py, error, Some(&path)))
    }

    /// Whether it was published with a hash index.
    #[getter]
    fn has_hash_index(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.owned(py)?.0.has_hash_index())
    }

    /// The name.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// The directory.
    #[getter]
    fn namespace<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        interpreter::path(py, self.options.namespace.dir())
    }

    /// The file.
    #[getter]
    fn path<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        interpreter::path(py, self.owned(py)?.0.path())
    }

    /// `str`, `bytes` or `int`: the type that keys are returned as.
    #[getter]
    fn key_type<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.handle.lend(py).form.to_type(py)
    }

    /// Whether `close` was called.
    #[getter]
    fn closed(&self, py: Python<'_>) -> bool {
        self.handle.lend(py).map.is_none()
    }

    #[getter]
    fn _signed(&self, py: Python<'_>) -> bool {
        self.handle.lend(py).form.kind().integer().is_none_or(|(_, signed)| signed)
    }

    #[getter]
    fn _saved(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.owned(py)?.0.id().is_none())
    }

    #[getter]
    fn _trust(&self) -> Vec<u32> {
        self.trust.clone()
    }

    /// Closes this handle. Iterators and cursors keep their edition.
    fn close(&self, py: Python<'_>) {
        let form = self.handle.lend(py).form;
        self.handle.replace(py, Handle { map: None, form });
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let class = slf.get_type().name()?;
        let name = &slf.get().name;
        Ok(match &slf.get().handle.lend(slf.py()).map {
            Some(map) => {
                let (len, edition) = (map.len(), map.number());
                format!("<{class} {name:?}: {len} entries, edition {edition}>")
            }
            None => format!("<{class} {name:?}: closed>"),
        })
    }
}

impl SnapshotBase {
    /// Returns the map and the form of its keys. They remain valid whatever happens to the handle.
    pub(crate) fn owned(&self, py: Python<'_>) -> PyResult<(Arc<Edition>, KeyForm)> {
        let handle = self.handle.lend(py);
        let map = handle.map.clone().ok_or_else(|| closed(py, "snapshot"))?;
        Ok((map, handle.form))
    }

    fn all(&self, py: Python<'_>, yields: Yields) -> PyResult<Entries> {
        let (map, form) = self.owned(py)?;
        let ranks = 0..map.len();
        Ok(Entries::new(map, form, yields, ranks))
    }

    /// Makes the exception for a wait for an edition that can never come.
    #[cold]
    fn never(&self, py: Python<'_>) -> PyErr {
        let text = format!("nothing is ever published over the saved file {:?}", self.name);
        raise(py, "WrongKindError", (text,))
    }
}

impl Handle {
    /// Creates a handle to a map. `form` may be the form of the keys of another edition of the map.
    fn new(map: Edition, form: KeyForm) -> Self {
        Self { form: form.of(&map), map: Some(Arc::new(map)) }
    }

    #[inline]
    fn map(&self, py: Python<'_>) -> PyResult<&Edition> {
        self.map.as_deref().ok_or_else(|| closed(py, "snapshot"))
    }

    #[inline]
    fn find(&self, key: &Bound<'_, PyAny>) -> PyResult<Option<&[u8]>> {
        let map = self.map(key.py())?;
        Ok(self.form.looked_up(key)?.and_then(|key| map.get(key)))
    }
}

/// Makes the exception for a map that could not be opened.
fn map_failure(py: Python<'_>, error: Error, path: Option<&Path>) -> PyErr {
    let advice = match &error {
        Error::Open(OpenError::Writable { .. } | OpenError::ForeignWriters { .. }) => {
            Some("share it anew, or `chmod a-w` if you trust its contents")
        }
        Error::Open(OpenError::OpenForWriting { .. }) => {
            Some("`fuser -v` shows which process has it open")
        }
        _ => None,
    };
    advised(py, error, path, advice)
}

/// Makes the exception for a name that leads to no snapshot. If the name leads to a table, the
/// message says so.
pub(crate) fn name_failure(
    py: Python<'_>,
    error: Error,
    name: &str,
    options: &MapOptions,
) -> PyErr {
    let Ok(valid) = Name::new(name) else { return failure(py, error, None) };
    if let Error::Open(_) = error {
        return map_failure(py, error, None);
    }
    let path = |kind| options.namespace.path_of(&valid, kind);
    let paths = (&*path(SNAPSHOT.kind), &*path(slotmap_shm::KIND));
    not_found(py, error, name, ("snapshot", "table"), paths)
}

/// `Snapshot.get`.
pub(crate) struct Get;

impl Method for Get {
    type Class = SnapshotBase;
    const NAME: &'static CStr = c"get";
    const DOC: &'static CStr = c"get($self, key, default=None)\n--\n\n\
        A copy of the value, as bytes, or `default`. Takes no lock.\n\
        \n\
        O(1) with a hash index, else O(log n).";
    const ARGUMENTS: &'static [&'static str] = &["key", "default"];
    const REQUIRED: usize = 1;

    #[inline]
    fn call<'py>(
        this: &Bound<'py, SnapshotBase>,
        key: &Bound<'py, PyAny>,
        default: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let handle = this.get().handle.lend(key.py());
        let value = handle.find(key)?.map(|value| PyBytes::new(key.py(), value).into_any());
        Ok(value.or_else(|| default.cloned()))
    }
}

/// `Snapshot.get_str`.
pub(crate) struct GetStr;

impl Method for GetStr {
    type Class = SnapshotBase;
    const NAME: &'static CStr = c"get_str";
    const DOC: &'static CStr = c"get_str($self, key, default=None)\n--\n\n\
        As `get`, but the value as text. Raises `NotTextError` if it is not UTF-8.";
    const ARGUMENTS: &'static [&'static str] = &["key", "default"];
    const REQUIRED: usize = 1;

    #[inline]
    fn call<'py>(
        this: &Bound<'py, SnapshotBase>,
        key: &Bound<'py, PyAny>,
        default: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let handle = this.get().handle.lend(key.py());
        let value = handle.find(key)?.map(|value| text_of(key.py(), value));
        Ok(value.transpose()?.map(Bound::into_any).or_else(|| default.cloned()))
    }
}
