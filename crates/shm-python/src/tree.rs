//! `shmap.RbTree` without its mapping methods.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use shm_facade::{Error, RbTree, Share, ShareOptions};

use crate::arguments::{namespace, pairs, timeout, trust};
use crate::attached::Attached;
use crate::failure::{failure, missing, raise, share_failure};
use crate::keys::{KeyForm, bytes_of, shown, text_of};
use crate::signals;

/// A map in private memory, before it is published.
///
/// The tree is shared only while a call publishes it without holding the interpreter. A change at
/// that time copies the tree.
#[pyclass(subclass, frozen, mapping, module = "shmap._shmap", name = "TreeBase")]
pub(crate) struct TreeBase {
    tree: Attached<Arc<RbTree>>,
    form: KeyForm,
}

#[pymethods]
impl TreeBase {
    #[new]
    #[pyo3(signature = (entries, keys))]
    fn new(entries: Option<&Bound<'_, PyAny>>, keys: &Bound<'_, PyAny>) -> PyResult<Self> {
        let form = KeyForm::new(keys)?;
        let tree = match entries {
            Some(entries) => built(form, entries)?,
            None => RbTree::new(),
        };
        Ok(Self { tree: Attached::new(Arc::new(tree)), form })
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.tree.with(py, |tree| tree.len())
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = key.py();
        let key = self.form.looked_up(key)?;
        Ok(key.is_some_and(|key| self.tree.with(py, |tree| tree.contains_key(key))))
    }

    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        self.find(key)?.ok_or_else(|| missing(key))
    }

    fn __setitem__(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.set(key, value).map(drop)
    }

    fn __delitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<()> {
        if self.remove(key)? { Ok(()) } else { Err(missing(key)) }
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let tree = self.owned(py);
        let keys: Vec<_> =
            tree.iter().map(|(key, _)| self.decode(py, key)).collect::<PyResult<_>>()?;
        drop(tree);
        Ok(keys.into_pyobject(py)?.try_iter()?.into_any())
    }

    /// All entries, in key order. O(n).
    fn entries<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Vec<(Bound<'py, PyAny>, Bound<'py, PyBytes>)>> {
        let tree = self.owned(py);
        let entries = tree.iter();
        entries.map(|(key, value)| Ok((self.decode(py, key)?, PyBytes::new(py, value)))).collect()
    }

    /// Sets the value of `key`; True if it had one. O(log n). Raises `KeyTooLongError`.
    fn set(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        let (py, key, value) = (key.py(), self.form.key(key)?, bytes_of(value)?);
        self.tree
            .change(py, |tree| Arc::make_mut(tree).set(&key, value.as_bytes()))
            .map_err(|error| failure(py, error, None))
    }

    /// A copy of the value, as bytes, or `default`. O(log n).
    #[pyo3(signature = (key, default = None))]
    fn get<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.find(key)?.map(Bound::into_any).or(default))
    }

    /// As `get`, but the value as text. Raises `NotTextError` if it is not UTF-8.
    #[pyo3(signature = (key, default = None))]
    fn get_str<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(match self.find(key)? {
            Some(value) => Some(text_of(key.py(), value.as_bytes())?.into_any()),
            None => default,
        })
    }

    /// Removes `key`; False if it was absent. O(log n).
    fn remove(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = key.py();
        let Some(key) = self.form.removed(key)? else { return Ok(false) };
        Ok(self.tree.change(py, |tree| Arc::make_mut(tree).remove(key)))
    }

    /// Removes all entries.
    fn clear(&self, py: Python<'_>) {
        self.tree.change(py, |tree| *tree = Arc::default());
    }

    /// Sets all entries, or none.
    fn set_many(&self, entries: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = entries.py();
        let (tree, form) = (self.owned(py), self.form);
        let changed = if tree.is_empty() {
            built(form, entries)?
        } else {
            let mut changed = RbTree::clone(&tree);
            for (key, value) in pairs(entries)? {
                let (key, value) = (form.key(&key)?, bytes_of(&value)?);
                changed.set(&key, value.as_bytes()).map_err(|error| failure(py, error, None))?;
            }
            changed
        };
        self.tree.change(py, |tree| *tree = Arc::new(changed));
        Ok(())
    }

    /// Publishes the tree under `name` in one step. `force` replaces an existing map. Returns
    /// the number of the edition. O(n).
    ///
    /// `mode` has read bits only; `0o444` lets others read. The default is the mode of the replaced
    /// map, or `0o400`. An empty tree replaces a map that has entries only with `allow_empty`;
    /// otherwise `AlreadyExistsError` is raised. `hash_index` makes `Snapshot.get` faster and the
    /// file larger. Waits for another publisher for up to `timeout` seconds. Raises
    /// `AlreadyExistsError`, `LockTimeoutError`, `NoSpaceError`, `PermissionDeniedError` or, if the
    /// control segment of the name is damaged, `CorruptError`. After an error the name still leads
    /// to what it did before.
    #[pyo3(
        signature = (
            name, force = false, *, hash_index = true, namespace = None, mode = None, timeout = Some(5.0),
            allow_empty = false
        ),
        text_signature = "($self, name, force=False, *, hash_index=True, namespace=None, mode=None, timeout=5.0, \
                          allow_empty=False)"
    )]
    #[expect(clippy::too_many_arguments, reason = "called by Python code that gives them names")]
    fn share(
        &self,
        py: Python<'_>,
        name: &str,
        force: bool,
        hash_index: bool,
        namespace: Option<PathBuf>,
        mode: Option<u32>,
        timeout: Option<f64>,
        allow_empty: bool,
    ) -> PyResult<u64> {
        let tree = self.owned(py);
        let mut options = ShareOptions::default()
            .namespace(self::namespace(namespace))
            .force(force)
            .allow_empty(allow_empty)
            .hash_index(hash_index)
            .lock_timeout(self::timeout(py, timeout)?)
            .interrupt(signals::interrupt())
            .trust(trust(&[], false));
        options.mode = mode;
        share(py, &tree, name, &options)
    }

    /// The bytes that `share` would publish. Changes nothing. O(n).
    #[pyo3(signature = (*, hash_index = true))]
    fn dump<'py>(&self, py: Python<'py>, hash_index: bool) -> PyResult<Bound<'py, PyBytes>> {
        let tree = self.owned(py);
        let options = avl_snapshot::FreezeOptions::default().hash_index(hash_index);
        let image = py.detach(|| tree.try_freeze_with(&options));
        let image = image.map_err(|error| failure(py, Error::from(error), None))?;
        Ok(PyBytes::new(py, &image))
    }

    /// `str`, `bytes` or `int`: the type that keys are returned as.
    #[getter]
    fn key_type<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.form.to_type(py)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let len = slf.get().__len__(slf.py());
        Ok(format!("<{}: {len} entries>", slf.get_type().name()?))
    }
}

