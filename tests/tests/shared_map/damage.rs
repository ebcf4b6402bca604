//! What lies at the name instead of a map, or beside it: a typed error, and never a hang.

use super::*;

#[test]
fn a_control_segment_removed_by_hand_stops_no_waiter() {
    let (namespace, _) = with_map();
    let mut reader = Child::spawn(&mut scenario(WORKER, "map-reader", namespace.path())).unwrap();
    assert_eq!(reader.line(WATCHDOG).unwrap(), "open 1 old");
    assert_eq!(reader.ask("wait", WATCHDOG).unwrap(), "waiting");
    std::fs::remove_file(namespace.path().join(BOTH[0])).unwrap();
    assert_eq!(share(&namespace, "new"), 2);
    assert_eq!(reader.line(WATCHDOG).unwrap(), "true 2 new");
}

#[test]
fn what_lies_in_place_of_the_control_segment_makes_no_map_unreadable() {
    let damages: [fn(&std::path::Path); 5] = [
        |path| std::fs::write(path, [0xFF; 8192]).unwrap(),
        |path| std::fs::write(path, b"").unwrap(),
        |path| std::os::unix::fs::symlink("/nowhere", path).unwrap(),
        |path| std::fs::create_dir(path).unwrap(),
        |path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRUSR).unwrap(),
    ];
    for damage in damages {
        let (namespace, _) = with_map();
        let control = namespace.path().join(BOTH[0]);
        std::fs::remove_file(&control).unwrap();
        damage(&control);
        let mut map = open(&namespace).unwrap();
        assert_eq!((map.get("key"), map.edition()), (Some(&b"old"[..]), 1));
        assert!(!map.refresh().unwrap());
        // A publisher gets an error.
        let error = tree("new").share_with("test", &sharing(&namespace, true)).unwrap_err();
        assert!(matches!(error, Error::Open(_)), "{error:?}");
        assert_eq!(open(&namespace).unwrap().get("key"), Some(&b"old"[..]));
        // The map can be removed, and a file that is damaged goes with it; else somebody has to
        // look.
        let rest: &[&str] =
            if control.symlink_metadata().unwrap().is_file() { &[] } else { &BOTH[..1] };
        SharedMap::remove_with("test", &opening(&namespace)).unwrap();
        assert_eq!(namespace.files().unwrap(), rest);
        assert!(!map.refresh().unwrap() && map.is_removed().unwrap());
    }
}

/// A file that was closed may still be open for a moment in a child that another test has just
/// forked and that has not called `exec` yet.
fn once_closed<R>(mut open: impl FnMut() -> Result<R, Error>) -> R {
    loop {
        match open() {
            Err(Error::Open(OpenError::OpenForWriting { .. })) => std::thread::yield_now(),
            other => return other.unwrap(),
        }
    }
}

fn probe(namespace: &TempNamespace) -> Vec<String> {
    run(scenario(WORKER, "map-probe", namespace.path()))
}

#[test]
fn what_is_not_a_map_is_a_typed_error_and_no_hang() {
    let (namespace, path) = with_map();
    let whole = std::fs::read(&path).unwrap();
    let expect = |code: &str, word: &str| {
        let said = probe(&namespace);
        for line in &said[..2] {
            assert!(line.contains(code) && line.contains(word), "{code} {word} in {line}");
        }
        assert!(said[2].contains("DuplicateKey"), "{said:?}");
    };
    std::fs::remove_file(&path).unwrap();
    symlink("/dev/null", &path).unwrap();
    expect("Mismatch", "a symbolic link");
    std::fs::remove_file(&path).unwrap();
    mkfifo(&path, Mode::S_IRUSR).unwrap();
    expect("Mismatch", "a FIFO");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    expect("Mismatch", "a directory");
    std::fs::remove_dir(&path).unwrap();
    for len in [0, 100, 4096, 4104, whole.len() - 8, whole.len() + 4096] {
        let mut bytes = whole.clone();
        bytes.resize(len, 0);
        std::fs::write(&path, bytes).unwrap();
        set_mode(&path, 0o400);
        let short = len < 256;
        let word = if short { "too short for a header" } else { "bytes long, its header says" };
        expect("Corrupt", word);
        std::fs::remove_file(&path).unwrap();
    }
    // An image that is shorter than its file, or none.
    std::fs::write(&path, [&whole[..], &[0; 64]].concat()).unwrap();
    let len = (whole.len() as u64 + 64).to_ne_bytes();
    patch::field(&path, HEADER, patch::header::TOTAL_LEN, &len, Checksum::Right).unwrap();
    set_mode(&path, 0o400);
    expect("Corrupt", "bytes, the header says");
    set_mode(&path, 0o600);
    std::fs::write(&path, &whole).unwrap();
    patch::bytes(&path, patch::BODY, &[0; 8]).unwrap();
    set_mode(&path, 0o400);
    expect("Corrupt", "not a snapshot");
    set_mode(&path, 0o600);
    std::fs::write(&path, &whole).unwrap();
    patch::field(&path, HEADER, patch::header::KIND_VERSION, &[9], Checksum::Right).unwrap();
    set_mode(&path, 0o400);
    expect("Mismatch", "layout version 9 of this kind");
    // None of it is in the way of a new one, and its number is none that was there.
    assert_eq!(share(&namespace, "new"), 2);
    assert_eq!(open(&namespace).unwrap().get("key"), Some(&b"new"[..]));
}

