//! The wake words of a table, as its shared memory has them.
//!
//! The layout is that of `docs/format.md`, on purpose not taken from the library.

use std::time::Instant;

use shm_core::Ordering;
use slotmap_shm::{Access, Key, Table};

use crate::WATCHDOG;

/// Where the wake words are: of the table, of absent keys, and of the slots.
const WORDS: [usize; 18] = [24, 25, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47];

/// All wake words. Bit 0 of one says that somebody may be asleep on it.
#[must_use]
pub fn wake_words<K: Key + ?Sized>(table: &Table<K, impl Access>) -> [u64; 18] {
    WORDS.map(|at| table.segment().words().load(at, Ordering::SeqCst))
}

/// The numbers of the wake words on which somebody may be asleep.
#[must_use]
pub fn awaited<K: Key + ?Sized>(table: &Table<K, impl Access>) -> Vec<usize> {
    let words = wake_words(table);
    (0..words.len()).filter(|&n| words[n] & 1 != 0).collect()
}

/// Waits until so many wake words have waiters, and returns their numbers.
///
/// # Panics
/// When that takes too long.
#[must_use]
pub fn until_awaited<K: Key + ?Sized>(table: &Table<K, impl Access>, count: usize) -> Vec<usize> {
    let start = Instant::now();
    loop {
        let found = awaited(table);
        if found.len() >= count {
            return found;
        }
        assert!(start.elapsed() < WATCHDOG, "only {found:?} have waiters");
        std::thread::yield_now();
    }
}
