//! The waits of one call, and closing claims, so that a call that needs many slots gets them.
//!
//! If a transaction finds a slot claimed, the transaction is dropped, and the call waits without
//! the lock. Meanwhile other writers may claim other slots that the call needs. So the call closes
//! claims: registered writers then take the lock instead, each after at most one more claim.
//!
//! The word `CLOSED` names the writer that has closed claims, in the same way as a claim names its
//! writer. If the holder of the lock finds that this writer is dead, it opens claims again. The
//! word is a hint only: no value of it makes a write wrong.

use std::cell::Cell;
use std::time::Instant;

use shm_core::{LockError, Ordering, Words, WriterId};

use super::handle::Table;
use crate::key::Key;
use crate::layout::CLOSED;
use crate::protocol::{claim_by, is_claim};

/// How many times a call without the lock waits for other claims of its slot before it takes the
/// lock.
const CLAIMS_FIRST: u32 = 16;

/// The waits of one call, for claims and for the lock. The time limit counts from the first one.
#[derive(Default)]
pub(crate) struct Waited {
    start: Cell<Option<Instant>>,
    claims: Cell<u32>,
    /// The value that this call will store to the word `CLOSED`. Zero before the first wait for a
    /// claim.
    closer: Cell<u64>,
    /// The value that this call has stored to the word `CLOSED`, or zero.
    closed: Cell<u64>,
}

impl Waited {
    /// Returns when the first wait began. If there was none yet, it begins now.
    pub(crate) fn start(&self) -> Instant {
        let start = self.start.get().unwrap_or_else(Instant::now);
        self.start.set(Some(start));
        start
    }

    /// Counts one more wait for a claim. Returns false for the first one.
    pub(super) fn again(&self) -> bool {
        let claims = self.claims.get();
        self.claims.set(claims.saturating_add(1));
        claims > 0
    }

    /// Sets the registration of the thread, if it has one. Without one, claims are closed only
    /// until another thread takes the lock.
    pub(super) fn set_closer(&self, id: Option<WriterId>) {
        self.closer.set(id.map_or(1, claim_by));
    }

    /// True if the call should no longer try without the lock.
    pub(super) fn is_overtaken(&self) -> bool {
        self.claims.get() >= CLAIMS_FIRST
    }
}

impl<K: Key + ?Sized> Table<K> {
    /// Closes claims for this call. The caller holds the lock.
    ///
    /// The first time it does nothing: a thread is registered while it waits, without the lock.
    #[cold]
    pub(super) fn close_claims(&self, words: Words<'_>, waited: &Waited) {
        let closed = waited.closer.get();
        if closed != 0 {
            words.store(CLOSED, closed, Ordering::Relaxed);
            waited.closed.set(closed);
        }
    }

    /// Opens claims again, if this call has closed them. The call is over, and does not hold the
    /// lock.
    #[inline(always)]
    pub(super) fn open_claims(&self, waited: &Waited) {
        if waited.closed.get() != 0 {
            self.open_own_claims(waited.closed.get());
        }
    }

    #[cold]
    fn open_own_claims(&self, closed: u64) {
        let relaxed = Ordering::Relaxed;
        if let Some(writer) = self.segment.writer().filter(|_| is_claim(closed)) {
            // If another call has closed them meanwhile, it opens them.
            let _ = writer.words().compare_exchange(CLOSED, closed, 0, relaxed, relaxed);
        } else if let Some(guard) = self.segment.try_lock_clean()
            && let Ok(words) = guard.words()
        {
            self.open_abandoned(words);
        }
    }

    /// Opens claims if nobody alive has closed them. The caller holds the lock.
    #[inline(always)]
    pub(super) fn open_abandoned(&self, words: Words<'_>) {
        let closed = words.load(CLOSED, Ordering::Relaxed);
        if closed != 0 && self.is_dead(closed) {
            words.store(CLOSED, 0, Ordering::Relaxed);
        }
    }

    /// Checks the time limit of the call's waits.
    ///
    /// # Errors
    /// [`LockError::TimedOut`] if the waits of this call have taken too long.
    pub(super) fn is_patient(&self, claim: u64, waited: &Waited) -> Result<(), LockError> {
        let elapsed = waited.start().elapsed();
        if self.waits.patience.limit.is_some_and(|limit| elapsed >= limit) {
            let holder = self.claimant(claim);
            return Err(LockError::TimedOut { waited: elapsed, holder });
        }
        Ok(())
    }
}
