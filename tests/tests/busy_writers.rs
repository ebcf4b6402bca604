//! Reading many entries, or a large one, beside writers that do not pause.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use shm_core::Namespace;
use shm_facade::{Access, ReadOptions, StatusOptions, StatusTable};
use shm_tests::patch;
use shm_tests::random::Random;
use shm_tests::{TempNamespace, WATCHDOG, options, test_name};
use slotmap_shm::{Table, TableError, TableOptions, TableReader, Value};

const KEYS: i32 = 20_000;
const EACH: i64 = 1000;

fn value(amount: i64) -> [u8; 64] {
    let mut value = [0; 64];
    value.as_chunks_mut::<8>().0.fill(amount.to_le_bytes());
    value
}

/// The amount in a value, which is written eight times.
fn amount(bytes: &[u8]) -> i64 {
    let amount = i64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert_eq!(bytes, value(amount), "a torn value");
    amount
}

fn sum(entries: &[(i32, Value)]) -> i64 {
    entries.iter().map(|(_, value)| amount(value)).sum()
}

struct Bank {
    namespace: TempNamespace,
    table: Table<i32>,
}

impl Bank {
    fn new(keys: i32) -> Self {
        let namespace = TempNamespace::new().unwrap();
        let ns = Namespace::at(namespace.path());
        let table = Table::create(&ns, &test_name(), &options(keys as usize, 64)).unwrap();
        let entries: Vec<(i32, [u8; 64])> = (0..keys).map(|key| (key, value(EACH))).collect();
        table.add_many(&entries).unwrap();
        Self { namespace, table }
    }

    fn reader(&self, read_timeout: Duration) -> TableReader<i32> {
        let options = ReadOptions::default().read_timeout(Some(read_timeout));
        let ns = Namespace::at(self.namespace.path());
        TableReader::open_read_only(&ns, &test_name(), &options).unwrap()
    }

