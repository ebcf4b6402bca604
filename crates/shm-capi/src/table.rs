//! Tables: what a handle leads to, and the first steps of all calls with a table.

use shm_facade::{
    AnyKey, Error, IoError, KeyKind, Name, Namespace, ReadOnly, StatusTable, UntypedTable,
};

use crate::border::Call;
use crate::codes::SHMAP_PERMISSION;
use crate::fault::Fault;
use crate::handles::{Handle, HandleKind};
use crate::keys::{EntryElement, Form, GivenKey, KeyElement};

/// An open table, for reading and writing or for reading only, with keys of any kind.
pub struct ShmapTable {
    access: Access,
    /// The kind of the table's keys, and their maximum length.
    keys: (KeyKind, usize),
    namespace: Namespace,
    name: Name,
}

/// A table as it was opened.
pub(crate) enum Access {
    Writable(UntypedTable),
    ReadOnly(UntypedTable<ReadOnly>),
}

impl Handle for ShmapTable {
    const KIND: HandleKind = HandleKind::TABLE;
}

/// Evaluates an expression that only reads, with the table of a handle. Users of this macro also
/// import [`Access`].
macro_rules! reading {
    ($handle:expr, $table:ident => $body:expr) => {
        match $handle.access() {
            Access::Writable($table) => $body,
            Access::ReadOnly($table) => $body,
        }
    };
}
pub(crate) use reading;

impl ShmapTable {
    pub(crate) fn new(access: Access, namespace: Namespace, name: Name) -> Self {
        let keys = match &access {
            Access::Writable(table) => (table.key_kind(), table.geometry().key_size),
            Access::ReadOnly(table) => (table.key_kind(), table.geometry().key_size),
        };
        Self { access, keys, namespace, name }
    }

    /// Returns the table for reading. For what both variants can do, use [`reading`].
    #[inline]
    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// Returns the table for writing.
    #[inline]
    pub(crate) fn writable(&self) -> Result<&UntypedTable, Fault> {
        match &self.access {
            Access::Writable(table) => Ok(table),
            Access::ReadOnly(_) => {
                let message = format!("table {:?} was opened for reading only", self.name.as_str());
                let fault = Fault::new(SHMAP_PERMISSION, message);
                Err(fault.advised("open it with open or open_or_create"))
            }
        }
    }

    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    pub(crate) fn key_kind(&self) -> KeyKind {
        self.keys.0
    }

    /// A key of the table, as C passes it.
    #[inline(always)]
    pub(crate) fn key(&self, call: &Call, key: GivenKey) -> Result<AnyKey, Fault> {
        self.has_keys(key.form())?;
        key.to_any_key(call, self.keys, None)
    }

    /// Keys of the table, as C passes them.
    pub(crate) fn keys<T: KeyElement>(
        &self,
        call: &Call,
        keys: *const T,
        count: usize,
    ) -> Result<Vec<AnyKey>, Fault> {
        self.has_keys(T::FORM)?;
        let keys = call.array("keys", keys, count)?.iter().enumerate();
        keys.map(|(index, key)| key.key().to_any_key(call, self.keys, Some(index))).collect()
    }

    /// The members of a batch, as C passes them.
    pub(crate) fn members<'c, T: EntryElement + 'c>(
        &self,
        call: &'c Call,
        entries: *const T,
        count: usize,
    ) -> Result<Vec<(AnyKey, &'c [u8])>, Fault> {
        self.has_keys(T::Key::FORM)?;
        let member = |(index, entry): (usize, &'c T)| {
            let key = entry.key().key().to_any_key(call, self.keys, Some(index))?;
            let value = call.named_bytes("the value", entry.value());
            Ok((key, value.map_err(|fault| fault.of_member(index))?))
        };
        call.array("entries", entries, count)?.iter().enumerate().map(member).collect()
    }

    /// True if the name no longer leads to this table.
    pub(crate) fn is_orphaned(&self) -> Result<bool, Error> {
        reading!(self, table => table.is_orphaned())
            .map_err(|source| IoError::new("read", self.namespace.dir(), source).into())
    }

    /// Removes the name, if it leads to this table.
    pub(crate) fn unlink(&self) -> Result<bool, Fault> {
        self.writable()?;
        if self.is_orphaned()? {
            return Ok(false);
        }
        Ok(StatusTable::unlink_name(self.name.as_str(), &self.namespace)?)
    }

    #[inline]
    fn has_keys(&self, form: Form) -> Result<(), Fault> {
        form.check(self.key_kind(), || format!("table {:?} has", self.name.as_str()))
    }
}
