//! Input that does not fit is a typed error with its data, and changes nothing.

use shm_core::Namespace;
use shm_facade::{Error, KeyKind, ReadOptions, ResultCode, StatusOptions, StatusTable, TypedKey};
use shm_tests::{TempNamespace, create, open, options, test_name};
use slotmap_shm::{
    AnyKey, Geometry, GeometryError, Table, TableError, TableOpenError, TableOptions, TableReader,
    Upserted,
};

const CAPACITY: usize = 4;
const VALUE_SIZE: usize = 12;

/// A table with the keys 0 to 2; one entry more fits.
fn nearly_full() -> (TempNamespace, Table<i32>) {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, CAPACITY, VALUE_SIZE);
    for key in 0..3 {
        table.add(&key, format!("old {key}").as_bytes()).unwrap();
    }
    (namespace, table)
}

fn contents(table: &Table<i32>) -> Vec<(i32, Vec<u8>)> {
    let mut entries: Vec<_> =
        table.entries().unwrap().into_iter().map(|(k, v)| (k, v.into())).collect();
    entries.sort();
    entries
}

/// Runs `f`, which must fail, and checks that it changed nothing.
fn changes_nothing<T>(
    table: &Table<i32>,
    f: impl FnOnce(&Table<i32>) -> Result<T, TableError>,
) -> TableError {
    let before = (contents(table), table.stats());
    let Err(error) = f(table) else { panic!("succeeded") };
    assert_eq!((contents(table), table.stats()), before, "after {error:?}");
    table.verify().unwrap();
    error
}

macro_rules! fails_with {
    ($table:expr, $call:expr, $pattern:pat $(if $guard:expr)?) => {
        let error = changes_nothing($table, $call);
        assert!(matches!(error, $pattern $(if $guard)?), "{error:?}");
    };
}

const KEY_1: AnyKey = AnyKey::Signed(1);
const KEY_2: AnyKey = AnyKey::Signed(2);
const KEY_9: AnyKey = AnyKey::Signed(9);

#[test]
fn duplicate_and_missing_keys_are_named() {
    let (_namespace, table) = nearly_full();
    fails_with!(&table, |t| t.add(&1, b"new"), TableError::DuplicateKey { key: KEY_1 });
    fails_with!(&table, |t| t.update(&9, b"new"), TableError::NotFound { key: KEY_9 });
    fails_with!(&table, |t| t.remove(&9), TableError::NotFound { key: KEY_9 });
    fails_with!(&table, |t| t.update_with(&9, |_| ()), TableError::NotFound { key: KEY_9 });
    fails_with!(&table, |t| t.fetch_add(&9, 1), TableError::NotFound { key: KEY_9 });
    fails_with!(&table, |t| t.compare_exchange(&9, b"", b""), TableError::NotFound { key: KEY_9 });
}

#[test]
fn a_value_too_large_is_refused_and_one_of_the_exact_size_is_not() {
    let (_namespace, table) = nearly_full();
    let (fits, long) = ([0xFF; VALUE_SIZE], [0; VALUE_SIZE + 1]);
    let is_too_large = |e: &TableError| matches!(e, TableError::ValueTooLarge { len, max, .. } if (*len, *max) == (13, 12));
    fails_with!(&table, |t| t.add(&9, long), ref e if is_too_large(e));
    fails_with!(&table, |t| t.update(&1, long), ref e if is_too_large(e));
    fails_with!(&table, |t| t.upsert(&1, long), ref e if is_too_large(e));
    fails_with!(&table, |t| t.update_with(&1, |v| v.resize(13, 0)), ref e if is_too_large(e));
    fails_with!(&table, |t| t.compare_exchange(&1, b"old 1", long), ref e if is_too_large(e));
    for value in [&fits[..], b"", b"\0", b"a\0b\0\0", &[0; VALUE_SIZE]] {
        assert_eq!(table.upsert(&1, value).unwrap(), Upserted::Updated);
        assert_eq!(table.get(&1).unwrap().unwrap(), value);
        let mut buffer = [7; VALUE_SIZE];
        assert_eq!(table.get_into(&1, &mut buffer).unwrap(), Some(value.len()));
        assert_eq!(buffer[..value.len()], *value);
        assert!(buffer[value.len()..].iter().all(|&b| b == 7), "beyond the value");
    }
    let mut short = [0; VALUE_SIZE - 1];
    let error = table.get_into(&1, &mut short).unwrap_err();
    assert!(
        matches!(error, TableError::BufferTooSmall { key: KEY_1, len: 11, needed: 12 }),
        "{error:?}"
    );
}

