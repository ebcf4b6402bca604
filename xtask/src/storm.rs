//! Processes that do everything at once to a few names, and are killed at random. They create,
//! unlink, rename and take over tables; publish, remove and prune maps; and transfer amounts
//! between keys.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use shm_harness::{Child, Hung, TempNamespace};

use crate::report;
use crate::worker::{Sabotage, Worker};

/// How long a process may be silent before it counts as hung. Each prints something every few
/// milliseconds.
const WATCHDOG: Duration = Duration::from_secs(30);

const PROCESSES: usize = 6;

const LINES_AT_ONCE: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Storm {
    /// Tables: create, open, write, unlink, rename, take over.
    Names,
    /// Maps: share, force-share, remove, prune, beside readers.
    Editions,
    /// A table whose batches move amounts between keys and never change the sum.
    Transfers,
}

impl Storm {
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// How many processes to kill in each storm.
    #[arg(long, default_value_t = 1000)]
    pub kills: u64,
    /// Only this storm.
    #[arg(long)]
    pub only: Option<Storm>,
    /// Where the files are: a directory in memory or on a disk.
    #[arg(long, default_value = "/dev/shm")]
    pub dir: PathBuf,
    /// Break the protocol on purpose: the run must then fail.
    #[arg(long)]
    pub sabotage: Option<Sabotage>,
    /// Print one JSON object a storm.
    #[arg(long)]
    pub json: bool,
}

/// What a storm found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Findings {
    pub storm: String,
    pub kills: u64,
    pub operations: u64,
    /// Values, editions and sums that were checked.
    pub checks: u64,
    pub torn: u64,
    /// Writes that were acknowledged and lost, and processes that gave up.
    pub lost: u64,
    pub hung: u64,
    /// Files that nobody removed in the end.
    pub leaked: u64,
}

impl Findings {
    pub fn is_clean(&self) -> bool {
        self.torn + self.lost + self.hung + self.leaked == 0
    }
}

pub fn run(arguments: &Arguments) -> Result<bool> {
    let mut clean = true;
    for &storm in Storm::value_variants() {
        if arguments.only.is_none_or(|only| only == storm) {
            let (kills, sabotage) = (arguments.kills, arguments.sabotage);
            let found = rage(storm, kills, &arguments.dir, sabotage)?;
            report::print(&found, arguments.json)?;
            clean &= found.is_clean();
        }
    }
    Ok(clean)
}

/// Runs one storm in a directory, and returns what it found.
pub fn rage(storm: Storm, kills: u64, dir: &Path, sabotage: Option<Sabotage>) -> Result<Findings> {
    let mut run = Run {
        storm,
        worker: Worker::build(sabotage)?,
        sabotaged: sabotage.is_some(),
        namespace: TempNamespace::below(dir)?,
        aside: TempNamespace::below(dir)?,
        found: Findings { storm: storm.name(), ..Findings::default() },
        random: u64::from(std::process::id()).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
    };
    run.all(kills)?;
    Ok(run.found)
}

/// The counts of a process, as it last reported them.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct Tally {
    operations: u64,
    checks: u64,
    torn: u64,
    lost: u64,
}

struct Process {
    child: Child,
    tally: Tally,
    heard: Instant,
}

impl Process {
    /// Reads what it has printed, but only a limited number of lines, so that a process that never
    /// stops printing cannot hold up the storm.
    fn listen(&mut self) -> Result<()> {
        for _ in 0..LINES_AT_ONCE {
            let Some(line) = self.child.try_line() else { break };
            self.tally = serde_json::from_str(&line)?;
            self.heard = Instant::now();
        }
        Ok(())
    }
}

struct Run {
    storm: Storm,
    worker: Worker,
    sabotaged: bool,
    namespace: TempNamespace,
    aside: TempNamespace,
    found: Findings,
    random: u64,
}

impl Run {
    fn all(&mut self, kills: u64) -> Result<()> {
        let mut processes = Vec::new();
        for index in 0..PROCESSES {
            processes.push(self.start(index)?);
        }
        while self.found.kills < kills {
            // Usually while they are working, sometimes while they are starting.
            std::thread::sleep(Duration::from_micros(self.below(8000)));
            let victim = self.below(PROCESSES as u64) as usize;
            for (index, process) in processes.iter_mut().enumerate() {
                process.listen()?;
                let hung = process.heard.elapsed() > WATCHDOG;
                self.found.hung += u64::from(hung);
                let gave_up = !process.child.is_alive();
                if gave_up {
                    self.found.lost += 1;
                    if !self.sabotaged {
                        eprintln!("{}: process {} gave up", self.found.storm, process.child.pid());
                    }
                }
                if hung || gave_up || index == victim {
                    process.child.kill()?;
                    self.found.kills += 1;
                    let successor = self.start(index)?;
                    let dead = std::mem::replace(process, successor);
                    self.add_up(dead)?;
                }
            }
        }
        for process in &mut processes {
            process.child.close_stdin();
        }
        for process in processes {
            self.finish(process)?;
        }
        self.judge()
    }

    fn start(&self, index: usize) -> Result<Process> {
        let mut command = self.worker.command("storm", self.namespace.path());
        command.arg(self.found.storm.as_str()).arg("--index").arg(index.to_string());
        command.arg("--aside").arg(self.aside.path());
        // One line says why a process gave up.
        command.env("RUST_BACKTRACE", "0");
        if self.sabotaged {
            // Every process would report what it found.
            command.stderr(Stdio::null());
        }
        let child = Child::spawn(&mut command)?;
        Ok(Process { child, tally: Tally::default(), heard: Instant::now() })
    }

    /// Waits for a process that was asked to end.
    fn finish(&mut self, mut process: Process) -> Result<()> {
        match process.child.wait(WATCHDOG) {
            Ok(status) if status.success() => {}
            Ok(status) => {
                self.found.lost += 1;
                eprintln!("{}: a process failed: {status}", self.found.storm);
            }
            Err(error) if error.is::<Hung>() => self.found.hung += 1,
            Err(error) => return Err(error),
        }
        self.add_up(process)
    }

    /// Adds the counts of a process that has ended. It may have been killed within a line.
    fn add_up(&mut self, mut process: Process) -> Result<()> {
        while let Ok(line) = process.child.line(WATCHDOG) {
            match serde_json::from_str(&line) {
                Ok(tally) => process.tally = tally,
                Err(error) => ensure!(error.is_eof(), "{line:?}: {error}"),
            }
        }
        let Tally { operations, checks, torn, lost } = process.tally;
        self.found.operations += operations;
        self.found.checks += checks;
        self.found.torn += torn;
        self.found.lost += lost;
        Ok(())
    }

    /// Starts a separate process that checks what is left, and removes it.
    fn judge(&mut self) -> Result<()> {
        let mut command = self.worker.command("storm-judge", self.namespace.path());
        command.arg(self.storm.name());
        let child = Child::spawn(&mut command)?;
        self.finish(Process { child, tally: Tally::default(), heard: Instant::now() })?;
        let left = self.namespace.files()?;
        if !left.is_empty() {
            eprintln!("{}: left behind: {left:?}", self.found.storm);
        }
        self.found.leaked = left.len() as u64;
        Ok(())
    }

    fn below(&mut self, n: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % n
    }
}
