//! Entries that expire, and entries that go with their writer.

use std::fs::File;
use std::path::Path;
use std::sync::Barrier;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use shm_core::{Interrupt, LockError, Namespace, since_boot};
use shm_tests::patch::{self, TABLE_BODY};
use shm_tests::{TempNamespace, WATCHDOG, test_name};
use slotmap_shm::{
    Expiry, Geometry, GeometryError, PutMode, ReadOptions, Table, TableError, TableOpenError,
    TableOptions, TableReader, TimeToLive, Upserted,
};

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(3);

fn options(capacity: usize, expiry: Expiry) -> TableOptions {
    let geometry = Geometry::default().capacity(capacity).value_size(20).expiry(expiry);
    TableOptions::default().geometry(geometry)
}

fn create(namespace: &TempNamespace, options: &TableOptions) -> Table<i32> {
    Table::create(&Namespace::at(namespace.path()), &test_name(), options).unwrap()
}

fn reader(namespace: &TempNamespace) -> TableReader<i32> {
    let ns = Namespace::at(namespace.path());
    TableReader::open_read_only(&ns, &test_name(), &ReadOptions::default()).unwrap()
}

/// Waits until a time to live that began before this call is over.
fn outlast(ttl: Duration) {
    let end = since_boot() + ttl.as_nanos() as u64;
    while since_boot() < end {
        std::thread::yield_now();
    }
}

#[test]
fn an_expired_entry_is_absent_for_every_call() {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, &options(8, Expiry::ByEntry));
    let reader = reader(&namespace);
    for long in [false, true] {
        let value: &[u8] = if long { b"nineteen bytes long" } else { b"short" };
        table.upsert_for(&1, value, LONG).unwrap();
        assert_eq!(reader.get(&1).unwrap().as_deref(), Some(value));
        let Some(TimeToLive::For(left)) = reader.ttl(&1).unwrap() else { panic!() };
        assert!(left <= LONG && left > LONG / 2);
        table.upsert(&2, b"stays").unwrap();
        assert_eq!(reader.ttl(&2).unwrap(), Some(TimeToLive::ForEver));

        let expire = || {
            table.upsert_for(&1, value, SHORT).unwrap();
            outlast(SHORT);
        };
        expire();
        let mut buffer = [0; 32];
        assert_eq!(reader.get(&1).unwrap(), None);
        assert_eq!(reader.get_into(&1, &mut buffer).unwrap(), None);
        assert!(!reader.contains_key(&1).unwrap());
        assert_eq!(reader.ttl(&1).unwrap(), None);
        assert_eq!(reader.get_many(&[1, 2]).unwrap()[0], None);
        assert_eq!(reader.entries().unwrap().len(), 1);
        assert_eq!(reader.iter().count(), 1);
        assert_eq!(reader.get_stale(&1).unwrap().as_deref(), Some(value));
        assert!(matches!(table.update(&1, b"x"), Err(TableError::NotFound { .. })));
        assert!(matches!(table.remove(&1), Err(TableError::NotFound { .. })));
        assert!(matches!(table.touch(&1, LONG), Err(TableError::NotFound { .. })));
        assert!(matches!(
            table.compare_exchange(&1, value, b"x"),
            Err(TableError::NotFound { .. })
        ));
        assert!(matches!(table.update_with(&1, |_| ()), Err(TableError::NotFound { .. })));
        assert_eq!(reader.get_stale(&1).unwrap().as_deref(), Some(value));
        table.add(&1, b"again").unwrap();
        assert_eq!(reader.ttl(&1).unwrap(), Some(TimeToLive::ForEver));
        expire();
        assert_eq!(table.upsert(&1, b"anew").unwrap(), Upserted::Inserted);
        assert_eq!(reader.get(&1).unwrap().as_deref(), Some(&b"anew"[..]));
        expire();
        assert_eq!(table.increment(&1, 5, 10).unwrap(), 15);
        table.verify().unwrap();
        table.remove(&1).unwrap();
    }
}

