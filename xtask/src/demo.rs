//! The main use cases on real input. For the table, four agents publish the status of the machine's
//! processes, each its own rows, and two readers look them up all the time. The table is created
//! small, and grows. A waiter sleeps until its own row changes. Each agent also has an ephemeral
//! row. One agent is killed inside a write: its ephemeral row goes at once, and another agent takes
//! over its share. For the map, see `names.rs`.

mod names;
mod presence;
mod screen;

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shm_harness::{Child, Step, Stepper, TempNamespace};
use signal_hook::consts::{SIGINT, SIGTERM};

use self::names::Names;
use self::presence::Presence;
use self::screen::Screen;
use crate::report;
use crate::worker::Worker;

const AGENTS: usize = 4;
const READERS: usize = 2;
/// The agent that is killed, and the one that takes its share.
const VICTIM: usize = 1;
const HEIR: usize = 2;
/// Rows of the board.
const ROWS: usize = 10;
const FRAME: Duration = Duration::from_millis(500);
const WATCHDOG: Duration = Duration::from_secs(20);
/// The number of instructions after which a write counts as not locking.
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
    /// The largest number of agents that were replacing rows side by side.
    pub writers: u64,
    /// How many rows fit when the table was created, how many fit at the end, and how often the
    /// table has grown in between.
    pub first_capacity: u64,
    pub capacity: u64,
    pub growths: u64,
    pub recoveries: u64,
    /// Ephemeral rows that went with an agent that was killed.
    pub ephemeral_gone: u64,
    /// Ephemeral rows that were there without their agents, or not there while their agents lived.
    pub ephemeral_astray: u64,
    pub torn: u64,
    pub lost: u64,
    /// Changes of one row that a waiter was woken for.
    pub changes: u64,
    /// Lookups of names of characters, by code, by prefix and by rank.
    pub lookups_per_s: u64,
    /// The largest number of editions of the names that one reader saw.
    pub editions: u64,
    /// Values of one edition that were found in another, or that belong to another name.
    pub mixtures: u64,
    pub seconds: f64,
}

impl Figures {
    pub fn is_clean(&self) -> bool {
        self.torn + self.lost + self.mixtures + self.ephemeral_astray == 0
    }

    /// Says what has not happened although a run of some seconds is to show it.
    pub fn not_shown(&self) -> Option<&'static str> {
        let shown = [
            (self.writers > 1, "no two agents wrote side by side"),
            (self.growths > 0 && self.capacity > self.first_capacity, "the table did not grow"),
            (self.recoveries > 0, "nothing was repaired"),
            (self.ephemeral_gone > 0, "no ephemeral row went with its agent"),
            (self.changes > 0, "nobody waited for a change"),
            (self.lookups_per_s > 0, "nobody looked up a name"),
            (self.editions > 1, "nobody saw a second edition"),
        ];
        shown.into_iter().find(|(is_shown, _)| !is_shown).map(|(_, what)| what)
    }
}

pub fn run(arguments: &Arguments) -> Result<bool> {
    // The build is silent, and may take minutes the first time.
    eprintln!("demo: building its programs, with optimisations");
    let figures = demo(arguments)?;
    report::print(&figures, arguments.json)?;
    Ok(figures.is_clean())
}

/// Runs the whole demo. However it ends, the processes and the directory are removed.
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
    let (mut killed, mut killed_publisher) = (false, false);
    while start.elapsed() < length && !stop.load(Ordering::Relaxed) {
        if !killed_publisher && start.elapsed() > length / 3 {
            demo.kill_inside_a_publication()?;
            killed_publisher = true;
        }
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
    waiter: Child,
    names: Names,
    presence: Presence,
    writers: u64,
    screen: Screen,
    namespace: &'a TempNamespace,
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
    first_capacity: u64,
    capacity: u64,
    growths: u64,
    /// How many agents replace rows side by side; the largest number so far.
    writers: u64,
    agents: Vec<String>,
    rows: Vec<Vec<Value>>,
}

