//! Reading many slots as they were at one moment, while writers keep writing.
//!
//! A collection is brought up to date in passes. The first pass copies everything, and each later
//! pass compares the versions and copies again only what has changed. A version never recurs, so a
//! copy that was made under a version is right for as long as the slot has that version. If a pass
//! finds that nothing has changed, every slot had its version when the pass before it ended, so the
//! collection equals the table at that moment. (This is the double collect of Afek and others,
//! "Atomic snapshots of shared memory", 1993.) A key that was found absent has no slot. Only
//! transactions add keys, so it was absent all the time if no transaction was committed since the
//! pass before began.
//!
//! `table/collect.rs` decides how many passes are made, and what follows if none of them succeeds.
//! A pass under the lock copies what has changed since the previous pass. It copies to memory that
//! was allocated before the lock was taken.

use super::buffer::Buffer;
use super::lease::Judge;
use super::slot::Slot;
use super::stored_key::key_words;
use super::version;
use super::view::{Found, View};
use crate::error::TableError;
use crate::key::{Key, NO_KEY};
use crate::key_kind::KeyKind;
use crate::layout::Layout;
use crate::value::{Source, Value};

/// Called when a slot changed during a read, as in [`View::find`].
type Again<'a> = &'a dyn Fn() -> Result<(), TableError>;

/// Items that must be read as they were at one moment.
pub(crate) trait Collection<K: Key + ?Sized> {
    /// Reads the items that have changed again, without the lock. Returns true if anything had
    /// changed.
    fn pass(&mut self, view: View<'_>, again: Again<'_>) -> Result<bool, TableError>;

    /// True if something was found absent, so that it has no version.
    fn has_absent(&self) -> bool;

    /// Copies the items that have changed to `scratch`, under the lock. Returns false if not all of
    /// them fit there.
    fn pass_locked(
        &self,
        view: View<'_>,
        again: Again<'_>,
        scratch: &mut Scratch,
    ) -> Result<bool, TableError>;

    /// True if everything still has the version that it was last seen with, by this collection
    /// or in the scratch buffer. For the holder of the lock.
    fn holds(&self, view: View<'_>, scratch: &Scratch) -> bool;

    /// Moves the contents of the scratch buffer to the collection.
    fn apply(&mut self, scratch: &Scratch, kind: KeyKind);
}

/// A scratch buffer for items that are copied under the lock.
pub(crate) struct Scratch {
    changes: Vec<Change>,
    words: Vec<u64>,
    /// Number of words of a key in a slot.
    key_words: usize,
    /// Number of words of the largest entry.
    largest: usize,
}

/// An item that changed.
struct Change {
    item: usize,
    /// The slot and version of the item, or `None` if the item is absent.
    at: Option<(usize, u64)>,
    /// Where the words of the item start in the scratch buffer.
    start: usize,
    /// Length of the value in bytes, or `None` if there is no value.
    len: Option<usize>,
    /// True if the item is a slot without an entry, or an absent key.
    is_empty: bool,
}

impl Scratch {
    pub(crate) fn new(layout: &Layout) -> Self {
        let largest = layout.key_words + layout.geometry.value_size.div_ceil(8);
        let words = Vec::with_capacity(largest.max(1 << 15));
        let changes = Vec::with_capacity(1 << 10);
        Self { changes, words, key_words: layout.key_words, largest }
    }

    /// Empties the buffer, and keeps its memory.
    pub(crate) fn clear(&mut self) {
        self.changes.clear();
        self.words.clear();
    }

    /// Where each item is, if it is among the changes; else what `before` says. The items must be
    /// asked for in order.
    fn places(
        &self,
        before: impl Fn(usize) -> Option<(usize, u64)>,
    ) -> impl FnMut(usize) -> Option<(usize, u64)> {
        let mut changes = self.changes.iter().peekable();
        move |item| match changes.next_if(|change| change.item == item) {
            Some(change) => change.at,
            None => before(item),
        }
    }

    /// Empties the buffer and makes it four times as large.
    pub(crate) fn grow(&mut self) {
        let (changes, words) = (self.changes.capacity(), self.words.capacity());
        *self = Self {
            changes: Vec::with_capacity(changes.saturating_mul(4)),
            words: Vec::with_capacity(words.saturating_mul(4)),
            ..*self
        };
    }

    /// True if one more item certainly fits.
    fn has_room(&self) -> bool {
        let left = self.words.capacity() - self.words.len();
        self.changes.len() < self.changes.capacity() && left >= self.largest
    }

    /// Appends a copy of a value.
    fn copy(&mut self, buffer: Buffer<'_>, len: usize) {
        let start = self.words.len();
        self.words.resize(start + len.div_ceil(8), 0);
        if let Some(to) = self.words.get_mut(start..) {
            buffer.copy_to_words(to);
        }
    }

