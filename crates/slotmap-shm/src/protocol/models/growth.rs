//! Readers and claimants beside a table that grows, and growers that die.

use loom::thread;
use shm_core::crash;

use super::{Model, PREEMPTIONS_AROUND_DEATHS, explore, explore_deaths};

#[test]
fn readers_miss_no_key_while_a_table_grows() {
    explore(|| {
        let model = Model::growing(1, 2, &[(1, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                model.grow();
                model.upsert(&[(2, 20)]);
            })
        };
        assert_eq!(model.get(1), Some(10));
        let second = model.get(2);
        assert!(matches!(second, None | Some(20)));
        assert!(second.is_none() || model.get(2).is_some());
        writer.join().unwrap();
        assert_eq!((model.get(1), model.get(2)), (Some(10), Some(20)));
        model.check();
    });
}

/// A reader whose level is older than the table's.
#[test]
fn an_old_level_proves_no_key_absent() {
    explore(|| {
        let model = Model::growing(1, 2, &[(1, 10)]);
        let old = model.clone();
        let view = old.view();
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                model.grow();
                model.upsert(&[(2, 20)]);
            })
        };
        let first = model.get_in(view, 2);
        writer.join().unwrap();
        assert!(matches!(first, None | Some(20)));
        assert_eq!(model.get_in(view, 2), Some(20));
        assert_eq!(model.get_in(view, 1), Some(10));
    });
}

#[test]
fn a_claim_and_a_growth_do_not_disturb_each_other() {
    explore(|| {
        let model = Model::growing(1, 2, &[(1, 10)]);
        let claimant = {
            let model = model.clone();
            thread::spawn(move || assert!(model.claim(1, 1, |value| value + 1)))
        };
        model.grow();
        model.upsert(&[(2, 20)]);
        claimant.join().unwrap();
        assert_eq!((model.get(1), model.get(2)), (Some(11), Some(20)));
        model.check();
    });
}

#[test]
fn a_dead_grower_leaves_one_level_or_the_other() {
    explore_deaths(PREEMPTIONS_AROUND_DEATHS, |stores| {
        let model = Model::growing(1, 2, &[(1, 10)]);
        let grower = {
            let model = model.clone();
            thread::spawn(move || {
                let left = crash::after(stores, || model.grow()).1;
                model.repair();
                model.check();
                left > 0
            })
        };
        assert_eq!(model.get(1), Some(10));
        let survived = grower.join().unwrap();
        assert_eq!(model.get(1), Some(10));
        if model.layout().level == 0 {
            model.grow();
        }
        model.upsert(&[(2, 20)]);
        assert_eq!((model.get(1), model.get(2)), (Some(10), Some(20)));
        model.check();
        survived
    });
}
