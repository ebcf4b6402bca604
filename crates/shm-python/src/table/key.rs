//! The types of keys that a table may have, and their conversion from and to Python objects.

use std::borrow::Borrow;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyString};
use shm_facade::any_map_key;
use slotmap_shm::{AnyKey, Key, KeyKind};

use crate::fast::utf8;
use crate::keys::{lend, long_key, text_of};
use crate::numbers::any_int;
use crate::refusal::Refusal;

/// A type of keys. The kinds that tables mostly have are types of their own; the others use
/// [`AnyKey`].
pub(crate) trait PyKey: Key<Owned: Send> + Sync {
    /// The value that holds a key taken from Python.
    type Held<'a>: Borrow<Self>;

    /// Converts an object to a key of a table of this kind. Returns `None` for a number that is out
    /// of range. `int` converts numbers.
    fn held<'a, 'py>(
        kind: KeyKind,
        key: &'a Bound<'py, PyAny>,
        int: impl FnOnce(&Bound<'py, PyAny>) -> Result<Option<i64>, Refusal>,
    ) -> Result<Option<Self::Held<'a>>, Refusal>;

    /// Returns the length of a byte key in bytes, or 0 for a number.
    fn len(&self) -> usize;

    /// Converts a key of a table of this kind to an object.
    fn give(kind: KeyKind, key: Self::Owned, py: Python<'_>) -> PyResult<Bound<'_, PyAny>>;

    /// Returns the map key of a key of a table of this kind, or `None` for a number that has no map
    /// key.
    fn frozen(kind: KeyKind, owned: &Self::Owned) -> Option<Vec<u8>>;
}

/// Converts an object to a key, to be part of an error.
#[cold]
pub(crate) fn named(key: &Bound<'_, PyAny>) -> AnyKey {
    if let Ok(number) = key.extract() {
        return AnyKey::Signed(number);
    }
    match key.extract() {
        Ok(number) => AnyKey::Unsigned(number),
        Err(_) => AnyKey::Bytes(lend(key).map_or(Vec::new(), |key| key.as_bytes().to_vec())),
    }
}

/// Returns the Python type of the keys of a kind.
pub(crate) fn py_type(kind: KeyKind, py: Python<'_>) -> Bound<'_, PyAny> {
    match kind.integer() {
        Some(_) => py.get_type::<PyInt>().into_any(),
        None if kind == KeyKind::Str => py.get_type::<PyString>().into_any(),
        None => py.get_type::<PyBytes>().into_any(),
    }
}

macro_rules! int_keys {
    ($($t:ty: $frozen:path),*) => {$(
        impl PyKey for $t {
            type Held<'a> = $t;

            #[inline]
            fn held<'a, 'py>(
                _: KeyKind,
                key: &'a Bound<'py, PyAny>,
                int: impl FnOnce(&Bound<'py, PyAny>) -> Result<Option<i64>, Refusal>,
            ) -> Result<Option<$t>, Refusal> {
                Ok(int(key)?.and_then(|key| <$t>::try_from(key).ok()))
            }

            fn len(&self) -> usize {
                0
            }

            fn give(_: KeyKind, key: $t, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
                Ok(key.into_pyobject(py)?.into_any())
            }

            fn frozen(_: KeyKind, owned: &$t) -> Option<Vec<u8>> {
                Some($frozen(*owned).to_vec())
            }
        }
    )*};
}

int_keys!(i32: shm_facade::map_key, i64: long_key);

impl PyKey for str {
    type Held<'a> = &'a str;

    #[inline(always)]
    fn held<'a, 'py>(
        _: KeyKind,
        key: &'a Bound<'py, PyAny>,
        _: impl FnOnce(&Bound<'py, PyAny>) -> Result<Option<i64>, Refusal>,
    ) -> Result<Option<&'a str>, Refusal> {
        match key.cast::<PyString>() {
            Ok(key) => utf8(key).map(Some).map_err(Refusal::Text),
            Err(_) => Err(Refusal::Type("str")),
        }
    }

    fn len(&self) -> usize {
        str::len(self)
    }

    fn give(_: KeyKind, key: String, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        Ok(PyString::new(py, &key).into_any())
    }

    fn frozen(_: KeyKind, owned: &String) -> Option<Vec<u8>> {
        Some(owned.as_bytes().to_vec())
    }
}

impl PyKey for AnyKey {
    type Held<'a> = AnyKey;

    fn held<'a, 'py>(
        kind: KeyKind,
        key: &'a Bound<'py, PyAny>,
        int: impl FnOnce(&Bound<'py, PyAny>) -> Result<Option<i64>, Refusal>,
    ) -> Result<Option<AnyKey>, Refusal> {
        if kind.integer().is_none() {
            return Ok(Some(lend(key)?.as_bytes().into()));
        }
        any_int(kind, key, int)
    }

    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Signed(_) | Self::Unsigned(_) => 0,
        }
    }

    fn give(kind: KeyKind, key: AnyKey, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        Ok(match key {
            Self::Signed(number) => number.into_pyobject(py)?.into_any(),
            Self::Unsigned(number) => number.into_pyobject(py)?.into_any(),
            Self::Bytes(text) if kind == KeyKind::Str => text_of(py, &text)?.into_any(),
            Self::Bytes(bytes) => PyBytes::new(py, &bytes).into_any(),
        })
    }

    fn frozen(kind: KeyKind, owned: &AnyKey) -> Option<Vec<u8>> {
        any_map_key(kind, owned)
    }
}
