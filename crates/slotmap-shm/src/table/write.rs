//! Calls that write.

use std::borrow::Borrow;
use std::time::Instant;

use super::claims::{AtOnce, Claiming};
use super::closing::Waited;
use super::handle::Table;
use crate::encoded_keys::EncodedKeys;
use crate::error::TableError;
use crate::key::{Key, any_key};
use crate::protocol::{Buffer, Fault, Lease, PutMode, Room, Touched, Transaction, Upserted, room};
use crate::value::Value;

/// Minimum number of attempts that [`Table::update_with`] makes before it gives up.
const MIN_UPDATES: usize = 16;

impl<K: Key + ?Sized> Table<K> {
    /// Adds an entry for a key that has none.
    ///
    /// # Errors
    /// [`TableError::DuplicateKey`], [`TableError::Full`], [`TableError::ValueTooLarge`],
    /// [`TableError::KeyTooLong`] or [`TableError::Lock`]. Nothing was changed.
    #[inline]
    pub fn add(&self, key: &K, value: impl AsRef<[u8]>) -> Result<(), TableError> {
        self.put_bytes(PutMode::Add, key, value.as_ref()).map(drop)
    }

    /// Replaces the value of a key that is present.
    ///
    /// # Errors
    /// [`TableError::NotFound`], [`TableError::ValueTooLarge`], [`TableError::KeyTooLong`] or
    /// [`TableError::Lock`]. Nothing was changed.
    #[inline]
    pub fn update(&self, key: &K, value: impl AsRef<[u8]>) -> Result<(), TableError> {
        self.put_bytes(PutMode::Update, key, value.as_ref()).map(drop)
    }

    /// Sets the value of a key, whether the key is present or not.
    ///
    /// # Errors
    /// The errors of [`Table::add`], except for `DuplicateKey`. Nothing was changed.
    #[inline]
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

    #[inline(always)]
    fn put_bytes(&self, mode: PutMode, key: &K, value: &[u8]) -> Result<Upserted, TableError> {
        let lease = if mode == PutMode::Update { Lease::Kept } else { Lease::Default };
        self.put_leased(mode, key, value, lease)
    }

    #[inline(always)]
    pub(super) fn put_leased(
        &self,
        mode: PutMode,
        key: &K,
        value: &[u8],
        lease: Lease,
    ) -> Result<Upserted, TableError> {
        let mut room = K::room();
        let key = self.words_of(key, &mut room)?;
        self.check_value(key, value)?;
        if mode != PutMode::Add {
            match self.claim_at_once(key) {
                AtOnce::Claimed(claim) => {
                    claim.commit(value, lease);
                    return Ok(Upserted::Updated);
                }
                AtOnce::Absent if mode == PutMode::Update => return Err(self.not_found(key)),
                AtOnce::Busy => return self.put_patiently(mode, key, value, lease),
                AtOnce::Absent | AtOnce::NeedsLock => {}
            }
        }
        self.put_locked(mode, key, (value, lease), &Waited::default())
    }

    /// Replaces the value of a key whose slot was being written.
    #[cold]
    #[inline(never)]
    fn put_patiently(
        &self,
        mode: PutMode,
        key: &[u64],
        value: &[u8],
        lease: Lease,
    ) -> Result<Upserted, TableError> {
        let waited = Waited::default();
        match self.claim_patiently(key, &waited)? {
            Claiming::Claimed(claim) => {
                claim.commit(value, lease);
                Ok(Upserted::Updated)
            }
            Claiming::Absent if mode == PutMode::Update => Err(self.not_found(key)),
            _ => self.put_locked(mode, key, (value, lease), &waited),
        }
    }

    #[cold]
    #[inline(never)]
    fn not_found(&self, key: &[u64]) -> TableError {
        Fault::NotFound.into_error(self.key_kind(), key)
    }

    #[inline(never)]
    fn put_locked(
        &self,
        mode: PutMode,
        key: &[u64],
        (value, lease): (&[u8], Lease),
        waited: &Waited,
    ) -> Result<Upserted, TableError> {
        self.write(Room::new(), waited, |transaction| transaction.put(mode, key, value, lease))
            .map_err(|fault| fault.into_error(self.key_kind(), key))
    }

    /// Removes an entry.
    ///
    /// # Errors
    /// [`TableError::NotFound`] if the key is absent. Nothing was changed.
    pub fn remove(&self, key: &K) -> Result<(), TableError> {
        let mut room = K::room();
        let key = self.words_of(key, &mut room)?;
        self.write(Room::new(), &Waited::default(), |transaction| transaction.remove(key))
            .map_err(|fault| fault.into_error(self.key_kind(), key))
    }

