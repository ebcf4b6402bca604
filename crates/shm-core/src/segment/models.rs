//! Loom models of the records of writers, and of the lock.
//!
//! They run the functions of `records.rs` and `lock.rs`, and [`Words::compare_exchange`]. A robust
//! mutex is an atomic: the owner's thread id, or the kernel's mark. The right to register is a
//! mutex of loom. A futex is a condition variable.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release -p shm-core --lib models`

use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use super::lock::{Taken, announce, release, try_take};
use super::lock_word::{Library, LockWord};
use super::records::{Registration, close, is_over, register};
use crate::sync::{Ordering, Word, Words, crash};

const OWNER_DIED: u64 = 0x4000_0000;

/// A record, a word that is claimed, and one that its claimer stores.
struct Model {
    /// Of glibc and of musl.
    mutexes: [Word; 2],
    registration: Word,
    thread: Word,
    claim: Word,
    data: Word,
    registrar: Mutex<()>,
}

impl Model {
    fn new() -> Arc<Self> {
        let [glibc, musl, thread, claim, data] = [(); 5].map(|()| Word::new(0));
        // Both mutexes are initialised.
        let registration = Word::new(0b1100);
        let (mutexes, registrar) = ([glibc, musl], Mutex::new(()));
        Arc::new(Self { mutexes, registration, thread, claim, data, registrar })
    }

    fn mutex(&self, library: Library) -> &Word {
        &self.mutexes[library as usize - 1]
    }

    /// Registers, if no living thread has the record.
    fn own_by(&self, library: Library, tid: u64) -> Option<u64> {
        let _registrar = self.registrar.lock().unwrap();
        let found = Library::ALL.map(|library| self.mutex(library).load(Ordering::Acquire));
        if found.iter().any(|&word| LockWord(word as u32).owner().is_some()) {
            return None;
        }
        let now = Registration(self.registration.load(Ordering::Acquire));
        close(&self.registration, now).unwrap();
        // Acquire, as `pthread_mutex_trylock`.
        let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
        let word = found[library as usize - 1];
        let locked = self.mutex(library).compare_exchange(word, tid, acquire, relaxed).is_ok();
        locked.then(|| register(&self.registration, &self.thread, library, tid).unwrap())
    }

    fn own(&self, tid: u64) -> Option<u64> {
        self.own_by(Library::Glibc, tid)
    }

