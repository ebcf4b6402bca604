//! Entries of a status table that expire, and entries that go with their writer.

use std::time::Duration;

use slotmap_shm::{Access, TimeToLive, Upserted, Value};

use crate::error::Error;
use crate::status_table::StatusTable;

impl<A: Access> StatusTable<A> {
    /// Returns how long the entry of `key` stays, or `None` if the key is absent. O(1).
    ///
    /// # Errors
    /// The errors of [`StatusTable::get`].
    pub fn ttl(&self, key: i32) -> Result<Option<TimeToLive>, Error> {
        Ok(self.table().ttl(&key)?)
    }

    /// Returns a copy of the value of `key` even if its entry has expired, as long as nothing else
    /// has taken its slot. O(1).
    ///
    /// # Errors
    /// The errors of [`StatusTable::get`].
    pub fn get_stale(&self, key: i32) -> Result<Option<Value>, Error> {
        Ok(self.table().get_stale(&key)?)
    }
}

impl StatusTable {
    /// Sets the value of a key, as [`upsert`](StatusTable::upsert) does, with a time to live. The
    /// table must have been created with an [`expiry`](crate::StatusOptions::expiry).
    ///
    /// ```
    /// use std::time::Duration;
    /// use shm_facade::{Expiry, StatusOptions, StatusTable, TimeToLive};
    /// # let dir = std::env::temp_dir().join(format!("facade-expiry-doc-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir)?;
    /// # let namespace = shm_facade::Namespace::at(&dir);
    /// # let options = StatusOptions::default().namespace(namespace);
    /// let options = options.expiry(Expiry::ByEntry);
    /// let sessions = StatusTable::create_with("sessions", &options)?;
    /// let hour = Duration::from_secs(3600);
    /// sessions.upsert_for(7, "alice", hour)?;
    /// sessions.touch(7, 2 * hour)?;
    /// assert!(matches!(sessions.ttl(7)?, Some(TimeToLive::For(left)) if left > hour));
    /// # std::fs::remove_dir_all(&dir)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The errors of [`upsert`](StatusTable::upsert), and [`Error::Table`] with `NoExpiry` if the
    /// table was created without expiry, or `TimeToLive` for a time of zero, or one that is too
    /// long. Nothing was changed.
    pub fn upsert_for(
        &self,
        key: i32,
        value: impl AsRef<[u8]>,
        ttl: Duration,
    ) -> Result<Upserted, Error> {
        Ok(self.table().upsert_for(&key, value, ttl)?)
    }

    /// Gives the entry of `key` a new time to live, which begins now. Its value and its version
    /// stay as they are. An ephemeral entry then no longer goes with its thread.
    ///
    /// # Errors
    /// [`Error::Table`] with `NotFound`, also if the entry has expired; with `NoExpiry`,
    /// `TimeToLive` or `Lock`. Nothing was changed.
    pub fn touch(&self, key: i32, ttl: Duration) -> Result<(), Error> {
        Ok(self.table().touch(&key, ttl)?)
    }

    /// Adds an *ephemeral* entry: it is gone when the calling thread ends, also if the process is
    /// killed. See [`Table::add_ephemeral`](slotmap_shm::Table::add_ephemeral).
    ///
    /// # Errors
    /// The errors of [`add`](StatusTable::add), and [`Error::Table`] with `NoExpiry` if the table
    /// was created without expiry, or `NotRegistered` if the thread cannot get a record of a
    /// writer. Nothing was changed.
    pub fn add_ephemeral(&self, key: i32, value: impl AsRef<[u8]>) -> Result<(), Error> {
        Ok(self.table().add_ephemeral(&key, value)?)
    }

    /// Removes entries that have expired, among the next `max_visited` slots, and returns how many
    /// slots were visited. Each call goes on where the last one of any process stopped.
    /// O(max_visited).
    ///
    /// # Errors
    /// [`Error::Table`] with `Lock`.
    pub fn expire(&self, max_visited: usize) -> Result<usize, Error> {
        Ok(self.table().expire(max_visited)?)
    }
}
