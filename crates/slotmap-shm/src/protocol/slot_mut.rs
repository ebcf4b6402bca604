//! A slot as seen by the threads that may change it: the holder of the lock, and a registered
//! writer that has claimed the slot. `slot.rs` says who stores what.

use std::sync::atomic::compiler_fence;

use shm_core::{Ordering, ReadWords, Words, WriterId, fence, since_boot};

use super::buffer::{self, Buffer};
use super::lease::{FOR_EVER, Judge, Lease, until};
use super::slot::{Flipped, NotFlipped, Slot};
use super::stored_key::words_are;
use super::version::{self, INITIAL, buffer_of, claim_by, is_claim, is_live, is_valid, successor};
use crate::layout::{KEY, LENGTHS, LINE_WORDS, Layout, NEXT, VERSION};
use crate::sabotage;

/// The state of a slot, for the holder of the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nobody writes it: its next version equals its version.
    AtRest,
    /// A registered writer has claimed it. The value is the next version.
    Claimed(u64),
    /// A transaction has staged it.
    Staged,
    /// The next version, which is the value, is one that no writer stores.
    Damaged(u64),
}

/// How a slot was staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Staging {
    /// It was at rest.
    Anew,
    /// It was staged already, and what was staged is replaced.
    Again,
}

/// Why a slot was not staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotStaged {
    /// A living writer has claimed it. `claim` is the next version.
    Claimed { claim: u64, version: u64 },
    /// It no longer has the version that was asked for.
    Changed,
    /// The next version is one that no writer stores.
    Damaged,
}

/// Tells whether the writer of a claim is dead. Its argument is the claim: a next version.
pub(crate) type IsDead<'a> = &'a dyn Fn(u64) -> bool;

/// Returns how many times the holder of the lock looks at a claimed slot before it gives up. A
/// claim lasts as long as copying a value takes, unless its writer is not running.
fn looks(value_size: usize) -> usize {
    if cfg!(loom) { 1 } else { 200 + (value_size / 64).min(1 << 14) }
}

/// An upper limit: between two loads, writers do not end claims and begin others this many times.
const CLAIMS_MEANWHILE: u32 = 1 << 16;

/// A slot as the holder of the lock sees it, or a registered writer that has claimed it.
#[derive(Clone, Copy)]
pub(crate) struct SlotMut<'a> {
    /// The first cache line of the slot.
    line: Words<'a>,
    all: Words<'a>,
    layout: &'a Layout,
    number: usize,
}

/// What is needed of a claimed slot once its value is stored.
#[derive(Clone, Copy)]
pub(crate) struct FirstLine<'a>(Words<'a>);

impl FirstLine<'_> {
    /// Commits what the claimant has stored with [`SlotMut::put_value`]. Returns the new version,
    /// with which the claim is to be ended.
    #[inline(always)]
    #[must_use]
    pub(crate) fn commit_claim(&self, version: u64) -> u64 {
        let next = successor(version, true);
        // Release: a reader that sees the version sees the buffer.
        self.0.store(VERSION, next, Ordering::Release);
        next
    }

    /// Ends the claim of this thread. `version` is the version of the slot. Every other thread sees
    /// that version before this thread loads anything else.
    #[inline(always)]
    pub(crate) fn end_claim(&self, version: u64) {
        // Release, at least: whoever claims or stages the slot next sees what this claimant stored.
        if cfg!(all(target_arch = "x86_64", not(loom))) {
            // A full barrier on this machine, and quicker than a fence.
            self.0.swap(NEXT, version, Ordering::SeqCst);
            compiler_fence(Ordering::SeqCst);
        } else {
            self.0.store(NEXT, version, Ordering::Release);
            // SeqCst: pairs with itself. Of two threads that each write a key and then read that of
            // the other, at least one sees what the other has written.
            fence(Ordering::SeqCst);
        }
    }
}

impl<'a> SlotMut<'a> {
    #[inline(always)]
    pub(crate) fn new(all: Words<'a>, layout: &'a Layout, number: usize) -> Self {
        Self { line: all.slice(layout.slot_at(number), LINE_WORDS), all, layout, number }
    }

    /// The slot that a reader has found.
    #[inline(always)]
    pub(crate) fn of(all: Words<'a>, layout: &'a Layout, found: &Slot<'_>) -> Self {
        let line = all.slice(found.at(), LINE_WORDS);
        Self { line, all, layout, number: found.number() }
    }

    pub(crate) fn number(&self) -> usize {
        self.number
    }

