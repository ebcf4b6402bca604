//! Calls that write.

use std::borrow::Borrow;
use std::time::Instant;

use super::handle::Table;
use crate::encoded_keys::EncodedKeys;
use crate::error::TableError;
use crate::key::{Key, any_key};
use crate::protocol::{
    CheckRoom, Fault, PutMode, Repaired, Room, Transaction, Upserted, recover, room,
};
use crate::value::Value;

/// A transaction that may have stored more bytes than this has held the lock for a long time, so it
/// hands the lock to a waiting writer afterwards.
const LONG: usize = 1 << 16;

/// Minimum number of attempts that [`Table::update_with`] makes before it gives up.
const MIN_UPDATES: usize = 16;

impl<K: Key + ?Sized> Table<K> {
    /// Adds an entry for a key that has none.
    ///
    /// # Errors
    /// [`TableError::DuplicateKey`], [`TableError::Full`], [`TableError::ValueTooLarge`],
    /// [`TableError::KeyTooLong`] or [`TableError::Lock`]. Nothing was changed.
    pub fn add(&self, key: &K, value: impl AsRef<[u8]>) -> Result<(), TableError> {
        self.put_bytes(PutMode::Add, key, value.as_ref()).map(drop)
    }

    /// Replaces the value of a key that is present.
    ///
    /// # Errors
    /// [`TableError::NotFound`], [`TableError::ValueTooLarge`], [`TableError::KeyTooLong`] or
    /// [`TableError::Lock`]. Nothing was changed.
    pub fn update(&self, key: &K, value: impl AsRef<[u8]>) -> Result<(), TableError> {
        self.put_bytes(PutMode::Update, key, value.as_ref()).map(drop)
    }

    /// Sets the value of a key, whether the key is present or not.
    ///
    /// # Errors
    /// The errors of [`Table::add`], except for `DuplicateKey`. Nothing was changed.
    pub fn upsert(&self, key: &K, value: impl AsRef<[u8]>) -> Result<Upserted, TableError> {
        self.put_bytes(PutMode::Upsert, key, value.as_ref())
    }

    /// Sets the value of a key as [`Table::add`], [`Table::update`] or [`Table::upsert`] does,
    /// depending on `mode`.
    ///
    /// # Errors
    /// The errors of these calls. Nothing was changed.
    #[inline]
    pub fn put(
        &self,
        mode: PutMode,
        key: &K,
        value: impl AsRef<[u8]>,
    ) -> Result<Upserted, TableError> {
        self.put_bytes(mode, key, value.as_ref())
    }

    #[inline]
    fn put_bytes(&self, mode: PutMode, key: &K, value: &[u8]) -> Result<Upserted, TableError> {
        let mut room = K::room();
        let key = self.words_of(key, &mut room)?;
        self.check_value(key, value)?;
        self.write(Room::new(), |transaction| transaction.put(mode, key, value))
            .map_err(|fault| fault.into_error(self.key_kind(), key))
    }

    /// Removes an entry.
    ///
    /// # Errors
    /// [`TableError::NotFound`] if the key is absent. Nothing was changed.
    pub fn remove(&self, key: &K) -> Result<(), TableError> {
        let mut room = K::room();
        let key = self.words_of(key, &mut room)?;
        self.write(Room::new(), |transaction| transaction.remove(key))
            .map_err(|fault| fault.into_error(self.key_kind(), key))
    }

    /// Removes all entries at once. O(capacity).
    ///
    /// # Errors
    /// [`TableError::Lock`].
    pub fn clear(&self) -> Result<(), TableError> {
        let guard = self.lock()?;
        Transaction::begin(guard.words()?, self.layout(), Room::new()).clear();
        guard.hand_over();
        Ok(())
    }

    /// Adds entries for keys that are absent: all of them or, if one fails, none.
    ///
    /// # Errors
    /// [`TableError::InBatch`], which names the member and holds the reason, or
    /// [`TableError::Lock`]. For a key that occurs twice, the reason is [`TableError::NamedTwice`].
    pub fn add_many<Q: Borrow<K>, V: AsRef<[u8]>>(
        &self,
        entries: &[(Q, V)],
    ) -> Result<(), TableError> {
        self.put_many(PutMode::Add, entries)
    }

    /// Replaces the values of keys that must all be present: all of them or, if one fails, none. If
    /// a key occurs twice, its last value counts.
    ///
    /// Readers see the whole batch at once. If this process is killed, either the whole batch or
    /// nothing of it takes effect.
    ///
    /// # Errors
    /// [`TableError::InBatch`], which names the member, or [`TableError::Lock`].
    pub fn update_many<Q: Borrow<K>, V: AsRef<[u8]>>(
        &self,
        entries: &[(Q, V)],
    ) -> Result<(), TableError> {
        self.put_many(PutMode::Update, entries)
    }

