//! How a table is created or opened.

use std::path::PathBuf;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyString};
use shm_core::{Name, Namespace, OpenError};
use shm_facade::SNAPSHOT;
use slotmap_shm::{Access, KIND, KeyKind, ReadOptions, TableOpenError, TableOptions, UntypedTable};

use super::handle::{Opened, Typed};
use crate::failure::{advised, as_it_is, not_found, other_keys};

/// Why a table was not opened.
pub(crate) enum Refused {
    Open(TableOpenError),
    /// Its keys are of none of the kinds that were asked for.
    Keys {
        path: PathBuf,
        found: KeyKind,
        asked: String,
    },
}

impl From<TableOpenError> for Refused {
    fn from(error: TableOpenError) -> Self {
        Self::Open(error)
    }
}

impl Refused {
    /// Makes the exception. It says how to open what is there.
    pub(crate) fn raised(self, py: Python<'_>, namespace: &Namespace, name: &Name) -> PyErr {
        let error = match self {
            Self::Keys { path, found, asked } => return other_keys(py, &path, found, &asked),
            Self::Open(TableOpenError::KeyKind { path, found, expected }) => {
                return other_keys(py, &path, found, expected.name());
            }
            Self::Open(TableOpenError::Open(error @ OpenError::ForeignWriters { .. })) => {
                let advice = "if you trust everybody who may write to it: shared_writers=True";
                return advised(py, error, None, Some(advice));
            }
            Self::Open(error) => error,
        };
        if let Some(advice) = as_it_is(&error) {
            return advised(py, error, None, Some(&advice));
        }
        let path = namespace.path_of(name, KIND);
        let snapshot = namespace.path_of(name, SNAPSHOT.kind);
        not_found(py, error, name.as_str(), ("table", "snapshot"), (&path, &snapshot))
    }
}

/// Whether a table is created or opened.
#[derive(Clone, Copy)]
pub(crate) enum How {
    Create(KeyKind),
    OpenOrCreate(KeyKind),
    Open(Keys),
    Read(Keys),
}

/// Which kinds of keys are accepted.
#[derive(Clone, Copy)]
pub(crate) enum Keys {
    Any,
    /// Numbers of any width.
    Int,
    /// Numbers of this many bits.
    Bits(u32),
    /// Only this kind.
    Kind(KeyKind),
}

impl How {
    /// From the word for the kind, and from the arguments `keys` and `bits`.
    pub(crate) fn new(
        how: &str,
        keys: Option<&Bound<'_, PyAny>>,
        bits: Option<u32>,
    ) -> PyResult<Self> {
        let wrong = "keys must be int, of 32 or 64 bits, str or bytes";
        let wrong = || PyTypeError::new_err(wrong);
        let found = match (keys, bits) {
            (None, None) => Keys::Any,
            (None, Some(_)) => return Err(wrong()),
            (Some(keys), bits) => Keys::new(keys, bits).ok_or_else(wrong)?,
        };
        match how {
            "create" => Ok(Self::Create(found.kind().ok_or_else(wrong)?)),
            "open_or_create" => Ok(Self::OpenOrCreate(found.kind().ok_or_else(wrong)?)),
            "open" => Ok(Self::Open(found)),
            "read" => Ok(Self::Read(found)),
            other => Err(PyValueError::new_err(format!("no such way to open a table: {other:?}"))),
        }
    }

    /// Creates or opens the table.
    pub(crate) fn go(
        self,
        namespace: &Namespace,
        name: &Name,
        options: &TableOptions,
    ) -> Result<Opened, Refused> {
        let table = match self {
            Self::Create(kind) => UntypedTable::create_with_kind(namespace, name, kind, options)?,
            Self::OpenOrCreate(kind) => {
                UntypedTable::open_or_create_with_kind(namespace, name, kind, options)?
            }
            Self::Open(keys) => {
                let table = UntypedTable::open(namespace, name, options)?;
                keys.check(&table)?;
                table
            }
            Self::Read(keys) => {
                let options = ReadOptions::default()
                    .trust(options.trust.clone())
                    .interrupt(options.interrupt.clone());
                let table = UntypedTable::open_read_only(namespace, name, &options)?;
                keys.check(&table)?;
                return Ok(Opened::Read(Typed::new(table)?));
            }
        };
        Ok(Opened::Write(Typed::new(table)?))
    }
}

impl Keys {
    fn new(keys: &Bound<'_, PyAny>, bits: Option<u32>) -> Option<Self> {
        let py = keys.py();
        if keys.is(py.get_type::<PyInt>()) {
            return match bits {
                None => Some(Self::Int),
                Some(32 | 64) => bits.map(Self::Bits),
                Some(_) => None,
            };
        }
        let kind = if keys.is(py.get_type::<PyString>()) {
            KeyKind::Str
        } else if keys.is(py.get_type::<PyBytes>()) {
            KeyKind::Bytes
        } else {
            return None;
        };
        bits.is_none().then_some(Self::Kind(kind))
    }

    /// The kind of a table that is created.
    fn kind(self) -> Option<KeyKind> {
        match self {
            Self::Any => None,
            Self::Int | Self::Bits(32) => Some(KeyKind::I32),
            Self::Bits(_) => Some(KeyKind::I64),
            Self::Kind(kind) => Some(kind),
        }
    }

    /// Checks whether this table is accepted.
    fn check<A: Access>(self, table: &UntypedTable<A>) -> Result<(), Refused> {
        let found = table.key_kind();
        let bits = found.integer().map(|(bits, _)| bits);
        let (fine, asked) = match self {
            Self::Any => (true, String::new()),
            Self::Int => (bits.is_some(), "int".to_owned()),
            Self::Bits(wanted) => (bits == Some(wanted), format!("int of {wanted} bits")),
            Self::Kind(kind) => (found == kind, kind.to_string()),
        };
        if fine {
            return Ok(());
        }
        Err(Refused::Keys { path: table.segment().path().to_owned(), found, asked })
    }
}
