//! A table that grows: beside readers and writers that were there before, in bad weather, and with
//! growers that are killed.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

use shm_core::Namespace;
use shm_tests::roles::{SKIPPED, is_root, run, scenario};
use shm_tests::{Child, TempNamespace, WATCHDOG, test_name};
use slotmap_shm::{
    GeometryError, KeyKind, ReadOptions, Table, TableError, TableOpenError, TableOptions,
    TableReader,
};

const WORKER: &str = env!("CARGO_BIN_EXE_shm-worker");

fn options(capacity: usize, max: usize) -> TableOptions {
    TableOptions::default().capacity(capacity).max_capacity(max).value_size(8)
}

fn create(namespace: &TempNamespace, options: &TableOptions) -> Table<i32> {
    Table::create(&Namespace::at(namespace.path()), &test_name(), options).unwrap()
}

fn open(namespace: &TempNamespace) -> Table<i32> {
    Table::open(&Namespace::at(namespace.path()), &test_name(), &TableOptions::default()).unwrap()
}

fn reader(namespace: &TempNamespace) -> TableReader<i32> {
    let ns = Namespace::at(namespace.path());
    TableReader::open_read_only(&ns, &test_name(), &ReadOptions::default()).unwrap()
}

fn value(key: i32) -> [u8; 8] {
    i64::from(key).to_le_bytes()
}

fn has(table: &TableReader<i32>, key: i32) -> bool {
    let found = table.get(&key).unwrap();
    assert!(found.as_ref().is_none_or(|found| found[..] == value(key)), "{key}: {found:?}");
    found.is_some()
}

#[test]
fn handles_that_were_open_before_go_on() {
    for (capacity, max) in [(1, 1000), (3, 1000), (16, 1000), (1000, 1001), (4, 5)] {
        let namespace = TempNamespace::new().unwrap();
        let table = create(&namespace, &options(capacity, max));
        let (other, reader) = (open(&namespace), reader(&namespace));
        assert_eq!((reader.capacity(), reader.stats().max_capacity), (capacity, max));
        for key in 0..max as i32 {
            // In turn, so that each follows what the other has grown.
            let handle = if key % 3 == 0 { &other } else { &table };
            assert!(!has(&reader, key));
            handle.add(&key, value(key)).unwrap();
            assert!(has(&reader, key) && has(&reader, key / 2));
            assert!(matches!(handle.add(&key, b""), Err(TableError::DuplicateKey { .. })));
            assert_eq!(reader.len(), key as usize + 1);
        }
        for handle in [&table, &other] {
            let full = handle.add(&-1, b"");
            assert!(
                matches!(full, Err(TableError::Full { capacity, source: None }) if capacity == max)
            );
            handle.verify().unwrap();
        }
        assert_eq!((reader.capacity(), reader.stats().free), (max, 0));
        let mut keys: Vec<i32> =
            reader.entries().unwrap().into_iter().map(|(key, _)| key).collect();
        keys.sort_unstable();
        assert!(keys.into_iter().eq(0..max as i32));
        assert_eq!(reader.iter().count(), max);
        // What was there before, in the slots and the index of each level.
        for key in 0..max as i32 {
            other.update(&key, value(key)).unwrap();
            table.remove(&key).unwrap();
            assert!(!has(&reader, key));
            other.add(&key, value(key)).unwrap();
        }
        table.clear().unwrap();
        assert_eq!((reader.capacity(), reader.len()), (max, 0));
        table.verify().unwrap();
        // Opened anew.
        let late = self::reader(&namespace);
        table.add(&7, value(7)).unwrap();
        assert!(has(&late, 7) && late.capacity() == max && late.damage().is_none());
    }
}

