//! How a table is created and opened.

use std::time::Duration;

use shm_core::{Interrupt, Patience, Trust};

use crate::geometry::Geometry;
use crate::observer::Observer;

/// How a table is created, or opened for writing. The default suits most programs; each field has a
/// setter.
///
/// ```
/// use slotmap_shm::TableOptions;
/// let options = TableOptions::default().capacity(100_000).value_size(64).mode(0o644);
/// assert_eq!(options.geometry.capacity, 100_000);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TableOptions {
    /// Size of a table that is created. With
    /// [`Table::open_or_create`](crate::Table::open_or_create), an existing table must have this
    /// size; `open` accepts any size.
    pub geometry: Geometry,
    /// Permission bits of a table that is created. The umask does not change them. The default is
    /// `0o600`; `0o644` lets other users read. A table that its group or other users may write to
    /// cannot be created or opened unless `trust` has [`Trust::shared_writers`].
    pub mode: u32,
    /// The users whose tables may be opened. By default, this user and root.
    pub trust: Trust,
    /// How long a write waits for another writer before the write fails with `LockError::TimedOut`.
    /// `None` means that it waits for ever. The default is five seconds, because a writer that is
    /// stopped (by SIGSTOP or a debugger) must not stop all other writers.
    pub lock_timeout: Option<Duration>,
    /// An [`Interrupt`] that can end such a wait early. It can also end a wait for a change, and a
    /// wait for another process that is taking the table over.
    pub interrupt: Interrupt,
    /// The [`Observer`] that is told about waits and repairs. By default, there is none.
    pub observer: Observer,
}

impl TableOptions {
    /// Sets the size of a table that is created.
    #[must_use]
    pub fn geometry(mut self, geometry: Geometry) -> Self {
        self.geometry = geometry;
        self
    }

    /// Sets the maximum number of entries.
    #[must_use]
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.geometry.capacity = capacity;
        self
    }

    /// Lets the table grow to this many entries; see [`Geometry::max_capacity`].
    #[must_use]
    pub fn max_capacity(mut self, max_capacity: usize) -> Self {
        self.geometry.max_capacity = Some(max_capacity);
        self
    }

    /// Sets the maximum length of a value in bytes.
    #[must_use]
    pub fn value_size(mut self, value_size: usize) -> Self {
        self.geometry.value_size = value_size;
        self
    }

    /// Sets the maximum length of a key in bytes, for `str` and `[u8]` keys.
    #[must_use]
    pub fn key_size(mut self, key_size: usize) -> Self {
        self.geometry.key_size = key_size;
        self
    }

    /// Sets the permission bits of a table that is created.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Sets the users whose tables may be opened.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Sets how long a write waits for another writer. `None` means that it waits for ever.
    #[must_use]
    pub fn lock_timeout(mut self, lock_timeout: Option<Duration>) -> Self {
        self.lock_timeout = lock_timeout;
        self
    }

    /// Sets an [`Interrupt`] that can end such a wait early.
    #[must_use]
    pub fn interrupt(mut self, interrupt: Interrupt) -> Self {
        self.interrupt = interrupt;
        self
    }

    /// Sets the [`Observer`] that is told about waits and repairs.
    #[must_use]
    pub fn observer(mut self, observer: Observer) -> Self {
        self.observer = observer;
        self
    }

    pub(crate) fn patience(&self) -> Patience {
        Patience::forever().limit(self.lock_timeout).interrupt(self.interrupt.clone())
    }
}

impl Default for TableOptions {
    fn default() -> Self {
        Self {
            geometry: Geometry::default(),
            mode: 0o600,
            trust: Trust::new(),
            lock_timeout: Some(Duration::from_secs(5)),
            interrupt: Interrupt::never(),
            observer: Observer::default(),
        }
    }
}

/// How a table is opened for reading only.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReadOptions {
    /// The users whose tables may be opened. By default, this user and root.
    pub trust: Trust,
    /// How long a read retries while writers keep changing what it reads, before the read fails
    /// with [`TableError::Contended`](crate::TableError::Contended). `None` means that it retries
    /// for ever. The default is one second. Reads through a handle that may write have no such
    /// limit: they take the lock instead, long before a second has passed.
    pub read_timeout: Option<Duration>,
    /// An [`Interrupt`] that can end a wait for a change early.
    pub interrupt: Interrupt,
}

impl ReadOptions {
    /// Sets the users whose tables may be opened.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Sets how long a read retries while writers keep changing what it reads. `None` means that it
    /// retries for ever.
    #[must_use]
    pub fn read_timeout(mut self, limit: Option<Duration>) -> Self {
        self.read_timeout = limit;
        self
    }

    /// Sets an [`Interrupt`] that can end a wait for a change early.
    #[must_use]
    pub fn interrupt(mut self, interrupt: Interrupt) -> Self {
        self.interrupt = interrupt;
        self
    }
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            trust: Trust::new(),
            read_timeout: Some(Duration::from_secs(1)),
            interrupt: Interrupt::never(),
        }
    }
}