#[test]
fn writes_that_change_a_value_keep_its_time() {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, &options(8, Expiry::ByEntry));
    table.upsert_for(&1, 7i64.to_le_bytes(), LONG).unwrap();
    let is_limited = || matches!(table.ttl(&1).unwrap(), Some(TimeToLive::For(_)));
    table.update(&1, 8i64.to_le_bytes()).unwrap();
    assert!(is_limited());
    table.fetch_add(&1, 1).unwrap();
    table.increment(&1, 1, 0).unwrap();
    table.update_with(&1, |value| value[0] += 1).unwrap();
    table.compare_exchange(&1, 11i64.to_le_bytes(), b"text").unwrap();
    table.update_many(&[(1, b"batch")]).unwrap();
    assert!(is_limited());
    table.put(PutMode::Update, &1, b"x").unwrap();
    assert!(is_limited());
    table.upsert(&1, b"for ever").unwrap();
    assert!(!is_limited());
    table.touch(&1, LONG).unwrap();
    assert!(is_limited());
    table.touch(&1, SHORT).unwrap();
    outlast(SHORT);
    assert_eq!(table.get(&1).unwrap(), None);
}

#[test]
fn a_default_applies_to_entries_that_say_nothing() {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, &options(8, Expiry::After(SHORT)));
    table.upsert(&1, b"a").unwrap();
    table.add(&2, b"b").unwrap();
    table.upsert_many(&[(3, b"c"), (4, b"d")]).unwrap();
    table.increment(&5, 1, 1).unwrap();
    table.upsert_for(&6, b"f", LONG).unwrap();
    outlast(SHORT);
    let keys: Vec<i32> = table.entries().unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [6]);
}

#[test]
fn expired_slots_are_taken_before_a_table_is_full_or_grows() {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, &options(64, Expiry::ByEntry).max_capacity(128));
    for round in 0..5 {
        for key in 0..60 {
            table.upsert_for(&(100 * round + key), b"x", SHORT).unwrap();
        }
        outlast(SHORT);
        assert!(table.entries().unwrap().is_empty());
    }
    assert_eq!(table.capacity(), 64);
    for key in 0..64 {
        table.upsert(&(10_000 + key), b"stays").unwrap();
    }
    assert_eq!((table.capacity(), table.len()), (64, 64));
    table.add(&-1, b"grows").unwrap();
    assert_eq!(table.capacity(), 128);
    table.verify().unwrap();
}

#[test]
fn sweeps_are_bounded_and_go_on() {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, &options(100, Expiry::ByEntry));
    for key in 0..100 {
        table.upsert_for(&key, b"x", if key % 2 == 0 { SHORT } else { LONG }).unwrap();
    }
    outlast(SHORT);
    assert_eq!(table.len(), 100);
    assert_eq!(table.expire(10).unwrap(), 10);
    assert_eq!(table.len(), 95);
    for _ in 0..9 {
        table.expire(10).unwrap();
    }
    assert_eq!(table.len(), 50);
    assert_eq!(table.expire(usize::MAX).unwrap(), 100);
    assert_eq!((table.len(), table.entries().unwrap().len()), (50, 50));
    table.verify().unwrap();
}

#[test]
fn bad_times_and_tables_without_expiry_are_refused() {
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    for ttl in [Duration::ZERO, Duration::MAX] {
        let refused = Table::<i32>::create(&ns, &test_name(), &options(8, Expiry::After(ttl)));
        let Err(TableOpenError::Geometry(GeometryError::TimeToLive { ttl: found, .. })) = refused
        else {
            panic!("{refused:?}")
        };
        assert_eq!(found, ttl);
    }
    let table = create(&namespace, &options(8, Expiry::Never));
    assert!(matches!(table.upsert_for(&1, b"x", LONG), Err(TableError::NoExpiry)));
    assert!(matches!(table.touch(&1, LONG), Err(TableError::NoExpiry)));
    assert!(matches!(table.add_ephemeral(&1, b"x"), Err(TableError::NoExpiry)));
    assert_eq!((table.expire(5).unwrap(), table.len()), (0, 0));
    table.add(&1, b"x").unwrap();
    assert_eq!(table.ttl(&1).unwrap(), Some(TimeToLive::ForEver));
    let other = Table::<i32>::open_or_create(&ns, &test_name(), &options(8, Expiry::ByEntry));
    assert!(matches!(other, Err(TableOpenError::ExpiryMismatch { .. })), "{other:?}");
    drop(table);

    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, &options(8, Expiry::ByEntry));
    for ttl in [Duration::ZERO, Duration::MAX] {
        for result in [table.upsert_for(&1, b"x", ttl).map(drop), table.touch(&1, ttl)] {
            assert!(matches!(result, Err(TableError::TimeToLive(_))), "{result:?}");
        }
    }
    assert!(table.is_empty());
}

