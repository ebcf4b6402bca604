//! Transactions. A transaction stages any number of slots, commits them with one store and then
//! flips them. A single write is a transaction of one slot.
//!
//! | step | stores | a death right after it leaves |
//! |---|---|---|
//! | stage | keys of dead slots, `next`, inactive buffers, lengths, index entries | the old state |
//! | commit | the commit word, now odd | the new state, for all readers at once |
//! | flip | each slot's version, then the commit word, now even | the same |
//! | bookkeeping | index, free stack, len | the same, once repaired |
//!
//! A slot is staged before its buffer is filled: from then on no registered writer can claim it. If
//! one has claimed it already, the transaction is dropped, and the caller waits without the lock.

use shm_core::{Ordering, Words};

use super::fault::{Claimed, Fault};
use super::index::{self, Located, Steps};
use super::lease::{Judge, Lease};
use super::put::{PutMode, Upserted};
use super::slot_mut::{IsDead, NotStaged, SlotMut, Staging, State};
use super::stored_key::key_words;
use super::wake::Touched;
use super::{recover, version};
use crate::key::NO_KEY;
use crate::layout::{COMMIT, EXPIRED, LEN, Layout};

/// A transaction in flight. The lock is held as long as it lives.
pub(crate) struct Transaction<'a> {
    words: Words<'a>,
    layout: &'a Layout,
    is_dead: IsDead<'a>,
    judge: &'a dyn Judge,
    /// The commit word before the transaction, which is even.
    before: u64,
    first: Option<Staged>,
    more: Room,
    added: usize,
    /// True if the index was rebuilt during the transaction. Places noted before are then no longer
    /// valid.
    rebuilt: bool,
}

/// A slot that the transaction changes. Numbers of slots and places have at most 30 bits
/// ([`Geometry::MAX_CAPACITY`](crate::Geometry::MAX_CAPACITY)).
#[derive(Clone, Copy)]
pub(crate) struct Staged {
    slot: u32,
    change: Change,
    staging: Staging,
}

/// What happens to a staged slot, and where its index entry is.
#[derive(Clone, Copy)]
enum Change {
    Replace,
    /// A new entry. `empty` is true if the place was empty before the entry was stored, and false
    /// if it held a tombstone.
    Insert {
        place: u32,
        empty: bool,
    },
    Remove {
        place: u32,
    },
}

/// Private memory that records staged slots. It is allocated before the lock is taken.
pub(crate) type Room = Vec<Staged>;

/// Allocates memory for a transaction of `members` members. The first member needs no allocation.
pub(crate) fn room(members: usize) -> Room {
    Vec::with_capacity(members.saturating_sub(1))
}

impl<'a> Transaction<'a> {
    /// Begins a transaction. The table is consistent: no slot is staged.
    #[inline]
    pub(crate) fn begin(
        words: Words<'a>,
        layout: &'a Layout,
        is_dead: IsDead<'a>,
        judge: &'a dyn Judge,
        room: Room,
    ) -> Self {
        version::begin_writing();
        // It is odd here only if memory is damaged.
        let before = words.load(COMMIT, Ordering::Relaxed) & !1;
        Self {
            words,
            layout,
            is_dead,
            judge,
            before,
            first: None,
            more: room,
            added: 0,
            rebuilt: false,
        }
    }

    /// Finds the slot and the index place of a key, if the key is present. Includes what was
    /// staged.
    #[inline]
    pub(crate) fn find(&self, key: &[u64]) -> Option<(usize, usize)> {
        let hash = index::hash(self.layout, key);
        match index::locate(self.words, self.layout, hash, key) {
            Located::Found { slot, .. } if self.is_over(slot) => None,
            Located::Found { slot, place } => Some((slot, place)),
            Located::Absent { .. } => None,
        }
    }

    /// True if the entry in this slot is over. It is not if this transaction has staged it.
    #[inline]
    fn is_over(&self, slot: usize) -> bool {
        self.layout.leases != 0 && {
            let slot = self.slot(slot);
            slot.state() != State::Staged && slot.is_over(self.judge)
        }
    }

    /// How many members are noted in the memory.
    #[inline]
    pub(crate) fn len_of_room(&self) -> usize {
        self.more.len()
    }

