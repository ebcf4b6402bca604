//! Writing a table.

use std::borrow::Borrow;
use std::ops::Deref;
use std::time::Instant;

use shm_core::{CreateOptions, Guard, LockError, Name, Namespace, WritableSegment};

use crate::KIND;
use crate::crowded::CheckRoom;
use crate::error::{TableError, TableOpenError};
use crate::fault::Fault;
use crate::key::Key;
use crate::layout::{LAYOUT_VERSION, Layout, encode};
use crate::options::TableOptions;
use crate::reader::{Mapped, TableReader};
use crate::recover::{self, Repaired};
use crate::transaction::{Mode, Room, Transaction, Upserted, room};
use crate::value::Value;

/// A batch of more members holds the lock long enough to give way to others afterwards.
const LONG_BATCH: usize = 1000;

/// Attempts that [`Table::update_with`] makes at least before it gives up.
const MIN_UPDATES: usize = 16;

/// A table opened for reading and writing. Dereferences to [`TableReader`].
///
/// Every change is all or nothing, for every reader and whatever happens to the
/// writer. `Send` and `Sync`; writers of all processes and threads exclude each other.
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
pub struct Table<K: Key + ?Sized> {
    reader: TableReader<K>,
}

impl<K: Key + ?Sized> Table<K> {
    /// Creates a table. It appears under its name whole or not at all.
    ///
    /// # Errors
    /// [`TableOpenError`]; `CreateError::AlreadyExists` when the name is taken.
    pub fn create(
        namespace: &Namespace,
        name: &Name,
        options: &TableOptions,
    ) -> Result<Self, TableOpenError> {
        let (create, layout) = Self::prepare(options)?;
        let segment =
            namespace.create(name, &create, |words| recover::initialise(words, &layout))?;
        Self::from_segment(segment, options)
    }

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
        Self::from_segment(segment, options)
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
        let (create, layout) = Self::prepare(options)?;
        let init = |words: shm_core::Words<'_>| recover::initialise(words, &layout);
        let (trust, patience) = (&options.trust, options.patience());
        let segment = namespace.open_or_create(name, &create, trust, &patience, init)?;
        let table = Self::from_segment(segment, options)?;
        let (found, asked) = (table.geometry(), options.geometry);
        let mut fields = vec![
            ("capacity", found.capacity, asked.capacity),
            ("value_size", found.value_size, asked.value_size),
        ];
        if K::KIND.words(1) > 1 {
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

    fn prepare(options: &TableOptions) -> Result<(CreateOptions, Layout), TableOpenError> {
        let mut seed = [0; 8];
        shm_core::random(&mut seed).map_err(|source| shm_core::CreateError::Io {
            action: "draw a hash seed for",
            path: "a table".into(),
            source,
        })?;
        let seed = u64::from_ne_bytes(seed);
        let layout = Layout::new(options.geometry, K::KIND, seed)?;
        let create = CreateOptions {
            kind: KIND,
            kind_version: LAYOUT_VERSION,
            geometry: encode(options.geometry, K::KIND, seed),
            body_len: layout.total_words as u64 * 8,
            mode: options.mode,
        };
        Ok((create, layout))
    }

    fn from_segment(
        segment: WritableSegment,
        options: &TableOptions,
    ) -> Result<Self, TableOpenError> {
        Ok(Self { reader: TableReader::from_mapped(Mapped::Writable(segment), options)? })
    }

    /// Adds an entry for a key that has none.
    ///
    /// # Errors
    /// [`TableError::DuplicateKey`], [`TableError::Full`],
    /// [`TableError::ValueTooLarge`], [`TableError::KeyTooLong`],
    /// [`TableError::Lock`]; nothing was changed.
    pub fn add(&self, key: &K, value: &[u8]) -> Result<(), TableError> {
        self.put(Mode::Add, key, value).map(drop)
    }

    /// Replaces the value of a key that has one.
    ///
    /// # Errors
    /// [`TableError::NotFound`] and those of [`Table::add`]; nothing was changed.
    pub fn update(&self, key: &K, value: &[u8]) -> Result<(), TableError> {
        self.put(Mode::Update, key, value).map(drop)
    }

    /// Sets the value of a key, whether it has one or not.
    ///
    /// # Errors
    /// Those of [`Table::add`] but `DuplicateKey`; nothing was changed.
    pub fn upsert(&self, key: &K, value: &[u8]) -> Result<Upserted, TableError> {
        self.put(Mode::Upsert, key, value)
    }

    #[inline]
    fn put(&self, mode: Mode, key: &K, value: &[u8]) -> Result<Upserted, TableError> {
        self.check_value(value)?;
        let mut room = K::ROOM;
        let key = self.words_of(key, &mut room)?;
        self.write(Room::new(), |transaction| transaction.put(mode, key, value))
            .map_err(|fault| fault.into_error::<K>(key))
    }

    /// Removes an entry.
    ///
    /// # Errors
    /// [`TableError::NotFound`] when there is none; nothing was changed.
    pub fn remove(&self, key: &K) -> Result<(), TableError> {
        let mut room = K::ROOM;
        let key = self.words_of(key, &mut room)?;
        self.write(Room::new(), |transaction| transaction.remove(key))
            .map_err(|fault| fault.into_error::<K>(key))
    }

    /// Removes all entries, at once. O(capacity).
    ///
    /// # Errors
    /// [`TableError::Lock`].
    pub fn clear(&self) -> Result<(), TableError> {
        let guard = self.lock()?;
        Transaction::begin(guard.words()?, self.layout(), Room::new()).clear();
        guard.hand_over();
        Ok(())
    }

    /// Adds entries for keys that have none: all of them or, if one is at fault, none.
    ///
    /// # Errors
    /// [`TableError::InBatch`], which names the member (a key that occurs twice
    /// is a duplicate); [`TableError::Lock`].
    pub fn add_many<Q: Borrow<K>, V: AsRef<[u8]>>(
        &self,
        entries: &[(Q, V)],
    ) -> Result<(), TableError> {
        self.put_many(Mode::Add, entries)
    }

    /// Replaces the values of keys that all must have one: all of them or, if one
    /// is at fault, none. Of a key that occurs twice the last value counts.
    ///
    /// Readers see the whole batch at once, and so does everybody when this process is killed.
    ///
    /// # Errors
    /// [`TableError::InBatch`], which names the member; [`TableError::Lock`].
    pub fn update_many<Q: Borrow<K>, V: AsRef<[u8]>>(
        &self,
        entries: &[(Q, V)],
    ) -> Result<(), TableError> {
        self.put_many(Mode::Update, entries)
    }

    /// Sets the values of keys, whether they have one or not; as
    /// [`Table::update_many`] in all else.
    ///
    /// # Errors
    /// [`TableError::InBatch`], which names the member; [`TableError::Lock`].
    pub fn upsert_many<Q: Borrow<K>, V: AsRef<[u8]>>(
        &self,
        entries: &[(Q, V)],
    ) -> Result<(), TableError> {
        self.put_many(Mode::Upsert, entries)
    }

    /// Removes entries: all of them or, if one is not there (or named twice), none.
    ///
    /// # Errors
    /// [`TableError::InBatch`], which names the member; [`TableError::Lock`].
    pub fn remove_many<Q: Borrow<K>>(&self, keys: &[Q]) -> Result<(), TableError> {
        let keys: Vec<&K> = keys.iter().map(Borrow::borrow).collect();
        self.write_many(&keys, |key| key, |transaction, _, key| transaction.remove(key))
    }

    fn put_many<Q: Borrow<K>, V: AsRef<[u8]>>(
        &self,
        mode: Mode,
        entries: &[(Q, V)],
    ) -> Result<(), TableError> {
        // The caller's `borrow` and `as_ref` run here, before the lock is taken.
        let mut members: Vec<(&K, &[u8])> = Vec::with_capacity(entries.len());
        for (index, (key, value)) in entries.iter().enumerate() {
            let value = value.as_ref();
            self.check_value(value).map_err(|e| in_batch(index, e))?;
            members.push((key.borrow(), value));
        }
        self.write_many(
            &members,
            |(key, _)| key,
            |transaction, (_, value), key| transaction.put(mode, key, value).map(drop),
        )
    }

    /// Stages each member of a batch, and commits them all or none.
    fn write_many<M>(
        &self,
        members: &[M],
        key_of: impl Fn(&M) -> &K,
        stage: impl Fn(&mut Transaction<'_>, &M, &[u64]) -> Result<(), Fault>,
    ) -> Result<(), TableError> {
        let mut at = 0;
        let written = self.write(room(members.len()), |transaction| {
            for (index, member) in members.iter().enumerate() {
                at = index;
                let mut room = K::ROOM;
                let key = self.words_of(key_of(member), &mut room).map_err(Fault::Key)?;
                stage(transaction, member, key)?;
            }
            Ok(())
        });
        written.map_err(|fault| {
            let mut room = K::ROOM;
            let key = members.get(at).map(|member| self.words_of(key_of(member), &mut room));
            let key = key.and_then(Result::ok).unwrap_or_default();
            in_batch(at, fault.into_error::<K>(key))
        })
    }

    /// Replaces the value of `key` by what `f` makes of it.
    ///
    /// `f` edits a private copy, and runs without the lock: it may take its time,
    /// panic or fork, and hold up nobody. When another write of the key
    /// completed meanwhile, it is called again with the new value.
    ///
    /// # Errors
    /// [`TableError::NotFound`], [`TableError::ValueTooLarge`] (of the result),
    /// [`TableError::Lock`]; [`TableError::Contended`] when others changed the value first each
    /// time, for as long as the lock timeout and sixteen times at least. Nothing was changed.
    pub fn update_with(&self, key: &K, mut f: impl FnMut(&mut Vec<u8>)) -> Result<(), TableError> {
        let start = Instant::now();
        let mut room = K::ROOM;
        let words = self.words_of(key, &mut room)?;
        for attempt in 1.. {
            let mut value = Vec::new();
            let Some(found) = self.reader.get_versioned(words, &mut value)? else {
                return Err(Fault::NotFound.into_error::<K>(words));
            };
            f(&mut value);
            self.check_value(&value)?;
            // The version counter never comes back: an equal version is the
            // same entry with the same value.
            let stored = self.write(Room::new(), |transaction| {
                let same = transaction.slot(found.slot).version() == found.version;
                if same {
                    transaction.replace(found.slot, &value);
                }
                Ok(same)
            });
            if stored.map_err(|fault| fault.into_error::<K>(words))? {
                return Ok(());
            }
            let waited = start.elapsed();
            if attempt >= MIN_UPDATES
                && self.reader.limits.lock.limit.is_some_and(|limit| waited > limit)
            {
                return Err(TableError::Contended { waited });
            }
        }
        Ok(())
    }

    /// Replaces the value of `key` by `new` if it is `expected`.
    ///
    /// # Errors
    /// [`TableError::Mismatch`] with the value found; [`TableError::NotFound`],
    /// [`TableError::ValueTooLarge`], [`TableError::Lock`]; nothing was changed.
    pub fn compare_exchange(&self, key: &K, expected: &[u8], new: &[u8]) -> Result<(), TableError> {
        self.check_value(new)?;
        // For the value that is found instead: made before the lock is taken.
        let mut found = Value::with_room(self.layout().geometry.value_size);
        self.modify(key, |transaction, slot| {
            let (buffer, len) = transaction.slot(slot).value();
            if buffer.is(expected, len) {
                transaction.replace(slot, new);
                return Ok(());
            }
            found.fill(buffer, len);
            Err(Fault::Mismatch)
        })
        .map_err(|error| match error {
            TableError::Mismatch { .. } => TableError::Mismatch { found: found.fit() },
            other => other,
        })
    }

    /// Adds `delta` to a counter (8 bytes, little endian, wrapping) and returns
    /// the value before.
    ///
    /// # Errors
    /// [`TableError::NotACounter`], [`TableError::NotFound`], [`TableError::Lock`];
    /// nothing was changed.
    pub fn fetch_add(&self, key: &K, delta: i64) -> Result<i64, TableError> {
        self.modify(key, |transaction, slot| {
            let (buffer, len) = transaction.slot(slot).value();
            let mut bytes = [0; 8];
            if len != bytes.len() {
                return Err(Fault::NotACounter { len });
            }
            buffer.copy_to(&mut bytes);
            let before = i64::from_le_bytes(bytes);
            transaction.replace(slot, &before.wrapping_add(delta).to_le_bytes());
            Ok(before)
        })
    }

    /// Changes a value under the lock. `f` is the table's own code, short, and
    /// allocates nothing.
    fn modify<R>(
        &self,
        key: &K,
        f: impl FnOnce(&mut Transaction<'_>, usize) -> Result<R, Fault>,
    ) -> Result<R, TableError> {
        let mut room = K::ROOM;
        let key = self.words_of(key, &mut room)?;
        self.write(Room::new(), |transaction| match transaction.find(key) {
            Some((slot, _)) => f(transaction, slot),
            None => Err(Fault::NotFound),
        })
        .map_err(|fault| fault.into_error::<K>(key))
    }

    /// The values of `keys`, all of one moment: [`TableReader::get_many`], which takes the lock where
    /// writes keep completing meanwhile. O(keys).
    ///
    /// # Errors
    /// As [`TableReader::get`].
    pub fn get_many<Q: Borrow<K>>(&self, keys: &[Q]) -> Result<Vec<Option<Value>>, TableError> {
        self.reader.get_many(keys)
    }

    /// All entries as they were at one moment: [`TableReader::entries`], which takes the lock where
    /// writes keep completing meanwhile. O(capacity).
    ///
    /// # Errors
    /// As [`TableReader::get`].
    pub fn entries(&self) -> Result<Vec<(K::Owned, Value)>, TableError> {
        self.reader.entries()
    }

    /// Checks under the lock that slots, index, free list and count agree. The bytes of values
    /// are not checked: any may be right.
    /// O(capacity), and O(capacity × log capacity) for keys that were made to collide.
    ///
    /// The lock is held for the whole of it, since what is checked must not change meanwhile, and is
    /// then handed to another writer who waits for it.
    ///
    /// # Errors
    /// [`TableError::Corrupt`] with what is wrong, and where; the next write then repairs.
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

    /// Repairs now what a dead writer or a damaged file left, rather than at the next write. Tells
    /// what could not be kept: everything in sound slots is.
    ///
    /// # Errors
    /// [`TableError::Lock`].
    pub fn recover(&self) -> Result<Repaired, TableError> {
        self.suspect();
        let (guard, repaired) = self.lock_and_tell()?;
        guard.hand_over();
        Ok(repaired)
    }

    /// Writes the table back to its file (`msync`); of use in a namespace on a disk.
    ///
    /// # Errors
    /// When `msync` fails.
    pub fn flush(&self) -> std::io::Result<()> {
        self.reader.writable().map_or(Ok(()), WritableSegment::flush)
    }

    /// Address of the mutex in this process, for debuggers and crash tests.
    #[must_use]
    pub fn lock_address(&self) -> usize {
        self.reader.writable().map_or(0, WritableSegment::lock_address)
    }

    fn check_value(&self, value: &[u8]) -> Result<(), TableError> {
        let max = self.layout().geometry.value_size;
        if value.len() <= max {
            Ok(())
        } else {
            Err(TableError::ValueTooLarge { len: value.len(), max })
        }
    }

    /// Runs `f` in a transaction: commits what it staged, or drops it all.
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
        if spent.len() >= LONG_BATCH {
            guard.hand_over();
        } else {
            drop(guard);
        }
        // Freed after the lock was released.
        drop(spent);
        result
    }

    #[inline(always)]
    fn lock(&self) -> Result<Guard<'_>, LockError> {
        self.reader.lock()
    }
}

impl<K: Key + ?Sized> Deref for Table<K> {
    type Target = TableReader<K>;

    #[inline(always)]
    fn deref(&self) -> &TableReader<K> {
        &self.reader
    }
}

impl<K: Key + ?Sized> std::fmt::Debug for Table<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("reader", &self.reader).finish_non_exhaustive()
    }
}

fn in_batch(index: usize, source: TableError) -> TableError {
    match source {
        lock @ TableError::Lock(_) => lock,
        source => TableError::InBatch { index, source: Box::new(source) },
    }
}
