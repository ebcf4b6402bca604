//! Tables that remove the least recently written entries to make room.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shm_core::{Namespace, since_boot};
use shm_tests::{TempNamespace, test_name};
use slotmap_shm::{
    AnyKey, Event, Eviction, Expiry, Geometry, Observer, Table, TableError, TableOpenError,
    TableOptions, Upserted,
};

fn options(capacity: usize) -> TableOptions {
    let geometry = Geometry::default().capacity(capacity).value_size(20);
    TableOptions::default().geometry(geometry.eviction(Eviction::LeastRecentlyWritten))
}

/// Waits until the clock of the stamps has gone on.
fn tick() {
    let start = since_boot();
    while since_boot() == start {}
}

fn keys(table: &Table<i32>) -> Vec<i32> {
    let mut keys: Vec<_> = table.entries().unwrap().into_iter().map(|(key, _)| key).collect();
    keys.sort_unstable();
    keys
}

type Evicted = Vec<(AnyKey, Vec<u8>)>;

struct Told {
    table: Table<i32>,
    evicted: Arc<Mutex<Evicted>>,
    _namespace: TempNamespace,
}

fn told(options: TableOptions) -> Told {
    let namespace = TempNamespace::new().unwrap();
    let evicted = Arc::new(Mutex::new(Vec::new()));
    let to = Arc::clone(&evicted);
    let options = options.observer(Observer::new(move |event| {
        if let Event::Evicted { key, value } = event {
            to.lock().unwrap().push((key.clone(), value.to_vec()));
        }
    }));
    let table = Table::create(&Namespace::at(namespace.path()), &test_name(), &options).unwrap();
    Told { table, evicted, _namespace: namespace }
}

#[test]
fn the_entry_that_was_written_longest_ago_goes_and_its_writer_is_told() {
    let Told { table, evicted, .. } = told(options(4));
    for key in 1..=4 {
        table.add(&key, [key as u8]).unwrap();
        tick();
    }
    table.update(&1, b"again").unwrap();
    tick();
    assert_eq!(table.upsert(&5, b"5").unwrap(), Upserted::Inserted);
    assert_eq!(keys(&table), [1, 3, 4, 5]);
    assert_eq!(*evicted.lock().unwrap(), [(AnyKey::from(2), vec![2])]);
    // A present key needs no room, and reading is not writing.
    tick();
    table.upsert(&4, b"4").unwrap();
    table.get(&3).unwrap();
    tick();
    assert_eq!(table.increment(&6, 1, 0).unwrap(), 1);
    assert_eq!(keys(&table), [1, 4, 5, 6]);
    assert_eq!(evicted.lock().unwrap().last(), Some(&(AnyKey::from(3), vec![3])));
    let stats = table.stats();
    assert_eq!((stats.evicted, stats.expired, stats.len), (2, 0, 4));
    table.verify().unwrap();
}

#[test]
fn the_order_is_exact_in_large_tables_too() {
    let Told { table, evicted, .. } = told(options(1000));
    for key in 0..1000 {
        table.add(&key, b"x").unwrap();
    }
    // 7 and 1000 have no common divisor: all keys, in another order.
    let order = || (0..1000).map(|n| n * 7 % 1000);
    order().for_each(|key| table.update(&key, b"y").unwrap());
    for (new, old) in order().enumerate() {
        table.add(&(1000 + new as i32), b"z").unwrap();
        // Entries that the writer remembers as old, but that are so no longer.
        if new % 100 == 50 {
            for key in order().skip(new + 1).take(20) {
                assert!(table.contains_key(&key).unwrap(), "{key} beside {old}");
            }
        }
    }
    let evicted: Vec<_> = evicted.lock().unwrap().iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(evicted, order().map(AnyKey::from).collect::<Vec<_>>());
    table.verify().unwrap();
}

#[test]
fn what_was_written_since_a_scan_stays() {
    let Told { table, .. } = told(options(100));
    for key in 0..100 {
        table.add(&key, b"x").unwrap();
    }
    tick();
    // The scan for this one remembers the oldest entries: 1, 2, 3 and so on.
    table.add(&100, b"x").unwrap();
    for key in 1..50 {
        tick();
        table.update(&key, b"y").unwrap();
    }
    for key in 101..150 {
        tick();
        table.add(&key, b"x").unwrap();
    }
    assert_eq!(keys(&table)[..50], (1..50).chain(99..100).collect::<Vec<_>>());
}

#[test]
fn a_batch_takes_as_many_as_it_needs_and_none_of_its_own_keys() {
    let Told { table, evicted, .. } = told(options(4));
    for key in 1..=4 {
        table.add(&key, b"x").unwrap();
        tick();
    }
    table.upsert_many(&[(1, b"y"), (5, b"y"), (5, b"z"), (6, b"y")]).unwrap();
    assert_eq!(keys(&table), [1, 4, 5, 6]);
    assert_eq!(table.get(&5).unwrap().as_deref(), Some(&b"z"[..]));
    let full = table.upsert_many(&[(11, b"y"), (12, b"y"), (13, b"y"), (14, b"y"), (15, b"y")]);
    let Err(TableError::InBatch { index: 4, source }) = full else { panic!("{full:?}") };
    assert!(matches!(*source, TableError::Full { capacity: 4, .. }));
    assert_eq!(keys(&table), [1, 4, 5, 6], "nothing was lost for what cannot fit");
    assert_eq!(evicted.lock().unwrap().len(), 2);
    table.upsert_many(&[(11, b"y"), (12, b"y"), (13, b"y"), (14, b"y")]).unwrap();
    assert_eq!(keys(&table), [11, 12, 13, 14]);
    table.verify().unwrap();
}