    /// Sets the values of keys, whether the keys are present or not. In all other respects, this is
    /// like [`Table::update_many`].
    ///
    /// # Errors
    /// [`TableError::InBatch`], which names the member, or [`TableError::Lock`].
    pub fn upsert_many<Q: Borrow<K>, V: AsRef<[u8]>>(
        &self,
        entries: &[(Q, V)],
    ) -> Result<(), TableError> {
        self.put_many(PutMode::Upsert, entries)
    }

    /// Removes entries: all of them or, if a key is absent or occurs twice in `keys`, none.
    ///
    /// # Errors
    /// [`TableError::InBatch`], which names the member and holds the reason, or
    /// [`TableError::Lock`]. For a key that occurs twice, the reason is [`TableError::NamedTwice`].
    pub fn remove_many<Q: Borrow<K>>(&self, keys: &[Q]) -> Result<(), TableError> {
        let mut encoded = EncodedKeys::with_capacity(self.key_kind(), keys.len());
        for (index, key) in keys.iter().enumerate() {
            self.encode(&mut encoded, index, key.borrow())?;
        }
        self.write_many(&encoded, |transaction, _, key| transaction.remove(key))
    }

    /// Sets the values of keys as [`Table::add_many`], [`Table::update_many`] or
    /// [`Table::upsert_many`] does, depending on `mode`.
    ///
    /// # Errors
    /// The errors of these calls. Nothing was changed.
    pub fn put_many<Q: Borrow<K>, V: AsRef<[u8]>>(
        &self,
        mode: PutMode,
        entries: &[(Q, V)],
    ) -> Result<(), TableError> {
        // The caller's `borrow` and `as_ref` run here, before the lock is taken.
        let mut values = Vec::with_capacity(entries.len());
        let mut keys = EncodedKeys::with_capacity(self.key_kind(), entries.len());
        for (index, (key, value)) in entries.iter().enumerate() {
            let value = value.as_ref();
            self.encode(&mut keys, index, key.borrow())?;
            self.check_value(keys.get(index), value).map_err(|e| in_batch(index, e))?;
            values.push(value);
        }
        self.write_many(&keys, |transaction, index, key| {
            let value = values.get(index).copied().unwrap_or_default();
            transaction.put(mode, key, value).map(drop)
        })
    }

    fn encode(&self, keys: &mut EncodedKeys, index: usize, key: &K) -> Result<(), TableError> {
        let mut room = K::room();
        keys.push(self.words_of(key, &mut room).map_err(|e| in_batch(index, e))?);
        Ok(())
    }

