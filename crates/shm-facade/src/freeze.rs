//! From a table to a map and back.

use avl_snapshot::{AlignedBytes, Builder, Snapshot};
use shm_core::Name;

use crate::error::Error;
use crate::share::{ShareOptions, publish};
use crate::status_table::StatusTable;
use slotmap_shm::Access;

/// The key of a map that stands for this key of a table: four bytes, big-endian, with the sign flipped. So
/// keys of a map are in the order of the numbers.
///
/// ```
/// use shm_facade::{map_key, table_key};
/// assert!(map_key(-1) < map_key(0) && map_key(0) < map_key(256));
/// assert_eq!(table_key(&map_key(-7)), Some(-7));
/// assert_eq!(table_key(b"three"), None);
/// ```
#[must_use]
pub fn map_key(key: i32) -> [u8; 4] {
    (key ^ i32::MIN).to_be_bytes()
}

/// The key of a table that a key of a map stands for, if it is one.
#[must_use]
pub fn table_key(key: &[u8]) -> Option<i32> {
    Some(i32::from_be_bytes(key.try_into().ok()?) ^ i32::MIN)
}

impl<A: Access> StatusTable<A> {
    /// Publishes the entries of one moment as a map in this table's namespace, where nothing has
    /// the name. The keys are those that [`map_key`] makes. Returns the edition. O(n log n).
    ///
    /// ```
    /// use shm_facade::{MapOptions, Namespace, SharedMap, StatusOptions, StatusTable, map_key};
    /// # let dir = std::env::temp_dir().join(format!("freeze-doc-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir)?;
    /// # let namespace = Namespace::at(&dir);
    /// # let options = StatusOptions::default().namespace(namespace.clone());
    /// let table = StatusTable::open_or_create_with("workers", &options)?;
    /// table.upsert(3325, "running")?;
    /// table.freeze("workers")?;
    ///
    /// let map = SharedMap::open_with("workers", &MapOptions::default().namespace(namespace))?;
    /// assert_eq!(map.get(map_key(3325)), Some(&b"running"[..]));
    /// table.clear()?;
    /// assert_eq!(table.load(&map)?, 1);
    /// assert!(table.contains(3325)?);
    /// # std::fs::remove_dir_all(&dir)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Table`] for the reading; as [`Share::share_with`](crate::Share::share_with) for the publication:
    /// [`Error::WouldEmpty`] for an empty table over an edition that has entries.
    pub fn freeze(&self, name: &str) -> Result<u64, Error> {
        self.freeze_with(name, &ShareOptions::default().namespace(self.namespace().clone()))
    }

    /// As [`StatusTable::freeze`], in the namespace that `options` say.
    ///
    /// # Errors
    /// As [`StatusTable::freeze`].
    pub fn freeze_with(&self, name: &str, options: &ShareOptions) -> Result<u64, Error> {
        let name = Name::new(name)?;
        publish(&name, &image(self.entries()?, options)?, options)
    }
}

impl StatusTable {
    /// Sets the values of all keys of a map that was frozen from a table, all or nothing, in one batch; other keys
    /// stay. Returns how many those were. O(n).
    ///
    /// # Errors
    /// [`Error::NotATableKey`] for a key that [`map_key`] did not make; [`Error::Table`] with `InBatch` when
    /// not all fit. Nothing was changed.
    pub fn load<D: AsRef<[u8]>>(&self, map: &Snapshot<D>) -> Result<usize, Error> {
        let mut entries = Vec::with_capacity(map.len());
        for (rank, (key, value)) in map.iter().enumerate() {
            let number =
                table_key(key).ok_or_else(|| Error::NotATableKey { rank, key: key.to_owned() })?;
            entries.push((number, value));
        }
        self.batch_upsert(&entries)?;
        Ok(entries.len())
    }
}

fn image<V: AsRef<[u8]>>(
    mut entries: Vec<(i32, V)>,
    options: &ShareOptions,
) -> Result<AlignedBytes, Error> {
    entries.sort_unstable_by_key(|&(key, _)| key);
    let bytes = entries.iter().map(|(_, value)| 4 + value.as_ref().len()).sum();
    let mut builder = Builder::with_options(options.freeze_options());
    builder.reserve(entries.len(), bytes);
    for (key, value) in &entries {
        builder.push(map_key(*key), value.as_ref())?;
    }
    Ok(builder.try_finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_order_and_come_back() {
        let keys = [i32::MIN, i32::MIN + 1, -256, -1, 0, 1, 255, 256, i32::MAX];
        assert!(keys.windows(2).all(|pair| map_key(pair[0]) < map_key(pair[1])));
        assert!(keys.iter().all(|&key| table_key(&map_key(key)) == Some(key)));
        assert!([&b""[..], b"abc", b"abcde"].iter().all(|key| table_key(key).is_none()));
    }
}