    /// What the transaction changes if it is committed; `None` if it has staged nothing.
    #[inline]
    pub(crate) fn touched(&self) -> Option<Touched> {
        let first = self.first?;
        let one = Touched::One(first.slot as usize);
        Some(if self.more.is_empty() { one } else { Touched::Many })
    }

    /// Returns the memory of the transaction, so that the caller can free it after releasing the
    /// lock.
    #[inline]
    pub(crate) fn into_room(mut self) -> Room {
        self.more.clear();
        self.more
    }

    pub(crate) fn words(&self) -> Words<'a> {
        self.words
    }

    #[inline]
    pub(crate) fn slot(&self, slot: usize) -> SlotMut<'a> {
        SlotMut::new(self.words, self.layout, slot)
    }

    /// Stages a write. The caller has checked before locking that `value` fits.
    #[inline(always)]
    pub(crate) fn put(
        &mut self,
        mode: PutMode,
        key: &[u64],
        value: &[u8],
        lease: Lease,
    ) -> Result<Upserted, Fault> {
        let hash = index::hash(self.layout, key);
        match index::locate(self.words, self.layout, hash, key) {
            Located::Found { slot, .. } if self.is_over(slot) => {
                if mode == PutMode::Update {
                    return Err(Fault::NotFound);
                }
                // The entry is absent for everybody, but still has its slot.
                self.hold(slot)?;
                // Somebody may have extended it before it was held.
                let is_absent = self.slot(slot).is_over(self.judge);
                if !is_absent && mode == PutMode::Add {
                    return Err(Fault::Duplicate);
                }
                self.replace(slot, value, lease);
                if is_absent {
                    self.count(EXPIRED, 1);
                }
                Ok(if is_absent { Upserted::Inserted } else { Upserted::Updated })
            }
            Located::Found { .. } if mode == PutMode::Add => Err(Fault::Duplicate),
            Located::Found { slot, .. } => {
                self.hold(slot)?;
                self.replace(slot, value, lease);
                Ok(Upserted::Updated)
            }
            Located::Absent { .. } if mode == PutMode::Update => Err(Fault::NotFound),
            Located::Absent { place, empty } => {
                self.insert(key, hash, (value, lease), place, empty)?;
                Ok(Upserted::Inserted)
            }
        }
    }

    /// Stages a slot that [`Transaction::find`] returned. From then on, nobody else changes it.
    #[inline(always)]
    pub(crate) fn hold(&mut self, slot: usize) -> Result<(), Fault> {
        self.stage(slot, true, None, Change::Replace)
    }

    /// As [`Transaction::hold`], but only from this version; false if it has another one.
    #[inline]
    pub(crate) fn hold_from(&mut self, slot: usize, version: u64) -> Result<bool, Fault> {
        match self.stage(slot, true, Some(version), Change::Replace) {
            Ok(()) => Ok(true),
            Err(Fault::Changed) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Stores the new value of a slot that this transaction holds.
    #[inline(always)]
    pub(crate) fn replace(&self, slot: usize, value: &[u8], lease: Lease) {
        let slot = self.slot(slot);
        slot.put_value(slot.version(), value, lease);
    }

    #[inline(always)]
    fn stage(
        &mut self,
        slot: usize,
        live: bool,
        from: Option<u64>,
        change: Change,
    ) -> Result<(), Fault> {
        match self.slot(slot).stage(live, from, self.is_dead) {
            Ok(staging) => {
                self.note(slot, change, staging);
                Ok(())
            }
            Err(NotStaged::Claimed { claim, version }) => {
                Err(Fault::Claimed(Claimed { slot, claim, version }))
            }
            Err(NotStaged::Changed) => Err(Fault::Changed),
            Err(NotStaged::Damaged) => {
                Err(Fault::Corrupt { what: "next version of a slot", at: slot })
            }
        }
    }

    fn insert(
        &mut self,
        key: &[u64],
        hash: u64,
        (value, lease): (&[u8], Lease),
        mut place: Option<usize>,
        mut empty: bool,
    ) -> Result<(), Fault> {
        let mut slot = self.free_slot()?;
        if place.is_none() || (empty && !index::has_room(self.words, self.layout)) {
            index::rebuild(self.words, self.layout, &mut |_| (), &mut Steps::default());
            self.rebuilt = true;
            recover::stack_free_slots(self.words, self.layout);
            slot = self.free_slot()?;
            (place, empty) = match index::locate(self.words, self.layout, hash, key) {
                Located::Absent { place, empty } => (place, empty),
                Located::Found { slot, .. } => {
                    return Err(Fault::Corrupt { what: "key without an entry", at: slot });
                }
            };
        }
        let Some(place) = place else {
            return Err(Fault::Corrupt { what: "index without room", at: self.layout.index });
        };
        let this = self.slot(slot);
        this.put_key(key);
        self.stage(slot, true, None, Change::Insert { place: place as u32, empty })?;
        self.replace(slot, value, lease);
        index::insert(self.words, self.layout, hash, slot, place, empty);
        self.added += 1;
        Ok(())
    }

    /// Returns the next slot of the free stack that this transaction has not taken yet.
    #[inline]
    fn free_slot(&self) -> Result<usize, Fault> {
        let capacity = self.layout.capacity;
        let taken = self.len().saturating_add(self.added);
        if taken >= capacity {
            return Err(Fault::Full { capacity });
        }
        let at = self.layout.free_at(capacity - taken - 1);
        let slot = self.words.load(at, Ordering::Relaxed);
        match usize::try_from(slot) {
            Ok(slot) if slot < capacity && !self.slot(slot).will_be_live() => Ok(slot),
            _ => Err(Fault::Corrupt { what: "free stack", at }),
        }
    }

    #[inline]
    fn len(&self) -> usize {
        self.words.load(LEN, Ordering::Relaxed) as usize
    }

    /// Adds to one of the counts of the table. They are for statistics.
    pub(crate) fn count(&self, at: usize, more: u64) {
        let relaxed = Ordering::Relaxed;
        self.words.store(at, self.words.load(at, relaxed).wrapping_add(more), relaxed);
    }

    /// Stages the removal of a key.
    #[inline]
    pub(crate) fn remove(&mut self, key: &[u64]) -> Result<(), Fault> {
        let Some((slot, place)) = self.find(key) else {
            return Err(Fault::NotFound);
        };
        self.stage(slot, false, None, Change::Remove { place: place as u32 })
    }

    /// Stages the removal of entries that are over, in the next slots from this one on. Looks at no
    /// more than `most` slots, and stops when the memory for staged slots is used up. Returns how
    /// many slots were looked at, and how many of their entries are to be removed.
    pub(crate) fn remove_over(
        &mut self,
        from: usize,
        most: usize,
    ) -> Result<(usize, usize), Fault> {
        let capacity = self.layout.capacity;
        let from = from.min(capacity);
        let (mut looked, mut removed) = (0, 0);
        for slot in (from..capacity).chain(0..from).take(most) {
            // Nothing may be allocated here.
            if self.more.len() == self.more.capacity() {
                break;
            }
            looked += 1;
            if self.slot(slot).is_over(self.judge) {
                let is_due = |slot: &SlotMut<'_>| slot.is_over(self.judge);
                removed += usize::from(self.remove_if(slot, false, is_due)?);
            }
        }
        Ok((looked, removed))
    }

    /// Stages the removal of the entry in this slot if `is_due` says so, once nobody else can
    /// change the slot. Returns false if not, or if there is no entry, or if it is being written,
    /// unless the caller `insists`.
    pub(crate) fn remove_if(
        &mut self,
        slot: usize,
        insists: bool,
        is_due: impl FnOnce(&SlotMut<'_>) -> bool,
    ) -> Result<bool, Fault> {
        let this = self.slot(slot);
        // What is claimed is in use.
        let may_be_taken = match this.state() {
            State::AtRest => this.will_be_live(),
            State::Claimed(_) => insists,
            State::Staged | State::Damaged(_) => false,
        };
        if !may_be_taken {
            return Ok(false);
        }
        let mut room = NO_KEY;
        let key = key_words(this.key(), &mut room);
        let hash = index::hash(self.layout, key);
        let place = match index::locate(self.words, self.layout, hash, key) {
            Located::Found { slot: found, place } if found == slot => place as u32,
            _ => return Ok(false),
        };
        match this.stage(false, None, self.is_dead) {
            Ok(Staging::Anew) if !is_due(&this) => {
                this.unstage();
                Ok(false)
            }
            Ok(staging) => {
                self.note(slot, Change::Remove { place }, staging);
                Ok(true)
            }
            Err(NotStaged::Claimed { claim, version }) if insists => {
                Err(Fault::Claimed(Claimed { slot, claim, version }))
            }
            Err(NotStaged::Claimed { .. } | NotStaged::Changed) => Ok(false),
            Err(NotStaged::Damaged) => {
                Err(Fault::Corrupt { what: "next version of a slot", at: slot })
            }
        }
    }

    #[inline(always)]
    fn note(&mut self, slot: usize, change: Change, staging: Staging) {
        let staged = Staged { slot: slot as u32, change, staging };
        if self.first.is_none() {
            self.first = Some(staged);
        } else {
            self.more.push(staged);
        }
    }

    /// Commits everything that was staged. Does nothing if nothing was staged.
    #[inline]
    pub(crate) fn commit(&self) {
        let Some(first) = self.first else {
            return;
        };
        self.publish();
        self.flip(first);
        self.more.iter().for_each(|&staged| self.flip(staged));
        self.end();
        if !matches!(first.change, Change::Replace) || self.added > 0 {
            self.update_bookkeeping();
        }
    }

    /// A slot that was staged again has been flipped already, and may be anybody's by now. Or it
    /// was found staged, which no repair leaves behind but damage may.
    #[inline]
    fn flip(&self, staged: Staged) {
        let slot = self.slot(staged.slot as usize);
        if staged.staging == Staging::Anew || slot.state() == State::Staged {
            slot.flip();
        }
    }

    /// Updates what is derived from the slots: the index entries of removed keys, the free stack
    /// and the number of entries.
    fn update_bookkeeping(&self) {
        let mut len = self.len().saturating_add(self.added);
        for staged in self.first.iter().chain(&self.more) {
            let Staged { slot, change: Change::Remove { place }, .. } = *staged else {
                continue;
            };
            index::delete(self.words, self.layout, place as usize);
            // If memory is damaged, the count may be lower than the number of entries removed here.
            len = len.saturating_sub(1);
            if let Some(free) = (self.layout.capacity - 1).checked_sub(len) {
                self.words.store(self.layout.free_at(free), u64::from(slot), Ordering::Relaxed);
            }
        }
        self.words.store(LEN, len as u64, Ordering::Relaxed);
    }

    /// Removes all entries, or none.
    pub(crate) fn clear(&self) -> Result<(), Fault> {
        let slots = || (0..self.layout.capacity).map(|slot| (slot, self.slot(slot)));
        let staged = || slots().map(|(_, slot)| slot).filter(|slot| slot.state() == State::Staged);
        for (slot, this) in slots().filter(|(_, slot)| slot.will_be_live()) {
            let fault = match this.stage(false, None, self.is_dead) {
                Ok(_) => continue,
                Err(NotStaged::Claimed { claim, version }) => {
                    Fault::Claimed(Claimed { slot, claim, version })
                }
                Err(NotStaged::Changed | NotStaged::Damaged) => {
                    Fault::Corrupt { what: "next version of a slot", at: slot }
                }
            };
            staged().for_each(|slot| slot.unstage());
            return Err(fault);
        }
        self.publish();
        staged().for_each(|slot| slot.flip());
        self.end();
        recover::derive(self.words, self.layout, self.is_dead);
        Ok(())
    }

    /// Drops everything that was staged. O(staged), unless the index was rebuilt meanwhile.
    #[cold]
    pub(crate) fn abort(&self) {
        // Last in, first out: a later entry's probe may pass over an earlier one.
        for staged in self.more.iter().rev().chain(&self.first) {
            // Once only. One that was staged again was at rest before, unless memory is damaged.
            if staged.staging == Staging::Anew {
                self.slot(staged.slot as usize).unstage();
            }
            if let (Change::Insert { place, empty }, false) = (staged.change, self.rebuilt) {
                index::undo_insert(self.words, self.layout, place as usize, empty);
            }
        }
        if self.rebuilt {
            recover::derive(self.words, self.layout, self.is_dead);
        }
    }

    /// Commits: everything that was staged becomes effective for all readers at once.
    #[inline]
    fn publish(&self) {
        // Release: pairs with the Acquire loads in `Slot::pending` and in the
        // readers of several keys.
        self.words.store(COMMIT, self.before.wrapping_add(1), Ordering::Release);
    }

    /// Marks the end of the transaction, after the last flip.
    #[inline]
    fn end(&self) {
        // Release: a reader that sees the word even again sees the flips.
        self.words.store(COMMIT, self.before.wrapping_add(2), Ordering::Release);
    }
}
