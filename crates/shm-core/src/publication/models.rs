//! Loom models of publication. They run the functions of `control.rs` themselves.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p shm-core --release models`. An atomic that holds
//! an edition stands for the name in the file system. It has no ordering of its own, which is less
//! than the kernel guarantees. A condition variable stands for the futex. A death is simulated at
//! every effect: from a given effect on, the stores, links and wakes of the dying process vanish.

use loom::sync::atomic::AtomicU64;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use super::control::{self, Effects, WORD};
use crate::sync::{Ordering, ReadWords, Word, Words, crash};

const PREEMPTIONS: usize = 3;

struct Model {
    word: [Word; 1],
    /// The edition of the file at the name; 0 if there is none.
    name: AtomicU64,
    queue: Mutex<()>,
    bell: Condvar,
    /// The lock of the control segment.
    lock: Mutex<()>,
}

/// The steps of one publisher besides storing to the control word.
struct Work<'a> {
    model: &'a Model,
    edition: u64,
}

impl Effects for Work<'_> {
    type Error = ();

    fn link(&mut self) -> Result<(), ()> {
        if crash::allows_store() {
            self.model.name.store(self.edition, Ordering::Relaxed);
        }
        Ok(())
    }

    fn wake(&self) {
        self.model.wake();
    }
}

impl Model {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            word: [Word::new(2)],
            name: AtomicU64::new(1),
            queue: Mutex::new(()),
            bell: Condvar::new(),
            lock: Mutex::new(()),
        })
    }

    fn words(&self) -> Words<'_> {
        Words::new(&self.word)
    }

    fn wake(&self) {
        if crash::allows_store() {
            drop(self.queue.lock().unwrap());
            self.bell.notify_all();
        }
    }

    fn publish(&self) -> u64 {
        let _turn = self.lock.lock().unwrap();
        let at_name = self.name.load(Ordering::Relaxed);
        let newest = control::settle(self.words(), Some(at_name), || self.wake()).unwrap();
        control::publish(self.words(), newest, &mut Work { model: self, edition: newest + 1 })
            .unwrap()
    }

    fn load(&self) -> u64 {
        control::load(ReadWords::new(&self.word))
    }

    /// Returns the edition that a reader of `edition` has after a refresh.
    fn refresh(&self, edition: u64) -> u64 {
        self.refresh_by(self.load(), edition)
    }

    fn refresh_by(&self, seen: u64, edition: u64) -> u64 {
        if control::is_newest(seen, edition) { edition } else { self.name.load(Ordering::Relaxed) }
    }

    /// Models the futex: sleeps while the word is as seen. The sleep does not end by itself.
    fn sleep(&self, seen: u64) {
        let mut queue = self.queue.lock().unwrap();
        while self.word[WORD].load(Ordering::Relaxed) == seen {
            queue = self.bell.wait(queue).unwrap();
        }
    }

    /// Waits for another edition. Returns `None` if a reader would have to check the name from time
    /// to time.
    fn wait(&self, edition: u64) -> Option<u64> {
        loop {
            let seen = self.load();
            let now = self.refresh_by(seen, edition);
            if now != edition {
                return Some(now);
            }
            if !control::is_newest(seen, edition) {
                return None;
            }
            self.sleep(seen);
        }
    }
}

fn explore(f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(f);
}

/// Runs the model once for each number of effects after which a publisher dies, until the publisher
/// survives.
fn explore_deaths(f: impl Fn(usize) -> bool + Sync + Send + 'static) {
    let f = std::sync::Arc::new(f);
    for effects in 0.. {
        let survived = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (model, seen) = (f.clone(), survived.clone());
        explore(move || {
            if model(effects) {
                seen.store(true, std::sync::atomic::Ordering::SeqCst);
            }
        });
        if survived.load(std::sync::atomic::Ordering::SeqCst) {
            assert!(effects > 4, "a publication has more effects than {effects}");
            return;
        }
    }
}

#[test]
fn a_reader_never_goes_back_and_finds_what_the_word_announces() {
    explore(|| {
        let model = Model::new();
        let publisher = {
            let model = model.clone();
            thread::spawn(move || (model.publish(), model.publish()))
        };
        let seen = model.load();
        let first = model.refresh_by(seen, 1);
        if seen % 2 == 0 {
            assert!(first >= seen / 2, "the word announced {}, the name gave {first}", seen / 2);
        }
        let second = model.refresh(first);
        assert!(second >= first);
        assert_eq!(publisher.join().unwrap(), (2, 3));
        assert_eq!(model.refresh(second), 3);
    });
}

#[test]
fn two_publishers_give_two_editions() {
    explore(|| {
        let model = Model::new();
        let other = {
            let model = model.clone();
            thread::spawn(move || model.publish())
        };
        let mine = model.publish();
        let theirs = other.join().unwrap();
        assert_eq!(mine.min(theirs), 2);
        assert_eq!(mine.max(theirs), 3);
        assert_eq!((model.load(), model.refresh(1)), (6, 3));
    });
}

#[test]
fn a_dead_publisher_hides_nothing_and_stops_nobody() {
    explore_deaths(|effects| {
        let model = Model::new();
        let dying = {
            let model = model.clone();
            thread::spawn(move || crash::after(effects, || model.publish()).1)
        };
        let early = model.refresh(1);
        let left = dying.join().unwrap();
        let at_name = model.name.load(Ordering::Relaxed);
        // A refresh finds the edition at the name, whatever the word says.
        assert_eq!(model.refresh(early), at_name);
        assert_eq!(model.refresh(1), at_name);
        // The next publisher goes on at once, with a number of its own.
        assert_eq!(model.publish(), at_name + 1);
        assert_eq!(model.refresh(at_name), at_name + 1);
        assert_eq!(model.load(), 2 * (at_name + 1));
        left > 0
    });
}

#[test]
fn what_a_settled_word_announces_is_found() {
    explore_deaths(|effects| {
        let model = Model::new();
        let reader = {
            let model = model.clone();
            thread::spawn(move || {
                let seen = model.load();
                let now = model.refresh_by(seen, 1);
                assert!(seen % 2 == 1 || now >= seen / 2, "{seen} announced more than {now}");
            })
        };
        let (_, left) = crash::after(effects, || model.publish());
        // It dies in its turn: after it has settled, if there is anything to settle.
        crash::after(1, || model.publish());
        reader.join().unwrap();
        left > 0
    });
}

#[test]
fn nobody_sleeps_over_news() {
    explore_deaths(|effects| {
        let model = Model::new();
        let waiter = {
            let model = model.clone();
            thread::spawn(move || model.wait(1))
        };
        let (_, left) = crash::after(effects, || model.publish());
        let published = model.name.load(Ordering::Relaxed) == 2;
        if !published {
            // Then it may sleep, until somebody publishes.
            model.publish();
        }
        // Loom reports a waiter that never ends.
        if let Some(edition) = waiter.join().unwrap() {
            assert_eq!(edition, 2);
        }
        left > 0
    });
}
