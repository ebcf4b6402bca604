//! The status table: the operations of the original C++ class, under Rust names.

use shm_core::{Entry, Name, Namespace};
use slotmap_shm::{
    Access, Geometry, Iter, KIND, Listing, ReadOnly, ReadWrite, Stats, Table, TableOptions,
    TableWriter, Upserted, Value,
};

use crate::error::Error;
use crate::status_options::StatusOptions;

/// A table with `i32` keys and values of any bytes. It is `Send` and `Sync`.
///
/// It has the operations of the original, which is a C++ class over POSIX shared memory. Their
/// names follow Rust's conventions: `addRsc` is [`add`](StatusTable::add), `isContain` is
/// [`contains`](StatusTable::contains), `batchGetRsc` is [`batch_get`](StatusTable::batch_get), and
/// `batchUpdateRsc` is [`batch_update`](StatusTable::batch_update). A [`Table`] calls the last
/// three `contains_key`, `get_many` and `update_many`. Operations that the original lacks have the
/// names that they have in [`Table`], such as [`add_many`](StatusTable::add_many).
/// [`table`](StatusTable::table) gives access to the operations of [`Table`] that are missing here.
///
/// `A` says what the handle may do. A `StatusTable` reads and writes. A [`StatusReader`] only
/// reads. It takes no lock, never waits and needs no write permission.
#[derive(Debug)]
pub struct StatusTable<A: Access = ReadWrite> {
    table: Table<i32, A>,
    namespace: Namespace,
    name: Name,
}

/// A status table that is opened for reading only.
pub type StatusReader = StatusTable<ReadOnly>;

impl StatusTable<ReadOnly> {
    /// Opens an existing table of the default namespace for reading only.
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::Create`], [`Error::OpenTable`], [`Error::Name`].
    pub fn open_read_only(name: &str) -> Result<Self, Error> {
        Self::open_read_only_with(name, &StatusOptions::default())
    }

    /// Opens an existing table for reading only. Of `options`, only `namespace`, `trust`,
    /// `read_timeout` and `interrupt` are used.
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::Create`], [`Error::OpenTable`], [`Error::Name`].
    pub fn open_read_only_with(name: &str, options: &StatusOptions) -> Result<Self, Error> {
        let name = Name::new(name)?;
        let namespace = options.namespace.clone();
        let table = Table::open_read_only(&namespace, &name, &options.read_options())?;
        Ok(Self { table, namespace, name })
    }
}

impl<A: Access> StatusTable<A> {
    /// Returns a copy of the value of `key`, or `None` if the key is absent. O(1). This is `getRsc`
    /// of the original.
    ///
    /// # Errors
    /// [`Error::Table`] with an error of [`Table::get`].
    pub fn get(&self, key: i32) -> Result<Option<Value>, Error> {
        Ok(self.table.get(&key)?)
    }

    /// Copies the value of `key` to the start of `buffer` and returns the value's length in bytes,
    /// or `None` if the key is absent. O(1). Allocates nothing.
    ///
    /// # Errors
    /// [`Error::Table`] with an error of [`Table::get_into`].
    pub fn get_into(&self, key: i32, buffer: &mut [u8]) -> Result<Option<usize>, Error> {
        Ok(self.table.get_into(&key, buffer)?)
    }

    /// True if `key` has a value. O(1). This is `isContain` of the original.
    ///
    /// # Errors
    /// The errors of [`StatusTable::get`].
    pub fn contains(&self, key: i32) -> Result<bool, Error> {
        Ok(self.table.contains_key(&key)?)
    }

    /// Returns the values of `keys`, all as they were at one moment. This is `batchGetRsc` of the
    /// original.
    ///
    /// # Errors
    /// [`Error::Table`] with an error of [`Table::get_many`].
    pub fn batch_get(&self, keys: &[i32]) -> Result<Vec<Option<Value>>, Error> {
        Ok(self.table.get_many(keys)?)
    }

    /// Returns all entries as they were at one moment, in no particular order. O(capacity).
    ///
    /// # Errors
    /// [`Error::Table`] with an error of [`Table::entries`].
    pub fn entries(&self) -> Result<Vec<(i32, Value)>, Error> {
        Ok(self.table.entries()?)
    }

    /// Returns all entries, in no particular order. If possible, they are as they were at one
    /// moment. Otherwise, each entry is whole, but the entries are of different moments.
    /// O(capacity).
    ///
    /// # Errors
    /// [`Error::Table`] with an error of [`Table::listing`].
    pub fn listing(&self) -> Result<Listing<i32>, Error> {
        Ok(self.table.listing()?)
    }

