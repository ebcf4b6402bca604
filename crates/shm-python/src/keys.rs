//! The conversion between Python objects and bytes.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyInt, PyMemoryView, PyString};
use shm_facade::{map_key, table_key};

use crate::edition::Edition;
use crate::fast::utf8;
use crate::numbers::{equal_int, int_of, out_of_range, range};
use crate::refusal::Refusal;

/// The bytes of an object: a reference to them, or a copy.
pub(crate) enum Bytes<'a, 'py> {
    Lent(&'a [u8]),
    Copied(Bound<'py, PyBytes>),
}

impl Bytes<'_, '_> {
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Lent(bytes) => bytes,
            Self::Copied(bytes) => bytes.as_bytes(),
        }
    }
}

/// The bytes of a `bytes`, a `str` (as UTF-8), a `bytearray` or a `memoryview`.
#[inline]
pub(crate) fn lend<'a, 'py>(object: &'a Bound<'py, PyAny>) -> Result<Bytes<'a, 'py>, Refusal> {
    if let Ok(text) = object.cast::<PyString>() {
        return utf8(text).map(|text| Bytes::Lent(text.as_bytes())).map_err(Refusal::Text);
    }
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return Ok(Bytes::Lent(bytes.as_bytes()));
    }
    if object.is_instance_of::<PyByteArray>() || object.is_instance_of::<PyMemoryView>() {
        let bytes = object.py().get_type::<PyBytes>().call1((object,));
        let bytes = bytes.and_then(|bytes| Ok(bytes.cast_into()?));
        return bytes.map(Bytes::Copied).map_err(Refusal::Raised);
    }
    Err(Refusal::Type("str or bytes"))
}

/// As [`lend`], for an object that must have bytes.
#[inline]
pub(crate) fn bytes_of<'a, 'py>(object: &'a Bound<'py, PyAny>) -> PyResult<Bytes<'a, 'py>> {
    lend(object).map_err(|refusal| refusal.error(object))
}

/// The Python type of the keys of a snapshot or tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyForm {
    Str,
    Bytes,
    /// Keys of a frozen table: four bytes.
    Int,
    /// Keys of a frozen table of 64-bit keys: eight bytes.
    Long,
}

/// The bytes of a key.
pub(crate) enum KeyBytes<'a, 'py> {
    Object(Bytes<'a, 'py>),
    Int(Word<4>),
    Long(Word<8>),
}

/// Bytes with the alignment of a word, so that they are moved word by word. Moving them in pieces
/// that overlap would stall on store forwarding for as long as the lookup takes.
#[repr(align(8))]
pub(crate) struct Word<const N: usize>([u8; N]);

impl AsRef<[u8]> for KeyBytes<'_, '_> {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Object(bytes) => bytes.as_bytes(),
            Self::Int(Word(bytes)) => bytes,
            Self::Long(Word(bytes)) => bytes,
        }
    }
}

