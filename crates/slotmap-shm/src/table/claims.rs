//! Writing the value of a present key without the lock, by a claim of its slot.
//!
//! If a call cannot claim the slot, for whatever reason, it takes the lock instead.

use std::time::Instant;

use shm_core::{Holder, LockError, Ordering, WritableSegment, Writer};

use super::closing::Waited;
use super::handle::Table;
use super::wait::wake_after_claim;
use crate::key::Key;
use crate::layout::CLOSED;
use crate::protocol::{
    Buffer, Claimed, FirstLine, Found, Judge, Lease, Look, NotFlipped, SlotMut, State, is_claim,
    writer_of,
};

/// After this many looks at a claim, the writer is looked up by its thread id.
const LOOKS_ALIVE: u32 = 32;

/// The result of an attempt to claim the slot of a key.
pub(super) enum Claiming<'a> {
    Claimed(Claim<'a>),
    /// The key is absent.
    Absent,
    /// The slot no longer has the version asked for.
    Changed,
    /// This write needs the lock.
    NeedsLock,
}

/// The result of one attempt to claim the slot of a key.
pub(super) enum AtOnce<'a> {
    Claimed(Claim<'a>),
    /// The key is absent.
    Absent,
    /// The slot is being written, or the key is not at its home.
    Busy,
    /// This write needs the lock.
    NeedsLock,
}

/// A slot that this thread has claimed. If the claim is dropped without
/// [`Claim::commit`], the entry stays as it is.
pub(super) struct Claim<'a> {
    slot: SlotMut<'a>,
    /// Dropped before the writer.
    end: EndOfClaim<'a>,
    writer: Writer<'a>,
    segment: &'a WritableSegment,
}

/// Ends the claim when it is dropped. It has only what that takes, since it is kept in memory in
/// case of a panic.
struct EndOfClaim<'a> {
    line: FirstLine<'a>,
    /// The version that the slot has.
    version: u64,
}

impl<'a> Claim<'a> {
    /// Returns the buffer of the value, and the value's length in bytes (clamped).
    #[inline(always)]
    pub(super) fn value(&self) -> (Buffer<'a>, usize) {
        self.slot.value_of(self.end.version)
    }

    /// Replaces the value. The caller has checked `value.len()`.
    #[inline(always)]
    pub(super) fn commit(self, value: &[u8], lease: Lease) {
        let Self { writer, mut end, slot, segment } = self;
        slot.put_value(end.version, value, lease);
        end.version = end.line.commit_claim(end.version);
        // Before the claim ends: who is woken after that finds the count.
        writer.count_write();
        drop(end);
        drop(writer);
        wake_after_claim(segment, slot.number());
    }
}

impl Claim<'_> {
    /// True if the lease of the entry is over.
    pub(super) fn is_over(&self, judge: &dyn Judge) -> bool {
        self.slot.is_over(judge)
    }

    /// Replaces the lease. Value and version stay as they are.
    pub(super) fn replace_lease(self, lease: u64) {
        self.slot.replace_lease(self.end.version, lease);
    }
}

impl Drop for EndOfClaim<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.line.end_claim(self.version);
    }
}

impl<K: Key + ?Sized> Table<K> {
    /// True if the writer of a claim is dead, or was never registered.
    #[cold]
    pub(crate) fn is_dead(&self, claim: u64) -> bool {
        writer_of(claim).is_none_or(|writer| self.segment().is_writer_dead(writer))
    }

