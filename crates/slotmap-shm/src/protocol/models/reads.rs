//! Readers beside writers that do not die.

use loom::thread;
use shm_core::Ordering;

use super::{Model, explore, explore_with};
use crate::geometry::{Eviction, Expiry, Geometry};
use crate::key::TypedKey;
use crate::layout::Layout;
use crate::protocol::lease::Lease;
use crate::protocol::moment::{Held, read_slot};
use crate::protocol::put::PutMode;
use crate::protocol::slot_mut::SlotMut;

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
        if let Some((a, b)) = model.get_both(1, 2) {
            let allowed = [(10, 10), (11, 11), (12, 11)];
            assert!(allowed.contains(&(a.unwrap(), b.unwrap())), "{a:?} {b:?}");
        }
        writer.join().unwrap();
    });
}

/// If a pass finds that nothing has changed, everything that the earlier passes copied is of one
/// moment.
#[test]
fn a_collection_that_is_brought_up_to_date_is_of_one_moment() {
    // Two preemptions: three take twenty times as long, and two are enough to find the fault if a
    // pass that found changes counts.
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
            let mut changed = false;
            for (number, seen) in seen.iter_mut().enumerate() {
                let read =
                    read_slot::<u64>(&view.slot(number), view.judge, Some(seen.0), &again).unwrap();
                if let Some((version, Held::Entry(_, value))) = read {
                    let first = u64::from_le_bytes(value[..8].try_into().unwrap());
                    assert_eq!(value[..8], value[8..], "torn value");
                    *seen = (version, first);
                    changed = true;
                }
            }
            changed
        };
        pass();
        if !pass() || !pass() {
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
        if let Some((a, b)) = model.get_both(1, 2) {
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
        let both = model.get_both(1, 2);
        assert!(both.is_none_or(|(a, b)| a == b), "{both:?}");
        writer.join().unwrap();
    });
}

#[test]
fn a_cleared_place_tells_of_the_removal_also_when_its_word_is_stored_to_again() {
    // Two keys whose homes are the two halves of one word of the index, and one elsewhere.
    let layout = Layout::new(
        Geometry {
            capacity: 3,
            max_capacity: None,
            expiry: Expiry::Never,
            eviction: Eviction::Never,
            value_size: 16,
            key_size: 8,
        },
        u64::KIND,
        7,
    )
    .unwrap();
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
        let both = model.get_both(gone, elsewhere);
        assert!(both.is_none_or(|(a, b)| a == b), "{both:?}");
        writer.join().unwrap();
        model.check();
    });
}

#[test]
fn a_present_key_is_found_while_its_neighbours_come_and_go() {
    // Three keys with one home: the middle one must stay reachable.
    let layout = Layout::new(
        Geometry {
            capacity: 3,
            max_capacity: None,
            expiry: Expiry::Never,
            eviction: Eviction::Never,
            value_size: 16,
            key_size: 8,
        },
        u64::KIND,
        7,
    )
    .unwrap();
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
fn an_aborted_add_is_never_seen_though_its_slot_and_number_are_used_again() {
    explore(|| {
        let model = Model::new(2, &[(1, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                let mut transaction = model.begin();
                transaction.put(PutMode::Add, &[2], &[11; 16], Lease::Kept).unwrap();
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

/// The negative control: checks that the models detect a writer that updates values in place.
#[test]
#[should_panic(expected = "torn value")]
fn writing_into_the_readers_buffer_is_caught() {
    explore(|| {
        let model = Model::new(1, &[(1, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                let slot = SlotMut::new(model.words(), model.layout(), 0);
                let at = model.layout().slot_at(0)
                    + model.layout().head_at((slot.version() & 1) as usize);
                model.words().store(at, 11, Ordering::Relaxed);
                model.words().store(at + 1, 11, Ordering::Relaxed);
            })
        };
        model.get(1);
        writer.join().unwrap();
    });
}
