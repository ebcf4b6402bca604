//! Waiting for a change of a key, or of anything: no last change is missed, also if writers are
//! killed; a killed waiter costs nothing; and a writer for whom nobody waits does nothing more than
//! before.

use std::num::NonZero;
use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use shm_core::{Interrupt, LockError, Name, Namespace};
use shm_tests::random::Random;
use shm_tests::roles::scenario;
use shm_tests::wakes::{awaited, until_awaited, wake_words};
use shm_tests::{
    Child, Stepper, TempNamespace, WATCHDOG, create, open, open_read_only, options, test_name,
    worker,
};
use slotmap_shm::{
    Access, ReadOptions, Table, TableError, TableOptions, TableReader, TableVersion, Upserted,
    Value, Version,
};

const WORKER: &str = env!("CARGO_BIN_EXE_shm-worker");
/// Longer than any slice of a wait.
const LIMIT: Duration = Duration::from_millis(50);
/// The number of the wake word of the table, and of that of absent keys.
const TABLE: usize = 0;
const ABSENT: usize = 1;

fn number(value: Option<Value>) -> i64 {
    i64::from_le_bytes(value.unwrap()[..].try_into().unwrap())
}

/// How often a value is changed beside waiters. The long suite asks for more.
fn changes() -> i64 {
    let asked = std::env::var("SHM_TESTS_CHANGES").ok().and_then(|text| text.parse().ok());
    asked.map_or(200_000, |asked: NonZero<u32>| asked.get().into())
}

/// Follows key 0 until it is at `last`, and says how far it is.
fn follow(table: &Table<i32, impl Access>, last: i64, at: &AtomicI64) {
    let (value, mut seen) = table.get_with_version(&0).unwrap();
    let mut before = number(value);
    at.store(before, Ordering::SeqCst);
    while before < last {
        let changed = table.wait_for_change(&0, seen, Some(WATCHDOG)).unwrap();
        assert!(changed.is_some_and(|now| now != seen), "asleep at {before}");
        let (value, now) = table.get_with_version(&0).unwrap();
        let value = number(value);
        assert!(value > before && now != seen, "{before}, then {value}");
        (before, seen) = (value, now);
        at.store(before, Ordering::SeqCst);
    }
}

/// The same, by waiting for any change.
fn follow_anything(table: &Table<i32, impl Access>, last: i64, at: &AtomicI64) {
    loop {
        let seen = table.table_version();
        let value = number(table.get(&0).unwrap());
        at.store(value, Ordering::SeqCst);
        if value >= last {
            return;
        }
        let changed = table.wait_for_any_change(seen, Some(WATCHDOG)).unwrap();
        assert!(changed.is_some_and(|now| now != seen), "asleep at {value}");
    }
}

/// Writers are killed; whatever the last one has changed, all who wait see it.
#[test]
fn no_last_change_is_missed_while_writers_are_killed() {
    let last = changes();
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, 16, 8);
    table.add(&0, 0i64.to_le_bytes()).unwrap();
    table.add(&1, 0i64.to_le_bytes()).unwrap();
    let (namespace, ats) = (&namespace, &[const { AtomicI64::new(0) }; 4]);
    let mut kills = 0;
    std::thread::scope(|s| {
        s.spawn(|| follow(&open(namespace), last, &ats[0]));
        s.spawn(|| follow(&open_read_only(namespace), last, &ats[1]));
        s.spawn(|| follow_anything(&open(namespace), last, &ats[2]));
        s.spawn(|| follow_anything(&open_read_only(namespace), last, &ats[3]));
        let mut random = Random::new(11);
        let now = || number(table.get(&0).unwrap());
        while now() < last {
            // A change takes about a microsecond.
            let lifetime = random.below(last as u64 / 200);
            let mut writer = scenario(WORKER, "counts", namespace.path());
            let writer = writer.args([last.to_string(), lifetime.to_string()]);
            let ended = Child::spawn(writer).unwrap().wait(WATCHDOG).unwrap();
            kills += u32::from(ended.signal() == Some(libc::SIGKILL));
            // Nothing changes any more; whoever sleeps on now sleeps for ever.
            let (value, start) = (now(), Instant::now());
            for at in ats {
                while at.load(Ordering::SeqCst) != value {
                    let at = at.load(Ordering::SeqCst);
                    assert!(start.elapsed() < WATCHDOG, "asleep at {at}, which is {value} by now");
                    std::thread::yield_now();
                }
            }
        }
    });
    assert!(kills > 2, "only {kills} writers were killed");
    table.verify().unwrap();
}

