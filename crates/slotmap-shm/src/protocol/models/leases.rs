//! Entries that expire or are evicted, beside claims and readers.

use loom::sync::Arc;
use loom::thread;
use shm_core::{Ordering, ReadWords, Word, Words};

use super::{Model, explore, twice, writer};
use crate::geometry::{Eviction, Expiry, Geometry};
use crate::protocol::fault::Fault;
use crate::protocol::lease::{Judge, Lease};
use crate::protocol::put::{PutMode, Upserted};
use crate::protocol::slot_mut::SlotMut;
use crate::protocol::transaction::{Room, Transaction, room};
use crate::protocol::version::is_live;
use crate::protocol::view::View;
use crate::value::Source;

/// A lease that is over from the beginning, and one that never is.
const OVER: u64 = 1;
const LONG: u64 = 1 << 40;

/// A clock that a model moves on.
struct Clock(Word);

impl Judge for Clock {
    fn is_over(&self, lease: u64) -> bool {
        self.0.load(Ordering::Relaxed) >= lease
    }
}

fn clock(now: u64) -> Arc<Clock> {
    Arc::new(Clock(Word::new(now)))
}

fn with_expiry(key: u64, value: u64, lease: u64) -> Arc<Model> {
    let model = Model::of(Geometry::default().capacity(1).expiry(Expiry::ByEntry), &[]);
    let entry = |transaction: &mut Transaction<'_>| {
        transaction.put(PutMode::Add, &[key], &twice(value), Lease::New(lease)).map(drop)
    };
    model.transact(entry).unwrap();
    model
}

/// What a reader finds in slot 0, or `None` if there is no entry or if it is over.
fn read(model: &Model, judge: &Clock) -> Option<u64> {
    let words = ReadWords::new(&model.words);
    let (levels, layout) = (&model.levels, model.levels.current(words));
    let view = View { words, layout, levels, judge };
    let mut found = [0; 2];
    let mut take = |buffer: super::Buffer<'_>, _| {
        buffer.copy_to_words(&mut found);
    };
    let again = &|| {
        thread::yield_now();
        Ok(())
    };
    let at = view.read(0, |_| true, &mut take, again).unwrap();
    at.map(|_| Model::whole(1, found, 16))
}

/// Claims slot 0 from the version that it has, and runs `f`. False if somebody else has it.
fn claim(model: &Model, f: impl FnOnce(SlotMut<'_>, u64)) -> bool {
    let slot = SlotMut::new(Words::claimable(&model.words), model.layout(), 0);
    let before = slot.version();
    if !is_live(before) {
        return false;
    }
    let Ok(version) = slot.flipped(before) else { return false };
    if slot.claim(version, writer(1)).is_err() {
        return false;
    }
    f(slot, before);
    slot.first_line().end_claim(slot.version());
    true
}

/// The holder of the lock adds key 1.
fn add(model: &Model, judge: &Clock) -> Result<Upserted, Fault> {
    loop {
        let (words, layout) = (model.words(), model.layout());
        let mut transaction = Transaction::begin(words, layout, &|_| false, judge, Room::new());
        let added = transaction.put(PutMode::Add, &[1], &twice(20), Lease::New(LONG));
        match added {
            Ok(_) => transaction.commit(),
            Err(_) => transaction.abort(),
        }
        if !matches!(added, Err(Fault::Claimed(_))) {
            return added;
        }
        thread::yield_now();
    }
}

/// A value whose lease is over follows one whose lease is not. Nobody sees it.
#[test]
fn a_reader_gets_the_lease_of_its_value() {
    explore(|| {
        let (model, judge) = (with_expiry(1, 10, LONG), clock(5));
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                assert!(claim(&model, |slot, version| {
                    slot.put_value(version, &twice(11), Lease::New(OVER));
                    let _ = slot.first_line().commit_claim(version);
                }));
            })
        };
        let seen = [read(&model, &judge), read(&model, &judge)];
        assert!(matches!(seen, [Some(10), Some(10) | None] | [None, None]), "{seen:?}");
        writer.join().unwrap();
        assert_eq!(read(&model, &judge), None);
    });
}

/// An entry expires while one thread extends it and another adds its key anew. If it was extended,
/// it stays.
#[test]
fn an_entry_that_was_extended_is_not_replaced_as_expired() {
    explore(|| {
        let (model, judge) = (with_expiry(1, 10, 5), clock(0));
        let touch = {
            let (model, judge) = (model.clone(), judge.clone());
            thread::spawn(move || {
                let mut touched = None;
                claim(&model, |slot, version| {
                    if !slot.is_over(&*judge) {
                        slot.replace_lease(version, LONG);
                        touched = Some(version);
                    }
                });
                touched
            })
        };
        let old = model.view().slot(0).effective();
        judge.0.store(6, Ordering::Relaxed);
        let added = add(&model, &judge);
        let touched = touch.join().unwrap();
        match added {
            Ok(Upserted::Inserted) => {
                assert!(touched.is_none() || touched != old, "what was extended was replaced");
                assert_eq!(read(&model, &judge), Some(20));
            }
            Err(Fault::Duplicate) => {
                assert_eq!(touched, old);
                assert_eq!(read(&model, &judge), Some(10));
            }
            other => panic!("{other:?}"),
        }
    });
}

/// An entry that is evicted was not written since its time was loaded: or the write is not lost.
#[test]
fn an_entry_that_was_written_meanwhile_is_not_evicted() {
    explore(|| {
        let geometry = Geometry::default().capacity(1).eviction(Eviction::LeastRecentlyWritten);
        let model = Model::of(geometry, &[(1, 10)]);
        let slot = SlotMut::new(Words::claimable(&model.words), model.layout(), 0);
        slot.put_stamp(3);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                claim(&model, |slot, version| {
                    slot.put_value(version, &twice(11), Lease::Kept);
                    slot.put_stamp(4);
                    let _ = slot.first_line().commit_claim(version);
                })
            })
        };
        let judge = clock(0);
        let (words, layout) = (model.words(), model.layout());
        let mut transaction = Transaction::begin(words, layout, &|_| false, &*judge, room(2));
        let evicted = transaction.remove_if(0, false, |slot| slot.stamp() == 3).unwrap();
        transaction.commit();
        let written = writer.join().unwrap();
        match (evicted, written) {
            (true, false) => assert_eq!(read(&model, &judge), None),
            (false, true) => assert_eq!(read(&model, &judge), Some(11)),
            other => panic!("(evicted, written) is {other:?}"),
        }
    });
}
