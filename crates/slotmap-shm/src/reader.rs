//! Reading a table, from any mapping.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU64};

use shm_core::{Name, Namespace, Ordering, Segment, WritableSegment};

use crate::access::{Limits, Tries};
use crate::buffer::Buffer;
use crate::damage::glance;
use crate::error::{TableError, TableOpenError};
use crate::key::{Key, KeyKind};
use crate::layout::{COMMIT, EPOCH, LAYOUT_VERSION, LEN, LOST, Layout, RECOVERIES, USED, decode};
use crate::moment::{Collection, Entries, Held, Moment, Values, read_slot};
use crate::options::TableOptions;
use crate::value::Value;
use crate::view::{Found, Look, View, commits};
use crate::{Geometry, KIND};

/// Optimistic attempts at a read of several keys, each from the beginning, before what was read is
/// kept and only what changed read again.
const ATTEMPTS: usize = 2;

/// A table opened for reading. It works on a read-only mapping, takes no lock,
/// stores nothing shared, and never waits for a writer, be it running, stopped or dead.
///
/// `Send` and `Sync`. A writing [`Table`](crate::Table) dereferences to it.
pub struct TableReader<K: Key + ?Sized> {
    segment: Mapped,
    layout: Layout,
    pub(crate) limits: Limits,
    /// Something was wrong at opening: the first write checks, and repairs.
    pub(crate) suspect: AtomicBool,
    /// How often a read of this handle looked again. Private memory.
    looked_again: AtomicU64,
    key: PhantomData<fn(&K)>,
}

pub(crate) enum Mapped {
    ReadOnly(Segment),
    Writable(WritableSegment),
}

/// Figures of a table. See [`TableReader::stats`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Entries present.
    pub len: usize,
    /// Entries that fit.
    pub capacity: usize,
    /// Entries that still fit.
    pub free: usize,
    /// Longest value in bytes.
    pub value_size: usize,
    /// Write transactions committed since creation (a batch is one).
    pub writes: u64,
    /// Repairs after a writer died, since creation.
    pub recoveries: u64,
    /// Entries that repairs could not keep, because what they were in was damaged, since creation.
    pub lost: u64,
    /// Places of the index that hold a tombstone.
    pub tombstones: usize,
    /// Length of the segment file in bytes.
    pub file_len: u64,
}

/// All entries of a table. See [`TableReader::listing`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing<O> {
    /// The entries, in no order; each is whole.
    pub entries: Vec<(O, Value)>,
    /// They stood together at one moment.
    pub one_moment: bool,
    /// Slots that were left out, because they hold what no writer leaves there.
    pub damaged: usize,
}

impl<K: Key + ?Sized> TableReader<K> {
    /// Opens an existing table for reading only. Of `options`, `trust` and
    /// `read_timeout` count.
    ///
    /// Needs no write permission, and works from another pid namespace or C
    /// library than the writers'. O(capacity): looks for damaged slots and a damaged index,
    /// which are no error, see [`TableReader::damage`].
    ///
    /// ```
    /// # use shm_core::{Name, Namespace};
    /// # use slotmap_shm::{Table, TableOpenError, TableOptions, TableReader};
    /// # let dir = std::env::temp_dir().join(format!("reader-doc-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir)?;
    /// # let (namespace, name) = (Namespace::at(&dir), Name::new("jobs")?);
    /// # Table::<u64>::create(&namespace, &name, &TableOptions::default())?.add(&7, b"up")?;
    /// let reader = TableReader::<u64>::open(&namespace, &name, &TableOptions::default())?;
    /// let mut buffer = [0; 256];
    /// assert_eq!(reader.get_into(&7, &mut buffer)?, Some(2));
    /// // The type of the keys is part of the table.
    /// let other = TableReader::<i32>::open(&namespace, &name, &TableOptions::default());
    /// assert!(matches!(other, Err(TableOpenError::KeyKind { .. })));
    /// # std::fs::remove_dir_all(&dir)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TableOpenError`].
    pub fn open(
        namespace: &Namespace,
        name: &Name,
        options: &TableOptions,
    ) -> Result<Self, TableOpenError> {
        let segment = namespace.open_read_only(name, KIND, LAYOUT_VERSION, &options.trust)?;
        Self::from_mapped(Mapped::ReadOnly(segment), options)
    }