#[test]
fn a_batch_grows_a_table_as_far_as_it_needs() {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, &options(2, 100));
    let reader = reader(&namespace);
    let entries: Vec<_> = (0..50).map(|key| (key, value(key))).collect();
    table.add_many(&entries).unwrap();
    assert_eq!((reader.capacity(), reader.len()), (64, 50));
    let keys: Vec<i32> = (0..50).collect();
    assert!(reader.get_many(&keys).unwrap().iter().all(Option::is_some));
    let more: Vec<_> = (50..151).map(|key| (key, value(key))).collect();
    let full = table.upsert_many(&more);
    let Err(TableError::InBatch { index: 50, source }) = full else { panic!("{full:?}") };
    assert!(matches!(*source, TableError::Full { capacity: 100, .. }), "{source:?}");
    // It would have grown in vain.
    assert_eq!((reader.len(), reader.capacity()), (50, 64));
    table.verify().unwrap();
}

#[test]
fn keys_of_every_length_are_found_after_growth() {
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    let table = Table::<str>::create(&ns, &test_name(), &options(1, 300)).unwrap();
    let keys: Vec<String> = (0..300).map(|n| "k".repeat(n % 60) + &n.to_string()).collect();
    for (n, key) in keys.iter().enumerate() {
        table.add(key.as_str(), value(n as i32)).unwrap();
        assert!(keys[..=n].iter().all(|key| table.contains_key(key).unwrap()));
    }
    table.verify().unwrap();
}

#[test]
fn only_what_is_in_use_takes_memory() {
    use std::os::unix::fs::MetadataExt;
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, &options(1024, 1 << 20));
    let path = table.segment().path().to_owned();
    let allocated = || std::fs::metadata(&path).unwrap().blocks() * 512;
    let new = allocated();
    assert!(new < 400_000, "{new}");
    let len = table.geometry().file_len(KeyKind::I32).unwrap();
    assert_eq!((table.stats().file_len, std::fs::metadata(&path).unwrap().len()), (len, len));
    // Readers and checks do not touch the holes.
    let reader = reader(&namespace);
    for key in 0..1024 {
        table.add(&key, value(key)).unwrap();
    }
    assert!(reader.damage().is_none() && !has(&reader, 5000));
    assert_eq!(reader.entries().unwrap().len(), 1024);
    table.verify().unwrap();
    assert_eq!(allocated(), new);
    table.add(&1024, value(1024)).unwrap();
    assert!((new..3 * new).contains(&allocated()), "{new} {}", allocated());
}

#[test]
fn impossible_maxima_are_refused() {
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    for (capacity, max) in [(10, 9), (1, 0), (1, 1 << 29)] {
        let refused = Table::<i32>::create(&ns, &test_name(), &options(capacity, max));
        let Err(TableOpenError::Geometry(error)) = refused else { panic!("{refused:?}") };
        assert!(
            matches!(error, GeometryError::OutOfRange { what: "max_capacity", value, .. } if value == max as u64)
        );
    }
    create(&namespace, &options(10, 20));
    for other in [options(10, 21), options(10, 20).capacity(11)] {
        let refused = Table::<i32>::open_or_create(&ns, &test_name(), &other);
        assert!(matches!(refused, Err(TableOpenError::GeometryMismatch { .. })), "{refused:?}");
    }
    let fixed = TableOptions::default().capacity(10).value_size(8);
    let refused = Table::<i32>::open_or_create(&ns, &test_name(), &fixed);
    assert!(
        matches!(
            refused,
            Err(TableOpenError::GeometryMismatch {
                what: "max_capacity",
                found: 20,
                expected: 10,
                ..
            })
        ),
        "{refused:?}"
    );
    Table::<i32>::open_or_create(&ns, &test_name(), &options(10, 20)).unwrap();
}

