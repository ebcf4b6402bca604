//! One slot: two value buffers behind a version word (`seqcount_latch` in the
//! kernel), and a second version word that says what the slot will be once the
//! transaction in flight is committed.
//!
//! # States
//! A version word is `counter << 2 | live << 1 | buffer`. The counter grows by one
//! with every committed change of the slot and never shrinks.
//!
//! | version | next | transaction | the slot is | left by |
//! |---|---|---|---|---|
//! | v | v | any | v | – |
//! | v | v+1 | > commit word | v: staged, not committed | commit (→ below) or repair (next ← v) |
//! | v | v+1 | ≤ commit word | v+1: committed, not yet flipped | flip (version ← v+1), by the writer or by repair |
//!
//! So the one store to the commit word changes all slots of a transaction at
//! once, for every reader, and nothing that happens to the writer afterwards matters.
//!
//! # Who stores what
//! Only the holder of the lock stores. The buffer that readers use (that of the
//! effective version) is never stored to: a writer fills the other one. A
//! reader that copies from version `e` checks afterwards that the slot's version
//! is not beyond `e`; only then could its buffer have been filled again.

use shm_core::{Ordering, ReadWords, Words, fence};

use crate::layout::{COMMIT, KEY, LENGTHS, Layout, NEXT, TRANSACTION, VERSION};
use crate::sabotage;

const BUFFER: u64 = 1;
const LIVE: u64 = 2;
const COUNT: u64 = 4;

/// The version of a slot that was never used: dead, counter 1. Zero is no valid
/// version, so that zeroed memory is noticed.
pub(crate) const INITIAL: u64 = COUNT;

pub(crate) fn is_live(version: u64) -> bool {
    version & LIVE != 0
}

/// No slot is written so often. Beyond is damage, which a few writes more would let
/// wrap around to no version at all.
const LIMIT: u64 = 1 << 62;

pub(crate) fn is_valid(version: u64) -> bool {
    (COUNT..LIMIT).contains(&version)
}

fn buffer_of(version: u64) -> usize {
    usize::from(version & BUFFER != 0)
}

/// The version after `version`: the next counter and the other buffer.
fn successor(version: u64, live: bool) -> u64 {
    let counted = (version & !(BUFFER | LIVE)).wrapping_add(COUNT);
    counted | (!version & BUFFER) | if live { LIVE } else { 0 }
}

/// What a reader found in a slot.
pub(crate) enum Seen<R> {
    /// The key, and what the caller made of its value; with the version read.
    Match(R, u64),
    /// Nothing, or another key.
    Other,
    /// A write of this slot completed meanwhile: look again.
    Changed,
    /// The slot holds an impossible length.
    Damaged,
}

/// A slot as readers see it.
#[derive(Clone, Copy)]
pub(crate) struct Slot<'a> {
    words: ReadWords<'a>,
    all: ReadWords<'a>,
    layout: &'a Layout,
}

impl<'a> Slot<'a> {
    #[inline(always)]
    pub(crate) fn new(all: ReadWords<'a>, layout: &'a Layout, slot: usize) -> Self {
        Self { words: all.slice(layout.slot_at(slot), layout.slot_words), all, layout }
    }

    /// The version that counts now; `None` when it changed meanwhile.
    #[inline(always)]
    fn effective(&self) -> Option<u64> {
        // Acquire: pairs with the Release store of a flip (all of that change is
        // visible) and of `stage` (the transaction number below is at least that one).
        let version = self.words.load(VERSION, Ordering::Acquire);
        let next = self.words.load(NEXT, Ordering::Acquire);
        if next == version { Some(version) } else { self.pending(version, next) }
    }

    #[cold]
    fn pending(&self, version: u64, next: u64) -> Option<u64> {
        let transaction = self.words.load(TRANSACTION, Ordering::Relaxed);
        // Acquire: pairs with the Release store in `commit`: the staged buffer is
        // visible, and so is a repair that dropped this `next` before the number
        // of the dropped transaction was used again.
        if transaction > self.all.load(COMMIT, Ordering::Acquire) {
            return Some(version);
        }
        (self.words.load(NEXT, Ordering::Relaxed) == next).then_some(next)
    }