#[test]
fn exactly_capacity_entries_fit() {
    for capacity in [1, 2, 3, 7, 8, 9, 100, 1024] {
        let namespace = TempNamespace::new().unwrap();
        let table = create(&namespace, capacity, 8);
        for round in 0..3i32 {
            for key in 0..capacity as i32 {
                table.add(&(key * 7 + round), key.to_le_bytes()).unwrap();
            }
            fails_with!(&table, |t| t.add(&-1, b""), TableError::Full { capacity: c, .. } if c == capacity);
            fails_with!(&table, |t| t.upsert(&-1, b""), TableError::Full { .. });
            // What is there can still be replaced.
            table.upsert(&round, b"again").unwrap();
            assert_eq!((table.len(), table.stats().free), (capacity, 0));
            if round == 1 {
                table.clear().unwrap();
            } else {
                (0..capacity as i32).for_each(|key| table.remove(&(key * 7 + round)).unwrap());
            }
            assert!(table.is_empty() && table.entries().unwrap().is_empty());
        }
    }
}

#[test]
fn no_value_bytes_at_all_make_a_set() {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, 3, 0);
    table.add(&1, b"").unwrap();
    assert_eq!(table.get(&1).unwrap().unwrap(), b"");
    fails_with!(
        &table,
        |t| t.add(&2, b"x"),
        TableError::ValueTooLarge { key: KEY_2, len: 1, max: 0 }
    );
    assert!(table.contains_key(&1).unwrap() && !table.contains_key(&2).unwrap());
}

#[test]
fn read_modify_write_of_the_wrong_value_is_refused() {
    let (_namespace, table) = nearly_full();
    fails_with!(&table, |t| t.fetch_add(&1, 1), TableError::NotACounter { key: KEY_1, len: 5 });
    fails_with!(
        &table,
        |t| t.compare_exchange(&1, b"old 2", b"new"),
        TableError::Mismatch { key: KEY_1, ref found } if found.as_bytes() == b"old 1"
    );
    table.update(&1, i64::MAX.to_le_bytes()).unwrap();
    assert_eq!(table.fetch_add(&1, 1).unwrap(), i64::MAX);
    assert_eq!(table.get(&1).unwrap().unwrap(), &i64::MIN.to_le_bytes()[..]);
}

/// A batch of good members with the bad one at its start, in its middle or at its end.
fn with_bad<T: Clone>(good: &[T], bad: T) -> Vec<(usize, Vec<T>)> {
    [0, good.len() / 2, good.len()]
        .into_iter()
        .map(|at| {
            let mut batch = good.to_vec();
            batch.insert(at, bad.clone());
            (at, batch)
        })
        .collect()
}

