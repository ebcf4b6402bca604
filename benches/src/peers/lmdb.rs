//! LMDB, by heed.

#![allow(unsafe_code, reason = "heed's environments and flags are unsafe to open")]

use std::path::Path;

use anyhow::{Context, Result};
use heed::types::Bytes;
use heed::{
    CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, IntegerComparator, RoTxn, WithTls,
};

use crate::Store;
use crate::workload::VALUE_SIZE;

type Entries = Database<'static, Bytes, Bytes, IntegerComparator>;

/// An LMDB environment without syncing and with a writable map, so that on a tmpfs no
/// system call touches a disk; integer keys, passed without allocation.
#[derive(Debug)]
pub struct Lmdb {
    env: Env<WithTls>,
    entries: Entries,
}

/// One read transaction, for any number of gets.
pub struct Snapshot<'a> {
    txn: RoTxn<'a, WithTls>,
    entries: Entries,
}

/// Makes an environment of at most `size` bytes in `dir`, which must be empty and of this process
/// alone.
pub(crate) fn environment(dir: &Path, size: usize) -> Result<Env<WithTls>> {
    let mut options = EnvOpenOptions::new();
    options.map_size(size);
    let flags = EnvFlags::NO_SYNC | EnvFlags::NO_META_SYNC | EnvFlags::WRITE_MAP;
    // SAFETY: without syncing a power failure may cost the environment, which is
    // temporary; with a writable map wild stores could, and there are none.
    unsafe { options.flags(flags | EnvFlags::NO_READ_AHEAD) };
    // SAFETY: the files are in a fresh private directory: nobody else modifies them.
    Ok(unsafe { options.open(dir) }?)
}

impl Lmdb {
    /// Makes an environment in `dir`, which must be empty and of this process alone.
    ///
    /// # Errors
    /// When LMDB cannot.
    pub fn create(dir: &Path) -> Result<Self> {
        let env = environment(dir, 64 << 20)?;
        let txn = env.write_txn()?;
        let entries = env
            .create_databases_and_commit(txn, |opener, txn| -> heed::Result<_> {
                let options = opener.database_options().types::<Bytes, Bytes>();
                let entries = options.key_comparator::<IntegerComparator>().create(txn)?;
                Ok(CommitOrAbort::<_, ()>::Commit(entries))
            })?
            .commit()
            .context("the database was not created")?;
        Ok(Self { env, entries })
    }

    /// Begins a read transaction.
    ///
    /// # Errors
    /// When LMDB cannot.
    pub fn snapshot(&self) -> Result<Snapshot<'_>> {
        Ok(Snapshot { txn: self.env.read_txn()?, entries: self.entries })
    }

    fn write(&self, f: impl FnOnce(&Entries, &mut heed::RwTxn<'_>) -> heed::Result<bool>) -> bool {
        let Ok(mut txn) = self.env.write_txn() else {
            return false;
        };
        f(&self.entries, &mut txn).unwrap_or(false) && txn.commit().is_ok()
    }
}

impl Snapshot<'_> {
    /// Copies the value of `key` to the start of `buffer`; its length in bytes.
    #[inline]
    pub fn get_into(&self, key: i32, buffer: &mut [u8; VALUE_SIZE]) -> Option<usize> {
        let value = self.entries.get(&self.txn, &key.to_ne_bytes()).ok().flatten()?;
        buffer.get_mut(..value.len())?.copy_from_slice(value);
        Some(value.len())
    }
}

/// One transaction an operation.
impl Store for Lmdb {
    #[inline]
    fn get_into(&self, key: i32, buffer: &mut [u8; VALUE_SIZE]) -> Option<usize> {
        self.snapshot().ok()?.get_into(key, buffer)
    }

    fn upsert(&self, key: i32, value: &[u8]) -> bool {
        self.write(|entries, txn| {
            entries.put(txn, &key.to_ne_bytes(), value)?;
            Ok(true)
        })
    }

    fn add(&self, key: i32, value: &[u8]) -> bool {
        self.write(|entries, txn| Ok(entries.get_or_put(txn, &key.to_ne_bytes(), value)?.is_none()))
    }

    fn update(&self, key: i32, value: &[u8]) -> bool {
        self.write(|entries, txn| {
            let present = entries.get(txn, &key.to_ne_bytes())?.is_some();
            if present {
                entries.put(txn, &key.to_ne_bytes(), value)?;
            }
            Ok(present)
        })
    }

    fn remove(&self, key: i32) -> bool {
        self.write(|entries, txn| entries.delete(txn, &key.to_ne_bytes()))
    }
}
