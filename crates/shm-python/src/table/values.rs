//! What is stored in a table: the bytes of an object, or a counter.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt};

use crate::keys::{Bytes, Word, lend};
use crate::numbers::counter_of;
use crate::refusal::Refusal;

/// A value taken from Python.
pub(crate) enum Stored<'a, 'py> {
    Bytes(Bytes<'a, 'py>),
    /// An `int`, as [`Table::increment`](slotmap_shm::Table::increment) stores it.
    Counter(Word<8>),
}

impl<'a, 'py> Stored<'a, 'py> {
    /// An `int` becomes a counter; a `bool` is no number that anybody counts with.
    #[inline]
    pub(crate) fn new(object: &'a Bound<'py, PyAny>) -> PyResult<Self> {
        lend(object).map(Self::Bytes).or_else(|refusal| Self::counter(object, refusal))
    }

    #[cold]
    fn counter(object: &Bound<'py, PyAny>, refusal: Refusal) -> PyResult<Self> {
        if !matches!(refusal, Refusal::Type(_)) {
            return Err(refusal.error(object));
        }
        if object.is_instance_of::<PyInt>() && !object.is_instance_of::<PyBool>() {
            return Ok(Self::Counter(Word(counter_of(object)?.to_le_bytes())));
        }
        Err(Refusal::Type("bytes, str or int").error(object))
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes(),
            Self::Counter(Word(bytes)) => bytes,
        }
    }
}