/// Something that changes key 0.
type Change = fn(&Table<i32>);

/// All ways to change key 0, which is present before; and to change it while it is absent.
const PRESENT: &[(&str, Change)] = &[
    ("update", |t| t.update(&0, b"new").unwrap()),
    ("upsert", |t| assert_eq!(t.upsert(&0, b"new").unwrap(), Upserted::Updated)),
    ("update_with", |t| t.update_with(&0, |value| value.push(1)).unwrap()),
    ("compare_exchange", |t| t.compare_exchange(&0, 7i64.to_le_bytes(), b"new").unwrap()),
    ("fetch_add", |t| assert_eq!(t.fetch_add(&0, 1).unwrap(), 7)),
    ("increment", |t| assert_eq!(t.increment(&0, 1, 0).unwrap(), 8)),
    ("the same value", |t| t.update(&0, 7i64.to_le_bytes()).unwrap()),
    ("a batch", |t| t.update_many(&[(1, b"new"), (0, b"new")]).unwrap()),
    ("a batch of one", |t| t.update_many(&[(0, b"new")]).unwrap()),
    ("remove", |t| t.remove(&0).unwrap()),
    ("remove_many", |t| t.remove_many(&[1, 0]).unwrap()),
    ("clear", |t| t.clear().unwrap()),
    ("remove and add", |t| {
        t.remove(&0).unwrap();
        t.add(&0, 7i64.to_le_bytes()).unwrap();
    }),
];
const ABSENT_BEFORE: &[(&str, Change)] = &[
    ("add", |t| t.add(&0, b"new").unwrap()),
    ("upsert", |t| assert_eq!(t.upsert(&0, b"new").unwrap(), Upserted::Inserted)),
    ("add_many", |t| t.add_many(&[(5, b"new"), (0, b"new")]).unwrap()),
    ("increment", |t| assert_eq!(t.increment(&0, 1, 0).unwrap(), 1)),
];

#[test]
fn every_change_wakes_those_who_wait_for_the_key_and_for_anything() {
    let cases = PRESENT.iter().map(|case| (true, case));
    for (present, &(what, change)) in cases.chain(ABSENT_BEFORE.iter().map(|case| (false, case))) {
        let namespace = TempNamespace::new().unwrap();
        let table = &create(&namespace, 16, 24);
        table.add(&1, b"another").unwrap();
        if present {
            table.add(&0, 7i64.to_le_bytes()).unwrap();
        }
        let (seen, any) = (table.version(&0).unwrap(), table.table_version());
        assert_eq!(seen.is_present(), present);
        let (changed, anything) = std::thread::scope(|s| {
            let key = s.spawn(move || table.wait_for_change(&0, seen, Some(WATCHDOG)).unwrap());
            let any = s.spawn(move || table.wait_for_any_change(any, Some(WATCHDOG)).unwrap());
            let words = until_awaited(table, 2);
            assert!(words.contains(&TABLE) && words.contains(&ABSENT) != present, "{words:?}");
            let before = wake_words(table);
            change(table);
            let after = wake_words(table);
            for word in words {
                // If the change takes several steps, those who wait may be asleep again.
                assert!(after[word] > before[word], "{what} does not wake those at word {word}");
            }
            (key.join().unwrap(), any.join().unwrap())
        });
        let changed = changed.unwrap_or_else(|| panic!("{what}: nothing changed"));
        assert_ne!(changed, seen, "{what}");
        let now = table.version(&0).unwrap();
        assert!(changed == now || !changed.is_present(), "{what}: {changed:?}, then {now:?}");
        assert_ne!(now, seen, "{what}");
        assert_ne!(anything, Some(any), "{what}");
        assert!(anything.is_some(), "{what}: nothing has changed anywhere");
    }
}

