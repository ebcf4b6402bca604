//! Loom models of the protocols, over the very code that runs in production.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p slotmap-shm --release models`.
//! Each model explores all interleavings of a small table with up to
//! `PREEMPTIONS` preemptions, and all values that the memory model lets a load return.
//! A death is simulated at every store: from a given store on, the stores of the
//! dying operation vanish (`shm_core::crash`).

use loom::sync::Arc;
use loom::thread;
use shm_core::{Ordering, ReadWords, Word, Words, crash};

use crate::buffer::Buffer;
use crate::crowded::CheckRoom;
use crate::geometry::Geometry;
use crate::index;
use crate::key::TypedKey;
use crate::layout::{LEN, Layout, USED};
use crate::moment::{Held, read_slot};
use crate::recover;
use crate::slot::SlotMut;
use crate::transaction::{PutMode, Room, Transaction};
use crate::view::{Look, View};

const PREEMPTIONS: usize = 3;
/// Where every store of an operation is tried as the last one, besides.
const PREEMPTIONS_AROUND_DEATHS: usize = 2;

/// A table of a few slots; values are two equal words, so a torn one shows.
struct Model {
    words: Vec<Word>,
    layout: Layout,
}

impl Model {
    fn new(capacity: usize, entries: &[(u64, u64)]) -> Arc<Self> {
        let geometry = Geometry { capacity, value_size: 16, key_size: 8 };
        let layout = Layout::new(geometry, u64::KIND, 7).unwrap();
        let words = (0..layout.total_words).map(|_| Word::new(0)).collect();
        let model = Self { words, layout };
        recover::initialise(model.words(), &model.layout);
        for &entry in entries {
            model.upsert(&[entry]);
        }
        Arc::new(model)
    }

    fn words(&self) -> Words<'_> {
        Words::new(&self.words)
    }

    fn begin(&self) -> Transaction<'_> {
        Transaction::begin(self.words(), &self.layout, Room::new())
    }

    fn upsert(&self, entries: &[(u64, u64)]) {
        let mut transaction = self.begin();
        for &(key, value) in entries {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&value.to_le_bytes());
            bytes[8..].copy_from_slice(&value.to_le_bytes());
            let _ = transaction.put(PutMode::Upsert, &[key], &bytes);
        }
        transaction.commit();
    }

    fn remove(&self, key: u64) {
        let mut transaction = self.begin();
        let _ = transaction.remove(&[key]);
        transaction.commit();
    }

    fn repair(&self) {
        recover::repair(self.words(), &self.layout);
    }

    fn view(&self) -> View<'_> {
        View { words: ReadWords::new(&self.words), layout: &self.layout }
    }

    /// What a reader gets, as `TableReader::get_into` does it: one look, then patiently.
    /// Panics on a torn value.
    fn get(&self, key: u64) -> Option<u64> {
        let view = self.view();
        let mut words = [0; 2];
        match view.look(&[key]) {
            Look::Absent => return None,
            Look::Found(slot, version) => {
                let (buffer, bytes) = slot.value(version);
                buffer.copy_to_words(&mut words);
                if slot.is_unchanged(version) {
                    return Some(Self::whole(key, words, bytes));
                }
            }
            Look::Again => {}
        }
        self.get_patiently(key)
    }

    /// The patient search alone, which is the only one that reads pending slots.
    fn get_patiently(&self, key: u64) -> Option<u64> {
        let (mut words, mut len) = ([0; 2], 0);
        let mut take = |buffer: Buffer<'_>, bytes: usize| {
            buffer.copy_to_words(&mut words);
            len = bytes;
        };
        let found = self
            .view()
            .find(&[key], &mut take, &|| {
                thread::yield_now();
                Ok(())
            })
            .unwrap();
        found.map(|_| Self::whole(key, words, len))
    }

    fn whole(key: u64, words: [u64; 2], len: usize) -> u64 {
        assert_eq!((words[0], len), (words[1], 16), "torn value of key {key}");
        words[0]
    }

    fn check(&self) {
        let mut room = CheckRoom::new(&self.layout);
        assert_eq!(recover::check(self.words(), &self.layout, &mut room), Ok(()));
    }

    fn home(layout: &Layout, key: u64) -> usize {
        index::hash(layout, &[key]) as usize & layout.index_mask
    }
}

fn explore(f: impl Fn() + Sync + Send + 'static) {
    explore_with(PREEMPTIONS, f);
}

fn explore_with(preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 100_000;
    builder.check(f);
}

