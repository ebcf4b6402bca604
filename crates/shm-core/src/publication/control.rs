//! The control word of a published name: which edition is the newest, and whether a process is
//! changing which file the name leads to.
//!
//! | value | means |
//! |---|---|
//! | 2g | edition g is the newest, and nobody is at work |
//! | 2g+1 | edition g+1 is being published or the name is being removed, or that process died |
//! | 2⁶³ or more | damaged: there is no edition to count on from |
//! | [`RETIRED`] | the name was removed and this segment is dead: look up the name again |
//!
//! Only the holder of the segment's lock stores to the control word. `docs/concurrency.md` has the
//! whole protocol, and `models.rs` runs these very functions under loom.

use crate::sync::{Ordering, ReadWords, Words};

/// The control word of a segment that no longer has a name.
pub(crate) const RETIRED: u64 = u64::MAX;
/// Maximum number of an edition. No publisher reaches it.
pub(crate) const MAX_EDITION: u64 = 1 << 62;
/// Position of the control word in the body.
pub(crate) const WORD: usize = 0;

/// The steps of a publication besides its stores to the control word.
pub(crate) trait Effects {
    type Error;

    /// Gives the new file the name. This step makes the publication take effect.
    fn link(&mut self) -> Result<(), Self::Error>;

    /// Wakes all threads that sleep on the word.
    fn wake(&self);
}

/// Loads the control word as a reader does.
#[inline]
pub(crate) fn load(words: ReadWords<'_>) -> u64 {
    // Acquire: pairs with the last store of `publish`. A reader that sees 2g finds edition g at the
    // name.
    words.load(WORD, Ordering::Acquire)
}

/// True if `word`, a loaded control word, says that no edition is newer than `edition`.
#[inline]
pub(crate) fn is_newest(word: u64, edition: u64) -> bool {
    word.is_multiple_of(2) && word / 2 == edition
}

/// Makes the control word even again if a process died and left it odd, and returns the newest
/// edition. `at_name` is the edition of the file at the name. It is 0 if there is no file, and
/// `None` if the file cannot be read. If the control word is out of range, returns it as the error.
pub(crate) fn settle(
    words: Words<'_>,
    at_name: Option<u64>,
    wake: impl FnOnce(),
) -> Result<u64, u64> {
    // Relaxed: only the holder of the lock stores.
    let found = words.load(WORD, Ordering::Relaxed);
    // A process that died at g+1 may have published that edition. If the edition cannot be read,
    // g+1 is skipped: if two files had it, the readers of the first would never notice the second.
    let newest = (found / 2).max(at_name.unwrap_or(found.div_ceil(2)));
    if newest >= MAX_EDITION {
        return Err(found);
    }
    if found != 2 * newest {
        // Release: as at the end of `publish`, which this store may replace.
        words.store(WORD, 2 * newest, Ordering::Release);
        wake();
    }
    Ok(newest)
}

/// Publishes edition `newest + 1`, where `newest` is what [`settle`] returned. On an error nothing
/// has changed.
pub(crate) fn publish<P: Effects>(
    words: Words<'_>,
    newest: u64,
    place: &mut P,
) -> Result<u64, P::Error> {
    begin(words, newest, || place.wake());
    let linked = place.link();
    let edition = newest + u64::from(linked.is_ok());
    // Release: pairs with `load`.
    words.store(WORD, 2 * edition, Ordering::Release);
    place.wake();
    linked.map(|()| edition)
}

/// Announces that the name is about to change. Sleeping readers wake, and from then on check the
/// name from time to time.
pub(crate) fn begin(words: Words<'_>, newest: u64, wake: impl FnOnce()) {
    // Release: so that a reader that sees this word also sees what was settled. The name changes
    // only afterwards, by a system call.
    words.store(WORD, 2 * newest + 1, Ordering::Release);
    wake();
}

/// Undoes [`begin`]. `before` is the control word before the call of `begin`.
pub(crate) fn give_up(words: Words<'_>, before: u64, wake: impl FnOnce()) {
    // Release: as in `publish`.
    words.store(WORD, before, Ordering::Release);
    wake();
}

/// Announces to readers that the segment no longer has a name.
pub(crate) fn retire(words: Words<'_>, wake: impl FnOnce()) {
    // Release: a reader that sees it finds the names gone.
    words.store(WORD, RETIRED, Ordering::Release);
    wake();
}
