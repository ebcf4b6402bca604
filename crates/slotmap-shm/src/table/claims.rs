//! Writing the value of a present key without the lock, by a claim of its slot.
//!
//! If a call cannot claim the slot, for whatever reason, it takes the lock instead.

use std::time::Instant;

use shm_core::{Holder, LockError, Ordering, Writer};

use super::closing::Waited;
use super::handle::Table;
use crate::key::Key;
use crate::layout::CLOSED;
use crate::protocol::{
    Buffer, Claimed, Found, Look, NotFlipped, SlotMut, State, is_claim, writer_of,
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

/// A slot that this thread has claimed. If the claim is dropped without
/// [`Claim::commit`], the entry stays as it is.
pub(super) struct Claim<'a> {
    slot: SlotMut<'a>,
    /// The version that the slot has.
    version: u64,
    writer: Writer<'a>,
}

impl<'a> Claim<'a> {
    /// Returns the buffer of the value, and the value's length in bytes (clamped).
    #[inline(always)]
    pub(super) fn value(&self) -> (Buffer<'a>, usize) {
        self.slot.value_of(self.version)
    }

    /// Replaces the value. The caller has checked `value.len()`.
    #[inline(always)]
    pub(super) fn commit(mut self, value: &[u8]) {
        self.slot.put_value(self.version, value);
        self.version = self.slot.commit_claim(self.version);
        self.writer.count_write();
    }
}

impl Drop for Claim<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.slot.end_claim(self.version);
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
        let closed = self.view().words.load(CLOSED, Ordering::Relaxed) != 0;
        if closed || self.suspect.load(Ordering::Relaxed) {
            return None;
        }
        self.segment.writer()
    }

    /// Claims the slot of a key, if the key is present.
    #[inline(always)]
    pub(super) fn claim(&self, key: &[u64], waited: &Waited) -> Result<Claiming<'_>, LockError> {
        let Some(writer) = self.free_writer() else { return Ok(Claiming::NeedsLock) };
        match self.view().look(key) {
            Look::Absent => Ok(Claiming::Absent),
            Look::Again => Ok(Claiming::NeedsLock),
            Look::Found(slot, version) => {
                let slot = SlotMut::new(writer.words(), self.layout(), slot.number());
                match slot.claim(version, writer.id()) {
                    Ok(()) => Ok(Claiming::Claimed(Claim { slot, version: version.get(), writer })),
                    Err(next) => {
                        drop(writer);
                        self.claim_patiently(key, slot, (version.get(), next), waited)
                    }
                }
            }
        }
    }

    /// Claims a slot if it still has the version under which it was found.
    pub(super) fn claim_found(
        &self,
        found: Found,
        waited: &Waited,
    ) -> Result<Claiming<'_>, LockError> {
        let Some(writer) = self.free_writer() else { return Ok(Claiming::NeedsLock) };
        let slot = SlotMut::new(writer.words(), self.layout(), found.slot);
        let version = match slot.flipped(found.version) {
            Ok(version) => version,
            // The transaction is still at work, or its writer died. Only the lock tells which.
            Err(NotFlipped::NotYet) => return Ok(Claiming::NeedsLock),
            Err(NotFlipped::Changed) => return Ok(Claiming::Changed),
        };
        let Err(next) = slot.claim(version, writer.id()) else {
            return Ok(Claiming::Claimed(Claim { slot, version: version.get(), writer }));
        };
        if slot.version() != found.version {
            return Ok(Claiming::Changed);
        }
        drop(writer);
        let Found { slot: number, version } = found;
        self.outlast(Claimed { slot: number, claim: next, version }, waited)?;
        Ok(if slot.version() == found.version { Claiming::NeedsLock } else { Claiming::Changed })
    }

    /// Claims the slot of a key after an attempt that found another next version.
    #[cold]
    #[inline(never)]
    fn claim_patiently<'a>(
        &'a self,
        key: &[u64],
        mut slot: SlotMut<'a>,
        (mut version, mut next): (u64, u64),
        waited: &Waited,
    ) -> Result<Claiming<'a>, LockError> {
        while !waited.is_overtaken() {
            if is_claim(next) {
                let claimed = Claimed { slot: slot.number(), claim: next, version };
                self.outlast(claimed, waited)?;
            } else if matches!(slot.state(), State::Staged | State::Damaged(_)) {
                return Ok(Claiming::NeedsLock);
            }
            let Some(writer) = self.free_writer() else { return Ok(Claiming::NeedsLock) };
            let (found, flipped) = match self.view().look(key) {
                Look::Absent => return Ok(Claiming::Absent),
                Look::Again => return Ok(Claiming::NeedsLock),
                Look::Found(found, version) => (found.number(), version),
            };
            slot = SlotMut::new(writer.words(), self.layout(), found);
            version = flipped.get();
            match slot.claim(flipped, writer.id()) {
                Ok(()) => {
                    return Ok(Claiming::Claimed(Claim { slot, version, writer }));
                }
                Err(found) => {
                    if !is_claim(found) {
                        // No wait, but this counts too: the loop ends.
                        waited.again();
                    }
                    next = found;
                }
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
                let slot = SlotMut::new(writer.words(), self.layout(), slot.number());
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