#[test]
fn a_change_of_another_key_wakes_nobody_who_waits_for_this_one() {
    let namespace = TempNamespace::new().unwrap();
    let table = &create(&namespace, 16, 8);
    for key in 0..4 {
        table.add(&key, b"old").unwrap();
    }
    let seen = table.version(&0).unwrap();
    std::thread::scope(|s| {
        let waiter = s.spawn(move || table.wait_for_change(&0, seen, Some(WATCHDOG)).unwrap());
        let words = until_awaited(table, 1);
        let before = wake_words(table);
        table.update(&1, b"new").unwrap();
        table.remove(&2).unwrap();
        assert_eq!(wake_words(table), before);
        assert_eq!(table.version(&0).unwrap(), seen);
        table.update(&0, b"new").unwrap();
        assert_eq!(waiter.join().unwrap(), Some(table.version(&0).unwrap()));
        let mut after = before;
        after[words[0]] += 1;
        assert_eq!(wake_words(table), after);
    });
}

#[test]
fn while_nobody_waits_no_wake_word_changes() {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, 16, 24);
    let reader = open_read_only(&namespace);
    table.add(&1, b"another").unwrap();
    for (_, change) in PRESENT {
        table.upsert(&0, 7i64.to_le_bytes()).unwrap();
        table.upsert(&1, b"another").unwrap();
        change(&table);
        // A read-only handle stores nothing.
        let seen = reader.version(&0).unwrap();
        let soon = Some(Duration::from_millis(1));
        assert_eq!(reader.wait_for_change(&0, seen, soon).unwrap(), None);
    }
    table.recover().unwrap();
    assert_eq!(wake_words(&table), [0; 18]);
}

/// Counts the system calls of an update by a registered thread.
fn calls_of_an_update(namespace: &TempNamespace) -> usize {
    let mut command = worker(WORKER, "operation", namespace.path());
    command.args(["--op", "claim-update"]);
    let mut stepper = Stepper::spawn(&mut command).unwrap();
    let calls = stepper.measure().unwrap().len();
    stepper.kill().unwrap();
    calls
}

#[test]
fn a_writer_makes_a_system_call_only_if_somebody_waits() {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, 16, 40);
    for key in 0..10 {
        table.add(&key, vec![0; 40]).unwrap();
    }
    let without = calls_of_an_update(&namespace);
    let seen = table.version(&3).unwrap();
    let with = std::thread::scope(|s| {
        s.spawn(|| {
            let changed = table.wait_for_change(&3, seen, Some(WATCHDOG)).unwrap();
            assert!(changed.is_some());
        });
        let _ = until_awaited(&table, 1);
        calls_of_an_update(&namespace)
    });
    if with == without && cfg!(not(any(target_arch = "x86_64", target_arch = "aarch64"))) {
        println!("skipped: the instruction of a system call is not known here");
        return;
    }
    assert_eq!(with, without + 1);
    assert_eq!(calls_of_an_update(&namespace), without);
}

#[test]
fn a_killed_waiter_costs_one_wake_and_nothing_else() {
    for (name, word_of_table) in [("waits-for-change", false), ("waits-for-anything", true)] {
        let namespace = TempNamespace::new().unwrap();
        let table = create(&namespace, 16, 8);
        table.add(&0, b"old").unwrap();
        let mut waiter = Child::spawn(&mut scenario(WORKER, name, namespace.path())).unwrap();
        let words = until_awaited(&table, 1);
        assert_eq!((words.len(), words.contains(&TABLE)), (1, word_of_table));
        waiter.kill().unwrap();
        let before = wake_words(&table);
        table.update(&0, b"new").unwrap();
        let mut after = before;
        after[words[0]] += 1;
        assert_eq!(wake_words(&table), after);
        assert!(awaited(&table).is_empty());
        table.update(&0, b"newer").unwrap();
        table.remove(&0).unwrap();
        assert_eq!(wake_words(&table), after);
        table.verify().unwrap();
    }
}

