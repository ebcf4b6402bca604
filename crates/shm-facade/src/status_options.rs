//! How a status table is created and opened.

use std::time::Duration;

use shm_core::{Interrupt, Namespace, Trust};
use slotmap_shm::{Eviction, Expiry, Geometry, Observer, ReadOptions, TableOptions};

/// How a status table is created and opened. The default suits most programs. Each field has a
/// setter.
///
/// ```
/// use shm_facade::StatusOptions;
/// let options = StatusOptions::default().capacity(100_000).mode(0o644);
/// assert_eq!((options.capacity, options.value_size), (100_000, 256));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StatusOptions {
    /// Where the table is. By default, in `$SHMAP_DIR`, or else in `/dev/shm`.
    pub namespace: Namespace,
    /// Maximum number of entries. The default is 1024. For a table that may grow, the maximum
    /// number of entries before it has grown.
    pub capacity: usize,
    /// The maximum number of entries to which the table may grow. `None`, the default, means that
    /// it does not grow.
    pub max_capacity: Option<usize>,
    /// Whether entries may expire. By default, they stay until they are removed.
    pub expiry: Expiry,
    /// Whether a full table removes entries to make room for others. By default, it does not.
    pub eviction: Eviction,
    /// Maximum length of a value in bytes. The default is 256.
    pub value_size: usize,
    /// Permission bits of a table that is created. The umask does not change them. The default is
    /// `0o600`; `0o644` lets other users read. A table that its group or other users may write to
    /// cannot be created or opened unless `trust` has [`Trust::shared_writers`].
    pub mode: u32,
    /// The users whose tables may be opened. By default, this user and root.
    pub trust: Trust,
    /// How long a write waits for another writer: five seconds by default, `None` for ever.
    pub lock_timeout: Option<Duration>,
    /// How long a read through a [`StatusReader`](crate::StatusReader) retries while writers keep
    /// changing what it reads, before the read fails with `TableError::Contended`. `None` means
    /// that it retries for ever. The default is one second.
    pub read_timeout: Option<Duration>,
    /// An [`Interrupt`] that can end a wait for another writer, or for a change, early.
    pub interrupt: Interrupt,
    /// The [`Observer`] that is told about waits, repairs and evicted entries. By default, there is
    /// none.
    pub observer: Observer,
}

impl Default for StatusOptions {
    fn default() -> Self {
        let TableOptions { geometry, mode, trust, lock_timeout, interrupt, observer, .. } =
            TableOptions::default();
        let read_timeout = ReadOptions::default().read_timeout;
        let Geometry { capacity, max_capacity, expiry, eviction, value_size, .. } = geometry;
        let namespace = Namespace::from_env();
        Self {
            namespace,
            capacity,
            max_capacity,
            expiry,
            eviction,
            value_size,
            mode,
            trust,
            lock_timeout,
            read_timeout,
            interrupt,
            observer,
        }
    }
}

impl StatusOptions {
    /// Sets the namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: Namespace) -> Self {
        self.namespace = namespace;
        self
    }

    /// Sets the maximum number of entries.
    #[must_use]
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// Lets the table grow to this many entries.
    #[must_use]
    pub fn max_capacity(mut self, max_capacity: usize) -> Self {
        self.max_capacity = Some(max_capacity);
        self
    }

    /// Sets whether entries may expire.
    #[must_use]
    pub fn expiry(mut self, expiry: Expiry) -> Self {
        self.expiry = expiry;
        self
    }

    /// Sets whether a full table removes entries to make room for others.
    #[must_use]
    pub fn eviction(mut self, eviction: Eviction) -> Self {
        self.eviction = eviction;
        self
    }

    /// Sets the maximum length of a value in bytes.
    #[must_use]
    pub fn value_size(mut self, value_size: usize) -> Self {
        self.value_size = value_size;
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

    /// Sets how long a read through a [`StatusReader`](crate::StatusReader) retries while writers
    /// keep changing what it reads. `None` means that it retries for ever.
    #[must_use]
    pub fn read_timeout(mut self, read_timeout: Option<Duration>) -> Self {
        self.read_timeout = read_timeout;
        self
    }

    /// Sets an [`Interrupt`] that can end a wait for another writer, or for a change, early.
    #[must_use]
    pub fn interrupt(mut self, interrupt: Interrupt) -> Self {
        self.interrupt = interrupt;
        self
    }

    /// Sets the [`Observer`] that is told about waits, repairs and evicted entries.
    #[must_use]
    pub fn observer(mut self, observer: Observer) -> Self {
        self.observer = observer;
        self
    }

    pub(crate) fn table_options(&self) -> TableOptions {
        let mut geometry = Geometry::default()
            .capacity(self.capacity)
            .expiry(self.expiry)
            .eviction(self.eviction)
            .value_size(self.value_size);
        geometry.max_capacity = self.max_capacity;
        TableOptions::default()
            .geometry(geometry)
            .mode(self.mode)
            .trust(self.trust.clone())
            .lock_timeout(self.lock_timeout)
            .interrupt(self.interrupt.clone())
            .observer(self.observer.clone())
    }

    pub(crate) fn read_options(&self) -> ReadOptions {
        ReadOptions::default()
            .trust(self.trust.clone())
            .read_timeout(self.read_timeout)
            .interrupt(self.interrupt.clone())
    }
}
