//! Records of writers: which writing threads are alive, for whoever finds what one of them left.
//!
//! A record is a robust mutex, two lines long, that its owner holds for as long as it is registered
//! as a writer. So the kernel itself marks the record when the thread dies. `docs/concurrency.md`,
//! chapter Records, says which states there are and why a living owner is never called dead.
//! `seats.rs` registers threads.

use std::io;

use super::layout::{
    MAX_WRITERS, RECORD_CANARY, RECORD_GENERATION, RECORD_THREAD, RECORD_WRITES, record_offset,
};
use super::lock_word::{LOCK_WORD, LockWord};
use super::map::Mapping;
use super::mutex;
use crate::os::holder::is_gone;
use crate::sync::{Ordering, Word, fence};

/// Bits of a [`WriterId`] that hold the number of the record.
const INDEX_BITS: u32 = MAX_WRITERS.trailing_zeros();
/// Where an id ends.
const IDS: u64 = 1 << 60;
/// The last generation. A record that has reached it is not used any more.
const LAST_GENERATION: u64 = (IDS >> INDEX_BITS) - 1;

const _: () = assert!(1 << INDEX_BITS == MAX_WRITERS);

/// Names one registration of a writing thread: no other registration in the same segment, before or
/// after, has the same id. See [`Writer`](crate::Writer).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WriterId(u64);

impl WriterId {
    /// The id with this value; `None` if no id has it.
    #[must_use]
    pub fn from_u64(value: u64) -> Option<Self> {
        (1 << INDEX_BITS..IDS).contains(&value).then_some(Self(value))
    }

    /// Its value, to store it in a shared word: not zero, and below 2^60.
    #[inline(always)]
    #[must_use]
    pub fn to_u64(self) -> u64 {
        self.0
    }

    /// No registration has this id.
    pub(crate) const NONE: Self = Self(0);

    fn new(index: u32, generation: u64) -> Self {
        Self(generation << INDEX_BITS | u64::from(index))
    }

    /// The number of its record.
    #[inline(always)]
    pub(crate) fn index(self) -> u32 {
        (self.0 & u64::from(MAX_WRITERS - 1)) as u32
    }

    fn generation(self) -> u64 {
        self.0 >> INDEX_BITS
    }
}

/// One record of a mapped segment.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    map: &'a Mapping,
    index: u32,
}

impl<'a> Record<'a> {
    /// The record with this number, if there is one.
    #[inline(always)]
    pub(crate) fn get(map: &'a Mapping, index: u32) -> Option<Self> {
        (index < map.writers()).then_some(Self { map, index })
    }

    /// All of them.
    pub(crate) fn all(map: &'a Mapping) -> impl Iterator<Item = Self> {
        (0..map.writers()).map(move |index| Self { map, index })
    }

