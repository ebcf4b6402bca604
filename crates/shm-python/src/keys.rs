//! The conversion between Python objects and bytes.

use pyo3::exceptions::{PyTypeError, PyUnicodeDecodeError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyInt, PyMemoryView, PyString};
use shm_facade::{any_map_key, any_table_key, map_key, table_key};
use slotmap_shm::{AnyKey, KeyKind};

use crate::edition::Edition;
use crate::failure::raise;
use crate::fast::utf8;
use crate::numbers::{any_int, equal_int, int_of, out_of_range, range};
use crate::refusal::Refusal;

/// The bytes of an object, which are either a reference to them or a copy.
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

/// Returns the bytes of a `bytes`, a `str` (as UTF-8), a `bytearray` or a `memoryview`.
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

/// Like [`lend`], but for an object that must have bytes.
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
    /// Keys of a frozen table of other integers.
    Other(KeyKind),
}

/// The bytes of a key.
pub(crate) enum KeyBytes<'a, 'py> {
    Object(Bytes<'a, 'py>),
    Int(Word<4>),
    Long(Word<8>),
    Other(Vec<u8>),
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
            Self::Other(bytes) => bytes,
        }
    }
}

impl KeyForm {
    /// Makes the form from one of the types `str`, `bytes` and `int`.
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

    /// Returns the same form, but for numbers with or without a sign.
    pub(crate) fn signed(self, signed: bool) -> PyResult<Self> {
        match self {
            _ if signed => Ok(self),
            Self::Str | Self::Bytes => {
                Err(PyTypeError::new_err("signed=False is for keys=int alone"))
            }
            _ => Ok(Self::Other(KeyKind::U32)),
        }
    }

    /// Returns the form that the keys of a table of this kind have in a frozen map.
    pub(crate) fn frozen(kind: KeyKind) -> Self {
        match kind {
            KeyKind::Str => Self::Str,
            KeyKind::Bytes => Self::Bytes,
            KeyKind::I32 => Self::Int,
            KeyKind::I64 => Self::Long,
            other => Self::Other(other),
        }
    }

    /// Returns the kind of a table that has such keys.
    pub(crate) fn kind(self) -> KeyKind {
        match self {
            Self::Str => KeyKind::Str,
            Self::Bytes => KeyKind::Bytes,
            Self::Int => KeyKind::I32,
            Self::Long => KeyKind::I64,
            Self::Other(kind) => kind,
        }
    }

    /// Returns the form of a map's keys. Numbers are as wide as the first key.
    pub(crate) fn of(self, map: &Edition) -> Self {
        let Some((_, signed)) = self.kind().integer() else { return self };
        let bits = map.nth(0).map_or(32, |(key, _)| key.len() * 8);
        let same = |kind: &KeyKind| {
            kind.integer().is_some_and(|(b, s)| s == signed && usize::try_from(b) == Ok(bits))
        };
        let otherwise = if signed { KeyKind::I32 } else { KeyKind::U32 };
        Self::frozen(KeyKind::ALL.into_iter().find(same).unwrap_or(otherwise))
    }

