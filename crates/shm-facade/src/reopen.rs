//! Opening a status table again when its name leads to another table.

use slotmap_shm::Access;

use crate::error::Error;
use crate::status_options::StatusOptions;
use crate::status_table::{StatusReader, StatusTable};

impl StatusTable {
    /// Checks whether the name still leads to this table. If it leads to another table now, opens
    /// that table as [`StatusTable::open_with`] does, puts it into this handle and returns true.
    /// This is for programs that run for a long time while others may remove the table and create
    /// it again. If nothing happened, the call costs one `stat`.
    ///
    /// Returns false, and leaves the handle as it is, if the name still leads to this table or
    /// leads to nothing. In the second case [`StatusTable::is_orphaned`] is true, and the call can
    /// be repeated. A table from [`StatusTable::instance`] is shared, so ask for the instance again
    /// instead.
    ///
    /// ```
    /// use shm_facade::{StatusOptions, StatusTable};
    /// # let dir = std::env::temp_dir().join(format!("facade-reopen-doc-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir)?;
    /// # let namespace = shm_facade::Namespace::at(&dir);
    /// # let options = StatusOptions::default().namespace(namespace);
    /// let mut table = StatusTable::open_or_create_with("workers", &options)?;
    /// # table.unlink()?;
    /// # StatusTable::create_with("workers", &options)?.upsert(1, "anew")?;
    /// // Each time before it matters:
    /// if table.reopen_if_orphaned("workers", &options)? {
    ///     // Another table has the name by now.
    /// }
    /// # assert!(table.contains(1)?);
    /// # std::fs::remove_dir_all(&dir)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The errors of [`StatusTable::open_with`]. The handle stays as it is.
    pub fn reopen_if_orphaned(
        &mut self,
        name: &str,
        options: &StatusOptions,
    ) -> Result<bool, Error> {
        replace(self, || Self::open_with(name, options))
    }
}

impl StatusReader {
    /// Like [`StatusTable::reopen_if_orphaned`], for reading only.
    ///
    /// # Errors
    /// The errors of [`StatusTable::open_read_only_with`]. The handle stays as it is.
    pub fn reopen_if_orphaned(
        &mut self,
        name: &str,
        options: &StatusOptions,
    ) -> Result<bool, Error> {
        replace(self, || Self::open_read_only_with(name, options))
    }
}

fn replace<A: Access>(
    table: &mut StatusTable<A>,
    open: impl FnOnce() -> Result<StatusTable<A>, Error>,
) -> Result<bool, Error> {
    if !table.is_orphaned()? {
        return Ok(false);
    }
    match open() {
        Ok(newer) => {
            *table = newer;
            Ok(true)
        }
        Err(Error::NotFound { .. }) => Ok(false),
        Err(e) => Err(e),
    }
}