    /// Iterates over the entries, in no particular order. Each entry is whole, but the entries are
    /// of different moments; see [`Table::iter`].
    pub fn iter(&self) -> Iter<'_, i32, A> {
        self.table.iter()
    }

    /// Returns the number of entries. O(1). This is `rscNum` of the original.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// True if there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Returns the exact maximum number of entries. If the table may grow, this is the number of
    /// entries that fit before it grows again.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.table.capacity()
    }

    /// Returns the sizes with which the table was created, and whether its entries expire or are
    /// evicted.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.table.geometry()
    }

    /// Returns counts and sizes of the table. O(1).
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.table.stats()
    }

    /// Returns the threads that write, or have written, to the table. See [`Table::writers`].
    #[must_use]
    pub fn writers(&self) -> Vec<TableWriter> {
        self.table.writers()
    }

    /// True if the name no longer leads to this table.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn is_orphaned(&self) -> Result<bool, Error> {
        self.table.is_orphaned().map_err(|source| namespace_error(&self.namespace, source))
    }

    /// Returns the namespace of the table.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Returns the underlying table, which has more operations.
    #[must_use]
    pub fn table(&self) -> &Table<i32, A> {
        &self.table
    }
}

impl StatusTable {
    /// Opens a table of the default namespace, or creates it if it does not exist.
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::Create`], [`Error::OpenTable`], [`Error::Name`].
    pub fn open_or_create(name: &str) -> Result<Self, Error> {
        Self::open_or_create_with(name, &StatusOptions::default())
    }

    /// Opens a table, or creates it if it does not exist. An existing table must have the requested
    /// sizes, expiry and eviction.
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::Create`], [`Error::OpenTable`], [`Error::Name`].
    pub fn open_or_create_with(name: &str, options: &StatusOptions) -> Result<Self, Error> {
        Self::made_by(Table::open_or_create, name, options)
    }

    /// Creates a table. Fails if there is a table of that name.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] if there is a table of that name.
    pub fn create_with(name: &str, options: &StatusOptions) -> Result<Self, Error> {
        Self::made_by(Table::create, name, options)
    }

    /// Opens an existing table, whatever its sizes.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no table of that name.
    pub fn open_with(name: &str, options: &StatusOptions) -> Result<Self, Error> {
        Self::made_by(Table::open, name, options)
    }

    /// Opens an existing table of the default namespace, whatever its sizes.
    ///
    /// # Errors
    /// The errors of [`StatusTable::open_with`].
    pub fn open(name: &str) -> Result<Self, Error> {
        Self::open_with(name, &StatusOptions::default())
    }

    /// Creates a table in the default namespace. Fails if there is a table of that name.
    ///
    /// # Errors
    /// The errors of [`StatusTable::create_with`].
    pub fn create(name: &str) -> Result<Self, Error> {
        Self::create_with(name, &StatusOptions::default())
    }

    fn made_by(
        make: fn(
            &Namespace,
            &Name,
            &TableOptions,
        ) -> Result<Table<i32>, slotmap_shm::TableOpenError>,
        name: &str,
        options: &StatusOptions,
    ) -> Result<Self, Error> {
        let name = Name::new(name)?;
        let namespace = options.namespace.clone();
        let table = make(&namespace, &name, &options.table_options())?;
        Ok(Self { table, namespace, name })
    }

    /// Adds an entry for a key that is absent. This is `addRsc` of the original.
    ///
    /// # Errors
    /// [`Error::Table`] with `DuplicateKey`, `Full`, `ValueTooLarge` or `Lock`. Nothing was
    /// changed.
    pub fn add(&self, key: i32, value: impl AsRef<[u8]>) -> Result<(), Error> {
        Ok(self.table.add(&key, value)?)
    }

    /// Replaces the value of a key that is present. This is `updateRsc` of the original.
    ///
    /// # Errors
    /// [`Error::Table`] with `NotFound`, `ValueTooLarge` or `Lock`. Nothing was changed.
    pub fn update(&self, key: i32, value: impl AsRef<[u8]>) -> Result<(), Error> {
        Ok(self.table.update(&key, value)?)
    }

    /// Sets the value of a key, whether the key is present or not. This is `upsertRsc` of the
    /// original.
    ///
    /// # Errors
    /// [`Error::Table`] with `Full`, `ValueTooLarge` or `Lock`. Nothing was changed.
    pub fn upsert(&self, key: i32, value: impl AsRef<[u8]>) -> Result<Upserted, Error> {
        Ok(self.table.upsert(&key, value)?)
    }

    /// Removes a key and its value. This is `removeRsc` of the original.
    ///
    /// # Errors
    /// [`Error::Table`] with `NotFound` or `Lock`. Nothing was changed.
    pub fn remove(&self, key: i32) -> Result<(), Error> {
        Ok(self.table.remove(&key)?)
    }

    /// Replaces the values of keys that must all exist: either all of them or none, even if the
    /// process is killed. This is `batchUpdateRsc` of the original.
    ///
    /// # Errors
    /// [`Error::Table`] with `InBatch`, which names the key at fault. Nothing was changed.
    pub fn batch_update<V: AsRef<[u8]>>(&self, entries: &[(i32, V)]) -> Result<(), Error> {
        Ok(self.table.update_many(entries)?)
    }

    /// Adds keys that must all be absent: either all of them or none.
    ///
    /// # Errors
    /// [`Error::Table`] with `InBatch`, which names the key at fault. Nothing was changed.
    pub fn add_many<V: AsRef<[u8]>>(&self, entries: &[(i32, V)]) -> Result<(), Error> {
        Ok(self.table.add_many(entries)?)
    }

    /// Removes keys that must all exist: either all of them or none.
    ///
    /// # Errors
    /// [`Error::Table`] with `InBatch`, which names the key at fault. Nothing was changed.
    pub fn remove_many(&self, keys: &[i32]) -> Result<(), Error> {
        Ok(self.table.remove_many(keys)?)
    }

    /// Adds `by` to a counter and returns the new value. If the key is absent, the counter starts
    /// at `initial`. See [`Table::increment`].
    ///
    /// # Errors
    /// [`Error::Table`] with `NotACounter`, `NoRoomForCounter`, `Full` or `Lock`. Nothing was
    /// changed.
    pub fn increment(&self, key: i32, by: i64, initial: i64) -> Result<i64, Error> {
        Ok(self.table.increment(&key, by, initial)?)
    }

    /// Sets the values of keys, whether they exist or not: either all of them or none.
    ///
    /// # Errors
    /// [`Error::Table`] with `InBatch`, which names the key at fault. Nothing was changed.
    pub fn upsert_many<V: AsRef<[u8]>>(&self, entries: &[(i32, V)]) -> Result<(), Error> {
        Ok(self.table.upsert_many(entries)?)
    }

    /// Removes all entries at once. This is `clearRsc` of the original.
    ///
    /// # Errors
    /// [`Error::Table`] with `Lock`.
    pub fn clear(&self) -> Result<(), Error> {
        Ok(self.table.clear()?)
    }

    /// Removes the table's name. Handles that are open, this one too, go on with the old table, and
    /// [`StatusTable::is_orphaned`] tells them. Returns false if the name was already gone, or
    /// leads to another table now. Checking and removing are two steps, so a table that gets the
    /// name between them is removed. This is `cleanup` of the original.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn unlink(&self) -> Result<bool, Error> {
        if self.is_orphaned()? {
            return Ok(false);
        }
        Self::unlink_name(self.name.as_str(), &self.namespace)
    }

    /// Removes a name without opening the table. Returns false if there was no such name. Handles
    /// that are open go on with the old table, and [`StatusTable::is_orphaned`] tells them.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Name`].
    pub fn unlink_name(name: &str, namespace: &Namespace) -> Result<bool, Error> {
        let name = Name::new(name)?;
        namespace.unlink(&name, KIND).map_err(|source| namespace_error(namespace, source))
    }

    /// Lists all segments of a namespace, sorted by name and kind: tables, and also published maps
    /// and their control segments. [`Entry::kind`] tells them apart; that of a table is `"table"`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn list(namespace: &Namespace) -> Result<Vec<Entry>, Error> {
        namespace.list().map_err(|source| namespace_error(namespace, source))
    }
}

impl<'a, A: Access> IntoIterator for &'a StatusTable<A> {
    type Item = Result<(i32, Value), slotmap_shm::TableError>;
    type IntoIter = Iter<'a, i32, A>;

    fn into_iter(self) -> Iter<'a, i32, A> {
        self.iter()
    }
}

fn namespace_error(namespace: &Namespace, source: std::io::Error) -> Error {
    shm_core::IoError::new("read", namespace.dir(), source).into()
}
