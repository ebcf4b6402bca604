//! Processes that write one map at the same time: how much they write together, and how long a
//! write takes.

mod count;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;
use serde_json::json;
use shm_bench_common::histogram::Histogram;
use shm_bench_common::keys::Spread;
use shm_bench_common::remote::{Remote, run_together};
use shm_bench_common::worker::{Ran, TIMED};
use shm_harness::TempNamespace;

use crate::command::target_dir;
use crate::{bench, peer, plot, report};

/// The maps take turns in so many rounds.
const ROUNDS: u32 = 5;
/// A round in which a writer had to wait for its processor is run at most so often.
const TRIES: usize = 4;
/// How many writers are measured, if nothing else is asked for.
const WRITERS: [u32; 4] = [1, 2, 4, 8];

#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// Only these maps, separated by commas.
    #[arg(long, value_enum, value_name = "LIST", value_delimiter = ',')]
    pub maps: Vec<Map>,
    /// Only this way to spread the keys, or these ways.
    #[arg(long, value_enum, value_name = "LIST", value_delimiter = ',')]
    pub keys: Vec<Keys>,
    /// Numbers of writers, if not 1, 2, 4 and 8.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub writers: Vec<u32>,
    /// For how long each map is measured with each spread and number of writers.
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    pub seconds: f64,
    /// In place of that, count instructions and cache lines of one write of each map, by valgrind.
    #[arg(long, conflicts_with_all = ["keys", "writers", "seconds", "svg"])]
    pub count: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Print the table as Markdown, for docs/benchmarks.md.
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
    /// Where the drawing goes, if not to writers.svg in cargo's target directory.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// For the tests of this command: what is built in this workspace is not optimised.
    #[arg(long, hide = true)]
    pub unoptimised: bool,
}

/// What is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Map {
    /// The table, by `upsert`.
    Table,
    /// A hash table under a plain mutex.
    Mutex,
    /// The peer outside of the workspace.
    SubethaCxc,
}

impl Map {
    pub const ALL: [Self; 3] = [Self::Table, Self::Mutex, Self::SubethaCxc];

    pub fn shown(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Mutex => "hash table, plain mutex",
            Self::SubethaCxc => peer::SUBETHA,
        }
    }
}

/// Which keys the writers write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Keys {
    /// Each its own.
    Own,
    /// All the same.
    Hot,
    /// All of them all keys, a few of them often.
    Zipf,
}

impl Keys {
    pub const ALL: [Self; 3] = [Self::Own, Self::Hot, Self::Zipf];

    pub fn shown(self) -> &'static str {
        match self {
            Self::Own => "own keys",
            Self::Hot => "one hot key",
            Self::Zipf => "all keys, Zipf",
        }
    }
}

/// One map with one spread of the keys and one number of writers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    pub keys: Keys,
    pub writers: u32,
    pub map: Map,
    /// Of all writers together: the median over the rounds.
    pub writes_per_s: u64,
    /// Percentiles of the time that a write takes, and the longest of the timed writes.
    pub p50_ns: u64,
    pub p99_ns: u64,
    pub p999_ns: u64,
    pub max_ns: u64,
    /// What the writer that wrote least wrote, as a part of what each would write if all wrote
    /// equally much.
    pub least_share: f64,
    /// Rounds in which a writer had to wait for its processor although there are enough of them.
    pub disturbed: u32,
}

impl Point {
    /// A point that was not measured yet.
    pub fn new(map: Map, keys: Keys, writers: u32) -> Self {
        let [writes_per_s, p50_ns, p99_ns, p999_ns, max_ns] = [0; 5];
        Self {
            keys,
            writers,
            map,
            writes_per_s,
            p50_ns,
            p99_ns,
            p999_ns,
            max_ns,
            least_share: 0.0,
            disturbed: 0,
        }
    }
}