    /// Looks for `key` here; `take` copies the value. What `take` made is dropped
    /// when the slot changed under it.
    #[inline(always)]
    pub(crate) fn read<R>(
        &self,
        key: impl FnOnce(ReadWords<'a>) -> bool,
        take: impl FnOnce(ReadWords<'a>, usize) -> R,
    ) -> Seen<R> {
        let Some(version) = self.effective() else {
            return Seen::Changed;
        };
        let found = is_live(version) && key(self.words.slice(KEY, self.layout.key_words));
        let seen = if found {
            let buffer = buffer_of(version);
            let lengths = self.words.load(LENGTHS, Ordering::Relaxed);
            let len = (lengths >> (32 * buffer)) as u32 as usize;
            if len > self.layout.geometry.value_size {
                Seen::Damaged
            } else {
                let at = self.layout.buffer_at(buffer);
                let words = self.words.slice(at, self.layout.value_words);
                Seen::Match(take(words, len), version)
            }
        } else {
            Seen::Other
        };
        // Acquire: pairs with the Release fence in `begin_writing`. If any load above
        // saw a store of a later transaction, the load below sees the flip that
        // came before that transaction.
        fence(Ordering::Acquire);
        if self.words.load(VERSION, Ordering::Relaxed) <= version { seen } else { Seen::Changed }
    }
}

/// True when the slot's key is `key`.
#[inline(always)]
pub(crate) fn key_is(key: &[u64]) -> impl Fn(ReadWords<'_>) -> bool {
    move |words| {
        key.len() <= words.len()
            && words.iter().zip(key).all(|(w, &k)| w.load(Ordering::Relaxed) == k)
    }
}

/// Orders all flips so far before every store of the transaction that starts.
pub(crate) fn begin_writing() {
    fence(Ordering::Release);
}

/// A slot as the holder of the lock sees it. Relaxed loads: only the holder stores.
#[derive(Clone, Copy)]
pub(crate) struct SlotMut<'a> {
    words: Words<'a>,
    layout: &'a Layout,
}

impl<'a> SlotMut<'a> {
    pub(crate) fn new(all: Words<'a>, layout: &'a Layout, slot: usize) -> Self {
        Self { words: all.slice(layout.slot_at(slot), layout.slot_words), layout }
    }

    pub(crate) fn version(&self) -> u64 {
        self.words.load(VERSION, Ordering::Relaxed)
    }

    pub(crate) fn next(&self) -> u64 {
        self.words.load(NEXT, Ordering::Relaxed)
    }

    pub(crate) fn transaction(&self) -> u64 {
        self.words.load(TRANSACTION, Ordering::Relaxed)
    }

    /// The writer's view: what the slot is once its transaction commits.
    pub(crate) fn will_be_live(&self) -> bool {
        is_live(self.next())
    }

    pub(crate) fn key(&self) -> ReadWords<'a> {
        self.words.as_read().slice(KEY, self.layout.key_words)
    }

    /// The current value: its words and its length in bytes (clamped).
    pub(crate) fn value(&self) -> (ReadWords<'a>, usize) {
        let buffer = buffer_of(self.version());
        let len = (self.words.load(LENGTHS, Ordering::Relaxed) >> (32 * buffer)) as u32 as usize;
        let words =
            self.words.as_read().slice(self.layout.buffer_at(buffer), self.layout.value_words);
        (words, len.min(self.layout.geometry.value_size))
    }

    /// Makes a never-used slot.
    pub(crate) fn init(&self) {
        self.words.store(NEXT, INITIAL, Ordering::Relaxed);
        self.words.store(VERSION, INITIAL, Ordering::Relaxed);
    }

    /// Stores the key of a dead slot that is about to be staged.
    pub(crate) fn put_key(&self, key: &[u64]) {
        let to = self.words.slice(KEY, self.layout.key_words);
        for (at, &word) in key.iter().enumerate() {
            to.store(at, word, Ordering::Relaxed);
        }
    }

