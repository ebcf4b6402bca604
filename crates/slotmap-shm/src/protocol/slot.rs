//! One slot: two value buffers behind a version word (like the kernel's `seqcount_latch`), and a
//! second version word that says what the slot will be once the transaction in flight is committed.
//! `version.rs` defines the words.
//!
//! # Who stores what
//! A slot is written by whoever has moved `next` away from the version: the holder of the lock, by
//! staging the slot, or a registered writer, by claiming the slot (`table/claims.rs`). Both use a
//! compare-and-exchange, so a slot has one writer at a time. Readers use the buffer of the
//! effective version. Nobody stores to that buffer: a writer fills the other one. A reader that
//! copies under version `e` checks afterwards that the slot's version is not beyond `e`, because
//! its buffer can be filled again only after the version has moved on.

use std::cmp::Ordering::{Equal, Greater, Less};

use shm_core::{Ordering, ReadWords};

use super::buffer::Buffer;
use super::lease::{FOR_EVER, Judge};
use super::stored_key::{key_words, words_are};
use super::version::{buffer_of, is_claim, is_live, is_unchanged, is_valid};
use crate::key::NO_KEY;
use crate::key_kind::KeyKind;
use crate::layout::{COMMIT, KEY, LENGTHS, LINE_WORDS, Layout, NEXT, VERSION};

/// What a reader found in a slot.
#[derive(Clone, Copy)]
pub(crate) enum Seen<V = u64> {
    /// The slot holds the key, under this version.
    Match(V),
    /// The slot holds no entry, or another key.
    Other,
    /// It is not known what the slot holds, because a write of this slot completed meanwhile. Try
    /// again.
    Changed,
}

/// A version that the version word of a slot was seen to have.
///
/// The effective version is another thing: while a transaction is flipped, it is the next one
/// already. An exchange of `next` from that version would take away what the transaction has
/// committed. A version never comes back; so once the version word has had this one, the slot is at
/// rest for as long as `next` is the same.
#[derive(Clone, Copy)]
pub(crate) struct Flipped(u64);

impl Flipped {
    #[inline(always)]
    pub(crate) fn get(self) -> u64 {
        self.0
    }
}

/// Like [`is_claim`], for a caller that hardly ever finds a claim.
#[cold]
#[inline(never)]
fn is_claimed(next: u64) -> bool {
    is_claim(next)
}

/// Why a slot does not have a version under which it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotFlipped {
    /// A transaction has committed that version, and has not flipped the slot yet.
    NotYet,
    /// The slot has a later version.
    Changed,
}

/// A slot as readers see it.
#[derive(Clone, Copy)]
pub(crate) struct Slot<'a> {
    /// The first cache line of the slot.
    line: ReadWords<'a>,
    all: ReadWords<'a>,
    layout: &'a Layout,
    number: usize,
    /// Where it begins.
    at: usize,
}

impl<'a> Slot<'a> {
    #[inline(always)]
    pub(crate) fn new(all: ReadWords<'a>, layout: &'a Layout, number: usize) -> Self {
        let at = layout.slot_at(number);
        Self { line: all.slice(at, LINE_WORDS), all, layout, number, at }
    }

    /// Its number, from 0.
    #[inline(always)]
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// Where it begins.
    #[inline(always)]
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Its next version.
    pub(crate) fn next(&self) -> u64 {
        // Acquire: pairs with the end of a claim.
        self.line.load(NEXT, Ordering::Acquire)
    }

    /// Returns the effective version, or `None` if the version changed meanwhile.
    #[inline(always)]
    pub(crate) fn effective(&self) -> Option<u64> {
        // Acquire: pairs with the Release store of a flip (all of that change is
        // visible) and of `stage` (the commit word below is at least that transaction's).
        let version = self.line.load(VERSION, Ordering::Acquire);
        let next = self.line.load(NEXT, Ordering::Acquire);
        if next == version || is_claim(next) {
            // The version of a claimed slot is stored by its claimant's commit.
            Some(version)
        } else {
            self.pending(version, next)
        }
    }

    #[cold]
    #[inline(never)]
    fn pending(self, version: u64, next: u64) -> Option<u64> {
        if next < version {
            // No writer leaves this behind, so do not retry.
            return Some(version);
        }
        // Acquire: pairs with the Release store of a commit: the staged buffer is visible,
        // and so is a repair that dropped this `next` before that transaction began.
        let commit = self.all.load(COMMIT, Ordering::Acquire);
        if commit & 1 == 0 {
            // Not committed, or flipped meanwhile, which the check of the version detects.
            return Some(version);
        }
        // By now a later transaction, which is not committed, may have staged the same `next`
        // again. Acquire: then the second load sees a later commit word.
        let same = self.line.load(NEXT, Ordering::Acquire) == next
            && self.all.load(COMMIT, Ordering::Relaxed) == commit;
        same.then_some(next)
    }

    /// The version under which a reader found the slot, if the version word has it.
    #[inline]
    pub(crate) fn flipped(&self, found: u64) -> Result<Flipped, NotFlipped> {
        // Acquire: pairs with the flip, or with the commit of a claim.
        match self.line.load(VERSION, Ordering::Acquire).cmp(&found) {
            Less => Err(NotFlipped::NotYet),
            Equal => Ok(Flipped(found)),
            Greater => Err(NotFlipped::Changed),
        }
    }

