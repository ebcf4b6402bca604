//! Writers that do not take the lock, beside each other, transactions, readers and the dead.

use loom::thread;
use shm_core::{Ordering, Words, crash};

use super::{
    Model, PREEMPTIONS_AROUND_DEATHS, explore, explore_deaths, explore_with, twice, writer,
};
use crate::layout::USED;
use crate::protocol::fault::Fault;
use crate::protocol::lease::Lease;
use crate::protocol::put::PutMode;
use crate::protocol::recover;
use crate::protocol::slot_mut::SlotMut;
use crate::protocol::view::Found;

#[test]
fn a_reader_beside_a_claim_gets_whole_values_and_never_an_older_one_again() {
    explore(|| {
        let model = Model::new(1, &[(1, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                assert!(model.claim(1, 1, |value| value + 1));
                assert!(model.claim(1, 1, |value| value + 1));
            })
        };
        let first = model.get(1).unwrap();
        let second = model.get(1).unwrap();
        assert!((10..=12).contains(&first) && (first..=12).contains(&second));
        writer.join().unwrap();
        assert_eq!(model.get(1), Some(12));
        model.check();
    });
}

#[test]
fn no_change_is_lost_between_two_claims() {
    explore(|| {
        let model = Model::new(1, &[(1, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || assert!(model.claim(1, 1, |value| value + 1)))
        };
        assert!(model.claim(2, 1, |value| value + 1));
        writer.join().unwrap();
        assert_eq!(model.get(1), Some(12));
        model.check();
    });
}

#[test]
fn no_change_is_lost_between_a_claim_and_a_batch() {
    explore(|| {
        let model = Model::new(2, &[(1, 10), (2, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || assert!(model.claim(1, 1, |value| value + 1)))
        };
        model
            .transact(|transaction| {
                for key in [2, 1] {
                    let (slot, _) = transaction.find(&[key]).unwrap();
                    transaction.hold(slot)?;
                    let mut value = [0; 16];
                    transaction.slot(slot).value().0.copy_to(&mut value);
                    let before = u64::from_le_bytes(value[..8].try_into().unwrap());
                    transaction.replace(slot, &twice(before + 5), Lease::Kept);
                }
                Ok(())
            })
            .unwrap();
        writer.join().unwrap();
        assert_eq!((model.get(1), model.get(2)), (Some(16), Some(15)));
        model.check();
    });
}

#[test]
fn no_change_is_lost_between_an_update_with_and_a_batch() {
    explore(|| {
        let model = Model::new(2, &[(1, 10), (2, 10)]);
        let batch = {
            let model = model.clone();
            thread::spawn(move || model.upsert(&[(2, 20), (1, 20)]))
        };
        model.update_with(1, 1, |value| value + 1);
        batch.join().unwrap();
        assert!(matches!(model.get(1), Some(20 | 21)));
        assert_eq!(model.get(2), Some(20));
        model.check();
    });
}

/// The writer of a batch dies after any of its stores. `update_with` does not claim what the batch
/// has committed and not flipped: readers would get the value before the batch again.
#[test]
fn a_claim_does_not_undo_what_a_dead_batch_has_committed() {
    explore_deaths(PREEMPTIONS_AROUND_DEATHS, |stores| {
        let model = Model::new(2, &[(1, 10), (2, 10)]);
        let left = crash::after(stores, || model.upsert(&[(2, 20), (1, 20)])).1;
        let (value, found) = model.find(1).unwrap();
        let slot = SlotMut::new(Words::claimable(&model.words), model.layout(), found.slot);
        let claimed =
            slot.flipped(found.version).is_ok_and(|version| slot.claim(version, writer(1)).is_ok());
        assert_eq!(model.get_patiently(1), Some(value));
        assert_eq!(model.get_patiently(2), Some(value), "not all of the batch, or not none of it");
        if claimed {
            slot.first_line().end_claim(found.version);
        }
        model.repair();
        assert_eq!((model.get(1), model.get(2)), (Some(value), Some(value)));
        left > 0
    });
}

/// A batch names key 1 twice. It flips the slot once: the second time it may be somebody's claim.
#[test]
fn a_batch_may_name_a_key_twice_beside_a_claim() {
    explore(|| {
        let model = Model::new(1, &[(1, 10)]);
        let batch = {
            let model = model.clone();
            thread::spawn(move || model.upsert(&[(1, 15), (1, 20)]))
        };
        assert!(model.claim(1, 1, |value| value + 1));
        batch.join().unwrap();
        assert!(matches!(model.get(1), Some(20 | 21)));
        model.check();
    });
}

/// The same with a batch that fails at its end, so that it drops what it has staged.
#[test]
fn a_batch_that_names_a_key_twice_may_fail_beside_claims() {
    explore(|| {
        let model = Model::new(1, &[(1, 10)]);
        let batch = {
            let model = model.clone();
            thread::spawn(move || {
                let failed = model.transact(|transaction| {
                    transaction.put(PutMode::Update, &[1], &twice(15), Lease::Kept)?;
                    transaction.put(PutMode::Update, &[1], &twice(20), Lease::Kept)?;
                    Err(Fault::NotFound)
                });
                assert!(matches!(failed, Err(Fault::NotFound)));
                assert!(model.claim(2, 1, |value| value + 1));
            })
        };
        assert!(model.claim(1, 1, |value| value + 1));
        batch.join().unwrap();
        assert_eq!(model.get(1), Some(12));
        model.check();
    });
}

#[test]
fn a_batch_beside_a_claim_appears_at_once() {
    explore_with(2, || {
        let model = Model::new(2, &[(1, 10), (2, 10)]);
        let batch = {
            let model = model.clone();
            thread::spawn(move || model.upsert(&[(1, 20), (2, 20)]))
        };
        let claim = {
            let model = model.clone();
            thread::spawn(move || assert!(model.claim(1, 1, |value| value + 1)))
        };
        let (a, b) = (model.get(1).unwrap(), model.get(2).unwrap());
        assert!([10, 11, 20, 21].contains(&a) && [10, 20].contains(&b));
        assert!(a < 20 || b == 20, "saw {a} of the batch, then {b}");
        batch.join().unwrap();
        claim.join().unwrap();
        assert!(matches!(model.get(1), Some(20 | 21)));
        model.check();
    });
}

/// Two writers, each of which then reads the key of the other. Not both see the old value:
/// whichever write takes effect last, its writer reads after both.
#[test]
fn a_write_is_visible_to_all_when_it_returns() {
    explore(|| {
        let model = Model::new(2, &[(1, 10), (2, 10)]);
        let other = {
            let model = model.clone();
            thread::spawn(move || {
                assert!(model.claim(1, 1, |value| value + 1));
                model.get(2)
            })
        };
        assert!(model.claim(2, 2, |value| value + 1));
        let seen = [model.get(1), other.join().unwrap()];
        assert!(seen.contains(&Some(11)), "each writer sees the old value of the other key");
    });
}

#[test]
fn several_keys_beside_claims_are_of_one_moment() {
    explore(|| {
        let model = Model::new(2, &[(1, 10), (2, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                assert!(model.claim(1, 2, |value| value + 1));
                assert!(model.claim(1, 1, |value| value + 1));
            })
        };
        if let Some((a, b)) = model.get_both(1, 2) {
            assert!(a <= b, "{a:?} {b:?}: key 1 was written after key 2");
        }
        writer.join().unwrap();
    });
}

/// The negative control: values that are not confirmed are of different moments.
#[test]
#[should_panic(expected = "key 1 was written after key 2")]
fn several_keys_that_are_not_confirmed_are_caught() {
    explore(|| {
        let model = Model::new(2, &[(1, 10), (2, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                assert!(model.claim(1, 2, |value| value + 1));
                assert!(model.claim(1, 1, |value| value + 1));
            })
        };
        let (b, a) = (model.get(2), model.get(1));
        assert!(a <= b, "{a:?} {b:?}: key 1 was written after key 2");
        writer.join().unwrap();
    });
}

#[test]
fn a_claim_does_not_bring_a_removed_key_back() {
    explore(|| {
        let model = Model::new(1, &[(1, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                model.remove(1);
                assert_eq!(model.get(1), None);
                model.upsert(&[(2, 20)]);
            })
        };
        model.claim(1, 1, |value| value + 1);
        writer.join().unwrap();
        assert_eq!((model.get(1), model.get(2)), (None, Some(20)));
        model.check();
    });
}

#[test]
fn an_index_may_be_rebuilt_beside_a_claim() {
    explore_with(2, || {
        let model = Model::new(2, &[(1, 10)]);
        let full = model.layout().index_limit() as u64;
        model.words().store(USED, full, Ordering::Relaxed);
        let writer = {
            let model = model.clone();
            thread::spawn(move || assert!(model.claim(1, 1, |value| value + 1)))
        };
        model.upsert(&[(2, 20)]);
        writer.join().unwrap();
        assert_eq!((model.get(1), model.get(2)), (Some(11), Some(20)));
        model.check();
    });
}

/// Writer 1 dies after any of its stores. Whoever needs its slot goes on, and so does a second
/// writer that has found the same.
#[test]
fn two_writers_go_on_after_a_dead_claimant() {
    explore_deaths(PREEMPTIONS_AROUND_DEATHS, |stores| {
        let model = Model::new(1, &[(1, 10)]);
        let left = crash::after(stores, || model.claim(1, 1, |value| value + 5)).1;
        model.bury(1);
        let seen = model.get(1).unwrap();
        assert!(matches!(seen, 10 | 15));
        let writer = {
            let model = model.clone();
            thread::spawn(move || assert!(model.claim(2, 1, |value| value + 1)))
        };
        assert!(model.claim(3, 1, |value| value + 1));
        writer.join().unwrap();
        assert_eq!(model.get(1), Some(seen + 2));
        model.check();
        left > 0
    });
}

#[test]
fn a_batch_goes_on_after_a_dead_claimant() {
    explore_deaths(PREEMPTIONS_AROUND_DEATHS, |stores| {
        let model = Model::new(2, &[(1, 10), (2, 10)]);
        let dying = {
            let model = model.clone();
            thread::spawn(move || {
                let left = crash::after(stores, || model.claim(1, 1, |value| value + 5)).1;
                model.bury(1);
                left > 0
            })
        };
        model.upsert(&[(2, 20), (1, 20)]);
        let survived = dying.join().unwrap();
        assert!(matches!(model.get(1), Some(20 | 25)));
        assert_eq!(model.get(2), Some(20));
        model.check();
        survived
    });
}

#[test]
fn a_repair_leaves_the_claims_of_the_living() {
    explore_deaths(PREEMPTIONS_AROUND_DEATHS, |stores| {
        let model = Model::new(2, &[(1, 10), (2, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || assert!(model.claim(1, 1, |value| value + 1)))
        };
        let left = crash::after(stores, || model.upsert(&[(2, 20)])).1;
        model.repair();
        writer.join().unwrap();
        assert_eq!(model.get(1), Some(11));
        assert!(matches!(model.get(2), Some(10 | 20)));
        model.check();
        left > 0
    });
}

/// A writer died and another got its registration, under the id `second`. A third, which has seen
/// that the first one is dead, ends the claim that it found at some later time.
fn reused(second: u64) {
    explore(move || {
        let model = Model::new(1, &[(1, 10)]);
        let Found { slot: number, version } = model.get_found(1).unwrap().1;
        let claim = {
            let slot = SlotMut::new(Words::claimable(&model.words), model.layout(), number);
            slot.claim(slot.flipped(version).unwrap(), writer(1)).unwrap();
            slot.next()
        };
        let late = {
            let model = model.clone();
            thread::spawn(move || {
                let slot = SlotMut::new(Words::claimable(&model.words), model.layout(), number);
                slot.end_claim_of_the_dead(claim);
            })
        };
        let slot = SlotMut::new(Words::claimable(&model.words), model.layout(), number);
        slot.end_claim_of_the_dead(claim);
        slot.claim(slot.flipped(version).unwrap(), writer(second)).unwrap();
        let mine = slot.next();
        late.join().unwrap();
        assert_eq!(slot.next(), mine, "the claim of a living writer was ended");
    });
}

#[test]
fn a_late_helper_does_not_end_the_claim_of_the_next_registration() {
    reused(2);
}

/// The negative control: a registration that is used again under the same number.
#[test]
#[should_panic(expected = "the claim of a living writer was ended")]
fn a_registration_without_a_number_of_its_own_is_caught() {
    reused(1);
}

#[test]
fn a_check_beside_a_claim_finds_nothing_wrong() {
    explore(|| {
        let model = Model::new(1, &[(1, 10)]);
        let writer = {
            let model = model.clone();
            thread::spawn(move || assert!(model.claim(1, 1, |value| value + 1)))
        };
        model.check();
        let damaged = recover::resolve_slots(model.words(), model.layout(), &|_| false);
        assert_eq!(damaged.slots, 0);
        writer.join().unwrap();
        assert_eq!(model.get(1), Some(11));
    });
}
