//! The main job on real input: four agents publish the status of the machine's
//! processes, two readers look them up all the time, and one agent is killed inside a
//! write; another takes its share over.

use std::io::{IsTerminal, Write};
use std::os::unix::process::CommandExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shm_harness::{Child, Step, Stepper, TempNamespace};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::report;
use crate::worker::Worker;

const AGENTS: usize = 4;
const READERS: usize = 2;
/// The agent that is killed, and the one that takes its share.
const VICTIM: usize = 1;
const HEIR: usize = 2;
/// Rows of the board.
const ROWS: usize = 15;
const FRAME: Duration = Duration::from_millis(500);
const WATCHDOG: Duration = Duration::from_secs(20);
/// How far a write is followed before it counts as not locking.
const MAX_STEPS: u64 = 1_000_000;

#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// How long it runs.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..))]
    pub seconds: u64,
    /// Print no board, but one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// The figures at the end.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    pub entries: u64,
    pub writes: u64,
    pub reads: u64,
    pub reads_per_s: u64,
    pub recoveries: u64,
    pub torn: u64,
    pub lost: u64,
    pub seconds: f64,
}

impl Figures {
    pub fn is_clean(&self) -> bool {
        self.torn + self.lost == 0
    }
}

pub fn run(arguments: &Arguments) -> Result<bool> {
    let figures = demo(arguments)?;
    report::print(&figures, arguments.json)?;
    Ok(figures.is_clean())
}

/// Runs the whole of it. Whatever way it ends, the segment's directory and the processes
/// end with it.
pub fn demo(arguments: &Arguments) -> Result<Figures> {
    let worker = Worker::build(None)?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, stop.clone())?;
    }
    let namespace = TempNamespace::new()?;
    let mut demo = Demo::start(&worker, &namespace, Screen::new(arguments.json))?;
    let start = Instant::now();
    let length = Duration::from_secs(arguments.seconds);
    let mut killed = false;
    while start.elapsed() < length && !stop.load(Ordering::Relaxed) {
        if !killed && start.elapsed() > length / 2 {
            demo.kill_inside_a_write()?;
            killed = true;
        }
        demo.frame()?;
        let left = length.saturating_sub(start.elapsed());
        std::thread::sleep(FRAME.min(left).max(Duration::from_millis(1)));
    }
    demo.finish(start)
}

struct Demo<'a> {
    agents: Vec<Option<Child>>,
    lock_addresses: Vec<usize>,
    readers: Vec<Child>,
    board: Child,
    screen: Screen,
    _namespace: &'a TempNamespace,
}

#[derive(Deserialize)]
struct Hello {
    lock_address: usize,
}

#[derive(Deserialize)]
struct Board {
    entries: u64,
    writes: u64,
    recoveries: u64,
    rows: Vec<Vec<Value>>,
}

#[derive(Deserialize)]
struct Read {
    reads: u64,
    seconds: f64,
    torn: u64,
    lost: u64,
}

#[derive(Deserialize)]
struct Check {
    missing: u64,
    damage: Option<String>,
}

impl<'a> Demo<'a> {
    fn start(worker: &Worker, namespace: &'a TempNamespace, screen: Screen) -> Result<Self> {
        let spawn = |role: &str, arguments: &[String]| {
            let mut command = worker.command(role, namespace.path());
            // Ctrl-C is for this program, which then ends the others in order.
            Child::spawn(command.args(arguments).process_group(0))
        };
        let mut agents = Vec::new();
        let mut lock_addresses = Vec::new();
        for share in 0..AGENTS {
            let arguments = ["--share", &share.to_string(), "--shares", &AGENTS.to_string()];
            let agent = spawn("demo-agent", &arguments.map(str::to_owned))?;
            let hello: Hello = serde_json::from_str(&agent.line(WATCHDOG)?)?;
            lock_addresses.push(hello.lock_address);
            agents.push(Some(agent));
        }
        let readers = (0..READERS).map(|_| spawn("demo-reader", &[])).collect::<Result<_>>()?;
        let board = spawn("demo-board", &[])?;
        Ok(Self { agents, lock_addresses, readers, board, screen, _namespace: namespace })
    }

    fn look(&mut self) -> Result<Board> {
        let line = self.board.ask(&format!("show {ROWS}"), WATCHDOG)?;
        serde_json::from_str(&line).context("answer of the board")
    }

