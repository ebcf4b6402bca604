//! The reading half of the protocol. It works on the words of a mapping or of a model.

use shm_core::{Ordering, ReadWords, fence};

use super::buffer::Buffer;
use super::index::{self, Probe};
use super::lease::Judge;
use super::slot::{Flipped, Seen, Slot};
use crate::error::TableError;
use crate::layout::{COMMIT, Layout};
use crate::levels::Levels;

/// The words that a reader works on, and their layout.
///
/// The layout is that of a level that the table had once. If the table has grown since, searches
/// still find the keys that they lead to, and everything else is [`Look::Again`].
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) words: ReadWords<'a>,
    pub(crate) layout: &'a Layout,
    pub(crate) levels: &'a Levels,
    pub(crate) judge: &'a dyn Judge,
}

/// What the first attempt of a search found.
pub(crate) enum Look<'a> {
    /// The key is in this slot, under this version. The caller must confirm that the slot still has
    /// this version.
    Found(Slot<'a>, Flipped),
    /// The key is absent.
    Absent,
    /// Something rare happened: use the [patient search](View::find).
    Again,
}

/// Where a key was found, and under which version.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    pub(crate) slot: usize,
    pub(crate) version: u64,
}

impl<'a> View<'a> {
    /// Searches for `key` in the common case. Makes one probe, and one attempt at each slot. This
    /// function is small enough to be inlined.
    #[inline(always)]
    pub(crate) fn look(&self, key: &[u64]) -> Look<'a> {
        let hash = index::hash(self.layout, key);
        let Some(mut probe) = Probe::new(self.words, self.layout, hash) else {
            return Look::Again;
        };
        loop {
            let entry = probe.entry();
            if let Some(slot) = probe.slot_of(entry) {
                let slot = self.slot(slot);
                match slot.look_unless_pending(|slot| slot.key_is(key)) {
                    Seen::Match(version) if !slot.is_over(version.get(), self.judge) => {
                        return Look::Found(slot, version);
                    }
                    Seen::Match(version) if !slot.is_unchanged(version.get()) => {
                        return Look::Again;
                    }
                    Seen::Match(_) | Seen::Other => {}
                    Seen::Changed => return Look::Again,
                }
            }
            if !probe.step(entry) {
                break;
            }
        }
        if probe.proves_absence() { Look::Absent } else { Look::Again }
    }

    /// Like [`View::look`], but looks only at the first place of the probe, where most keys are.
    /// What a loop over the places has to remember would not fit into registers together with the
    /// rest of a read.
    #[inline(always)]
    pub(crate) fn look_home(&self, key: &[u64]) -> Look<'a> {
        let hash = index::hash(self.layout, key);
        let Some(probe) = Probe::new(self.words, self.layout, hash) else {
            return Look::Again;
        };
        let entry = probe.entry();
        if let Some(slot) = probe.slot_of(entry) {
            let slot = self.slot(slot);
            if let Seen::Match(version) = slot.look_unless_pending(|slot| slot.key_is(key))
                && !slot.is_over(version.get(), self.judge)
            {
                return Look::Found(slot, version);
            }
        } else if probe.ends_at(entry) && probe.proves_absence() {
            return Look::Absent;
        }
        Look::Again
    }

    /// Returns a view with the layout of the level that the table has now.
    pub(crate) fn current(self) -> Self {
        Self { layout: self.levels.current(self.words), ..self }
    }

    /// True if the table has not grown beyond this level, after everything that this thread has
    /// read so far.
    pub(crate) fn is_current(&self) -> bool {
        // Acquire: if anything that was read was stored after the growth, the load below sees it.
        fence(Ordering::Acquire);
        self.levels.current(self.words).level == self.layout.level
    }

    #[inline(always)]
    pub(crate) fn slot(&self, number: usize) -> Slot<'a> {
        Slot::new(self.words, self.layout, number)
    }

    /// Finds `key`, whatever happens meanwhile, and calls `take` with the buffer and the length in
    /// bytes of its value, so that `take` can copy the value. `take` may be called several times;
    /// only the last call counts. `again` is called if a slot changed during the read. If it
    /// returns an error, the search ends.
    #[cold]
    #[inline(never)]
    pub(crate) fn find(
        &self,
        key: &[u64],
        take: &mut dyn FnMut(Buffer<'a>, usize),
        again: &dyn Fn() -> Result<(), TableError>,
    ) -> Result<Option<Found>, TableError> {
        loop {
            let view = self.current();
            let found = view.find_in_level(key, take, again)?;
            // A table grows at most some thirty times.
            if found.is_some() || view.is_current() {
                return Ok(found);
            }
            again()?;
        }
    }

    fn find_in_level(
        &self,
        key: &[u64],
        take: &mut dyn FnMut(Buffer<'a>, usize),
        again: &dyn Fn() -> Result<(), TableError>,
    ) -> Result<Option<Found>, TableError> {
        let hash = index::hash(self.layout, key);
        let mut read = |slot| self.read(slot, |slot| slot.key_is(key), take, again).transpose();
        if let Some(mut probe) = Probe::new(self.words, self.layout, hash) {
            loop {
                let entry = probe.entry();
                if let Some(found) = probe.slot_of(entry).and_then(&mut read) {
                    return found.map(Some);
                }
                if !probe.step(entry) {
                    break;
                }
            }
            if probe.proves_absence() {
                return Ok(None);
            }
        }
        // The index is being rebuilt, or its rebuilder died.
        (0..self.layout.capacity).find_map(read).transpose()
    }

    /// Reads one slot, if its key satisfies `is_key`.
    pub(crate) fn read(
        &self,
        number: usize,
        mut is_key: impl FnMut(&Slot<'a>) -> bool,
        take: &mut dyn FnMut(Buffer<'a>, usize),
        again: &dyn Fn() -> Result<(), TableError>,
    ) -> Result<Option<Found>, TableError> {
        let slot = self.slot(number);
        loop {
            match slot.look(&mut is_key) {
                Seen::Match(version) => {
                    let (buffer, len) = slot.value(version);
                    let possible = len <= self.layout.geometry.value_size;
                    let over = slot.is_over(version, self.judge);
                    if possible && !over {
                        take(buffer, len);
                    }
                    if slot.is_unchanged(version) {
                        if over {
                            return Ok(None);
                        }
                        let damage = TableError::Corrupt { what: "length of a value", at: number };
                        return if possible {
                            Ok(Some(Found { slot: number, version }))
                        } else {
                            Err(damage)
                        };
                    }
                }
                Seen::Other => return Ok(None),
                Seen::Changed => {}
            }
            again()?;
        }
    }

    /// Returns the number of transactions that have been committed. Their effects are visible to
    /// this thread.
    pub(crate) fn commits(&self) -> u64 {
        commits(self.words)
    }

    /// Like [`View::commits`], but after everything that this thread has read so far.
    pub(crate) fn commits_after_reading(&self) -> u64 {
        commits_after_reading(self.words)
    }

    /// True if this slot has had this version since it was found with it.
    #[inline]
    pub(crate) fn still_has(&self, found: Found) -> bool {
        let slot = self.slot(found.slot);
        // The second check notices a flip after the load of the version, as for a value.
        slot.effective() == Some(found.version) && slot.is_unchanged(found.version)
    }
}

/// Returns the number of transactions that have been committed.
pub(super) fn commits(words: ReadWords<'_>) -> u64 {
    // Acquire: pairs with the commit.
    commits_at(words.load(COMMIT, Ordering::Acquire))
}

/// Like [`commits`], but after everything that this thread has read so far.
pub(super) fn commits_after_reading(words: ReadWords<'_>) -> u64 {
    // Acquire: any effect of a later commit that was seen was stored after that commit, by Release
    // stores; so the load below sees it.
    fence(Ordering::Acquire);
    commits_at(words.load(COMMIT, Ordering::Relaxed))
}

/// Returns the number of transactions that have been committed when the commit word is `commit`.
fn commits_at(commit: u64) -> u64 {
    commit.wrapping_add(1) >> 1
}
