//! Files that are removed, moved or replaced from outside, not by this library, and then made
//! again: no word tells the handles that have the old ones.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use shm_core::Namespace;
use shm_facade::{
    MapOptions, RbTree, SNAPSHOT, Share, ShareOptions, SharedMap, StatusOptions, StatusReader,
    StatusTable, TABLE,
};
use shm_tests::{IN_PLACE, TempNamespace, WATCHDOG, create, open_read_only, options, test_name};
use slotmap_shm::Table;

struct Place {
    _dir: TempNamespace,
    namespace: Namespace,
}

impl Place {
    fn new() -> Self {
        let dir = TempNamespace::new().unwrap();
        // One below, which can be renamed.
        let below = dir.path().join("maps");
        fs::create_dir(&below).unwrap();
        Self { _dir: dir, namespace: Namespace::at(below) }
    }

    fn share(&self, value: &str) -> u64 {
        let mut tree = RbTree::new();
        tree.set("key", value).unwrap();
        let options = ShareOptions::default().namespace(self.namespace.clone()).force(true);
        tree.share_with("test", &options).unwrap()
    }

    fn open(&self) -> SharedMap {
        let options = MapOptions::default().namespace(self.namespace.clone());
        SharedMap::open_with("test", &options, IN_PLACE).unwrap()
    }

    fn snapshot(&self) -> PathBuf {
        self.namespace.path_of(&test_name(), SNAPSHOT.kind)
    }

    fn control(&self) -> PathBuf {
        self.namespace.path_of(&test_name(), SNAPSHOT.control)
    }

    fn remove_both(&self) {
        fs::remove_file(self.snapshot()).unwrap();
        fs::remove_file(self.control()).unwrap();
    }
}