/// Inserts keys while readers look for those that were acknowledged, updaters change them, and
/// others read all of them. In the full mode of the suite (`SHMAP_FULL`), a million keys.
#[test]
fn readers_miss_no_acknowledged_key_beside_growth() {
    let full = std::env::var_os("SHMAP_FULL").is_some();
    let (readers, keys, capacity) = if full { (8, 1_000_000, 1024) } else { (4, 60_000, 16) };
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, &options(capacity, 1 << 20));
    let (acknowledged, ended) = (&AtomicI32::new(0), &AtomicBool::new(false));
    let (table, namespace) = (&table, &namespace);
    std::thread::scope(|s| {
        for seed in 0..readers {
            let reader = reader(namespace);
            s.spawn(move || {
                let mut random = seed + 1u32;
                let mut reads = 0;
                while !ended.load(Ordering::Relaxed) || reads == 0 {
                    let known = acknowledged.load(Ordering::Acquire);
                    if known == 0 {
                        continue;
                    }
                    random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let key = (random >> 8) as i32 % known;
                    assert!(has(&reader, key), "{key} of {known}");
                    assert!(!has(&reader, keys + key));
                    reads += 1;
                }
            });
        }
        let other = open(namespace);
        s.spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let known = acknowledged.load(Ordering::Acquire);
                if known > 0 {
                    other.update(&(known - 1), value(known - 1)).unwrap();
                    other.update(&(known / 2), value(known / 2)).unwrap();
                }
            }
        });
        let collector = open(namespace);
        s.spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let known = acknowledged.load(Ordering::Acquire);
                let entries = collector.entries().unwrap();
                // Keys are added in order, so all of one moment have no gap.
                let most = entries.iter().map(|&(key, _)| key + 1).max().unwrap_or(0);
                assert_eq!(entries.len(), most as usize);
                assert!(most >= known);
                let keys = [known, known / 2];
                let both = collector.get_many(&keys).unwrap();
                assert!(known == 0 || both[1].is_some());
            }
        });
        for key in 0..keys {
            table.add(&key, value(key)).unwrap();
            acknowledged.store(key + 1, Ordering::Release);
        }
        ended.store(true, Ordering::Relaxed);
    });
    table.verify().unwrap();
    assert_eq!(table.len(), keys as usize);
}

/// Threads that look at the capacity through the same handle as those that add keys, while another
/// handle grows the table too.
#[test]
fn threads_that_look_do_not_mislead_those_that_write() {
    const KEYS: i32 = 20_000;
    for _ in 0..3 {
        let namespace = TempNamespace::new().unwrap();
        let table = create(&namespace, &options(1, 1 << 16));
        let other = open(&namespace);
        let ended = &AtomicBool::new(false);
        std::thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| {
                    while !ended.load(Ordering::Relaxed) {
                        assert!(table.len() <= table.capacity());
                        _ = table.iter().take(3).count();
                    }
                });
            }
            let adders: Vec<_> = [(&table, 0), (&other, 1)]
                .map(|(table, first)| {
                    s.spawn(move || {
                        for key in (first..KEYS).step_by(2) {
                            table.add(&key, value(key)).unwrap();
                            assert_eq!(table.get(&key).unwrap().as_deref(), Some(&value(key)[..]));
                        }
                    })
                })
                .into();
            let added: Vec<_> = adders.into_iter().map(|adder| adder.join()).collect();
            ended.store(true, Ordering::Relaxed);
            added.into_iter().for_each(|added| added.unwrap());
        });
        table.verify().unwrap();
        let reader = reader(&namespace);
        assert!((0..KEYS).all(|key| has(&reader, key)));
        assert_eq!(reader.len(), KEYS as usize);
    }
}

/// A process adds keys from 0 on and says each; it is killed, and another goes on.
#[test]
fn killed_growers_lose_nothing() {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, &options(1, 1 << 16));
    let reader = reader(&namespace);
    let mut next = 0;
    let mut kills = 0;
    while next < 60_000 {
        let mut command = scenario(WORKER, "grow", namespace.path());
        command.arg(next.to_string());
        let mut child = Child::spawn(&mut command).unwrap();
        assert_eq!(child.line(WATCHDOG).unwrap(), "started");
        // At another moment each time; whichever it is, the following holds.
        let start = std::time::Instant::now();
        while start.elapsed() < Duration::from_micros(200 + kills * 137 % 9000) {}
        child.kill().unwrap();
        kills += 1;
        let before = next;
        let acknowledged = table.get(&-1).unwrap();
        // What is present has no gap; then the writer goes on behind it.
        while has(&reader, next) {
            next += 1;
        }
        if let Some(said) = acknowledged {
            let said = i64::from_le_bytes(said[..].try_into().unwrap()) as i32;
            assert!(next >= said, "{said} was acknowledged, {next} is there");
        }
        assert!((0..before).step_by(97).all(|key| has(&reader, key)));
        if kills % 8 == 0 {
            // Repairs, as the next writer does.
            table.upsert(&-2, b"").unwrap();
            table.verify().unwrap();
            assert!((0..next).all(|key| has(&reader, key)));
        }
        assert!(kills < 20_000, "{next}");
    }
    assert!(kills >= 5, "{kills}");
    table.recover().unwrap();
    table.verify().unwrap();
}

