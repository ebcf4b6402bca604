//! Waiters that sleep until something has changed, beside claimants, transactions and each other.
//!
//! A condition variable stands for the futex. A sleep has no time limit here, but it ends with a
//! panic if nobody is left who could end it.

use loom::sync::atomic::AtomicU64;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread::{self, JoinHandle};
use shm_core::{Ordering, ReadWords, Words};

use super::{Model, explore, explore_with, twice, writer};
use crate::layout::WAKE;
use crate::protocol::lease::Lease;
use crate::protocol::slot_mut::SlotMut;
use crate::protocol::view::{Found, Look};
use crate::protocol::wake::{self, Touched, WakeWord};

/// What a waiter has seen of a key: the slot and its version.
type Seen = Option<(usize, u64)>;

struct Waits {
    model: Arc<Model>,
    /// Writes that claimants have counted in their records.
    writes: AtomicU64,
    queue: Mutex<Queue>,
    bell: Condvar,
}

/// The queue of the futex.
struct Queue {
    wakes: usize,
    /// How many writers have not ended.
    writers: usize,
}

impl Waits {
    /// A table beside so many threads that write.
    fn new(writers: usize, capacity: usize, entries: &[(u64, u64)]) -> Arc<Self> {
        Arc::new(Self {
            model: Model::new(capacity, entries),
            writes: AtomicU64::new(0),
            queue: Mutex::new(Queue { wakes: 0, writers }),
            bell: Condvar::new(),
        })
    }

    fn words(&self) -> Words<'_> {
        Words::claimable(&self.model.words)
    }

    /// For loads that loom may reorder.
    fn read(&self) -> ReadWords<'_> {
        ReadWords::new(&self.model.words)
    }

    /// The system call: sleeps if the word is as it was announced.
    fn sleep(&self, word: WakeWord, announced: u64) {
        let mut queue = self.queue.lock().unwrap();
        if self.read().load(word.at(), Ordering::Relaxed) as u32 != announced as u32 {
            return;
        }
        let before = queue.wakes;
        while queue.wakes == before {
            assert_ne!(queue.writers, 0, "asleep for ever");
            queue = self.bell.wait(queue).unwrap();
        }
    }

    /// Starts a thread that writes.
    fn spawn(waits: &Arc<Self>, write: impl Fn(&Self) + 'static) -> JoinHandle<()> {
        let waits = waits.clone();
        thread::spawn(move || {
            write(&waits);
            waits.queue.lock().unwrap().writers -= 1;
            waits.bell.notify_all();
        })
    }

    fn wake(&self, word: WakeWord) {
        wake::wake(self.words(), word, |_| {
            self.queue.lock().unwrap().wakes += 1;
            self.bell.notify_all();
        });
    }

    fn seen(&self, key: u64) -> Seen {
        self.model.get_found(key).map(|(_, Found { slot, version })| (slot, version))
    }

    fn word_for(seen: Seen) -> WakeWord {
        seen.map_or(WakeWord::ABSENT, |(slot, _)| WakeWord::of_slot(slot))
    }

    /// Waits as `Table::wait_for_change` does.
    fn wait(&self, key: u64, seen: Seen) -> Seen {
        self.wait_until(Self::word_for(seen), || {
            let now = self.seen(key);
            (now != seen).then_some(now)
        })
    }

    fn wait_until<R>(&self, word: WakeWord, mut changed: impl FnMut() -> Option<R>) -> R {
        loop {
            if let Some(now) = changed() {
                return now;
            }
            let announced = wake::announce(self.words(), word);
            if let Some(now) = changed() {
                return now;
            }
            self.sleep(word, announced);
        }
    }

    /// Updates a present key without the lock, and wakes whoever waits for that.
    fn update(&self, by: u64, key: u64, value: u64) {
        let Look::Found(slot, version) = self.model.view().look(&[key]) else {
            panic!("nobody removes it");
        };
        let slot = SlotMut::new(self.words(), self.model.layout(), slot.number());
        slot.claim(version, writer(by)).unwrap();
        slot.put_value(version.get(), &twice(value), Lease::Kept);
        let committed = slot.first_line().commit_claim(version.get());
        self.writes.fetch_add(1, Ordering::Release);
        slot.first_line().end_claim(committed);
        wake::after_claim(self.read(), slot.number(), |word| self.wake(word));
    }

    /// The same by a transaction, which may add the key.
    fn upsert(&self, entries: &[(u64, u64)], touched: Touched) {
        self.model.upsert(entries);
        wake::after_unlock(self.read(), touched, |word| self.wake(word));
    }

    fn changes(&self) -> u64 {
        self.model.view().commits() + self.writes.load(Ordering::Acquire)
    }
}

