//! Many readers follow a name that is published over and over, also by publishers that are killed
//! at it.

use std::os::unix::fs::MetadataExt;

use shm_core::{Namespace, Ordering, Segment, Trust};
use shm_facade::{Litter, SNAPSHOT, Share, ShareOptions, prune};
use shm_tests::roles::scenario;
use shm_tests::{Child, Stepper, TempNamespace, WATCHDOG, edition, test_name};

const WORKER: &str = env!("CARGO_BIN_EXE_shm-worker");
const READERS: usize = 16;
const EDITIONS: u64 = 200;
/// After this many editions all readers have to be at the newest.
const QUIET: u64 = 20;
/// The edition that a publisher is killed at before it has the name, in the midst of the others.
const DIES_BEFORE: u64 = 71;
/// The edition that another one is killed at after it has the name: one that all have to find.
const DIES_AFTER: u64 = 140;

struct Place {
    dir: TempNamespace,
    namespace: Namespace,
}

impl Place {
    fn new() -> Self {
        let dir = TempNamespace::new().unwrap();
        let namespace = Namespace::at(dir.path());
        Self { dir, namespace }
    }

    fn publisher(&self) -> Child {
        Child::spawn(&mut scenario(WORKER, "edition-publisher", self.dir.path())).unwrap()
    }

    fn reader(&self, how: &str) -> Child {
        Child::spawn(scenario(WORKER, "edition-reader", self.dir.path()).arg(how)).unwrap()
    }

    fn control(&self) -> Segment {
        let trust = Trust::new();
        self.namespace.open_read_only(&test_name(), SNAPSHOT.control, 1, &trust).unwrap()
    }

    fn inode(&self) -> u64 {
        let path = self.namespace.path_of(&test_name(), SNAPSHOT.kind);
        path.symlink_metadata().unwrap().ino()
    }

    fn temporaries(&self) -> usize {
        let files = self.dir.files().unwrap();
        files.iter().filter(|file| file.starts_with(".shmap-tmp-")).count()
    }

    /// Has the publisher begin a publication, and kills it at the first instruction where `there`
    /// holds.
    fn kill_in_the_middle(&self, mut publisher: Child, there: impl Fn() -> bool) {
        let control = self.control();
        let mut stepper = Stepper::seize(publisher.pid()).unwrap();
        publisher.send("stop").unwrap();
        stepper.run_to_mark().unwrap();
        let at_work = || control.words().load(0, Ordering::Acquire) % 2 == 1;
        let steps = stepper.step_until(|_| Ok(at_work() && there())).unwrap();
        assert!(steps.is_some(), "the publication went by");
        stepper.kill().unwrap();
        let _ = publisher.kill();
        assert!(at_work(), "dead at work");
    }
}

#[test]
fn sixteen_readers_see_whole_editions_in_order_and_the_newest_in_the_end() {
    let place = Place::new();
    let mut publisher = place.publisher();
    assert_eq!(publisher.ask("publish", WATCHDOG).unwrap(), "1");
    // Half of them ask, half of them sleep until there is news.
    let mut readers: Vec<Child> =
        (0..READERS).map(|i| place.reader(["refresh", "wait"][i % 2])).collect();
    for reader in &readers {
        assert_eq!(reader.line(WATCHDOG).unwrap(), "at 1");
    }
    let mut newest = 1;
    while newest < EDITIONS {
        let goal = (newest / QUIET + 1) * QUIET;
        for reader in &mut readers {
            reader.send(&format!("until {goal}")).unwrap();
        }
        while newest < goal {
            newest += 1;
            if newest == DIES_BEFORE {
                let old = place.inode();
                place.kill_in_the_middle(publisher, || place.temporaries() == 1);
                assert_eq!(place.inode(), old, "the name leads to the old one");
                publisher = place.publisher();
            } else if newest == DIES_AFTER {
                let old = place.inode();
                place.kill_in_the_middle(publisher, || place.inode() != old);
                publisher = place.publisher();
                continue;
            }
            // The next publisher is not held up, and goes on counting from the newest edition.
            assert_eq!(publisher.ask("publish", WATCHDOG).unwrap(), newest.to_string());
        }
        for reader in &readers {
            assert_eq!(reader.line(WATCHDOG).unwrap(), format!("at {goal}"));
        }
    }
    for mut reader in readers {
        reader.close_stdin();
        let said = reader.line(WATCHDOG).unwrap();
        let saw: u64 = said.strip_prefix("saw ").expect(&said).parse().unwrap();
        assert!((1 + EDITIONS / QUIET..=EDITIONS).contains(&saw), "{said}");
        assert!(reader.wait(WATCHDOG).unwrap().success());
    }
    publisher.close_stdin();
    assert!(publisher.wait(WATCHDOG).unwrap().success());

    let swept = prune(&place.namespace).unwrap();
    assert_eq!(swept.iter().map(|found| found.what).collect::<Vec<_>>(), [Litter::Temporary]);
    assert_eq!(place.dir.files().unwrap(), ["shmap.test.control", "shmap.test.snapshot"]);
}

#[test]
fn a_reader_notices_a_mixed_edition() {
    // The negative control: one value of another edition among those of the first.
    let place = Place::new();
    let mut mixed = edition::tree(1, 50);
    let (key, value) = edition::entries(2, 50).swap_remove(20);
    mixed.set(shm_facade::map_key(key), value).unwrap();
    let namespace = place.namespace.clone();
    let options = ShareOptions::default().namespace(namespace);
    assert_eq!(mixed.share_with("test", &options).unwrap(), 1);
    let said = place.reader("refresh").line(WATCHDOG).unwrap();
    assert_eq!(said, "wrong: edition 1 holds None");
}

#[test]
fn a_reader_notices_an_edition_under_another_number() {
    let place = Place::new();
    let namespace = place.namespace.clone();
    let options = ShareOptions::default().namespace(namespace);
    assert_eq!(edition::tree(2, 50).share_with("test", &options).unwrap(), 1);
    let said = place.reader("refresh").line(WATCHDOG).unwrap();
    assert_eq!(said, "wrong: edition 1 holds Some(2)");
}
