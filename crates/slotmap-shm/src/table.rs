//! The table's handle: what it may do is part of its type.

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use shm_core::{
    CreateOptions, Name, Namespace, Ordering, Patience, Segment, Words, WritableSegment,
};

use crate::KIND;
use crate::any_key::AnyKey;
use crate::damage::glance;
use crate::error::{TableError, TableOpenError};
use crate::geometry::Geometry;
use crate::key::{Key, TypedKey};
use crate::key_kind::KeyKind;
use crate::layout::{EPOCH, LAYOUT_VERSION, Layout, decode, encode};
use crate::options::{ReadOptions, TableOptions};
use crate::recover;
use crate::tries::{BEFORE_THE_LOCK, Tries};
use crate::view::View;

/// What a handle may do: [`ReadOnly`] or [`ReadWrite`].
pub trait Access: sealed::Sealed {}

impl<A: sealed::Sealed> Access for A {}

/// The handle reads. Its mapping is read-only.
#[derive(Clone, Copy, Debug)]
pub enum ReadOnly {}

/// The handle reads and writes.
#[derive(Clone, Copy, Debug)]
pub enum ReadWrite {}

mod sealed {
    use super::{Key, ReadOnly, ReadWrite, Segment, Table, WritableSegment};

    pub trait Sealed: Sized + 'static {
        type Segment: AsSegment + Send + Sync;

        /// The same handle, if it may write.
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

use sealed::AsSegment;

/// A table that is opened for reading only.
pub type TableReader<K> = Table<K, ReadOnly>;

/// A table whose kind of keys is known only at run time: any table opens as one.
/// [`Table::key_kind`] says the kind; keys are given, and come back, as [`AnyKey`]. All calls of
/// [`Table`] are there; one that is given a key of another kind fails with
/// [`TableError::WrongKey`].
///
/// ```
/// use slotmap_shm::{AnyKey, KeyKind, Name, Namespace, Table, TableOptions, UntypedTable};
/// # let dir = std::env::temp_dir().join(format!("untyped-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir)?;
/// # let (namespace, name) = (Namespace::at(&dir), Name::new("jobs")?);
/// let options = TableOptions::default();
/// Table::<u16>::create(&namespace, &name, &options)?.add(&80, b"http")?;
///
/// let table = UntypedTable::open(&namespace, &name, &options)?;
/// assert_eq!(table.key_kind(), KeyKind::U16);
/// assert_eq!(table.get(&80.into())?.as_deref(), Some(&b"http"[..]));
/// assert_eq!(table.entries()?[0].0, AnyKey::Unsigned(80));
/// assert!(table.add(&"https".into(), b"").is_err());
/// # std::fs::remove_dir_all(&dir)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type UntypedTable<A = ReadWrite> = Table<AnyKey, A>;

/// A table: a hash map of fixed capacity in shared memory, with keys of type `K`.
///
/// `A` says what the handle may do: a `Table<K>` reads and writes, a
/// [`Table<K, ReadOnly>`](TableReader) reads, from a read-only mapping. Reading takes no lock,
/// stores nothing shared, and never waits for a writer, be it running, stopped or dead. Every
/// change is all or nothing, for every reader and whatever happens to the writer. `Send` and
/// `Sync`; writers of all processes and threads exclude each other.
///
/// # Complexity
/// A call that names one key is O(1), one that names n keys O(n), besides copying the
/// values. Rarely, and amortised over insertions and removals in proportion to the capacity, an insertion
/// rebuilds the index; the first write after a death repairs; a batch that is refused drops what it had staged: O(capacity) each.
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
/// assert!(matches!(stale, Err(TableError::Mismatch { found }) if *found == *b"running 10%"));
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
    layout: Layout,
    /// How long it waits for the lock.
    pub(crate) patience: Patience,
    /// How long a read tries without the lock.
    read_limit: Option<Duration>,
    /// Something was wrong at opening: the first write checks, and repairs.
    pub(crate) suspect: AtomicBool,
    /// How often a read of this handle looked again. Private memory.
    looked_again: AtomicU64,
    key: PhantomData<fn(&K)>,
}

impl<K: TypedKey + ?Sized> Table<K> {
    /// Creates a table. It appears under its name whole or not at all.
    ///
    /// # Errors
    /// [`TableOpenError`]; `CreateError::AlreadyExists` when the name is taken.
    pub fn create(
        namespace: &Namespace,
        name: &Name,
        options: &TableOptions,
    ) -> Result<Self, TableOpenError> {
        create(namespace, name, K::KIND, options)
    }