    #[inline]
    pub(crate) fn version(&self) -> u64 {
        // Acquire: pairs with the commit of the claim that stored this version, if one did.
        self.line.load(VERSION, Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn next(&self) -> u64 {
        self.line.load(NEXT, Ordering::Acquire)
    }

    /// Returns the state of the slot. Claims may come and go meanwhile.
    pub(crate) fn state(&self) -> State {
        for _ in 0..CLAIMS_MEANWHILE {
            let (version, next) = (self.version(), self.next());
            if next == version {
                return State::AtRest;
            }
            if is_claim(next) {
                return State::Claimed(next);
            }
            // If the version did not change in between, `next` is not that of a later claim.
            if self.version() == version {
                let staged = next == successor(version, true) || next == successor(version, false);
                return if staged { State::Staged } else { State::Damaged(next) };
            }
        }
        State::Damaged(self.next())
    }

    /// True if the slot will have an entry once the writer's transaction commits.
    #[inline]
    pub(crate) fn will_be_live(&self) -> bool {
        let next = self.next();
        // A claimed slot holds an entry, before and after the claim.
        is_claim(next) || is_live(next)
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
        self.value_of(self.version())
    }

    /// Like [`SlotMut::value`], for the value under this version.
    #[inline]
    pub(crate) fn value_of(&self, version: u64) -> (Buffer<'a>, usize) {
        let lengths = self.line.load(LENGTHS, Ordering::Relaxed);
        let len = (lengths >> (32 * buffer_of(version))) as u32 as usize;
        let (line, all) = (self.line.as_read(), self.all.as_read());
        let buffer = Buffer::new(line, all, self.layout, self.number, version);
        (buffer, len.min(self.layout.geometry.value_size))
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

    /// Stages the slot. If its transaction commits, the slot gets the next counter and the other
    /// buffer, and is live or dead. Staging again in the same transaction replaces what was staged.
    ///
    /// `from` is the version that the slot must have, if that matters.
    #[inline]
    pub(crate) fn stage(
        &self,
        live: bool,
        from: Option<u64>,
        is_dead: IsDead<'_>,
    ) -> Result<Staging, NotStaged> {
        let version = self.version();
        // A later version was committed; or this one was, by a transaction that nobody will flip,
        // which is damage.
        if from.is_some_and(|from| from != version) {
            return Err(NotStaged::Changed);
        }
        // Release: a reader that sees `next` sees the end of the transaction before. Acquire: this
        // thread sees what the last claimant stored.
        let next = successor(version, live);
        let staging = match self.exchange_next(version, next) {
            Ok(_) => Staging::Anew,
            Err(found) => self.stage_patiently(live, from, found, is_dead)?,
        };
        version::begin_writing();
        Ok(staging)
    }

    #[cold]
    fn stage_patiently(
        self,
        live: bool,
        from: Option<u64>,
        mut found: u64,
        is_dead: IsDead<'_>,
    ) -> Result<Staging, NotStaged> {
        let mut version = self.version();
        for _ in 0..looks(self.layout.geometry.value_size) {
            version = self.version();
            if from.is_some_and(|from| from != version) {
                return Err(NotStaged::Changed);
            }
            if is_claim(found) {
                if is_dead(found) {
                    self.end_claim_of_the_dead(found);
                }
                std::hint::spin_loop();
            } else if found != version && self.version() == version && self.next() == found {
                // Not that of a later claim, so it is staged: by this transaction, since there is
                // no other.
                let (alive, dead) = (successor(version, true), successor(version, false));
                if found != alive && found != dead {
                    return Err(NotStaged::Damaged);
                }
                let next = if live { alive } else { dead };
                self.line.store(NEXT, next, Ordering::Release);
                return Ok(Staging::Again);
            }
            match self.exchange_next(version, successor(version, live)) {
                Ok(_) => return Ok(Staging::Anew),
                Err(other) => found = other,
            }
        }
        Err(NotStaged::Claimed { claim: found, version })
    }

    /// Returns the version under which a reader found the slot, if the version word has it.
    #[inline]
    pub(crate) fn flipped(&self, found: u64) -> Result<Flipped, NotFlipped> {
        self.as_read().flipped(found)
    }

    /// Claims the slot for `writer` if it has exactly this version. The caller knows that this
    /// version is live. The error is the next version found.
    #[inline(always)]
    pub(crate) fn claim(&self, version: Flipped, writer: WriterId) -> Result<(), u64> {
        self.exchange_next(version.get(), claim_by(writer))?;
        version::begin_writing();
        Ok(())
    }

    /// What is needed of a claimed slot once its value is stored.
    #[inline(always)]
    pub(crate) fn first_line(&self) -> FirstLine<'a> {
        FirstLine(self.line)
    }

    /// Ends a claim whose writer is dead. Whether it died before its commit or after it, the slot
    /// is what its version says. Any number of threads may do this at once.
    pub(crate) fn end_claim_of_the_dead(&self, claim: u64) {
        // The version does not change while `next` is this claim, because its writer is dead, and
        // no other writer has the same registration.
        if !sabotage::leaves_dead_claims() {
            let _ = self.exchange_next(claim, self.version());
        }
    }

    #[inline(always)]
    fn exchange_next(&self, current: u64, new: u64) -> Result<u64, u64> {
        self.line.compare_exchange(NEXT, current, new, Ordering::AcqRel, Ordering::Acquire)
    }

    /// Fills the buffer that readers do not use. The slot is staged or claimed by this thread. The
    /// caller has checked `value.len()`.
    #[inline(always)]
    pub(crate) fn put_value(&self, version: u64, value: &[u8], lease: Lease) {
        let next = successor(version, true);
        let buffer = buffer_of(if sabotage::tears() { version } else { next });
        if self.layout.extras != 0 {
            self.put_extras(version, buffer, lease);
        }
        buffer::store(self.line, self.all, self.layout, self.number, buffer, value);
        let shift = 32 * buffer;
        let other = self.line.load(LENGTHS, Ordering::Relaxed) & !(0xFFFF_FFFF << shift);
        self.line.store(LENGTHS, other | (value.len() as u64) << shift, Ordering::Relaxed);
        if sabotage::tears() {
            // The flip leads to the other buffer.
            let other = buffer_of(next);
            buffer::store(self.line, self.all, self.layout, self.number, other, value);
            let twice = value.len() as u64 | (value.len() as u64) << 32;
            self.line.store(LENGTHS, twice, Ordering::Relaxed);
        }
        if sabotage::commits_piecemeal() && !is_claim(self.next()) {
            self.flip();
        }
    }

    #[inline(never)]
    fn put_extras(self, version: u64, buffer: usize, lease: Lease) {
        if self.layout.leases != 0 {
            let lease = match lease {
                Lease::New(lease) => lease,
                Lease::Default => match self.layout.default_ttl {
                    0 => FOR_EVER,
                    ttl => until(since_boot().saturating_add(ttl)),
                },
                Lease::Kept => self.as_read().lease(version),
            };
            self.all.store(self.lease_at(buffer), lease, Ordering::Relaxed);
        }
        self.stamp_now();
    }

    /// Stores that the slot is written now, if the table wants to know it.
    fn stamp_now(&self) {
        if self.layout.stamp != 0 {
            self.put_stamp(since_boot());
        }
    }

    /// Stores when the slot was written last, if the table wants to know it.
    pub(crate) fn put_stamp(&self, time: u64) {
        if self.layout.stamp != 0 {
            let at = self.layout.slot_at(self.number) + self.layout.stamp;
            self.all.store(at, time, Ordering::Relaxed);
        }
    }

    /// Returns that time.
    pub(crate) fn stamp(&self) -> u64 {
        self.as_read().stamp()
    }

    /// Replaces the lease of the value under this version. The slot is claimed by this thread, or
    /// staged. Readers see the old lease or the new one.
    pub(crate) fn replace_lease(&self, version: u64, lease: u64) {
        self.all.store(self.lease_at(buffer_of(version)), lease, Ordering::Relaxed);
        self.stamp_now();
    }

    fn lease_at(&self, buffer: usize) -> usize {
        self.layout.slot_at(self.number) + self.layout.leases + buffer
    }

    /// True if the slot's entry is over.
    #[inline]
    pub(crate) fn is_over(&self, judge: &dyn Judge) -> bool {
        for _ in 0..CLAIMS_MEANWHILE {
            let version = self.version();
            let over = self.as_read().is_over(version, judge);
            // If not, a claimant may have stored another lease there, which it has not committed.
            if self.as_read().is_unchanged(version) {
                return over;
            }
        }
        false
    }

    /// Makes the staged version the current one. The transaction has been committed. Must not be
    /// called twice, because a registered writer may claim the slot in between, and then `next` is
    /// its claim.
    #[inline]
    pub(crate) fn flip(&self) {
        // Release: a reader that sees the version sees the buffer and the commit.
        self.line.store(VERSION, self.next(), Ordering::Release);
    }

    /// Drops what was staged. The transaction has not been committed. Must not be called twice, for
    /// the same reason as [`SlotMut::flip`].
    pub(crate) fn unstage(&self) {
        self.line.store(NEXT, self.version(), Ordering::Release);
    }

    /// Takes a damaged slot out of use by giving it a new version.
    pub(crate) fn retire(&self, is_dead: IsDead<'_>) {
        // Staged first, so that nobody claims it. If a stopped writer has claimed it, what that
        // writer stores to the damaged slot is lost.
        let _ = self.stage(false, None, is_dead);
        let next = successor(self.version(), false);
        let dead = if is_valid(self.version()) && is_valid(next) { next } else { INITIAL };
        self.line.store(NEXT, dead, Ordering::Release);
        self.line.store(VERSION, dead, Ordering::Release);
        // Otherwise an impossible length would outlive every repair. Release: a reader that sees
        // these lengths sees the version above, and tries again.
        self.line.store(LENGTHS, 0, Ordering::Release);
    }

    /// Returns what is damaged in the slot, if anything.
    pub(crate) fn damage(&self) -> Option<&'static str> {
        self.as_read().damage(self.version())
    }

    fn as_read(&self) -> Slot<'a> {
        Slot::new(self.all.as_read(), self.layout, self.number)
    }
}
