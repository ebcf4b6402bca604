//! One slot: two value buffers behind a version word (like the kernel's `seqcount_latch`), and a
//! second version word that says what the slot will be once the transaction in flight is committed.
//! `version.rs` defines the words.
//!
//! # Who stores what
//! Only the holder of the lock stores. Readers use the buffer of the effective version. Nobody
//! stores to that buffer: a writer fills the other one. A reader that copies under version `e`
//! checks afterwards that the slot's version is not beyond `e`, because its buffer can be filled
//! again only after the version has moved on.

use shm_core::{Ordering, ReadWords, Words};

use super::buffer::{self, Buffer};
use super::stored_key::{key_words, words_are};
use super::version::{INITIAL, buffer_of, is_live, is_unchanged, is_valid, successor};
use crate::key::NO_KEY;
use crate::layout::{COMMIT, KEY, LENGTHS, LINE_WORDS, Layout, NEXT, VERSION};
use crate::sabotage;

/// What a reader found in a slot.
#[derive(Clone, Copy)]
pub(crate) enum Seen {
    /// The slot holds the key, under this version.
    Match(u64),
    /// The slot holds no entry, or another key.
    Other,
    /// It is not known what the slot holds, because a write of this slot completed meanwhile. Try
    /// again.
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
}

impl<'a> Slot<'a> {
    #[inline(always)]
    pub(crate) fn new(all: ReadWords<'a>, layout: &'a Layout, number: usize) -> Self {
        Self { line: all.slice(layout.slot_at(number), LINE_WORDS), all, layout, number }
    }