    fn frame(&mut self) -> Result<()> {
        let board = self.look()?;
        self.screen.show(&board, false)
    }

    /// Has the victim stop before its next write, follows that write instruction by
    /// instruction until the victim holds the lock and some more, and kills it there.
    fn kill_inside_a_write(&mut self) -> Result<()> {
        let Some(mut victim) = self.agents[VICTIM].take() else {
            return Ok(());
        };
        let lock = self.lock_addresses[VICTIM];
        let mut stepper = Stepper::seize(victim.pid())?;
        victim.send("stop")?;
        if !matches!(stepper.run_to_mark()?, Step::Marked(_)) {
            bail!("the victim ended before its next write");
        }
        let mut steps = 0;
        while !stepper.owns_lock(lock)? {
            stepper.step(1)?;
            steps += 1;
            if steps > MAX_STEPS {
                bail!("the write does not lock");
            }
        }
        // Into the middle of what the lock protects.
        steps += 40;
        stepper.step(40)?;
        let inside = stepper.owns_lock(lock)?;
        let pid = stepper.pid();
        stepper.kill()?;
        victim.kill().ok();
        if !inside {
            bail!("the victim had finished its write already");
        }
        self.screen.note(format!(
            "agent {VICTIM} (pid {pid}) was killed {steps} instructions into a write, holding the lock; \
             agent {HEIR} took its share over"
        ));
        match &mut self.agents[HEIR] {
            Some(heir) => heir.send(&format!("take {VICTIM}")),
            None => Ok(()),
        }
    }

    fn finish(mut self, start: Instant) -> Result<Figures> {
        let mut figures = Figures { seconds: start.elapsed().as_secs_f64(), ..Figures::default() };
        for agent in self.agents.iter_mut().flatten() {
            agent.close_stdin();
            if !agent.wait(WATCHDOG)?.success() {
                figures.lost += 1;
            }
        }
        let check: Check = serde_json::from_str(&self.board.ask("check", WATCHDOG)?)?;
        figures.lost += check.missing;
        if let Some(damage) = check.damage {
            bail!("the table is damaged: {damage}");
        }
        let board = self.look()?;
        self.screen.show(&board, true)?;
        (figures.entries, figures.writes) = (board.entries, board.writes);
        figures.recoveries = board.recoveries;
        let mut rate = 0.0;
        for mut reader in std::mem::take(&mut self.readers) {
            reader.close_stdin();
            let read: Read = serde_json::from_str(&reader.line(WATCHDOG)?)?;
            reader.wait(WATCHDOG)?;
            figures.reads += read.reads;
            figures.torn += read.torn;
            figures.lost += read.lost;
            rate += read.reads as f64 / read.seconds;
        }
        figures.reads_per_s = rate as u64;
        Ok(figures)
    }
}

/// Where the board goes: refreshed in place on a terminal; elsewhere once, at the end.
struct Screen {
    quiet: bool,
    in_place: bool,
    lines: usize,
    notes: Vec<String>,
}

impl Screen {
    fn new(quiet: bool) -> Self {
        let in_place = std::io::stdout().is_terminal();
        Self { quiet, in_place, lines: 0, notes: Vec::new() }
    }

    fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    fn show(&mut self, board: &Board, last: bool) -> Result<()> {
        if self.quiet || (!self.in_place && !last) {
            return Ok(());
        }
        let heading = ["pid", "command", "state", "RSS KiB", "CPU ticks", "written by", "age"];
        let mut table = report::table(&heading);
        for row in &board.rows {
            let cell = |value: &Value| value.as_str().map_or(value.to_string(), printable);
            table.add_row(row.iter().map(cell));
        }
        let mut text = format!(
            "{table}\n{} processes on the board, {} writes, {} recoveries\n",
            board.entries, board.writes, board.recoveries
        );
        for note in &self.notes {
            text.push_str(note);
            text.push('\n');
        }
        let mut out = std::io::stdout().lock();
        if self.in_place && self.lines > 0 {
            // Up to the first line of the last frame, and clear from there.
            write!(out, "\x1b[{}F\x1b[J", self.lines)?;
        }
        write!(out, "{text}")?;
        out.flush()?;
        self.lines = text.lines().count();
        Ok(())
    }
}

/// Names of processes may hold anything; control characters would break the screen.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect()
}
