//! Iterators over a snapshot. They hold their edition, whatever the handle is refreshed to.

use std::ops::Range;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::edition::Edition;
use crate::keys::KeyForm;

/// What an iterator yields.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Yields {
    Keys,
    Values,
    Items,
}

/// Entries of one edition of a snapshot, in key order, from both ends. `len` says how many are left.
#[pyclass(module = "shmap._shmap")]
pub(crate) struct Entries {
    map: Arc<Edition>,
    form: KeyForm,
    yields: Yields,
    ranks: Range<usize>,
    backwards: bool,
}

impl Entries {
    pub(crate) fn new(
        map: Arc<Edition>,
        form: KeyForm,
        yields: Yields,
        ranks: Range<usize>,
    ) -> Self {
        Self { map, form, yields, ranks, backwards: false }
    }

    fn step(&mut self) -> Option<usize> {
        if self.backwards { self.ranks.next_back() } else { self.ranks.next() }
    }
}

#[pymethods]
impl Entries {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        // A tuple may run the garbage collector, so the handle is unborrowed when it is made.
        let (key, value) = {
            let this = &mut *slf.borrow_mut();
            let Some(rank) = this.step() else { return Ok(None) };
            // Absent only in a damaged map.
            let Some((key, value)) = this.map.nth(rank) else { return Ok(None) };
            match this.yields {
                Yields::Keys => return this.form.decode(py, key).map(Some),
                Yields::Values => return Ok(Some(PyBytes::new(py, value).into_any())),
                Yields::Items => (this.form.decode(py, key)?, PyBytes::new(py, value)),
            }
        };
        Ok(Some((key, value).into_pyobject(py)?.into_any()))
    }

    fn __reversed__(&self) -> Self {
        Self {
            map: Arc::clone(&self.map),
            form: self.form,
            yields: self.yields,
            ranks: self.ranks.clone(),
            backwards: !self.backwards,
        }
    }

    fn __len__(&self) -> usize {
        self.ranks.len()
    }
}