impl TreeBase {
    #[inline]
    fn find<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let py = key.py();
        let Some(key) = self.form.looked_up(key)? else { return Ok(None) };
        Ok(self.tree.with(py, |tree| tree.get(key).map(|value| PyBytes::new(py, value))))
    }

    /// Converts a key of the tree to an object. Only a tree of text keys can fail: it also takes
    /// keys that are bytes, which may not be UTF-8.
    fn decode<'py>(&self, py: Python<'py>, key: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        self.form.decode(py, key)?.ok_or_else(|| {
            let text = format!("key {} is not text; make the tree with keys=bytes", shown(key));
            raise(py, "WrongKindError", (text,))
        })
    }

    /// The tree. It remains valid whatever happens to the handle.
    fn owned(&self, py: Python<'_>) -> Arc<RbTree> {
        self.tree.with(py, Arc::clone)
    }
}

/// Makes a tree from the entries of a mapping, or from pairs. If a key occurs more than once, its
/// last entry counts.
fn built(form: KeyForm, entries: &Bound<'_, PyAny>) -> PyResult<RbTree> {
    let (py, pairs) = (entries.py(), pairs(entries)?);
    let mut held = Vec::with_capacity(pairs.len());
    for (key, value) in &pairs {
        held.push((form.key(key)?, bytes_of(value)?));
    }
    let slices: Vec<(&[u8], &[u8])> =
        held.iter().map(|(key, value)| (key.as_ref(), value.as_bytes())).collect();
    py.detach(|| RbTree::from_entries(slices))
        .map_err(|error| failure(py, Error::from(error), None))
}

/// Publishes without holding the interpreter. `options` have the interrupt of `signals`.
pub(crate) fn share(
    py: Python<'_>,
    tree: &RbTree,
    name: &str,
    options: &ShareOptions,
) -> PyResult<u64> {
    signals::detach(py, || tree.share_with(name, options))?
        .map_err(|error| share_failure(py, error))
}
