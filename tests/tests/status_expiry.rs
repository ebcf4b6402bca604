//! Status tables whose entries expire, go with their writer, or are evicted: what the facade passes
//! on, and what it refuses.

use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use shm_facade::{
    AnyKey, Error, Event, Eviction, Expiry, GeometryError, Namespace, Observer, ResultCode,
    StatusOptions, StatusReader, StatusTable, TableError, TableOpenError, TimeToLive, Upserted,
};
use shm_tests::{TempNamespace, WATCHDOG};

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(3);
const EVICTS: Eviction = Eviction::LeastRecentlyWritten;

fn options(namespace: &TempNamespace) -> StatusOptions {
    StatusOptions::default().namespace(Namespace::at(namespace.path())).capacity(4).value_size(16)
}

/// Waits until the reader does not find the key any more.
fn outlast(reader: &StatusReader, key: i32) {
    let start = std::time::Instant::now();
    while reader.contains(key).unwrap() {
        assert!(start.elapsed() < WATCHDOG, "it stays");
        std::thread::yield_now();
    }
}

#[test]
fn a_status_table_with_expiry_forgets() {
    let namespace = TempNamespace::new().unwrap();
    let options = options(&namespace).expiry(Expiry::ByEntry);
    let table = StatusTable::open_or_create_with("status", &options).unwrap();
    let reader = StatusReader::open_read_only_with("status", &options).unwrap();
    assert_eq!(
        (table.geometry().expiry, reader.geometry().eviction),
        (Expiry::ByEntry, Eviction::Never)
    );
    assert_eq!(table.upsert_for(1, "one", LONG).unwrap(), Upserted::Inserted);
    let left = |key| match reader.ttl(key).unwrap() {
        Some(TimeToLive::For(left)) => left,
        other => panic!("{other:?}"),
    };
    assert!(left(1) <= LONG && left(1) > LONG / 2);
    table.touch(1, 3 * LONG).unwrap();
    assert!(left(1) > LONG);
    assert_eq!(table.upsert(1, "for ever").unwrap(), Upserted::Updated);
    assert_eq!((reader.ttl(1).unwrap(), reader.ttl(2).unwrap()), (Some(TimeToLive::ForEver), None));

    table.upsert_for(1, "brief", SHORT).unwrap();
    outlast(&reader, 1);
    assert_eq!((reader.get(1).unwrap(), reader.ttl(1).unwrap(), reader.len()), (None, None, 1));
    assert_eq!(reader.get_stale(1).unwrap().as_deref(), Some(&b"brief"[..]));
    let gone = table.touch(1, LONG).unwrap_err();
    assert_eq!(gone.code(), ResultCode::NotFound, "{gone}");
    assert_eq!(table.expire(1).unwrap() + table.expire(usize::MAX).unwrap(), 5);
    assert_eq!((reader.get_stale(1).unwrap(), reader.len()), (None, 0));
    assert_eq!(table.stats().expired, 1);
}

#[test]
fn a_default_time_to_live_applies() {
    let namespace = TempNamespace::new().unwrap();
    let options = options(&namespace).expiry(Expiry::After(SHORT));
    let table = StatusTable::create_with("status", &options).unwrap();
    let reader = StatusReader::open_read_only_with("status", &options).unwrap();
    table.add(1, "one").unwrap();
    table.upsert_for(2, "two", LONG).unwrap();
    outlast(&reader, 1);
    assert!(reader.contains(2).unwrap());
}

#[test]
fn ephemeral_entries_go_with_their_thread() {
    let namespace = TempNamespace::new().unwrap();
    let options = options(&namespace).expiry(Expiry::ByEntry);
    let table = StatusTable::create_with("status", &options).unwrap();
    let reader = StatusReader::open_read_only_with("status", &options).unwrap();
    std::thread::scope(|s| {
        s.spawn(|| {
            table.add_ephemeral(1, "here").unwrap();
            assert_eq!(reader.ttl(1).unwrap(), Some(TimeToLive::Ephemeral));
            let twice = table.add_ephemeral(1, "x").unwrap_err();
            assert_eq!(twice.code(), ResultCode::DuplicateKey, "{twice}");
        });
    });
    outlast(&reader, 1);
    table.add(1, "next").unwrap();
}

#[test]
fn a_thread_without_a_record_adds_nothing_ephemeral() {
    let namespace = TempNamespace::new().unwrap();
    let options = options(&namespace).capacity(300).expiry(Expiry::ByEntry);
    let table = StatusTable::create_with("status", &options).unwrap();
    // More threads than a table has records.
    let (refused, all, over) = (Mutex::new(Vec::new()), Barrier::new(200), Barrier::new(201));
    std::thread::scope(|s| {
        for key in 0..200 {
            let (table, refused, all, over) = (&table, &refused, &all, &over);
            s.spawn(move || {
                if let Err(error) = table.add_ephemeral(key, "x") {
                    refused.lock().unwrap().push((key, error));
                }
                all.wait();
                over.wait();
            });
        }
        over.wait();
    });
    let refused = refused.into_inner().unwrap();
    assert!(!refused.is_empty() && refused.len() < 200, "{}", refused.len());
    for (key, error) in refused {
        assert!(matches!(error, Error::Table(TableError::NotRegistered)), "{error:?}");
        assert_eq!(error.code(), ResultCode::NoSpace);
        assert_eq!(table.get_stale(key).unwrap(), None, "nothing was changed");
    }
}

