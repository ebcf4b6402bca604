//! A table that is open: what its handle may do, and the type of its keys.

use std::path::Path;

use pyo3::prelude::*;
use slotmap_shm::{
    Access, KeyKind, ReadOnly, ReadWrite, Stats, Table, TableOpenError, UntypedTable,
};

use crate::failure::read_only;

/// A table that is open for writing, or for reading only.
pub(crate) enum Opened {
    Write(Typed<ReadWrite>),
    Read(Typed<ReadOnly>),
}

/// A table with keys of a type that needs no [`AnyKey`](slotmap_shm::AnyKey), or with keys of any
/// other type.
pub(crate) enum Typed<A: Access> {
    Narrow(Table<i32, A>),
    Wide(Table<i64, A>),
    Text(Table<str, A>),
    Other(UntypedTable<A>),
}

impl<A: Access> Typed<A> {
    pub(crate) fn new(table: UntypedTable<A>) -> Result<Self, TableOpenError> {
        Ok(match table.key_kind() {
            KeyKind::I32 => Self::Narrow(table.into_typed()?),
            KeyKind::I64 => Self::Wide(table.into_typed()?),
            KeyKind::Str => Self::Text(table.into_typed()?),
            _ => Self::Other(table),
        })
    }
}

/// Runs a call of `calls` or of [`Table`] on a [`Typed`] table.
macro_rules! typed {
    ($typed:expr, $table:ident => $call:expr) => {
        match $typed {
            $crate::table::handle::Typed::Narrow($table) => $call,
            $crate::table::handle::Typed::Wide($table) => $call,
            $crate::table::handle::Typed::Text($table) => $call,
            $crate::table::handle::Typed::Other($table) => $call,
        }
    };
}

/// Runs a call that reads on an [`Opened`] table.
macro_rules! reading {
    ($opened:expr, $table:ident => $call:expr) => {
        match $opened {
            $crate::table::handle::Opened::Write(typed) => {
                $crate::table::handle::typed!(typed, $table => $call)
            }
            $crate::table::handle::Opened::Read(typed) => {
                $crate::table::handle::typed!(typed, $table => $call)
            }
        }
    };
}

pub(crate) use {reading, typed};

impl Opened {
    /// Returns the table, if its handle may write.
    #[inline]
    pub(crate) fn writable(&self, py: Python<'_>) -> PyResult<&Typed<ReadWrite>> {
        match self {
            Self::Write(table) => Ok(table),
            Self::Read(_) => Err(read_only(py, self.path())),
        }
    }

    pub(crate) fn is_read_only(&self) -> bool {
        matches!(self, Self::Read(_))
    }

    pub(crate) fn key_kind(&self) -> KeyKind {
        reading!(self, table => table.key_kind())
    }

    pub(crate) fn stats(&self) -> Stats {
        reading!(self, table => table.stats())
    }

    fn path(&self) -> &Path {
        reading!(self, table => table.segment().path())
    }
}