/// Runs the model once for each number of stores after which the writer dies,
/// until it does not die any more.
fn explore_deaths(preemptions: usize, f: impl Fn(usize) -> bool + Sync + Send + 'static) {
    let f = std::sync::Arc::new(f);
    for stores in 0.. {
        let survived = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (model, seen) = (f.clone(), survived.clone());
        explore_with(preemptions, move || {
            if model(stores) {
                seen.store(true, std::sync::atomic::Ordering::SeqCst);
            }
        });
        if survived.load(std::sync::atomic::Ordering::SeqCst) {
            return;
        }
    }
}

#[test]
fn a_reader_gets_whole_values_and_never_an_older_one_again() {
    explore(|| {
        let model = Model::new(1, &[(1, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                model.upsert(&[(1, 11)]);
                model.upsert(&[(1, 12)]);
            })
        };
        let first = model.get(1).unwrap();
        let second = model.get(1).unwrap();
        assert!((10..=12).contains(&first) && (first..=12).contains(&second));
        writer.join().unwrap();
        assert_eq!(model.get(1), Some(12));
    });
}

#[test]
fn a_batch_appears_at_once_to_single_reads() {
    explore(|| {
        let model = Model::new(2, &[(1, 10), (2, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || model.upsert(&[(1, 11), (2, 11)]))
        };
        let (a, b) = (model.get(1).unwrap(), model.get(2).unwrap());
        assert!(a <= b, "saw {a} of the batch, then {b}");
        writer.join().unwrap();
    });
}

#[test]
fn a_read_of_several_keys_is_of_one_moment() {
    explore(|| {
        let model = Model::new(2, &[(1, 10), (2, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                model.upsert(&[(2, 11), (1, 11)]);
                model.upsert(&[(1, 12)]);
            })
        };
        let ((a, b), together) = model.view().at_one_moment(|| (model.get(1), model.get(2)));
        if together {
            let allowed = [(10, 10), (11, 11), (12, 11)];
            assert!(allowed.contains(&(a.unwrap(), b.unwrap())), "{a:?} {b:?}");
        }
        writer.join().unwrap();
    });
}

/// What was copied before, under versions that are still those of the slots, belongs together with
/// what is copied anew, if no commit lay between begin and end of the second pass.
#[test]
fn a_collection_that_is_brought_up_to_date_is_of_one_moment() {
    // Two preemptions: three take twenty times as long, and two find the fault if the commit word
    // is not compared.
    explore_with(2, || {
        let model = Model::new(2, &[(1, 10), (2, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                model.upsert(&[(2, 11), (1, 11)]);
                model.upsert(&[(1, 12)]);
            })
        };
        let view = model.view();
        let again = || {
            thread::yield_now();
            Ok(())
        };
        let mut seen = [(0, 0); 2];
        let mut pass = || {
            for (number, seen) in seen.iter_mut().enumerate() {
                let read = read_slot::<u64>(&view.slot(number), u64::KIND, seen.0, &again).unwrap();
                if let Some((version, Held::Entry(_, value))) = read {
                    let first = u64::from_le_bytes(value[..8].try_into().unwrap());
                    assert_eq!(value[..8], value[8..], "torn value");
                    *seen = (version, first);
                }
            }
        };
        pass();
        let ((), together) = view.at_one_moment(&mut pass);
        if together {
            let both = (seen[0].1, seen[1].1);
            assert!([(10, 10), (11, 11), (12, 11)].contains(&both), "{both:?}");
        }
        writer.join().unwrap();
    });
}

#[test]
fn add_and_remove_are_one_step_for_a_reader_of_several_keys() {
    explore(|| {
        let model = Model::new(2, &[(1, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                model.upsert(&[(2, 20)]);
                model.remove(1);
            })
        };
        let ((a, b), together) = model.view().at_one_moment(|| (model.get(1), model.get(2)));
        if together {
            let allowed = [(Some(10), None), (Some(10), Some(20)), (None, Some(20))];
            assert!(allowed.contains(&(a, b)), "{a:?} {b:?}");
        }
        writer.join().unwrap();
        assert_eq!((model.get(1), model.get(2)), (None, Some(20)));
    });
}

#[test]
fn a_batch_of_removals_is_one_step_for_a_reader_of_several_keys() {
    explore(|| {
        let model = Model::new(2, &[(1, 10), (2, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                let mut transaction = model.begin();
                transaction.remove(&[1]).unwrap();
                transaction.remove(&[2]).unwrap();
                transaction.commit();
            })
        };
        let ((a, b), together) = model.view().at_one_moment(|| (model.get(1), model.get(2)));
        assert!(!together || a == b, "{a:?} {b:?}");
        writer.join().unwrap();
    });
}

#[test]
fn a_cleared_place_tells_of_the_removal_also_when_its_word_is_stored_to_again() {
    // Two keys at home in the two halves of a word of the index, and one elsewhere.
    let layout =
        Layout::new(Geometry { capacity: 3, value_size: 16, key_size: 8 }, u64::KIND, 7).unwrap();
    let at = |place: usize| (0..).find(|&k| Model::home(&layout, k) == place).unwrap();
    let (gone, new, elsewhere) = (at(2), at(3), at(6));
    explore(move || {
        let model = Model::new(3, &[(gone, 10), (elsewhere, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                let mut transaction = model.begin();
                transaction.remove(&[gone]).unwrap();
                transaction.remove(&[elsewhere]).unwrap();
                transaction.commit();
                model.upsert(&[(new, 20)]);
            })
        };
        let view = model.view();
        let ((a, b), together) = view.at_one_moment(|| (model.get(gone), model.get(elsewhere)));
        assert!(!together || a == b, "{a:?} {b:?}");
        writer.join().unwrap();
        model.check();
    });
}

#[test]
fn a_present_key_is_found_while_its_neighbours_come_and_go() {
    // Three keys with one home: the middle one must stay reachable.
    let layout =
        Layout::new(Geometry { capacity: 3, value_size: 16, key_size: 8 }, u64::KIND, 7).unwrap();
    let home = Model::home(&layout, 0);
    let keys: Vec<u64> = (0..).filter(|&k| Model::home(&layout, k) == home).take(3).collect();
    let (a, b, c) = (keys[0], keys[1], keys[2]);
    explore(move || {
        let model = Model::new(3, &[(a, 1), (b, 2)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                model.remove(a);
                model.upsert(&[(c, 3)]);
            })
        };
        assert_eq!(model.get(b), Some(2));
        writer.join().unwrap();
        model.check();
    });
}

