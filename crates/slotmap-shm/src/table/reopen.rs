//! Opening a table again when its name leads to another table.

use shm_core::{IoError, Name, Namespace, OpenError};

use super::handle::{Access, ReadOnly, Table};
use crate::error::TableOpenError;
use crate::key::Key;
use crate::options::{ReadOptions, TableOptions};

impl<K: Key + ?Sized> Table<K> {
    /// Checks whether the name still leads to this table. If it leads to another table now, opens
    /// that table as [`Table::open`] does, puts it into this handle and returns true. This is for
    /// programs that run for a long time while others may remove the table and create it again. If
    /// nothing happened, the call costs one `stat`.
    ///
    /// Returns false, and leaves the handle as it is, if the name still leads to this table or
    /// leads to nothing. In the second case [`Table::is_orphaned`] is true, and the call can be
    /// repeated. The other table must have the same type of keys, but may have any geometry.
    ///
    /// ```
    /// # use shm_core::{Name, Namespace};
    /// # use slotmap_shm::{KIND, Table, TableOptions};
    /// # let dir = std::env::temp_dir().join(format!("reopen-doc-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir)?;
    /// # let (namespace, name) = (Namespace::at(&dir), Name::new("jobs")?);
    /// # let options = TableOptions::default();
    /// let mut jobs = Table::<i32>::create(&namespace, &name, &options)?;
    /// assert!(!jobs.reopen_if_orphaned(&namespace, &name, &options)?);
    ///
    /// // Somebody else:
    /// namespace.unlink(&name, KIND)?;
    /// Table::<i32>::create(&namespace, &name, &options)?.add(&1, b"queued")?;
    ///
    /// assert!(jobs.reopen_if_orphaned(&namespace, &name, &options)?);
    /// assert!(jobs.contains_key(&1)?);
    /// # std::fs::remove_dir_all(&dir)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The errors of [`Table::open`]. The handle stays as it is.
    pub fn reopen_if_orphaned(
        &mut self,
        namespace: &Namespace,
        name: &Name,
        options: &TableOptions,
    ) -> Result<bool, TableOpenError> {
        if !is_orphaned(self)? {
            return Ok(false);
        }
        replace(self, Self::open(namespace, name, options))
    }
}

impl<K: Key + ?Sized> Table<K, ReadOnly> {
    /// Like [`Table::reopen_if_orphaned`], for reading only.
    ///
    /// # Errors
    /// The errors of [`Table::open_read_only`]. The handle stays as it is.
    pub fn reopen_if_orphaned(
        &mut self,
        namespace: &Namespace,
        name: &Name,
        options: &ReadOptions,
    ) -> Result<bool, TableOpenError> {
        if !is_orphaned(self)? {
            return Ok(false);
        }
        replace(self, Self::open_read_only(namespace, name, options))
    }
}

fn is_orphaned<K: Key + ?Sized, A: Access>(table: &Table<K, A>) -> Result<bool, OpenError> {
    let io = |source| IoError::new("look at", table.segment().path(), source).into();
    table.is_orphaned().map_err(io)
}

fn replace<T>(table: &mut T, opened: Result<T, TableOpenError>) -> Result<bool, TableOpenError> {
    match opened {
        Ok(newer) => {
            *table = newer;
            Ok(true)
        }
        Err(TableOpenError::Open(OpenError::NotFound { .. })) => Ok(false),
        Err(e) => Err(e),
    }
}
