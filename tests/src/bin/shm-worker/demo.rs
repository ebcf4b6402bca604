//! The roles of the demo: agents that publish one status line per process of the
//! machine, readers that look processes up, and the board that shows them.

pub mod names;
mod presence;
pub mod waiter;

use std::collections::{HashMap, HashSet};
use std::io::BufRead;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, raise};
use nix::time::{ClockId, clock_gettime};
use procfs::Current;
use serde_json::json;
use shm_facade::{Error, ResultCode, StatusOptions, StatusReader, StatusTable};
use shm_tests::status_line::StatusLine;
use slotmap_shm::TableReader;

const NAME: &str = "processes";
/// How often an agent checks its processes.
const PERIOD: Duration = Duration::from_millis(100);

#[derive(clap::Args)]
pub struct AgentArguments {
    /// The share of this agent: pids that are `share` modulo `shares`.
    #[arg(long)]
    share: i32,
    #[arg(long)]
    shares: i32,
}

/// So few rows that the table has to grow at once, and as many as it may grow to.
const CAPACITY: [usize; 2] = [4, 8192];

fn options() -> StatusOptions {
    let [capacity, max_capacity] = CAPACITY;
    StatusOptions::default().capacity(capacity).max_capacity(max_capacity)
}

/// The lines of stdin; ends when stdin does.
fn commands() -> Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    receive
}

/// Adds its ephemeral row. Line protocol: prints `{lock_address}`; then `take N` adds a share,
/// `stop` raises SIGSTOP right before the next write; end of input ends it.
pub fn agent(arguments: &AgentArguments) -> Result<()> {
    let table = StatusTable::open_or_create_with(NAME, &options())?;
    let _there = presence::announce(&format!("agent-{}", arguments.share))?;
    println!("{}", json!({ "lock_address": table.table().lock_address() }));
    let commands = commands();
    let mut agent = Agent {
        table,
        name: format!("agent {}", arguments.share),
        shares: HashSet::from([arguments.share]),
        of: arguments.shares,
        sequence: 0,
        stop: false,
    };
    let mut next = Instant::now();
    loop {
        agent.publish()?;
        next += PERIOD;
        loop {
            match commands.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(line) => match line.split_once(' ') {
                    Some(("take", share)) => drop(agent.shares.insert(share.parse()?)),
                    _ => agent.stop = line == "stop",
                },
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => {
                    // The last report is up to date.
                    return agent.publish();
                }
            }
        }
    }
}

struct Agent {
    table: StatusTable,
    name: String,
    shares: HashSet<i32>,
    of: i32,
    sequence: u64,
    stop: bool,
}

impl Agent {
    fn is_mine(&self, pid: i32) -> bool {
        self.shares.contains(&pid.rem_euclid(self.of))
    }

    /// Writes the status of each living process of the shares; removes the dead.
    fn publish(&mut self) -> Result<()> {
        let mut alive = HashSet::new();
        for process in procfs::process::all_processes()? {
            // A process that ends while it is examined counts as gone.
            let Some(stat) = process.ok().and_then(|process| process.stat().ok()) else {
                continue;
            };
            if !self.is_mine(stat.pid) {
                continue;
            }
            alive.insert(stat.pid);
            self.sequence += 1;
            let line = StatusLine {
                pid: stat.pid,
                time_ns: now_ns()?,
                agent: self.name.clone(),
                state: stat.state,
                rss_kib: stat.rss * procfs::page_size() / 1024,
                cpu_ticks: stat.utime + stat.stime,
                name: stat.comm,
            };
            if std::mem::take(&mut self.stop) {
                raise(Signal::SIGSTOP)?;
                // A batch: it takes the lock, also if the key is present.
                self.table.upsert_many(&[(stat.pid, line.encode())])?;
                continue;
            }
            self.table.upsert(stat.pid, line.encode())?;
        }
        let gone: Vec<i32> = self
            .table
            .iter()
            .filter_map(Result::ok)
            .map(|(pid, _)| pid)
            .filter(|pid| self.is_mine(*pid) && !alive.contains(pid))
            .collect();
        for pid in gone {
            match self.table.remove(pid) {
                Err(e) if e.code() != ResultCode::NotFound => return Err(e.into()),
                _ => {}
            }
        }
        Ok(())
    }
}

fn now_ns() -> Result<u64> {
    Ok(Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC)?).as_nanos() as u64)
}