#[test]
fn a_slot_that_changes_its_key_is_never_mistaken() {
    explore(|| {
        let model = Model::new(1, &[(1, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                model.remove(1);
                model.upsert(&[(2, 20)]);
            })
        };
        assert!(matches!(model.get(1), Some(10) | None));
        assert!(matches!(model.get(2), Some(20) | None));
        writer.join().unwrap();
        assert_eq!((model.get(1), model.get(2)), (None, Some(20)));
    });
}

#[test]
fn readers_find_keys_during_a_rebuild_and_after_a_dead_one() {
    explore_deaths(PREEMPTIONS, |stores| {
        let model = Model::new(1, &[(1, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                crash::after(stores, || _ = recover::derive(model.words(), &model.layout)).1 > 0
            })
        };
        assert_eq!(model.get(1), Some(10));
        let survived = writer.join().unwrap();
        assert_eq!(model.get(1), Some(10));
        survived
    });
}

/// A writer dies after each of its stores; another repairs and writes on, under
/// the number of the transaction that was lost; a reader looks on all the time.
fn death_then_next(
    operation: impl Fn(&Model) + Copy + Sync + Send + 'static,
    after: &'static [&'static [(u64, Option<u64>)]],
) {
    explore_deaths(PREEMPTIONS_AROUND_DEATHS, move |stores| {
        let model = Model::new(2, &[(1, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                let left = crash::after(stores, || operation(&model)).1;
                model.repair();
                model.check();
                let state = [(1, model.get(1)), (2, model.get(2))];
                assert!(after.contains(&&state[..]), "after {stores} stores: {state:?}");
                model.upsert(&[(1, 30)]);
                left > 0
            })
        };
        let seen = model.get_patiently(1);
        assert!(matches!(seen, Some(10 | 11 | 30) | None), "{seen:?}");
        let survived = writer.join().unwrap();
        model.check();
        assert_eq!(model.get(1), Some(30));
        survived
    });
}

#[test]
fn a_dropped_write_is_never_seen_though_its_number_is_used_again() {
    explore_deaths(PREEMPTIONS, |stores| {
        let model = Model::new(2, &[(1, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                let left = crash::after(stores, || model.upsert(&[(1, 11)])).1;
                model.repair();
                model.upsert(&[(2, 30)]);
                left > 0
            })
        };
        let seen = model.get_patiently(1);
        let survived = writer.join().unwrap();
        let now = model.get(1);
        assert!(seen == Some(10) || seen == now, "saw {seen:?}, then {now:?}");
        survived
    });
}

