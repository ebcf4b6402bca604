//! A publisher or remover is killed at the steps that matter. Checks what the name leads to, what
//! readers find, and that the next one can work.

use std::os::unix::fs::MetadataExt;

use shm_core::{Namespace, Ordering, Trust};
use shm_facade::{
    Litter, MapOptions, RbTree, SNAPSHOT, Share, ShareOptions, SharedMap, litter, prune,
};
use shm_tests::roles::scenario;
use shm_tests::{Child, IN_PLACE, Stepper, TempNamespace, WATCHDOG, test_name};

const WORKER: &str = env!("CARGO_BIN_EXE_shm-worker");

struct Place {
    dir: TempNamespace,
    namespace: Namespace,
}

impl Place {
    /// With edition 1, whose value is `old`.
    fn new() -> Self {
        let dir = TempNamespace::new().unwrap();
        let namespace = Namespace::at(dir.path());
        let place = Self { dir, namespace };
        assert_eq!(place.share("old"), 1);
        place
    }

    fn share(&self, value: &str) -> u64 {
        let mut tree = RbTree::new();
        tree.set("key", value).unwrap();
        let namespace = self.namespace.clone();
        let options = ShareOptions::default().namespace(namespace).force(true);
        tree.share_with("test", &options).unwrap()
    }

    fn open(&self) -> SharedMap {
        let namespace = self.namespace.clone();
        SharedMap::open_with("test", &MapOptions::default().namespace(namespace), IN_PLACE).unwrap()
    }

    fn word(&self) -> Option<u64> {
        let name = test_name();
        let control = self.namespace.open_read_only(&name, SNAPSHOT.control, 1, &Trust::new());
        control.ok().map(|c| c.words().load(0, Ordering::Acquire))
    }

    fn inode(&self) -> Option<u64> {
        let path = self.namespace.path_of(&test_name(), SNAPSHOT.kind);
        path.symlink_metadata().ok().map(|meta| meta.ino())
    }

    fn temporaries(&self) -> usize {
        let files = self.dir.files().unwrap();
        files.iter().filter(|file| file.starts_with(".shmap-tmp-")).count()
    }

    /// A publisher or remover that is stopped once `there` holds.
    fn stopped(&self, what: &str, way: &str, there: impl Fn() -> bool) -> Stepper {
        let mut command = scenario(WORKER, "traced-map", self.dir.path());
        let mut stepper = Stepper::spawn(command.args([what, "new", way])).unwrap();
        let steps = stepper.step_until(|_| Ok(there())).unwrap();
        assert!(steps.is_some(), "{what} went by");
        stepper
    }

    fn reader(&self) -> Child {
        let reader = Child::spawn(&mut scenario(WORKER, "map-reader", self.dir.path())).unwrap();
        assert_eq!(reader.line(WATCHDOG).unwrap(), "open 1 old");
        reader
    }

    fn pruned(&self, dry_run: bool) -> Vec<Litter> {
        if dry_run { litter(&self.namespace) } else { prune(&self.namespace) }
            .unwrap()
            .into_iter()
            .map(|p| p.what)
            .collect()
    }
}

const WAYS: [&str; 2] = ["tmpfile", "no-tmpfile"];

#[test]
fn killed_between_the_rename_and_the_last_store() {
    for way in WAYS {
        let place = Place::new();
        let (mut waiter, mut asker) = (place.reader(), place.reader());
        assert_eq!(waiter.ask("wait", WATCHDOG).unwrap(), "waiting");
        let old = place.inode();
        let stepper = place.stopped("force", way, || place.inode() != old);
        assert_eq!(place.word(), Some(3), "at work");
        // The new one is there, whether its publisher is alive or not.
        assert_eq!(asker.ask("refresh", WATCHDOG).unwrap(), "true 2 new");
        assert_eq!(waiter.line(WATCHDOG).unwrap(), "true 2 new");
        stepper.kill().unwrap();
        assert_eq!(place.open().edition(), 2);
        // Sleeping readers notice the next edition as well.
        assert_eq!(waiter.ask("wait", WATCHDOG).unwrap(), "waiting");
        assert_eq!(place.share("newer"), 3);
        assert_eq!(place.word(), Some(6));
        assert_eq!(waiter.line(WATCHDOG).unwrap(), "true 3 newer");
        assert_eq!(asker.ask("refresh", WATCHDOG).unwrap(), "true 3 newer");
        assert_eq!(place.temporaries(), 0);
    }
}

