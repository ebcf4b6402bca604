//! Maps that one would use instead.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, PutFlags, RoTxn, WithTls};

use crate::dictionary::{Dictionary, Entries, Value};
use crate::peers::lmdb;

/// The standard library's ordered map, owning its keys and values.
pub type Tree = BTreeMap<Box<[u8]>, Vec<u8>>;

/// hashbrown's map with its default hasher (foldhash), owning its keys and values.
pub type HashMap = hashbrown::HashMap<Box<[u8]>, Vec<u8>>;

/// A vector in key order, and binary search.
#[derive(Clone, Debug)]
pub struct Sorted(Vec<(Box<[u8]>, Vec<u8>)>);

/// An LMDB database on a tmpfs, filled in key order (so that its pages are full), and one read
/// transaction for all that is asked.
pub struct LmdbDictionary {
    txn: RoTxn<'static, WithTls>,
    entries: Database<'static, Bytes, Bytes>,
}

/// A finite state transducer from keys to places in an array of values.
#[derive(Clone, Debug)]
pub struct Fst {
    map: fst::Map<Vec<u8>>,
    values: Vec<Value>,
}

/// Bytes of addresses for an LMDB database.
const MAP_SIZE: usize = 1 << 33;

fn owned((key, value): (&[u8], &Value)) -> (Box<[u8]>, Vec<u8>) {
    (key.into(), value.to_vec())
}

/// The entries, collected into a [`Tree`].
#[inline(never)]
#[must_use]
pub fn tree(entries: &Entries) -> Tree {
    entries.iter().map(owned).collect()
}

/// The entries, inserted into a [`BTreeMap`] one by one.
#[inline(never)]
#[must_use]
pub fn tree_of_single(entries: &Entries) -> Tree {
    let mut tree = Tree::new();
    for entry in entries.iter() {
        let (key, value) = owned(entry);
        tree.insert(key, value);
    }
    tree
}

impl Dictionary for Tree {
    #[inline]
    fn value(&self, key: &[u8]) -> Option<&[u8]> {
        self.get(key).map(Vec::as_slice)
    }
}

/// The entries, collected into a [`HashMap`].
#[inline(never)]
#[must_use]
pub fn hash_map(entries: &Entries) -> HashMap {
    entries.iter().map(owned).collect()
}

impl Dictionary for HashMap {
    #[inline]
    fn value(&self, key: &[u8]) -> Option<&[u8]> {
        self.get(key).map(Vec::as_slice)
    }
}

impl Sorted {
    /// Holds entries that are in key order.
    #[must_use]
    pub fn new(sorted: &Entries) -> Self {
        Self(sorted.iter().map(owned).collect())
    }
}

impl Dictionary for Sorted {
    #[inline]
    fn value(&self, key: &[u8]) -> Option<&[u8]> {
        let at = self.0.binary_search_by(|(this, _)| (**this).cmp(key)).ok()?;
        self.0.get(at).map(|(_, value)| value.as_slice())
    }
}

impl LmdbDictionary {
    /// Makes an environment in `dir`, which must be empty and of this process alone, with these
    /// entries.
    ///
    /// # Errors
    /// When LMDB cannot.
    pub fn create(dir: &Path, sorted: &Entries) -> Result<Self> {
        let env = lmdb::environment(dir, MAP_SIZE)?;
        let txn = env.write_txn()?;
        let entries = env
            .create_databases_and_commit(txn, |opener, txn| -> heed::Result<_> {
                let entries = opener.database_options().types::<Bytes, Bytes>().create(txn)?;
                Ok(CommitOrAbort::<_, ()>::Commit(entries))
            })?
            .commit()
            .context("the database was not created")?;
        let mut txn = env.write_txn()?;
        for (key, value) in sorted.iter() {
            entries.put_with_flags(&mut txn, PutFlags::APPEND, key, value)?;
        }
        txn.commit()?;
        Ok(Self { txn: env.static_read_txn().context("a read transaction")?, entries })
    }

    /// Opens what [`LmdbDictionary::create`] made in `dir`, in another process.
    ///
    /// # Errors
    /// When LMDB cannot.
    pub fn open(dir: &Path) -> Result<Self> {
        let env = lmdb::environment(dir, MAP_SIZE)?;
        let entries = env
            .open_databases_and_commit(env.read_txn()?, |opener, txn| -> heed::Result<_> {
                let entries = opener.open_database(txn, None)?;
                Ok(CommitOrAbort::<_, ()>::Commit(entries))
            })?
            .commit()
            .flatten()
            .context("there is no database")?;
        Ok(Self { txn: env.static_read_txn().context("a read transaction")?, entries })
    }

    /// The entries from this key on, by a cursor.
    pub fn from(&self, key: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
        let range = (Bound::Included(key), Bound::Unbounded);
        self.entries.range(&self.txn, &range).into_iter().flatten().map_while(Result::ok)
    }
}

impl Dictionary for LmdbDictionary {
    #[inline]
    fn value(&self, key: &[u8]) -> Option<&[u8]> {
        self.entries.get(&self.txn, key).ok().flatten()
    }
}

impl Fst {
    /// Builds one of entries that are in key order.
    ///
    /// # Errors
    /// When they are not.
    #[inline(never)]
    pub fn new(sorted: &Entries) -> Result<Self> {
        let mut builder = fst::MapBuilder::memory();
        for (at, key) in (0..).zip(sorted.keys().iter()) {
            builder.insert(key, at)?;
        }
        Ok(Self { map: builder.into_map(), values: sorted.values().to_vec() })
    }

    /// Writes the transducer to the file `name` in `dir`, and the values to another one.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, dir: &Path, name: &str) -> Result<()> {
        std::fs::write(dir.join(name), self.map.as_fst().as_bytes())?;
        std::fs::write(values_of(dir, name), self.values.as_flattened())?;
        Ok(())
    }

    /// Reads what [`Fst::save`] wrote.
    ///
    /// # Errors
    /// When a file cannot be read, or has no transducer.
    pub fn load(dir: &Path, name: &str) -> Result<Self> {
        let map = fst::Map::new(std::fs::read(dir.join(name))?)?;
        let values = std::fs::read(values_of(dir, name))?.as_chunks().0.to_vec();
        Ok(Self { map, values })
    }

    /// Bytes of the transducer.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.map.as_fst().as_bytes().len()
    }
}

fn values_of(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}-values"))
}

impl Dictionary for Fst {
    #[inline]
    fn value(&self, key: &[u8]) -> Option<&[u8]> {
        let at = self.map.get(key)?;
        self.values.get(usize::try_from(at).ok()?).map(<[u8; 12]>::as_slice)
    }
}
