//! Published maps: what each call does, and what other processes see of it.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::PathBuf;

use nix::fcntl::{Flock, FlockArg};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use shm_core::Namespace;
use shm_facade::{
    AlignedBytes, Error, HeaderError, MapOptions, OpenError, RbTree, ResultCode, SNAPSHOT, Share,
    ShareOptions, SharedMap, Snapshot, StatusOptions, StatusReader, StatusTable, Trust, map_key,
};
use shm_tests::patch::{self, Checksum, HEADER};
use shm_tests::roles::{NOBODY, finish, is_root, run, run_as, scenario};
use shm_tests::{Child, TempNamespace, WATCHDOG, create, test_name};

const WORKER: &str = env!("CARGO_BIN_EXE_shm-worker");
const PROCESSES: usize = 64;

fn sharing(namespace: &TempNamespace, force: bool) -> ShareOptions {
    ShareOptions::default().namespace(Namespace::at(namespace.path())).force(force)
}

fn opening(namespace: &TempNamespace) -> MapOptions {
    MapOptions::default().namespace(Namespace::at(namespace.path()))
}

fn open(namespace: &TempNamespace) -> Result<SharedMap, Error> {
    SharedMap::open_with("test", &opening(namespace))
}

fn tree(value: &str) -> RbTree {
    let mut tree = RbTree::new();
    tree.set("key", value).unwrap();
    tree.set("other", "same").unwrap();
    tree
}

fn share(namespace: &TempNamespace, value: &str) -> u64 {
    tree(value).share_with("test", &sharing(namespace, true)).unwrap()
}

fn path(namespace: &TempNamespace) -> PathBuf {
    Namespace::at(namespace.path()).path_of(&test_name(), SNAPSHOT.kind)
}

fn set_mode(path: &PathBuf, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A namespace that all may look into, with a map in it.
fn with_map() -> (TempNamespace, PathBuf) {
    let namespace = TempNamespace::new().unwrap();
    std::fs::set_permissions(namespace.path(), Permissions::from_mode(0o755)).unwrap();
    share(&namespace, "old");
    let path = path(&namespace);
    (namespace, path)
}

const BOTH: [&str; 2] = ["shmap.test.control", "shmap.test.snapshot"];

#[test]
fn a_map_is_shared_replaced_and_removed() {
    let namespace = TempNamespace::new().unwrap();
    let code = |result: Result<u64, Error>| result.map_err(|e| e.code());
    let error = open(&namespace).unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }) && error.code() == ResultCode::NotFound);
    assert_eq!(code(tree("1").share_with("test", &sharing(&namespace, false))), Ok(1));
    let again = tree("2").share_with("test", &sharing(&namespace, false)).unwrap_err();
    assert!(matches!(again, Error::AlreadyExists { .. }), "{again:?}");
    assert_eq!(again.code(), ResultCode::DuplicateKey);
    let map = open(&namespace).unwrap();
    assert_eq!((map.get("key"), map.generation()), (Some(&b"1"[..]), 1));
    assert_eq!(code(tree("2").share_with("test", &sharing(&namespace, true))), Ok(2));
    // A snapshot and its bytes can be published as they are, also under other names.
    let again = open(&namespace).unwrap();
    assert_eq!(code(again.share_with("copy", &sharing(&namespace, false))), Ok(1));
    let image = AlignedBytes::from(again.as_bytes());
    assert_eq!(code(image.share_with("copy", &sharing(&namespace, true))), Ok(2));
    let rubbish = AlignedBytes::from(&[0_u8; 64][..]);
    assert_eq!(
        code(rubbish.share_with("copy", &sharing(&namespace, true))),
        Err(ResultCode::Corrupt)
    );
    let copy = SharedMap::open_with("copy", &opening(&namespace)).unwrap();
    assert_eq!((copy.get("key"), copy.generation()), (Some(&b"2"[..]), 2));
    SharedMap::remove_with("copy", &opening(&namespace)).unwrap();
    let error = SharedMap::remove_with("copy", &opening(&namespace)).unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    assert_eq!(namespace.files().unwrap(), BOTH);
    assert_eq!(copy.get("key"), Some(&b"2"[..]), "who has it goes on");
    for bad in ["", "..", "a/b", ".x", "a\0", &"x".repeat(300)] {
        let error = tree("1").share_with(bad, &sharing(&namespace, true)).unwrap_err();
        assert_eq!(error.code(), ResultCode::InvalidName);
        assert_eq!(
            SharedMap::open_with(bad, &opening(&namespace)).unwrap_err().code(),
            error.code()
        );
    }
}

