//! Cursors over a snapshot. They keep their edition, even if the handle is refreshed.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::attached::Attached;
use crate::edition::Edition;
use crate::keys::KeyForm;
use crate::numbers::is_below_all;

type Pair<'py> = (Bound<'py, PyAny>, Bound<'py, PyBytes>);

/// A position between the entries of one edition of a snapshot, in key order. As an iterator, it
/// yields the entries after it, and moves.
#[pyclass(frozen, module = "shmap._shmap")]
pub(crate) struct Cursor {
    map: Arc<Edition>,
    form: KeyForm,
    /// The rank of the entry after the cursor: 0 to the number of entries.
    rank: Attached<usize>,
}

impl Cursor {
    /// Creates a cursor before the first entry.
    pub(crate) fn new(map: Arc<Edition>, form: KeyForm) -> Self {
        Self { map, form, rank: Attached::new(0) }
    }

    /// Makes a pair of the entry at a rank. Returns `None` if there is none.
    fn entry<'py>(&self, py: Python<'py>, rank: Option<usize>) -> PyResult<Option<Pair<'py>>> {
        let Some((key, value)) = rank.and_then(|rank| self.map.nth(rank)) else {
            return Ok(None);
        };
        Ok(Some((self.form.of_map(py, &self.map, key)?, PyBytes::new(py, value))))
    }

    fn at(&self, py: Python<'_>) -> usize {
        self.rank.with(py, |rank| *rank)
    }

    fn move_to(&self, py: Python<'_>, to: usize) {
        self.rank.change(py, |rank| *rank = to.min(self.map.len()));
    }
}

#[pymethods]
impl Cursor {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Pair<'py>>> {
        self.next(py)
    }

    /// Moves before the first entry whose key is not less than `key`, or after the last entry.
    /// Returns whether that entry has this key. O(log n).
    fn seek(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = key.py();
        let Some(sought) = self.form.placed(key)? else {
            // Beyond all keys on one side or the other.
            let to = if is_below_all(key)? { 0 } else { self.map.len() };
            self.move_to(py, to);
            return Ok(false);
        };
        let rank = self.map.rank(&sought);
        self.move_to(py, rank);
        Ok(self.map.nth(rank).is_some_and(|(key, _)| key == sought.as_ref()))
    }

    /// The entry after the cursor, which then moves behind it; `None` at the end. O(1).
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Option<Pair<'py>>> {
        let rank = self.at(py);
        let found = self.entry(py, Some(rank))?;
        if found.is_some() {
            self.move_to(py, rank + 1);
        }
        Ok(found)
    }

    /// The entry before the cursor, which then moves in front of it; `None` at the start. O(1).
    fn prev<'py>(&self, py: Python<'py>) -> PyResult<Option<Pair<'py>>> {
        let Some(rank) = self.at(py).checked_sub(1) else { return Ok(None) };
        let found = self.entry(py, Some(rank))?;
        if found.is_some() {
            self.move_to(py, rank);
        }
        Ok(found)
    }

    /// As `next`, but without moving.
    fn peek_next<'py>(&self, py: Python<'py>) -> PyResult<Option<Pair<'py>>> {
        self.entry(py, Some(self.at(py)))
    }

    /// As `prev`, but without moving.
    fn peek_prev<'py>(&self, py: Python<'py>) -> PyResult<Option<Pair<'py>>> {
        self.entry(py, self.at(py).checked_sub(1))
    }

    /// Moves before the entry at `rank`, or after the last entry if there are not so many. O(1).
    fn seek_rank(&self, py: Python<'_>, rank: usize) {
        self.move_to(py, rank);
    }

    /// The number of entries before the cursor.
    #[getter]
    fn rank(&self, py: Python<'_>) -> usize {
        self.at(py)
    }
}
