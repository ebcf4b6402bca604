//! Reading a table, from any mapping.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::AtomicU64;

use crossbeam_utils::Backoff;
use shm_core::{Name, Namespace, Ordering, Segment, WritableSegment};

use crate::buffer::Buffer;
use crate::error::{TableError, TableOpenError};
use crate::index::key_words;
use crate::key::{Key, KeyKind};
use crate::layout::{COMMIT, LAYOUT_VERSION, LEN, Layout, RECOVERIES, USED, VERSION, decode};
use crate::options::TableOptions;
use crate::slot::{Slot, is_valid};
use crate::value::Value;
use crate::view::{Found, Look, View, commits};
use crate::{Geometry, KIND};

/// Attempts at a consistent read of several keys before it gives up.
const MAX_ATTEMPTS: usize = 64;

/// A table opened for reading. It works on a read-only mapping, takes no lock,
/// stores nothing shared, and never waits for a writer, be it running, stopped or dead.
///
/// `Send` and `Sync`. A writing [`Table`](crate::Table) dereferences to it.
pub struct TableReader<K: Key + ?Sized> {
    segment: Mapped,
    layout: Layout,
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
    /// Places of the index that hold a tombstone.
    pub tombstones: usize,
    /// Length of the segment file in bytes.
    pub file_len: u64,
}

impl<K: Key + ?Sized> TableReader<K> {
    /// Opens an existing table for reading only. Of `options`, only `trust` counts.
    ///
    /// Needs no write permission, and works from another pid namespace or C
    /// library than the writers'. O(capacity): checks that no slot was zeroed.
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
        Self::from_mapped(Mapped::ReadOnly(segment))
    }

    pub(crate) fn from_mapped(segment: Mapped) -> Result<Self, TableOpenError> {
        let (geometry, kind, seed) = decode(segment.as_segment().geometry());
        if kind != K::KIND.code() {
            return Err(TableOpenError::KeyKind {
                found: KeyKind::describe(kind),
                expected: KeyKind::describe(K::KIND.code()),
            });
        }
        let layout = Layout::new(geometry, K::KIND, seed)?;
        let words = segment.as_segment().words();
        if words.len() != layout.total_words {
            return Err(TableOpenError::Corrupt { what: "length of the body", at: words.len() });
        }
        let zeroed = |&slot: &usize| {
            !is_valid(words.load(layout.slot_at(slot) + VERSION, Ordering::Relaxed))
        };
        if let Some(at) = (0..geometry.capacity).find(zeroed) {
            return Err(TableOpenError::Corrupt { what: "version of a slot", at });
        }
        Ok(Self { segment, layout, looked_again: AtomicU64::new(0), key: PhantomData })
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
        self.view().find(key, take, &|| self.look_again())
    }

    /// Copies a value out, and says under which version of which slot.
    pub(crate) fn get_versioned(
        &self,
        key: &K,
        value: &mut Vec<u8>,
    ) -> Result<Option<Found>, TableError> {
        let mut room = K::ROOM;
        self.find(self.words_of(key, &mut room)?, &mut |buffer, len| {
            value.resize(len, 0);
            buffer.copy_to(value);
        })
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

    /// A copy of the value of `key`; `None` when the key is absent. O(1).
    ///
    /// Linearizable: it is the value at one moment between call and return.
    ///
    /// # Errors
    /// [`TableError::KeyTooLong`]; [`TableError::Corrupt`] and
    /// [`TableError::Contended`] only if a writer outside of this library stores to the segment.
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
                }
            }
            Look::Again => {}
        }
        self.get_patiently(key)
    }

    #[cold]
    fn get_patiently(&self, key: &[u64]) -> Result<Option<Value>, TableError> {
        let mut value = None;
        let found = self.find(key, &mut |buffer, len| value = Some(Value::copy(buffer, len)))?;
        Ok(value.filter(|_| found.is_some()))
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
        let found = self.find(key, &mut |words, len| {
            needed = len;
            if let Some(to) = buffer.get_mut(..len) {
                words.copy_to(to);
            }
        })?;
        match found {
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
            Look::Found(..) | Look::Again => Ok(self.find(key, &mut |_, _| ())?.is_some()),
        }
    }

    /// The values of `keys`, all of one moment: no write, and no part of a batch,
    /// happened between any two of them. O(keys).
    ///
    /// # Errors
    /// As [`TableReader::get`]; [`TableError::Contended`] when writes kept
    /// completing during each of 64 attempts. A [`Table`](crate::Table) then
    /// takes the lock instead; here, read the keys one by one.
    pub fn get_many<Q: Borrow<K>>(&self, keys: &[Q]) -> Result<Vec<Option<Value>>, TableError> {
        self.at_one_moment(|| keys.iter().map(|key| self.get(key.borrow())).collect())
    }

    /// All entries, in no order, as they were at one moment. O(capacity).
    ///
    /// # Errors
    /// As [`TableReader::get_many`].
    pub fn entries(&self) -> Result<Vec<(K::Owned, Value)>, TableError> {
        self.at_one_moment(|| self.iter().collect())
    }

    fn at_one_moment<R>(
        &self,
        mut read: impl FnMut() -> Result<R, TableError>,
    ) -> Result<R, TableError> {
        let backoff = Backoff::new();
        for _ in 0..MAX_ATTEMPTS {
            if let (result, true) = self.view().at_one_moment(&mut read) {
                return result;
            }
            backoff.snooze();
        }
        Err(TableError::Contended { attempts: MAX_ATTEMPTS })
    }

    /// The entries, in no order. Each is whole, but they are of different
    /// moments: a key that comes or goes meanwhile may or may not be among them.
    pub fn iter(&self) -> Iter<'_, K> {
        Iter { table: self, slot: 0, buffer: Vec::with_capacity(self.layout.key_words) }
    }

    fn read_entry(
        &self,
        slot: usize,
        buffer: &mut Vec<u64>,
    ) -> Result<Option<(K::Owned, Value)>, TableError> {
        let mut value = None;
        let any_key = |slot: &Slot<'_>| {
            key_words(slot.key(), buffer);
            true
        };
        let mut take = |from: Buffer<'_>, len| value = Some(Value::copy(from, len));
        let found = self.view().read(slot, any_key, &mut take, &|| self.look_again())?;
        let Some(value) = value.filter(|_| found.is_some()) else {
            return Ok(None);
        };
        match K::from_words(buffer) {
            Some(key) => Ok(Some((key, value))),
            None => Err(TableError::Corrupt { what: "key", at: slot }),
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
    buffer: Vec<u64>,
}

impl<K: Key + ?Sized> Iterator for Iter<'_, K> {
    type Item = Result<(K::Owned, Value), TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.slot < self.table.capacity() {
            let slot = self.slot;
            self.slot += 1;
            if let Some(entry) = self.table.read_entry(slot, &mut self.buffer).transpose() {
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
