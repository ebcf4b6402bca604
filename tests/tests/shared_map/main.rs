//! Published maps: what each call does, and between processes that make, find, replace and remove
//! them.

mod damage;
mod saved;
mod users;

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
use shm_tests::{Child, IN_PLACE, TempNamespace, WATCHDOG, create, test_name};

const WORKER: &str = env!("CARGO_BIN_EXE_shm-worker");
const PROCESSES: usize = 64;

fn sharing(namespace: &TempNamespace, force: bool) -> ShareOptions {
    ShareOptions::default().namespace(Namespace::at(namespace.path())).force(force)
}

fn opening(namespace: &TempNamespace) -> MapOptions {
    MapOptions::default().namespace(Namespace::at(namespace.path()))
}

fn open(namespace: &TempNamespace) -> Result<SharedMap, Error> {
    SharedMap::open_with("test", &opening(namespace), IN_PLACE)
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
    assert_eq!((map.get("key"), map.edition()), (Some(&b"1"[..]), 1));
    assert_eq!(code(tree("2").share_with("test", &sharing(&namespace, true))), Ok(2));
    // A snapshot and its bytes can be published just so, and under other names.
    let again = open(&namespace).unwrap();
    assert_eq!(code(again.share_with("copy", &sharing(&namespace, false))), Ok(1));
    let image = AlignedBytes::from(again.as_bytes());
    assert_eq!(code(image.share_with("copy", &sharing(&namespace, true))), Ok(2));
    let rubbish = AlignedBytes::from(&[0_u8; 64][..]);
    assert_eq!(
        code(rubbish.share_with("copy", &sharing(&namespace, true))),
        Err(ResultCode::Corrupt)
    );
    let copy = SharedMap::open_with("copy", &opening(&namespace), IN_PLACE).unwrap();
    assert_eq!((copy.get("key"), copy.edition()), (Some(&b"2"[..]), 2));
    SharedMap::remove_with("copy", &opening(&namespace)).unwrap();
    let error = SharedMap::remove_with("copy", &opening(&namespace)).unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    assert_eq!(namespace.files().unwrap(), BOTH);
    assert_eq!(copy.get("key"), Some(&b"2"[..]), "who has it goes on");
    for bad in ["", "..", "a/b", ".x", "a\0", &"x".repeat(300)] {
        let error = tree("1").share_with(bad, &sharing(&namespace, true)).unwrap_err();
        assert_eq!(error.code(), ResultCode::InvalidName);
        assert_eq!(
            SharedMap::open_with(bad, &opening(&namespace), IN_PLACE).unwrap_err().code(),
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
    // Removed: it goes on, and finds what takes the name next.
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
    let before = map.edition();
    assert!(map.newer().unwrap().is_none());
    std::thread::scope(|scope| {
        let waiters: Vec<_> =
            (0..5).map(|_| scope.spawn(|| map.wait_for_newer(WATCHDOG).unwrap())).collect();
        share(&namespace, "newer");
        for waiter in waiters {
            let newer = waiter.join().unwrap().unwrap();
            assert_eq!(newer.get("key"), Some(&b"newer"[..]));
            assert_eq!(newer.edition(), before + 1);
        }
    });
    assert_eq!(map.edition(), before);
    assert_eq!(map.newer().unwrap().unwrap().edition(), before + 1);
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
