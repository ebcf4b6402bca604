//! Reading one key, or several.

use std::borrow::Borrow;

use shm_core::Ordering;

use super::collect::Moment;
use super::handle::{Access, Table};
use crate::error::TableError;
use crate::key::{Key, any_key};
use crate::layout::{EVICTED, EXPIRED, LEN, LOST, RECOVERIES, USED};
use crate::protocol::{Buffer, Found, Look, Values};
use crate::value::Value;

/// Number of optimistic attempts at reading several keys that start from the beginning. Later
/// attempts keep what was read, and read again only what has changed.
const ATTEMPTS: usize = 2;

/// Counts and sizes of a table. See [`Table::stats`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Number of entries in the table.
    pub len: usize,
    /// Maximum number of entries. If the table may grow, the number of entries that fit before it
    /// grows again.
    pub capacity: usize,
    /// The maximum number of entries to which the table may grow. Equals `capacity` if it does not
    /// grow any more.
    pub max_capacity: usize,
    /// Number of entries that still fit.
    pub free: usize,
    /// Maximum length of a value in bytes.
    pub value_size: usize,
    /// Number of writes that were committed since creation. A batch is one write.
    pub writes: u64,
    /// Number of times that the table has grown.
    pub growths: u64,
    /// Number of repairs after the death of a writer, since creation.
    pub recoveries: u64,
    /// Number of entries that were lost since creation because their slots were damaged.
    pub lost: u64,
    /// Number of entries that were removed because they had expired, or were replaced after that.
    pub expired: u64,
    /// Number of entries that were removed to make room for others.
    pub evicted: u64,
    /// Number of places of the index that hold a tombstone.
    pub tombstones: usize,
    /// Length of the segment file in bytes.
    pub file_len: u64,
}

impl<K: Key + ?Sized, A: Access> Table<K, A> {
    /// Searches patiently; see [`View::find`](crate::protocol::View::find).
    #[cold]
    fn find(
        &self,
        key: &[u64],
        take: &mut dyn FnMut(Buffer<'_>, usize),
    ) -> Result<Option<Found>, TableError> {
        let tries = self.tries();
        // The next search begins with the level of now.
        self.current_layout();
        self.view().find(key, take, &|| self.overtaken(&tries))
    }

    /// Returns this handle as a handle that may write, if a search gave up and must continue under
    /// the lock.
    fn needs_lock<R>(&self, found: &Result<R, TableError>) -> Option<&Table<K>> {
        self.as_writable().filter(|_| matches!(found, Err(TableError::Contended { .. })))
    }

    /// Copies a value, and returns the slot and the version under which it was read.
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
        let Some(table) = self.needs_lock(&found) else { return found };
        value.clear();
        value.reserve(self.geometry().value_size);
        table.find_locked(key, &mut |buffer, len| copy(value, buffer, len))
    }

    /// Returns a copy of the value of `key`, or `None` if the key is absent. O(1).
    ///
    /// The call is linearizable: the result is the value at one moment between call and return. If
    /// a write of this key completes during each attempt, a handle that may write takes the lock.
    /// This happens only with a large value and a writer that does not pause.
    ///
    /// # Errors
    /// [`TableError::KeyTooLong`]; [`TableError::Corrupt`] in damaged memory;
    /// [`TableError::Contended`] from a read-only handle, if writes overtook the read for the whole
    /// [`read_timeout`](crate::ReadOptions::read_timeout); [`TableError::Lock`] from a handle that
    /// may write.
    #[inline(always)]
    pub fn get(&self, key: &K) -> Result<Option<Value>, TableError> {
        let mut room = K::room();
        let key = self.words_of(key, &mut room)?;
        match self.first_view().look_home(key) {
            Look::Absent => Ok(None),
            Look::Found(slot, version) => {
                let version = version.get();
                let (buffer, len) = slot.value(version);
                if len <= self.shape().short_len {
                    // The result is made in place, by a few stores.
                    let value = Value::copy_short(buffer, len);
                    if slot.is_unchanged(version) {
                        return Ok(Some(value));
                    }
                    self.look_again();
                }
                self.get_at(key, slot.number(), version)
            }
            Look::Again => self.get_anywhere(key),
        }
    }

    /// As [`Table::get`], for a key that is not at its home.
    #[inline(never)]
    fn get_anywhere(&self, key: &[u64]) -> Result<Option<Value>, TableError> {
        match self.view().look(key) {
            Look::Absent => Ok(None),
            Look::Found(slot, version) => self.get_at(key, slot.number(), version.get()),
            Look::Again => self.get_again(key, Value::with_room(0)),
        }
    }