#[test]
fn an_empty_map_can_be_shared() {
    let namespace = TempNamespace::new().unwrap();
    RbTree::new().share_with("test", &sharing(&namespace, false)).unwrap();
    let map = open(&namespace).unwrap();
    assert!(map.is_empty() && map.get("key").is_none());
    map.verify().unwrap();
}

#[test]
fn handles_are_shared_by_threads() {
    fn check<T: Send + Sync>(_: &T) {}
    let (namespace, _) = with_map();
    let map = open(&namespace).unwrap();
    check(&map);
    std::thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| assert_eq!(map.get("key"), Some(&b"old"[..])));
        }
    });
}

#[test]
fn a_hash_index_is_added_if_asked_for() {
    let namespace = TempNamespace::new().unwrap();
    for hash_index in [false, true] {
        let options = sharing(&namespace, true).hash_index(hash_index);
        tree("1").share_with("test", &options).unwrap();
        assert_eq!(open(&namespace).unwrap().has_hash_index(), hash_index);
    }
}

#[test]
fn a_reader_keeps_its_edition_until_it_asks() {
    let (namespace, _) = with_map();
    let mut reader = Child::spawn(&mut scenario(WORKER, "map-reader", namespace.path())).unwrap();
    assert_eq!(reader.line(WATCHDOG).unwrap(), "open 1 old");
    let mut ask = |line: &str| reader.ask(line, WATCHDOG).unwrap();
    assert_eq!(ask("refresh"), "false 1 old");
    share(&namespace, "new");
    share(&namespace, "newer");
    assert_eq!(ask("get"), "1 old");
    assert_eq!(ask("refresh"), "true 3 newer");
    assert_eq!(ask("refresh"), "false 3 newer");
    // After the removal the handle remains usable, and finds the map that takes the name next.
    SharedMap::remove_with("test", &opening(&namespace)).unwrap();
    assert_eq!(ask("refresh"), "false 3 newer");
    assert_eq!(ask("removed"), "true 3 newer");
    share(&namespace, "second life");
    assert_eq!(ask("removed"), "true 3 newer", "what it has was removed");
    assert_eq!(ask("refresh"), "true 1 second life");
    assert_eq!(ask("removed"), "false 1 second life");
    assert_eq!(ask("refresh"), "false 1 second life");
    // A waiter is woken, also by what comes after a removal.
    assert_eq!(ask("wait"), "waiting");
    share(&namespace, "newest");
    assert_eq!(reader.line(WATCHDOG).unwrap(), "true 2 newest");
    assert_eq!(reader.ask("wait", WATCHDOG).unwrap(), "waiting");
    SharedMap::remove_with("test", &opening(&namespace)).unwrap();
    share(&namespace, "third life");
    let line = reader.line(WATCHDOG).unwrap();
    assert_eq!(line, "true 1 third life");
}

#[test]
fn threads_wait_on_one_map_together() {
    let (namespace, _) = with_map();
    let map = open(&namespace).unwrap();
    let before = map.generation();
    assert!(map.newer().unwrap().is_none());
    std::thread::scope(|scope| {
        let waiters: Vec<_> =
            (0..5).map(|_| scope.spawn(|| map.wait_for_newer(WATCHDOG).unwrap())).collect();
        share(&namespace, "newer");
        for waiter in waiters {
            let newer = waiter.join().unwrap().unwrap();
            assert_eq!(newer.get("key"), Some(&b"newer"[..]));
            assert_eq!(newer.generation(), before + 1);
        }
    });
    assert_eq!(map.generation(), before);
    assert_eq!(map.newer().unwrap().unwrap().generation(), before + 1);
    let start = std::time::Instant::now();
    let limit = std::time::Duration::from_millis(20);
    SharedMap::remove_with("test", &opening(&namespace)).unwrap();
    assert!(map.wait_for_newer(limit).unwrap().is_none());
    assert!(start.elapsed() >= limit);
}

#[test]
fn waiting_ends_in_time() {
    let (namespace, _) = with_map();
    let mut map = open(&namespace).unwrap();
    let limit = std::time::Duration::from_millis(20);
    let start = std::time::Instant::now();
    assert!(!map.wait_for_update(limit).unwrap());
    assert!(start.elapsed() >= limit);
    SharedMap::remove_with("test", &opening(&namespace)).unwrap();
    assert!(!map.wait_for_update(limit).unwrap());
    assert!(start.elapsed() >= 2 * limit);
}

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
        assert_eq!((map.get("key"), map.generation()), (Some(&b"old"[..]), 1));
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