#[test]
fn a_table_of_one_entry_replaces_it() {
    let Told { table, .. } = told(options(1));
    for key in 0..100 {
        table.upsert(&key, b"x").unwrap();
        assert_eq!(keys(&table), [key]);
    }
}

#[test]
fn expired_entries_go_first_then_the_table_grows_and_then_the_oldest_go() {
    let grows = options(4).max_capacity(8);
    let geometry = grows.geometry.expiry(Expiry::ByEntry);
    let Told { table, evicted, .. } = told(grows.geometry(geometry));
    let short = Duration::from_millis(2);
    table.upsert(&1, b"old").unwrap();
    for key in 2..=4 {
        table.upsert_for(&key, b"x", short).unwrap();
    }
    while table.contains_key(&4).unwrap() {}
    table.upsert(&5, b"x").unwrap();
    assert_eq!((table.capacity(), keys(&table)), (4, vec![1, 5]));
    for key in 6..=11 {
        tick();
        table.upsert(&key, b"x").unwrap();
    }
    assert_eq!((table.capacity(), keys(&table).len()), (8, 8));
    assert!(evicted.lock().unwrap().is_empty());
    tick();
    // A touch is a write.
    table.touch(&1, Duration::from_secs(3600)).unwrap();
    table.upsert(&12, b"x").unwrap();
    assert_eq!(keys(&table), [1, 6, 7, 8, 9, 10, 11, 12]);
    let stats = table.stats();
    assert_eq!((stats.evicted, stats.expired), (1, 3));
    table.verify().unwrap();
}

#[test]
fn a_batch_that_can_never_fit_does_not_make_the_table_grow() {
    let namespace = TempNamespace::new().unwrap();
    let options = TableOptions::default().capacity(2).max_capacity(64);
    let table = Table::create(&Namespace::at(namespace.path()), &test_name(), &options).unwrap();
    table.add(&1, b"x").unwrap();
    let batch: Vec<(i32, &[u8])> = (2..66).map(|key| (key, &b"y"[..])).collect();
    let full = table.upsert_many(&batch);
    let Err(TableError::InBatch { index: 63, source }) = full else { panic!("{full:?}") };
    assert!(matches!(*source, TableError::Full { capacity: 64, .. }));
    assert_eq!((table.capacity(), table.len()), (2, 1));
    table.upsert_many(&batch[1..]).unwrap();
    assert_eq!((table.capacity(), table.len()), (64, 64));
}

#[test]
fn writers_that_evict_beside_each_other_keep_the_table_full_and_whole() {
    let Told { table, .. } = told(options(64));
    std::thread::scope(|s| {
        for thread in 0..4 {
            let table = &table;
            s.spawn(move || {
                for n in 0..5_000 {
                    table.upsert(&(thread * 100_000 + n), b"x").unwrap();
                    table.update(&(thread * 100_000 + n), b"y").ok();
                }
            });
        }
    });
    table.verify().unwrap();
    assert_eq!(table.len(), 64);
    assert_eq!(table.stats().evicted, 4 * 5_000 - 64);
}

/// Sets a flag, also if the test fails.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_hot_table_of_one_entry_makes_room_for_others() {
    let Told { table, .. } = told(options(1));
    table.upsert(&0, b"x").unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|s| {
        s.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                table.update(&0, b"again").ok();
            }
        });
        let _done = SetOnDrop(&done);
        for key in 1..200 {
            table.upsert(&key, b"x").unwrap();
            table.upsert(&0, b"x").unwrap();
        }
    });
}

#[test]
fn a_table_without_eviction_is_full_and_another_kind_is_refused() {
    let namespace = TempNamespace::new().unwrap();
    let (ns, name) = (Namespace::at(namespace.path()), test_name());
    let without = TableOptions::default().geometry(Geometry::default().capacity(1));
    let table = Table::<i32>::create(&ns, &name, &without).unwrap();
    table.add(&1, b"x").unwrap();
    assert!(matches!(table.add(&2, b"x"), Err(TableError::Full { .. })));
    let with = TableOptions::default()
        .geometry(Geometry::default().capacity(1).eviction(Eviction::LeastRecentlyWritten));
    let refused = Table::<i32>::open_or_create(&ns, &name, &with);
    assert!(matches!(refused, Err(TableOpenError::EvictionMismatch { .. })), "{refused:?}");
}

#[test]
fn an_entry_that_expires_goes_before_one_that_stays_also_right_after_a_search() {
    // Large, so that a search takes a while, and the next one would come late.
    const CAPACITY: i32 = 200_000;
    let mut options = options(CAPACITY as usize);
    options.geometry.expiry = Expiry::ByEntry;
    let Told { table, evicted, .. } = told(options);
    let entries: Vec<_> = (1..CAPACITY).map(|key| (key, b"stays")).collect();
    table.add_many(&entries).unwrap();
    let mut key = CAPACITY;
    let short = loop {
        let short = key;
        table.upsert_for(&short, b"goes", Duration::from_millis(6)).unwrap();
        let before = table.stats();
        // Searches, and evicts an entry, unless the entry has expired meanwhile.
        key += 1;
        table.add(&key, b"new").unwrap();
        if table.stats().expired == before.expired {
            break short;
        }
        key += 1;
    };
    while table.contains_key(&short).unwrap() {
        std::thread::yield_now();
    }
    let (before, told) = (table.stats(), evicted.lock().unwrap().len());
    table.add(&-1, b"new").unwrap();
    let after = table.stats();
    assert_eq!((after.expired, after.evicted), (before.expired + 1, before.evicted));
    assert_eq!(evicted.lock().unwrap().len(), told);
    assert_eq!(table.get_stale(&short).unwrap(), None);
}
