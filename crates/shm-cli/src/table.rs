//! Tables of any key type behind one interface.

use std::borrow::Borrow;

use shm_core::{Name, Namespace, Segment};
use slotmap_shm::{
    Damage, Geometry, Key, Repaired, Stats, Table, TableError, TableOpenError, TableOptions,
    TableReader, Value,
};

use crate::failure::{Exit, Failure};
use crate::key::{AnyKey, KeyType};

/// A type of keys, between the library and the command line.
trait TableKey: Key<Owned: Borrow<Self> + 'static> + 'static {
    const TYPE: KeyType;

    /// The key, if it is of this type.
    fn of(key: &AnyKey) -> Option<Self::Owned>;

    fn any(key: Self::Owned) -> AnyKey;
}

macro_rules! integers {
    ($($t:ty: $variant:ident, $type:ident);*) => {$(
        impl TableKey for $t {
            const TYPE: KeyType = KeyType::$type;

            fn of(key: &AnyKey) -> Option<$t> {
                match key {
                    AnyKey::$variant(n) => <$t>::try_from(*n).ok(),
                    _ => None,
                }
            }

            fn any(key: $t) -> AnyKey {
                AnyKey::$variant(key.into())
            }
        }
    )*};
}

integers!(
    i8: Signed, I8; i16: Signed, I16; i32: Signed, I32; i64: Signed, I64;
    u8: Unsigned, U8; u16: Unsigned, U16; u32: Unsigned, U32; u64: Unsigned, U64
);

impl TableKey for str {
    const TYPE: KeyType = KeyType::Str;

    fn of(key: &AnyKey) -> Option<String> {
        match key {
            AnyKey::Bytes(bytes) => String::from_utf8(bytes.clone()).ok(),
            _ => None,
        }
    }

    fn any(key: String) -> AnyKey {
        AnyKey::Bytes(key.into_bytes())
    }
}

impl TableKey for [u8] {
    const TYPE: KeyType = KeyType::Bytes;

    fn of(key: &AnyKey) -> Option<Vec<u8>> {
        match key {
            AnyKey::Bytes(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }

    fn any(key: Vec<u8>) -> AnyKey {
        AnyKey::Bytes(key)
    }
}

/// All entries of a table, in the order of their keys.
pub(crate) struct Listing {
    pub(crate) entries: Vec<(AnyKey, Value)>,
    /// They stood together at one moment.
    pub(crate) one_moment: bool,
    /// Slots that were left out, because they are damaged.
    pub(crate) damaged: usize,
}

/// What can be done with a table that is open for reading.
pub(crate) trait Readable {
    fn key_type(&self) -> KeyType;
    /// The values of keys, of one moment.
    fn get_many(&self, keys: &[AnyKey]) -> Result<Vec<Option<Value>>, Failure>;
    /// All entries, in the order of their keys.
    fn listing(&self) -> Result<Listing, Failure>;
    /// What is damaged.
    fn damage(&self) -> Damage;
    fn stats(&self) -> Stats;
    fn geometry(&self) -> Geometry;
    fn segment(&self) -> &Segment;
}

/// What can be done with a table that is open for writing.
pub(crate) trait Writable: Readable {
    fn put(&self, how: Put, key: &AnyKey, value: &[u8]) -> Result<(), Failure>;
    /// All of them or none. The index in the failure is that of the entry at fault.
    fn upsert_many(&self, entries: &[(AnyKey, Vec<u8>)]) -> Result<(), (Option<usize>, Failure)>;
    /// All of them or none.
    fn remove_many(&self, keys: &[AnyKey]) -> Result<(), Failure>;
    fn verify(&self) -> Result<(), Failure>;
    fn repair(&self) -> Result<Repaired, Failure>;
}

/// How a value is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// Whether the key is there or not.
    Set,
    /// Only if it is not.
    Add,
    /// Only if it is.
    Update,
}

fn keys<K: TableKey + ?Sized>(keys: &[AnyKey]) -> Result<Vec<K::Owned>, Failure> {
    keys.iter().map(|key| one::<K>(key)).collect()
}

fn one<K: TableKey + ?Sized>(key: &AnyKey) -> Result<K::Owned, Failure> {
    // Keys are parsed by the type of the table; this is for a table that was replaced meanwhile.
    let wrong = || {
        let text = format!("{} is no key of type {}", key.text(), K::TYPE.name());
        Failure::new(Exit::Mismatch, text).hint("the table was replaced meanwhile: once more")
    };
    K::of(key).ok_or_else(wrong)
}

impl<K: TableKey + ?Sized> Readable for TableReader<K> {
    fn key_type(&self) -> KeyType {
        K::TYPE
    }

    fn get_many(&self, wanted: &[AnyKey]) -> Result<Vec<Option<Value>>, Failure> {
        Ok(TableReader::get_many(self, &keys::<K>(wanted)?)?)
    }

    fn listing(&self) -> Result<Listing, Failure> {
        let slotmap_shm::Listing { entries, one_moment, damaged, .. } = TableReader::listing(self)?;
        let mut entries: Vec<_> =
            entries.into_iter().map(|(key, value)| (K::any(key), value)).collect();
        entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Listing { entries, one_moment, damaged })
    }

