//! Waiting until a key, or anything in the table, has changed.
//!
//! `protocol/wake.rs` has the words that waiters sleep on.

use std::time::Duration;

use shm_core::{LockError, Ordering, Patience, WritableSegment, fence};

use super::handle::{Access, Table};
use crate::error::TableError;
use crate::key::Key;
use crate::layout::RECOVERIES;
use crate::protocol::{Found, Touched, WakeWord, after_claim, after_unlock, announce, wake};
use crate::value::Value;

/// The pauses of a handle that may not announce that it sleeps double from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(10);

/// The version of an entry: two versions of a key are equal if and only if nobody has changed,
/// added or removed the entry in between. An absent key has a version, too, and all versions of
/// absent keys in a table are equal.
///
/// See [`Table::wait_for_change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    table: [u8; 16],
    /// The slot and its version; `None` if the key is absent.
    found: Option<(usize, u64)>,
}

impl Version {
    /// True if the key was present.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.found.is_some()
    }

    /// Returns the version as numbers, for a program in another language. Two versions are equal if
    /// and only if their numbers are.
    #[must_use]
    pub fn to_words(&self) -> [u64; 4] {
        let [first, second] = id_words(self.table);
        let (slot, version) =
            self.found.map_or((0, 0), |(slot, version)| (slot as u64 + 1, version));
        [first, second, slot, version]
    }

    /// Returns the version that has these numbers. Numbers that [`Version::to_words`] did not
    /// return make a version that no entry has, or a version of another table.
    #[must_use]
    pub fn from_words([first, second, slot, version]: [u64; 4]) -> Self {
        let slot = slot.checked_sub(1).map(|slot| slot as usize);
        Self { table: id_of_words([first, second]), found: slot.map(|slot| (slot, version)) }
    }
}

/// The version of a whole table. See [`Table::wait_for_any_change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TableVersion {
    table: [u8; 16],
    changes: u64,
}

impl TableVersion {
    /// Returns the version as numbers, for a program in another language.
    #[must_use]
    pub fn to_words(&self) -> [u64; 3] {
        let [first, second] = id_words(self.table);
        [first, second, self.changes]
    }

    /// Returns the version that has these numbers.
    #[must_use]
    pub fn from_words([first, second, changes]: [u64; 3]) -> Self {
        Self { table: id_of_words([first, second]), changes }
    }

    /// True if this version is later than `seen`.
    fn is_after(self, seen: Self) -> bool {
        (1..=u64::MAX / 2).contains(&self.changes.wrapping_sub(seen.changes))
    }
}

fn id_words(id: [u8; 16]) -> [u64; 2] {
    let id = u128::from_be_bytes(id);
    [(id >> 64) as u64, id as u64]
}

fn id_of_words([first, second]: [u64; 2]) -> [u8; 16] {
    (u128::from(first) << 64 | u128::from(second)).to_be_bytes()
}

impl<K: Key + ?Sized, A: Access> Table<K, A> {
    /// Returns a copy of the value of `key`, or `None` if the key is absent, and the version under
    /// which it was read. O(1).
    ///
    /// # Errors
    /// The errors of [`Table::get`].
    pub fn get_with_version(&self, key: &K) -> Result<(Option<Value>, Version), TableError> {
        let (value, found) = self.get_found(key)?.unzip();
        Ok((value, self.version_of(found)))
    }

    /// Returns the version of `key`, which may be absent. O(1).
    ///
    /// # Errors
    /// The errors of [`Table::contains_key`].
    pub fn version(&self, key: &K) -> Result<Version, TableError> {
        let mut room = K::room();
        let key = self.words_of(key, &mut room)?;
        Ok(self.version_of(self.look_up(key)?))
    }

    fn version_of(&self, found: Option<Found>) -> Version {
        let found = found.map(|Found { slot, version }| (slot, version));
        Version { table: self.segment().id(), found }
    }

    /// Waits until `key` has another version than `seen`, and returns that version. Returns `None`
    /// if `timeout` is over and the version is still the same. A `timeout` of `None` means to wait
    /// for ever.
    ///
    /// A value that is replaced, an entry that is removed, and one that is added are changes. So is
    /// an entry that is removed and added again, even with the same value. If changes follow each
    /// other quickly, the call may skip some of them, but never the last one. A key that is absent,
    /// is added and is removed again may look as if nothing had happened.
    ///
    /// `seen` is a version of this key. With a version of another key of this table, the call
    /// returns at once if the key is present.
    ///
    /// The calling thread sleeps until a writer wakes it, or for at most 20 ms; then it looks
    /// again. So if a writer is killed right after its change, before it could wake anybody, the
    /// call returns at most 20 ms later. The [`Interrupt`](crate::Interrupt) of the options can end
    /// the wait, through any handle. Through a read-only handle, which cannot tell writers that
    /// somebody waits, the call looks at the key again and again, with pauses that grow from 1 ms
    /// to 10 ms.
    ///
    /// ```
    /// # use shm_core::{Name, Namespace};
    /// # use slotmap_shm::{Table, TableOptions};
    /// # use std::time::Duration;
    /// # let dir = std::env::temp_dir().join(format!("wait-doc-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir)?;
    /// # let (namespace, name) = (Namespace::at(&dir), Name::new("jobs")?);
    /// let jobs = Table::<str>::create(&namespace, &name, &TableOptions::default())?;
    /// jobs.add("fetch", b"queued")?;
    /// let (value, seen) = jobs.get_with_version("fetch")?;
    /// assert_eq!(value.as_deref(), Some(&b"queued"[..]));
    ///
    /// // Nobody changes it.
    /// let soon = Some(Duration::from_millis(1));
    /// assert_eq!(jobs.wait_for_change("fetch", seen, soon)?, None);
    ///
    /// std::thread::scope(|s| {
    ///     s.spawn(|| jobs.update("fetch", b"running"));
    ///     let changed = jobs.wait_for_change("fetch", seen, None)?;
    ///     assert_eq!(changed, Some(jobs.version("fetch")?));
    ///     assert_eq!(jobs.get("fetch")?.as_deref(), Some(&b"running"[..]));
    ///     Ok::<(), slotmap_shm::TableError>(())
    /// })?;
    /// # std::fs::remove_dir_all(&dir)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TableError::OtherTable`] if `seen` is a version of another table; the errors of
    /// [`Table::contains_key`]; [`TableError::Lock`] if the wait was interrupted.
    pub fn wait_for_change(
        &self,
        key: &K,
        seen: Version,
        timeout: Option<Duration>,
    ) -> Result<Option<Version>, TableError> {
        self.check_table(seen.table)?;
        let mut room = K::room();
        let key = self.words_of(key, &mut room)?;
        let word = seen.found.map_or(WakeWord::ABSENT, |(slot, _)| WakeWord::of_slot(slot));
        self.wait(word, timeout, || {
            let now = self.version_of(self.look_up(key)?);
            Ok((now != seen).then_some(now))
        })
    }