    fn words_of(&self, change: &Change) -> &[u64] {
        self.words.get(change.start..).unwrap_or_default()
    }
}

/// All entries of a table, slot by slot.
pub(crate) struct Entries<O> {
    seen: Vec<Seen>,
    entries: Vec<Option<(O, Value)>>,
}

/// A slot as it was last seen.
#[derive(Clone, Copy)]
struct Seen {
    /// `None` until the slot has been seen. Damaged memory may have every number as a version.
    version: Option<u64>,
    /// The position of the slot's entry in the collection.
    at: u32,
    damaged: bool,
}

/// What a slot holds.
pub(crate) enum Held<O> {
    Nothing,
    Entry(O, Value),
    /// Contents that no writer stores.
    Damage(&'static str),
}

/// The position of a slot that never had an entry.
const NOWHERE: u32 = u32::MAX;

/// A slot that was not seen yet.
const NEVER: Seen = Seen { version: None, at: NOWHERE, damaged: true };

impl<O> Entries<O> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { seen: vec![NEVER; capacity], entries: Vec::new() }
    }

    fn set(&mut self, slot: usize, version: u64, held: Held<O>) {
        let Some(seen) = self.seen.get_mut(slot) else { return };
        seen.version = Some(version);
        seen.damaged = matches!(held, Held::Damage(_));
        let entry = match held {
            Held::Entry(key, value) => Some((key, value)),
            Held::Nothing | Held::Damage(_) => None,
        };
        if let Some(place) = self.entries.get_mut(seen.at as usize) {
            *place = entry;
        } else if entry.is_some() {
            // Slot numbers have at most 30 bits.
            seen.at = self.entries.len() as u32;
            self.entries.push(entry);
        }
    }

    /// Returns the number of slots whose contents no writer stores.
    pub(crate) fn damaged(&self) -> usize {
        self.seen.iter().filter(|seen| seen.damaged).count()
    }

    pub(crate) fn into_entries(self) -> Vec<(O, Value)> {
        self.entries.into_iter().flatten().collect()
    }
}

/// What a slot holds, and under which version, or `None` if that version was seen before.
type Looked<O> = Option<(u64, Held<O>)>;

/// Copies what a slot holds, and returns the copy with the slot's version. Returns `None` if that
/// version is `seen`.
pub(crate) fn read_slot<K: Key + ?Sized>(
    slot: &Slot<'_>,
    judge: &dyn Judge,
    seen: Option<u64>,
    again: Again<'_>,
) -> Result<Looked<K::Owned>, TableError> {
    loop {
        if let Some(version) = slot.effective() {
            let held = (Some(version) != seen).then(|| hold::<K>(slot, judge, version));
            // This is checked for a version that was seen before as well: a flip may have ended it
            // by now, and `effective` leaves that to this check.
            if slot.is_unchanged(version) {
                return Ok(held.map(|held| (version, held)));
            }
        }
        again()?;
    }
}

fn hold<K: Key + ?Sized>(slot: &Slot<'_>, judge: &dyn Judge, version: u64) -> Held<K::Owned> {
    if let Some(what) = slot.damage(version) {
        return Held::Damage(what);
    }
    if !version::is_live(version) || slot.is_over(version, judge) {
        return Held::Nothing;
    }
    let mut room = NO_KEY;
    let (buffer, len) = slot.value(version);
    // Checked again, because a peer may have stored another length by now.
    let fits = len <= slot.max_len();
    match K::from_words(slot.kind(), key_words(slot.key(), &mut room)).filter(|_| fits) {
        Some(key) => Held::Entry(key, Value::copy(buffer, len)),
        None => Held::Damage("slot"),
    }
}

impl<K: Key + ?Sized> Collection<K> for Entries<K::Owned> {
    fn pass(&mut self, view: View<'_>, again: Again<'_>) -> Result<bool, TableError> {
        let view = view.current();
        // The table may have grown since the last pass.
        let mut changed = self.seen.len() != view.layout.capacity;
        self.seen.resize(view.layout.capacity, NEVER);
        for number in 0..self.seen.len() {
            let seen = self.seen.get(number).and_then(|seen| seen.version);
            if let Some((version, held)) =
                read_slot::<K>(&view.slot(number), view.judge, seen, again)?
            {
                self.set(number, version, held);
                changed = true;
            }
        }
        Ok(changed || !view.is_current())
    }

    fn has_absent(&self) -> bool {
        false // A free slot has a version too.
    }

    fn pass_locked(
        &self,
        view: View<'_>,
        again: Again<'_>,
        scratch: &mut Scratch,
    ) -> Result<bool, TableError> {
        if self.seen.len() != view.current().layout.capacity {
            return Ok(false);
        }
        for (item, seen) in self.seen.iter().enumerate() {
            let slot = view.slot(item);
            let version = loop {
                if let Some(version) = slot.effective() {
                    break version;
                }
                // Under the lock nothing is staged, unless memory is damaged.
                again()?;
            };
            if Some(version) == seen.version {
                continue;
            }
            if !scratch.has_room() {
                return Ok(false);
            }
            let (start, mut len) = (scratch.words.len(), None);
            let is_damaged = slot.damage(version).is_some();
            let is_vacant = !version::is_live(version) || slot.is_over(version, view.judge);
            if !is_damaged && !is_vacant {
                let (buffer, bytes) = slot.value(version);
                if bytes <= slot.max_len() {
                    len = Some(bytes);
                    scratch.words.extend(slot.key().iter_relaxed());
                    scratch.copy(buffer, bytes);
                }
            }
            let is_empty = !is_damaged && is_vacant;
            scratch.changes.push(Change { item, at: Some((item, version)), start, len, is_empty });
        }
        Ok(true)
    }