#[test]
fn killed_before_the_rename() {
    for way in WAYS {
        let place = Place::new();
        let mut reader = place.reader();
        let stepper = place.stopped("force", way, || place.word() == Some(3));
        assert_eq!(reader.ask("refresh", WATCHDOG).unwrap(), "false 1 old");
        // `prune` leaves a living publisher alone.
        assert_eq!(place.pruned(false), []);
        stepper.kill().unwrap();
        assert_eq!(reader.ask("refresh", WATCHDOG).unwrap(), "false 1 old");
        let litter = place.temporaries();
        assert_eq!(litter, usize::from(way == "no-tmpfile"));
        let found = place.pruned(true);
        assert_eq!(found.iter().filter(|&&what| what == Litter::Temporary).count(), litter);
        assert_eq!(found.last(), Some(&Litter::Unsettled));
        assert_eq!((place.pruned(false), place.word()), (found, Some(2)));
        assert_eq!((place.pruned(false), place.temporaries()), (vec![], 0));
        assert_eq!(place.share("newer"), 2);
        assert_eq!(reader.ask("refresh", WATCHDOG).unwrap(), "true 2 newer");
    }
}

#[test]
fn a_temporary_name_is_swept_only_when_its_creator_is_dead() {
    for way in WAYS {
        let place = Place::new();
        let stepper = place.stopped("force", way, || place.temporaries() == 1);
        if way == "tmpfile" {
            assert_eq!((place.pruned(true), place.pruned(false)), (vec![], vec![]));
            assert_eq!(place.temporaries(), 1);
        }
        stepper.kill().unwrap();
        assert_eq!(place.pruned(false).first(), Some(&Litter::Temporary));
        assert_eq!((place.temporaries(), place.pruned(false)), (0, vec![]));
        assert_eq!(place.open().get("key"), Some(&b"old"[..]));
    }
}

#[test]
fn a_creator_whose_file_was_swept_begins_again() {
    let place = Place::new();
    // Stopped right after it made the file, before it locked it: there is no telling it from
    // litter.
    let mut stepper = place.stopped("force", "no-tmpfile", || place.temporaries() == 1);
    assert_eq!(place.pruned(false), [Litter::Temporary]);
    assert_eq!(place.temporaries(), 0);
    stepper.run_to_mark().unwrap();
    let map = place.open();
    assert_eq!((map.get("key"), map.edition()), (Some(&b"new"[..]), 2));
    assert_eq!(place.temporaries(), 0);
    stepper.kill().unwrap();
}

#[test]
fn a_first_publisher_killed_before_the_link_leaves_a_control_segment() {
    for way in WAYS {
        let place = Place::new();
        let options = MapOptions::default().namespace(place.namespace.clone());
        SharedMap::remove_with("test", &options).unwrap();
        let stepper = place.stopped("share", way, || place.word() == Some(1));
        assert_eq!(place.pruned(false), []);
        stepper.kill().unwrap();
        assert_eq!(place.inode(), None);
        assert!(place.pruned(false).contains(&Litter::Control));
        assert!(place.dir.files().unwrap().is_empty());
        assert_eq!(place.share("newer"), 1);
    }
}

#[test]
fn a_remover_killed_anywhere_stops_nobody() {
    // Before, between and after its two removals.
    type There = fn(&Place) -> bool;
    let stops: [(There, u64); 3] = [
        (|place| place.word() == Some(3), 2),
        (|place| place.inode().is_none(), 2),
        (|place| place.dir.files().unwrap().is_empty(), 1),
    ];
    for (there, next) in stops {
        let place = Place::new();
        let (mut reader, mut waiter) = (place.reader(), place.reader());
        assert_eq!(waiter.ask("wait", WATCHDOG).unwrap(), "waiting");
        place.stopped("remove", "tmpfile", || there(&place)).kill().unwrap();
        assert_eq!(reader.ask("refresh", WATCHDOG).unwrap(), "false 1 old");
        assert_eq!(place.share("newer"), next);
        assert_eq!(waiter.line(WATCHDOG).unwrap(), format!("true {next} newer"));
        assert_eq!(reader.ask("refresh", WATCHDOG).unwrap(), format!("true {next} newer"));
        assert_eq!(reader.ask("refresh", WATCHDOG).unwrap(), format!("false {next} newer"));
        assert_eq!(place.pruned(false), []);
    }
}

#[test]
fn a_sweeper_killed_anywhere_leaves_no_reader_behind() {
    type There = fn(&Place) -> bool;
    let stops: [(There, u64); 2] = [
        (|place| place.word() == Some(3), 2),
        // Before it can say so in the segment, which no longer has a name.
        (|place| place.dir.files().unwrap().is_empty(), 1),
    ];
    for (there, next) in stops {
        let place = Place::new();
        let (mut reader, mut waiter) = (place.reader(), place.reader());
        place.namespace.unlink(&test_name(), SNAPSHOT.kind).unwrap();
        assert_eq!(waiter.ask("wait", WATCHDOG).unwrap(), "waiting");
        place.stopped("prune", "tmpfile", || there(&place)).kill().unwrap();
        assert_eq!(reader.ask("refresh", WATCHDOG).unwrap(), "false 1 old");
        assert_eq!(place.share("newer"), next);
        assert_eq!(reader.ask("refresh", WATCHDOG).unwrap(), format!("true {next} newer"));
        assert_eq!(waiter.line(WATCHDOG).unwrap(), format!("true {next} newer"));
        assert_eq!(place.pruned(false), []);
    }
}