#[test]
fn a_full_status_table_evicts_and_tells_its_observer() {
    let namespace = TempNamespace::new().unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let to = Arc::clone(&told);
    let options = options(&namespace).eviction(EVICTS).observer(Observer::new(move |event| {
        if let Event::Evicted { key, value } = event {
            to.lock().unwrap().push((key.clone(), value.to_vec()));
        }
    }));
    let table = StatusTable::create_with("status", &options).unwrap();
    for key in 1..=6 {
        table.add(key, [key as u8]).unwrap();
    }
    assert_eq!((table.len(), table.stats().evicted), (4, 2));
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 2);
    for (key, value) in told.iter() {
        let &AnyKey::Signed(number) = key else { panic!("{key}") };
        assert_eq!((value, table.contains(number as i32).unwrap()), (&vec![number as u8], false));
    }
}

#[test]
fn what_a_table_without_expiry_cannot_do_is_refused() {
    let namespace = TempNamespace::new().unwrap();
    let options = options(&namespace);
    let table = StatusTable::create_with("status", &options).unwrap();
    table.add(1, "stays").unwrap();
    let refused = [
        table.upsert_for(1, "x", LONG).map(drop),
        table.touch(1, LONG),
        table.add_ephemeral(2, "x"),
    ];
    for result in refused {
        assert!(matches!(result, Err(Error::Table(TableError::NoExpiry))), "{result:?}");
    }
    assert_eq!(table.ttl(1).unwrap(), Some(TimeToLive::ForEver));
    assert_eq!(table.get_stale(1).unwrap().as_deref(), Some(&b"stays"[..]));
    assert_eq!((table.expire(usize::MAX).unwrap(), table.len()), (0, 1));
}

#[test]
fn impossible_times_are_refused() {
    let namespace = TempNamespace::new().unwrap();
    let options = options(&namespace).expiry(Expiry::ByEntry);
    let table = StatusTable::create_with("status", &options).unwrap();
    table.add(1, "stays").unwrap();
    for ttl in [Duration::ZERO, Duration::MAX] {
        for result in [table.upsert_for(1, "x", ttl).map(drop), table.touch(1, ttl)] {
            let Err(Error::Table(TableError::TimeToLive(GeometryError::TimeToLive {
                ttl: found,
                ..
            }))) = result
            else {
                panic!("{result:?}")
            };
            assert_eq!(found, ttl);
        }
        let after = options.clone().expiry(Expiry::After(ttl));
        let error = StatusTable::create_with("other", &after).unwrap_err();
        assert_eq!(error.code(), ResultCode::Invalid, "{error}");
        let Error::OpenTable(TableOpenError::Geometry(_)) = error else { panic!("{error:?}") };
    }
    assert_eq!(table.get(1).unwrap().as_deref(), Some(&b"stays"[..]));
    assert_eq!(namespace.files().unwrap(), ["shmap.status.table"]);
}

#[test]
fn a_table_with_other_expiry_or_eviction_is_not_handed_out() {
    let namespace = TempNamespace::new().unwrap();
    let (by_entry, after) = (Expiry::ByEntry, Expiry::After(LONG));
    let made = options(&namespace).expiry(after).eviction(EVICTS);
    let check = || {
        for asked in [Expiry::Never, by_entry, Expiry::After(SHORT)] {
            let options = made.clone().expiry(asked);
            for error in [
                StatusTable::open_or_create_with("status", &options).unwrap_err(),
                StatusTable::instance_with("status", &options).unwrap_err(),
            ] {
                assert_eq!(error.code(), ResultCode::Mismatch, "{error}");
                let Error::OpenTable(TableOpenError::ExpiryMismatch { found, expected, .. }) =
                    error
                else {
                    panic!("{error:?}")
                };
                assert_eq!((found, expected), (after, asked));
            }
        }
        let options = made.clone().eviction(Eviction::Never);
        for error in [
            StatusTable::open_or_create_with("status", &options).unwrap_err(),
            StatusTable::instance_with("status", &options).unwrap_err(),
        ] {
            assert_eq!(error.code(), ResultCode::Mismatch, "{error}");
            let Error::OpenTable(TableOpenError::EvictionMismatch { found, expected, .. }) = error
            else {
                panic!("{error:?}")
            };
            assert_eq!((found, expected), (EVICTS, Eviction::Never));
        }
    };
    let table = StatusTable::create_with("status", &made).unwrap();
    check();
    drop(table);
    // Also if this process has an instance of the table.
    let instance = StatusTable::instance_with("status", &made).unwrap();
    check();
    // `open` takes any table.
    let opened = StatusTable::open_with("status", &options(&namespace)).unwrap();
    assert_eq!(opened.geometry(), instance.geometry());
}