    /// Returns the registration of this thread, if it may write without the lock now.
    #[inline(always)]
    fn free_writer(&self) -> Option<Writer<'_>> {
        // Relaxed, both: hints.
        let closed = self.segment().words().load(CLOSED, Ordering::Relaxed) != 0;
        if closed || self.suspect.load(Ordering::Relaxed) && self.is_to_be_checked() {
            return None;
        }
        self.segment.writer()
    }

    /// True if a write has to take the lock, and check the table before, because something was
    /// wrong when it was opened. If only counts were wrong, they may be those of a write that is
    /// under way, so whoever finds the lock taken need not wait for it.
    #[cold]
    fn is_to_be_checked(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
            || !matches!(self.segment.try_lock(), Err(LockError::WouldBlock))
    }

    #[inline(always)]
    fn claimed<'a>(&'a self, slot: SlotMut<'a>, version: u64, writer: Writer<'a>) -> Claim<'a> {
        let end = EndOfClaim { line: slot.first_line(), version };
        Claim { slot, end, writer, segment: &self.segment }
    }

    /// Claims the slot of a key, if the key is present, at its home in the index of the first
    /// level, and nobody writes the slot.
    #[inline(always)]
    pub(super) fn claim_at_once(&self, key: &[u64]) -> AtOnce<'_> {
        let Some(writer) = self.free_writer() else { return AtOnce::NeedsLock };
        match self.first_view().look_home(key) {
            Look::Absent => AtOnce::Absent,
            Look::Again => AtOnce::Busy,
            Look::Found(slot, version) => {
                let slot = SlotMut::of(writer.words(), self.shape(), &slot);
                match slot.claim(version, writer.id()) {
                    Ok(()) => AtOnce::Claimed(self.claimed(slot, version.get(), writer)),
                    Err(_) => AtOnce::Busy,
                }
            }
        }
    }

    /// Claims the slot of a key, if the key is present.
    #[inline]
    pub(super) fn claim(&self, key: &[u64], waited: &Waited) -> Result<Claiming<'_>, LockError> {
        match self.claim_at_once(key) {
            AtOnce::Claimed(claim) => Ok(Claiming::Claimed(claim)),
            AtOnce::Absent => Ok(Claiming::Absent),
            AtOnce::NeedsLock => Ok(Claiming::NeedsLock),
            AtOnce::Busy => self.claim_patiently(key, waited),
        }
    }

    /// Claims a slot if it still has the version under which it was found.
    pub(super) fn claim_found(
        &self,
        found: Found,
        waited: &Waited,
    ) -> Result<Claiming<'_>, LockError> {
        let Some(writer) = self.free_writer() else { return Ok(Claiming::NeedsLock) };
        let slot = SlotMut::new(writer.words(), self.shape(), found.slot);
        let version = match slot.flipped(found.version) {
            Ok(version) => version,
            // The transaction is still at work, or its writer died. Only the lock tells which.
            Err(NotFlipped::NotYet) => return Ok(Claiming::NeedsLock),
            Err(NotFlipped::Changed) => return Ok(Claiming::Changed),
        };
        let Err(next) = slot.claim(version, writer.id()) else {
            return Ok(Claiming::Claimed(self.claimed(slot, version.get(), writer)));
        };
        if slot.version() != found.version {
            return Ok(Claiming::Changed);
        }
        drop(writer);
        let Found { slot: number, version } = found;
        self.outlast(Claimed { slot: number, claim: next, version }, waited)?;
        Ok(if slot.version() == found.version { Claiming::NeedsLock } else { Claiming::Changed })
    }

    /// Claims the slot of a key after an attempt that found another next version, or did not find
    /// the key at its home.
    #[cold]
    #[inline(never)]
    pub(super) fn claim_patiently(
        &self,
        key: &[u64],
        waited: &Waited,
    ) -> Result<Claiming<'_>, LockError> {
        self.current_layout();
        while !waited.is_overtaken() {
            let view = self.view();
            let Some(writer) = self.free_writer() else { return Ok(Claiming::NeedsLock) };
            let (found, flipped) = match view.look(key) {
                Look::Absent => return Ok(Claiming::Absent),
                Look::Again => return Ok(Claiming::NeedsLock),
                Look::Found(found, version) => (found, version),
            };
            let slot = SlotMut::of(writer.words(), self.shape(), &found);
            let version = flipped.get();
            let Err(next) = slot.claim(flipped, writer.id()) else {
                return Ok(Claiming::Claimed(self.claimed(slot, version, writer)));
            };
            drop(writer);
            if is_claim(next) {
                let claimed = Claimed { slot: slot.number(), claim: next, version };
                self.outlast(claimed, waited)?;
            } else if matches!(slot.state(), State::Staged | State::Damaged(_)) {
                return Ok(Claiming::NeedsLock);
            } else {
                // No wait, but this counts too: the loop ends.
                waited.again();
            }
        }
        // Others were always quicker.
        Ok(Claiming::NeedsLock)
    }

    /// Waits until a claim is over, and ends it if its writer is dead. The time limit counts from
    /// the first wait of the call.
    ///
    /// # Errors
    /// [`LockError::TimedOut`], which names the writer. [`LockError::WouldDeadlock`] if the writer
    /// is this thread, which is running a signal handler.
    #[cold]
    pub(super) fn outlast(&self, claimed: Claimed, waited: &Waited) -> Result<(), LockError> {
        let Claimed { slot, claim, version } = claimed;
        if !is_claim(claim) {
            return Ok(());
        }
        if waited.again() {
            // Each wait may be so short that it never looks at the clock.
            self.is_patient(claim, waited)?;
        }
        let start = waited.start();
        let id = self.segment.writer().map(|writer| writer.id());
        waited.set_closer(id);
        if let Some(claimant) = writer_of(claim)
            && (Some(claimant) == id || self.segment.is_this_thread(claimant))
        {
            return Err(LockError::WouldDeadlock);
        }
        // Without a `Writer`: what interrupts a wait may fork.
        let slot = self.view().slot(slot);
        let mut looks = 0;
        self.wait_for(claim, start, || {
            let is_over = slot.next() != claim || !slot.is_unchanged(version);
            if !is_over && self.is_dead_after(claim, &mut looks) {
                let Some(writer) = self.segment.writer() else {
                    // Not registered: this thread may not store without the lock. Under the lock,
                    // the next attempt ends this claim.
                    return true;
                };
                let slot = SlotMut::new(writer.words(), self.shape(), slot.number());
                slot.end_claim_of_the_dead(claim);
            }
            is_over
        })
    }

    /// Like [`Table::is_dead`]. After some looks, which take some milliseconds, it also asks
    /// whether the thread still exists, because the kernel may have failed to mark the record.
    fn is_dead_after(&self, claim: u64, looks: &mut u32) -> bool {
        *looks = looks.wrapping_add(1);
        if looks.is_multiple_of(LOOKS_ALIVE)
            && let Some(writer) = writer_of(claim)
        {
            self.segment.notice_death(writer);
        }
        self.is_dead(claim)
    }

    fn wait_for(
        &self,
        claim: u64,
        start: Instant,
        is_over: impl FnMut() -> bool,
    ) -> Result<(), LockError> {
        self.waits.patience.wait_until(start, is_over, || self.claimant(claim))
    }

    /// Returns the thread that has made a claim, for an error message.
    #[cold]
    pub(super) fn claimant(&self, claim: u64) -> Option<Holder> {
        self.segment().holder_of(writer_of(claim)?)
    }
}