    /// Removes all entries at once. O(capacity).
    ///
    /// # Errors
    /// [`TableError::Lock`].
    pub fn clear(&self) -> Result<(), TableError> {
        let waited = Waited::default();
        let cleared = self.clear_patiently(&waited);
        self.open_claims(&waited);
        cleared.map_err(|fault| fault.into_error(self.key_kind(), &[]))
    }

    fn clear_patiently(&self, waited: &Waited) -> Result<(), Fault> {
        loop {
            let guard = self.lock_within(waited)?;
            let is_dead = |claim| self.is_dead(claim);
            let words = guard.words()?;
            self.open_abandoned(words);
            let cleared =
                Transaction::begin(words, self.current_layout(), &is_dead, self, Room::new())
                    .clear();
            let Err(Fault::Claimed(claimed)) = cleared else {
                guard.hand_over();
                self.wake_after_unlock(Touched::Many);
                return cleared;
            };
            self.close_claims(words, waited);
            guard.hand_over();
            self.outlast(claimed, waited)?;
        }
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
        let lease = if mode == PutMode::Update { Lease::Kept } else { Lease::Default };
        self.write_many(&keys, |transaction, index, key| {
            let value = values.get(index).copied().unwrap_or_default();
            transaction.put(mode, key, value, lease).map(drop)
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
        let written = self.write_all(keys, room(keys.len()), &Waited::default(), |transaction| {
            for index in 0..keys.len() {
                at = index;
                stage(transaction, index, keys.get(index))?;
            }
            Ok(())
        });
        written.map_err(|fault| {
            if let Fault::TooMany { index, .. } = fault {
                at = index;
            }
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
        let (start, waited) = (Instant::now(), Waited::default());
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
            let stored = match self.claim_found(found, &waited)? {
                Claiming::Claimed(claim) => {
                    claim.commit(&value, Lease::Kept);
                    Ok(true)
                }
                Claiming::Changed | Claiming::Absent => Ok(false),
                Claiming::NeedsLock => self.write(Room::new(), &waited, |transaction| {
                    let same = transaction.hold_from(found.slot, found.version)?;
                    if same {
                        transaction.replace(found.slot, &value, Lease::Kept);
                    }
                    Ok(same)
                }),
            };
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
        let mut found = Value::with_room(self.shape().geometry.value_size);
        self.modify(key, |buffer, len, replace| {
            if buffer.is(expected, len) {
                replace(new);
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

    /// Changes a value that nobody else changes meanwhile. `f` gets the value and a function that
    /// replaces it. `f` is the table's own code, short, and allocates nothing.
    pub(super) fn modify<R>(
        &self,
        key: &[u64],
        mut f: impl FnMut(Buffer<'_>, usize, &mut dyn FnMut(&[u8])) -> Result<R, Fault>,
    ) -> Result<R, TableError> {
        let waited = Waited::default();
        let modified = match self.claim(key, &waited)? {
            Claiming::Claimed(claim) => {
                let (buffer, len) = claim.value();
                let mut claim = Some(claim);
                f(buffer, len, &mut |value| {
                    if let Some(claim) = claim.take() {
                        claim.commit(value, Lease::Kept);
                    }
                })
            }
            Claiming::Absent => Err(Fault::NotFound),
            _ => self.write(Room::new(), &waited, |transaction| {
                let Some((slot, _)) = transaction.find(key) else {
                    return Err(Fault::NotFound);
                };
                transaction.hold(slot)?;
                let (buffer, len) = transaction.slot(slot).value();
                f(buffer, len, &mut |value| transaction.replace(slot, value, Lease::Kept))
            }),
        };
        modified.map_err(|fault| fault.into_error(self.key_kind(), key))
    }

    /// Writes the table back to its file with `msync`. This matters for a namespace on a disk.
    ///
    /// # Errors
    /// If `msync` fails.
    pub fn flush(&self) -> std::io::Result<()> {
        self.segment.flush()
    }

    /// Address of the word that names the holder of the lock, for debuggers and crash tests.
    #[must_use]
    pub fn lock_address(&self) -> usize {
        self.segment.lock_address()
    }

    #[inline(always)]
    fn check_value(&self, key: &[u64], value: &[u8]) -> Result<(), TableError> {
        let max = self.shape().geometry.value_size;
        if value.len() <= max { Ok(()) } else { Err(self.too_large(key, value.len(), max)) }
    }

    #[cold]
    #[inline(never)]
    fn too_large(&self, key: &[u64], len: usize, max: usize) -> TableError {
        TableError::ValueTooLarge { key: any_key(self.key_kind(), key), len, max }
    }
}

fn in_batch(index: usize, source: TableError) -> TableError {
    match source {
        lock @ TableError::Lock(_) => lock,
        source => TableError::InBatch { index, source: Box::new(source) },
    }
}
