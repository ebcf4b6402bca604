//! Tests of the checker: histories that are known, and small random ones, which are also decided by
//! trying every order.

use proptest::collection::vec;
use proptest::prelude::*;
use shm_harness::call_log::{KEYS, Operation as Op, Outcome, Step};

use super::doctor;
use super::search::{Entry, Refused, Specified, check};
use super::table::of_key;

fn step(key: usize, operation: Op, outcome: impl Into<Option<Outcome>>) -> Step {
    Step { key, operation, outcome: outcome.into() }
}

/// A call that returned.
fn entry(start: u64, end: u64, operation: Op, outcome: Outcome) -> Entry<Step> {
    Entry { call: step(0, operation, outcome), start, end, returned: true }
}

fn write(start: u64, end: u64, value: u64) -> Entry<Step> {
    Entry { call: step(0, Op::Upsert(value), None), start, end, returned: true }
}

/// A write of a process that was dead at `end`.
fn killed(start: u64, end: u64, value: u64) -> Entry<Step> {
    Entry { returned: false, ..write(start, end, value) }
}

fn read(start: u64, end: u64, value: u64) -> Entry<Step> {
    entry(start, end, Op::Get, Outcome::Value((value > 0).then_some(value)))
}

fn refused(history: &[Entry<Step>]) -> Option<usize> {
    match check(history, None) {
        Ok(_) => None,
        Err(Refused::NotLinearizable { call, .. }) => Some(call),
        Err(Refused::Undecided) => panic!("undecided"),
    }
}

#[test]
fn concurrent_calls_may_take_effect_in_any_order() {
    assert_eq!(refused(&[]), None);
    assert_eq!(refused(&[write(0, 1, 7), read(2, 3, 7)]), None);
    assert_eq!(refused(&[write(0, 5, 7), read(1, 2, 0), read(3, 4, 7)]), None);
    assert_eq!(refused(&[write(0, 9, 1), write(0, 9, 2), read(3, 4, 2), read(5, 6, 1)]), None);
    // A write that starts in the nanosecond in which another ends is concurrent with it.
    assert_eq!(refused(&[write(0, 5, 1), write(5, 6, 2), read(7, 8, 1)]), None);
}

#[test]
fn a_stale_read_is_refused() {
    assert_eq!(refused(&[write(0, 1, 7), read(2, 3, 0)]), Some(1));
    assert_eq!(refused(&[write(0, 1, 7), write(2, 3, 8), read(4, 5, 7)]), Some(2));
    assert_eq!(refused(&[write(0, 5, 7), read(1, 2, 7), read(3, 4, 0)]), Some(2));
    // Two readers that see two writes in different orders.
    let writes = [write(0, 9, 1), write(0, 9, 2)];
    let reads = [read(1, 2, 1), read(3, 4, 2), read(5, 6, 1)];
    assert_eq!(refused(&[&writes[..], &reads[..]].concat()), Some(4));
}

#[test]
fn a_value_that_nobody_wrote_is_refused() {
    assert_eq!(refused(&[write(0, 1, 7), read(0, 3, 8)]), Some(1));
    assert_eq!(refused(&[write(0, 1, 7), entry(0, 3, Op::Get, Outcome::Torn)]), Some(1));
}

#[test]
fn a_write_of_a_killed_process_takes_effect_before_its_death_or_never() {
    let before = write(0, 1, 1);
    assert_eq!(refused(&[before.clone(), killed(2, 9, 2), read(10, 11, 1)]), None);
    assert_eq!(refused(&[before.clone(), killed(2, 9, 2), read(10, 11, 2)]), None);
    let twice = [before.clone(), killed(2, 9, 2), read(3, 4, 1), read(10, 11, 2)];
    assert_eq!(refused(&twice), None);
    // Not after its death, and not undone.
    let late = [before.clone(), killed(2, 9, 2), read(10, 11, 1), read(12, 13, 2)];
    assert_eq!(refused(&late), Some(3));
    assert_eq!(refused(&[before, killed(2, 9, 2), read(3, 4, 2), read(10, 11, 1)]), Some(3));
}

#[test]
fn a_lost_update_is_refused() {
    let add = |start, end, before| entry(start, end, Op::FetchAdd(1), Outcome::Number(before));
    let history = [write(0, 1, 5), add(2, 9, 5), add(3, 8, 6), read(10, 11, 7)];
    assert_eq!(refused(&history), None);
    let lost = [write(0, 1, 5), add(2, 9, 5), add(3, 8, 5), read(10, 11, 6)];
    assert!(refused(&lost).is_some());
    let exchange =
        |expected, new, outcome| entry(2, 9, Op::CompareExchange { expected, new }, outcome);
    let both = [write(0, 1, 5), exchange(5, 6, Outcome::Done), exchange(5, 7, Outcome::Done)];
    assert!(refused(&both).is_some());
    let one = [write(0, 1, 5), exchange(5, 6, Outcome::Done), exchange(5, 7, Outcome::Mismatch(6))];
    assert_eq!(refused(&one), None);
}