/// What the waiter saw last.
#[derive(Deserialize)]
struct Waited {
    changes: u64,
    after_us: u64,
    last: String,
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
            spawn(worker.command(role, namespace.path()).args(arguments))
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
        let waiter = spawn("demo-waiter", &[])?;
        let names = Names::start(worker, namespace)?;
        let (presence, writers) = (Presence::of(0..AGENTS), 0);
        Ok(Self {
            agents,
            lock_addresses,
            readers,
            board,
            waiter,
            names,
            presence,
            writers,
            screen,
            namespace,
        })
    }

    fn look(&mut self) -> Result<Board> {
        let line = self.board.ask(&format!("show {ROWS}"), WATCHDOG)?;
        let mut board: Board = serde_json::from_str(&line).context("answer of the board")?;
        self.writers = self.writers.max(board.writers);
        board.writers = self.writers;
        self.presence.check(&board.agents);
        Ok(board)
    }

    fn waited(&mut self) -> Result<Waited> {
        let line = self.waiter.ask("show", WATCHDOG)?;
        serde_json::from_str(&line).context("answer of the waiter")
    }

    fn frame(&mut self) -> Result<()> {
        let (board, waited) = (self.look()?, self.waited()?);
        let names = self.names.look()?;
        self.screen.show(&board, &waited, &names, false)
    }

    fn kill_inside_a_publication(&mut self) -> Result<()> {
        let note = self.names.kill_inside_a_publication(self.namespace)?;
        self.screen.note(note);
        Ok(())
    }

    /// Stops the victim before its next write. Follows that write instruction by instruction until
    /// the victim holds the lock, and for some instructions more, and kills it there.
    fn kill_inside_a_write(&mut self) -> Result<()> {
        let Some(mut victim) = self.agents[VICTIM].take() else {
            return Ok(());
        };
        let lock = self.lock_addresses[VICTIM];
        let before = self.look()?;
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
        // Nothing is waited for: whoever looks next misses the row.
        self.presence.is_dead(VICTIM);
        let after = self.look()?;
        self.presence.went(&before.agents, &after.agents);
        self.screen.note(format!(
            "agent {VICTIM} (pid {pid}) was killed {steps} instructions into a write, holding the lock;\n  \
             agent {HEIR} took its share over;\n  \
             ephemeral rows before: {};\n  ephemeral rows after: {}",
            before.agents.join(", "),
            after.agents.join(", ")
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
        self.presence.all_have_ended();
        let check: Check = serde_json::from_str(&self.board.ask("check", WATCHDOG)?)?;
        figures.lost += check.missing;
        if let Some(damage) = check.damage {
            bail!("the table is damaged: {damage}");
        }
        let (board, waited) = (self.look()?, self.waited()?);
        let names = self.names.finish(self.namespace)?;
        self.screen.show(&board, &waited, &names, true)?;
        figures.changes = waited.changes;
        figures.lookups_per_s = names.lookups_per_s;
        (figures.editions, figures.mixtures) = (names.editions, names.mixtures);
        figures.lost += names.went_back;
        (figures.entries, figures.writes) = (board.entries, board.writes);
        figures.recoveries = board.recoveries;
        (figures.first_capacity, figures.capacity) = (board.first_capacity, board.capacity);
        (figures.growths, figures.writers) = (board.growths, self.writers);
        figures.ephemeral_gone = self.presence.gone;
        figures.ephemeral_astray = self.presence.astray;
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

/// Starts a worker.
fn spawn(command: &mut Command) -> Result<Child> {
    // Ctrl-C ends this program, which then ends the others in order.
    Child::spawn(command.process_group(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut Figures);

    /// The figures of a run that shows everything.
    fn whole() -> Figures {
        Figures {
            writers: 4,
            first_capacity: 4,
            capacity: 64,
            growths: 4,
            recoveries: 1,
            ephemeral_gone: 1,
            changes: 9,
            lookups_per_s: 9,
            editions: 2,
            ..Figures::default()
        }
    }

    #[test]
    fn what_a_run_does_not_show_is_noticed() {
        assert_eq!(whole().not_shown(), None);
        let changes: [(Change, &str); 8] = [
            (|f| f.writers = 1, "no two agents wrote side by side"),
            (|f| f.growths = 0, "the table did not grow"),
            (|f| f.capacity = 4, "the table did not grow"),
            (|f| f.recoveries = 0, "nothing was repaired"),
            (|f| f.ephemeral_gone = 0, "no ephemeral row went with its agent"),
            (|f| f.changes = 0, "nobody waited for a change"),
            (|f| f.lookups_per_s = 0, "nobody looked up a name"),
            (|f| f.editions = 1, "nobody saw a second edition"),
        ];
        for (change, expected) in changes {
            let mut figures = whole();
            change(&mut figures);
            assert_eq!(figures.not_shown(), Some(expected));
        }
    }

    #[test]
    fn what_goes_wrong_in_a_run_is_noticed() {
        assert!(whole().is_clean());
        let changes: [Change; 4] =
            [|f| f.torn = 1, |f| f.lost = 1, |f| f.mixtures = 1, |f| f.ephemeral_astray = 1];
        for change in changes {
            let mut figures = whole();
            change(&mut figures);
            assert!(!figures.is_clean(), "{figures:?}");
        }
    }
}
