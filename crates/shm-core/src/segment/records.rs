//! Records of writers: which writing threads are alive, for whoever finds what one of them left.
//!
//! A record is two lines long. It has a robust mutex for each C library that can write; its owner
//! holds that of its own library for as long as it is registered as a writer. So the kernel itself
//! marks the record when the thread dies. `docs/concurrency.md`, chapter Records, says which states
//! there are and why a living owner is never called dead. `seats.rs` registers threads.

use std::time::{SystemTime, UNIX_EPOCH};

use super::layout::{
    MAX_WRITERS, RECORD_NAMESPACE, RECORD_REGISTRATION, RECORD_THREAD, RECORD_WRITES,
    record_offset, records,
};
use super::lock_word::{Library, LockWord};
use super::map::{Mapping, Pages};
use super::mutex::{self, Tried};
use crate::os::holder::{Holder, is_gone};
use crate::os::identity;
use crate::os::registrar::Registrar;
use crate::sync::{Ordering, Word, fence};

/// Bits of a [`WriterId`] that hold the number of the record.
const INDEX_BITS: u32 = 13;
/// Where an id ends.
const IDS: u64 = 1 << 60;
/// The last generation. A record that has reached it is not used any more.
const LAST_GENERATION: u64 = (IDS >> INDEX_BITS) - 1;

const _: () = assert!(1 << INDEX_BITS >= records(MAX_WRITERS));

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
        (self.0 & ((1 << INDEX_BITS) - 1)) as u32
    }

    pub(super) fn generation(self) -> u64 {
        self.0 >> INDEX_BITS
    }
}

/// A registration word as it was at one moment: `generation << 8 | made << 2 | library`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Registration(pub(super) u64);

impl Registration {
    const GENERATION: u32 = 8;
    const LIBRARY: u64 = 3;
    const FLAGS: u64 = 0xF;

    /// How many registrations there were, or one more.
    pub(super) fn generation(self) -> u64 {
        self.0 >> Self::GENERATION
    }

    /// The C library of the owner, or of the last one.
    pub(super) fn library(self) -> Option<Library> {
        Library::ALL.into_iter().find(|&library| self.0 & Self::LIBRARY == library as u64)
    }

    /// True if the mutex of this library was initialised.
    fn has_made(self, library: Library) -> bool {
        self.0 & Self::made(library) != 0
    }

    fn made(library: Library) -> u64 {
        (library as u64) << 2
    }

    /// True if a thread may take a record with this word.
    fn is_sound(self) -> bool {
        let flags = self.0 & ((1 << Self::GENERATION) - 1);
        let known = flags & !Self::FLAGS == 0 && flags & Self::LIBRARY != Self::LIBRARY;
        known
            && self.library().is_none_or(|library| self.has_made(library))
            && self.generation() <= LAST_GENERATION
    }

    /// The mutex of this library is initialised.
    fn with_made(self, library: Library) -> Self {
        Self(self.0 | Self::made(library))
    }

    /// The same registration, which is over, whoever locks a mutex.
    fn closed(self) -> Self {
        Self(self.0 & !Self::LIBRARY)
    }

    /// The next registration, by a thread with this C library; `None` if this was the last one.
    fn next(self, library: Library) -> Option<Self> {
        let next = self.generation() + 1;
        let flags = self.0 & (Self::FLAGS & !Self::LIBRARY) | library as u64;
        (next <= LAST_GENERATION).then_some(Self(next << Self::GENERATION | flags))
    }

    /// Nobody is registered, and no mutex is initialised. The generation of a damaged word is not
    /// known: then it is one that nobody has reached by counting, and a later one each time.
    fn over(self) -> Self {
        let generation = if self.is_sound() && self.generation() < LAST_GENERATION {
            self.generation() + 1
        } else {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            (since.as_millis() as u64).clamp(1, LAST_GENERATION)
        };
        Self(generation << Self::GENERATION)
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
        (index < map.records()).then_some(Self { map, index })
    }