    /// Compares the key of this slot. The caller must confirm a match with [`Slot::is_unchanged`]
    /// once it has copied the value.
    #[inline]
    pub(crate) fn look(&self, is_key: impl FnOnce(&Self) -> bool) -> Seen {
        match self.effective() {
            Some(version) => self.look_at(version, is_key),
            None => Seen::Changed,
        }
    }

    /// Like [`Slot::look`], but returns [`Seen::Changed`] for a slot that is staged.
    #[inline(always)]
    pub(crate) fn look_unless_pending(&self, is_key: impl FnOnce(&Self) -> bool) -> Seen<Flipped> {
        // Acquire, twice: as in `effective`.
        let version = self.line.load(VERSION, Ordering::Acquire);
        let next = self.line.load(NEXT, Ordering::Acquire);
        if next == version || is_claimed(next) {
            match self.look_at(version, is_key) {
                Seen::Match(version) => Seen::Match(Flipped(version)),
                Seen::Other => Seen::Other,
                Seen::Changed => Seen::Changed,
            }
        } else {
            Seen::Changed
        }
    }

    #[inline(always)]
    fn look_at(&self, version: u64, is_key: impl FnOnce(&Self) -> bool) -> Seen {
        if is_live(version) && is_key(self) {
            Seen::Match(version)
        } else if self.is_unchanged(version) {
            Seen::Other
        } else {
            Seen::Changed
        }
    }

    /// Returns the buffer of the value, and the value's length in bytes. If memory is damaged, the
    /// length may exceed the value size.
    #[inline(always)]
    pub(crate) fn value(&self, version: u64) -> (Buffer<'a>, usize) {
        let number = buffer_of(version);
        let lengths = self.line.load(LENGTHS, Ordering::Relaxed);
        let len = (lengths >> (32 * number)) as u32 as usize;
        (Buffer::new(self.line, self.all, self.layout, self.number, version), len)
    }

    /// Returns the lease of the value under this version. The table has leases.
    pub(crate) fn lease(&self, version: u64) -> u64 {
        let at = self.at + self.layout.leases + buffer_of(version);
        self.all.load(at, Ordering::Relaxed)
    }

    /// Returns when the slot was written last, as [`since_boot`](shm_core::since_boot) tells. The
    /// table evicts entries.
    pub(crate) fn stamp(&self) -> u64 {
        self.all.load(self.at + self.layout.stamp, Ordering::Relaxed)
    }

    /// True if the entry that the slot has under this version is over.
    #[inline(always)]
    pub(crate) fn is_over(&self, version: u64, judge: &dyn Judge) -> bool {
        self.layout.leases != 0 && self.lease_is_over(version, judge)
    }

    #[inline(never)]
    fn lease_is_over(self, version: u64, judge: &dyn Judge) -> bool {
        let mut lease = self.lease(version);
        while lease != FOR_EVER && judge.is_over(lease) {
            // It may have been extended in time, before the clock was read.
            let again = self.lease(version);
            if again == lease {
                return true;
            }
            lease = again;
        }
        false
    }

    /// True if the slot has an entry under this version, and the entry is over.
    pub(crate) fn has_entry_over(&self, version: u64, judge: &dyn Judge) -> bool {
        is_live(version) && self.is_over(version, judge)
    }

    /// True if no write of the slot has completed since it had this version. If so, the bytes that
    /// were copied meanwhile are one whole value.
    #[inline(always)]
    pub(crate) fn is_unchanged(&self, version: u64) -> bool {
        is_unchanged(self.line, version)
    }

    /// Returns what is damaged in the slot, if anything. `version` is the version of the slot. The
    /// bytes of values are not checked.
    pub(crate) fn damage(&self, version: u64) -> Option<&'static str> {
        if !is_valid(version) {
            return Some("version of a slot");
        }
        if !self.lengths_fit() {
            return Some("length of a value");
        }
        let mut room = NO_KEY;
        let max = self.layout.geometry.key_size;
        let mut is_key = || self.layout.kind.is_possible(key_words(self.key(), &mut room), max);
        (is_live(version) && !is_key()).then_some("key")
    }

    /// Returns the kind of the keys.
    pub(crate) fn kind(&self) -> KeyKind {
        self.layout.kind
    }

    /// Returns the maximum length of a value in bytes.
    pub(crate) fn max_len(&self) -> usize {
        self.layout.geometry.value_size
    }

    /// True if both lengths are possible.
    pub(crate) fn lengths_fit(&self) -> bool {
        let lengths = self.line.load(LENGTHS, Ordering::Relaxed);
        let max = self.layout.geometry.value_size as u64;
        lengths & 0xFFFF_FFFF <= max && lengths >> 32 <= max
    }

    /// True if the slot's key is `key`.
    #[inline(always)]
    pub(crate) fn key_is(&self, key: &[u64]) -> bool {
        match key {
            [only] => self.line.load(KEY, Ordering::Relaxed) == *only,
            _ => words_are(self.key(), key),
        }
    }

    /// Returns the words of the key.
    #[inline(always)]
    pub(crate) fn key(&self) -> ReadWords<'a> {
        self.all.slice(self.layout.slot_at(self.number) + KEY, self.layout.key_words)
    }
}