    /// Stages a value. `value.len()` has been checked. Staging again in the same
    /// transaction replaces what was staged.
    pub(crate) fn stage_value(&self, value: &[u8], transaction: u64) {
        let version = self.version();
        let next = successor(version, true);
        let buffer = if sabotage::tears() { buffer_of(version) } else { buffer_of(next) };
        let to = self.words.slice(self.layout.buffer_at(buffer), self.layout.value_words);
        let (whole, rest) = value.as_chunks::<8>();
        for (at, &chunk) in whole.iter().enumerate() {
            to.store(at, u64::from_ne_bytes(chunk), Ordering::Relaxed);
        }
        if !rest.is_empty() {
            let mut last = [0; 8];
            for (to, from) in last.iter_mut().zip(rest) {
                *to = *from;
            }
            to.store(whole.len(), u64::from_ne_bytes(last), Ordering::Relaxed);
        }
        let shift = 32 * buffer;
        let other = self.words.load(LENGTHS, Ordering::Relaxed) & !(0xFFFF_FFFF << shift);
        self.words.store(LENGTHS, other | (value.len() as u64) << shift, Ordering::Relaxed);
        if sabotage::tears() {
            // The flip would now lead to a stale buffer.
            let both = value.len() as u64 | (value.len() as u64) << 32;
            self.words.store(LENGTHS, both, Ordering::Relaxed);
            for at in 0..value.len().div_ceil(8) {
                let word = to.load(at, Ordering::Relaxed);
                let twin = self.layout.buffer_at(buffer_of(next)) + at;
                self.words.store(twin, word, Ordering::Relaxed);
            }
        }
        self.stage(next, transaction);
    }

    /// Stages the removal of the key.
    pub(crate) fn stage_removal(&self, transaction: u64) {
        self.stage(successor(self.version(), false), transaction);
    }

    fn stage(&self, next: u64, transaction: u64) {
        self.words.store(TRANSACTION, transaction, Ordering::Relaxed);
        // Release: a reader that sees `next` sees the transaction's number.
        self.words.store(NEXT, next, Ordering::Release);
        if sabotage::commits_piecemeal() {
            self.flip();
        }
    }

    /// Makes the staged version the version. The transaction is committed.
    pub(crate) fn flip(&self) {
        // Release: a reader that sees the version sees the buffer and the commit.
        self.words.store(VERSION, self.next(), Ordering::Release);
    }

    /// Drops what was staged. The transaction is not committed.
    pub(crate) fn unstage(&self) {
        self.words.store(NEXT, self.version(), Ordering::Release);
    }

    /// Takes a damaged slot out of use, by a version of its own.
    pub(crate) fn retire(&self) {
        let version = self.version();
        let dead = if is_valid(version) { successor(version, false) } else { INITIAL };
        self.words.store(NEXT, dead, Ordering::Release);
        self.words.store(VERSION, dead, Ordering::Release);
        // Else an impossible length outlives every repair. Release: a reader that sees
        // these lengths sees the version above, and looks again.
        self.words.store(LENGTHS, 0, Ordering::Release);
    }

    /// True when both lengths are possible.
    pub(crate) fn lengths_fit(&self) -> bool {
        let lengths = self.words.load(LENGTHS, Ordering::Relaxed);
        let max = self.layout.geometry.value_size as u64;
        lengths & 0xFFFF_FFFF <= max && lengths >> 32 <= max
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn a_successor_counts_on_and_changes_the_buffer() {
        let live = successor(INITIAL, true);
        assert!(is_live(live) && !is_live(INITIAL));
        assert!(live > INITIAL);
        assert_ne!(buffer_of(live), buffer_of(INITIAL));
        let dead = successor(live, false);
        assert!(dead > live && !is_live(dead));
        assert_eq!(buffer_of(dead), buffer_of(INITIAL));
        assert!(is_valid(INITIAL) && !is_valid(0));
        assert!(is_valid(LIMIT - 1) && !is_valid(LIMIT) && !is_valid(u64::MAX));
    }
}