    /// Returns the version of the whole table: a number that grows with each change. O(1), but it
    /// looks at the records of all writers.
    ///
    /// The end of a thread that has written to the table may count as a change, and so does a
    /// repair.
    #[must_use]
    pub fn table_version(&self) -> TableVersion {
        let view = self.view();
        let changes = view
            .commits()
            .wrapping_add(view.words.load(RECOVERIES, Ordering::Relaxed))
            .wrapping_add(self.segment().writes_by_records())
            .wrapping_add(self.segment().registrations_over());
        // Acquire: what is read after this has all changes that were counted.
        fence(Ordering::Acquire);
        TableVersion { table: self.segment().id(), changes }
    }

    /// Waits until the table has a later version than `seen`, and returns that version. In all
    /// other respects, this is like [`Table::wait_for_change`]. The end of a thread that has
    /// written may look like a change.
    ///
    /// To miss nothing, ask for the version first, then read, and then wait with this version:
    ///
    /// ```
    /// # use shm_core::{Name, Namespace};
    /// # use slotmap_shm::{Table, TableOptions};
    /// # use std::time::Duration;
    /// # let dir = std::env::temp_dir().join(format!("wait-any-doc-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir)?;
    /// # let (namespace, name) = (Namespace::at(&dir), Name::new("jobs")?);
    /// let jobs = Table::<str>::create(&namespace, &name, &TableOptions::default())?;
    /// let mut seen = jobs.table_version();
    /// loop {
    ///     println!("{:?}", jobs.entries()?);
    ///     match jobs.wait_for_any_change(seen, Some(Duration::from_millis(1)))? {
    ///         Some(version) => seen = version,
    ///         None => break,
    ///     }
    /// }
    /// # std::fs::remove_dir_all(&dir)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TableError::OtherTable`] if `seen` is a version of another table, or [`TableError::Lock`]
    /// if the wait was interrupted.
    pub fn wait_for_any_change(
        &self,
        seen: TableVersion,
        timeout: Option<Duration>,
    ) -> Result<Option<TableVersion>, TableError> {
        self.check_table(seen.table)?;
        self.wait(WakeWord::TABLE, timeout, || {
            let now = self.table_version();
            Ok(now.is_after(seen).then_some(now))
        })
    }

    fn check_table(&self, found: [u8; 16]) -> Result<(), TableError> {
        let expected = self.segment().id();
        if found == expected { Ok(()) } else { Err(TableError::OtherTable { found, expected }) }
    }

    /// Waits until `changed` returns something.
    fn wait<R>(
        &self,
        word: WakeWord,
        timeout: Option<Duration>,
        mut changed: impl FnMut() -> Result<Option<R>, TableError>,
    ) -> Result<Option<R>, TableError> {
        let interrupt = self.waits.patience.interrupt.clone();
        let patience = Patience::forever().limit(timeout).interrupt(interrupt);
        let mut pause = FIRST_PAUSE;
        patience.wait_in_slices(|slice| {
            let found = changed()?;
            if found.is_some() || slice.is_zero() {
                return Ok(found);
            }
            let Some(table) = self.as_writable() else {
                std::thread::sleep(pause.min(slice));
                pause = LAST_PAUSE.min(2 * pause);
                return Ok(None);
            };
            let announced = announce(table.segment.unlocked_words(), word);
            let found = changed()?;
            if found.is_none() {
                // In slices, because a writer may be killed before it wakes anybody.
                let slept = table.segment.wait(word.at(), announced, slice);
                slept.map_err(|source| LockError::Os { action: "wait for a change", source })?;
            }
            Ok(found)
        })
    }
}

impl<K: Key + ?Sized> Table<K> {
    /// Wakes those that wait for what a transaction has changed.
    #[inline]
    pub(super) fn wake_after_unlock(&self, touched: Touched) {
        after_unlock(self.view().words, touched, |word| wake_up(&self.segment, word));
    }
}

/// Wakes those that wait for the key in this slot, or for any change. The claim is over.
#[inline(always)]
pub(super) fn wake_after_claim(segment: &WritableSegment, slot: usize) {
    after_claim(segment.words(), slot, |word| wake_up(segment, word));
}

#[cold]
#[inline(never)]
fn wake_up(segment: &WritableSegment, word: WakeWord) {
    wake(segment.unlocked_words(), word, |at| segment.wake(at));
}