type Entry = (i32, Vec<u8>);
type Batch = fn(&Table<i32>, &[Entry]) -> Result<(), TableError>;
/// Name, batch, good members, a bad one, and what is wrong with it.
type Case = (&'static str, Batch, Vec<Entry>, Entry, TableError);

#[test]
fn a_batch_with_one_bad_member_does_nothing() {
    let (_namespace, table) = nearly_full();
    let add: Batch = |t, list| t.add_many(list);
    let update: Batch = |t, list| t.update_many(list);
    let upsert: Batch = |t, list| t.upsert_many(list);
    let remove: Batch = |t, list| t.remove_many(&list.iter().map(|e| e.0).collect::<Vec<_>>());
    let long = vec![0; VALUE_SIZE + 1];
    let new = |keys: &[i32]| keys.iter().map(|&k| (k, b"new".to_vec())).collect::<Vec<_>>();
    let too_large = TableError::ValueTooLarge { key: KEY_1, len: 13, max: 12 };
    let missing = || TableError::NotFound { key: KEY_9 };
    let duplicate = TableError::DuplicateKey { key: KEY_1 };
    let cases: [Case; 4] = [
        ("add", add, new(&[10]), (1, b"new".to_vec()), duplicate),
        ("update", update, new(&[0, 2]), (9, b"new".to_vec()), missing()),
        ("remove", remove, new(&[0, 2]), (9, Vec::new()), missing()),
        ("update", update, new(&[0, 2]), (1, long.clone()), too_large),
    ];
    for (name, batch, good, bad, expected) in &cases {
        for (at, list) in with_bad(good, bad.clone()) {
            let error = changes_nothing(&table, |t| batch(t, &list));
            let TableError::InBatch { index, source } = error else { panic!("{name}: {error:?}") };
            assert_eq!((index, format!("{source:?}")), (at, format!("{expected:?}")), "{name}");
        }
    }
    for (at, list) in with_bad(&new(&[0, 2]), (1, long)) {
        for batch in [add, upsert] {
            fails_with!(&table, |t| batch(t, &list), TableError::InBatch { index, .. } if index == at);
        }
    }
    // One entry too many: the first new one fits, the second does not.
    for batch in [add, upsert] {
        fails_with!(
            &table,
            |t| batch(t, &new(&[10, 11])),
            TableError::InBatch { index: 1, ref source }
                if matches!(**source, TableError::Full { capacity: CAPACITY, .. })
        );
    }
    // A key named twice.
    for (batch, keys, at) in [(add, &[10, 10][..], 1), (remove, &[1, 0, 1], 2)] {
        fails_with!(
            &table,
            |t| batch(t, &new(keys)),
            TableError::InBatch { index, ref source }
                if index == at && matches!(**source, TableError::NamedTwice { .. })
        );
    }
    // The same batches without the bad member work.
    cases[..3].iter().for_each(|(_, batch, good, ..)| batch(&table, good).unwrap());
    assert_eq!(contents(&table), [(1, b"old 1".to_vec()), (10, b"new".to_vec())]);
}

#[test]
fn an_empty_batch_is_no_write() {
    let (_namespace, table) = nearly_full();
    let before = table.stats();
    table.add_many::<i32, Vec<u8>>(&[]).unwrap();
    table.update_many::<i32, Vec<u8>>(&[]).unwrap();
    table.upsert_many::<i32, Vec<u8>>(&[]).unwrap();
    table.remove_many::<i32>(&[]).unwrap();
    assert_eq!(table.get_many::<i32>(&[]).unwrap(), []);
    assert_eq!(table.stats(), before);
}

#[test]
fn string_keys_up_to_the_key_size() {
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    let geometry = Geometry::default().capacity(8).value_size(8).key_size(9);
    let options = TableOptions::default().geometry(geometry);
    let table = Table::<str>::create(&ns, &test_name(), &options).unwrap();
    for key in ["", "\0", "\0\0", "a", "a\0", "红红红", "123456789"] {
        table.add(key, key.as_bytes().get(..8).unwrap_or(key.as_bytes())).unwrap();
    }
    assert!(
        table.get("a\0").unwrap().unwrap() == b"a\0" && table.get("a").unwrap().unwrap() == b"a"
    );
    let long = "0123456789";
    let is_too_long = |e: &TableError| matches!(e, TableError::KeyTooLong { len: 10, max: 9, .. });
    let before = table.stats();
    assert!(is_too_long(&table.add(long, b"").unwrap_err()));
    assert!(is_too_long(&table.get(long).unwrap_err()));
    assert!(is_too_long(&table.remove(long).unwrap_err()));
    assert!(is_too_long(&table.update_with(long, |_| ()).unwrap_err()));
    for (at, list) in with_bad(&[("a", "1"), ("\0", "2")], (long, "3")) {
        let error = table.upsert_many(&list).unwrap_err();
        let TableError::InBatch { index, source } = error else { panic!("{error:?}") };
        assert!(index == at && is_too_long(&source));
    }
    assert_eq!(table.stats(), before);
    table.verify().unwrap();
    let error = table.update("b", b"").unwrap_err();
    assert!(matches!(&error, TableError::NotFound { key: AnyKey::Bytes(b) } if **b == *b"b"));
}

/// MIN, MAX and their neighbours are keys like any other.
fn extremes<K: TypedKey<Owned = K> + Copy + PartialEq + std::fmt::Debug>(keys: &[K]) {
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    let table = Table::<K>::create(&ns, &test_name(), &options(keys.len(), 8)).unwrap();
    for (at, key) in keys.iter().enumerate() {
        table.add(key, at.to_le_bytes()).unwrap();
    }
    let reader =
        TableReader::<K>::open_read_only(&ns, &test_name(), &ReadOptions::default()).unwrap();
    for (at, key) in keys.iter().enumerate() {
        assert_eq!(reader.get(key).unwrap().unwrap(), &at.to_le_bytes()[..], "{key:?}");
        assert!(reader.iter().any(|entry| entry.unwrap().0 == *key));
    }
    table.remove_many(keys).unwrap();
    table.verify().unwrap();
}

#[test]
fn the_ends_of_every_integer_type_are_keys() {
    macro_rules! ends {
        ($($t:ty),*) => {
            $(extremes::<$t>(&[<$t>::MIN, <$t>::MIN + 1, <$t>::MAX / 2, <$t>::MAX - 1, <$t>::MAX]);)*
        };
    }
    ends!(i8, i16, i32, i64, u8, u16, u32, u64);
}

#[test]
fn another_key_type_or_geometry_is_refused_by_name() {
    let (namespace, table) = nearly_full();
    let ns = Namespace::at(namespace.path());
    let same = options(CAPACITY, VALUE_SIZE);
    let error = Table::<i64>::open(&ns, &test_name(), &same).unwrap_err();
    let TableOpenError::KeyKind { found, expected, .. } = error else { panic!("{error:?}") };
    assert_eq!((found, expected), (KeyKind::I32, KeyKind::I64));
    let opened =
        TableReader::<str>::open_read_only(&ns, &test_name(), &shm_tests::reading(&same)).map(drop);
    assert!(matches!(opened, Err(TableOpenError::KeyKind { .. })));
    let made = Table::<u32>::open_or_create(&ns, &test_name(), &same).map(drop);
    assert!(matches!(made, Err(TableOpenError::KeyKind { .. })));

    let other = |capacity, value_size| {
        Table::<i32>::open_or_create(&ns, &test_name(), &options(capacity, value_size)).map(drop)
    };
    assert!(matches!(
        other(5, VALUE_SIZE),
        Err(TableOpenError::GeometryMismatch { what: "capacity", found: 4, expected: 5, .. })
    ));
    assert!(matches!(
        other(CAPACITY, 16),
        Err(TableOpenError::GeometryMismatch { what: "value_size", found: 12, expected: 16, .. })
    ));
    assert!(matches!(
        other(0, 16),
        Err(TableOpenError::Geometry(GeometryError::OutOfRange { what: "capacity", .. }))
    ));
    other(CAPACITY, VALUE_SIZE).unwrap();
    // Plain `open` takes it as it is.
    assert_eq!(open(&namespace).geometry().capacity, CAPACITY);
    assert_eq!(contents(&table).len(), 3);
}

#[test]
fn the_facade_gives_the_originals_codes() {
    let namespace = TempNamespace::new().unwrap();
    let options = StatusOptions::default()
        .namespace(Namespace::at(namespace.path()))
        .capacity(3)
        .value_size(8);
    let table = StatusTable::open_or_create_with("status", &options).unwrap();
    table.upsert_many(&[(1, "one"), (2, "two")]).unwrap();
    let before = (table.entries().unwrap(), table.stats());
    let code = |r: Result<(), Error>| r.unwrap_err().code() as i32;
    assert_eq!(code(table.add(1, "again")), -3);
    assert_eq!(code(table.update(9, "nine")), -1);
    assert_eq!(code(table.remove(9)), -1);
    assert_eq!(code(table.add(3, "nine byte")), -2);
    for (at, list) in with_bad(&[(1, "x"), (2, "y")], (9, "z")) {
        let error = table.batch_update(&list).unwrap_err();
        assert_eq!(error.code(), ResultCode::NotFound);
        assert!(
            matches!(error, Error::Table(TableError::InBatch { index, .. }) if index == at),
            "{at}"
        );
    }
    assert_eq!(code(table.batch_update(&[(1, "x"), (2, "nine byte")])), -2);
    assert_eq!(code(table.upsert_many(&[(1, "x"), (3, "y"), (4, "z")])), -2);
    assert_eq!((table.entries().unwrap(), table.stats()), before);
    table.add(3, "three").unwrap();
    assert_eq!(code(table.add(4, "four")), -2);
    table.table().verify().unwrap();

    let open = |options: &StatusOptions| StatusTable::open_or_create_with("status", options);
    let other = options.clone().capacity(4);
    assert_eq!(open(&other).unwrap_err().code(), ResultCode::Mismatch);
    assert_eq!(
        StatusTable::create_with("status", &options).unwrap_err().code(),
        ResultCode::DuplicateKey
    );
    assert_eq!(
        StatusTable::open_with("absent", &options).unwrap_err().code(),
        ResultCode::NotFound
    );
}
