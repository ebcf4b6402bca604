//! Waiting until a key of a status table, or anything in it, has changed.

use std::time::Duration;

use slotmap_shm::{Access, TableVersion, Value, Version};

use crate::error::Error;
use crate::status_table::StatusTable;

impl<A: Access> StatusTable<A> {
    /// Returns a copy of the value of `key`, or `None` if the key is absent, and the version under
    /// which it was read. O(1).
    ///
    /// # Errors
    /// The errors of [`StatusTable::get`].
    pub fn get_with_version(&self, key: i32) -> Result<(Option<Value>, Version), Error> {
        Ok(self.table().get_with_version(&key)?)
    }

    /// Returns the version of `key`, which may be absent. O(1).
    ///
    /// # Errors
    /// The errors of [`StatusTable::get`].
    pub fn version(&self, key: i32) -> Result<Version, Error> {
        Ok(self.table().version(&key)?)
    }

    /// Waits until `key` has another version than `seen`, and returns that version. Returns `None`
    /// if `timeout` is over and the version is still the same. A `timeout` of `None` means to wait
    /// for ever. See [`Table::wait_for_change`](slotmap_shm::Table::wait_for_change).
    ///
    /// ```
    /// use shm_facade::{StatusOptions, StatusTable};
    /// # let dir = std::env::temp_dir().join(format!("facade-wait-doc-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir)?;
    /// # let options = StatusOptions::default().namespace(shm_facade::Namespace::at(&dir));
    /// let jobs = StatusTable::create_with("jobs", &options)?;
    /// jobs.add(7, "queued")?;
    /// let (value, seen) = jobs.get_with_version(7)?;
    /// assert_eq!(value.as_deref(), Some(&b"queued"[..]));
    /// std::thread::scope(|s| {
    ///     s.spawn(|| jobs.update(7, "running"));
    ///     assert_eq!(jobs.wait_for_change(7, seen, None)?, Some(jobs.version(7)?));
    ///     assert_eq!(jobs.get(7)?.as_deref(), Some(&b"running"[..]));
    ///     Ok::<(), shm_facade::Error>(())
    /// })?;
    /// # std::fs::remove_dir_all(&dir)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Table`] with an error of `Table::wait_for_change`.
    pub fn wait_for_change(
        &self,
        key: i32,
        seen: Version,
        timeout: Option<Duration>,
    ) -> Result<Option<Version>, Error> {
        Ok(self.table().wait_for_change(&key, seen, timeout)?)
    }

    /// Returns the version of the whole table: a number that grows with each change. O(number of
    /// writers). See [`Table::table_version`](slotmap_shm::Table::table_version).
    #[must_use]
    pub fn table_version(&self) -> TableVersion {
        self.table().table_version()
    }

    /// Waits until the table has a later version than `seen`, and returns that version. Returns
    /// `None` if `timeout` is over and nothing has changed. To miss nothing, ask for the version
    /// first, then read, and then wait with this version. See
    /// [`Table::wait_for_any_change`](slotmap_shm::Table::wait_for_any_change).
    ///
    /// # Errors
    /// [`Error::Table`] with an error of `Table::wait_for_any_change`.
    pub fn wait_for_any_change(
        &self,
        seen: TableVersion,
        timeout: Option<Duration>,
    ) -> Result<Option<TableVersion>, Error> {
        Ok(self.table().wait_for_any_change(seen, timeout)?)
    }
}
