//! The supervisor of `examples/rust`, as people start it: its workers are killed and stopped, also
//! in the middle of a write, and its configuration and the supervisor itself are replaced.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shm_core::Ordering;
use shm_facade::{
    MapOptions, Name, Namespace, RbTree, Share, ShareOptions, SharedMap, StatusOptions, StatusTable,
};
use shm_tests::{Child, IN_PLACE, Stepper, TempNamespace, WATCHDOG};
use slotmap_shm::{Geometry, ReadOptions, TableReader};

const SUPERVISOR: &str = env!("CARGO_BIN_EXE_supervisor");
/// Short jobs, and no worker counts as hung, however slow the machine is.
const PATIENT: &str = "job=5\npause=5\nhang=600000\n";

/// A supervisor of the name `fleet`, and what is known of its workers.
struct Fleet {
    child: Child,
    pids: BTreeMap<String, Pid>,
}

impl Fleet {
    fn start(namespace: &TempNamespace, workers: usize, config: &Path) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" 2>&1", SUPERVISOR, "fleet", &workers.to_string()]);
        command.arg(config).env(Namespace::ENV, namespace.path());
        Self { child: Child::spawn(&mut command).unwrap(), pids: BTreeMap::new() }
    }

    /// The next line that it prints, if it prints one before it ends.
    fn next(&mut self) -> Option<String> {
        let line = match self.child.line(WATCHDOG) {
            Ok(line) => line,
            Err(error) if error.is::<shm_tests::Hung>() => panic!("{error}"),
            Err(_) => return None,
        };
        if let Some((worker, pid)) = line.split_once(" started, pid ") {
            self.pids.insert(worker.to_owned(), Pid::from_raw(pid.parse().unwrap()));
        }
        Some(line)
    }

    fn until(&mut self, what: impl Fn(&str) -> bool) -> String {
        let mut said = Vec::new();
        while let Some(line) = self.next() {
            if what(&line) {
                return line;
            }
            said.push(line);
        }
        panic!("it ended, and said {said:#?}")
    }

    /// Waits until the table shows a row of the running process of each worker, at this edition.
    fn until_all_work(&mut self, workers: usize, edition: u64) {
        let mut left: Vec<_> = (1..=workers).map(|number| format!("worker {number}")).collect();
        while !left.is_empty() {
            let line = self.next().expect("it ended");
            left.retain(|worker| {
                let pid = self.pids.get(worker).map_or(0, |pid| pid.as_raw());
                let row = line.strip_prefix(&format!("{worker}: pid {pid} "));
                !row.is_some_and(|row| row.contains(&format!(", edition {edition}, at ")))
            });
        }
    }

    fn configure(&mut self, config: &Path, text: &str) {
        std::fs::write(config, text).unwrap();
        self.child.signal(Signal::SIGHUP).unwrap();
    }

    /// Asks it to end, and returns what it printed until then.
    fn end(mut self) -> Vec<String> {
        self.child.signal(Signal::SIGTERM).unwrap();
        let mut said = Vec::new();
        while let Some(line) = self.next() {
            said.push(line);
        }
        let status = self.child.wait(WATCHDOG).unwrap();
        assert!(status.success(), "{status}: {said:#?}");
        said
    }
}

fn namespace_and_config(text: &str) -> (TempNamespace, TempNamespace, std::path::PathBuf) {
    let (namespace, beside) = (TempNamespace::new().unwrap(), TempNamespace::new().unwrap());
    let config = beside.path().join("fleet.conf");
    std::fs::write(&config, text).unwrap();
    (namespace, beside, config)
}

fn table(namespace: &TempNamespace) -> StatusTable {
    let namespace = Namespace::at(namespace.path());
    StatusTable::open_with("fleet", &StatusOptions::default().namespace(namespace)).unwrap()
}

fn map(namespace: &TempNamespace) -> SharedMap {
    let namespace = Namespace::at(namespace.path());
    SharedMap::open_with("fleet", &MapOptions::default().namespace(namespace), IN_PLACE).unwrap()
}

fn share(namespace: &TempNamespace, key: &str, value: &str) -> u64 {
    let mut tree = RbTree::new();
    tree.set(key, value).unwrap();
    let namespace = Namespace::at(namespace.path());
    tree.share_with("fleet", &ShareOptions::default().namespace(namespace).force(true)).unwrap()
}

