//! Publishing a table as a map, and copying a map into a table.

use avl_snapshot::Snapshot;

use crate::error::Error;
use crate::share::{ShareOptions, share_sorted};
use crate::status_table::StatusTable;
use slotmap_shm::{Access, AnyKey, KeyKind, UntypedTable};

/// Returns the map key for an `i32` table key: four bytes, big-endian, with the sign bit flipped.
/// So the keys of the map are in the order of the numbers.
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

/// Returns the `i32` table key for a map key, or `None` if [`map_key`] cannot have made that map
/// key.
#[must_use]
pub fn table_key(key: &[u8]) -> Option<i32> {
    Some(i32::from_be_bytes(key.try_into().ok()?) ^ i32::MIN)
}

/// Returns the map key for a key of a table of this kind. Text and bytes stay as they are. Integers
/// are big-endian and as wide as their type, and signed integers have the sign bit flipped. So the
/// keys of the map are in the order of the keys' type. Returns `None` if the key is not of this
/// kind.
///
/// ```
/// use shm_facade::{AnyKey, KeyKind, any_map_key, any_table_key, map_key};
/// let key = AnyKey::from(-7i32);
/// assert_eq!(any_map_key(KeyKind::I32, &key).unwrap(), map_key(-7));
/// assert_eq!(any_table_key(KeyKind::I32, &map_key(-7)), Some(key));
/// assert_eq!(any_map_key(KeyKind::Str, &"blue".into()).unwrap(), b"blue");
/// assert_eq!(any_map_key(KeyKind::U8, &256u16.into()), None);
/// ```
#[must_use]
pub fn any_map_key(kind: KeyKind, key: &AnyKey) -> Option<Vec<u8>> {
    let number = match key {
        AnyKey::Bytes(bytes) => {
            let fits = kind == KeyKind::Bytes
                || kind == KeyKind::Str && std::str::from_utf8(bytes).is_ok();
            return fits.then(|| bytes.clone());
        }
        AnyKey::Signed(n) => i128::from(*n),
        AnyKey::Unsigned(n) => i128::from(*n),
    };
    let (bits, signed) = kind.integer()?;
    // Flipping the sign bit is adding the distance from the least number to 0.
    let from_least = number + if signed { 1 << (bits - 1) } else { 0 };
    if !(0..1i128 << bits).contains(&from_least) {
        return None;
    }
    let bytes = from_least.to_be_bytes();
    bytes.get(bytes.len() - bits as usize / 8..).map(<[u8]>::to_vec)
}

/// Returns the key of a table of this kind for a map key, or `None` if no key of this kind has that
/// map key.
#[must_use]
pub fn any_table_key(kind: KeyKind, key: &[u8]) -> Option<AnyKey> {
    let Some((bits, signed)) = kind.integer() else {
        let fits = kind == KeyKind::Bytes || std::str::from_utf8(key).is_ok();
        return fits.then(|| key.into());
    };
    if key.len() != bits as usize / 8 {
        return None;
    }
    let word = key.iter().fold(0, |word: u64, &byte| word << 8 | u64::from(byte));
    Some(if signed {
        let flipped = word ^ 1 << (bits - 1);
        AnyKey::Signed(flipped.cast_signed() << (64 - bits) >> (64 - bits))
    } else {
        AnyKey::Unsigned(word)
    })
}

/// Like [`StatusTable::freeze_with`], but for a table with any kind of keys. [`any_map_key`] makes
/// the keys of the map.
///
/// # Errors
/// The errors of [`StatusTable::freeze`].
pub fn freeze_table<A: Access>(
    table: &UntypedTable<A>,
    name: &str,
    options: &ShareOptions,
) -> Result<u64, Error> {
    let kind = table.key_kind();
    let entries = table.entries()?.into_iter();
    let entries = entries.filter_map(|(key, value)| Some((any_map_key(kind, &key)?, value)));
    publish(name, entries.collect(), options)
}

/// Like [`StatusTable::load`], but for a table with any kind of keys.
///
/// # Errors
/// The errors of [`StatusTable::load`].
pub fn load_table<D: AsRef<[u8]>>(table: &UntypedTable, map: &Snapshot<D>) -> Result<usize, Error> {
    let kind = table.key_kind();
    let entries = entries_of(map, kind, |key| any_table_key(kind, key))?;
    table.upsert_many(&entries)?;
    Ok(entries.len())
}

/// Returns the entries of a map, with table keys in place of the map keys.
fn entries_of<D: AsRef<[u8]>, K>(
    map: &Snapshot<D>,
    kind: KeyKind,
    key_of: impl Fn(&[u8]) -> Option<K>,
) -> Result<Vec<(K, &[u8])>, Error> {
    let entry = |(rank, (key, value)): (usize, (&[u8], _))| {
        let refused = || Error::NotATableKey { rank, key: key.into(), kind };
        Ok((key_of(key).ok_or_else(refused)?, value))
    };
    map.iter().enumerate().map(entry).collect()
}

