//! The handle of a table. Its type says whether it may write.

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use shm_core::{Ordering, Patience, ReadWords, Segment, WritableSegment};

use super::oldest::Oldest;
use crate::error::TableError;
use crate::geometry::Geometry;
use crate::key::Key;
use crate::key_kind::KeyKind;
use crate::layout::{BOOT, Layout};
use crate::levels::Levels;
use crate::observer::Observer;
use crate::protocol::{Glance, View};
use crate::tries::Tries;

/// What a handle may do: [`ReadOnly`] or [`ReadWrite`].
pub trait Access: sealed::Sealed {}

impl<A: sealed::Sealed> Access for A {}

/// The handle only reads. Its mapping is read-only.
#[derive(Clone, Copy, Debug)]
pub enum ReadOnly {}

/// The handle reads and writes.
#[derive(Clone, Copy, Debug)]
pub enum ReadWrite {}

mod sealed {
    use super::{Key, ReadOnly, ReadWrite, Segment, Table, WritableSegment};

    pub trait Sealed: Sized + 'static {
        type Segment: AsSegment + Send + Sync;

        /// Returns the same handle as a handle that may write, if it may write.
        fn writable<K: Key + ?Sized>(table: &Table<K, Self>) -> Option<&Table<K, ReadWrite>>;
    }

    impl Sealed for ReadOnly {
        type Segment = Segment;

        #[inline(always)]
        fn writable<K: Key + ?Sized>(_: &Table<K, Self>) -> Option<&Table<K, ReadWrite>> {
            None
        }
    }

    impl Sealed for ReadWrite {
        type Segment = WritableSegment;

        #[inline(always)]
        fn writable<K: Key + ?Sized>(table: &Table<K, Self>) -> Option<&Table<K, ReadWrite>> {
            Some(table)
        }
    }

    pub trait AsSegment {
        fn as_segment(&self) -> &Segment;
    }

    impl AsSegment for Segment {
        #[inline(always)]
        fn as_segment(&self) -> &Segment {
            self
        }
    }

    impl AsSegment for WritableSegment {
        #[inline(always)]
        fn as_segment(&self) -> &Segment {
            self
        }
    }
}

pub(super) use sealed::AsSegment;

/// A table that is opened for reading only.
pub type TableReader<K> = Table<K, ReadOnly>;

