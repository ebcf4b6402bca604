//! Images outside of a name: dumps, saved files, and the way from a table to a map and back.

use super::*;

#[test]
fn dumps_and_saved_files_open() {
    let (namespace, _) = with_map();
    let map = open(&namespace).unwrap();
    let dump = map.dump();
    assert_eq!(dump, map.dump(), "a dump changes nothing");
    let again = Snapshot::new(&dump).unwrap();
    again.verify().unwrap();
    assert_eq!(again.get("key"), Some(&b"old"[..]));

    let file = namespace.path().join("saved");
    map.save(&file).unwrap();
    let saved = SharedMap::open_file(&file, &Trust::new(), IN_PLACE).unwrap();
    assert_eq!(saved.as_bytes(), dump);
    // Over an existing file, in one step: whoever has the old one open keeps it.
    tree("new").save(&file).unwrap();
    assert_eq!(saved.get("key"), Some(&b"old"[..]));
    let newer = SharedMap::open_file(&file, &Trust::new(), IN_PLACE).unwrap();
    assert_eq!(newer.get("key"), Some(&b"new"[..]));
    assert_eq!(std::fs::read(&file).unwrap(), newer.as_bytes());
    assert_eq!(namespace.files().unwrap().len(), 3, "no litter");
    // The same checks as for published ones.
    set_mode(&file, 0o600);
    let error = SharedMap::open_file(&file, &Trust::new(), IN_PLACE).unwrap_err();
    assert_eq!(error.code(), ResultCode::Permission, "{error:?}");
    let copy = SharedMap::open_file_copy(&file, &Trust::new()).unwrap();
    assert_eq!(copy.get("key"), Some(&b"new"[..]));
    OpenOptions::new().write(true).open(&file).unwrap().set_len(40).unwrap();
    set_mode(&file, 0o400);
    let error = SharedMap::open_file(&file, &Trust::new(), IN_PLACE).unwrap_err();
    assert_eq!(error.code(), ResultCode::Corrupt, "{error:?}");
    let missing = namespace.path().join("missing");
    let error = SharedMap::open_file(&missing, &Trust::new(), IN_PLACE).unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    assert!(tree("new").save(missing.join("below")).is_err());
}

#[test]
fn a_table_is_frozen_and_loaded() {
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    let options = StatusOptions::default().namespace(ns.clone()).capacity(8).value_size(8);
    let table = StatusTable::create_with("test", &options).unwrap();
    for (key, value) in [(7, "seven"), (-7, "minus"), (0, ""), (i32::MIN, "least")] {
        table.add(key, value).unwrap();
    }
    assert_eq!(table.freeze("frozen").unwrap(), 1);
    assert_eq!(table.freeze("frozen").unwrap_err().code(), ResultCode::DuplicateKey);
    let map = SharedMap::open_with("frozen", &opening(&namespace), IN_PLACE).unwrap();
    map.verify().unwrap();
    let expected = [(i32::MIN, "least"), (-7, "minus"), (0, ""), (7, "seven")];
    let found: Vec<_> = map.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let expected = expected.map(|(k, v)| (map_key(k).to_vec(), v.as_bytes().to_vec()));
    assert_eq!(found, expected);
    // And so by a reader.
    let reader = StatusReader::open_read_only_with("test", &options).unwrap();
    let sharing = sharing(&namespace, true).hash_index(true);
    assert_eq!(reader.freeze_with("frozen", &sharing).unwrap(), 2);
    assert!(
        SharedMap::open_with("frozen", &opening(&namespace), IN_PLACE).unwrap().has_hash_index()
    );

    // Back: keys of the map are set, others stay.
    table.remove(7).unwrap();
    table.update(0, "zero").unwrap();
    table.add(1, "one").unwrap();
    assert_eq!(table.load(&map).unwrap(), 4);
    assert_eq!(table.get(7).unwrap().as_deref(), Some(&b"seven"[..]));
    assert_eq!(table.get(0).unwrap().as_deref(), Some(&b""[..]));
    assert_eq!((table.get(1).unwrap().as_deref(), table.len()), (Some(&b"one"[..]), 5));
    table.table().verify().unwrap();

    // All or nothing: a key of another form, too many keys, a value that is too long.
    let before = table.entries().unwrap();
    let mut bad = RbTree::new();
    bad.set(map_key(50), "new").unwrap();
    bad.set("three", "x").unwrap();
    let error = table.load(&Snapshot::new(bad.freeze()).unwrap()).unwrap_err();
    assert!(matches!(&error, Error::NotATableKey { key, .. } if key == b"three"), "{error:?}");
    let expected =
        r#"the map's key at rank 0 ("three") is no key of this table, whose keys are i32"#;
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.code(), ResultCode::Mismatch);
    let mut many = RbTree::new();
    for key in 50..54 {
        many.set(map_key(key), "new").unwrap();
    }
    let error = table.load(&Snapshot::new(many.freeze()).unwrap()).unwrap_err();
    assert_eq!(error.code(), ResultCode::NoSpace, "{error:?}");
    let mut long = RbTree::new();
    long.set(map_key(7), "new").unwrap();
    long.set(map_key(8), "longer than eight").unwrap();
    let error = table.load(&Snapshot::new(long.freeze()).unwrap()).unwrap_err();
    assert_eq!(error.code(), ResultCode::NoSpace, "{error:?}");
    assert_eq!(table.entries().unwrap(), before);
}
