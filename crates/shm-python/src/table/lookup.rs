//! The lookups of a table that bypass PyO3's way of calling methods.

use std::ffi::CStr;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use slotmap_shm::TableError;

use super::calls::{self, Make};
use super::handle::reading;
use super::key::named;
use super::{TableBase, open};
use crate::failure::failure;
use crate::fast::Method;
use crate::keys::text_of;

/// Returns the value of a key as a Python object, or `default` if the key is absent.
#[inline(always)]
fn look_up<'py>(
    this: &Bound<'py, TableBase>,
    key: &Bound<'py, PyAny>,
    default: Option<&Bound<'py, PyAny>>,
    make: &Make<'_, 'py>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let table = this.get().table.lend(key.py());
    let found = reading!(open(&table, key.py())?, table => calls::get(table, key, make))?;
    Ok(found.or_else(|| default.cloned()))
}

/// `Table.get`.
pub(crate) struct Get;

impl Method for Get {
    type Class = TableBase;
    const NAME: &'static CStr = c"get";
    const DOC: &'static CStr = c"get($self, key, default=None)\n--\n\n\
        A copy of the value, as bytes, or `default`. O(1). Takes no lock.\n\
        \n\
        Raises `CorruptError` if the file is damaged.";
    const ARGUMENTS: &'static [&'static str] = &["key", "default"];
    const REQUIRED: usize = 1;

    #[inline]
    fn call<'py>(
        this: &Bound<'py, TableBase>,
        key: &Bound<'py, PyAny>,
        default: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        look_up(this, key, default, &|value| Ok(PyBytes::new(key.py(), value).into_any()))
    }
}

/// `Table.get_str`.
pub(crate) struct GetStr;

impl Method for GetStr {
    type Class = TableBase;
    const NAME: &'static CStr = c"get_str";
    const DOC: &'static CStr = c"get_str($self, key, default=None)\n--\n\n\
        As `get`, but the value as text. Raises `NotTextError` if it is not UTF-8.";
    const ARGUMENTS: &'static [&'static str] = &["key", "default"];
    const REQUIRED: usize = 1;

    #[inline]
    fn call<'py>(
        this: &Bound<'py, TableBase>,
        key: &Bound<'py, PyAny>,
        default: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let make = |value: &[u8]| Ok(text_of(key.py(), value)?.into_any());
        look_up(this, key, default, &make)
    }
}

/// `Table.get_int`.
pub(crate) struct GetInt;

impl Method for GetInt {
    type Class = TableBase;
    const NAME: &'static CStr = c"get_int";
    const DOC: &'static CStr = c"get_int($self, key, default=None)\n--\n\n\
        The number of a counter, or `default`. O(1). Takes no lock.\n\
        \n\
        Raises `MismatchError` if the value is not a counter, which has eight bytes.";
    const ARGUMENTS: &'static [&'static str] = &["key", "default"];
    const REQUIRED: usize = 1;

    #[inline]
    fn call<'py>(
        this: &Bound<'py, TableBase>,
        key: &Bound<'py, PyAny>,
        default: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = key.py();
        let make = |value: &[u8]| match value.try_into() {
            Ok(bytes) => Ok(i64::from_le_bytes(bytes).into_pyobject(py)?.into_any()),
            Err(_) => {
                let error = TableError::NotACounter { key: named(key), len: value.len() };
                Err(failure(py, error, None))
            }
        };
        look_up(this, key, default, &make)
    }
}