/// A table: a hash map of fixed capacity in shared memory, with keys of type `K`.
///
/// `A` says what the handle may do. A `Table<K>` reads and writes. A [`Table<K,
/// ReadOnly>`](TableReader) only reads, from a read-only mapping. Reading takes no lock, stores
/// nothing in shared memory, and never waits for a writer, whether the writer is running, stopped
/// or dead. Every reader sees all of a change or nothing of it, even if the writer dies. A table is
/// `Send` and `Sync`. Writes of different present keys do not wait for each other. All other
/// writes, in all threads and processes, exclude each other by a lock.
///
/// # Complexity
/// A call with one key is O(1), and a call with n keys is O(n), plus the time to copy the values.
/// Three cases are O(capacity):
/// - an insertion that rebuilds the index, which is rare and is amortised over the insertions and
///   removals before it;
/// - the first write after a writer died, which repairs the table;
/// - a batch that rebuilds the index and then fails, and so has to undo the rebuild.
///
/// # Example
/// ```
/// use slotmap_shm::{Table, TableError, TableOptions, Upserted};
/// # use shm_core::{Name, Namespace};
/// # let dir = std::env::temp_dir().join(format!("table-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir)?;
/// # let (namespace, name) = (Namespace::at(&dir), Name::new("jobs")?);
/// let jobs = Table::<str>::create(&namespace, &name, &TableOptions::default())?;
/// jobs.add("fetch", b"queued")?;
/// assert!(matches!(jobs.add("fetch", b"again"), Err(TableError::DuplicateKey { .. })));
/// assert_eq!(jobs.upsert("parse", b"queued")?, Upserted::Inserted);
///
/// // All or nothing. The member at fault is named.
/// let error = jobs.update_many(&[("fetch", "running"), ("print", "running")]).unwrap_err();
/// assert!(matches!(error, TableError::InBatch { index: 1, .. }));
/// jobs.update_many(&[("fetch", "running"), ("parse", "waiting")])?;
///
/// // All of one moment.
/// let values = jobs.get_many(&["fetch", "print"])?;
/// assert_eq!(values[0].as_deref(), Some(&b"running"[..]));
/// assert_eq!(values[1], None);
///
/// // Read, modify, write.
/// jobs.update_with("fetch", |value| value.extend_from_slice(b" 10%"))?;
/// let stale = jobs.compare_exchange("fetch", b"running", b"done");
/// assert!(matches!(stale, Err(TableError::Mismatch { found, .. }) if *found == *b"running 10%"));
/// jobs.compare_exchange("fetch", b"running 10%", b"done")?;
///
/// jobs.add("retries", &0i64.to_le_bytes())?;
/// assert_eq!(jobs.fetch_add("retries", 2)?, 0);
/// assert_eq!(jobs.fetch_add("retries", 1)?, 2);
/// # std::fs::remove_dir_all(&dir)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Table<K: Key + ?Sized, A: Access = ReadWrite> {
    pub(crate) segment: A::Segment,
    levels: Levels,
    /// The level that the table had when this was last looked up. A search in it finds the keys
    /// that the index of that level leads to, and everything else is looked up in the level of
    /// that moment.
    level: AtomicU64,
    /// This boot, as the table records it; 0 if its entries neither expire nor are evicted.
    pub(crate) boot: u64,
    pub(crate) waits: Waits,
    /// True if something was wrong when the table was opened. If so, the first write checks and
    /// repairs the table.
    pub(crate) suspect: AtomicBool,
    /// True if this was a slot or the index, and not only a count.
    pub(crate) damaged: AtomicBool,
    /// Number of times that a read through this handle was repeated. This count is in private
    /// memory.
    looked_again: AtomicU64,
    /// The entries that are to be evicted next.
    pub(super) oldest: Oldest,
    /// When expired entries are to be searched again, in nanoseconds since the boot.
    pub(super) next_search: AtomicU64,
    key: PhantomData<fn(&K)>,
}

/// How long a handle waits for other processes, and which observer is told.
pub(crate) struct Waits {
    /// How long a write waits for the lock.
    pub(crate) patience: Patience,
    /// How long a read without the lock retries.
    pub(crate) read_limit: Option<Duration>,
    /// The observer that is told about waits for the lock and about repairs.
    pub(crate) observer: Observer,
}

/// Returns a number that stands for this boot, and is not 0; `None` if the kernel does not tell.
/// Then a segment cannot be opened to write.
pub(super) fn boot() -> Option<u64> {
    let id = shm_core::boot_id().ok()?;
    Some(id.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)) | 1)
}

/// Returns the boot in which leases, and the times of writes, were written; 0 in a table that has
/// neither.
pub(super) fn boot_of(words: ReadWords<'_>) -> u64 {
    // Acquire: pairs with the store of the writer that has removed the entries of another boot.
    words.load(BOOT, Ordering::Acquire)
}

impl<K: Key + ?Sized, A: Access> Table<K, A> {
    /// Turns this handle into a handle with another type of keys. The caller has checked that the
    /// kinds agree.
    pub(super) fn of_keys<L: Key + ?Sized>(self) -> Table<L, A> {
        let Self {
            segment,
            levels,
            level,
            boot,
            waits,
            suspect,
            damaged,
            looked_again,
            oldest,
            next_search,
            key: _,
        } = self;
        Table {
            segment,
            levels,
            level,
            boot,
            waits,
            suspect,
            damaged,
            looked_again,
            oldest,
            next_search,
            key: PhantomData,
        }
    }

    /// Creates a handle. `found` is what was wrong when the table was opened.
    pub(super) fn new(segment: A::Segment, levels: Levels, waits: Waits, found: Glance) -> Self {
        let found_boot = boot_of(segment.as_segment().words());
        let expects_boot = levels.first().extras != 0;
        let boot = if expects_boot { boot().unwrap_or(found_boot) } else { 0 };
        let other_boot = expects_boot && found_boot != boot;
        let suspect = AtomicBool::new(found.is_suspect() || other_boot);
        let damaged = AtomicBool::new(found.slots || found.index || other_boot);
        let looked_again = AtomicU64::new(0);
        let level = AtomicU64::new(levels.current(segment.as_segment().words()).level);
        Self {
            segment,
            levels,
            level,
            boot,
            waits,
            suspect,
            damaged,
            looked_again,
            oldest: Oldest::default(),
            next_search: AtomicU64::new(0),
            key: PhantomData,
        }
    }