/// True when everything ran. A map that cannot be built is left out, and the reason is printed.
pub fn run(arguments: &Arguments) -> Result<bool> {
    ensure!(arguments.seconds > 0.0 && arguments.seconds < 3600.0, "--seconds is out of range");
    let chosen = |given: &[Map]| if given.is_empty() { Map::ALL.to_vec() } else { given.to_vec() };
    let mut programs = Vec::new();
    for map in chosen(&arguments.maps) {
        match Program::build(map, arguments.unoptimised)? {
            Ok(program) => programs.push(program),
            Err(reason) => eprintln!("skipped {}: {reason}", map.shown()),
        }
    }
    ensure!(!programs.is_empty(), "there is no map to measure");
    if arguments.count {
        return print_counts(arguments, &programs);
    }
    let measured = measure(arguments, &programs)?;
    let path = arguments.svg.clone().unwrap_or_else(|| target_dir().join("writers.svg"));
    std::fs::write(&path, plot::writers(&measured.points)?)
        .with_context(|| format!("write {}", path.display()))?;
    eprintln!("drawn: {}", path.display());
    if arguments.json {
        println!(
            "{}",
            json!({ "cpus": measured.cpus, "clock_ns": measured.clock_ns, "points": measured.points })
        );
        return Ok(true);
    }
    println!("{}", styled(table(&measured.points), arguments.markdown));
    let disturbed: u32 = measured.points.iter().map(|point| point.disturbed).sum();
    println!(
        "{} processors. One write of {TIMED} is timed, and its time includes {} ns for reading the\n\
         clock. In {disturbed} of {} rounds a writer waited for a processor that it could have had.",
        measured.cpus,
        measured.clock_ns,
        measured.points.len() * ROUNDS as usize,
    );
    Ok(true)
}

/// True also if there is nothing to count with. Then the reason is printed.
fn print_counts(arguments: &Arguments, programs: &[Program]) -> Result<bool> {
    match count::count(programs)? {
        Err(reason) => eprintln!("skipped the counts: {reason}"),
        Ok(counts) if arguments.json => println!("{}", json!({ "counts": counts })),
        Ok(counts) => println!("{}", styled(count::table(&counts), arguments.markdown)),
    }
    Ok(true)
}

