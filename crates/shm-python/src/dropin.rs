//! `shmap.sharedmap`: the two classes of the original Python module, `str` in and `str` out.

use std::ffi::CStr;
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyType};
use shm_facade::{Error, MapOptions, RbTree, ShareOptions, SharedMap};

use crate::arguments::map_options;
use crate::failure::failure;
use crate::fast::Lookup;
use crate::keys::bytes_of;
use crate::snapshot::name_failure;

/// A dictionary in private memory, which `share` publishes.
///
/// >>> wmap = rbtree()
/// >>> wmap.set("红", "32是"), wmap.share("test:3325", force=True)
/// (True, True)
#[pyclass(subclass, module = "shmap.sharedmap", name = "rbtree")]
#[derive(Default)]
pub(crate) struct DropInTree {
    tree: Arc<RbTree>,
}

#[pymethods]
impl DropInTree {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Gives `key` this value, in place of another. True. O(log n). Raises `KeyTooLongError`, a `ValueError`.
    fn set(&mut self, key: &Bound<'_, PyAny>, val: &Bound<'_, PyAny>) -> PyResult<bool> {
        let (py, key, value) = (key.py(), bytes_of(key)?, bytes_of(val)?);
        let tree = Arc::make_mut(&mut self.tree);
        tree.set(key.as_bytes(), value.as_bytes()).map_err(|error| failure(py, error, None))?;
        Ok(true)
    }

    /// The value of `key`, as `str`; `None` when there is none. O(log n).
    fn get<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyString>>> {
        let bytes = bytes_of(key)?;
        let found = self.tree.get(bytes.as_bytes());
        found.map(|value| PyString::from_bytes(key.py(), value)).transpose()
    }

    /// Publishes under `name`: whole, at once; over what is there if `force`. True. O(n).
    ///
    /// Raises `FileExistsError` without `force` when the name is taken.
    #[pyo3(signature = (name, force = None))]
    fn share(
        slf: &Bound<'_, Self>,
        name: &str,
        force: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let py = slf.py();
        let force = force.map_or(Ok(false), |force| force.is_truthy())?;
        let options = ShareOptions { force, hash_index: true, ..ShareOptions::default() };
        let tree = Arc::clone(&slf.borrow().tree);
        crate::tree::share(py, &tree, name, &options)?;
        Ok(true)
    }

    /// The bytes that `share` would publish. Changes nothing. O(n).
    fn dump<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyBytes> {
        let py = slf.py();
        let tree = Arc::clone(&slf.borrow().tree);
        let block = py.detach(|| tree.freeze());
        PyBytes::new(py, &block)
    }

    /// By its contents.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Contents<'py>)> {
        let py = slf.py();
        let rebuild = py.import("shmap._shmap")?.getattr("build_rbtree")?;
        let tree = Arc::clone(&slf.borrow().tree);
        let entries = tree.iter();
        let entries = entries.map(|(key, value)| (PyBytes::new(py, key), PyBytes::new(py, value)));
        Ok((rebuild, (slf.get_type(), entries.collect())))
    }

    /// Removes a published name; False when there is none. Who has it open keeps it.
    #[staticmethod]
    fn remove(py: Python<'_>, name: &str) -> PyResult<bool> {
        match py.detach(|| SharedMap::remove(name)) {
            Ok(()) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failure(py, error, None)),
        }
    }
}

/// Class and entries of a pickled `rbtree`.
type Contents<'py> = (Bound<'py, PyType>, Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>);

/// What a pickled `rbtree` is made by.
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

/// Class, name and namespace of a pickled `sharedmap`.
type Place<'py> = (Bound<'py, PyType>, String, PathBuf);

/// What a pickled `sharedmap` is opened by.
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

/// A published dictionary, read in place: that edition which was the newest when it was opened.
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
        match SharedMap::open_with(&name, &options) {
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

impl Lookup for Get {
    type Class = DropInMap;
    const NAME: &'static CStr = c"get";
    const DOC: &'static CStr = c"get($self, key)\n--\n\n\
        The value of `key`, as `str`; `None` when there is none. O(1).";
    const DEFAULT: bool = false;

    #[inline]
    fn find<'py>(
        class: &DropInMap,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let found = class.map.get(bytes_of(key)?.as_bytes());
        let value = found.map(|value| PyString::from_bytes(key.py(), value));
        Ok(value.transpose()?.map(Bound::into_any))
    }
}