#[test]
fn a_waiter_in_another_process_wakes() {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, 16, 8);
    table.add(&0, b"old").unwrap();
    let waiters = ["waits-for-change", "waits-for-anything", "waits-for-change"];
    let mut waiters =
        waiters.map(|name| Child::spawn(&mut scenario(WORKER, name, namespace.path())).unwrap());
    let _ = until_awaited(&table, 2);
    // The third one may still be on its way.
    let start = Instant::now();
    let mut woken = [false; 3];
    while woken != [true; 3] {
        assert!(start.elapsed() < WATCHDOG, "{woken:?}");
        table.update(&0, b"new").unwrap();
        for (waiter, woken) in waiters.iter_mut().zip(&mut woken) {
            *woken |= waiter.line(LIMIT).is_ok_and(|line| line == "changed");
        }
    }
}

fn times_out(table: &Table<i32, impl Access>) {
    for key in [0, 9] {
        let (seen, any) = (table.version(&key).unwrap(), table.table_version());
        for limit in [Duration::ZERO, Duration::from_millis(1), LIMIT] {
            let start = Instant::now();
            assert_eq!(table.wait_for_change(&key, seen, Some(limit)).unwrap(), None);
            assert!(start.elapsed() >= limit);
            let start = Instant::now();
            assert_eq!(table.wait_for_any_change(any, Some(limit)).unwrap(), None);
            assert!(start.elapsed() >= limit);
        }
    }
}

#[test]
fn a_wait_ends_after_its_timeout() {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, 16, 8);
    table.add(&0, b"old").unwrap();
    times_out(&table);
    times_out(&open_read_only(&namespace));
}

#[test]
fn what_has_changed_already_is_returned_at_once() {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, 16, 8);
    let (absent, none) = (table.version(&0).unwrap(), table.table_version());
    assert!(!absent.is_present());
    assert_eq!(table.version(&1).unwrap(), absent);
    table.add(&0, b"old").unwrap();
    let (value, seen) = table.get_with_version(&0).unwrap();
    assert_eq!(value.as_deref(), Some(&b"old"[..]));
    assert_eq!(table.wait_for_change(&0, absent, None).unwrap(), Some(seen));
    let some = table.table_version();
    assert_eq!(table.wait_for_any_change(none, None).unwrap(), Some(some));
    // In the same slot, with the same value.
    table.remove(&0).unwrap();
    assert_eq!(table.get_with_version(&0).unwrap(), (None, absent));
    table.add(&0, b"old").unwrap();
    let again = table.version(&0).unwrap();
    assert!(again != seen && again.is_present());
    assert_eq!(open_read_only(&namespace).wait_for_change(&0, seen, None).unwrap(), Some(again));
    // An earlier version of the table is not a change.
    let later = table.table_version();
    assert_eq!(table.wait_for_any_change(later, Some(LIMIT)).unwrap(), None);
}

#[test]
fn a_version_of_another_table_is_refused() {
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    let table = create(&namespace, 16, 8);
    let name = Name::new("other").unwrap();
    let other = Table::<i32>::create(&ns, &name, &options(16, 8)).unwrap();
    let (theirs, ours) = (other.segment().id(), table.segment().id());
    let refused = |error: TableError| {
        let TableError::OtherTable { found, expected } = error else { panic!("{error:?}") };
        assert_eq!((found, expected), (theirs, ours));
    };
    let key: Version = other.version(&0).unwrap();
    let any: TableVersion = other.table_version();
    assert_ne!(key, table.version(&0).unwrap());
    refused(table.wait_for_change(&0, key, None).unwrap_err());
    refused(table.wait_for_any_change(any, None).unwrap_err());
    let reader = open_read_only(&namespace);
    refused(reader.wait_for_change(&0, key, Some(Duration::ZERO)).unwrap_err());
    refused(reader.wait_for_any_change(any, Some(Duration::ZERO)).unwrap_err());
    assert!(awaited(&table).is_empty());
}