impl KeyForm {
    /// From one of the types `str`, `bytes`, `int`.
    pub(crate) fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = object.py();
        if object.is(py.get_type::<PyString>()) {
            Ok(Self::Str)
        } else if object.is(py.get_type::<PyBytes>()) {
            Ok(Self::Bytes)
        } else if object.is(py.get_type::<PyInt>()) {
            Ok(Self::Int)
        } else {
            Err(PyTypeError::new_err("keys must be str, bytes or int"))
        }
    }

    /// The form of a map's keys. Numbers are as wide as the first key.
    pub(crate) fn of(self, map: &Edition) -> Self {
        match self {
            Self::Str | Self::Bytes => self,
            Self::Int | Self::Long => match map.nth(0) {
                Some((key, _)) if key.len() == 8 => Self::Long,
                _ => Self::Int,
            },
        }
    }

    /// The type, for Python.
    pub(crate) fn to_type(self, py: Python<'_>) -> Bound<'_, PyAny> {
        match self {
            Self::Str => py.get_type::<PyString>().into_any(),
            Self::Bytes => py.get_type::<PyBytes>().into_any(),
            Self::Int | Self::Long => py.get_type::<PyInt>().into_any(),
        }
    }

    /// The bytes of a key; `None` for a number that cannot be a key of any table.
    #[inline]
    fn encode<'a, 'py>(
        self,
        key: &'a Bound<'py, PyAny>,
        int: impl FnOnce(&Bound<'py, PyAny>) -> Result<Option<i64>, Refusal>,
    ) -> Result<Option<KeyBytes<'a, 'py>>, Refusal> {
        match self {
            Self::Str | Self::Bytes => Ok(Some(KeyBytes::Object(lend(key)?))),
            Self::Int => {
                let number = int(key)?.and_then(|number| i32::try_from(number).ok());
                Ok(number.map(|number| KeyBytes::Int(Word(map_key(number)))))
            }
            Self::Long => Ok(int(key)?.map(|number| KeyBytes::Long(Word(long_key(number))))),
        }
    }

    /// The bytes to look up; `None` for an object that cannot be a key of any map, for instance
    /// because of its type.
    #[inline]
    pub(crate) fn looked_up<'a, 'py>(
        self,
        key: &'a Bound<'py, PyAny>,
    ) -> PyResult<Option<KeyBytes<'a, 'py>>> {
        self.encode(key, equal_int).or_else(|refusal| refusal.absent(key).map(|()| None))
    }

    /// The bytes to remove; `None` for a number that cannot be a key of any table.
    pub(crate) fn removed<'a, 'py>(
        self,
        key: &'a Bound<'py, PyAny>,
    ) -> PyResult<Option<KeyBytes<'a, 'py>>> {
        self.encode(key, equal_int).map_err(|refusal| refusal.error(key))
    }

    /// The bytes that determine a position; `None` for a number beyond all keys.
    pub(crate) fn placed<'a, 'py>(
        self,
        key: &'a Bound<'py, PyAny>,
    ) -> PyResult<Option<KeyBytes<'a, 'py>>> {
        self.encode(key, int_of).map_err(|refusal| refusal.error(key))
    }

    /// The bytes to store under, or to compare with.
    pub(crate) fn key<'a, 'py>(self, key: &'a Bound<'py, PyAny>) -> PyResult<KeyBytes<'a, 'py>> {
        self.placed(key)?.ok_or_else(|| {
            let bits = if self == Self::Int { 32 } else { 64 };
            let (min, max) = range(bits, true);
            out_of_range(key, "", &format!("keys of this map have {bits} bits, {min} to {max}"))
        })
    }

    /// The key that bytes stand for.
    pub(crate) fn decode<'py>(self, py: Python<'py>, key: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Str => Ok(PyString::from_bytes(py, key)?.into_any()),
            Self::Bytes => Ok(PyBytes::new(py, key).into_any()),
            Self::Int => match table_key(key) {
                Some(number) => Ok(number.into_pyobject(py)?.into_any()),
                None => Err(no_number(py, key)),
            },
            Self::Long => match key.try_into() {
                Ok(bytes) => Ok(number_of(bytes).into_pyobject(py)?.into_any()),
                Err(_) => Err(no_number(py, key)),
            },
        }
    }
}

/// The map key of this key of a table: as `map_key`, but of eight bytes.
pub(crate) fn long_key(key: i64) -> [u8; 8] {
    (key ^ i64::MIN).to_be_bytes()
}

/// The key of a table that eight bytes stand for.
fn number_of(key: [u8; 8]) -> i64 {
    i64::from_be_bytes(key) ^ i64::MIN
}

#[cold]
fn no_number(py: Python<'_>, key: &[u8]) -> PyErr {
    let text = format!("{:?} is not a key of a frozen table", String::from_utf8_lossy(key));
    crate::failure::raise(py, "WrongKindError", (text,))
}