/// A dropped write and a later one of the same slot store the same `next`. Number 1
/// is dropped, then used again for another slot; number 2 is never committed.
#[test]
fn a_dropped_write_does_not_vouch_for_a_later_one() {
    explore(|| {
        let model = Model::new(2, &[(1, 10), (2, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                let stage = |value: u8| {
                    let mut transaction = model.begin();
                    transaction.put(PutMode::Update, &[1], &[value; 16]).unwrap();
                    recover::settle_slots(model.words(), &model.layout);
                };
                stage(11);
                model.upsert(&[(2, 30)]);
                stage(12);
            })
        };
        assert_eq!(model.get(1), Some(10), "a value that was never committed");
        writer.join().unwrap();
    });
}

#[test]
fn an_aborted_add_is_never_seen_though_its_slot_and_number_are_used_again() {
    explore(|| {
        let model = Model::new(2, &[(1, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                let mut transaction = model.begin();
                transaction.put(PutMode::Add, &[2], &[11; 16]).unwrap();
                transaction.abort();
                model.upsert(&[(2, 20)]);
            })
        };
        assert!(matches!(model.get(2), None | Some(20)));
        assert_eq!(model.get(1), Some(10));
        writer.join().unwrap();
        model.check();
    });
}

#[test]
fn an_add_that_rebuilds_the_index_may_die_anywhere() {
    explore_deaths(PREEMPTIONS_AROUND_DEATHS, |stores| {
        let model = Model::new(2, &[(1, 10)]);
        let full = model.layout.index_limit() as u64;
        model.words().store(USED, full, Ordering::Relaxed);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                let left = crash::after(stores, || model.upsert(&[(2, 20)])).1;
                model.repair();
                model.check();
                left > 0
            })
        };
        assert_eq!(model.get(1), Some(10));
        let seen = model.get(2);
        let survived = writer.join().unwrap();
        let now = model.get(2);
        assert!(seen.is_none() || (seen == Some(20) && now == seen), "{seen:?}, then {now:?}");
        survived
    });
}

#[test]
fn death_in_update() {
    death_then_next(
        |m| m.upsert(&[(1, 11)]),
        &[&[(1, Some(10)), (2, None)], &[(1, Some(11)), (2, None)]],
    );
}

#[test]
fn death_in_add() {
    death_then_next(
        |m| m.upsert(&[(2, 11)]),
        &[&[(1, Some(10)), (2, None)], &[(1, Some(10)), (2, Some(11))]],
    );
}

#[test]
fn death_in_remove() {
    death_then_next(|m| m.remove(1), &[&[(1, Some(10)), (2, None)], &[(1, None), (2, None)]]);
}

#[test]
fn death_in_batch() {
    death_then_next(
        |m| m.upsert(&[(2, 11), (1, 11)]),
        &[&[(1, Some(10)), (2, None)], &[(1, Some(11)), (2, Some(11))]],
    );
}

#[test]
fn death_in_clear() {
    death_then_next(|m| m.begin().clear(), &[&[(1, Some(10)), (2, None)], &[(1, None), (2, None)]]);
}

#[test]
fn death_in_the_repair_of_a_committed_and_of_a_dropped_batch() {
    // No reader here: every pair of deaths, in operation and repair.
    for first in 0..40 {
        explore_deaths(PREEMPTIONS_AROUND_DEATHS, move |stores| {
            let model = Model::new(2, &[(1, 10)]);
            crash::after(first, || model.upsert(&[(2, 11), (1, 11)]));
            let left = crash::after(stores, || model.repair()).1;
            model.repair();
            model.check();
            let state = (model.get(1), model.get(2));
            assert!(state == (Some(10), None) || state == (Some(11), Some(11)), "{state:?}");
            let len = model.words().load(LEN, Ordering::Relaxed);
            assert_eq!(len, 1 + u64::from(state.1.is_some()));
            left > 0
        });
    }
}

/// The negative control: a model that updates in place must be caught.
#[test]
#[should_panic(expected = "torn value")]
fn writing_into_the_readers_buffer_is_caught() {
    explore(|| {
        let model = Model::new(1, &[(1, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                let slot = SlotMut::new(model.words(), &model.layout, 0);
                let at =
                    model.layout.slot_at(0) + model.layout.head_at((slot.version() & 1) as usize);
                model.words().store(at, 11, Ordering::Relaxed);
                model.words().store(at + 1, 11, Ordering::Relaxed);
            })
        };
        model.get(1);
        writer.join().unwrap();
    });
}