    fn damage(&self) -> Damage {
        TableReader::damage(self)
    }

    fn stats(&self) -> Stats {
        TableReader::stats(self)
    }

    fn geometry(&self) -> Geometry {
        TableReader::geometry(self)
    }

    fn segment(&self) -> &Segment {
        TableReader::segment(self)
    }
}

impl<K: TableKey + ?Sized> Readable for Table<K> {
    fn key_type(&self) -> KeyType {
        K::TYPE
    }

    fn get_many(&self, wanted: &[AnyKey]) -> Result<Vec<Option<Value>>, Failure> {
        Ok(Table::get_many(self, &keys::<K>(wanted)?)?)
    }

    fn listing(&self) -> Result<Listing, Failure> {
        Readable::listing(&**self)
    }

    fn damage(&self) -> Damage {
        Readable::damage(&**self)
    }

    fn stats(&self) -> Stats {
        (**self).stats()
    }

    fn geometry(&self) -> Geometry {
        (**self).geometry()
    }

    fn segment(&self) -> &Segment {
        (**self).segment()
    }
}

impl<K: TableKey + ?Sized> Writable for Table<K> {
    fn put(&self, how: Put, key: &AnyKey, value: &[u8]) -> Result<(), Failure> {
        let key = one::<K>(key)?;
        match how {
            Put::Set => self.upsert(key.borrow(), value).map(drop)?,
            Put::Add => self.add(key.borrow(), value)?,
            Put::Update => self.update(key.borrow(), value)?,
        }
        Ok(())
    }

    fn upsert_many(&self, entries: &[(AnyKey, Vec<u8>)]) -> Result<(), (Option<usize>, Failure)> {
        let mut batch = Vec::with_capacity(entries.len());
        for (index, (key, value)) in entries.iter().enumerate() {
            batch.push((one::<K>(key).map_err(|e| (Some(index), e))?, value));
        }
        Table::upsert_many(self, &batch).map_err(|error| match error {
            TableError::InBatch { index, source } => (Some(index), (*source).into()),
            other => (None, other.into()),
        })
    }

    fn remove_many(&self, gone: &[AnyKey]) -> Result<(), Failure> {
        Table::remove_many(self, &keys::<K>(gone)?).map_err(|error| match error {
            TableError::InBatch { source, .. } => (*source).into(),
            other => other.into(),
        })
    }

    fn verify(&self) -> Result<(), Failure> {
        Ok(Table::verify(self)?)
    }

    fn repair(&self) -> Result<Repaired, Failure> {
        Ok(Table::recover(self)?)
    }
}

/// Runs an expression with `K` as the type that belongs to a [`KeyType`].
macro_rules! with_type {
    ($type:expr, $k:ident => $run:expr) => {
        match $type {
            KeyType::I8 => {
                type $k = i8;
                $run
            }
            KeyType::I16 => {
                type $k = i16;
                $run
            }
            KeyType::I32 => {
                type $k = i32;
                $run
            }
            KeyType::I64 => {
                type $k = i64;
                $run
            }
            KeyType::U8 => {
                type $k = u8;
                $run
            }
            KeyType::U16 => {
                type $k = u16;
                $run
            }
            KeyType::U32 => {
                type $k = u32;
                $run
            }
            KeyType::U64 => {
                type $k = u64;
                $run
            }
            KeyType::Str => {
                type $k = str;
                $run
            }
            KeyType::Bytes => {
                type $k = [u8];
                $run
            }
        }
    };
}

/// Opens a table for reading, whatever its keys.
pub(crate) fn open_reader(
    namespace: &Namespace,
    name: &Name,
    options: &TableOptions,
) -> Result<Box<dyn Readable>, Failure> {
    let error = match TableReader::<i32>::open(namespace, name, options) {
        Ok(table) => return Ok(Box::new(table)),
        Err(error) => error,
    };
    let key_type = other_type(error)?;
    with_type!(key_type, K => Ok(Box::new(TableReader::<K>::open(namespace, name, options)?)))
}

/// Opens a table for writing, whatever its keys.
pub(crate) fn open(
    namespace: &Namespace,
    name: &Name,
    options: &TableOptions,
) -> Result<Box<dyn Writable>, Failure> {
    let error = match Table::<i32>::open(namespace, name, options) {
        Ok(table) => return Ok(Box::new(table)),
        Err(error) => error,
    };
    let key_type = other_type(error)?;
    with_type!(key_type, K => Ok(Box::new(Table::<K>::open(namespace, name, options)?)))
}

/// Makes a table where there is none.
pub(crate) fn create(
    namespace: &Namespace,
    name: &Name,
    key_type: KeyType,
    options: &TableOptions,
) -> Result<(), Failure> {
    with_type!(key_type, K => Table::<K>::create(namespace, name, options).map(drop))?;
    Ok(())
}

/// The type of keys that the table does have.
fn other_type(error: TableOpenError) -> Result<KeyType, Failure> {
    match error {
        TableOpenError::KeyKind { ref found, .. } => match KeyType::named(found) {
            Some(key_type) => Ok(key_type),
            None => Err(error.into()),
        },
        other => Err(other.into()),
    }
}
