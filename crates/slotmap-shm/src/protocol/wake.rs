//! Wake words: on which threads sleep until a key, or anything in the table, has changed.
//!
//! The low half of a wake word is a futex. Bit 0 says that somebody may be asleep; the other bits
//! count wake-ups. `docs/concurrency.md` has the state table and says why no wake-up is lost.
//!
//! | wake word | who sleeps on it | who wakes the sleepers |
//! |---|---|---|
//! | of a slot | waiters for a present key | whoever has changed a slot of this number |
//! | of absent keys | waiters for an absent key | transactions |
//! | of the table | waiters for any change | every writer |

use shm_core::{Ordering, ReadWords, Words, fence};

use crate::layout::{LINE_WORDS, SLOT_WAKES, WAKE, WAKE_WORDS};
use crate::sabotage;

/// The bit that says that somebody may be asleep.
const ASLEEP: u64 = 1;
/// One more wake-up.
const ONCE: u64 = 2;

/// A wake word: its offset in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WakeWord(usize);

impl WakeWord {
    /// That of waiters for any change.
    pub(crate) const TABLE: Self = Self(WAKE);
    /// That of waiters for a key that is absent.
    pub(crate) const ABSENT: Self = Self(WAKE + 1);

    /// That of waiters for the key in this slot.
    #[inline(always)]
    pub(crate) fn of_slot(slot: usize) -> Self {
        Self(WAKE + LINE_WORDS + slot % SLOT_WAKES)
    }

    /// Its offset in the body.
    pub(crate) fn at(self) -> usize {
        self.0
    }
}

fn all() -> [WakeWord; 2 + SLOT_WAKES] {
    std::array::from_fn(|n| match n {
        0 => WakeWord::TABLE,
        1 => WakeWord::ABSENT,
        n => WakeWord::of_slot(n - 2),
    })
}

/// The slots that a transaction may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touched {
    One(usize),
    Many,
}

/// Announces that this thread is about to sleep on a wake word. Returns what the word must still be
/// when it falls asleep. The caller first checks once more that nothing has changed.
pub(crate) fn announce(words: Words<'_>, word: WakeWord) -> u64 {
    let at = word.at();
    // A guess, which the exchange confirms.
    let mut seen = words.load(at, Ordering::Relaxed);
    // Stored even if the bit is set already: then every waiter has a store before its fence.
    while let Err(found) =
        words.compare_exchange(at, seen, seen | ASLEEP, Ordering::Relaxed, Ordering::Relaxed)
    {
        seen = found;
    }
    // SeqCst: pairs with the full barrier of a writer between its change and its load of the word.
    // If that barrier comes first, this thread sees the change. Otherwise, the writer sees the bit,
    // or a wake-up that came after it.
    fence(Ordering::SeqCst);
    seen | ASLEEP
}

/// Calls `wake` for the wake word of this slot, and for that of the table, if somebody may be
/// asleep on them. The caller has ended its claim of the slot, which ends with a full barrier.
#[inline(always)]
pub(crate) fn after_claim(words: ReadWords<'_>, slot: usize, wake: impl FnMut(WakeWord)) {
    wake_sleepers(words, [WakeWord::TABLE, WakeWord::of_slot(slot)], wake);
}

/// Calls `wake` for the wake words of what a transaction has changed, if somebody may be asleep on
/// them. The lock has been released, which is a full barrier only on x86-64.
#[inline]
pub(crate) fn after_unlock(words: ReadWords<'_>, touched: Touched, wake: impl FnMut(WakeWord)) {
    // SeqCst: as at the end of a claim, the change is visible to all threads from here on.
    if !cfg!(all(target_arch = "x86_64", not(loom))) {
        fence(Ordering::SeqCst);
    }
    match touched {
        Touched::One(slot) => {
            let which = [WakeWord::TABLE, WakeWord::ABSENT, WakeWord::of_slot(slot)];
            wake_sleepers(words, which, wake);
        }
        Touched::Many => wake_sleepers(words, all(), wake),
    }
}

/// Calls `wake` for each of these wake words on which somebody may be asleep.
#[inline(always)]
fn wake_sleepers<const N: usize>(
    words: ReadWords<'_>,
    which: [WakeWord; N],
    wake: impl FnMut(WakeWord),
) {
    // One check of the bounds for all.
    let words = words.slice(0, WAKE + WAKE_WORDS);
    // Relaxed: the full barrier before them orders these loads.
    let is_awaited = |word: &WakeWord| words.load(word.0, Ordering::Relaxed) & ASLEEP != 0;
    if which.iter().fold(false, |any, word| any | is_awaited(word)) {
        which.into_iter().filter(is_awaited).for_each(wake);
    }
}

/// Changes a wake word on which somebody may be asleep. Then `futex_wake` is to wake all sleepers.
#[cold]
pub(crate) fn wake(words: Words<'_>, word: WakeWord, futex_wake: impl FnOnce(usize)) {
    if sabotage::loses_wakes() {
        return;
    }
    let at = word.at();
    let seen = words.load(at, Ordering::Relaxed);
    if seen & ASLEEP != 0 {
        let awake = (seen & !ASLEEP).wrapping_add(ONCE);
        // If another writer is quicker, whoever goes to sleep after that sees the caller's change.
        let _ = words.compare_exchange(at, seen, awake, Ordering::Relaxed, Ordering::Relaxed);
    }
    futex_wake(at);
}
