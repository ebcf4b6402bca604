//! How a table is created and opened.

use std::time::Duration;

use shm_core::{Interrupt, Patience, Trust};

use crate::geometry::Geometry;
use crate::observer::Observer;

/// How a table is created and opened to write. The default suits most; each field has a setter.
///
/// ```
/// use slotmap_shm::TableOptions;
/// let options = TableOptions::default().capacity(100_000).value_size(64).mode(0o644);
/// assert_eq!(options.geometry.capacity, 100_000);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TableOptions {
    /// Size of a table that is created. An existing one must match it in
    /// [`Table::open_or_create`](crate::Table::open_or_create), and need not in `open`.
    pub geometry: Geometry,
    /// Permission bits of a table that is created, exact whatever the umask.
    /// `0o600`; `0o644` lets others read. One with write bits for group or others is
    /// refused at opening unless `trust` has [`Trust::shared_writers`].
    pub mode: u32,
    /// Whose tables to open: one's own and root's, unless told otherwise.
    pub trust: Trust,
    /// How long a write waits for another writer before it fails with
    /// `LockError::TimedOut`; `None` waits for ever. Five seconds: a writer
    /// that is stopped (SIGSTOP, a debugger) must not stop all others.
    pub lock_timeout: Option<Duration>,
    /// What ends such waiting early, and that for another process which takes the table over.
    pub interrupt: Interrupt,
    /// What is told of waits and repairs. Nobody.
    pub observer: Observer,
}

impl TableOptions {
    /// Sets the size of a table that is created.
    #[must_use]
    pub fn geometry(mut self, geometry: Geometry) -> Self {
        self.geometry = geometry;
        self
    }

    /// Sets how many entries fit.
    #[must_use]
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.geometry.capacity = capacity;
        self
    }

    /// Sets the longest value in bytes.
    #[must_use]
    pub fn value_size(mut self, value_size: usize) -> Self {
        self.geometry.value_size = value_size;
        self
    }

    /// Sets the longest key in bytes, where keys are bytes or text.
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

    /// Sets whose tables to open.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Sets how long a write waits for another writer; `None` for ever.
    #[must_use]
    pub fn lock_timeout(mut self, lock_timeout: Option<Duration>) -> Self {
        self.lock_timeout = lock_timeout;
        self
    }

    /// Sets what ends such waiting early.
    #[must_use]
    pub fn interrupt(mut self, interrupt: Interrupt) -> Self {
        self.interrupt = interrupt;
        self
    }

    /// Sets who is told of waits and repairs.
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
    /// Whose tables to open: one's own and root's, unless told otherwise.
    pub trust: Trust,
    /// How long a read tries, beside writers that change what it reads each time, before it fails
    /// with [`TableError::Contended`](crate::TableError::Contended); `None` tries for ever. One
    /// second. A handle that may write takes the lock instead, long before that.
    pub read_timeout: Option<Duration>,
}

impl ReadOptions {
    /// Sets whose tables to open.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Sets how long a read tries beside busy writers; `None` for ever.
    #[must_use]
    pub fn read_timeout(mut self, limit: Option<Duration>) -> Self {
        self.read_timeout = limit;
        self
    }
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { trust: Trust::new(), read_timeout: Some(Duration::from_secs(1)) }
    }
}
