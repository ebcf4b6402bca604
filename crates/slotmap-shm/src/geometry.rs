//! How many entries a table holds, and how large they may be.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::key_kind::MAX_KEY_BYTES;

/// Whether the entries of a table may expire. A table whose entries may expire needs 16 bytes more
/// for each entry, and its calls read the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expiry {
    /// Entries stay until they are removed.
    #[default]
    Never,
    /// An entry expires if it was written with a time to live.
    ByEntry,
    /// An entry expires after this time, unless it was written with another time to live.
    After(Duration),
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::ByEntry => f.write_str("each after a time of its own"),
            Self::After(ttl) => write!(f, "after {ttl:?}"),
        }
    }
}

/// What happens to an insertion into a table that is full, and has its largest capacity.
///
/// Entries that have expired are removed first, and a table that may grow grows first. A table that
/// evicts does not search all entries each time. So it may overlook an entry that was written since
/// its last search and has expired already, or an ephemeral entry, for 31 times as long as a search
/// takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Eviction {
    /// It fails.
    #[default]
    Never,
    /// The entry that was written longest ago is removed. A [touch](crate::Table::touch) counts as
    /// a write, a read does not. Such a table needs 8 bytes more for each entry, and each write
    /// reads the clock. The writer is told by [`Event::Evicted`](crate::Event::Evicted).
    ///
    /// This order is exact among the entries that were written in this boot. Those of an earlier
    /// boot are older, in no particular order among themselves.
    LeastRecentlyWritten,
}

impl fmt::Display for Eviction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "never",
            Self::LeastRecentlyWritten => "the least recently written first",
        })
    }
}

/// How many entries a table holds, and how large they may be. A table's geometry is fixed when the
/// table is created.
///
/// A slot takes two buffers of `value_size` (at least 16 bytes each), the key (8 bytes for an
/// integer, 8 + `key_size` for bytes) and 24 bytes; 16 more if entries expire, and 8 more if they
/// are evicted. The sum is rounded up to whole cache lines of 64 bytes. The index and the free
/// stack take 16 to 40 bytes per entry. All memory is allocated at creation. A table that may grow
/// allocates memory for `capacity` entries at creation, and for twice as many each time that it is
/// full. Its file has the length for `max_capacity` entries from the beginning, with holes.
///
/// ```
/// use slotmap_shm::{Geometry, TableOptions};
/// let geometry = Geometry::default().capacity(100_000).value_size(64);
/// let options = TableOptions::default().geometry(geometry);
/// assert_eq!(options.geometry.key_size, 64); // the default
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Geometry {
    /// The exact maximum number of entries: 1 to [`Geometry::MAX_CAPACITY`]. For a table that may
    /// grow, the maximum number of entries before it has grown.
    pub capacity: usize,
    /// The maximum number of entries to which the table may grow: `capacity` to
    /// [`Geometry::MAX_CAPACITY`]. `None`, the default, means that the table does not grow.
    pub max_capacity: Option<usize>,
    /// Whether entries may expire.
    pub expiry: Expiry,
    /// Whether a full table removes entries to make room for others.
    pub eviction: Eviction,
    /// Maximum length of a value in bytes: 0 to [`Geometry::MAX_VALUE_SIZE`].
    pub value_size: usize,
    /// Maximum length of a key in bytes, for `str` and `[u8]` keys: 1 to
    /// [`Geometry::MAX_KEY_SIZE`]. Not used for integer keys.
    pub key_size: usize,
}

impl Geometry {
    /// The largest capacity.
    pub const MAX_CAPACITY: usize = 1 << 28;
    /// The largest value size in bytes.
    pub const MAX_VALUE_SIZE: usize = 1 << 24;
    /// The largest key size in bytes.
    pub const MAX_KEY_SIZE: usize = MAX_KEY_BYTES;

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

    /// Sets the maximum length of a key in bytes, for `str` and `[u8]` keys.
    #[must_use]
    pub fn key_size(mut self, key_size: usize) -> Self {
        self.key_size = key_size;
        self
    }
}

impl Default for Geometry {
    /// The default is 1024 entries of up to 256 bytes, with `str` and `[u8]` keys of up to 64
    /// bytes.
    fn default() -> Self {
        Self {
            capacity: 1024,
            max_capacity: None,
            expiry: Expiry::Never,
            eviction: Eviction::Never,
            value_size: 256,
            key_size: 64,
        }
    }
}

/// Why no table can have a geometry.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GeometryError {
    /// A parameter is out of range.
    #[error("{what} is {value}, it must be {min} to {max}")]
    OutOfRange {
        /// Name of the parameter.
        what: &'static str,
        /// The value of the parameter.
        value: u64,
        /// Minimum value of the parameter.
        min: usize,
        /// Maximum value of the parameter.
        max: usize,
    },
    /// A time to live is zero, or longer than the clock goes.
    #[error("the time to live is {ttl:?}, it must be more than 0 and at most {} seconds", max.as_secs())]
    TimeToLive {
        /// The requested time.
        ttl: Duration,
        /// The longest possible time.
        max: Duration,
    },
    /// The table would not fit into the address space.
    #[error("{capacity} entries of {value_size} bytes are too large for the address space")]
    TooLarge {
        /// The requested number of entries.
        capacity: usize,
        /// The requested value size in bytes.
        value_size: usize,
    },
}