/// A process stopped under ptrace right after it claimed a slot of the table.
fn in_mid_write(namespace: &TempNamespace, pid: Pid) -> Stepper {
    const CLAIM: u64 = 1 << 63;
    let (namespace, name) = (Namespace::at(namespace.path()), Name::new("fleet").unwrap());
    let table =
        TableReader::<i32>::open_read_only(&namespace, &name, &ReadOptions::default()).unwrap();
    let (words, Geometry { capacity, value_size, .. }) =
        (table.segment().words(), table.geometry());
    let slot_words = (8 + 2 * value_size.div_ceil(8).saturating_sub(2)).next_multiple_of(8);
    let first = words.len() - capacity * slot_words;
    let is_its = |next: u64| {
        let mut writers = table.segment().writers().into_iter();
        let record = writers.find(|record| CLAIM | record.id.to_u64() == next);
        record.is_some_and(|record| record.pid == pid.as_raw() as u32)
    };
    // The slots that are taken first are those of the workers.
    let next = |slot| words.load(first + slot * slot_words + 1, Ordering::Acquire);
    let has_claimed = || (0..8).map(next).any(|next| next & CLAIM != 0 && is_its(next));
    let mut stepper = Stepper::seize(pid).unwrap();
    stepper.step_until(|_| Ok(has_claimed())).unwrap().unwrap();
    stepper
}

fn is_gone(pid: Pid) -> bool {
    let arguments = std::fs::read_to_string(format!("/proc/{pid}/cmdline"));
    !arguments.is_ok_and(|arguments| arguments.contains("--worker\0fleet\0"))
}

#[test]
fn dead_and_hanging_workers_are_replaced_and_hurt_nobody() {
    let (namespace, _beside, config) = namespace_and_config(PATIENT);
    let mut fleet = Fleet::start(&namespace, 3, &config);
    fleet.until(|line| line == "edition 1 published");
    fleet.until_all_work(3, 1);
    let first = fleet.pids.clone();
    let table = table(&namespace);

    // Wherever it is.
    kill(first["worker 1"], Signal::SIGKILL).unwrap();
    fleet.until(|line| line == "worker 1 ended, signal: 9 (SIGKILL)");
    fleet.until_all_work(3, 1);
    assert_ne!(fleet.pids["worker 1"], first["worker 1"]);
    // It has claimed its row: whoever writes that next goes on at once.
    let before = table.stats().recoveries;
    in_mid_write(&namespace, fleet.pids["worker 1"]).kill().unwrap();
    fleet.until(|line| line == "worker 1 ended, signal: 9 (SIGKILL)");
    fleet.until_all_work(3, 1);
    for other in ["worker 2", "worker 3"] {
        assert_eq!(fleet.pids[other], first[other]);
    }

    // Alive and silent, in the middle of a write.
    in_mid_write(&namespace, first["worker 2"]).leave_stopped().unwrap();
    fleet.configure(&config, "job=5\npause=5\nhang=1000\n");
    fleet.until(|line| line == "worker 2 hangs");
    fleet.until(|line| line == "worker 2 ended, signal: 9 (SIGKILL)");
    fleet.configure(&config, PATIENT);
    fleet.until(|line| line == "edition 3 published");
    fleet.until_all_work(3, 3);
    assert_ne!(fleet.pids["worker 2"], first["worker 2"]);
    assert_eq!(table.stats().recoveries, before, "nothing was to be repaired");

    let pids: Vec<_> = first.into_values().chain(fleet.pids.values().copied()).collect();
    let said = fleet.end();
    for number in 1..=3 {
        let ended = |line: &String| {
            line.starts_with(&format!("worker {number}: pid ")) && line.contains(" ended, ")
        };
        assert!(said.iter().any(ended), "worker {number} was not asked to end: {said:#?}");
    }
    assert!(pids.into_iter().all(is_gone));
    assert_eq!(namespace.files().unwrap(), [""; 0]);
}

#[test]
fn what_is_published_reaches_all_and_what_is_broken_nobody() {
    let (namespace, _beside, config) = namespace_and_config(PATIENT);
    let mut fleet = Fleet::start(&namespace, 2, &config);
    fleet.until_all_work(2, 1);
    assert_eq!(map(&namespace).get("hang"), Some(&b"600000"[..]));

    fleet.configure(&config, "pause=6\nhang=600000\n");
    fleet.until(|line| line == "edition 2 published");
    fleet.until_all_work(2, 2);
    for broken in ["pause", "pause=", "pause=soon", "hang=600000\n\n", "pause=-1"] {
        fleet.configure(&config, broken);
        fleet.until(|line| line.starts_with("supervisor: ") && line.ends_with(" is no setting"));
    }
    std::fs::remove_file(&config).unwrap();
    fleet.child.signal(Signal::SIGHUP).unwrap();
    fleet.until(|line| line.starts_with("supervisor: ") && line.contains("No such file"));
    assert_eq!((map(&namespace).edition(), map(&namespace).len()), (2, 2));

    // Also from any other program.
    assert_eq!(share(&namespace, "hang", "600000"), 3);
    fleet.until_all_work(2, 3);
    fleet.end();
    assert_eq!(namespace.files().unwrap(), [""; 0]);
}