    /// Registers, claims, stores.
    fn write(&self) -> u64 {
        let id = self.own(1).unwrap();
        let claimed =
            self.claim.compare_exchange(0, id, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        assert!(claimed);
        self.data.store(77, Ordering::Relaxed);
        id
    }

    /// The kernel does this in the thread that dies, the owner when it unregisters.
    fn release(&self, tid: u64, to: u64) {
        let (release, relaxed) = (Ordering::Release, Ordering::Relaxed);
        let word = self.mutex(Library::Glibc);
        assert!(word.compare_exchange(tid, to, release, relaxed).is_ok());
    }

    fn is_over(&self, id: u64) -> bool {
        let word = |library, order| LockWord(self.mutex(library).load(order) as u32);
        is_over(&self.registration, word, id)
    }

    /// Looks at the claim once. True if it is of a dead owner; then what that stored is there.
    fn resolve(&self) -> bool {
        match self.claim.load(Ordering::Acquire) {
            0 => false,
            id if self.is_over(id) => {
                assert_eq!(self.data.load(Ordering::Relaxed), 77, "a store of the dead is missing");
                true
            }
            _ => false,
        }
    }
}

#[test]
fn a_living_owner_is_never_called_dead() {
    loom::model(|| {
        let model = Model::new();
        let writer = {
            let model = Arc::clone(&model);
            thread::spawn(move || model.write())
        };
        assert!(!model.resolve());
        let id = writer.join().unwrap();
        assert!(!model.is_over(id));
    });
}

#[test]
fn whoever_sees_a_death_sees_all_that_was_stored_before_it() {
    for (mark, library) in [
        (OWNER_DIED, Library::Glibc),
        (0, Library::Glibc),
        (OWNER_DIED, Library::Musl),
        (0, Library::Musl),
    ] {
        loom::model(move || {
            let model = Model::new();
            let (writer, next) = (Arc::clone(&model), Arc::clone(&model));
            let writer = thread::spawn(move || {
                writer.write();
                writer.release(1, mark);
            });
            // The next owner, which is never done with the record, or is at once.
            let next = thread::spawn(move || {
                if next.claim.load(Ordering::Relaxed) != 0
                    && let Some(id) = next.own_by(library, 2)
                {
                    assert_eq!(id, 2);
                    assert!(!next.is_over(2) && next.is_over(1));
                }
            });
            model.resolve();
            writer.join().unwrap();
            next.join().unwrap();
            assert!(model.resolve());
        });
    }
}

/// An owner that was found dead stays dead while another thread takes the record.
#[test]
fn the_dead_do_not_come_back() {
    for library in Library::ALL {
        loom::model(move || {
            let model = Model::new();
            let id = model.write();
            model.release(1, OWNER_DIED);
            let next = {
                let model = Arc::clone(&model);
                thread::spawn(move || model.own_by(library, 2).unwrap())
            };
            assert!(model.is_over(id));
            assert!(model.is_over(id));
            assert!(!model.is_over(next.join().unwrap()));
        });
    }
}

#[test]
fn of_two_that_claim_one_wins_and_the_shadow_follows() {
    loom::model(|| {
        let words = Arc::new([Word::new(5)]);
        let claim = |words: &Arc<[Word; 1]>, new| {
            let (acq_rel, relaxed) = (Ordering::AcqRel, Ordering::Relaxed);
            Words::claimable(&words[..]).compare_exchange(0, 5, new, acq_rel, relaxed)
        };
        let other = {
            let words = Arc::clone(&words);
            thread::spawn(move || claim(&words, 7))
        };
        let mine = claim(&words, 6);
        let theirs = other.join().unwrap();
        let winner = match (mine, theirs) {
            (Ok(5), Err(6)) => 6,
            (Err(7), Ok(5)) => 7,
            both => panic!("{both:?}"),
        };
        // By the holder of a lock, and by anybody.
        assert_eq!(Words::new(&words[..]).load(0, Ordering::Relaxed), winner);
        assert_eq!(Words::claimable(&words[..]).load(0, Ordering::Acquire), winner);
    });
}

#[test]
fn the_dead_exchange_nothing() {
    loom::model(|| {
        let words = [Word::new(5)];
        let words = Words::claimable(&words);
        let relaxed = Ordering::Relaxed;
        let exchange = |from, to| words.compare_exchange(0, from, to, relaxed, relaxed);
        let (done, left) = crash::after(1, || [exchange(5, 6), exchange(6, 7), exchange(5, 8)]);
        // A dead thread may be told anything.
        assert_eq!(done, [Ok(5), Ok(6), Ok(5)]);
        assert_eq!((left, words.load(0, Ordering::Acquire)), (0, 6));
    });
}

#[test]
fn a_registration_word_names_its_library() {
    let first = Registration(0b1100);
    assert_eq!((first.generation(), first.library()), (0, None));
    loom::model(|| {
        let (word, thread) = (Word::new(0b1100), Word::new(0));
        for (library, generation) in [(Library::Musl, 1), (Library::Glibc, 2), (Library::Musl, 3)] {
            assert_eq!(register(&word, &thread, library, 7), Some(generation));
            let now = Registration(word.load(Ordering::Relaxed));
            assert_eq!((now.generation(), now.library()), (generation, Some(library)));
        }
    });
}

/// The lock, who of its takers is dead, a word that is stored under it, and a futex.
struct Locked {
    lock: Word,
    wake: Word,
    /// The lock word of each taker's record: its thread id, or the kernel's mark.
    records: [Word; 3],
    data: Word,
    queue: Mutex<()>,
    woken: Condvar,
}

/// A value that is never left under the lock, but by a death.
const HALF: u64 = 1 << 32;

impl Locked {
    fn new() -> Arc<Self> {
        let [lock, wake, data] = [(); 3].map(|()| Word::new(0));
        let records = [1, 2, 3].map(Word::new);
        let (queue, woken) = (Mutex::new(()), Condvar::new());
        Arc::new(Self { lock, wake, records, data, queue, woken })
    }

    fn try_take(&self, id: u64) -> Taken {
        try_take(&self.lock, id, |holder| {
            let record = &self.records[holder as usize - 1];
            LockWord(record.load(Ordering::Acquire) as u32).owner().is_none()
        })
    }

