//! `shmap.sharedmap`: the two classes of the original Python module. They take and return `str`.

use std::ffi::CStr;
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;

use avl_snapshot::{BuildError, FreezeOptions, MAX_KEY_LEN};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyString, PyType};
use shm_facade::{Error, MapOptions, RbTree, ShareOptions, SharedMap};

use crate::arguments::{IN_PLACE, map_options};
use crate::attached::Attached;
use crate::failure::failure;
use crate::fast::Method;
use crate::keys::{Bytes, bytes_of, text_of};
use crate::signals;
use crate::snapshot::name_failure;

/// A dictionary in private memory, which `share` publishes.
///
/// >>> wmap = rbtree()
/// >>> wmap.set("红", "32是"), wmap.share("test:3325", force=True)
/// (True, True)
#[pyclass(subclass, frozen, module = "shmap.sharedmap", name = "rbtree")]
pub(crate) struct DropInTree(Attached<Contents>);

/// The contents of a tree.
#[derive(Default)]
struct Contents {
    tree: Arc<RbTree>,
    /// Entries that are not in the tree yet. Inserting many entries at once is several times as
    /// fast as inserting them one by one.
    pending: Entries,
}

/// Keys and values, each of which [`kept`] returned.
type Entries = Vec<(Py<PyAny>, Py<PyAny>)>;

#[pymethods]
impl DropInTree {
    #[new]
    fn new() -> Self {
        Self(Attached::new(Contents::default()))
    }

    /// The value of `key`, as `str`; `None` if there is none. O(log n).
    fn get<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyString>>> {
        let bytes = bytes_of(key)?;
        let tree = self.complete(key.py())?;
        let found = tree.get(bytes.as_bytes());
        found.map(|value| text_of(key.py(), value)).transpose()
    }

    /// Publishes the contents under `name` in one step. `force` replaces an existing map. O(n).
    ///
    /// Returns True. Raises `FileExistsError` if the name is taken and `force` is not set.
    #[pyo3(signature = (name, force = None))]
    fn share(
        slf: &Bound<'_, Self>,
        name: &str,
        force: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let py = slf.py();
        let force = force.map_or(Ok(false), |force| force.is_truthy())?;
        // As the original: the program knows what is in its tree.
        let options = ShareOptions::default()
            .force(force)
            .allow_empty(true)
            .hash_index(true)
            .interrupt(signals::interrupt());
        let tree = slf.get().complete(py)?;
        crate::tree::share(py, &tree, name, &options)?;
        Ok(true)
    }

    /// The bytes that `share` would publish. Changes nothing. O(n).
    fn dump<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyBytes>> {
        let py = slf.py();
        let tree = slf.get().complete(py)?;
        let image = py.detach(|| tree.try_freeze_with(&FreezeOptions::default()));
        let image = image.map_err(|error| failure(py, Error::from(error), None))?;
        Ok(PyBytes::new(py, &image))
    }

    /// By its contents.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Pickled<'py>)> {
        let py = slf.py();
        let rebuild = py.import("shmap._shmap")?.getattr("build_rbtree")?;
        let tree = slf.get().complete(py)?;
        let entries = tree.iter();
        let entries = entries.map(|(key, value)| (PyBytes::new(py, key), PyBytes::new(py, value)));
        Ok((rebuild, (slf.get_type(), entries.collect())))
    }

    /// Removes a published name; False if there is none. Open maps keep their edition.
    #[staticmethod]
    fn remove(py: Python<'_>, name: &str) -> PyResult<bool> {
        let options = MapOptions::default().interrupt(signals::interrupt());
        match signals::detach(py, || SharedMap::remove_with(name, &options))? {
            Ok(()) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failure(py, error, None)),
        }
    }
}

impl DropInTree {
    /// Returns the tree, after inserting all pending entries.
    fn complete(&self, py: Python<'_>) -> PyResult<Arc<RbTree>> {
        let (tree, spent) = self.0.change(py, |contents| {
            let spent = contents.complete(py);
            (Arc::clone(&contents.tree), spent)
        });
        match spent {
            Ok(_) => Ok(tree),
            Err(Some(error)) => Err(failure(py, Error::from(error), None)),
            Err(None) => Err(crate::failure::bug("an object that may change was kept")),
        }
    }
}

impl Contents {
    /// Inserts the pending entries into the tree, and returns them.
    fn complete(&mut self, py: Python<'_>) -> Result<Entries, Option<BuildError>> {
        if self.pending.is_empty() {
            return Ok(Vec::new());
        }
        // Not gathered first: a million of them are as much memory again as the tree. All are lent,
        // or `set` would have refused them.
        let mut refused = false;
        let mut entries = self.pending.iter().map(|(key, value)| {
            let entry = lent(key.bind(py)).and_then(|key| Some((key, lent(value.bind(py))?)));
            entry.unwrap_or_else(|| {
                refused = true;
                Default::default()
            })
        });
        if self.tree.is_empty() {
            self.tree = Arc::new(RbTree::from_entries(entries)?);
        } else {
            let tree = Arc::make_mut(&mut self.tree);
            entries.try_for_each(|(key, value)| tree.set(key, value).map(drop))?;
        }
        if refused {
            return Err(None);
        }
        Ok(mem::take(&mut self.pending))
    }
}