    /// Copies the value of a key that was found in this slot under this version.
    #[inline(never)]
    fn get_at(&self, key: &[u64], slot: usize, version: u64) -> Result<Option<Value>, TableError> {
        let slot = self.view().slot(slot);
        let (buffer, len) = slot.value(version);
        if len > self.shape().geometry.value_size {
            return self.get_again(key, Value::with_room(0));
        }
        let value = Value::copy(buffer, len);
        if slot.is_unchanged(version) {
            return Ok(Some(value));
        }
        self.look_again();
        self.get_again(key, value)
    }

    #[cold]
    #[inline(never)]
    fn get_again(&self, key: &[u64], value: Value) -> Result<Option<Value>, TableError> {
        Ok(self.get_patiently(key, value)?.map(|(value, _)| value))
    }

    /// As [`Table::get`], and where the value was found.
    #[inline]
    pub(super) fn get_found(&self, key: &K) -> Result<Option<(Value, Found)>, TableError> {
        let mut room = K::room();
        let key = self.words_of(key, &mut room)?;
        match self.view().look(key) {
            Look::Absent => return Ok(None),
            Look::Found(slot, version) => {
                let version = version.get();
                let (buffer, len) = slot.value(version);
                if len <= self.shape().geometry.value_size {
                    let value = Value::copy(buffer, len);
                    if slot.is_unchanged(version) {
                        return Ok(Some((value, Found { slot: slot.number(), version })));
                    }
                    self.look_again();
                    return self.get_patiently(key, value);
                }
            }
            Look::Again => {}
        }
        self.get_patiently(key, Value::with_room(0))
    }

    /// Makes all attempts with the same memory, because getting new pages for each attempt would
    /// take as long as the copy.
    #[cold]
    fn get_patiently(
        &self,
        key: &[u64],
        mut value: Value,
    ) -> Result<Option<(Value, Found)>, TableError> {
        let mut found = self.find(key, &mut |buffer, len| buffer.copy_to_value(&mut value, len));
        if let Some(table) = self.needs_lock(&found) {
            value = value.grow(self.shape().geometry.value_size);
            found =
                table.find_locked(key, &mut |buffer, len| buffer.copy_to_value(&mut value, len));
        }
        Ok(found?.map(|found| (value.fit(), found)))
    }

    /// Copies the value of `key` to the start of `buffer` and returns the value's length in bytes,
    /// or `None` if the key is absent. Allocates nothing.
    ///
    /// # Errors
    /// The errors of [`Table::get`], and [`TableError::BufferTooSmall`]. After an error the
    /// buffer's contents are unspecified.
    #[inline(always)]
    pub fn get_into(&self, key: &K, buffer: &mut [u8]) -> Result<Option<usize>, TableError> {
        let mut room = K::room();
        let key = self.words_of(key, &mut room)?;
        match self.first_view().look_home(key) {
            Look::Absent => Ok(None),
            Look::Found(slot, version) => {
                let version = version.get();
                let (from, len) = slot.value(version);
                if len <= self.shape().short_len
                    && let Some(to) = buffer.get_mut(..len)
                {
                    from.copy_short_to(to);
                    if slot.is_unchanged(version) {
                        return Ok(Some(len));
                    }
                    self.look_again();
                }
                self.get_into_at(key, buffer, slot.number(), version)
            }
            Look::Again => self.get_into_anywhere(key, buffer),
        }
    }

    /// As [`Table::get_into`], for a key that is not at its home.
    #[inline(never)]
    fn get_into_anywhere(
        &self,
        key: &[u64],
        buffer: &mut [u8],
    ) -> Result<Option<usize>, TableError> {
        match self.view().look(key) {
            Look::Absent => Ok(None),
            Look::Found(slot, version) => {
                self.get_into_at(key, buffer, slot.number(), version.get())
            }
            Look::Again => self.get_into_patiently(key, buffer),
        }
    }