    /// Returns the Python type of such keys.
    pub(crate) fn to_type(self, py: Python<'_>) -> Bound<'_, PyAny> {
        match self {
            Self::Str => py.get_type::<PyString>().into_any(),
            Self::Bytes => py.get_type::<PyBytes>().into_any(),
            Self::Int | Self::Long | Self::Other(_) => py.get_type::<PyInt>().into_any(),
        }
    }

    /// Returns the bytes of a key, or `None` for a number that cannot be a key of any table.
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
            Self::Other(kind) => {
                let number = any_int(kind, key, int)?;
                Ok(number.and_then(|number| any_map_key(kind, &number)).map(KeyBytes::Other))
            }
        }
    }

    /// Returns the bytes to look up, or `None` for an object that cannot be a key of any map, for
    /// instance because of its type.
    #[inline]
    pub(crate) fn looked_up<'a, 'py>(
        self,
        key: &'a Bound<'py, PyAny>,
    ) -> PyResult<Option<KeyBytes<'a, 'py>>> {
        self.encode(key, equal_int).or_else(|refusal| refusal.absent(key).map(|()| None))
    }

    /// Returns the bytes of a key to remove, or `None` for a number that cannot be a key of any
    /// table.
    pub(crate) fn removed<'a, 'py>(
        self,
        key: &'a Bound<'py, PyAny>,
    ) -> PyResult<Option<KeyBytes<'a, 'py>>> {
        self.encode(key, equal_int).map_err(|refusal| refusal.error(key))
    }

    /// Returns the bytes that determine a position in key order, or `None` for a number beyond all
    /// keys.
    pub(crate) fn placed<'a, 'py>(
        self,
        key: &'a Bound<'py, PyAny>,
    ) -> PyResult<Option<KeyBytes<'a, 'py>>> {
        self.encode(key, int_of).map_err(|refusal| refusal.error(key))
    }

    /// Returns the bytes of a key, for storing a value or for comparing with stored keys.
    pub(crate) fn key<'a, 'py>(self, key: &'a Bound<'py, PyAny>) -> PyResult<KeyBytes<'a, 'py>> {
        self.placed(key)?.ok_or_else(|| {
            let (bits, signed) = self.kind().integer().unwrap_or((64, true));
            let (min, max) = range(bits, signed);
            out_of_range(key, "", &format!("keys of this map have {bits} bits, {min} to {max}"))
        })
    }

    /// Converts bytes to a key. Returns `None` if no key of this form has these bytes.
    #[inline]
    pub(crate) fn decode<'py>(
        self,
        py: Python<'py>,
        key: &[u8],
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(match self {
            Self::Str => match PyString::from_bytes(py, key) {
                Ok(text) => Some(text.into_any()),
                Err(error) if error.is_instance_of::<PyUnicodeDecodeError>(py) => None,
                Err(error) => return Err(error),
            },
            Self::Bytes => Some(PyBytes::new(py, key).into_any()),
            Self::Int => match table_key(key) {
                Some(number) => Some(number.into_pyobject(py)?.into_any()),
                None => None,
            },
            Self::Long => match key.try_into() {
                Ok(bytes) => Some(number_of(bytes).into_pyobject(py)?.into_any()),
                Err(_) => None,
            },
            Self::Other(kind) => match any_table_key(kind, key) {
                Some(AnyKey::Signed(number)) => Some(number.into_pyobject(py)?.into_any()),
                Some(AnyKey::Unsigned(number)) => Some(number.into_pyobject(py)?.into_any()),
                Some(AnyKey::Bytes(_)) | None => None,
            },
        })
    }

    /// Converts a key of a map to an object.
    #[inline]
    pub(crate) fn of_map<'py>(
        self,
        py: Python<'py>,
        map: &Edition,
        key: &[u8],
    ) -> PyResult<Bound<'py, PyAny>> {
        self.decode(py, key)?.ok_or_else(|| self.another(py, map, key))
    }

    /// Makes the exception for a map whose keys do not have this form. The message says what the
    /// keys are, and how to open the map.
    #[cold]
    fn another(self, py: Python<'_>, map: &Edition, key: &[u8]) -> PyErr {
        let asked = if self == Self::Str { "text" } else { "a number of its width" };
        let len = key.len();
        let numbers = matches!(len, 1 | 2 | 4 | 8)
            && map.iter().take(SAMPLE).all(|(key, _)| key.len() == len);
        let advice = if numbers {
            format!(
                "its keys have {} bits each, as those of a frozen table of numbers: \
                 open it with keys=int, or with keys=bytes",
                len * 8
            )
        } else if self == Self::Str {
            "open it with keys=bytes".to_owned()
        } else {
            "open it with keys=str or keys=bytes".to_owned()
        };
        let (path, key) = (map.path(), shown(key));
        raise(py, "WrongKindError", (format!("{path:?}: key {key} is not {asked}; {advice}"),))
    }
}

/// Number of keys that are examined to find out which form the keys of a map have.
const SAMPLE: usize = 1000;

/// Formats a key as text in quotes. Bytes that are not UTF-8 are escaped, and only the first are
/// shown.
pub(crate) fn shown(key: &[u8]) -> String {
    const MOST: usize = 32;
    match (std::str::from_utf8(key), key.get(..MOST)) {
        (Ok(text), None) => format!("{text:?}"),
        (_, None) => format!("b\"{}\"", key.escape_ascii()),
        (_, Some(start)) => format!("b\"{}\"…", start.escape_ascii()),
    }
}

/// Converts bytes to text.
#[inline]
pub(crate) fn text_of<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    PyString::from_bytes(py, bytes).map_err(|error| no_text(py, bytes, error))
}

/// Converts Python's own exception for bytes that are not text to an exception of this package with
/// the same parts.
#[cold]
fn no_text(py: Python<'_>, bytes: &[u8], error: PyErr) -> PyErr {
    let Err(found) = std::str::from_utf8(bytes) else { return error };
    let start = found.valid_up_to();
    let end = found.error_len().map_or(bytes.len(), |len| start + len);
    let reason = error.value(py).getattr("reason");
    let reason = reason.map_or_else(|_| "not UTF-8".into(), |reason| reason.to_string());
    raise(py, "NotTextError", ("utf-8", PyBytes::new(py, bytes), start, end, reason))
}

/// Returns the map key of a table key. Like `map_key`, but for keys of eight bytes.
pub(crate) fn long_key(key: i64) -> [u8; 8] {
    (key ^ i64::MIN).to_be_bytes()
}

/// Returns the table key for which eight bytes stand.
fn number_of(key: [u8; 8]) -> i64 {
    i64::from_be_bytes(key) ^ i64::MIN
}