/// Refreshes until it takes another edition.
fn refreshed(map: &mut SharedMap) {
    let start = Instant::now();
    while !map.refresh().unwrap() {
        assert!(start.elapsed() < WATCHDOG, "a refresh never finds it");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn value(map: &SharedMap) -> &str {
    map.get_str("key").unwrap().unwrap()
}

#[test]
fn refresh_finds_what_was_removed_and_published_anew() {
    let place = Place::new();
    place.share("0");
    let mut map = place.open();
    for round in 1..4 {
        place.remove_both();
        assert!(map.is_removed().unwrap());
        let round = round.to_string();
        place.share(&round);
        // Removed, although the name leads to a map again.
        assert!(map.is_removed().unwrap());
        refreshed(&mut map);
        assert_eq!((value(&map), map.edition()), (&*round, 1));
        assert!(!map.is_removed().unwrap());
    }
}

#[test]
fn waiting_finds_it_also_without_any_time() {
    let place = Place::new();
    place.share("0");
    let mut map = place.open();
    for round in 1..4 {
        place.remove_both();
        assert!(!map.wait_for_update(Duration::ZERO).unwrap());
        let round = round.to_string();
        place.share(&round);
        assert!(map.wait_for_update(Duration::ZERO).unwrap());
        assert_eq!(value(&map), round);
    }
}

#[test]
fn a_sleeper_is_woken_by_its_own_look() {
    let place = Place::new();
    place.share("old");
    let mut map = place.open();
    std::thread::scope(|s| {
        let waiter = s.spawn(move || map.wait_for_update(WATCHDOG).unwrap());
        std::thread::sleep(Duration::from_millis(50));
        place.remove_both();
        place.share("new");
        assert!(waiter.join().unwrap(), "it slept to the end of its time");
    });
}

#[test]
fn many_editions_later_and_removed_in_order_in_between() {
    let place = Place::new();
    place.share("old");
    let mut map = place.open();
    let options = MapOptions::default().namespace(place.namespace.clone());
    place.remove_both();
    place.share("second life");
    SharedMap::remove_with("test", &options).unwrap();
    place.share("third life");
    place.share("third life, second edition");
    refreshed(&mut map);
    assert_eq!((value(&map), map.edition()), ("third life, second edition", 2));
    // From here on the word tells again.
    place.share("third");
    assert!(map.refresh().unwrap());
}

#[test]
fn the_control_segment_alone_is_removed() {
    let place = Place::new();
    place.share("old");
    let mut map = place.open();
    fs::remove_file(place.control()).unwrap();
    assert!(!map.wait_for_update(Duration::ZERO).unwrap() && !map.is_removed().unwrap());
    assert_eq!(place.share("new"), 2);
    refreshed(&mut map);
    assert_eq!((value(&map), map.edition()), ("new", 2));
    place.share("newer");
    assert!(map.refresh().unwrap());
}

#[test]
fn the_snapshot_alone_is_removed() {
    let place = Place::new();
    place.share("old");
    let mut map = place.open();
    fs::remove_file(place.snapshot()).unwrap();
    assert!(map.is_removed().unwrap());
    assert!(!map.wait_for_update(Duration::ZERO).unwrap());
    assert_eq!(place.share("new"), 2);
    assert!(map.refresh().unwrap(), "the word tells");
    assert!(!map.is_removed().unwrap());
}

#[test]
fn another_file_is_moved_over_the_snapshot() {
    let place = Place::new();
    place.share("old");
    let mut map = place.open();
    let other = Place::new();
    other.share("other");
    fs::rename(other.snapshot(), place.snapshot()).unwrap();
    refreshed(&mut map);
    assert_eq!(value(&map), "other");
    assert!(!map.is_removed().unwrap());
}

#[test]
fn the_directory_is_renamed_away() {
    let place = Place::new();
    place.share("old");
    let mut map = place.open();
    let dir = place.namespace.dir();
    fs::rename(dir, dir.with_extension("away")).unwrap();
    assert!(map.is_removed().unwrap() && !map.wait_for_update(Duration::ZERO).unwrap());
    // A file in its place, not a directory.
    fs::write(dir, "").unwrap();
    assert!(map.is_removed().unwrap());
    map.wait_for_update(Duration::ZERO).unwrap_err();
    fs::remove_file(dir).unwrap();
    fs::create_dir(dir).unwrap();
    place.share("new");
    assert!(map.is_removed().unwrap());
    refreshed(&mut map);
    assert_eq!((value(&map), map.edition()), ("new", 1));
}

#[test]
fn an_edition_that_was_replaced_in_order_was_not_removed() {
    let place = Place::new();
    place.share("old");
    let map = place.open();
    place.share("new");
    assert!(!map.is_removed().unwrap());
    let options = MapOptions::default().namespace(place.namespace.clone());
    SharedMap::remove_with("test", &options).unwrap();
    assert!(map.is_removed().unwrap());
    place.share("newer");
    assert!(map.is_removed().unwrap(), "removed, and published again");
}

#[test]
fn tables_are_opened_anew_when_they_lost_their_name() {
    let dir = TempNamespace::new().unwrap();
    let (namespace, name) = (Namespace::at(dir.path()), test_name());
    let mut table = create(&dir, 8, 8);
    let mut reader = open_read_only(&dir);
    let any = options(1, 1);
    let path = namespace.path_of(&name, TABLE);
    let mut both = |expected: bool| {
        assert_eq!(table.reopen_if_orphaned(&namespace, &name, &any).unwrap(), expected);
        assert_eq!(
            reader.reopen_if_orphaned(&namespace, &name, &shm_tests::reading(&any)).unwrap(),
            expected
        );
    };
    both(false);
    for capacity in [8, 16] {
        fs::remove_file(&path).unwrap();
        both(false);
        Table::<i32>::create(&namespace, &name, &options(capacity, 8)).unwrap();
        both(true);
        both(false);
    }
    table.add(&1, b"one").unwrap();
    assert_eq!((table.capacity(), reader.len()), (16, 1));
    // Something that cannot be opened is an error, and the handle remains usable.
    fs::remove_file(&path).unwrap();
    fs::write(&path, "no table").unwrap();
    table.reopen_if_orphaned(&namespace, &name, &any).unwrap_err();
    reader.reopen_if_orphaned(&namespace, &name, &shm_tests::reading(&any)).unwrap_err();
    assert_eq!(table.get(&1).unwrap().as_deref(), Some(&b"one"[..]));
}

#[test]
fn status_tables_are_opened_anew_when_they_lost_their_name() {
    let dir = TempNamespace::new().unwrap();
    let namespace = Namespace::at(dir.path());
    let options = StatusOptions::default().namespace(namespace);
    let mut table = StatusTable::open_or_create_with("test", &options).unwrap();
    let mut reader = StatusReader::open_read_only_with("test", &options).unwrap();
    assert!(table.unlink().unwrap());
    assert!(!table.reopen_if_orphaned("test", &options).unwrap());
    StatusTable::create_with("test", &options).unwrap().upsert(1, "anew").unwrap();
    assert!(table.reopen_if_orphaned("test", &options).unwrap());
    assert!(reader.reopen_if_orphaned("test", &options).unwrap());
    assert!(table.contains(1).unwrap() && reader.contains(1).unwrap());
    assert!(!table.reopen_if_orphaned("test", &options).unwrap());
}