impl<A: Access> StatusTable<A> {
    /// Publishes the entries, as they were at one moment, as a map in this table's namespace.
    /// Nothing may have that name yet. [`map_key`] makes the keys. Returns the edition. O(n log n).
    ///
    /// ```
    /// use shm_facade::{InPlace, MapOptions, Namespace, SharedMap, map_key};
    /// use shm_facade::{StatusOptions, StatusTable};
    /// # let dir = std::env::temp_dir().join(format!("freeze-doc-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir)?;
    /// # let namespace = Namespace::at(&dir);
    /// # let options = StatusOptions::default().namespace(namespace.clone());
    /// let table = StatusTable::open_or_create_with("workers", &options)?;
    /// table.upsert(3325, "running")?;
    /// table.freeze("workers")?;
    ///
    /// // SAFETY: nobody else writes in this namespace.
    /// const IN_PLACE: InPlace = unsafe { InPlace::trust_writers() };
    /// let options = MapOptions::default().namespace(namespace);
    /// let map = SharedMap::open_with("workers", &options, IN_PLACE)?;
    /// assert_eq!(map.get(map_key(3325)), Some(&b"running"[..]));
    /// table.clear()?;
    /// assert_eq!(table.load(&map)?, 1);
    /// assert!(table.contains(3325)?);
    /// # std::fs::remove_dir_all(&dir)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Table`] if the table cannot be read, and the errors of
    /// [`Share::share_with`](crate::Share::share_with). One of these is [`Error::WouldEmpty`],
    /// which is returned if the table is empty and the edition that it would replace is not.
    pub fn freeze(&self, name: &str) -> Result<u64, Error> {
        self.freeze_with(name, &ShareOptions::default().namespace(self.namespace().clone()))
    }

    /// Like [`StatusTable::freeze`], but publishes in the namespace of `options`.
    ///
    /// # Errors
    /// The errors of [`StatusTable::freeze`].
    pub fn freeze_with(&self, name: &str, options: &ShareOptions) -> Result<u64, Error> {
        let entries = self.entries()?.into_iter().map(|(key, value)| (map_key(key), value));
        publish(name, entries.collect(), options)
    }
}

impl StatusTable {
    /// Sets the values of all keys of a map that was frozen from a table, in one batch: either all
    /// of them or none. Other keys of the table keep their values. Returns the number of keys that
    /// were set. O(n).
    ///
    /// # Errors
    /// [`Error::NotATableKey`] for a key that [`map_key`] did not make; [`Error::Table`] with
    /// `InBatch` if not all entries fit. Nothing was changed.
    pub fn load<D: AsRef<[u8]>>(&self, map: &Snapshot<D>) -> Result<usize, Error> {
        let entries = entries_of(map, KeyKind::I32, table_key)?;
        self.upsert_many(&entries)?;
        Ok(entries.len())
    }
}

/// Publishes entries in any order, of which no two have the same key.
fn publish<K: AsRef<[u8]> + Ord, V: AsRef<[u8]>>(
    name: &str,
    mut entries: Vec<(K, V)>,
    options: &ShareOptions,
) -> Result<u64, Error> {
    entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    share_sorted(name, options, |map| {
        map.reserve(entries.len());
        entries.iter().try_for_each(|(key, value)| map.push(key, value))
    })
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

    #[test]
    fn keys_of_every_kind_keep_their_order_and_come_back() {
        for kind in KeyKind::ALL {
            let keys: Vec<AnyKey> = match kind.integer() {
                Some((bits, true)) => {
                    let least = i64::MIN >> (64 - bits);
                    [least, least + 1, -1, 0, 1, !least].map(AnyKey::Signed).into()
                }
                Some((bits, false)) => {
                    [0, 1, 127, 128, u64::MAX >> (64 - bits)].map(AnyKey::Unsigned).into()
                }
                None => ["", "a", "ab", "b"].map(AnyKey::from).into(),
            };
            let of_map: Vec<_> = keys.iter().map(|key| any_map_key(kind, key).unwrap()).collect();
            assert!(of_map.is_sorted(), "{kind}: {of_map:?}");
            for (key, bytes) in keys.iter().zip(&of_map) {
                assert_eq!(any_table_key(kind, bytes).as_ref(), Some(key), "{kind}");
            }
        }
        assert_eq!(any_map_key(KeyKind::I32, &7.into()).unwrap(), map_key(7));
        for (kind, key) in [
            (KeyKind::I8, AnyKey::Signed(128)),
            (KeyKind::I8, AnyKey::Signed(-129)),
            (KeyKind::U64, AnyKey::Signed(-1)),
            (KeyKind::I64, AnyKey::Unsigned(u64::MAX)),
            (KeyKind::Str, AnyKey::Signed(1)),
            (KeyKind::Str, AnyKey::Bytes(vec![0xFF])),
            (KeyKind::I32, "text".into()),
        ] {
            assert_eq!(any_map_key(kind, &key), None, "{kind} {key}");
        }
        assert_eq!(any_table_key(KeyKind::I64, &map_key(1)), None);
        assert_eq!(any_table_key(KeyKind::Str, b"\xff"), None);
    }
}