    /// Moves amounts from key to key, two in each batch, while `read` runs; the sum stays.
    fn beside_writers<R>(&self, pause: Duration, read: impl FnOnce() -> R) -> R {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for writer in 0..2 {
                let stop = &stop;
                let ns = Namespace::at(self.namespace.path());
                scope.spawn(move || {
                    let table =
                        Table::<i32>::open(&ns, &test_name(), &TableOptions::default()).unwrap();
                    let mut random = Random::new(writer);
                    // Each writer has its own half of the keys, so that it knows what is there.
                    let half = table.capacity() as u64 / 2;
                    let mut amounts = vec![EACH; half as usize];
                    while !stop.load(Ordering::Relaxed) {
                        let (from, to) = (random.below(half), random.below(half));
                        amounts[from as usize] -= 1;
                        amounts[to as usize] += 1;
                        let member =
                            |at: u64| ((writer * half + at) as i32, value(amounts[at as usize]));
                        table.update_many(&[member(from), member(to)]).unwrap();
                        if !pause.is_zero() {
                            thread::sleep(pause);
                        }
                    }
                });
            }
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(read));
            stop.store(true, Ordering::Relaxed);
            result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

#[test]
fn whoever_may_write_lists_as_of_one_moment() {
    let bank = Bank::new(KEYS);
    let expected = i64::from(KEYS) * EACH;
    let ns = Namespace::at(bank.namespace.path());
    let status = StatusOptions::default().namespace(ns);
    let status = StatusTable::open_with(test_name().as_str(), &status).unwrap();
    let keys: Vec<i32> = (0..KEYS).collect();
    let torn = bank.beside_writers(Duration::ZERO, || {
        for _ in 0..5 {
            assert_eq!(sum(&bank.table.entries().unwrap()), expected);
            assert_eq!(sum(&status.entries().unwrap()), expected);
            let values = status.batch_get(&keys).unwrap();
            assert_eq!(values.iter().map(|v| amount(v.as_ref().unwrap())).sum::<i64>(), expected);
            let listing = status.listing().unwrap();
            assert!(listing.one_moment && listing.damaged == 0);
            assert_eq!(sum(&listing.entries), expected);
        }
        // Control: entries that are read one by one do show that they are of different moments.
        (0..50).filter(|_| sum(&bank.table.entries_one_by_one().unwrap()) != expected).count()
    });
    assert!(torn > 0, "the sums would not have told");
    bank.table.verify().unwrap();
}

#[test]
fn who_may_only_read_gets_whole_entries_or_hears_how_long_it_tried() {
    let bank = Bank::new(KEYS);
    let limit = Duration::from_micros(100);
    let reader = bank.reader(limit);
    let keys: Vec<i32> = (0..KEYS).collect();
    bank.beside_writers(Duration::ZERO, || {
        let mut gave_up = 0;
        for round in 0..1000 {
            if round >= 10 && gave_up > 0 {
                break;
            }
            match reader.entries() {
                Ok(entries) => assert_eq!(sum(&entries), i64::from(KEYS) * EACH),
                Err(TableError::Contended { waited }) => {
                    assert!(waited >= limit, "{waited:?}");
                    gave_up += 1;
                }
                Err(other) => panic!("{other:?}"),
            }
            match reader.get_many(&keys) {
                Ok(values) => assert_eq!(values.iter().flatten().count(), KEYS as usize),
                Err(TableError::Contended { waited }) => assert!(waited >= limit, "{waited:?}"),
                Err(other) => panic!("{other:?}"),
            }
            let listing = reader.listing().unwrap();
            assert_eq!(listing.entries.len(), KEYS as usize);
            let whole = sum(&listing.entries) == i64::from(KEYS) * EACH;
            assert!(whole || !listing.one_moment);
            let entries = reader.entries_one_by_one().unwrap();
            assert_eq!(entries.len(), KEYS as usize);
            entries.iter().for_each(|(_, value)| _ = amount(value));
        }
        assert!(gave_up > 0, "the writers did pause");
    });
}

#[test]
fn a_large_listing_beside_fifty_writes_a_second_is_of_one_moment() {
    let bank = Bank::new(300_000);
    let reader = bank.reader(Duration::from_secs(60));
    bank.beside_writers(Duration::from_millis(40), || {
        for _ in 0..3 {
            assert_eq!(sum(&reader.entries().unwrap()), 300_000 * EACH);
        }
    });
}

#[test]
fn entries_that_come_and_go_are_listed_as_of_one_moment() {
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    let table = Table::<str>::create(&ns, &test_name(), &options(5000, 100)).unwrap();
    let pair = |n: u64| [format!("left {n}"), format!("right {n}")];
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random::new(1);
            let mut there = std::collections::HashSet::new();
            while !stop.load(Ordering::Relaxed) {
                let n = random.below(2000);
                let [left, right] = pair(n);
                let long = [n as u8; 100];
                if there.remove(&n) {
                    table.remove_many(&[&*left, &*right]).unwrap();
                } else if there.insert(n) {
                    table.add_many(&[(&*left, &long[..]), (&*right, &long[..])]).unwrap();
                }
            }
        });
        for _ in 0..100 {
            let entries = table.entries().unwrap();
            let keys: std::collections::HashSet<&str> =
                entries.iter().map(|(key, _)| &**key).collect();
            assert_eq!(keys.len(), entries.len());
            for key in &keys {
                let (side, n) = key.split_once(' ').unwrap();
                let other = if side == "left" { "right" } else { "left" };
                assert!(keys.contains(&*format!("{other} {n}")), "{key} alone");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

/// Gets one value again and again beside a writer of the same key that does not pause.
/// Returns how long the longest took, and how many were given up.
fn get_beside_its_writer(
    size: usize,
    rounds: usize,
    get: Get,
    read_only: bool,
) -> (Duration, usize) {
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    let table = Table::<i32>::create(&ns, &test_name(), &options(1, size)).unwrap();
    table.add(&1, vec![0; size]).unwrap();
    let (name, default) = (test_name(), TableOptions::default());
    let reader = TableReader::open_read_only(&ns, &name, &ReadOptions::default()).unwrap();
    let other = Table::<i32>::open(&ns, &name, &default).unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let values = [vec![1; size], vec![2; size], vec![3; size]];
            for value in values.iter().cycle() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                table.update(&1, value).unwrap();
            }
        });
        let (mut longest, mut gave_up) = (Duration::ZERO, 0);
        let mut buffer = vec![0; size];
        let outcome = (0..rounds).try_for_each(|_| {
            let start = Instant::now();
            let got = match read_only {
                true => get.call(&reader, &mut buffer),
                false => get.call(&other, &mut buffer),
            };
            match got {
                Ok(len) => {
                    let whole = len == size && buffer.iter().all(|&byte| byte == buffer[0]);
                    if !whole {
                        return ControlFlow::Break("a torn value".to_owned());
                    }
                }
                Err(TableError::Contended { waited }) if read_only => {
                    gave_up += 1;
                    if waited < Duration::from_secs(1) {
                        return ControlFlow::Break(format!("gave up after {waited:?}"));
                    }
                }
                Err(other) => return ControlFlow::Break(format!("{other:?}")),
            }
            longest = longest.max(start.elapsed());
            ControlFlow::Continue(())
        });
        stop.store(true, Ordering::Relaxed);
        assert_eq!(outcome, ControlFlow::Continue(()));
        (longest, gave_up)
    })
}