fn at_once(how: &str, way: &str) -> Vec<String> {
    let (namespace, outside) = (TempNamespace::new().unwrap(), TempNamespace::new().unwrap());
    let path = outside.path().join("gate");
    let gate = Flock::lock(File::create(&path).unwrap(), FlockArg::LockExclusive).unwrap();
    let children: Vec<Child> = (0..PROCESSES)
        .map(|_| {
            let mut command = scenario(WORKER, "share-at-once", namespace.path());
            Child::spawn(command.arg(&path).args([how, way])).unwrap()
        })
        .collect();
    children.iter().for_each(|child| assert_eq!(child.line(WATCHDOG).unwrap(), "ready"));
    drop(gate);
    let said = children.into_iter().map(|child| finish(child).concat()).collect();
    assert_eq!(namespace.files().unwrap(), BOTH, "no litter");
    open(&namespace).unwrap().verify().unwrap();
    said
}

#[test]
fn processes_share_one_name_at_once() {
    for way in ["tmpfile", "no-tmpfile"] {
        let said = at_once("once", way);
        assert_eq!(said.iter().filter(|line| *line == "1").count(), 1, "{said:?}");
        assert_eq!(said.iter().filter(|line| *line == "DuplicateKey").count(), PROCESSES - 1);
        let said = at_once("force", way);
        let editions: BTreeSet<usize> = said.iter().map(|line| line.parse().unwrap()).collect();
        assert_eq!(editions, (1..=PROCESSES).collect(), "each its own");
    }
}

#[test]
fn modes_are_exact_under_any_umask() {
    for way in ["tmpfile", "no-tmpfile"] {
        for (umask, mode) in [("000", "400"), ("077", "444"), ("777", "440")] {
            let namespace = TempNamespace::new().unwrap();
            let mut command = scenario(WORKER, "map-umask", namespace.path());
            command.args([umask, mode, way]);
            let _ = run(command);
        }
    }
}

#[test]
fn no_space_leaves_the_old_map_and_no_litter() {
    for way in ["tmpfile", "no-tmpfile"] {
        if is_root("mounting a tmpfs") {
            let namespace = TempNamespace::new().unwrap();
            let mut command = scenario(WORKER, "map-full-disk", namespace.path());
            command.arg(way);
            let said = run(command);
            assert!(said.iter().all(|line| line.starts_with("skipped: ")), "{said:?}");
        }
    }
}

#[test]
fn another_user_reads_mode_0444_and_nothing_else() {
    if !is_root("becoming another user") {
        return;
    }
    let (namespace, _) = with_map();
    let said = run_as(NOBODY, WORKER, "map-probe", namespace.path());
    assert!(said[..2].iter().all(|line| line.contains("Permission ")), "{said:?}");
    let options = sharing(&namespace, true).mode(0o444);
    tree("new").share_with("test", &options).unwrap();
    let said = run_as(NOBODY, WORKER, "map-probe", namespace.path());
    assert_eq!(said[..2], ["open: ok: 2 entries", "copy: ok: 2 entries"]);
    assert!(said[2].contains("DuplicateKey"), "{said:?}");
    // A user who may not read the control segment can still open the map.
    set_mode(&namespace.path().join(BOTH[0]), 0o600);
    assert_eq!(run_as(NOBODY, WORKER, "map-probe", namespace.path())[0], "open: ok: 2 entries");
    assert_eq!(namespace.files().unwrap(), BOTH);
}

#[test]
fn who_may_not_remove_a_map_leaves_nothing_beside_it() {
    if !is_root("becoming another user") {
        return;
    }
    let (namespace, path) = with_map();
    // Everybody may make files there, and nobody remove those of others.
    std::fs::set_permissions(namespace.path(), Permissions::from_mode(0o1777)).unwrap();
    set_mode(&path, 0o444);
    std::fs::remove_file(namespace.path().join(BOTH[0])).unwrap();
    assert_eq!(run_as(NOBODY, WORKER, "map-remove", namespace.path()), ["Permission"]);
    assert_eq!(namespace.files().unwrap(), [BOTH[1]]);
}

#[test]
fn a_strangers_control_segment_keeps_nobody_from_removing_a_map() {
    if !is_root("giving files away") {
        return;
    }
    let (namespace, _) = with_map();
    chown(namespace.path().join(BOTH[0]), Some(NOBODY), None).unwrap();
    let error = tree("new").share_with("test", &sharing(&namespace, true)).unwrap_err();
    assert_eq!(error.code(), ResultCode::Permission, "{error:?}");
    SharedMap::remove_with("test", &opening(&namespace)).unwrap();
    assert_eq!(namespace.files().unwrap(), [BOTH[0]], "which stays");
    let error = SharedMap::remove_with("test", &opening(&namespace)).unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
}