    /// Stages each member of a batch, and commits all of them or none.
    fn write_many(
        &self,
        keys: &EncodedKeys,
        stage: impl Fn(&mut Transaction<'_>, usize, &[u64]) -> Result<(), Fault>,
    ) -> Result<(), TableError> {
        let mut at = 0;
        let written = self.write(room(keys.len()), |transaction| {
            for index in 0..keys.len() {
                at = index;
                stage(transaction, index, keys.get(index))?;
            }
            Ok(())
        });
        written.map_err(|fault| {
            let key = keys.get(at);
            let source = match fault {
                // The members before this one were staged. If one of them has the same key, that
                // one took the key's place, or its entry, from this one.
                Fault::Duplicate | Fault::NotFound if (0..at).any(|i| keys.get(i) == key) => {
                    TableError::NamedTwice { key: any_key(self.key_kind(), key) }
                }
                fault => fault.into_error(self.key_kind(), key),
            };
            in_batch(at, source)
        })
    }

    /// Calls `f` to edit a copy of the value of `key`, and stores the result.
    ///
    /// `f` edits a private copy and runs without the lock, so it may take long, panic or fork
    /// without blocking anybody. If another write of the key completes meanwhile, `f` is called
    /// again with the new value. For the same reason `f` must not write the same key itself: each
    /// of its calls would be followed by another, until [`TableError::Contended`].
    ///
    /// # Errors
    /// [`TableError::NotFound`], [`TableError::ValueTooLarge`] (for the result) or
    /// [`TableError::Lock`]. [`TableError::Contended`] if others changed the value first in every
    /// attempt, for the whole lock timeout and at least sixteen times. Nothing was changed.
    pub fn update_with(&self, key: &K, mut f: impl FnMut(&mut Vec<u8>)) -> Result<(), TableError> {
        let start = Instant::now();
        let mut room = K::room();
        let words = self.words_of(key, &mut room)?;
        for attempt in 1.. {
            let mut value = Vec::new();
            let Some(found) = self.get_versioned(words, &mut value)? else {
                return Err(Fault::NotFound.into_error(self.key_kind(), words));
            };
            f(&mut value);
            self.check_value(words, &value)?;
            // A version never recurs, so an equal version means the same entry with the same value.
            let stored = self.write(Room::new(), |transaction| {
                let same = transaction.slot(found.slot).version() == found.version;
                if same {
                    transaction.replace(found.slot, &value);
                }
                Ok(same)
            });
            if stored.map_err(|fault| fault.into_error(self.key_kind(), words))? {
                return Ok(());
            }
            let waited = start.elapsed();
            if attempt >= MIN_UPDATES
                && self.waits.patience.limit.is_some_and(|limit| waited > limit)
            {
                return Err(TableError::Contended { waited });
            }
        }
        Ok(())
    }

    /// Replaces the value of `key` by `new` if the value equals `expected`.
    ///
    /// # Errors
    /// [`TableError::Mismatch`] with the value found; [`TableError::NotFound`],
    /// [`TableError::ValueTooLarge`] or [`TableError::Lock`]. Nothing was changed.
    pub fn compare_exchange(
        &self,
        key: &K,
        expected: impl AsRef<[u8]>,
        new: impl AsRef<[u8]>,
    ) -> Result<(), TableError> {
        // The caller's `as_ref` runs here, before the lock is taken.
        let (expected, new) = (expected.as_ref(), new.as_ref());
        let mut room = K::room();
        let key = self.words_of(key, &mut room)?;
        self.check_value(key, new)?;
        // Memory for the value that is found instead, allocated before the lock is taken.
        let mut found = Value::with_room(self.layout().geometry.value_size);
        self.modify(key, |transaction, slot| {
            let (buffer, len) = transaction.slot(slot).value();
            if buffer.is(expected, len) {
                transaction.replace(slot, new);
                return Ok(());
            }
            buffer.copy_to_value(&mut found, len);
            Err(Fault::Mismatch)
        })
        .map_err(|error| match error {
            TableError::Mismatch { key, .. } => TableError::Mismatch { key, found: found.fit() },
            other => other,
        })
    }

    /// Adds `delta` to a counter (8 bytes, little endian, wrapping) and returns the old value.
    ///
    /// # Errors
    /// [`TableError::NotACounter`], [`TableError::NotFound`], [`TableError::NoRoomForCounter`] or
    /// [`TableError::Lock`]. Nothing was changed.
    pub fn fetch_add(&self, key: &K, delta: i64) -> Result<i64, TableError> {
        let mut room = K::room();
        let key = self.words_of(key, &mut room)?;
        self.check_counter(key)?;
        self.modify(key, |transaction, slot| {
            let before = counter(transaction, slot)?;
            transaction.replace(slot, &before.wrapping_add(delta).to_le_bytes());
            Ok(before)
        })
    }

    /// Adds `by` to a counter (8 bytes, little endian, wrapping) and returns the new value. If the
    /// key is absent, the counter starts at `initial`, so the returned value is `initial + by`.
    ///
    /// ```
    /// # use slotmap_shm::{Name, Namespace, Table, TableOptions};
    /// # let dir = std::env::temp_dir().join(format!("increment-doc-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir)?;
    /// # let (namespace, name) = (Namespace::at(&dir), Name::new("hits")?);
    /// let hits = Table::<str>::create(&namespace, &name, &TableOptions::default())?;
    /// assert_eq!(hits.increment("/index.html", 1, 0)?, 1);
    /// assert_eq!(hits.increment("/index.html", 1, 0)?, 2);
    /// assert_eq!(hits.increment("countdown", -1, 10)?, 9);
    /// # std::fs::remove_dir_all(&dir)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TableError::NotACounter`], [`TableError::Full`], [`TableError::NoRoomForCounter`] if the
    /// table's values have fewer than 8 bytes, or [`TableError::Lock`]. Nothing was changed.
    pub fn increment(&self, key: &K, by: i64, initial: i64) -> Result<i64, TableError> {
        let mut room = K::room();
        let key = self.words_of(key, &mut room)?;
        self.check_counter(key)?;
        self.write(Room::new(), |transaction| {
            let before = match transaction.find(key) {
                Some((slot, _)) => counter(transaction, slot)?,
                None => initial,
            };
            let after = before.wrapping_add(by);
            transaction.put(PutMode::Upsert, key, &after.to_le_bytes())?;
            Ok(after)
        })
        .map_err(|fault| fault.into_error(self.key_kind(), key))
    }

    /// Changes a value under the lock. `f` is the table's own code, short, and
    /// allocates nothing.
    fn modify<R>(
        &self,
        key: &[u64],
        f: impl FnOnce(&mut Transaction<'_>, usize) -> Result<R, Fault>,
    ) -> Result<R, TableError> {
        self.write(Room::new(), |transaction| match transaction.find(key) {
            Some((slot, _)) => f(transaction, slot),
            None => Err(Fault::NotFound),
        })
        .map_err(|fault| fault.into_error(self.key_kind(), key))
    }

    /// Checks under the lock that slots, index, free list and count agree. The bytes of values are
    /// not checked, because any bytes may be right. O(capacity), and O(capacity × log capacity) for
    /// keys that were chosen to collide.
    ///
    /// The lock is held for the whole check, because nothing may change meanwhile. Afterwards it is
    /// handed to another writer that waits for it.
    ///
    /// # Errors
    /// [`TableError::Corrupt`], which says what is wrong and where. The next write repairs the
    /// table.
    pub fn verify(&self) -> Result<(), TableError> {
        let mut room = CheckRoom::new(self.layout());
        let guard = self.lock_as_it_is()?;
        let checked = recover::check(guard.words()?, self.layout(), &mut room);
        if checked.is_err() {
            guard.mark_dirty();
        }
        guard.hand_over();
        checked.map_err(|(what, at)| TableError::Corrupt { what, at })
    }

    /// Repairs what a dead writer or a damaged file left, now rather than at the next write.
    /// Everything in undamaged slots is kept. Returns the number of slots and entries that could
    /// not be kept.
    ///
    /// # Errors
    /// [`TableError::Lock`].
    pub fn recover(&self) -> Result<Repaired, TableError> {
        Ok(self.check_and_repair()?)
    }

    /// Writes the table back to its file with `msync`. This matters for a namespace on a disk.
    ///
    /// # Errors
    /// If `msync` fails.
    pub fn flush(&self) -> std::io::Result<()> {
        self.segment.flush()
    }

    /// Address of the mutex in this process, for debuggers and crash tests.
    #[must_use]
    pub fn lock_address(&self) -> usize {
        self.segment.lock_address()
    }

    #[inline]
    fn check_value(&self, key: &[u64], value: &[u8]) -> Result<(), TableError> {
        let max = self.layout().geometry.value_size;
        if value.len() <= max {
            return Ok(());
        }
        let key = any_key(self.key_kind(), key);
        Err(TableError::ValueTooLarge { key, len: value.len(), max })
    }

    fn check_counter(&self, key: &[u64]) -> Result<(), TableError> {
        let max = self.layout().geometry.value_size;
        if max >= size_of::<i64>() {
            return Ok(());
        }
        Err(TableError::NoRoomForCounter { key: any_key(self.key_kind(), key), max })
    }

    /// Runs `f` in a transaction. If `f` succeeds, commits everything that it staged; otherwise
    /// drops everything.
    #[inline(always)]
    fn write<R>(
        &self,
        room: Room,
        f: impl FnOnce(&mut Transaction<'_>) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let guard = self.lock()?;
        let mut transaction = Transaction::begin(guard.words()?, self.layout(), room);
        let result = f(&mut transaction);
        match &result {
            Ok(_) => transaction.commit(),
            Err(fault) => {
                transaction.abort();
                if matches!(fault, Fault::Corrupt { .. }) {
                    guard.mark_dirty();
                }
            }
        }
        let spent = transaction.into_room();
        // An upper bound: the first member is not in `spent`, and values may be shorter.
        let stored = (spent.len() + 1) * (self.layout().geometry.value_size + 64);
        if stored >= LONG {
            guard.hand_over();
        } else {
            drop(guard);
        }
        // Freed only after the lock was released.
        drop(spent);
        result
    }
}

/// Returns the counter in a slot.
fn counter(transaction: &Transaction<'_>, slot: usize) -> Result<i64, Fault> {
    let (buffer, len) = transaction.slot(slot).value();
    let mut bytes = [0; 8];
    if len != bytes.len() {
        return Err(Fault::NotACounter { len });
    }
    buffer.copy_to(&mut bytes);
    Ok(i64::from_le_bytes(bytes))
}

fn in_batch(index: usize, source: TableError) -> TableError {
    match source {
        lock @ TableError::Lock(_) => lock,
        source => TableError::InBatch { index, source: Box::new(source) },
    }
}