    /// Takes the lock, sleeping if need be. Nobody wakes it but a release.
    fn take(&self, id: u64) -> Taken {
        loop {
            let announced = announce(&self.wake);
            let taken = self.try_take(id);
            if !matches!(taken, Taken::Held(_)) {
                return taken;
            }
            // The kernel compares under the lock of its queue.
            let queue = self.queue.lock().unwrap();
            if self.wake.load(Ordering::SeqCst) == announced {
                drop(self.woken.wait(queue).unwrap());
            }
        }
    }

    fn release(&self) {
        release(&self.lock, &self.wake, |_| {
            drop(self.queue.lock().unwrap());
            self.woken.notify_one();
        });
    }

    /// What a holder does: whatever the last one left half done is repaired.
    fn add(&self, taken: Taken) {
        let found = self.data.load(Ordering::Relaxed);
        if taken == Taken::Free {
            assert!(found & HALF == 0, "a dead holder was not noticed");
        }
        self.add_to(found & !HALF);
    }

    fn add_to(&self, found: u64) {
        let relaxed = Ordering::Relaxed;
        self.data.store(found | HALF, relaxed);
        self.data.store(found + 1, relaxed);
    }

    /// The kernel marks the record of a thread that dies.
    fn die(&self, id: u64) {
        self.records[id as usize - 1].store(OWNER_DIED, Ordering::Release);
    }
}

#[test]
fn the_lock_excludes_and_no_wake_up_is_lost() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let model = Locked::new();
        let others = [2, 3].map(|id| {
            let model = Arc::clone(&model);
            thread::spawn(move || {
                let taken = model.take(id);
                model.add(taken);
                model.release();
            })
        });
        let taken = model.take(1);
        model.add(taken);
        model.release();
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(model.data.load(Ordering::Relaxed), 3);
    });
}

#[test]
fn the_lock_of_the_dead_is_taken_by_one_of_two() {
    // Each store of the dead: the lock, half of the data, the whole, the release.
    for stores in 0..5 {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(move || {
            let model = Locked::new();
            let dying = {
                let model = Arc::clone(&model);
                thread::spawn(move || {
                    crash::after(stores, || {
                        let taken = model.try_take(1);
                        if !matches!(taken, Taken::Held(_)) {
                            // The dead believe that they hold it.
                            model.add_to(model.data.load(Ordering::Relaxed) & !HALF);
                            release(&model.lock, &model.wake, |_| ());
                        }
                    });
                    model.die(1);
                })
            };
            let take = |model: &Locked, id| {
                let taken = model.try_take(id);
                if !matches!(taken, Taken::Held(_)) {
                    model.add(taken);
                    model.release();
                }
            };
            let other = {
                let model = Arc::clone(&model);
                thread::spawn(move || take(&model, 2))
            };
            take(&model, 3);
            dying.join().unwrap();
            other.join().unwrap();
            // Whoever comes later gets it.
            let taken = model.try_take(3);
            assert!(!matches!(taken, Taken::Held(_)));
            model.add(taken);
            model.release();
            assert_eq!(model.data.load(Ordering::Relaxed) & HALF, 0);
            assert_eq!(model.try_take(2), Taken::Free);
        });
    }
}

#[test]
fn the_lock_of_the_living_is_never_taken() {
    for (holder, taken) in [(0, Taken::Free), (3, Taken::FromTheDead)] {
        loom::model(move || living(holder, taken));
    }
}

/// Two register and try to take the lock, of which this is the holder: nobody, or a dead one. One
/// of them takes it.
fn living(holder: u64, taken: Taken) {
    let model = Locked::new();
    (1..4).for_each(|id| model.die(id));
    model.lock.store(holder, Ordering::Release);
    let other = {
        let model = Arc::clone(&model);
        thread::spawn(move || {
            // Registered only now: whoever sees the id sees that.
            model.records[0].store(1, Ordering::Relaxed);
            model.try_take(1)
        })
    };
    model.records[1].store(2, Ordering::Relaxed);
    let mine = model.try_take(2);
    let theirs = other.join().unwrap();
    let possible = [[taken, Taken::Held(2)], [Taken::Held(1), taken]];
    assert!(possible.contains(&[mine, theirs]), "{mine:?}, {theirs:?}");
}