/// The class and the entries of a pickled `rbtree`.
type Pickled<'py> = (Bound<'py, PyType>, Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>);

/// The function that recreates a pickled `rbtree`.
#[pyfunction]
pub(crate) fn build_rbtree<'py>(
    class: Bound<'py, PyType>,
    entries: Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>,
) -> PyResult<Bound<'py, PyAny>> {
    let made = class.call0()?;
    for entry in entries {
        made.call_method1("set", entry)?;
    }
    Ok(made)
}

/// The class, the name and the namespace of a pickled `sharedmap`.
type Place<'py> = (Bound<'py, PyType>, String, PathBuf);

/// The function that opens a pickled `sharedmap`.
#[pyfunction]
pub(crate) fn open_sharedmap<'py>(
    class: Bound<'py, PyType>,
    name: String,
    namespace: PathBuf,
) -> PyResult<Bound<'py, PyAny>> {
    let named = PyDict::new(class.py());
    named.set_item("namespace", namespace)?;
    class.call((name,), Some(&named))
}

/// A published dictionary, read in place: the newest edition at the time of opening.
///
/// >>> rmap = sharedmap("test:3325")
/// >>> rmap.get("红"), rmap.get("missing")
/// ('32是', None)
#[pyclass(subclass, frozen, module = "shmap.sharedmap", name = "sharedmap")]
pub(crate) struct DropInMap {
    map: SharedMap,
    name: String,
    options: MapOptions,
}

#[pymethods]
impl DropInMap {
    #[new]
    #[pyo3(signature = (name, *, namespace = None))]
    fn new(py: Python<'_>, name: String, namespace: Option<PathBuf>) -> PyResult<Self> {
        let options = map_options(namespace, &[], None);
        match SharedMap::open_with(&name, &options, IN_PLACE) {
            Ok(map) => Ok(Self { map, name, options }),
            Err(error) => Err(name_failure(py, error, &name, &options)),
        }
    }

    /// By name and namespace: another process may have another default.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Place<'py>)> {
        let reopen = slf.py().import("shmap._shmap")?.getattr("open_sharedmap")?;
        let (class, this) = (slf.get_type(), slf.get());
        Ok((reopen, (class, this.name.clone(), this.options.namespace.dir().to_owned())))
    }

    fn __repr__(&self) -> String {
        format!("<sharedmap {:?} in {:?}>", self.name, self.options.namespace.dir())
    }
}

/// `sharedmap.get`.
pub(crate) struct Get;

impl Method for Get {
    type Class = DropInMap;
    const NAME: &'static CStr = c"get";
    const DOC: &'static CStr = c"get($self, key)\n--\n\n\
        The value of `key`, as `str`; `None` if there is none. O(1).";
    const ARGUMENTS: &'static [&'static str] = &["key"];
    const REQUIRED: usize = 1;

    #[inline]
    fn call<'py>(
        this: &Bound<'py, DropInMap>,
        key: &Bound<'py, PyAny>,
        _: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let found = this.get().map.get(bytes_of(key)?.as_bytes());
        let value = found.map(|value| text_of(key.py(), value));
        Ok(value.transpose()?.map(Bound::into_any))
    }
}

/// `rbtree.set`.
pub(crate) struct Set;

impl Method for Set {
    type Class = DropInTree;
    const NAME: &'static CStr = c"set";
    const DOC: &'static CStr = c"set($self, key, val)\n--\n\n\
        Sets the value of `key`, and returns True. O(log n).\n\
        \n\
        Raises `KeyTooLongError`, a `ValueError`.";
    const ARGUMENTS: &'static [&'static str] = &["key", "val"];
    const REQUIRED: usize = 2;

    #[inline]
    fn call<'py>(
        this: &Bound<'py, DropInTree>,
        key: &Bound<'py, PyAny>,
        val: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = key.py();
        let entry = (kept(key)?, kept(val.unwrap_or(key))?);
        let len = bytes_of(key)?.as_bytes().len();
        if len > MAX_KEY_LEN {
            let error = BuildError::KeyTooLong { len, max: MAX_KEY_LEN };
            return Err(failure(py, Error::from(error), None));
        }
        this.get().0.change(py, |contents| contents.pending.push(entry));
        Ok(Some(PyBool::new(py, true).to_owned().into_any()))
    }
}

/// Returns the bytes of an object that [`kept`] returned.
#[inline]
fn lent<'a>(object: &'a Bound<'_, PyAny>) -> Option<&'a [u8]> {
    match bytes_of(object) {
        Ok(Bytes::Lent(bytes)) => Some(bytes),
        Ok(Bytes::Copied(_)) | Err(_) => None,
    }
}

/// Returns an object that has bytes and does not change, which is either the same object or a copy.
#[inline]
fn kept(object: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    match bytes_of(object)? {
        Bytes::Lent(_) => Ok(object.clone().unbind()),
        Bytes::Copied(bytes) => Ok(bytes.into_any().unbind()),
    }
}
