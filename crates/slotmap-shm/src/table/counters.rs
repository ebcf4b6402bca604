//! Values that are counters.

use super::claims::Claiming;
use super::closing::Waited;
use super::handle::Table;
use crate::error::TableError;
use crate::key::{Key, any_key};
use crate::protocol::{Buffer, Fault, Lease, PutMode, Room};

impl<K: Key + ?Sized> Table<K> {
    /// Adds `delta` to a counter (8 bytes, little endian, wrapping) and returns the old value.
    ///
    /// # Errors
    /// [`TableError::NotACounter`], [`TableError::NotFound`], [`TableError::NoRoomForCounter`] or
    /// [`TableError::Lock`]. Nothing was changed.
    pub fn fetch_add(&self, key: &K, delta: i64) -> Result<i64, TableError> {
        let mut room = K::room();
        let key = self.words_of(key, &mut room)?;
        self.check_counter(key)?;
        self.modify(key, |buffer, len, replace| {
            let before = counter(buffer, len)?;
            replace(&before.wrapping_add(delta).to_le_bytes());
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
        let waited = Waited::default();
        if let Claiming::Claimed(claim) = self.claim(key, &waited)? {
            let (buffer, len) = claim.value();
            return match counter(buffer, len) {
                Ok(before) => {
                    let after = before.wrapping_add(by);
                    claim.commit(&after.to_le_bytes(), Lease::Kept);
                    Ok(after)
                }
                Err(fault) => {
                    // Before the error is allocated.
                    drop(claim);
                    Err(fault.into_error(self.key_kind(), key))
                }
            };
        }
        self.write(Room::new(), &waited, |transaction| {
            let slot = match transaction.find(key) {
                Some((slot, _)) => slot,
                None => {
                    let after = initial.wrapping_add(by);
                    let bytes = after.to_le_bytes();
                    match transaction.put(PutMode::Add, key, &bytes, Lease::Default) {
                        // It had expired, and was extended before its slot was held.
                        Err(Fault::Duplicate) => transaction.find(key).ok_or(Fault::Duplicate)?.0,
                        other => return other.map(|_| after),
                    }
                }
            };
            transaction.hold(slot)?;
            let (buffer, len) = transaction.slot(slot).value();
            let after = counter(buffer, len)?.wrapping_add(by);
            transaction.replace(slot, &after.to_le_bytes(), Lease::Kept);
            Ok(after)
        })
        .map_err(|fault| fault.into_error(self.key_kind(), key))
    }

    fn check_counter(&self, key: &[u64]) -> Result<(), TableError> {
        let max = self.shape().geometry.value_size;
        if max >= size_of::<i64>() {
            return Ok(());
        }
        Err(TableError::NoRoomForCounter { key: any_key(self.key_kind(), key), max })
    }
}

/// Returns the counter in a value of `len` bytes.
fn counter(buffer: Buffer<'_>, len: usize) -> Result<i64, Fault> {
    let mut bytes = [0; 8];
    if len != bytes.len() {
        return Err(Fault::NotACounter { len });
    }
    buffer.copy_to(&mut bytes);
    Ok(i64::from_le_bytes(bytes))
}