    /// Opens a table, or creates it where there is none. An existing one must
    /// have the geometry asked for.
    ///
    /// # Errors
    /// [`TableOpenError`].
    pub fn open_or_create(
        namespace: &Namespace,
        name: &Name,
        options: &TableOptions,
    ) -> Result<Self, TableOpenError> {
        open_or_create(namespace, name, K::KIND, options)
    }
}

impl Table<AnyKey> {
    /// As [`Table::create`], for keys of a kind that is known only at run time.
    ///
    /// # Errors
    /// As [`Table::create`].
    pub fn create_with_kind(
        namespace: &Namespace,
        name: &Name,
        kind: KeyKind,
        options: &TableOptions,
    ) -> Result<Self, TableOpenError> {
        create(namespace, name, kind, options)
    }

    /// As [`Table::open_or_create`], for keys of a kind that is known only at run time. An
    /// existing table must have that kind.
    ///
    /// # Errors
    /// As [`Table::open_or_create`].
    pub fn open_or_create_with_kind(
        namespace: &Namespace,
        name: &Name,
        kind: KeyKind,
        options: &TableOptions,
    ) -> Result<Self, TableOpenError> {
        open_or_create(namespace, name, kind, options)
    }
}

impl<A: Access> Table<AnyKey, A> {
    /// This handle as one of keys of the type `K`: its calls take them as they are, which is
    /// faster than [`AnyKey`]. [`Table::key_kind`] says which types there may be.
    ///
    /// # Errors
    /// [`TableOpenError::KeyKind`] when the table has keys of another kind.
    pub fn into_typed<K: TypedKey + ?Sized>(self) -> Result<Table<K, A>, TableOpenError> {
        let (found, expected) = (self.key_kind(), K::KIND);
        if found != expected {
            return Err(TableOpenError::KeyKind { found, expected });
        }
        let Self { segment, layout, patience, read_limit, suspect, looked_again, key: _ } = self;
        let key = PhantomData;
        Ok(Table { segment, layout, patience, read_limit, suspect, looked_again, key })
    }
}

impl<K: Key + ?Sized> Table<K> {
    /// Opens an existing table, whatever its geometry.
    ///
    /// # Errors
    /// [`TableOpenError`]; `OpenError::NotFound` when there is none.
    pub fn open(
        namespace: &Namespace,
        name: &Name,
        options: &TableOptions,
    ) -> Result<Self, TableOpenError> {
        let patience = options.patience();
        let segment = namespace.open(name, KIND, LAYOUT_VERSION, &options.trust, &patience)?;
        Self::from_segment(segment, patience, Some(BEFORE_THE_LOCK))
    }
}

impl<K: Key + ?Sized> Table<K, ReadOnly> {
    /// Opens an existing table for reading only.
    ///
    /// Needs no write permission, and works from another pid namespace or C
    /// library than the writers'. O(capacity): looks for damaged slots and a damaged index,
    /// which are no error, see [`TableReader::damage`].
    ///
    /// ```
    /// # use shm_core::{Name, Namespace};
    /// # use slotmap_shm::{ReadOptions, Table, TableOpenError, TableOptions, TableReader};
    /// # let dir = std::env::temp_dir().join(format!("reader-doc-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir)?;
    /// # let (namespace, name) = (Namespace::at(&dir), Name::new("jobs")?);
    /// # Table::<u64>::create(&namespace, &name, &TableOptions::default())?.add(&7, b"up")?;
    /// let reader = TableReader::<u64>::open_read_only(&namespace, &name, &ReadOptions::default())?;
    /// let mut buffer = [0; 256];
    /// assert_eq!(reader.get_into(&7, &mut buffer)?, Some(2));
    /// // The type of the keys is part of the table.
    /// let other = TableReader::<i32>::open_read_only(&namespace, &name, &ReadOptions::default());
    /// assert!(matches!(other, Err(TableOpenError::KeyKind { .. })));
    /// # std::fs::remove_dir_all(&dir)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TableOpenError`].
    pub fn open_read_only(
        namespace: &Namespace,
        name: &Name,
        options: &ReadOptions,
    ) -> Result<Self, TableOpenError> {
        let segment = namespace.open_read_only(name, KIND, LAYOUT_VERSION, &options.trust)?;
        Self::from_segment(segment, Patience::forever(), options.read_timeout)
    }
}

fn create<K: Key + ?Sized>(
    namespace: &Namespace,
    name: &Name,
    kind: KeyKind,
    options: &TableOptions,
) -> Result<Table<K>, TableOpenError> {
    let (create, layout) = prepare(kind, options)?;
    let segment = namespace.create(name, &create, |words| recover::initialise(words, &layout))?;
    Table::from_segment(segment, options.patience(), Some(BEFORE_THE_LOCK))
}