    #[inline(always)]
    fn word(self, at: usize) -> &'a Word {
        self.map.record_word(self.index, at)
    }

    /// The number of writes that its owners counted, all of them together.
    #[inline(always)]
    pub(crate) fn writes(self) -> &'a Word {
        self.word(RECORD_WRITES)
    }

    /// The process and the thread of the last owner.
    pub(crate) fn thread(self) -> (u32, u32) {
        let thread = self.word(RECORD_THREAD).load(Ordering::Relaxed);
        ((thread >> 32) as u32, thread as u32)
    }

    /// The id of the last registration; `None` if there was none.
    pub(crate) fn id(self) -> Option<WriterId> {
        // Acquire: pairs with the release in `register`; the thread is that of this generation or
        // of a later one.
        let generation = self.word(RECORD_GENERATION).load(Ordering::Acquire);
        let known = (1..=LAST_GENERATION).contains(&generation);
        known.then(|| WriterId::new(self.index, generation))
    }

    /// How many of its registrations are over.
    pub(crate) fn registrations_over(self, lock_word: Option<usize>) -> u64 {
        // Acquire, and in this order. If the lock word has no owner after that, the registration of
        // this generation is over, too; if it has one, at least those before it are. So the number
        // is never too large. It may be too small for a moment.
        let generation = self.word(RECORD_GENERATION).load(Ordering::Acquire);
        let is_owned = self.lock_word(lock_word, Ordering::Acquire).owner().is_some();
        generation.saturating_sub(u64::from(is_owned))
    }

    /// The lock word, if it is known where the C library has it: so many bytes after the start of
    /// the mutex.
    fn lock_word(self, offset: Option<usize>, order: Ordering) -> LockWord {
        // No thread registers if it is unknown.
        offset.map_or(LockWord(0), |offset| {
            self.map.lock_word_at(record_offset(self.index) + offset, order)
        })
    }

    /// Takes the record for the calling thread, if it has no living owner.
    ///
    /// Only loads touch a record that has one: a failing attempt to lock would take its cache line
    /// away from whoever looks at it.
    pub(crate) fn try_own(self, process: u32, canary: u64) -> Option<WriterId> {
        // In this order: a takeover that reinitialises a mutex first complements the canary, so
        // whoever finds the word free because of that does not find the canary.
        // Acquire: pairs with the making of the mutex, which stores the canary first.
        let is_owned = self.lock_word(LOCK_WORD, Ordering::Acquire).owner().is_some();
        if is_owned || self.word(RECORD_CANARY).load(Ordering::Acquire) != canary {
            return None;
        }
        if !mutex::try_record(self.map, self.index) {
            return None;
        }
        let thread = self.lock_word(LOCK_WORD, Ordering::Relaxed).owner().unwrap_or(0);
        let thread = u64::from(process) << 32 | u64::from(thread);
        let registered = register(self.word(RECORD_GENERATION), self.word(RECORD_THREAD), thread);
        if registered.is_none() {
            // Held by this thread a moment ago.
            let _ = mutex::unlock_record(self.map.pages(), self.index);
        }
        registered.map(|generation| WriterId::new(self.index, generation))
    }

    /// Marks the record as the kernel does when an owner dies, if there is no thread with the id of
    /// its owner. The kernel does not mark it when the owner calls `execve` and is not the main
    /// thread: it becomes the main thread before the kernel looks at what it holds.
    ///
    /// The owner is of the caller's pid namespace. The mark cannot hit another owner: nobody can
    /// lock a word that names a thread, not even a new thread with the same id.
    pub(crate) fn mark_if_gone(self) {
        let Some(offset) = LOCK_WORD else { return };
        let word = self.lock_word(LOCK_WORD, Ordering::Acquire);
        if word.owner().is_some_and(is_gone) {
            self.map.mark_lock_word_at(record_offset(self.index) + offset, word);
        }
    }

    /// Makes the mutex anew, and ends the registration of whoever held it. Nobody may hold the
    /// mutex or try to take it; others may look at it. A death in between leaves the canary wrong.
    pub(crate) fn init(self, canary: u64) -> io::Result<()> {
        self.word(RECORD_CANARY).store(!canary, Ordering::SeqCst);
        // Before the mutex changes.
        fence(Ordering::SeqCst);
        mutex::init_record(self.map, self.index)?;
        let generation = self.word(RECORD_GENERATION);
        let last = generation.load(Ordering::Relaxed);
        // Of a new segment the generation is zero, and stays so: nobody was registered.
        if last > 0 {
            generation.store(last.saturating_add(1).min(LAST_GENERATION), Ordering::Release);
        }
        self.word(RECORD_CANARY).store(canary, Ordering::SeqCst);
        Ok(())
    }
}

/// True if the registration is over: its thread is dead, or has another id by now, or none.
/// `lock_word` is where the C library of the segment's writers has the lock word.
pub(crate) fn is_dead(map: &Mapping, lock_word: Option<usize>, id: WriterId) -> bool {
    let Some(record) = Record::get(map, id.index()) else { return true };
    let word = |order| record.lock_word(lock_word, order);
    is_over(word, record.word(RECORD_GENERATION), id.generation())
}

/// The owner of the mutex begins a registration. Returns its generation; `None` if there was the
/// last one.
pub(super) fn register(generation: &Word, thread: &Word, who: u64) -> Option<u64> {
    // Relaxed: stored only under the mutex.
    let next = generation.load(Ordering::Relaxed).checked_add(1)?;
    if next > LAST_GENERATION {
        return None;
    }
    thread.store(who, Ordering::Relaxed);
    // Release: pairs with the acquire in `Record::id` and `is_over`. Whoever sees that the record
    // has a new owner sees all that the old one has stored.
    generation.store(next, Ordering::Release);
    Some(next)
}

/// True if the registration of this generation is over.
pub(super) fn is_over(
    lock_word: impl FnOnce(Ordering) -> LockWord,
    generation: &Word,
    registered: u64,
) -> bool {
    // Acquire: pairs with the release by its owner, or by the kernel when the owner died. So
    // whoever sees that it is over sees all that the owner has stored.
    if lock_word(Ordering::Acquire).owner().is_none() {
        return true;
    }
    // Acquire: pairs with the release in `register`.
    generation.load(Ordering::Acquire) != registered
}

/// Initialises the records of a new segment.
pub(crate) fn init_all(map: &Mapping, canary: u64) -> io::Result<()> {
    Record::all(map).try_for_each(|record| record.init(canary))
}