#[test]
fn a_waiter_wakes_after_a_claim() {
    explore(|| {
        let waits = Waits::new(1, 1, &[(1, 10)]);
        let seen = waits.seen(1);
        let writer = Waits::spawn(&waits, |waits| waits.update(1, 1, 20));
        assert_ne!(waits.wait(1, seen), seen);
        assert_eq!(waits.model.get(1), Some(20));
        writer.join().unwrap();
    });
}

#[test]
fn a_waiter_does_not_sleep_through_the_last_change() {
    explore_with(2, || {
        let waits = Waits::new(1, 1, &[(1, 10)]);
        let mut seen = waits.seen(1);
        let writer = Waits::spawn(&waits, |waits| {
            waits.update(1, 1, 20);
            waits.update(1, 1, 30);
        });
        while waits.model.get(1) != Some(30) {
            seen = waits.wait(1, seen);
        }
        writer.join().unwrap();
    });
}

#[test]
fn a_waiter_wakes_after_a_transaction() {
    explore(|| {
        let waits = Waits::new(1, 1, &[(1, 10)]);
        let seen = waits.seen(1);
        let writer = Waits::spawn(&waits, |waits| waits.upsert(&[(1, 20)], Touched::One(0)));
        assert_ne!(waits.wait(1, seen), seen);
        assert_eq!(waits.model.get(1), Some(20));
        writer.join().unwrap();
    });
}

#[test]
fn a_waiter_for_an_absent_key_wakes_when_it_is_added() {
    explore_with(2, || {
        let waits = Waits::new(1, 1, &[]);
        let writer = Waits::spawn(&waits, |waits| waits.upsert(&[(1, 20)], Touched::One(0)));
        assert!(waits.wait(1, None).is_some());
        writer.join().unwrap();
    });
}

#[test]
fn two_waiters_wake_after_one_claim() {
    explore_with(2, || {
        let waits = Waits::new(1, 1, &[(1, 10)]);
        let seen = waits.seen(1);
        let writer = Waits::spawn(&waits, |waits| waits.update(1, 1, 20));
        let waiter = {
            let waits = waits.clone();
            thread::spawn(move || assert_ne!(waits.wait(1, seen), seen))
        };
        assert_ne!(waits.wait(1, seen), seen);
        waiter.join().unwrap();
        writer.join().unwrap();
    });
}

/// Both keys have the same wake word, so one of the writers may find that the other has cleared the
/// bit.
#[test]
fn a_waiter_wakes_after_the_change_of_either_writer() {
    explore_with(2, || {
        let waits = Waits::new(2, 2, &[(1, 10), (2, 10)]);
        let seen = waits.changes();
        let other = Waits::spawn(&waits, |waits| waits.update(1, 1, 20));
        let another = Waits::spawn(&waits, |waits| waits.update(2, 2, 20));
        waits.wait_until(WakeWord::TABLE, || (waits.changes() == seen + 2).then_some(()));
        assert_eq!((waits.model.get(1), waits.model.get(2)), (Some(20), Some(20)));
        other.join().unwrap();
        another.join().unwrap();
    });
}

#[test]
fn without_waiters_the_words_stay_as_they_are() {
    explore_with(1, || {
        let waits = Waits::new(1, 1, &[(1, 10)]);
        waits.update(1, 1, 20);
        waits.upsert(&[(1, 30)], Touched::Many);
        assert_eq!(waits.read().load(WAKE, Ordering::Relaxed), 0);
        assert_eq!(waits.read().load(WakeWord::of_slot(0).at(), Ordering::Relaxed), 0);
    });
}

/// The negative control: a waiter that announces itself, and falls asleep without another look.
#[test]
#[should_panic(expected = "asleep for ever")]
fn a_waiter_that_does_not_look_again_is_caught() {
    explore(|| {
        let waits = Waits::new(1, 1, &[(1, 10)]);
        let seen = waits.seen(1);
        let writer = Waits::spawn(&waits, |waits| waits.update(1, 1, 20));
        let word = Waits::word_for(seen);
        while waits.seen(1) == seen {
            let announced = wake::announce(waits.words(), word);
            waits.sleep(word, announced);
        }
        writer.join().unwrap();
    });
}

/// The negative control: the word that the waiter sleeps on is read after its last look.
#[test]
#[should_panic(expected = "asleep for ever")]
fn a_word_that_is_read_after_the_last_look_is_caught() {
    explore(|| {
        let waits = Waits::new(1, 1, &[(1, 10)]);
        let seen = waits.seen(1);
        let writer = Waits::spawn(&waits, |waits| waits.update(1, 1, 20));
        let word = Waits::word_for(seen);
        while waits.seen(1) == seen {
            wake::announce(waits.words(), word);
            if waits.seen(1) != seen {
                break;
            }
            waits.sleep(word, waits.read().load(word.at(), Ordering::Relaxed));
        }
        writer.join().unwrap();
    });
}