fn open_or_create<K: Key + ?Sized>(
    namespace: &Namespace,
    name: &Name,
    kind: KeyKind,
    options: &TableOptions,
) -> Result<Table<K>, TableOpenError> {
    let (create, layout) = prepare(kind, options)?;
    let init = |words: Words<'_>| recover::initialise(words, &layout);
    let (trust, patience) = (&options.trust, options.patience());
    let segment = namespace.open_or_create(name, &create, trust, &patience, init)?;
    let table = Table::from_segment(segment, patience, Some(BEFORE_THE_LOCK))?;
    if table.key_kind() != kind {
        return Err(TableOpenError::KeyKind { found: table.key_kind(), expected: kind });
    }
    let (found, asked) = (table.geometry(), options.geometry);
    let mut fields = vec![
        ("capacity", found.capacity, asked.capacity),
        ("value_size", found.value_size, asked.value_size),
    ];
    if kind.integer().is_none() {
        fields.push(("key_size", found.key_size, asked.key_size));
    }
    match fields.into_iter().find(|(_, found, asked)| found != asked) {
        None => Ok(table),
        Some((what, found, expected)) => Err(TableOpenError::GeometryMismatch {
            what,
            found: found as u64,
            expected: expected as u64,
        }),
    }
}

fn prepare(
    kind: KeyKind,
    options: &TableOptions,
) -> Result<(CreateOptions, Layout), TableOpenError> {
    let mut seed = [0; 8];
    shm_core::random(&mut seed).map_err(|source| shm_core::CreateError::Io {
        action: "draw a hash seed for",
        path: "a table".into(),
        source,
    })?;
    let seed = u64::from_ne_bytes(seed);
    let layout = Layout::new(options.geometry, kind, seed)?;
    let create = CreateOptions {
        kind: KIND,
        kind_version: LAYOUT_VERSION,
        geometry: encode(options.geometry, kind, seed),
        body_len: layout.total_words as u64 * 8,
        mode: options.mode,
    };
    Ok((create, layout))
}

impl<K: Key + ?Sized, A: Access> Table<K, A> {
    /// Looks for damage; O(capacity).
    fn from_segment(
        segment: A::Segment,
        patience: Patience,
        read_limit: Option<Duration>,
    ) -> Result<Self, TableOpenError> {
        let (geometry, code, seed) = decode(segment.as_segment().geometry());
        let Some(found) = KeyKind::from_code(code) else {
            return Err(TableOpenError::UnknownKeyKind { code });
        };
        if let Some(expected) = K::EXPECTED.filter(|&expected| expected != found) {
            return Err(TableOpenError::KeyKind { found, expected });
        }
        let mut layout = Layout::new(geometry, found, seed)?;
        let words = segment.as_segment().words();
        if words.len() != layout.total_words {
            return Err(TableOpenError::Corrupt { what: "length of the body", at: words.len() });
        }
        let glance = glance(words, &layout);
        if glance.index {
            layout.distrusted = words.load(EPOCH, Ordering::Relaxed);
        }
        Ok(Self {
            segment,
            layout,
            patience,
            read_limit,
            suspect: AtomicBool::new(glance.is_suspect()),
            looked_again: AtomicU64::new(0),
            key: PhantomData,
        })
    }

    #[inline(always)]
    pub(crate) fn view(&self) -> View<'_> {
        View { words: self.segment().words(), layout: &self.layout }
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// This handle, if it may write.
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
        key.to_words(self.layout.kind, self.layout.geometry.key_size, room)
    }

    /// Bounds one read in time.
    pub(crate) fn tries(&self) -> Tries {
        Tries::new(self.read_limit)
    }

    #[cold]
    pub(crate) fn look_again(&self) {
        self.looked_again.fetch_add(1, Ordering::Relaxed);
    }

    /// A write completed under a read: whether it may begin again.
    pub(crate) fn overtaken(&self, tries: &Tries) -> Result<(), TableError> {
        self.look_again();
        tries.ask()
    }

    /// The kind of keys that it has.
    #[must_use]
    pub fn key_kind(&self) -> KeyKind {
        self.layout.kind
    }

    /// The geometry it was created with.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.layout.geometry
    }

    /// How often a read through this handle had to look again at a slot because a
    /// write of that very slot completed under it.
    #[must_use]
    pub fn read_retries(&self) -> u64 {
        self.looked_again.load(Ordering::Relaxed)
    }

    /// True when the name leads elsewhere by now: the table was removed or replaced.
    ///
    /// # Errors
    /// When the path cannot be looked at.
    pub fn is_orphaned(&self) -> std::io::Result<bool> {
        self.segment().is_orphaned()
    }

    /// The segment below: path, owner, age, id.
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
