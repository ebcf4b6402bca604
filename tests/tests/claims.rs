//! Writers of present keys, which need no lock: beside each other, beside transactions and readers,
//! more of them than there are records, in forked children, and with handles that others drop.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use shm_core::Namespace;
use shm_tests::roles::{run, scenario};
use shm_tests::{TempNamespace, create, open, open_read_only, options, test_name};
use slotmap_shm::{Table, TableError, Value};

const WORKER: &str = env!("CARGO_BIN_EXE_shm-worker");
const RECORDS: usize = 116;

fn number(value: &Value) -> i64 {
    i64::from_le_bytes(value[..].try_into().unwrap())
}

fn zero() -> [u8; 8] {
    0i64.to_le_bytes()
}

#[test]
fn sums_are_exact_beside_batches_and_keys_that_come_and_go() {
    const ROUNDS: i64 = 20_000;
    const OTHERS: [i32; 2] = [100, 101];
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, 16, 8);
    for key in (0..=4).chain(OTHERS) {
        table.add(&key, zero()).unwrap();
    }
    let before = table.stats().writes;
    let (ended, others) = (&AtomicBool::new(false), &AtomicU64::new(0));
    let until_the_end = &|f: &(dyn Fn(i64) -> u64 + Sync)| {
        // At least once: on a busy machine the adders may be done before this one begins.
        for n in 1.. {
            others.fetch_add(f(n), Ordering::Relaxed);
            if ended.load(Ordering::Relaxed) {
                break;
            }
        }
    };
    let helpers: [&(dyn Fn(i64) -> u64 + Sync); 3] = [
        // Batches.
        &|n| {
            let entries = OTHERS.map(|key| (key, n.to_le_bytes()));
            table.update_many(&entries).unwrap();
            table.fetch_add(&OTHERS[0], 0).unwrap();
            let both = table.get_many(&OTHERS.each_ref()).unwrap();
            assert!(both.iter().all(|value| number(value.as_ref().unwrap()) == n));
            2
        },
        // Keys that come and go.
        &|_| {
            table.add(&200, b"new").unwrap();
            table.remove(&200).unwrap();
            2
        },
        // Batches that fail, and find claims in their way all the time.
        &|_| {
            let missing = table.update_many(&[(0, zero()), (1, zero()), (300, zero())]);
            assert!(matches!(missing, Err(TableError::InBatch { index: 2, .. })), "{missing:?}");
            0
        },
    ];
    std::thread::scope(|s| {
        let adders = (1..=4).map(|own| {
            let table = &table;
            s.spawn(move || {
                for n in 0..ROUNDS {
                    table.fetch_add(&0, 1).unwrap();
                    assert_eq!(table.fetch_add(&own, 3).unwrap(), 3 * n);
                }
            })
        });
        let adders: Vec<_> = adders.collect();
        for helper in helpers {
            s.spawn(move || until_the_end(helper));
        }
        let added: Vec<_> = adders.into_iter().map(|adder| adder.join()).collect();
        ended.store(true, Ordering::Relaxed);
        added.into_iter().for_each(|adder| adder.unwrap());
    });
    assert_eq!(table.fetch_add(&0, 0).unwrap(), 4 * ROUNDS);
    for own in 1..=4 {
        assert_eq!(number(&table.get(&own).unwrap().unwrap()), 3 * ROUNDS);
    }
    let writes = 8 * ROUNDS as u64 + others.load(Ordering::Relaxed) + 1;
    assert_eq!(table.stats().writes - before, writes);
    assert_eq!((table.len(), table.stats().recoveries), (7, 0));
    table.verify().unwrap();
}