    /// All of them.
    pub(crate) fn all(map: &'a Mapping) -> impl Iterator<Item = Self> {
        (0..map.records()).map(move |index| Self { map, index })
    }

    /// Those that threads keep.
    pub(crate) fn kept(map: &'a Mapping) -> impl Iterator<Item = Self> {
        (0..map.writers()).map(move |index| Self { map, index })
    }

    /// Those that a thread has for one hold of the lock.
    pub(crate) fn of_guests(map: &'a Mapping) -> impl Iterator<Item = Self> {
        (map.writers()..map.records()).map(move |index| Self { map, index })
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

    /// The pid namespace of the last owner.
    pub(crate) fn pid_namespace(self) -> u64 {
        self.word(RECORD_NAMESPACE).load(Ordering::Relaxed)
    }

    fn registration(self) -> Registration {
        // Acquire: pairs with the release in `register`; the thread is that of this generation or
        // of a later one.
        Registration(self.word(RECORD_REGISTRATION).load(Ordering::Acquire))
    }

    /// The C library of the last owner, as people write it.
    pub(crate) fn c_library(self) -> Option<&'static str> {
        self.registration().library().map(|library| match library {
            Library::Glibc => "glibc",
            Library::Musl => "musl",
        })
    }

    /// The id of the last registration; `None` if there was none.
    pub(crate) fn id(self) -> Option<WriterId> {
        let generation = self.registration().generation();
        let known = (1..=LAST_GENERATION).contains(&generation);
        known.then(|| WriterId::new(self.index, generation))
    }

    /// How many of its registrations are over.
    pub(crate) fn registrations_over(self) -> u64 {
        // Acquire, and in this order. If the mutex has no owner after that, the registration of
        // this generation is over, too; if it has one, at least those before it are. So the number
        // is never too large. It may be too small for a moment.
        let now = self.registration();
        let is_owned = now.library().is_some_and(|library| self.is_locked(library));
        now.generation().saturating_sub(u64::from(is_owned))
    }

    fn lock_word(self, library: Library, order: Ordering) -> LockWord {
        self.map.lock_word_at(record_offset(self.index) + library.lock_word(), order)
    }

    fn is_locked(self, library: Library) -> bool {
        // Acquire: pairs with the release by its owner, or by the kernel when the owner died.
        self.lock_word(library, Ordering::Acquire).owner().is_some()
    }

    /// The thread that holds one of its mutexes.
    fn owner(self, now: Registration) -> Option<(Library, LockWord)> {
        Library::ALL
            .into_iter()
            .filter(|&library| now.has_made(library))
            .map(|library| (library, self.lock_word(library, Ordering::Acquire)))
            .find(|(_, word)| word.owner().is_some())
    }

    /// Takes the record for the calling thread, which is of this process and this pid namespace, if
    /// the record has no living owner.
    ///
    /// Only loads touch a record that has one: a failing attempt to lock would take its cache line
    /// away from whoever looks at it.
    pub(crate) fn try_own(
        self,
        registrar: &Registrar<'_>,
        process: u32,
        pid_namespace: u64,
    ) -> Option<WriterId> {
        let library = Library::OURS?;
        let pages = self.map.pages();
        let mut now = self.registration();
        if !now.is_sound() || self.owner(now).is_some() {
            return None;
        }
        now = close(self.word(RECORD_REGISTRATION), now)?;
        if !now.has_made(library) {
            now = self.make(registrar, pages, library, now)?;
        }
        match mutex::try_lock(registrar, pages, self.index) {
            Tried::Locked => {}
            Tried::Held => return None,
            // Its last owner was a foreign program.
            Tried::Unusable => {
                now = self.make(registrar, pages, library, now)?;
                if mutex::try_lock(registrar, pages, self.index) != Tried::Locked {
                    return None;
                }
            }
        }
        // Beside a registrar of another inode of the file, of which there is a lock of its own:
        // of two owners with different C libraries, one sees the other.
        fence(Ordering::SeqCst);
        let other = Library::ALL.into_iter().filter(|&other| other != library);
        let is_owned = other.into_iter().any(|other| now.has_made(other) && self.is_locked(other));
        let thread = self.lock_word(library, Ordering::Relaxed).owner().unwrap_or(0);
        let thread = u64::from(process) << 32 | u64::from(thread);
        let registered = (!is_owned).then(|| {
            self.word(RECORD_NAMESPACE).store(pid_namespace, Ordering::Relaxed);
            let (registration, owner) = (self.word(RECORD_REGISTRATION), self.word(RECORD_THREAD));
            register(registration, owner, library, thread)
        });
        let registered = registered.flatten();
        if registered.is_none() {
            // Held by this thread a moment ago.
            mutex::unlock(registrar, pages, self.index);
        }
        registered.map(|generation| WriterId::new(self.index, generation))
    }

