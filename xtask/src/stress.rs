//! Runs writers and readers at full speed, and sends SIGKILL at random moments, again and again.

use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use shm_harness::{Child, Hung, TempNamespace};

use crate::report::{self, percentile};
use crate::worker::{Sabotage, Worker};

/// Kills of one table. The next kills hit a new one, so that tables grow all the time.
const KILLS_PER_TABLE: u64 = 1000;

/// One of so many kills is aimed at a writer that has a claim or the lock. The others hit any
/// writer at any moment, and few of them hit either.
const AIMED_EVERY: u64 = 2;

/// How long a process may take to answer before it counts as hung.
const WATCHDOG: Duration = Duration::from_secs(30);

#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// Writer processes.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=10))]
    pub writers: u64,
    /// Reader processes.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..))]
    pub readers: u64,
    /// How many processes to kill.
    #[arg(long, default_value_t = 1000)]
    pub kills: u64,
    /// Break the protocol on purpose: the run must then fail.
    #[arg(long)]
    pub sabotage: Option<Sabotage>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// What a run found. Recovery is the time from a SIGKILL that hit the owner of
/// the lock to the next successful write of another process; or one that hit the writer of a
/// claim, to the next write of that key.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Findings {
    pub kills: u64,
    /// Kills that hit the owner of the lock, so that the next owner had to repair.
    pub recoveries: u64,
    /// Kills that hit a writer that had claimed a slot.
    pub claims: u64,
    /// How often a table grew.
    pub growths: u64,
    pub writes: u64,
    pub reads: u64,
    pub torn: u64,
    pub lost: u64,
    pub hung: u64,
    pub recovery_p50_us: u64,
    pub recovery_p99_us: u64,
    pub recovery_max_us: u64,
    pub claim_p50_us: u64,
    pub claim_p99_us: u64,
    pub claim_max_us: u64,
}

impl Findings {
    pub fn is_clean(&self) -> bool {
        self.torn + self.lost + self.hung == 0
    }
}

pub fn run(arguments: &Arguments) -> Result<bool> {
    let findings = stress(arguments)?;
    report::print(&findings, arguments.json)?;
    Ok(findings.is_clean())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Line {
    torn: u64,
    lost: u64,
    reads: u64,
    ns: u64,
    claim_ns: Option<u64>,
    pid: Option<i32>,
    recoveries: u64,
    growths: u64,
    writes: u64,
    damage: Option<String>,
}

/// Runs everything, and returns what it found.
pub fn stress(arguments: &Arguments) -> Result<Findings> {
    let worker = Worker::build(arguments.sabotage)?;
    let mut run = Run {
        worker: &worker,
        namespace: TempNamespace::new()?,
        found: Findings::default(),
        recovery_times: Vec::new(),
        claim_times: Vec::new(),
        random: u64::from(std::process::id()).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
    };
    let mut left = arguments.kills;
    while left > 0 {
        let kills = left.min(KILLS_PER_TABLE);
        run.one_table(arguments, kills)?;
        left -= kills;
        run.namespace = TempNamespace::new()?;
    }
    Ok(run.end())
}

struct Run<'a> {
    worker: &'a Worker,
    namespace: TempNamespace,
    found: Findings,
    /// In µs.
    recovery_times: Vec<u64>,
    claim_times: Vec<u64>,
    random: u64,
}