#[test]
fn a_stranger_must_be_trusted() {
    if !is_root("giving files away") {
        return;
    }
    let (namespace, path) = with_map();
    chown(&path, Some(NOBODY), None).unwrap();
    let error = open(&namespace).unwrap_err();
    assert_eq!(error.code(), ResultCode::Permission, "{error:?}");
    let trust = Trust::new().owner(NOBODY);
    let options = opening(&namespace).trust(trust);
    assert_eq!(SharedMap::open_with("test", &options).unwrap().get("key"), Some(&b"old"[..]));
    // With a write bit it is refused even then; but a copy is possible.
    set_mode(&path, 0o644);
    let error = SharedMap::open_with("test", &options).unwrap_err();
    assert_eq!(error.code(), ResultCode::Permission, "{error:?}");
    assert_eq!(SharedMap::open_copy("test", &options).unwrap().len(), 2);
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
    expect("Corrupt", "a symbolic link");
    std::fs::remove_file(&path).unwrap();
    mkfifo(&path, Mode::S_IRUSR).unwrap();
    expect("Corrupt", "a FIFO");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    expect("Corrupt", "a directory");
    std::fs::remove_dir(&path).unwrap();
    for len in [0, 100, 4096, 4104, whole.len() - 8, whole.len() + 4096] {
        let mut bytes = whole.clone();
        bytes.resize(len, 0);
        std::fs::write(&path, bytes).unwrap();
        set_mode(&path, 0o400);
        expect("Corrupt", "bytes long, its header says");
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
    // None of this prevents a new map, and its edition is a number that was never used.
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
    let error = SharedMap::open_with("other", &opening(&namespace)).unwrap_err();
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
        // Root gets as far as the check of the kind; others may not open it for writing.
        let code = error.code();
        assert!(matches!(code, ResultCode::Corrupt | ResultCode::Permission), "{error:?}");
    }
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
            SharedMap::open_copy("test", &opening(&namespace)).unwrap().get("key"),
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
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    let error = SharedMap::open_copy("test", &opening(&namespace)).unwrap_err();
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
        assert_eq!((map.get("key"), map.generation()), (Some(&b"old"[..]), 1));
    }
    share(&namespace, "newer");
    assert!(map.refresh().unwrap());
    assert_eq!(map.get("key"), Some(&b"newer"[..]));
}

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
    let saved = SharedMap::open_file(&file, &Trust::new()).unwrap();
    assert_eq!(saved.as_bytes(), dump);
    // Over an existing file, in one step: whoever has the old one open keeps it.
    tree("new").save(&file).unwrap();
    assert_eq!(saved.get("key"), Some(&b"old"[..]));
    let newer = SharedMap::open_file(&file, &Trust::new()).unwrap();
    assert_eq!(newer.get("key"), Some(&b"new"[..]));
    assert_eq!(std::fs::read(&file).unwrap(), newer.as_bytes());
    assert_eq!(namespace.files().unwrap().len(), 3, "no litter");
    // The same checks as for published ones.
    set_mode(&file, 0o600);
    let error = SharedMap::open_file(&file, &Trust::new()).unwrap_err();
    assert_eq!(error.code(), ResultCode::Permission, "{error:?}");
    let copy = SharedMap::open_file_copy(&file, &Trust::new()).unwrap();
    assert_eq!(copy.get("key"), Some(&b"new"[..]));
    OpenOptions::new().write(true).open(&file).unwrap().set_len(40).unwrap();
    set_mode(&file, 0o400);
    let error = SharedMap::open_file(&file, &Trust::new()).unwrap_err();
    assert_eq!(error.code(), ResultCode::Corrupt, "{error:?}");
    let missing = namespace.path().join("missing");
    let error = SharedMap::open_file(&missing, &Trust::new()).unwrap_err();
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
    let map = SharedMap::open_with("frozen", &opening(&namespace)).unwrap();
    map.verify().unwrap();
    let expected = [(i32::MIN, "least"), (-7, "minus"), (0, ""), (7, "seven")];
    let found: Vec<_> = map.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let expected = expected.map(|(k, v)| (map_key(k).to_vec(), v.as_bytes().to_vec()));
    assert_eq!(found, expected);
    // And so by a reader.
    let reader = StatusReader::open_read_only_with("test", &options).unwrap();
    let sharing = sharing(&namespace, true).hash_index(true);
    assert_eq!(reader.freeze_with("frozen", &sharing).unwrap(), 2);
    assert!(SharedMap::open_with("frozen", &opening(&namespace)).unwrap().has_hash_index());

    // Back into the table: keys of the map are set, others stay.
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