    /// Initialises the mutex of this process's C library, which nobody holds.
    fn make(
        self,
        registrar: &Registrar<'_>,
        pages: &Pages,
        library: Library,
        now: Registration,
    ) -> Option<Registration> {
        mutex::init(registrar, pages, self.index).ok()?;
        let made = now.with_made(library);
        // Release: whoever locks the mutex because of the mark finds it initialised.
        self.word(RECORD_REGISTRATION).store(made.0, Ordering::Release);
        Some(made)
    }

    /// True if no thread has the id of its owner, who is of this pid namespace, which is the
    /// caller's. Only a hint: the owner may be another one by now.
    pub(crate) fn seems_gone(self, pid_namespace: u64) -> bool {
        let owner = self.owner(self.registration()).and_then(|(_, word)| word.owner());
        self.pid_namespace() == pid_namespace && owner.is_some_and(is_gone)
    }

    /// Marks the record as the kernel does when an owner dies, if there is no thread with the id of
    /// its owner. The kernel does not mark it when the owner calls `execve` and is not the main
    /// thread: it becomes the main thread before the kernel looks at what it holds.
    ///
    /// Nothing is done for an owner of another pid namespace than this, which is the caller's.
    /// The mark cannot hit another owner: nobody takes the record while the caller is registrar.
    pub(crate) fn mark_if_gone(self, _: &Registrar<'_>, pid_namespace: u64) {
        if let Some((library, word)) = self.owner(self.registration())
            && self.pid_namespace() == pid_namespace
            && word.owner().is_some_and(is_gone)
        {
            self.map.mark_lock_word_at(record_offset(self.index) + library.lock_word(), word);
        }
    }

    /// Ends the registration of whoever held the record, and has its mutexes initialised again when
    /// they are used next. No thread that is alive holds one of them.
    pub(crate) fn reset(self, _: &Registrar<'_>) {
        let now = self.registration();
        if now.0 != 0 {
            self.word(RECORD_REGISTRATION).store(now.over().0, Ordering::Release);
        }
    }
}

/// What a record says in the bytes of a file.
pub(super) struct Stored {
    /// The thread that holds one of its mutexes.
    pub(super) owner: Option<u32>,
    /// The pid namespace of the last owner, and its process.
    pub(super) pid_namespace: u64,
    pub(super) process: u32,
    /// The generation of the last registration.
    pub(super) generation: u64,
    /// False if no thread can take the record, whether or not it has an owner.
    pub(super) is_sound: bool,
}

impl Stored {
    /// Reads it from the bytes of a record.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let word = |at: usize| {
            let word = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
            word.map_or(0, |&word| u64::from_ne_bytes(word))
        };
        let now = Registration(word(RECORD_REGISTRATION));
        let lock_word = |library: Library| {
            let word = bytes.get(library.lock_word()..).and_then(|bytes| bytes.first_chunk());
            LockWord(word.map_or(0, |&word| u32::from_ne_bytes(word)))
        };
        let made = Library::ALL.into_iter().filter(|&library| now.has_made(library));
        Self {
            owner: made.map(lock_word).find_map(LockWord::owner),
            pid_namespace: word(RECORD_NAMESPACE),
            process: (word(RECORD_THREAD) >> 32) as u32,
            generation: now.generation(),
            is_sound: now.is_sound(),
        }
    }
}