fn styled(mut table: Table, markdown: bool) -> Table {
    if markdown {
        table.load_preset(ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    }
    table
}

/// A program whose processes are workers.
struct Program {
    map: Map,
    path: PathBuf,
    role: Option<&'static str>,
}

impl Program {
    /// The program, or the reason why there is none.
    fn build(map: Map, unoptimised: bool) -> Result<Result<Self, String>> {
        let role = match map {
            Map::Table => "worker-table",
            Map::Mutex => "worker-hashed",
            Map::SubethaCxc => {
                return Ok(peer::build_subetha().map(|path| Self { map, path, role: None }));
            }
        };
        Ok(Ok(Self { map, path: bench::rows_program(unoptimised)?, role: Some(role) }))
    }

    /// Starts a worker. The first of a map creates it.
    fn start(&self, dir: &Path, first: bool) -> Result<Remote> {
        self.start_by(Command::new(&self.path), dir, first)
    }

    /// Starts a worker by a command that takes the arguments of the program.
    fn start_by(&self, mut command: Command, dir: &Path, first: bool) -> Result<Remote> {
        command.args(self.role.iter().flat_map(|role| ["--role", role])).arg(dir);
        Remote::spawn(command.arg(if first { "create" } else { "open" }))
    }
}

struct Measured {
    cpus: usize,
    clock_ns: u64,
    points: Vec<Point>,
}

fn measure(arguments: &Arguments, programs: &[Program]) -> Result<Measured> {
    let writers = if arguments.writers.is_empty() { &WRITERS[..] } else { &arguments.writers };
    let spreads = if arguments.keys.is_empty() { &Keys::ALL[..] } else { &arguments.keys };
    let parts = writers.iter().copied().max().unwrap_or(1).max(8);
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let mut measured = Measured { cpus, clock_ns: 0, points: Vec::new() };
    let round = Duration::from_secs_f64(arguments.seconds) / ROUNDS;
    for &keys in spreads {
        for &writers in writers {
            let mut contenders = Vec::new();
            for program in programs {
                contenders.push(Contender::start(program, keys, writers, parts, cpus)?);
            }
            for turn in 0..ROUNDS as usize {
                // Each round begins with another map.
                let count = contenders.len();
                contenders.rotate_left(turn % count);
                for contender in &mut contenders {
                    contender.round(round, writers as usize <= cpus)?;
                }
            }
            for mut contender in contenders {
                let clock = contender.workers.first_mut().map_or(Ok(0), Remote::clock)?;
                measured.clock_ns = measured.clock_ns.max(clock);
                measured.points.push(contender.finish(keys, writers)?);
            }
            eprint!(".");
        }
    }
    eprintln!();
    let place = |point: &Point| (point.keys as u8, point.writers, point.map as u8);
    measured.points.sort_by_key(place);
    Ok(measured)
}

/// The writers of one map, and what they have done.
struct Contender {
    map: Map,
    workers: Vec<Remote>,
    rates: Vec<u64>,
    /// Writes of each writer.
    writes: Vec<u64>,
    latency: Histogram,
    disturbed: u32,
    _dir: TempNamespace,
}

impl Contender {
    fn start(program: &Program, keys: Keys, writers: u32, parts: u32, cpus: usize) -> Result<Self> {
        let dir = TempNamespace::new()?;
        let mut workers = Vec::new();
        for at in 0..writers as usize {
            let mut worker = program.start(dir.path(), at == 0)?;
            worker.pin(at % cpus)?;
            worker.keys(match keys {
                Keys::Own => Spread::Own { part: at, parts: parts as usize },
                Keys::Hot => Spread::Hot,
                Keys::Zipf => Spread::Zipf { seed: at as u64 },
            })?;
            workers.push(worker);
        }
        Ok(Self {
            map: program.map,
            workers,
            rates: Vec::new(),
            writes: vec![0; writers as usize],
            latency: Histogram::default(),
            disturbed: 0,
            _dir: dir,
        })
    }

    /// Lets the writers write. With a processor for each, a round in which one of them had to wait
    /// for its processor is repeated.
    fn round(&mut self, time: Duration, undisturbed: bool) -> Result<()> {
        let ns = time.as_nanos() as u64;
        let mut tries = 0;
        let ran = loop {
            let ran = run_together(&mut self.workers, time)?;
            tries += 1;
            let waited = undisturbed && ran.iter().any(|ran| ran.delayed * 20 > ns);
            if !waited || tries == TRIES {
                self.disturbed += u32::from(waited);
                break ran;
            }
        };
        self.add(&ran, ns);
        Ok(())
    }

    fn add(&mut self, ran: &[Ran], ns: u64) {
        let all: u64 = ran.iter().map(|ran| ran.writes).sum();
        self.rates.push((all as f64 * 1e9 / ns as f64) as u64);
        for (sum, ran) in self.writes.iter_mut().zip(ran) {
            *sum += ran.writes;
            self.latency.merge(&ran.latency);
        }
    }

    /// Checks that all values are whole, and sums up.
    fn finish(mut self, keys: Keys, writers: u32) -> Result<Point> {
        if let Some(worker) = self.workers.first_mut() {
            worker.check().with_context(|| format!("{} is damaged", self.map.shown()))?;
        }
        self.rates.sort_unstable();
        let quantile = |part| self.latency.quantile(part).unwrap_or(0);
        let (least, all) = (self.writes.iter().min(), self.writes.iter().sum::<u64>());
        let least = least.copied().unwrap_or(0) * self.writes.len() as u64;
        Ok(Point {
            writes_per_s: report::percentile(&self.rates, 50),
            p50_ns: quantile(0.5),
            p99_ns: quantile(0.99),
            p999_ns: quantile(0.999),
            max_ns: quantile(1.0),
            least_share: least as f64 / all.max(1) as f64,
            disturbed: self.disturbed,
            ..Point::new(self.map, keys, writers)
        })
    }
}

/// A table with a line for each point.
fn table(points: &[Point]) -> Table {
    let head = [
        "keys",
        "writers",
        "map",
        "M writes/s",
        "times one",
        "p50 ns",
        "p99",
        "p99.9",
        "max",
        "least",
    ];
    let mut table = report::table(&head);
    for point in points {
        let one = points
            .iter()
            .find(|one| (one.keys, one.map, one.writers) == (point.keys, point.map, 1));
        let times = one.map(|one| point.writes_per_s as f64 / one.writes_per_s.max(1) as f64);
        table.add_row([
            point.keys.shown().to_owned(),
            point.writers.to_string(),
            point.map.shown().to_owned(),
            format!("{:.2}", point.writes_per_s as f64 / 1e6),
            times.map_or("–".to_owned(), |times| format!("{times:.2}")),
            point.p50_ns.to_string(),
            point.p99_ns.to_string(),
            point.p999_ns.to_string(),
            point.max_ns.to_string(),
            format!("{:.2}", point.least_share),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_says_how_many_times_the_writes_of_one_writer_it_has() {
        let point = |map, writers, writes_per_s| Point {
            writes_per_s,
            ..Point::new(map, Keys::Own, writers)
        };
        let points = [
            point(Map::Table, 1, 20_000_000),
            point(Map::Table, 2, 30_000_000),
            point(Map::Mutex, 2, 10_000_000),
        ];
        let shown = table(&points).to_string();
        let lines: Vec<&str> = shown.lines().filter(|line| line.contains("own keys")).collect();
        assert!(lines[0].contains("20.00") && lines[0].contains("1.00"), "{shown}");
        assert!(lines[1].contains("30.00") && lines[1].contains("1.50"), "{shown}");
        assert!(lines[2].contains("10.00") && lines[2].contains('–'), "{shown}");
    }
}