/// A table with some entries of each kind, as a boot has left it that is not this one.
fn of_another_boot(namespace: &TempNamespace) -> std::path::PathBuf {
    let table = create(namespace, &options(8, Expiry::ByEntry));
    table.upsert(&1, b"stays").unwrap();
    table.upsert_for(&2, b"expires", LONG).unwrap();
    table.add_ephemeral(&3, b"goes").unwrap();
    let path = table.segment().path().to_owned();
    drop(table);
    // The word `boot`.
    patch::bytes(&path, TABLE_BODY + 20 * 8, &77u64.to_ne_bytes()).unwrap();
    path
}

#[test]
fn what_has_a_lease_does_not_outlast_a_boot() {
    type First = fn(&Table<i32>);
    let first: [First; 5] = [
        |table| table.add(&4, b"new").unwrap(),
        |table| table.update(&1, b"new").unwrap(),
        // These two take the lock in another way.
        |table| _ = table.recover().unwrap(),
        |table| table.verify().unwrap(),
        |table| _ = table.upsert_for(&2, b"new", LONG).unwrap(),
    ];
    for (nth, first) in first.into_iter().enumerate() {
        let namespace = TempNamespace::new().unwrap();
        of_another_boot(&namespace);
        let reader = reader(&namespace);
        let present = |reader: &TableReader<i32>| {
            (1..=3).filter(|key| reader.contains_key(key).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!((present(&reader), reader.len()), (vec![1], 3), "before the first write");
        let ns = Namespace::at(namespace.path());
        let table = Table::<i32>::open(&ns, &test_name(), &TableOptions::default()).unwrap();
        first(&table);
        // Leases of this boot count from then on, also for the handle that was there before.
        table.upsert_for(&5, b"new", LONG).unwrap();
        table.upsert(&1, b"again").unwrap();
        assert!(reader.contains_key(&5).unwrap(), "{nth}");
        assert!(!reader.contains_key(&3).unwrap() && table.get_stale(&3).unwrap().is_none());
        assert_eq!(reader.contains_key(&2).unwrap(), nth == 4);
        table.verify().unwrap();
        assert_eq!(table.entries().unwrap().len(), table.len());
    }
}

/// Leases of which no writer stores any: nothing breaks, and repair is not needed.
#[test]
fn leases_of_any_bytes_are_judged() {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, &options(8, Expiry::ByEntry));
    table.upsert_for(&1, b"x", LONG).unwrap();
    let reader = reader(&namespace);
    let slot = (TABLE_BODY..).step_by(8).find(|&at| {
        // The version of the first slot that was ever used.
        patch::read::<8>(table.segment().path(), at).unwrap() == 10u64.to_ne_bytes()
    });
    // Values of 20 bytes: the slot has 4 words, two heads of two, and two tails of one.
    let lease = slot.unwrap() + 10 * 8;
    for (word, present) in [
        (0, true),
        (1, false),
        (u64::MAX >> 1, true),
        (1 << 63, false),
        (1 << 63 | 0x2001, false),
        (u64::MAX, false),
    ] {
        patch::bytes(table.segment().path(), lease, &u64::to_ne_bytes(word)).unwrap();
        assert_eq!(reader.contains_key(&1).unwrap(), present, "{word:#x}");
        assert_eq!(reader.entries().unwrap().len(), usize::from(present), "{word:#x}");
        reader.ttl(&1).unwrap();
        table.verify().unwrap();
    }
    table.expire(usize::MAX).unwrap();
    assert!(table.is_empty());
}

#[test]
fn ephemeral_entries_go_with_their_thread() {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, &options(8, Expiry::ByEntry));
    let reader = reader(&namespace);
    std::thread::scope(|s| {
        s.spawn(|| {
            table.add_ephemeral(&1, b"here").unwrap();
            table.update(&1, b"still").unwrap();
            assert_eq!(reader.ttl(&1).unwrap(), Some(TimeToLive::Ephemeral));
            assert!(matches!(table.add_ephemeral(&1, b"x"), Err(TableError::DuplicateKey { .. })));
            table.add_ephemeral(&2, b"touched").unwrap();
            table.touch(&2, LONG).unwrap();
        });
    });
    // The end of a scope does not wait for the destructors of a thread.
    let start = std::time::Instant::now();
    while reader.contains_key(&1).unwrap() {
        assert!(start.elapsed() < WATCHDOG, "it stays");
        std::thread::yield_now();
    }
    table.add(&1, b"next").unwrap();
    // One that was touched has a time, and no thread, any more.
    assert_eq!(reader.get(&2).unwrap().as_deref(), Some(&b"touched"[..]));
    assert!(matches!(reader.ttl(&2).unwrap(), Some(TimeToLive::For(left)) if left <= LONG));
}

