//! Iterators over a snapshot. They keep their edition, even if the handle is refreshed.

use std::ops::Range;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::attached::Attached;
use crate::edition::Edition;
use crate::keys::KeyForm;

/// What an iterator yields.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Yields {
    Keys,
    Values,
    Items,
}

/// Entries of one edition of a snapshot, in key order, from both ends; `len` is how many remain.
#[pyclass(frozen, module = "shmap._shmap")]
pub(crate) struct Entries {
    map: Arc<Edition>,
    form: KeyForm,
    yields: Yields,
    ranks: Attached<Range<usize>>,
    backwards: bool,
}

impl Entries {
    pub(crate) fn new(
        map: Arc<Edition>,
        form: KeyForm,
        yields: Yields,
        ranks: Range<usize>,
    ) -> Self {
        Self { map, form, yields, ranks: Attached::new(ranks), backwards: false }
    }

    fn step(&self, py: Python<'_>) -> Option<usize> {
        self.ranks.change(py, |ranks| if self.backwards { ranks.next_back() } else { ranks.next() })
    }
}

#[pymethods]
impl Entries {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        // Absent only in a damaged map.
        let Some((key, value)) = self.step(py).and_then(|rank| self.map.nth(rank)) else {
            return Ok(None);
        };
        let (key, value) = match self.yields {
            Yields::Keys => return self.form.of_map(py, &self.map, key).map(Some),
            Yields::Values => return Ok(Some(PyBytes::new(py, value).into_any())),
            Yields::Items => (self.form.of_map(py, &self.map, key)?, PyBytes::new(py, value)),
        };
        Ok(Some((key, value).into_pyobject(py)?.into_any()))
    }

    fn __reversed__(&self, py: Python<'_>) -> Self {
        Self {
            map: Arc::clone(&self.map),
            form: self.form,
            yields: self.yields,
            ranks: Attached::new(self.ranks.with(py, Range::clone)),
            backwards: !self.backwards,
        }
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.ranks.with(py, Range::len)
    }
}