#[test]
fn an_interrupt_ends_a_wait() {
    let namespace = TempNamespace::new().unwrap();
    drop(create(&namespace, 16, 8));
    let asked = std::sync::Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let interrupt = Interrupt::new(move || count.fetch_add(1, Ordering::Relaxed) >= 2);
    let ns = Namespace::at(namespace.path());
    let options = TableOptions::default().interrupt(interrupt);
    let table = Table::<i32>::open(&ns, &test_name(), &options).unwrap();
    let ended = table.wait_for_change(&0, table.version(&0).unwrap(), None);
    let error = ended.unwrap_err();
    assert!(matches!(error, TableError::Lock(LockError::Interrupted { .. })), "{error:?}");
    assert_eq!(asked.load(Ordering::Relaxed), 3);
    let ended = table.wait_for_any_change(table.table_version(), None);
    assert!(matches!(ended, Err(TableError::Lock(LockError::Interrupted { .. }))));
}

#[test]
fn an_interrupt_ends_a_wait_through_a_read_only_handle() {
    let namespace = TempNamespace::new().unwrap();
    drop(create(&namespace, 16, 8));
    let asked = std::sync::Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let interrupt = Interrupt::new(move || count.fetch_add(1, Ordering::Relaxed) >= 2);
    let ns = Namespace::at(namespace.path());
    let options = ReadOptions::default().interrupt(interrupt);
    let table = TableReader::<i32>::open_read_only(&ns, &test_name(), &options).unwrap();
    let ended = table.wait_for_change(&0, table.version(&0).unwrap(), None);
    assert!(matches!(ended, Err(TableError::Lock(LockError::Interrupted { .. }))));
    assert_eq!(asked.load(Ordering::Relaxed), 3);
    let ended = table.wait_for_any_change(table.table_version(), None);
    assert!(matches!(ended, Err(TableError::Lock(LockError::Interrupted { .. }))));
}

#[test]
fn versions_are_the_same_after_they_were_numbers() {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, 16, 8);
    let absent = table.version(&0).unwrap();
    table.add(&0, b"old").unwrap();
    let present = table.version(&0).unwrap();
    for version in [absent, present] {
        let again = Version::from_words(version.to_words());
        assert_eq!((again, again.is_present()), (version, version.is_present()));
    }
    assert_ne!(absent.to_words(), present.to_words());
    let whole = table.table_version();
    assert_eq!(TableVersion::from_words(whole.to_words()), whole);
    assert_eq!(table.wait_for_any_change(whole, Some(Duration::ZERO)).unwrap(), None);
    // Numbers that no version has.
    for slot in [17, u64::MAX] {
        let [first, second, ..] = present.to_words();
        let none = Version::from_words([first, second, slot, 1]);
        assert_eq!(table.wait_for_change(&0, none, None).unwrap(), Some(present));
        assert_eq!(table.wait_for_change(&1, none, None).unwrap(), Some(absent));
    }
    let nothing = Version::from_words([0; 4]);
    let error = table.wait_for_change(&0, nothing, None).unwrap_err();
    assert!(matches!(error, TableError::OtherTable { .. }));
}

/// Who knows whether the last write of a dead writer took effect?
#[test]
fn the_death_of_a_writer_is_a_change_of_the_table() {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, 16, 40);
    for key in 0..10 {
        table.add(&key, vec![0; 40]).unwrap();
    }
    let mut command = worker(WORKER, "operation", namespace.path());
    command.args(["--op", "claim-update"]);
    let stepper = Stepper::spawn(&mut command).unwrap();
    // It is registered, and has not begun the update.
    let seen = table.table_version();
    stepper.kill().unwrap();
    let changed = table.wait_for_any_change(seen, Some(WATCHDOG)).unwrap();
    assert!(changed.is_some());
    assert_eq!(table.wait_for_any_change(changed.unwrap(), Some(LIMIT)).unwrap(), None);
}