/// Sets a flag, also if the test fails.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Kills a process in the middle of a growth, again and again, beside readers that were there
/// before: eight in the full mode of the suite (`SHMAP_FULL`).
#[test]
fn growths_that_are_killed_leave_one_capacity_or_the_other() {
    const FULL: i32 = 1 << 14;
    const KILLS: [u32; 2] = [200, 20];
    let readers: u32 = if std::env::var_os("SHMAP_FULL").is_some() { 8 } else { 2 };
    // How many kills left the old capacity, and how many the new one.
    let (mut old, mut new) = (0, 0);
    let mut round = 0u32;
    while old < KILLS[0] || new < KILLS[1] {
        let namespace = TempNamespace::new().unwrap();
        let table = create(&namespace, &options(FULL as usize, 4 * FULL as usize));
        let reader = reader(&namespace);
        let entries: Vec<_> = (0..FULL).map(|key| (key, value(key))).collect();
        table.add_many(&entries).unwrap();
        let ended = AtomicBool::new(false);
        std::thread::scope(|s| {
            let _end = SetOnDrop(&ended);
            for seed in 0..readers {
                let (reader, ended) = (self::reader(&namespace), &ended);
                s.spawn(move || {
                    let mut random = seed + 1;
                    while !ended.load(Ordering::Relaxed) {
                        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        let key = (random >> 8) as i32 % FULL;
                        assert!(has(&reader, key), "{key}");
                        assert!(!has(&reader, FULL + 1 + key));
                    }
                });
            }
            while reader.capacity() == FULL as usize {
                round += 1;
                assert!(round < 5000, "{old} {new}");
                let mut command = scenario(WORKER, "grow-once", namespace.path());
                command.arg(FULL.to_string());
                let mut child = Child::spawn(&mut command).unwrap();
                assert_eq!(child.line(WATCHDOG).unwrap(), "started");
                let start = std::time::Instant::now();
                // In 20 steps through the time that a growth may take beside the readers, more or
                // less.
                let step = 100 * u64::from(1 + readers);
                while start.elapsed() < Duration::from_micros(u64::from(round % 20) * step) {}
                child.kill().unwrap();
                let grown = reader.capacity() != FULL as usize;
                *if grown { &mut new } else { &mut old } += 1;
                assert!((0..FULL).step_by(61).all(|key| has(&reader, key)), "{round}");
                // The next writer repairs.
                table.update_many(&[(0, value(0))]).unwrap();
                if round.is_multiple_of(10) {
                    table.verify().unwrap();
                }
                assert!(!has(&reader, FULL + 1));
            }
        });
        table.verify().unwrap();
        assert!((0..FULL).all(|key| has(&reader, key)));
        table.upsert(&FULL, value(FULL)).unwrap();
        assert_eq!(table.len(), FULL as usize + 1);
    }
    println!("{old} growths were killed before they took effect, {new} after");
}

#[test]
fn no_room_to_grow_is_full_with_what_is_missing() {
    if !is_root("mounting a tmpfs") {
        return;
    }
    let namespace = TempNamespace::new().unwrap();
    let said = run(scenario(WORKER, "grow-full-disk", namespace.path()));
    assert!(said.iter().all(|line| line.starts_with(SKIPPED)), "{said:?}");
}