    /// Copies the value of a key that was found in this slot under this version.
    #[inline(never)]
    fn get_into_at(
        &self,
        key: &[u64],
        buffer: &mut [u8],
        slot: usize,
        version: u64,
    ) -> Result<Option<usize>, TableError> {
        let slot = self.view().slot(slot);
        let (from, len) = slot.value(version);
        let possible = len <= self.shape().geometry.value_size;
        if let Some(to) = buffer.get_mut(..len).filter(|_| possible) {
            from.copy_to(to);
            if slot.is_unchanged(version) {
                return Ok(Some(len));
            }
            self.look_again();
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
        if let Some(table) = self.needs_lock(&found) {
            found = table.find_locked(key, &mut take);
        }
        match found? {
            None => Ok(None),
            Some(_) if needed <= room => Ok(Some(needed)),
            Some(_) => {
                let key = any_key(self.key_kind(), key);
                Err(TableError::BufferTooSmall { key, len: room, needed })
            }
        }
    }

    /// True if the key is present. O(1).
    ///
    /// # Errors
    /// The errors of [`Table::get`].
    #[inline]
    pub fn contains_key(&self, key: &K) -> Result<bool, TableError> {
        let mut room = K::room();
        let key = self.words_of(key, &mut room)?;
        Ok(self.look_up(key)?.is_some())
    }

    /// Returns where the key is, and under which version.
    #[inline]
    pub(super) fn look_up(&self, key: &[u64]) -> Result<Option<Found>, TableError> {
        match self.view().look(key) {
            Look::Absent => Ok(None),
            Look::Found(slot, version) if slot.is_unchanged(version.get()) => {
                Ok(Some(Found { slot: slot.number(), version: version.get() }))
            }
            Look::Found(..) | Look::Again => {
                let mut found = self.find(key, &mut |_, _| ());
                if let Some(table) = self.needs_lock(&found) {
                    found = table.find_locked(key, &mut |_, _| ());
                }
                found
            }
        }
    }

    /// Returns the values of `keys`, all as they were at one moment: no write, and no part of a
    /// batch, happened between any two of them. O(keys).
    ///
    /// If writers keep writing, a handle that may write takes the lock.
    ///
    /// # Errors
    /// The errors of [`Table::get`]. A read-only handle returns [`TableError::Contended`] if writes
    /// kept completing for the whole [`read_timeout`](crate::ReadOptions::read_timeout). Even then,
    /// the keys can still be read one by one.
    pub fn get_many<Q: Borrow<K>>(&self, keys: &[Q]) -> Result<Vec<Option<Value>>, TableError> {
        for _ in 0..ATTEMPTS {
            let view = self.view();
            let before = view.commits();
            let mut found = Vec::with_capacity(keys.len());
            for key in keys {
                found.push(self.get_found(key.borrow())?);
            }
            // Each value was current when all of them had been read, and each absent key absent.
            if found.iter().flatten().all(|&(_, at)| view.still_has(at))
                && (found.iter().all(Option::is_some) || view.commits_after_reading() == before)
            {
                return Ok(found.into_iter().map(|found| Some(found?.0)).collect());
            }
        }
        let keys: Vec<&K> = keys.iter().map(Borrow::borrow).collect();
        let mut values = Values::new(&keys);
        match self.at_one_moment(&mut values)? {
            Moment::One => Ok(values.into_values()),
            Moment::Overtaken(waited) => Err(TableError::Contended { waited }),
        }
    }

    /// Returns the number of entries. O(1). If a writer died in the middle of a write, the number
    /// may be off by what that write added or removed, until the next write repairs it.
    #[must_use]
    pub fn len(&self) -> usize {
        let len = self.view().words.load(LEN, Ordering::Relaxed);
        usize::try_from(len).unwrap_or(usize::MAX).min(self.capacity())
    }

    /// True if there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the exact maximum number of entries, whatever their keys are. If the table may grow,
    /// this is the number of entries that fit before it grows again.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.current_layout().capacity
    }

    /// Returns counts and sizes of the table. O(1). The numbers are of different moments.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let load = |at| self.view().words.load(at, Ordering::Relaxed);
        let layout = self.current_layout();
        let (len, capacity) = (self.len(), layout.capacity);
        let used = usize::try_from(load(USED)).unwrap_or(usize::MAX);
        Stats {
            len,
            capacity,
            max_capacity: self.shape().max_capacity(),
            free: capacity.saturating_sub(len),
            value_size: self.shape().geometry.value_size,
            // Wrapping: records may be damaged.
            writes: self.view().commits().wrapping_add(self.segment().writes_by_records()),
            growths: layout.level,
            recoveries: load(RECOVERIES),
            lost: load(LOST),
            expired: load(EXPIRED),
            evicted: load(EVICTED),
            tombstones: used.saturating_sub(len).min(layout.index_len()),
            file_len: self.segment().file_len(),
        }
    }
}

impl<K: Key + ?Sized> Table<K> {
    /// Searches while nobody writes, so that no write overtakes the search. `take` must not
    /// allocate.
    #[cold]
    fn find_locked(
        &self,
        key: &[u64],
        take: &mut dyn FnMut(Buffer<'_>, usize),
    ) -> Result<Option<Found>, TableError> {
        self.without_writers(|| self.find(key, take))
    }
}
