//! Writers that die after any of their stores, and what readers and the next writers find.

use loom::thread;
use shm_core::{Ordering, crash};

use super::{Model, PREEMPTIONS, PREEMPTIONS_AROUND_DEATHS, explore, explore_deaths};
use crate::layout::{LEN, USED};
use crate::protocol::lease::Lease;
use crate::protocol::put::PutMode;
use crate::protocol::recover;

#[test]
fn readers_find_keys_during_a_rebuild_and_after_a_dead_one() {
    explore_deaths(PREEMPTIONS, |stores| {
        let model = Model::new(1, &[(1, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                crash::after(stores, || {
                    _ = recover::derive(model.words(), model.layout(), &|_| false)
                })
                .1 > 0
            })
        };
        assert_eq!(model.get(1), Some(10));
        let survived = writer.join().unwrap();
        assert_eq!(model.get(1), Some(10));
        survived
    });
}

/// A writer dies after each of its stores in turn. Another writer repairs the table and continues
/// to write, using the number of the lost transaction. A reader reads all the time.
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

/// A dropped write and a later write of the same slot store the same `next`. Transaction number 1
/// is dropped, and the number is then used again for another slot. Number 2 is never committed.
#[test]
fn a_dropped_write_does_not_vouch_for_a_later_one() {
    explore(|| {
        let model = Model::new(2, &[(1, 10), (2, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                let stage = |value: u8| {
                    let mut transaction = model.begin();
                    transaction.put(PutMode::Update, &[1], &[value; 16], Lease::Kept).unwrap();
                    recover::resolve_slots(model.words(), model.layout(), &|_| false);
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
fn an_add_that_rebuilds_the_index_may_die_anywhere() {
    explore_deaths(PREEMPTIONS_AROUND_DEATHS, |stores| {
        let model = Model::new(2, &[(1, 10)]);
        let full = model.layout().index_limit() as u64;
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
    death_then_next(
        |m| _ = m.begin().clear(),
        &[&[(1, Some(10)), (2, None)], &[(1, None), (2, None)]],
    );
}

#[test]
fn death_in_the_repair_of_a_committed_and_of_a_dropped_batch() {
    // Without a reader: every pair of deaths, one in the operation and one in the repair.
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