impl Run<'_> {
    fn one_table(&mut self, arguments: &Arguments, kills: u64) -> Result<()> {
        let mut probe =
            Child::spawn(&mut self.worker.command("stress-probe", self.namespace.path()))?;
        probe.line(WATCHDOG)?;
        let mut writers = Vec::new();
        for index in 0..arguments.writers {
            writers.push(self.start_writer(index)?);
        }
        let mut readers = Vec::new();
        for seed in 0..arguments.readers {
            let mut command = self.worker.command("stress-reader", self.namespace.path());
            command.arg("--writers").arg(arguments.writers.to_string());
            command.arg("--seed").arg((seed * 977 + 13).to_string());
            readers.push(Child::spawn(&mut command)?);
        }

        let (mut recoveries, mut writes, mut growths) = (0, 0, 0);
        for kill in 0..kills {
            // A random moment, from "at once" to a few thousand writes later.
            std::thread::sleep(Duration::from_micros(self.below(1500)));
            // The table is broken if a writer gives up. It is a finding, and this table's last.
            let mut gave_up = 0;
            for writer in &mut writers {
                gave_up += u64::from(!writer.is_alive());
            }
            if gave_up > 0 {
                self.found.lost += gave_up;
                eprintln!("{gave_up} writers gave up");
                break;
            }
            let aimed = if kill % AIMED_EVERY == 0 { self.ask(&mut probe, "aim")? } else { None };
            let aimed = aimed.and_then(|line| {
                let index =
                    writers.iter().position(|writer| line.pid == Some(writer.pid().as_raw()))?;
                Some((index, Duration::from_nanos(line.ns)))
            });
            let (index, start) = match aimed {
                Some(aimed) => aimed,
                None => {
                    let index = self.below(arguments.writers) as usize;
                    let start = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC)?);
                    writers[index].signal(Signal::SIGKILL)?;
                    (index, start)
                }
            };
            let pid = writers[index].pid();
            self.found.kills += 1;
            let Some(line) = self.ask(&mut probe, &pid.to_string())? else {
                drop(writers.swap_remove(index));
                break;
            };
            let since = |ns: u64| ns.saturating_sub(start.as_nanos() as u64) / 1000;
            if line.recoveries > recoveries {
                recoveries = line.recoveries;
                self.found.recoveries += 1;
                self.recovery_times.push(since(line.ns));
            }
            if let Some(ns) = line.claim_ns {
                self.found.claims += 1;
                self.claim_times.push(since(ns));
            }
            (writes, growths) = (line.writes, line.growths);
            writers[index].kill()?;
            writers[index] = self.start_writer(index as u64)?;
        }

        for mut writer in writers {
            writer.close_stdin();
            self.finish(writer)?;
        }
        for mut reader in readers {
            reader.close_stdin();
            self.finish(reader)?;
        }
        if let Some(line) = self.ask(&mut probe, "verify")? {
            self.found.lost += line.lost;
            if let Some(damage) = line.damage {
                eprintln!("at the end: {damage}");
                self.found.lost += 1;
            }
        }
        self.found.writes += writes;
        self.found.growths += growths;
        Ok(())
    }

    fn end(mut self) -> Findings {
        let (times, claim_times) = (&mut self.recovery_times, &mut self.claim_times);
        times.sort_unstable();
        self.found.recovery_p50_us = percentile(times, 50);
        self.found.recovery_p99_us = percentile(times, 99);
        self.found.recovery_max_us = times.last().copied().unwrap_or(0);
        claim_times.sort_unstable();
        self.found.claim_p50_us = percentile(claim_times, 50);
        self.found.claim_p99_us = percentile(claim_times, 99);
        self.found.claim_max_us = claim_times.last().copied().unwrap_or(0);
        self.found
    }

    /// Starts a writer, which first checks what its predecessor left.
    fn start_writer(&mut self, index: u64) -> Result<Child> {
        let mut command = self.worker.command("stress-writer", self.namespace.path());
        command.arg("--index").arg(index.to_string());
        let writer = Child::spawn(&mut command)?;
        match writer.line(WATCHDOG) {
            Ok(line) => {
                let line: Line = serde_json::from_str(&line)?;
                self.found.torn += line.torn;
                self.found.lost += line.lost;
            }
            Err(error) if error.is::<Hung>() => self.found.hung += 1,
            // It counts as lost when the run sees that it has ended.
            Err(error) => eprintln!("a writer does not start: {error:#}"),
        }
        Ok(writer)
    }

    /// The answer of the probe; `None` if there is none, which is a finding.
    fn ask(&mut self, probe: &mut Child, question: &str) -> Result<Option<Line>> {
        match probe.ask(question, WATCHDOG) {
            Ok(line) => Ok(Some(serde_json::from_str(&line).context("answer of the probe")?)),
            Err(error) if error.is::<Hung>() => {
                self.found.hung += 1;
                Ok(None)
            }
            Err(error) => {
                self.found.lost += 1;
                eprintln!("the probe failed: {error:#}");
                Ok(None)
            }
        }
    }

    /// Waits for a process that was asked to end, and adds its last report to the findings.
    fn finish(&mut self, mut child: Child) -> Result<()> {
        match child.wait(WATCHDOG) {
            Ok(status) if status.success() => {}
            Ok(status) => {
                self.found.lost += 1;
                eprintln!("a process failed: {status}");
            }
            Err(error) if error.is::<Hung>() => self.found.hung += 1,
            Err(error) => return Err(error),
        }
        let mut last = Line::default();
        while let Ok(line) = child.line(Duration::from_secs(1)) {
            last = serde_json::from_str(&line)?;
        }
        self.found.torn += last.torn;
        self.found.lost += last.lost;
        self.found.reads += last.reads;
        Ok(())
    }

    fn below(&mut self, n: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % n
    }
}