    pub(crate) fn from_mapped(
        segment: Mapped,
        options: &TableOptions,
    ) -> Result<Self, TableOpenError> {
        let (geometry, kind, seed) = decode(segment.as_segment().geometry());
        if kind != K::KIND.code() {
            return Err(TableOpenError::KeyKind {
                found: KeyKind::describe(kind),
                expected: KeyKind::describe(K::KIND.code()),
            });
        }
        let mut layout = Layout::new(geometry, K::KIND, seed)?;
        let words = segment.as_segment().words();
        if words.len() != layout.total_words {
            return Err(TableOpenError::Corrupt { what: "length of the body", at: words.len() });
        }
        let found = glance(words, &layout);
        if found.index {
            layout.distrusted = words.load(EPOCH, Ordering::Relaxed);
        }
        let suspect = AtomicBool::new(found.is_suspect());
        let (limits, looked_again) = (Limits::new(options, &segment), AtomicU64::new(0));
        Ok(Self { segment, layout, limits, suspect, looked_again, key: PhantomData })
    }

    #[inline(always)]
    pub(crate) fn view(&self) -> View<'_> {
        View { words: self.segment.as_segment().words(), layout: &self.layout }
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) fn writable(&self) -> Option<&WritableSegment> {
        match &self.segment {
            Mapped::Writable(segment) => Some(segment),
            Mapped::ReadOnly(_) => None,
        }
    }

    /// The patient search, see [`View::find`].
    #[cold]
    fn find(
        &self,
        key: &[u64],
        take: &mut dyn FnMut(Buffer<'_>, usize),
    ) -> Result<Option<Found>, TableError> {
        let tries = self.tries();
        self.view().find(key, take, &|| self.overtaken(&tries))
    }

    /// The search under the lock, where no write overtakes it. `take` must not allocate.
    #[cold]
    fn find_locked(
        &self,
        key: &[u64],
        take: &mut dyn FnMut(Buffer<'_>, usize),
    ) -> Result<Option<Found>, TableError> {
        let _guard = self.lock()?;
        self.find(key, take)
    }

    /// True when a search gave up that goes on under the lock.
    fn needs_lock<R>(&self, found: &Result<R, TableError>) -> bool {
        matches!(found, Err(TableError::Contended { .. })) && self.may_lock()
    }

    /// Copies a value out, and says under which version of which slot.
    pub(crate) fn get_versioned(
        &self,
        key: &[u64],
        value: &mut Vec<u8>,
    ) -> Result<Option<Found>, TableError> {
        fn copy(value: &mut Vec<u8>, buffer: Buffer<'_>, len: usize) {
            value.resize(len, 0);
            buffer.copy_to(value);
        }
        let found = self.find(key, &mut |buffer, len| copy(value, buffer, len));
        if !self.needs_lock(&found) {
            return found;
        }
        value.clear();
        value.reserve(self.layout.geometry.value_size);
        self.find_locked(key, &mut |buffer, len| copy(value, buffer, len))
    }

    #[inline(always)]
    pub(crate) fn words_of<'b>(
        &self,
        key: &K,
        room: &'b mut K::Room,
    ) -> Result<&'b [u64], TableError> {
        key.to_words(self.layout.geometry.key_size, room)
    }

    #[cold]
    fn look_again(&self) {
        self.looked_again.fetch_add(1, Ordering::Relaxed);
    }

    /// A write completed under a read: whether it may begin again.
    pub(crate) fn overtaken(&self, tries: &Tries) -> Result<(), TableError> {
        self.look_again();
        tries.ask()
    }

    /// A copy of the value of `key`; `None` when the key is absent. O(1).
    ///
    /// Linearizable: it is the value at one moment between call and return. If writes of this very
    /// key complete under each attempt, which takes a large value and a writer that does not
    /// pause, a handle that may write takes the lock.
    ///
    /// # Errors
    /// [`TableError::KeyTooLong`]; [`TableError::Corrupt`] in damaged memory;
    /// [`TableError::Contended`] from a handle that may not write, when it was overtaken for as long
    /// as [`TableOptions::read_timeout`]; [`TableError::Lock`] from one that may.
    #[inline]
    pub fn get(&self, key: &K) -> Result<Option<Value>, TableError> {
        let mut room = K::ROOM;
        let key = self.words_of(key, &mut room)?;
        match self.view().look(key) {
            Look::Absent => return Ok(None),
            Look::Found(slot, version) => {
                let (buffer, len) = slot.value(version);
                if len <= self.layout.geometry.value_size {
                    let value = Value::copy(buffer, len);
                    if slot.is_unchanged(version) {
                        return Ok(Some(value));
                    }
                    self.look_again();
                    return self.get_patiently(key, value);
                }
            }
            Look::Again => {}
        }
        self.get_patiently(key, Value::with_room(0))
    }

    /// All attempts use one piece of memory: new pages for each would take as long as the copy.
    #[cold]
    fn get_patiently(&self, key: &[u64], mut value: Value) -> Result<Option<Value>, TableError> {
        let mut found = self.find(key, &mut |buffer, len| value.fill(buffer, len));
        if self.needs_lock(&found) {
            value = value.grow(self.layout.geometry.value_size);
            found = self.find_locked(key, &mut |buffer, len| value.fill(buffer, len));
        }
        Ok(found?.map(|_| value.fit()))
    }

    /// Copies the value of `key` to the start of `buffer` and returns its length
    /// in bytes; `None` when the key is absent. No allocation.
    ///
    /// # Errors
    /// As [`TableReader::get`], and [`TableError::BufferTooSmall`]; the buffer's
    /// contents are then unspecified.
    #[inline]
    pub fn get_into(&self, key: &K, buffer: &mut [u8]) -> Result<Option<usize>, TableError> {
        let mut room = K::ROOM;
        let key = self.words_of(key, &mut room)?;
        match self.view().look(key) {
            Look::Absent => return Ok(None),
            Look::Found(slot, version) => {
                let (from, len) = slot.value(version);
                let possible = len <= self.layout.geometry.value_size;
                if let Some(to) = buffer.get_mut(..len).filter(|_| possible) {
                    from.copy_to(to);
                    if slot.is_unchanged(version) {
                        return Ok(Some(len));
                    }
                    self.look_again();
                }
            }
            Look::Again => {}
        }
        self.get_into_patiently(key, buffer)
    }

    #[cold]
    fn get_into_patiently(
        &self,
        key: &[u64],
        buffer: &mut [u8],
    ) -> Result<Option<usize>, TableError> {
        let (room, mut needed) = (buffer.len(), 0);
        let mut take = |words: Buffer<'_>, len| {
            needed = len;
            if let Some(to) = buffer.get_mut(..len) {
                words.copy_to(to);
            }
        };
        let mut found = self.find(key, &mut take);
        if self.needs_lock(&found) {
            found = self.find_locked(key, &mut take);
        }
        match found? {
            None => Ok(None),
            Some(_) if needed <= room => Ok(Some(needed)),
            Some(_) => Err(TableError::BufferTooSmall { len: room, needed }),
        }
    }

    /// True when the key is present. O(1).
    ///
    /// # Errors
    /// As [`TableReader::get`].
    #[inline]
    pub fn contains_key(&self, key: &K) -> Result<bool, TableError> {
        let mut room = K::ROOM;
        let key = self.words_of(key, &mut room)?;
        match self.view().look(key) {
            Look::Absent => Ok(false),
            Look::Found(slot, version) if slot.is_unchanged(version) => Ok(true),
            Look::Found(..) | Look::Again => {
                let mut found = self.find(key, &mut |_, _| ());
                if self.needs_lock(&found) {
                    found = self.find_locked(key, &mut |_, _| ());
                }
                Ok(found?.is_some())
            }
        }
    }

    /// The values of `keys`, all of one moment: no write, and no part of a batch,
    /// happened between any two of them. O(keys).
    ///
    /// Beside writers that do not pause, a handle that may write takes the lock; any handle, through
    /// whatever type it is called.
    ///
    /// # Errors
    /// As [`TableReader::get`]; [`TableError::Contended`] from a handle that may not write, when writes
    /// kept completing for as long as [`TableOptions::read_timeout`]: then read the keys one by one.
    pub fn get_many<Q: Borrow<K>>(&self, keys: &[Q]) -> Result<Vec<Option<Value>>, TableError> {
        for _ in 0..ATTEMPTS {
            let read = || keys.iter().map(|key| self.get(key.borrow())).collect();
            if let (values, true) = self.view().at_one_moment(read) {
                return values;
            }
        }
        let keys: Vec<&K> = keys.iter().map(Borrow::borrow).collect();
        let mut values = Values::new(&keys);
        match self.at_one_moment(&mut values)? {
            Moment::One => Ok(values.into_values()),
            Moment::Overtaken(waited) => Err(TableError::Contended { waited }),
        }
    }

    /// All entries, in no order, as they were at one moment. O(capacity). Damaged slots are left
    /// out: [`TableReader::listing`] tells how many.
    ///
    /// Beside writers that do not pause, a handle that may write takes the lock for a short time;
    /// any handle, through whatever type it is called.
    ///
    /// # Errors
    /// As [`TableReader::get_many`].
    pub fn entries(&self) -> Result<Vec<(K::Owned, Value)>, TableError> {
        let mut entries = Entries::new(self.capacity());
        match self.at_one_moment(&mut entries)? {
            Moment::One => Ok(entries.into_entries()),
            Moment::Overtaken(waited) => Err(TableError::Contended { waited }),
        }
    }

    /// All entries, in no order, as they were at one moment if that can be had within
    /// [`TableOptions::read_timeout`]; otherwise each is whole, but they are of different moments,
    /// and [`Listing::one_moment`] is false. O(capacity).
    ///
    /// # Errors
    /// As [`TableReader::get`].
    pub fn listing(&self) -> Result<Listing<K::Owned>, TableError> {
        let mut entries = Entries::new(self.capacity());
        let one_moment = matches!(self.at_one_moment(&mut entries)?, Moment::One);
        let damaged = entries.damaged();
        Ok(Listing { entries: entries.into_entries(), one_moment, damaged })
    }

    /// All entries, in no order. Each is whole, but they are of different moments: of a batch
    /// that is written meanwhile some may be old and some new. Never takes the lock. O(capacity).
    ///
    /// # Errors
    /// As [`TableReader::get`].
    pub fn entries_one_by_one(&self) -> Result<Vec<(K::Owned, Value)>, TableError> {
        let mut entries = Entries::new(self.capacity());
        entries.pass(self, &self.tries())?;
        Ok(entries.into_entries())
    }

    /// The entries, in no order. Each is whole, but they are of different
    /// moments: a key that comes or goes meanwhile may or may not be among them. A damaged slot
    /// is an error in its place, and the iterator goes on behind it.
    pub fn iter(&self) -> Iter<'_, K> {
        Iter { table: self, slot: 0 }
    }

    fn read_entry(&self, slot: usize) -> Result<Option<(K::Owned, Value)>, TableError> {
        let tries = self.tries();
        let again = || self.overtaken(&tries);
        match read_slot::<K>(&self.view().slot(slot), 0, &again)? {
            Some((_, Held::Entry(key, value))) => Ok(Some((key, value))),
            Some((_, Held::Nothing)) => Ok(None),
            Some((_, Held::Damage(what))) => Err(TableError::Corrupt { what, at: slot }),
            None => Err(TableError::Corrupt { what: "version of a slot", at: slot }),
        }
    }

    /// Number of entries. O(1). After a writer died in the middle of a write, off by what
    /// that write added or removed, until the next write repairs it.
    #[must_use]
    pub fn len(&self) -> usize {
        let len = self.view().words.load(LEN, Ordering::Relaxed);
        usize::try_from(len).unwrap_or(usize::MAX).min(self.capacity())
    }

    /// True when there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of entries that fit, exactly, whatever their keys.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.layout.geometry.capacity
    }

    /// The geometry the table was created with.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.layout.geometry
    }

    /// Figures of the table. O(1); they are of different moments.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let load = |at| self.view().words.load(at, Ordering::Relaxed);
        let (len, capacity) = (self.len(), self.capacity());
        let used = usize::try_from(load(USED)).unwrap_or(usize::MAX);
        Stats {
            len,
            capacity,
            free: capacity - len,
            value_size: self.layout.geometry.value_size,
            writes: commits(load(COMMIT)),
            recoveries: load(RECOVERIES),
            lost: load(LOST),
            tombstones: used.saturating_sub(len).min(self.layout.index_len()),
            file_len: self.segment.as_segment().file_len(),
        }
    }

    /// How often a read through this handle had to look again at a slot because a
    /// write of that very slot completed under it.
    #[must_use]
    pub fn read_retries(&self) -> u64 {
        self.looked_again.load(Ordering::Relaxed)
    }

    /// True when the name leads elsewhere by now: the table was unlinked or replaced.
    ///
    /// # Errors
    /// When the path cannot be looked at.
    pub fn is_orphaned(&self) -> std::io::Result<bool> {
        self.segment.as_segment().is_orphaned()
    }

    /// The segment below: path, owner, age, id.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        self.segment.as_segment()
    }
}

impl Mapped {
    #[inline(always)]
    fn as_segment(&self) -> &Segment {
        match self {
            Self::ReadOnly(segment) => segment,
            Self::Writable(segment) => segment,
        }
    }
}

/// Iterator of [`TableReader::iter`].
pub struct Iter<'a, K: Key + ?Sized> {
    table: &'a TableReader<K>,
    slot: usize,
}

impl<K: Key + ?Sized> Iterator for Iter<'_, K> {
    type Item = Result<(K::Owned, Value), TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.slot < self.table.capacity() {
            let slot = self.slot;
            self.slot += 1;
            if let Some(entry) = self.table.read_entry(slot).transpose() {
                return Some(entry);
            }
        }
        None
    }
}

impl<'a, K: Key + ?Sized> IntoIterator for &'a TableReader<K> {
    type Item = Result<(K::Owned, Value), TableError>;
    type IntoIter = Iter<'a, K>;

    fn into_iter(self) -> Iter<'a, K> {
        self.iter()
    }
}

impl<K: Key + ?Sized> fmt::Debug for TableReader<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableReader")
            .field("path", &self.segment().path())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