/// Looks pids up until its input ends, then prints `{reads, seconds, torn, lost}`.
pub fn reader() -> Result<()> {
    let table = open_reader()?;
    let commands = commands();
    let start = Instant::now();
    let mut newest: HashMap<i32, u64> = HashMap::new();
    let (mut reads, mut torn, mut lost) = (0u64, 0u64, 0u64);
    loop {
        let pids: Vec<i32> = table.iter().filter_map(Result::ok).map(|(pid, _)| pid).collect();
        for round in 0..64 {
            for (at, &pid) in pids.iter().enumerate() {
                reads += 1;
                // Some lookups are of pids that do not exist.
                let pid = if (at + round) % 8 == 0 { -pid } else { pid };
                let Some(value) = table.get(pid)? else {
                    continue;
                };
                match StatusLine::decode(&value).filter(|line| line.pid == pid) {
                    Some(line) => {
                        let newest = newest.entry(pid).or_default();
                        lost += u64::from(line.time_ns < *newest);
                        *newest = line.time_ns;
                    }
                    None => torn += 1,
                }
            }
        }
        if let Err(std::sync::mpsc::TryRecvError::Disconnected) = commands.try_recv() {
            let seconds = start.elapsed().as_secs_f64();
            println!(
                "{}",
                json!({ "reads": reads, "seconds": seconds, "torn": torn, "lost": lost })
            );
            return Ok(());
        }
    }
}

fn open_reader() -> Result<StatusReader> {
    loop {
        match StatusReader::open_read_only_with(NAME, &options()) {
            Err(e) if e.code() == ResultCode::NotFound => std::thread::yield_now(),
            other => return Ok(other?),
        }
    }
}

/// Line protocol: `show N` → the figures, the agents that are there, and the N largest processes;
/// `check` → how many living processes are missing, and whether the table is in order.
pub fn board() -> Result<()> {
    let (table, agents) = (open_reader()?, presence::open()?);
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let answer = match line.split_once(' ') {
            Some(("show", count)) => show(&table, &agents, count.parse()?)?,
            _ => check(&table)?,
        };
        println!("{answer}");
    }
    Ok(())
}

fn show(
    table: &StatusReader,
    agents: &TableReader<str>,
    count: usize,
) -> Result<serde_json::Value> {
    let mut lines: Vec<StatusLine> = table
        .iter()
        .filter_map(Result::ok)
        .filter_map(|(_, value)| StatusLine::decode(&value))
        .collect();
    lines.sort_by_key(|line| (std::cmp::Reverse(line.rss_kib), line.pid));
    lines.truncate(count);
    let now = now_ns()?;
    let rows: Vec<_> = lines
        .iter()
        .map(|line| {
            let age = Duration::from_nanos(now.saturating_sub(line.time_ns));
            json!([
                line.pid,
                line.name,
                line.state,
                line.rss_kib,
                line.cpu_ticks,
                line.agent,
                format!("{:.0} ms", age.as_secs_f64() * 1e3),
            ])
        })
        .collect();
    let stats = table.stats();
    // Those that replaced rows of their own, beside the others.
    let writers = table.writers().iter().filter(|w| w.is_alive && w.writes > 0).count();
    Ok(json!({
        "entries": stats.len, "writes": stats.writes, "recoveries": stats.recoveries, "rows": rows,
        "first_capacity": table.geometry().capacity, "capacity": stats.capacity,
        "growths": stats.growths, "writers": writers, "agents": presence::there(agents)?,
    }))
}

/// The agents have ended. A process that lived through all of this check, and had
/// been alive for some periods before, must be on the board.
fn check(table: &StatusReader) -> Result<serde_json::Value> {
    let old = |process: &procfs::process::Process| -> Option<i32> {
        let stat = process.stat().ok()?;
        let started = Duration::from_millis(stat.starttime * 1000 / procfs::ticks_per_second());
        let up = Duration::from_secs_f64(procfs::Uptime::current().ok()?.uptime);
        (up.saturating_sub(started) > 5 * PERIOD + Duration::from_secs(1)).then_some(stat.pid)
    };
    let before: Vec<i32> =
        procfs::process::all_processes()?.filter_map(|p| old(&p.ok()?)).collect();
    let mut missing = 0;
    for pid in before {
        let there = table.get(pid)?.and_then(|value| StatusLine::decode(&value)).is_some();
        let alive = procfs::process::Process::new(pid).is_ok();
        missing += u64::from(alive && !there);
    }
    let writer: Result<StatusTable, Error> = StatusTable::open_with(NAME, &options());
    let damage = writer.context("open the table")?.table().verify().err().map(|e| e.to_string());
    Ok(json!({ "missing": missing, "damage": damage }))
}
