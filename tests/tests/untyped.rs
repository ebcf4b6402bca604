//! Tables whose kind of keys is known only at run time, and counters.

use shm_core::Namespace;
use shm_tests::{TempNamespace, options, test_name};
use slotmap_shm::{
    AnyKey, KeyKind, PutMode, ReadOptions, Table, TableError, TableOpenError, TableOptions,
    UntypedTable,
};

/// A key of a kind, as a table returns it, and a key that is not of that kind.
fn keys(kind: KeyKind) -> (AnyKey, AnyKey) {
    match kind.integer() {
        Some((bits, true)) => (AnyKey::Signed(-1 << (bits - 1)), "text".into()),
        Some((bits, false)) => (AnyKey::Unsigned(u64::MAX >> (64 - bits)), AnyKey::Signed(-1)),
        None if kind == KeyKind::Str => ("blau".into(), AnyKey::Bytes(vec![0xFF])),
        None => (AnyKey::Bytes(vec![0, 0xFF]), AnyKey::Signed(1)),
    }
}

#[test]
fn every_kind_is_made_opened_written_and_read() {
    for kind in KeyKind::ALL {
        let namespace = TempNamespace::new().unwrap();
        let (ns, name, options) = (Namespace::at(namespace.path()), test_name(), options(4, 16));
        let table = UntypedTable::create_with_kind(&ns, &name, kind, &options).unwrap();
        let (key, wrong) = keys(kind);
        table.put(PutMode::Add, &key, b"one").unwrap();
        let refused = |found: Result<(), TableError>| {
            let Err(TableError::WrongKey { key, kind: of }) = found else { panic!("{found:?}") };
            assert_eq!((key, of), (wrong.clone(), kind));
        };
        refused(table.add(&wrong, b""));
        refused(table.get(&wrong).map(drop));
        let batch = table.put_many(PutMode::Upsert, &[(&key, "two"), (&wrong, "")]);
        assert!(matches!(batch, Err(TableError::InBatch { index: 1, .. })), "{batch:?}");
        drop(table);

        let reader = UntypedTable::open_read_only(&ns, &name, &ReadOptions::default()).unwrap();
        assert_eq!(reader.key_kind(), kind);
        let [(found, value)] = &reader.entries().unwrap()[..] else { panic!("{kind}") };
        assert_eq!((found, &value[..]), (&key, &b"one"[..]));
        let same = UntypedTable::open_or_create_with_kind(&ns, &name, kind, &options);
        same.unwrap().verify().unwrap();
        let other = if kind == KeyKind::I8 { KeyKind::U8 } else { KeyKind::I8 };
        let opened = UntypedTable::open_or_create_with_kind(&ns, &name, other, &options);
        let Err(TableOpenError::KeyKind { found, expected, .. }) = opened else { panic!("{kind}") };
        assert_eq!((found, expected), (kind, other));
    }
}

#[test]
fn a_table_of_any_kind_becomes_one_of_its_type_and_of_no_other() {
    let namespace = TempNamespace::new().unwrap();
    let (ns, name, options) = (Namespace::at(namespace.path()), test_name(), options(4, 16));
    let typed = Table::<i64>::create(&ns, &name, &options).unwrap();
    typed.add(&-1, b"one").unwrap();
    let open = || UntypedTable::open(&ns, &name, &options).unwrap();
    let again = open().into_typed::<i64>().unwrap();
    again.add(&2, b"two").unwrap();
    assert_eq!((typed.len(), again.get(&-1).unwrap().as_deref()), (2, Some(&b"one"[..])));
    let other = open().into_typed::<u64>().map(drop);
    let Err(TableOpenError::KeyKind { found, expected, .. }) = other else { panic!("{other:?}") };
    assert_eq!((found, expected), (KeyKind::I64, KeyKind::U64));
    let reader = UntypedTable::open_read_only(&ns, &name, &ReadOptions::default()).unwrap();
    assert_eq!(reader.into_typed::<i64>().unwrap().entries().unwrap().len(), 2);
}

#[test]
fn a_counter_begins_with_its_initial_value_and_is_never_half_made() {
    let namespace = TempNamespace::new().unwrap();
    let (ns, name) = (Namespace::at(namespace.path()), test_name());
    let table = Table::<i32>::create(&ns, &name, &options(2, 8)).unwrap();
    assert_eq!(table.increment(&1, 5, 100).unwrap(), 105);
    assert_eq!(table.increment(&1, -6, 0).unwrap(), 99);
    assert_eq!(table.fetch_add(&1, 1).unwrap(), 99);
    assert_eq!(table.increment(&1, i64::MAX, 0).unwrap(), 100i64.wrapping_add(i64::MAX));

    table.add(&2, b"text").unwrap();
    let text = table.increment(&2, 1, 0);
    assert!(
        matches!(text, Err(TableError::NotACounter { key: AnyKey::Signed(2), len: 4 })),
        "{text:?}"
    );
    let full = table.increment(&3, 1, 0);
    assert!(matches!(full, Err(TableError::Full { capacity: 2, .. })), "{full:?}");
    assert_eq!(table.get(&2).unwrap().as_deref(), Some(&b"text"[..]));
    table.verify().unwrap();

    ns.unlink(&name, slotmap_shm::KIND).unwrap();
    let mut small = TableOptions::default();
    small.geometry.value_size = 7;
    let table = Table::<i32>::create(&ns, &name, &small).unwrap();
    let large = table.increment(&1, 1, 0);
    assert!(
        matches!(large, Err(TableError::NoRoomForCounter { key: AnyKey::Signed(1), max: 7 })),
        "{large:?}"
    );
    assert!(table.is_empty());
}