/// Each key by itself is in order, but a reader sees half of a batch.
#[test]
fn half_of_a_batch_is_refused_by_the_check_of_the_whole_table() {
    let batch = vec![step(0, Op::Upsert(1), None), step(1, Op::Upsert(2), None)];
    let seen = |first, second| {
        let get = |key, value| step(key, Op::Get, Outcome::Value(value));
        vec![get(0, first), get(1, second)]
    };
    let history = |call| {
        let batch = Entry { call: batch.clone(), start: 0, end: 9, returned: true };
        [batch, Entry { call, start: 1, end: 2, returned: true }]
    };
    for (values, whole) in [(seen(Some(1), Some(2)), true), (seen(Some(1), None), false)] {
        let history = history(values);
        assert_eq!(check(&history, [None; KEYS]).is_ok(), whole);
        for key in 0..KEYS {
            assert!(check(&of_key(key, &history), None).is_ok());
        }
    }
}

#[test]
fn more_than_the_search_can_handle_is_not_accepted() {
    let history: Vec<_> = (0..65).map(|value| write(0, 1, value)).collect();
    assert_eq!(check(&history, None), Err(Refused::Undecided));
    let history: Vec<_> = (0..40).map(|value| killed(0, 1, value)).collect();
    assert_eq!(check(&history, None), Err(Refused::Undecided));
}

#[test]
fn a_doctored_history_is_refused() {
    let mut history = vec![write(0, 1, 1), read(2, 3, 1), write(4, 5, 2), read(6, 7, 2)];
    assert_eq!(doctor::stale_read(&mut history, 0), None);
    history.extend([read(8, 9, 2), write(10, 11, 3), read(10, 13, 3)]);
    assert_eq!(refused(&history), None);
    let at = doctor::stale_read(&mut history, 0).expect("a read that can be made stale");
    assert_eq!(refused(&history), Some(at));
}

/// Tries every choice of the calls that did not return, and every order.
fn by_brute_force(left: &[Entry<Step>], state: Option<u64>) -> bool {
    if left.iter().all(|entry| !entry.returned) {
        return true;
    }
    (0..left.len()).any(|first| {
        let mut rest = left.to_vec();
        let entry = rest.remove(first);
        // Another call that ended before this one started either came first or had no effect.
        rest.retain(|other| other.returned || other.end >= entry.start);
        let in_order = rest.iter().all(|other| other.end >= entry.start);
        let after = entry.call.take_effect(&state).filter(|_| in_order);
        after.is_some_and(|after| by_brute_force(&rest, after))
    })
}

fn calls() -> impl Strategy<Value = Entry<Step>> {
    let value = 1..4u64;
    let operation = prop_oneof![
        4 => Just(Op::Get),
        1 => Just(Op::ContainsKey),
        1 => value.clone().prop_map(Op::Add),
        1 => value.clone().prop_map(Op::Update),
        3 => value.clone().prop_map(Op::Upsert),
        1 => Just(Op::Remove),
        1 => Just(Op::Clear),
        1 => value.clone().prop_map(Op::UpdateWith),
        2 => (value.clone(), value.clone())
            .prop_map(|(expected, new)| Op::CompareExchange { expected, new }),
        1 => Just(Op::FetchAdd(1)),
        1 => Just(Op::Increment { by: 1, initial: 1 }),
    ];
    // The outcome of the operation in some state, so that many histories are nearly right.
    let state = prop_oneof![Just(None), value.prop_map(Some)];
    (operation, state, any::<bool>(), 0..12u64, 0..6u64, 0..5u8).prop_map(
        |(operation, state, says, start, length, returned)| {
            let (_, outcome) = super::table::run(operation, state);
            let returned = returned > 0;
            let outcome = (returned && (says || operation == Op::Get)).then_some(outcome);
            let call = Step { key: 0, operation, outcome };
            Entry { call, start, end: start + length, returned }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn the_search_agrees_with_brute_force(history in vec(calls(), 0..7)) {
        let found = check(&history, None);
        prop_assert_eq!(found.is_ok(), by_brute_force(&history, None), "{:?}", found);
    }

    /// Outcomes of a real order: always accepted.
    #[test]
    fn what_happened_in_an_order_is_accepted(
        calls in vec((calls(), 0..20u64, 0..20u64), 0..40),
    ) {
        let mut state = None;
        let mut history = Vec::new();
        for (moment, (mut entry, before, after)) in calls.into_iter().enumerate() {
            let moment = 10 * moment as u64 + 20;
            let takes_effect = entry.returned || before % 2 == 0;
            if takes_effect {
                let (next, outcome) = super::table::run(entry.call.operation, state);
                state = next;
                entry.call.outcome = Some(outcome).filter(|_| entry.returned);
            }
            history.push(Entry { start: moment - before, end: moment + after, ..entry });
        }
        prop_assert!(check(&history, None).is_ok());
    }
}