    fn holds(&self, view: View<'_>, scratch: &Scratch) -> bool {
        let before = |item: usize| Some((item, self.seen.get(item)?.version?));
        let mut places = scratch.places(before);
        (0..self.seen.len()).all(|item| match places(item) {
            Some((slot, version)) => view.still_has(Found { slot, version }),
            None => false,
        })
    }

    fn apply(&mut self, scratch: &Scratch, kind: KeyKind) {
        for change in &scratch.changes {
            let words = scratch.words_of(change);
            let entry = change.len.and_then(|len| {
                let (key, value) = words.split_at_checked(scratch.key_words)?;
                Some(Held::Entry(K::from_words(kind, key)?, Value::from_words(value, len)))
            });
            let Some((slot, version)) = change.at else { continue };
            let other = if change.is_empty { Held::Nothing } else { Held::Damage("slot") };
            self.set(slot, version, entry.unwrap_or(other));
        }
    }
}

/// The values of some keys.
pub(crate) struct Values<'k, K: Key + ?Sized> {
    keys: &'k [&'k K],
    /// For each key, its value, and the slot and version from which the value was copied.
    found: Vec<(Option<(usize, u64)>, Value)>,
    /// There was no pass yet.
    is_new: bool,
}

impl<'k, K: Key + ?Sized> Values<'k, K> {
    pub(crate) fn new(keys: &'k [&'k K]) -> Self {
        let found = keys.iter().map(|_| (None, Value::with_room(0))).collect();
        Self { keys, found, is_new: true }
    }

    pub(crate) fn into_values(self) -> Vec<Option<Value>> {
        self.found.into_iter().map(|(at, value)| at.map(|_| value.fit())).collect()
    }
}

impl<K: Key + ?Sized> Collection<K> for Values<'_, K> {
    fn pass(&mut self, view: View<'_>, again: Again<'_>) -> Result<bool, TableError> {
        let mut changed = std::mem::take(&mut self.is_new);
        for (key, (at, value)) in self.keys.iter().zip(&mut self.found) {
            let before = *at;
            let mut room = K::room();
            let key = view.layout.words_of(*key, &mut room)?;
            let mut take = |buffer: Buffer<'_>, len| {
                if *at != Some((buffer.slot, buffer.version)) {
                    // Not confirmed yet.
                    *at = None;
                    buffer.copy_to_value(value, len);
                }
            };
            let found = view.find(key, &mut take, again)?;
            *at = found.map(|found| (found.slot, found.version));
            changed |= *at != before;
        }
        Ok(changed)
    }

    fn has_absent(&self) -> bool {
        self.found.iter().any(|(at, _)| at.is_none())
    }

    fn pass_locked(
        &self,
        view: View<'_>,
        again: Again<'_>,
        scratch: &mut Scratch,
    ) -> Result<bool, TableError> {
        for (item, (key, (seen, _))) in self.keys.iter().zip(&self.found).enumerate() {
            let mut room = K::room();
            let key = view.layout.words_of(*key, &mut room)?;
            if !scratch.has_room() {
                return Ok(false);
            }
            let (start, mut len) = (scratch.words.len(), None);
            let mut take = |buffer: Buffer<'_>, bytes| {
                scratch.words.truncate(start);
                if *seen != Some((buffer.slot, buffer.version)) {
                    len = Some(bytes);
                    scratch.copy(buffer, bytes);
                }
            };
            let found = view.find(key, &mut take, again)?;
            let at = found.map(|found| (found.slot, found.version));
            if at != *seen {
                scratch.changes.push(Change { item, at, start, len, is_empty: at.is_none() });
            }
        }
        Ok(true)
    }

    fn holds(&self, view: View<'_>, scratch: &Scratch) -> bool {
        let before = |item: usize| self.found.get(item).and_then(|(at, _)| *at);
        let mut places = scratch.places(before);
        // Under the lock no key is added, so what is absent stays absent.
        (0..self.found.len()).all(|item| match places(item) {
            Some((slot, version)) => view.still_has(Found { slot, version }),
            None => true,
        })
    }

    fn apply(&mut self, scratch: &Scratch, _: KeyKind) {
        for change in &scratch.changes {
            let Some((at, value)) = self.found.get_mut(change.item) else { continue };
            *at = change.at;
            if let Some(len) = change.len {
                *value = Value::from_words(scratch.words_of(change), len);
            }
        }
    }
}
