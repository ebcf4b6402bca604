//! A table that writers of several pid namespaces and C libraries share while they are killed: what
//! the writers write, and what must hold.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use slotmap_shm::Table;

use crate::random::Random;
use crate::roles::{SKIPPED, scenario};
use crate::{TempNamespace, create};

/// The key that all writers count up, one at a time.
pub const COUNTER: i32 = 0;
/// The keys that a batch writes, all with the same value.
pub const GROUP: std::ops::Range<i32> = 1..33;
/// Bytes of a value of them.
pub const VALUE_SIZE: usize = 1000;
/// The first of the keys that the writers add and remove.
pub const ROOM: i32 = 100;

/// How a writer is started.
#[derive(Clone, Debug)]
pub struct Kind {
    /// The program that writes.
    pub binary: String,
    /// Whether it is process 1 of a pid namespace of its own.
    pub own_pids: bool,
}

/// What came of the kills.
#[derive(Debug)]
pub struct Outcome {
    /// How often a writer was killed.
    pub kills: u32,
    /// How many of the kills left the lock held, or half of a write.
    pub repaired: u64,
    /// From each kill to the end of the next write, sorted.
    pub delays: Vec<Duration>,
}

struct Writer {
    starter: std::process::Child,
    pid: Pid,
    /// The number of counts that it said were acknowledged.
    counted: JoinHandle<u64>,
}

impl Writer {
    /// Starts one with this program of the harness. `None`, and the reason printed, if it cannot
    /// run here.
    fn start(harness: &str, kind: &Kind, own: i32, dir: &Path) -> Option<Self> {
        let mut command = if kind.own_pids {
            let mut command = scenario(harness, "in-own-pids", dir);
            command.args([kind.binary.as_str(), "scenario", "mixed-writer"]);
            command
        } else {
            scenario(&kind.binary, "mixed-writer", dir)
        };
        command.arg(own.to_string()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut starter = command.spawn().expect("start a writer");
        let mut said = BufReader::new(starter.stdout.take().expect("stdout"));
        let mut line = String::new();
        let pid = if kind.own_pids {
            said.read_line(&mut line).expect("a line");
            if line.starts_with(SKIPPED) {
                print!("{line}");
                starter.wait().expect("wait");
                return None;
            }
            // What follows may be on the same line, if the writer was quicker.
            line.trim().trim_matches('.').parse().expect("a process id")
        } else {
            starter.id() as i32
        };
        let counted = std::thread::spawn(move || {
            let mut all = line.into_bytes();
            said.read_to_end(&mut all).expect("read");
            all.iter().filter(|&&byte| byte == b'.').count() as u64
        });
        Some(Self { starter, pid: Pid::from_raw(pid), counted })
    }

    fn kill(&self) {
        kill(self.pid, Signal::SIGKILL).expect("kill");
    }

    fn end(mut self) -> u64 {
        self.starter.wait().expect("wait");
        self.counted.join().expect("join")
    }
}

/// Kills writers of these two kinds in turn, so many times, while the other one and this process go
/// on. `None` if one of them cannot run here.
///
/// # Panics
/// If anything is lost, torn or stuck.
#[must_use]
pub fn kill_in_turn(harness: &str, kinds: &[Kind; 2], kills: u32) -> Option<Outcome> {
    let namespace = TempNamespace::new().expect("a directory");
    let table: Table<i32> = create(&namespace, 64, VALUE_SIZE);
    table.add(&COUNTER, 0i64.to_le_bytes()).expect("add");
    for key in GROUP {
        table.add(&key, b"first").expect("add");
    }
    let start = |kind: usize| Writer::start(harness, &kinds[kind], kind as i32, namespace.path());
    let mut writers = [start(0)?, start(1)?].map(Some);
    let mut random = Random::new(u64::from(kills) + 1);
    let (mut acknowledged, mut delays) = (0, Vec::new());
    let group: Vec<i32> = GROUP.collect();
    let whole = |table: &Table<i32>| {
        let values = table.get_many(&group).expect("read the group");
        let alone = values[0].as_deref() == Some(b"alone");
        let rest = &values[usize::from(alone)..];
        assert!(rest.iter().all(|value| value == &rest[0]), "half a batch: {values:?}");
    };
    for round in 0..kills {
        let victim = round as usize % 2;
        let pause = Duration::from_micros(2000 + random.below(4000));
        std::thread::sleep(pause);
        let writer = writers[victim].take().expect("a writer");
        writer.kill();
        let killed = Instant::now();
        // It takes the lock, and finds it as the victim has left it.
        table.update_many(&[(1, b"judge"), (2, b"judge")]).expect("a write after a kill");
        delays.push(killed.elapsed());
        let same: Vec<_> = group.iter().map(|&key| (key, b"judge")).collect();
        table.update_many(&same).expect("a write of all");
        whole(&table);
        acknowledged += writer.end();
        writers[victim] = Some(start(victim).expect("it ran before"));
    }
    for writer in writers.into_iter().flatten() {
        writer.kill();
        acknowledged += writer.end();
    }
    table.verify().expect("verify");
    let counted = table.fetch_add(&COUNTER, 0).expect("count") as u64;
    let killed = u64::from(kills) + 2;
    assert!(counted >= acknowledged, "{} counts are lost", acknowledged - counted);
    assert!(counted <= acknowledged + killed, "{counted} of {acknowledged} and {killed}");
    for key in [ROOM, ROOM + 1] {
        let _ = table.remove(&key);
    }
    assert_eq!(table.len(), 1 + group.len());
    assert!(table.segment().writers().iter().filter(|record| record.is_alive).count() <= 1);
    delays.sort();
    Some(Outcome { kills, repaired: table.stats().recoveries, delays })
}

/// A command that says nothing, to find out whether a program runs here.
#[must_use]
pub fn runs(binary: &str) -> bool {
    let mut command = Command::new(binary);
    command.arg("--help").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