#[test]
fn a_second_supervisor_of_a_name_is_refused_and_changes_nothing() {
    let (namespace, _beside, config) = namespace_and_config(PATIENT);
    let mut fleet = Fleet::start(&namespace, 2, &config);
    fleet.until_all_work(2, 1);
    let owner = table(&namespace).get(0).unwrap();
    assert_eq!(owner.as_deref(), Some(format!("supervisor {}", fleet.child.pid()).as_bytes()));

    let mut second = Fleet::start(&namespace, 1, &config);
    let said = second.next().unwrap();
    assert!(said.starts_with("supervisor: another supervisor has the name \"fleet\""), "{said}");
    assert_eq!(second.next(), None);
    assert_eq!(second.child.wait(WATCHDOG).unwrap().code(), Some(1));

    assert_eq!(table(&namespace).get(0).unwrap(), owner);
    assert_eq!(map(&namespace).edition(), 1);
    fleet.until_all_work(2, 1);
    // In another place the name is free.
    let (elsewhere, _beside, _) = namespace_and_config("");
    let mut third = Fleet::start(&elsewhere, 1, &config);
    third.until_all_work(1, 1);
    third.end();
    fleet.end();
    assert_eq!(namespace.files().unwrap(), [""; 0]);
}

#[test]
fn a_killed_supervisor_takes_its_workers_along_and_the_next_one_goes_on() {
    let (namespace, _beside, config) = namespace_and_config(PATIENT);
    let mut fleet = Fleet::start(&namespace, 3, &config);
    fleet.until_all_work(3, 1);
    // One that could not end by itself.
    kill(fleet.pids["worker 3"], Signal::SIGSTOP).unwrap();
    fleet.child.kill().unwrap();
    // The pipe is closed when the last of them is gone.
    while fleet.next().is_some() {}
    assert!(fleet.pids.values().copied().all(is_gone));
    assert!(!namespace.files().unwrap().is_empty());

    let mut next = Fleet::start(&namespace, 1, &config);
    next.until(|line| line == "edition 2 published");
    next.until_all_work(1, 2);
    let keys: Vec<_> =
        table(&namespace).entries().unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!(BTreeMap::from_iter(keys.iter().map(|key| (key, ()))).len(), 2);
    assert!(keys.contains(&0) && keys.contains(&1), "{keys:?}");
    next.end();
    assert_eq!(namespace.files().unwrap(), [""; 0]);
}

/// Starts a supervisor that must give up. Returns what it printed.
fn refused(namespace: &TempNamespace, config: &Path) -> String {
    let mut fleet = Fleet::start(namespace, 1, config);
    let said = fleet.next().unwrap();
    assert_eq!(fleet.next(), None);
    assert_eq!(fleet.child.wait(WATCHDOG).unwrap().code(), Some(1));
    said
}

#[test]
fn what_other_programs_have_is_left_alone() {
    let (namespace, beside, config) = namespace_and_config(PATIENT);
    let at = Namespace::at(namespace.path());
    let options = StatusOptions::default().namespace(at);
    for key in [7, 0] {
        let theirs = StatusTable::create_with("fleet", &options).unwrap();
        theirs.add(key, "busy").unwrap();
        let said = refused(&namespace, &config);
        assert_eq!(said, "supervisor: \"fleet\" is a table of another program");
        assert_eq!(theirs.entries().unwrap().len(), 1);
        assert_eq!(theirs.get(key).unwrap().unwrap(), b"busy");
        assert!(theirs.unlink().unwrap());
    }

    assert_eq!(share(&namespace, "job", "theirs"), 1);
    let said = refused(&namespace, &config);
    assert!(said.starts_with("supervisor: ") && said.ends_with(" exists already"), "{said}");
    assert_eq!(map(&namespace).get("job"), Some(&b"theirs"[..]));
    assert_eq!(namespace.files().unwrap(), ["shmap.fleet.control", "shmap.fleet.snapshot"]);

    let nowhere = TempNamespace::new().unwrap();
    let said = refused(&nowhere, &beside.path().join("missing.conf"));
    assert!(said.contains("missing.conf: No such file"), "{said}");
    std::fs::write(&config, "job: 5\n").unwrap();
    let said = refused(&nowhere, &config);
    assert!(said.ends_with("\"job: 5\" is no setting"), "{said}");
    assert_eq!(nowhere.files().unwrap(), [""; 0]);
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused() {
    for (arguments, expected) in [
        (&[][..], "supervisor: usage: supervisor NAME WORKERS [CONFIG]\n"),
        (&["fleet"], "supervisor: usage: supervisor NAME WORKERS [CONFIG]\n"),
        (&["fleet", "many"], "supervisor: \"many\" is no number\n"),
    ] {
        let namespace = TempNamespace::new().unwrap();
        let mut command = Command::new(SUPERVISOR);
        command.args(arguments).env(Namespace::ENV, namespace.path());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);
        assert_eq!(namespace.files().unwrap(), [""; 0]);
    }
}