/// Number of records of a table.
const RECORDS: usize = 116;

/// Threads that all add an ephemeral entry to a new table at once, and keep it until all have
/// tried. Returns the errors of those that could not.
fn add_ephemeral_at_once(table: &Table<i32>, threads: usize) -> Vec<TableError> {
    let all = Barrier::new(threads);
    std::thread::scope(|s| {
        let threads: Vec<_> = (0..threads as i32)
            .map(|key| {
                let all = &all;
                s.spawn(move || {
                    all.wait();
                    let added = table.add_ephemeral(&key, b"x");
                    all.wait();
                    added.err()
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn threads_that_register_at_once_wait_for_each_other() {
    for _ in 0..10 {
        let namespace = TempNamespace::new().unwrap();
        let table = create(&namespace, &options(RECORDS, Expiry::ByEntry));
        let refused = add_ephemeral_at_once(&table, RECORDS);
        assert!(refused.is_empty(), "{} refused: {refused:?}", refused.len());
    }
}

#[test]
fn a_thread_without_a_record_adds_nothing_ephemeral_until_one_is_free() {
    let namespace = TempNamespace::new().unwrap();
    let table = &create(&namespace, &options(2 * RECORDS, Expiry::ByEntry));
    let [full, refused, free] = &std::array::from_fn(|_| Barrier::new(2));
    let all = &Barrier::new(RECORDS + 1);
    std::thread::scope(|s| {
        s.spawn(|| {
            full.wait();
            let found = table.add_ephemeral(&-1, b"x");
            assert!(matches!(found, Err(TableError::NotRegistered)), "{found:?}");
            assert_eq!(table.get_stale(&-1).unwrap(), None);
            refused.wait();
            free.wait();
            // It does not go by what it found before.
            table.add_ephemeral(&-1, b"x").unwrap();
            assert_eq!(table.ttl(&-1).unwrap(), Some(TimeToLive::Ephemeral));
        });
        for key in 0..RECORDS as i32 {
            s.spawn(move || {
                table.add_ephemeral(&key, b"x").unwrap();
                all.wait();
                all.wait();
            });
        }
        all.wait();
        full.wait();
        refused.wait();
        all.wait();
        let start = std::time::Instant::now();
        while (0..RECORDS as i32).any(|key| table.contains_key(&key).unwrap()) {
            assert!(start.elapsed() < WATCHDOG, "they stay");
            std::thread::yield_now();
        }
        free.wait();
    });
}

/// Has the right to register writers of a file, as a process has it that registers one.
fn hold_registrar(path: &Path) -> File {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let lock = libc::flock {
        l_type: libc::F_WRLCK as _,
        l_whence: libc::SEEK_SET as _,
        l_start: 3,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_OFD_SETLK(&lock)).unwrap();
    file
}

#[test]
fn a_thread_that_cannot_register_in_time_adds_nothing_ephemeral() {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, &options(8, Expiry::ByEntry));
    // Another handle, by which this thread is not registered.
    let ns = Namespace::at(namespace.path());
    let open = |options: TableOptions| Table::<i32>::open(&ns, &test_name(), &options).unwrap();
    let patient = open(TableOptions::default().lock_timeout(None));
    let impatient = open(TableOptions::default().lock_timeout(Some(SHORT)));
    let asked = Interrupt::new(|| true);
    let interrupted = open(TableOptions::default().lock_timeout(None).interrupt(asked));
    let held = hold_registrar(table.segment().path());
    let error = impatient.add_ephemeral(&1, b"x").unwrap_err();
    assert!(matches!(error, TableError::Lock(LockError::TimedOut { .. })), "{error:?}");
    let error = interrupted.add_ephemeral(&1, b"x").unwrap_err();
    assert!(matches!(error, TableError::Lock(LockError::Interrupted { .. })), "{error:?}");
    assert_eq!(table.get_stale(&1).unwrap(), None);
    std::thread::scope(|s| {
        let waits = s.spawn(|| patient.add_ephemeral(&1, b"x").map(|()| patient.contains_key(&1)));
        drop(held);
        assert!(waits.join().unwrap().unwrap().unwrap());
    });
}
