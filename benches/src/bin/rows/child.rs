//! The other processes of a row: this program again, in another role.
//!
//! | role | does |
//! |---|---|
//! | `writer STORE NAME HALF` | upserts one half of the keys of a store while told to |
//! | `loop NAME` | upserts keys of a table without end; to be stepped, stopped and killed |
//! | `grower NAME` | adds a million entries to a table |
//! | `waiter-table`, `waiter-pipe` | waits for messages in a table, or from a pipe |
//! | `worker-table create\|open`, `worker-hashed create\|open` | follows the orders of [`worker`] |
//! | `reader FILE`, `copy FILE` | reads all of a snapshot, in place or from a copy of its own, and stays |
//! | `counted-files KEYS N`, `counted MAP CALL` | see [`counted`] |
//!
//! A writer gets its orders through a second table, `control`, which costs it one read in 64
//! writes, and no system call:
//!
//! | key | stored by | value (words) |
//! |---|---|---|
//! | [`TURN`] | the parent | a counter; odd: write, even: rest |
//! | [`REPORT`] + half | the writer | the turn it is in; writes of its last turn, its [`Spent`] |

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use shm_bench_common::processor::{Pinned, Spent, Stopwatch};
use shm_bench_common::worker;
use shm_benches::Store;
use shm_benches::baselines::Hashed;
use shm_benches::subject;
use shm_benches::workload::{CAPACITY, Cycle, Random, SHORT, Workload, upserts};
use shm_harness::{Child, TempNamespace};
use slotmap_shm::Table;

use crate::snapshot::readers;
use crate::{counted, growing, waits};

const TURN: i32 = 0;
const REPORT: i32 = 1;
/// Writes between two reads of the control table.
const STRETCH: u64 = 64;
/// The watchdog for everything that a child is asked to do.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// A process that writes one half of the keys of a store, in turns.
pub(crate) struct Writer {
    control: Table<i32>,
    half: bool,
    turn: u64,
    _child: Child,
}

/// Starts this program in a role. It dies with this process.
pub(crate) fn spawn(dir: &TempNamespace, arguments: &[&str]) -> Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--role").arg(arguments.first().context("a role")?);
    Child::spawn(command.arg(dir.path()).args(arguments.get(1..).unwrap_or_default()))
}

impl Writer {
    /// Starts a writer of a store in `dir`: `table` or `hashed`. It rests.
    pub(crate) fn spawn(dir: &TempNamespace, store: &str, name: &str, half: bool) -> Result<Self> {
        let control = subject::table(dir.path(), &format!("control-{name}"))?;
        let child = spawn(dir, &["writer", store, name, if half { "1" } else { "0" }])?;
        let ready = child.line(LIMIT)?;
        ensure!(ready == "ready", "a writer said {ready:?}");
        Ok(Self { control, half, turn: 0, _child: child })
    }

    /// Lets it write; returns when it does.
    pub(crate) fn start(&mut self) -> Result<()> {
        self.next_turn().map(drop)
    }

    /// Lets it rest; returns when it does, with its writes and what
    /// they took.
    pub(crate) fn stop(&mut self) -> Result<(u64, Spent)> {
        self.next_turn()
    }

    fn next_turn(&mut self) -> Result<(u64, Spent)> {
        self.turn += 1;
        self.control.upsert(&TURN, self.turn.to_ne_bytes())?;
        let start = Instant::now();
        loop {
            let [turn, writes, wall, delayed] = get(&self.control, REPORT + i32::from(self.half))?;
            if turn == self.turn {
                return Ok((writes, Spent { wall, delayed }));
            }
            ensure!(start.elapsed() < LIMIT, "a writer does not answer");
            std::thread::sleep(Duration::from_micros(20));
        }
    }
}

/// The words of a value; zeros if there is none.
fn get<const N: usize>(table: &Table<i32>, key: i32) -> Result<[u64; N]> {
    let mut words = [0; N];
    if let Some(value) = table.get(&key)? {
        for (to, from) in words.iter_mut().zip(value.as_chunks::<8>().0) {
            *to = u64::from_ne_bytes(*from);
        }
    }
    Ok(words)
}

/// Plays a role.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let mut next = || arguments.next().context("a role needs more arguments");
    let (role, dir) = (next()?, next()?);
    let dir = std::path::Path::new(&dir);
    match role.as_str() {
        "writer" => {
            let (store, name, half) = (next()?, next()?, next()? == "1");
            let control = subject::table(dir, &format!("control-{name}"))?;
            match store.as_str() {
                "table" => write(&subject::table(dir, &name)?, &control, half),
                "hashed" => write(&Hashed::open(&dir.join(&name))?, &control, half),
                other => bail!("no store {other:?}"),
            }
        }
        "grower" => growing::grow(dir, &next()?),
        "waiter-table" => waits::wait_for_changes(&subject::table(dir, "waits")?),
        "waiter-pipe" => waits::read_pipe(),
        "loop" => write_without_end(&subject::table(dir, &next()?)?),
        "worker-table" => {
            let created = next()? == "create";
            let table = subject::table(dir, "map")?;
            work(&table, created)
        }
        "worker-hashed" => {
            let (created, path) = (next()? == "create", dir.join("map"));
            let hashed = if created { Hashed::create(&path) } else { Hashed::open(&path) };
            work(&hashed?, created)
        }
        "reader" => readers::read(&dir.join(next()?)),
        "counted-files" => counted::make_files(dir, &next()?, next()?.parse()?),
        "counted" => counted::run(dir, &next()?, &next()?),
        "copy" => readers::copy(&dir.join(next()?)),
        other => bail!("no role {other:?}"),
    }
}

fn work(store: &impl Store, created: bool) -> Result<()> {
    if created {
        worker::fill(store)?;
    }
    worker::serve(store)
}

fn write(store: &impl Store, control: &Table<i32>, half: bool) -> Result<()> {
    let mut keys = cycle(half);
    let _pinned = Pinned::to(1);
    println!("ready");
    let report = |turn: u64, writes: u64, spent: Spent| {
        let value: Vec<u8> =
            [turn, writes, spent.wall, spent.delayed].map(u64::to_ne_bytes).concat();
        control.upsert(&(REPORT + i32::from(half)), &value)
    };
    let (mut turn, mut writes, mut since) = (0, 0, Stopwatch::start());
    loop {
        let [now] = get(control, TURN)?;
        if now != turn {
            turn = now;
            report(turn, writes, since.spent())?;
            (writes, since) = (0, Stopwatch::start());
        }
        if turn % 2 == 0 {
            std::thread::sleep(Duration::from_micros(100));
            continue;
        }
        let mut done = 0;
        keys.next(STRETCH, |keys| done += upserts(store, keys));
        ensure!(done as u64 == STRETCH, "an upsert failed");
        writes += STRETCH;
    }
}

/// The keys of one half, in random order.
pub(crate) fn cycle(half: bool) -> Cycle {
    let keys = Workload::new(CAPACITY).half(half);
    let mut random = Random::new(3 + u64::from(half));
    Cycle::new((0..8 * 1024).filter_map(|_| keys.get(random.below(keys.len())).copied()).collect())
}

/// Prints the address of the table's lock, then writes: batches of one key, because a write of a
/// present key takes the lock only in a batch.
fn write_without_end(table: &Table<i32>) -> Result<()> {
    let mut keys = cycle(false);
    let value = [9; SHORT];
    println!("{}", table.lock_address());
    loop {
        let mut result = Ok(());
        keys.next(STRETCH, |keys| {
            result = keys.iter().try_for_each(|&key| table.upsert_many(&[(key, value)]).map(drop));
        });
        result?;
    }
}