    #[inline(always)]
    pub(crate) fn view(&self) -> View<'_> {
        let (words, levels) = (self.segment().words(), &self.levels);
        // Relaxed: a hint, which other threads may set back. Each level is right for the searches
        // that begin with it, but for nothing else: who holds the lock asks `current_layout`.
        let layout = levels.at(self.level.load(Ordering::Relaxed));
        View { words, layout, levels, judge: self }
    }

    /// Returns a view of the first level. A search in it that finds nothing is [`Look::Again`] in a
    /// table that has grown, so a table that does not grow does not pay for those that do.
    ///
    /// [`Look::Again`]: crate::protocol::Look::Again
    #[inline(always)]
    pub(super) fn first_view(&self) -> View<'_> {
        let (words, levels) = (self.segment().words(), &self.levels);
        View { words, layout: levels.first(), levels, judge: self }
    }

    /// Returns a layout for what is the same in every level: the key kind, sizes, and where the
    /// slots are.
    #[inline(always)]
    pub(crate) fn shape(&self) -> &Layout {
        self.levels.first()
    }

    /// Looks up which level the table has, and returns its layout. While the caller holds the lock,
    /// it stays the same.
    #[inline]
    pub(crate) fn current_layout(&self) -> &Layout {
        let layout = self.levels.current(self.segment().words());
        if layout.level != self.level.load(Ordering::Relaxed) {
            self.level.store(layout.level, Ordering::Relaxed);
        }
        layout
    }

    /// Returns how many bytes of the body are in use in this level.
    pub(super) fn used_bytes(&self, layout: &Layout) -> u64 {
        self.levels.used_words(layout) as u64 * 8
    }

    /// Returns the layout of the level after this one, if there is one.
    pub(super) fn level_after(&self, layout: &Layout) -> Option<&Layout> {
        self.levels.after(layout)
    }

    /// Returns this handle as a handle that may write, if it may write.
    #[inline(always)]
    pub(crate) fn as_writable(&self) -> Option<&Table<K>> {
        A::writable(self)
    }

    #[inline(always)]
    pub(crate) fn words_of<'b>(
        &self,
        key: &K,
        room: &'b mut K::Room,
    ) -> Result<&'b [u64], TableError> {
        self.levels.first().words_of(key, room)
    }

    /// Limits the time of one read.
    pub(crate) fn tries(&self) -> Tries {
        Tries::new(self.waits.read_limit)
    }

    #[cold]
    pub(crate) fn look_again(&self) {
        self.looked_again.fetch_add(1, Ordering::Relaxed);
    }

    /// Checks whether a read may begin again. Called after a write has completed during the read.
    pub(crate) fn overtaken(&self, tries: &Tries) -> Result<(), TableError> {
        self.look_again();
        tries.ask()
    }

    /// Returns the kind of the table's keys.
    #[must_use]
    pub fn key_kind(&self) -> KeyKind {
        self.levels.first().kind
    }

    /// Returns the geometry with which the table was created.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.levels.first().geometry
    }

    /// Returns how often a read through this handle was repeated because another write of the same
    /// slot completed during the read.
    #[must_use]
    pub fn read_retries(&self) -> u64 {
        self.looked_again.load(Ordering::Relaxed)
    }

    /// True if the name no longer leads to this table, because the table was removed or replaced.
    ///
    /// # Errors
    /// If the path cannot be examined.
    pub fn is_orphaned(&self) -> std::io::Result<bool> {
        self.segment().is_orphaned()
    }

    /// Returns the underlying segment, which has the path, owner, age and id of the table.
    #[must_use]
    #[inline(always)]
    pub fn segment(&self) -> &Segment {
        self.segment.as_segment()
    }
}

impl<K: Key + ?Sized, A: Access> fmt::Debug for Table<K, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("path", &self.segment().path())
            .field("keys", &self.key_kind())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
