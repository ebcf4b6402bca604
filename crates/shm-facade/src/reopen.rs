//! Opening a status table anew when its name leads to another one.

use slotmap_shm::Access;

use crate::error::Error;
use crate::status_table::{StatusOptions, StatusReader, StatusTable};

impl StatusTable {
    /// Opens what is at the name now, as [`StatusTable::open_with`] does, if this table has lost it:
    /// true if that took this one's place. For programs that run for long, while others may remove the
    /// table and make it anew. One `stat` as long as nothing happened.
    ///
    /// False, and the handle stays as it is, when the name leads to this table, or nowhere: then
    /// [`StatusTable::is_orphaned`] says so, and it can be tried again. What
    /// [`StatusTable::instance`] gives is shared: ask for the instance again instead.
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
    /// As [`StatusTable::open_with`]; the handle stays as it is.
    pub fn reopen_if_orphaned(
        &mut self,
        name: &str,
        options: &StatusOptions,
    ) -> Result<bool, Error> {
        replace(self, || Self::open_with(name, options))
    }
}

impl StatusReader {
    /// As [`StatusTable::reopen_if_orphaned`], for reading only.
    ///
    /// # Errors
    /// As [`StatusTable::open_read_only_with`]; the handle stays as it is.
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