/// `update_with` finds what a batch has committed before the batch has flipped it. And a batch may
/// name a key twice; it flips the slot once.
#[test]
fn no_change_is_lost_between_update_with_and_batches() {
    const ROUNDS: i64 = 5_000;
    const KEYS: i32 = 40;
    let namespace = TempNamespace::new().unwrap();
    let table = &create(&namespace, 64, 16);
    // A value is the number of a batch, and how often it was changed since the table was made.
    let value = |batch: i64, changes: i64| [batch.to_le_bytes(), changes.to_le_bytes()].concat();
    let parts = |value: &[u8]| {
        let (batch, changes) = value.split_at(8);
        [batch, changes].map(|part| i64::from_le_bytes(part.try_into().unwrap()))
    };
    for key in 0..KEYS {
        table.add(&key, value(0, 0)).unwrap();
    }
    let ended = &AtomicBool::new(false);
    std::thread::scope(|s| {
        s.spawn(move || {
            for batch in 1.. {
                let values = (0..KEYS).chain(0..KEYS).map(|key| (key, value(batch, 0)));
                let values: Vec<_> = values.collect();
                table.update_many(&values).unwrap();
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                // It drops what it has staged.
                let missing: Vec<_> = values.iter().cloned().chain([(99, value(0, 0))]).collect();
                assert!(matches!(table.update_many(&missing), Err(TableError::InBatch { .. })));
            }
        });
        let changers = [KEYS - 1, KEYS - 2].map(|key| {
            s.spawn(move || {
                let mut last = [0, 0];
                for _ in 0..ROUNDS {
                    let mut seen = [0, 0];
                    let changed = table.update_with(&key, |value| {
                        seen = parts(value);
                        value[8..].copy_from_slice(&(seen[1] + 1).to_le_bytes());
                    });
                    changed.unwrap();
                    // A batch that was seen is not undone, and a change is lost only to a batch.
                    assert!(seen[0] > last[0] || seen == last, "{last:?}, then {seen:?}");
                    last = [seen[0], seen[1] + 1];
                }
            })
        });
        let changed = changers.map(|changer| changer.join());
        ended.store(true, Ordering::Relaxed);
        changed.into_iter().for_each(|changed| changed.unwrap());
    });
    assert_eq!((table.len(), table.stats().recoveries), (KEYS as usize, 0));
    table.verify().unwrap();
}

/// A claim of a large value lasts as long as copying it, and its writer makes the next one at once.
/// Others that need the slot get through all the same.
#[test]
fn claims_without_a_pause_hold_nobody_up() {
    const LARGE: usize = 1 << 18;
    const KEYS: i32 = 3;
    let namespace = TempNamespace::new().unwrap();
    let table = &create(&namespace, 8, LARGE);
    let large = |n: u8| vec![n; LARGE];
    for key in 0..KEYS {
        table.add(&key, large(0)).unwrap();
    }
    let ended = &AtomicBool::new(false);
    std::thread::scope(|s| {
        let writers: [_; KEYS as usize] = std::array::from_fn(|key| {
            s.spawn(move || {
                let value = large(key as u8);
                let mut written = 0;
                while !ended.load(Ordering::Relaxed) {
                    table.upsert(&(key as i32), &value)?;
                    written += 1;
                }
                Ok::<_, TableError>(written)
            })
        });
        let calls = || {
            for round in 0..8 {
                table.update(&0, large(round))?;
                table.upsert_many(&[0, 1, 2].map(|key| (key, large(round))))?;
                table.upsert(&1, large(round))?;
                table.update_with(&1, |value| value.fill(round)).or_else(|error| match error {
                    // It competes with the writer for as long as it takes.
                    TableError::Contended { .. } => Ok(()),
                    error => Err(error),
                })?;
                table.clear()?;
                table.upsert_many(&[0, 1, 2].map(|key| (key, large(round))))?;
            }
            Ok::<_, TableError>(())
        };
        let called = calls();
        ended.store(true, Ordering::Relaxed);
        for writer in writers {
            assert!(writer.join().unwrap().unwrap() > 0);
        }
        called.unwrap();
    });
    assert_eq!(table.stats().recoveries, 0);
    table.verify().unwrap();
    // Nothing has closed claims: a thread without the lock writes.
    let before = table.segment().writes_by_records();
    table.update(&0, large(1)).unwrap();
    assert_eq!(table.segment().writes_by_records(), before + 1);
}

#[test]
fn more_threads_than_records() {
    const THREADS: usize = RECORDS + 7;
    let namespace = TempNamespace::new().unwrap();
    let table = &create(&namespace, THREADS, 8);
    for key in 0..THREADS {
        table.add(&(key as i32), zero()).unwrap();
    }
    let before = table.stats().writes;
    let all = &Barrier::new(THREADS + 1);
    std::thread::scope(|s| {
        for own in 0..THREADS {
            s.spawn(move || {
                let written = (0..200).try_for_each(|_| {
                    table.fetch_add(&(own as i32), 1)?;
                    table.fetch_add(&0, 1).map(drop)
                });
                // All are alive until all have written.
                all.wait();
                all.wait();
                written.unwrap();
            });
        }
        all.wait();
        let alive = table.segment().writers().iter().filter(|record| record.is_alive).count();
        all.wait();
        assert_eq!(alive, RECORDS);
    });
    for own in 1..THREADS {
        assert_eq!(number(&table.get(&(own as i32)).unwrap().unwrap()), 200);
    }
    assert_eq!(number(&table.get(&0).unwrap().unwrap()), 200 * (THREADS as i64 + 1));
    let by_records = table.segment().writes_by_records();
    let writes = 400 * THREADS as u64;
    assert_eq!(table.stats().writes - before, writes);
    assert!(by_records > 0 && by_records < writes, "{by_records} of {writes}");
    table.verify().unwrap();
}