/// A way to get a value.
#[derive(Clone, Copy, Debug)]
enum Get {
    Owned,
    Into,
}

impl Get {
    fn call(self, table: &Table<i32, impl Access>, buffer: &mut [u8]) -> Result<usize, TableError> {
        match self {
            Self::Owned => {
                let value = table.get(&1)?.expect("the key is there");
                buffer[..value.len()].copy_from_slice(&value);
                Ok(value.len())
            }
            Self::Into => Ok(table.get_into(&1, buffer)?.expect("the key is there")),
        }
    }
}

#[test]
fn a_large_value_is_read_beside_the_writer_of_its_key() {
    for size in [4 << 20, 16 << 20] {
        for read in [Get::Owned, Get::Into] {
            for read_only in [false, true] {
                let rounds = if size == 4 << 20 { 100 } else { 30 };
                let (longest, gave_up) = get_beside_its_writer(size, rounds, read, read_only);
                let handle = if read_only { "read-only" } else { "writable" };
                println!(
                    "{read:?} of {} MiB, {handle}: longest {longest:?}, gave up {gave_up} of {rounds}",
                    size >> 20
                );
            }
        }
    }
}

/// A slot is zeroed while the table is open. A collection that takes the lock ends all the same,
/// and leaves the lock to others.
#[test]
fn a_collection_ends_beside_a_zeroed_slot() {
    use std::os::unix::fs::FileExt;
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    let options = options(20_000, 8);
    let table = Arc::new(Table::<i32>::create(&ns, &test_name(), &options).unwrap());
    for key in 0..10_000 {
        table.add(&key, [0; 8]).unwrap();
    }
    // The last slot was never used: both of its version words are 5.
    let words = table.segment().words();
    let last = (0..words.len() - 1)
        .rev()
        .find(|&at| [at, at + 1].map(|at| words.load(at, shm_core::Ordering::Relaxed)) == [5, 5]);
    let file = std::fs::File::options().write(true).open(table.segment().path()).unwrap();
    file.write_all_at(&[0; 16], patch::TABLE_BODY + 8 * last.unwrap() as u64).unwrap();
    let ended = Arc::new(AtomicBool::new(false));
    let (begun, writes) = std::sync::mpsc::sync_channel(0);
    let writers = [0, 1].map(|first| {
        let (table, ended, written) = (Arc::clone(&table), Arc::clone(&ended), begun.clone());
        thread::spawn(move || {
            for key in (first..10_000).step_by(2).cycle() {
                table.update(&key, [1; 8]).unwrap();
                let _ = written.try_send(());
                if ended.load(Ordering::Relaxed) {
                    break;
                }
            }
        })
    });
    let (send, receive) = std::sync::mpsc::channel();
    {
        let table = Arc::clone(&table);
        thread::spawn(move || {
            (0..2).for_each(|_| writes.recv().unwrap());
            let listings = [(); 20].map(|()| table.listing().unwrap());
            let _ = send.send(listings.map(|listing| (listing.entries.len(), listing.damaged)));
        });
    }
    let listings = receive.recv_timeout(WATCHDOG).expect("the collection does not end");
    ended.store(true, Ordering::Relaxed);
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert_eq!(listings, [(10_000, 1); 20]);
}