    /// Returns the effective version, or `None` if the version changed meanwhile.
    #[inline(always)]
    pub(crate) fn effective(&self) -> Option<u64> {
        // Acquire: pairs with the Release store of a flip (all of that change is
        // visible) and of `stage` (the commit word below is at least that transaction's).
        let version = self.line.load(VERSION, Ordering::Acquire);
        let next = self.line.load(NEXT, Ordering::Acquire);
        if next == version { Some(version) } else { self.pending(version, next) }
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

    /// Compares the key of this slot. The caller must confirm a match with [`Slot::is_unchanged`]
    /// once it has copied the value.
    #[inline]
    pub(crate) fn look(&self, is_key: impl FnOnce(&Self) -> bool) -> Seen {
        match self.effective() {
            Some(version) => self.look_at(version, is_key),
            None => Seen::Changed,
        }
    }

    /// Like [`Slot::look`], but returns [`Seen::Changed`] for a slot that is being written.
    #[inline(always)]
    pub(crate) fn look_unless_pending(&self, is_key: impl FnOnce(&Self) -> bool) -> Seen {
        // Acquire, twice: as in `effective`.
        let version = self.line.load(VERSION, Ordering::Acquire);
        if self.line.load(NEXT, Ordering::Acquire) == version {
            self.look_at(version, is_key)
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
        (Buffer::new(self.all, self.layout, self.number, version), len)
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

/// A slot as the holder of the lock sees it. Loads are relaxed, because only the holder stores.
#[derive(Clone, Copy)]
pub(crate) struct SlotMut<'a> {
    /// The first cache line of the slot.
    line: Words<'a>,
    all: Words<'a>,
    layout: &'a Layout,
    number: usize,
}

impl<'a> SlotMut<'a> {
    #[inline]
    pub(crate) fn new(all: Words<'a>, layout: &'a Layout, number: usize) -> Self {
        Self { line: all.slice(layout.slot_at(number), LINE_WORDS), all, layout, number }
    }

    #[inline]
    pub(crate) fn version(&self) -> u64 {
        self.line.load(VERSION, Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn next(&self) -> u64 {
        self.line.load(NEXT, Ordering::Relaxed)
    }

    /// True if the slot will have an entry once the writer's transaction commits.
    #[inline]
    pub(crate) fn will_be_live(&self) -> bool {
        is_live(self.next())
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
    pub(crate) fn key(&self) -> ReadWords<'a> {
        let at = self.layout.slot_at(self.number) + KEY;
        self.all.as_read().slice(at, self.layout.key_words)
    }

    /// Returns the buffer of the current value, and the value's length in bytes (clamped).
    #[inline]
    pub(crate) fn value(&self) -> (Buffer<'a>, usize) {
        let version = self.version();
        let lengths = self.line.load(LENGTHS, Ordering::Relaxed);
        let len = (lengths >> (32 * buffer_of(version))) as u32 as usize;
        let words = Buffer::new(self.all.as_read(), self.layout, self.number, version);
        (words, len.min(self.layout.geometry.value_size))
    }

    /// Initialises a slot that was never used.
    pub(crate) fn init(&self) {
        self.line.store(NEXT, INITIAL, Ordering::Relaxed);
        self.line.store(VERSION, INITIAL, Ordering::Relaxed);
    }

    /// Stores the key of a dead slot that is about to be staged.
    #[inline]
    pub(crate) fn put_key(&self, key: &[u64]) {
        let at = self.layout.slot_at(self.number) + KEY;
        let to = self.all.slice(at, self.layout.key_words);
        for (at, &word) in key.iter().enumerate() {
            to.store(at, word, Ordering::Relaxed);
        }
    }

    /// Stages a value. The caller has checked `value.len()`. Staging again in the same transaction
    /// replaces what was staged.
    #[inline(always)]
    pub(crate) fn stage_value(&self, value: &[u8]) {
        let version = self.version();
        let next = successor(version, true);
        let buffer = buffer_of(if sabotage::tears() { version } else { next });
        buffer::store(self.all, self.layout, self.number, buffer, value);
        let shift = 32 * buffer;
        let other = self.line.load(LENGTHS, Ordering::Relaxed) & !(0xFFFF_FFFF << shift);
        self.line.store(LENGTHS, other | (value.len() as u64) << shift, Ordering::Relaxed);
        if sabotage::tears() {
            // The flip leads to the other buffer.
            let other = buffer_of(next);
            buffer::store(self.all, self.layout, self.number, other, value);
            let twice = value.len() as u64 | (value.len() as u64) << 32;
            self.line.store(LENGTHS, twice, Ordering::Relaxed);
        }
        self.stage(next);
    }

    /// Stages the removal of the key.
    #[inline]
    pub(crate) fn stage_removal(&self) {
        self.stage(successor(self.version(), false));
    }

    #[inline]
    fn stage(&self, next: u64) {
        // Release: a reader that sees `next` sees the end of the transaction before.
        self.line.store(NEXT, next, Ordering::Release);
        if sabotage::commits_piecemeal() {
            self.flip();
        }
    }

    /// Makes the staged version the current one. The transaction has been committed.
    #[inline]
    pub(crate) fn flip(&self) {
        // Release: a reader that sees the version sees the buffer and the commit.
        self.line.store(VERSION, self.next(), Ordering::Release);
    }

    /// Drops what was staged. The transaction has not been committed.
    pub(crate) fn unstage(&self) {
        self.line.store(NEXT, self.version(), Ordering::Release);
    }

    /// Takes a damaged slot out of use by giving it a new version.
    pub(crate) fn retire(&self) {
        let next = successor(self.version(), false);
        let dead = if is_valid(self.version()) && is_valid(next) { next } else { INITIAL };
        self.line.store(NEXT, dead, Ordering::Release);
        self.line.store(VERSION, dead, Ordering::Release);
        // Otherwise an impossible length would outlive every repair. Release: a reader that sees
        // these lengths sees the version above, and tries again.
        self.line.store(LENGTHS, 0, Ordering::Release);
    }

    /// True if a write was staged and has not been flipped yet. If this is false although the next
    /// version differs, the slot is damaged.
    pub(crate) fn is_pending(&self) -> bool {
        let (version, next) = (self.version(), self.next());
        next == successor(version, true) || next == successor(version, false)
    }

    /// Returns what is damaged in the slot, if anything.
    pub(crate) fn damage(&self) -> Option<&'static str> {
        self.as_read().damage(self.version())
    }

    fn as_read(&self) -> Slot<'a> {
        Slot::new(self.all.as_read(), self.layout, self.number)
    }
}