/// True if the registration is over: its thread is dead, or has another id by now, or none.
pub(crate) fn is_dead(map: &Mapping, id: WriterId) -> bool {
    let Some(record) = Record::get(map, id.index()) else { return true };
    let lock_word = |library, order| record.lock_word(library, order);
    is_over(record.word(RECORD_REGISTRATION), lock_word, id.generation())
}

/// The thread that is registered under this id; `None` if the registration is over.
pub(crate) fn holder_of(map: &Mapping, id: WriterId) -> Option<Holder> {
    let record = Record::get(map, id.index())?;
    let ((process, thread), pid_namespace) = (record.thread(), record.pid_namespace());
    if is_dead(map, id) {
        None
    } else if pid_namespace == identity::pid_namespace().ok()? {
        Some(Holder::of_thread(thread))
    } else {
        Some(Holder::elsewhere(process, thread, pid_namespace))
    }
}

/// True if the calling thread registered under this id.
pub(crate) fn is_this_thread(map: &Mapping, id: WriterId) -> bool {
    let thread = rustix::thread::gettid().as_raw_nonzero().get() as u32;
    Record::get(map, id.index()).is_some_and(|record| {
        record.thread() == (std::process::id(), thread)
            && identity::pid_namespace().is_ok_and(|here| here == record.pid_namespace())
            && !is_dead(map, id)
    })
}

/// Says that the last registration is over, although somebody is about to lock a mutex. The caller
/// is registrar, and has seen that no mutex has an owner. Returns what the word is now; `None` if
/// a registrar of another inode of the file has changed it.
pub(super) fn close(registration: &Word, now: Registration) -> Option<Registration> {
    let closed = now.closed();
    // Release: whoever sees this sees all that the last owner has stored, as the caller does.
    let (release, relaxed) = (Ordering::AcqRel, Ordering::Relaxed);
    registration.compare_exchange(now.0, closed.0, release, relaxed).ok()?;
    // SeqCst: before the mutex is locked, which the C library may do with Acquire only.
    fence(Ordering::SeqCst);
    Some(closed)
}

/// The owner of the mutex of this library begins a registration. Returns its generation; `None` if
/// there was the last one.
pub(super) fn register(
    registration: &Word,
    thread: &Word,
    library: Library,
    who: u64,
) -> Option<u64> {
    // Relaxed: stored only under a mutex of the record, which nobody else holds.
    let next = Registration(registration.load(Ordering::Relaxed)).next(library)?;
    thread.store(who, Ordering::Relaxed);
    // Release: pairs with the acquire in `Record::registration` and `is_over`. Whoever sees that
    // the record has a new owner sees all that the old one has stored.
    registration.store(next.0, Ordering::Release);
    Some(next.generation())
}

/// True if the registration of this generation is over.
pub(super) fn is_over(
    registration: &Word,
    lock_word: impl FnOnce(Library, Ordering) -> LockWord,
    registered: u64,
) -> bool {
    // Acquire: pairs with the release in `register`.
    let now = Registration(registration.load(Ordering::Acquire));
    if now.generation() != registered {
        return true;
    }
    let Some(library) = now.library() else { return true };
    // Acquire: pairs with the release by its owner, or by the kernel when the owner died. So
    // whoever sees that it is over sees all that the owner has stored.
    if lock_word(library, Ordering::Acquire).owner().is_none() {
        return true;
    }
    // It may be the owner of the next registration, which has closed this one before. Acquire: as
    // above.
    registration.load(Ordering::Acquire) != now.0
}