#[test]
fn a_forked_child_writes_beside_its_parent() {
    let namespace = TempNamespace::new().unwrap();
    drop(create(&namespace, 16, 8));
    assert_eq!(run(scenario(WORKER, "fork-claims", namespace.path())), ["forked"]);
    let table = open(&namespace);
    assert_eq!((table.len(), table.stats().recoveries), (3, 0));
    table.verify().unwrap();
}

#[test]
fn handles_that_other_threads_drop() {
    const ROUNDS: i64 = 30;
    let namespace = TempNamespace::new().unwrap();
    create(&namespace, 16, 8).add(&1, zero()).unwrap();
    let reader = open_read_only(&namespace);
    let alive = || reader.segment().writers().iter().filter(|record| record.is_alive).count();
    for round in 0..ROUNDS {
        let table = open(&namespace);
        assert_eq!(table.fetch_add(&1, 1).unwrap(), 2 * round);
        assert_eq!(alive(), 1, "the registration of the handle before has ended");
        std::thread::scope(|s| {
            let dropped = s.spawn(move || {
                assert_eq!(table.fetch_add(&1, 1).unwrap(), 2 * round + 1);
                drop(table);
            });
            dropped.join().unwrap();
        });
        assert_eq!(alive(), 1, "a registration stays until its thread can end it");
    }
    // Locks of this thread, whose robust list had those records, go on.
    let table = open(&namespace);
    table.add(&2, zero()).unwrap();
    table.update(&2, zero()).unwrap();
    assert_eq!((alive(), table.stats().recoveries), (1, 0));
    drop(table);
    assert_eq!(alive(), 0);
    let table = open(&namespace);
    assert_eq!(table.fetch_add(&1, 0).unwrap(), 2 * ROUNDS);
    table.verify().unwrap();
}

/// One writer stores the same counter to one key and then to another. At no moment does the second
/// key have the newer one.
#[test]
fn several_keys_are_read_as_of_one_moment() {
    const FIRST: i32 = 7;
    const SECOND: i32 = 3;
    let namespace = TempNamespace::new().unwrap();
    let table = &create(&namespace, 64, 8);
    for key in 0..60 {
        table.add(&key, zero()).unwrap();
    }
    let (ended, written) = (&AtomicBool::new(false), &AtomicU64::new(0));
    let until_written = |n| {
        while written.load(Ordering::Relaxed) < n {
            std::thread::yield_now();
        }
    };
    std::thread::scope(|s| {
        let writer = s.spawn(|| {
            let table = open(&namespace);
            for n in 1i64.. {
                table.update(&FIRST, n.to_le_bytes()).unwrap();
                table.update(&SECOND, n.to_le_bytes()).unwrap();
                written.store(n as u64, Ordering::Relaxed);
                if ended.load(Ordering::Relaxed) {
                    return n;
                }
            }
            unreachable!("it was told to end");
        });
        let reader = open_read_only(&namespace);
        let in_order = |first: i64, second: i64| {
            assert!(first == second || first == second + 1, "{first}, then {second}");
        };
        let of_many = |values: Vec<Option<Value>>| {
            let [first, second] = [0, 1].map(|at| number(values[at].as_ref().unwrap()));
            in_order(first, second);
        };
        let of_entries = |entries: Vec<(i32, Value)>| {
            assert_eq!(entries.len(), 60);
            let of = |key| number(&entries.iter().find(|entry| entry.0 == key).unwrap().1);
            in_order(of(FIRST), of(SECOND));
        };
        let keys = [&FIRST, &SECOND];
        for round in 0..40 {
            until_written(10 * round);
            of_many(table.get_many(&keys).unwrap());
            // In the other order, too.
            let turned = table.get_many(&[&SECOND, &FIRST]).unwrap();
            of_many(turned.into_iter().rev().collect());
            of_entries(table.entries().unwrap());
        }
        // A handle that may not write may be overtaken; what it does return is of one moment.
        for _ in 0..2_000 {
            match reader.get_many(&keys) {
                Ok(values) => of_many(values),
                Err(TableError::Contended { .. }) => break,
                Err(error) => panic!("{error}"),
            }
        }
        ended.store(true, Ordering::Relaxed);
        assert!(writer.join().unwrap() >= 390);
        of_many(reader.get_many(&keys).unwrap());
    });
    table.verify().unwrap();
}

#[test]
fn what_needs_the_lock_takes_one_record_and_keeps_it() {
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    let table = Table::<i32>::open_or_create(&ns, &test_name(), &options(16, 8)).unwrap();
    table.add(&1, zero()).unwrap();
    let first = table.segment().writers();
    table.update_many(&[(1, zero())]).unwrap();
    table.remove(&1).unwrap();
    assert!(matches!(table.get(&1), Ok(None)));
    assert_eq!((first.len(), table.segment().writers()), (1, first));
}
