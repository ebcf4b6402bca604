//! Loom models of the records of writers.
//!
//! They run the functions of `records.rs` and [`Words::compare_exchange`]. The robust mutex is an
//! atomic: the owner's thread id, or the kernel's mark.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release -p shm-core --lib models`

use loom::sync::Arc;
use loom::thread;

use super::lock_word::LockWord;
use super::records::{is_over, register};
use crate::sync::{Ordering, Word, Words};

const OWNER_DIED: u64 = 0x4000_0000;

/// A record, a word that is claimed, and one that its claimer stores.
struct Model {
    lock: Word,
    generation: Word,
    thread: Word,
    claim: Word,
    data: Word,
}

impl Model {
    fn new() -> Arc<Self> {
        let [lock, generation, thread, claim, data] = [(); 5].map(|()| Word::new(0));
        Arc::new(Self { lock, generation, thread, claim, data })
    }

    /// Registers, if the word is this.
    fn own(&self, found: u64, tid: u64) -> Option<u64> {
        // Acquire, as `pthread_mutex_trylock`.
        let locked =
            self.lock.compare_exchange(found, tid, Ordering::Acquire, Ordering::Relaxed).is_ok();
        locked.then(|| register(&self.generation, &self.thread, tid).unwrap())
    }

    /// Registers, claims, stores.
    fn write(&self) -> u64 {
        let id = self.own(0, 1).unwrap();
        let claimed =
            self.claim.compare_exchange(0, id, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        assert!(claimed);
        self.data.store(77, Ordering::Relaxed);
        id
    }

    /// The kernel does this in the thread that dies, the owner when it unregisters.
    fn release(&self, tid: u64, to: u64) {
        let released =
            self.lock.compare_exchange(tid, to, Ordering::Release, Ordering::Relaxed).is_ok();
        assert!(released);
    }

    fn is_over(&self, id: u64) -> bool {
        is_over(|order| LockWord(self.lock.load(order) as u32), &self.generation, id)
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
    for mark in [OWNER_DIED, 0] {
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
                    && let Some(id) = next.own(mark, 2)
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
        let (done, left) =
            crate::sync::crash::after(1, || [exchange(5, 6), exchange(6, 7), exchange(5, 8)]);
        // A dead thread may be told anything.
        assert_eq!(done, [Ok(5), Ok(6), Ok(5)]);
        assert_eq!((left, words.load(0, Ordering::Acquire)), (0, 6));
    });
}
