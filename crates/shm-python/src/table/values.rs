//! Converting objects to values of a table: the bytes of an object, or a counter.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyInt};

use crate::keys::{Bytes, lend};
use crate::numbers::counter_of;
use crate::refusal::Refusal;

/// Returns the bytes to store for an object. An `int` becomes a counter, as
/// [`Table::increment`](slotmap_shm::Table::increment) stores it.
#[inline]
pub(crate) fn value_of<'a, 'py>(object: &'a Bound<'py, PyAny>) -> PyResult<Bytes<'a, 'py>> {
    lend(object).or_else(|refusal| counter(object, refusal))
}

/// Returns a counter, if the object is a number. A `bool` is not accepted, because nobody counts
/// with it.
#[cold]
fn counter<'a, 'py>(object: &Bound<'py, PyAny>, refusal: Refusal) -> PyResult<Bytes<'a, 'py>> {
    if !matches!(refusal, Refusal::Type(_)) {
        return Err(refusal.error(object));
    }
    if object.is_instance_of::<PyInt>() && !object.is_instance_of::<PyBool>() {
        let bytes = counter_of(object)?.to_le_bytes();
        return Ok(Bytes::Copied(PyBytes::new(object.py(), &bytes)));
    }
    Err(match object.get_type().qualname() {
        Ok(found) => {
            PyTypeError::new_err(format!("a value must be bytes, str or int, not {found}"))
        }
        Err(error) => error,
    })
}