#[test]
fn a_table_is_no_map_and_a_map_no_table() {
    let (namespace, path) = with_map();
    let ns = Namespace::at(namespace.path());
    drop(create(&namespace, 8, 8));
    let table = ns.path_of(&test_name(), slotmap_shm::KIND);
    assert_eq!(namespace.files().unwrap().len(), 3, "both may bear one name");
    let other = |kind| ns.path_of(&shm_core::Name::new("other").unwrap(), kind);
    std::fs::copy(&table, other(SNAPSHOT.kind)).unwrap();
    set_mode(&other(SNAPSHOT.kind), 0o400);
    let error = SharedMap::open_with("other", &opening(&namespace), IN_PLACE).unwrap_err();
    assert!(
        format!("{error:?}").contains("segment is a `table`, expected a `snapshot`"),
        "{error:?}"
    );
    std::fs::copy(&path, other(slotmap_shm::KIND)).unwrap();
    let options = StatusOptions::default().namespace(ns);
    for error in [
        StatusReader::open_read_only_with("other", &options).map(drop).unwrap_err(),
        StatusTable::open_with("other", &options).map(drop).unwrap_err(),
    ] {
        // Root gets as far as the kind; others are not let in to write.
        let code = error.code();
        assert!(matches!(code, ResultCode::Mismatch | ResultCode::Permission), "{error:?}");
    }
}

#[test]
fn a_file_that_somebody_has_open_for_writing_is_not_used_in_place() {
    let (namespace, path) = with_map();
    set_mode(&path, 0o600);
    let writer = std::fs::File::options().write(true).open(&path).unwrap();
    set_mode(&path, 0o400);
    let error = open(&namespace).unwrap_err();
    assert!(matches!(error, Error::Open(OpenError::OpenForWriting { .. })), "{error:?}");
    assert_eq!(error.code(), ResultCode::Permission);
    let copy = SharedMap::open_copy_with("test", &opening(&namespace)).unwrap();
    assert_eq!(copy.get("key"), Some(&b"old"[..]));
    drop(writer);
    let mut map = once_closed(|| open(&namespace));
    // The next edition, too.
    share(&namespace, "new");
    set_mode(&path, 0o600);
    let writer = std::fs::File::options().write(true).open(&path).unwrap();
    set_mode(&path, 0o400);
    let error = map.refresh().unwrap_err();
    assert!(matches!(error, Error::Open(OpenError::OpenForWriting { .. })), "{error:?}");
    assert_eq!(map.get("key"), Some(&b"old"[..]));
    drop(writer);
    assert!(once_closed(|| map.refresh()));
    assert_eq!(map.get("key"), Some(&b"new"[..]));
}

#[test]
fn a_file_with_a_lock_is_not_used_in_place_whatever_its_mode() {
    let (namespace, path) = with_map();
    let mut map = open(&namespace).unwrap();
    share(&namespace, "new");
    set_mode(&path, 0o600);
    // Of this C library, or of any other.
    let control = namespace.path().join(BOTH[0]);
    for abi in [patch::read(&control, patch::header::ABI as u64).unwrap(), [1; 8]] {
        patch::field(&path, HEADER, patch::header::ABI, &abi, Checksum::Right).unwrap();
        set_mode(&path, 0o400);
        for error in [open(&namespace).unwrap_err(), map.refresh().unwrap_err()] {
            let Error::Open(OpenError::Header { source: HeaderError::Locked { found }, .. }) =
                error
            else {
                panic!("{error:?}");
            };
            assert_eq!(found, u64::from_ne_bytes(abi));
        }
        assert_eq!(open(&namespace).unwrap_err().code(), ResultCode::Mismatch);
        assert_eq!(map.get("key"), Some(&b"old"[..]));
        // A copy is nobody's but the caller's.
        assert_eq!(
            SharedMap::open_copy_with("test", &opening(&namespace)).unwrap().get("key"),
            Some(&b"new"[..])
        );
        set_mode(&path, 0o600);
    }
}

#[test]
fn damage_inside_is_found_by_verifying_and_by_copying() {
    let (namespace, path) = with_map();
    let at = path.metadata().unwrap().len() - 64;
    set_mode(&path, 0o600);
    let value: [u8; 64] = patch::read(&path, at).unwrap();
    patch::bytes(&path, at, &value.map(|b| !b)).unwrap();
    set_mode(&path, 0o400);
    let map = open(&namespace).unwrap();
    let error = Error::from(map.verify().unwrap_err());
    assert!(matches!(error, Error::Snapshot(_)), "{error:?}");
    let error = SharedMap::open_copy_with("test", &opening(&namespace)).unwrap_err();
    assert!(matches!(error, Error::Map { .. }), "{error:?}");
    assert_eq!(error.code(), ResultCode::Corrupt, "{error:?}");
}

#[test]
fn a_bad_successor_leaves_the_old_edition_in_hand() {
    let (namespace, path) = with_map();
    let mut map = open(&namespace).unwrap();
    share(&namespace, "new");
    set_mode(&path, 0o600);
    patch::bytes(&path, patch::BODY, &[0; 8]).unwrap();
    for _ in 0..2 {
        assert_eq!(map.refresh().unwrap_err().code(), ResultCode::Permission);
    }
    set_mode(&path, 0o400);
    for _ in 0..2 {
        assert_eq!(map.refresh().unwrap_err().code(), ResultCode::Corrupt);
        assert_eq!((map.get("key"), map.edition()), (Some(&b"old"[..]), 1));
    }
    share(&namespace, "newer");
    assert!(map.refresh().unwrap());
    assert_eq!(map.get("key"), Some(&b"newer"[..]));
}
