//! Kills a process after 0, 1, 2 … instructions of one operation. A judge checks what it left: the
//! old state or the new one, with nothing torn, lost, locked or leaked.

mod path;

use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use shm_harness::{Child, Hung, Step, Stepper, TempNamespace};

use self::path::{Path, Place};
use crate::report;
use crate::worker::{Sabotage, Worker};

/// How long the judge may take before it counts as hung.
const WATCHDOG: Duration = Duration::from_secs(30);
/// Processes that step at the same time.
const JOBS: u64 = 2;
/// How often a death that comes first is tried.
const ATTEMPTS: u32 = 1000;
/// How often places are measured, and how often each is tried, until most runs get there.
const MEASUREMENTS: u32 = 50;
const TRIALS: u32 = 5;
/// How many findings each of these processes shows in detail.
const SHOWN: u64 = 3;

#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// The operation.
    #[arg(long)]
    pub op: Operation,
    /// Kill only after every N-th instruction.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub stride: u64,
    /// Break the protocol on purpose: the run must then fail.
    #[arg(long)]
    pub sabotage: Option<Sabotage>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Operation {
    Add,
    Update,
    Upsert,
    Remove,
    Clear,
    Batch,
    /// Adding a key to a full table, which grows.
    Grow,
    Repair,
    Create,
    CreateLarge,
    Share,
    ForceShare,
    Settle,
    RemoveName,
    Freeze,
    Prune,
    /// Opening a table that no living process has open. Its lock is held by a dead thread, or it is
    /// of an earlier boot, or its file has another place than its session says.
    Takeover,
    /// Updating a present key without the lock, from a registered thread.
    ClaimUpdate,
    /// The first write of a thread, which registers it.
    Register,
    /// The end of a registered thread, and of its handle.
    Unregister,
    /// Writing where a dead writer left a claim.
    Resolve,
    /// Updating or removing a key while others wait for a change.
    Wake,
    /// Removing entries that have expired.
    Expire,
    /// Adding a key to a full table, which evicts its oldest entry.
    Evict,
}

impl Operation {
    /// The distance in instructions between the kills of the everyday suite: 1 for short
    /// operations, more for long ones. It is odd, so that all kinds of instructions in loops are
    /// met.
    pub fn stride(self) -> u64 {
        match self {
            Self::Add | Self::Update | Self::Upsert | Self::Remove | Self::Clear => 1,
            Self::Create | Self::Repair | Self::Grow => 13,
            Self::Batch => 97,
            Self::Share | Self::ForceShare | Self::Freeze | Self::RemoveName => 17,
            Self::CreateLarge | Self::Settle | Self::Prune => 41,
            Self::Takeover => 151,
            Self::ClaimUpdate => 1,
            Self::Unregister | Self::Wake | Self::Expire => 7,
            Self::Register | Self::Evict => 13,
            Self::Resolve => 37,
        }
    }

    /// The workers' names for the operation: one name, or one for each state that it may begin
    /// with.
    fn walks(self) -> Vec<String> {
        match self {
            Self::Takeover => {
                ["stuck", "boot", "moved"].map(|from| format!("takeover-{from}")).into()
            }
            Self::ClaimUpdate => {
                ["", "-batch", "-verify"].map(|next| format!("claim-update{next}")).into()
            }
            Self::Register => ["register", "register-again"].map(str::to_owned).into(),
            Self::Unregister => ["drop", "thread"].map(|end| format!("unregister-{end}")).into(),
            Self::Wake => ["update", "remove"].map(|by| format!("wake-{by}")).into(),
            Self::Resolve => ["write", "batch", "recover"].map(|by| format!("resolve-{by}")).into(),
            _ => vec![self.name()],
        }
    }

    pub fn name(self) -> String {
        self.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default()
    }
}

/// What a run found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Findings {
    pub op: String,
    /// Instructions between the operation's call and its return.
    pub instructions: u64,
    pub kills: u64,
    pub torn: u64,
    pub lost: u64,
    pub hung: u64,
    pub leaked: u64,
    /// Kills that left a claim.
    pub claims: u64,
    /// How many findings were shown in detail.
    #[serde(skip)]
    reported: u64,
}

impl Findings {
    pub fn is_clean(&self) -> bool {
        self.torn + self.lost + self.hung + self.leaked == 0
    }

    fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.torn += other.torn;
        self.lost += other.lost;
        self.hung += other.hung;
        self.leaked += other.leaked;
        self.claims += other.claims;
    }
}

pub fn run(arguments: &Arguments) -> Result<bool> {
    let findings = step_kill(arguments)?;
    report::print(&findings, arguments.json)?;
    Ok(findings.is_clean())
}

/// Runs everything, and returns what it found.
pub fn step_kill(arguments: &Arguments) -> Result<Findings> {
    let worker = Worker::build(arguments.sabotage)?;
    let mut total = Findings { op: arguments.op.name(), ..Findings::default() };
    // A negative control need not be caught in each case.
    let walks = if arguments.sabotage.is_some() { 1 } else { usize::MAX };
    for walk in arguments.op.walks().into_iter().take(walks) {
        let preludes = match arguments.op {
            Operation::Repair | Operation::Settle => {
                Bench::new(&worker, &walk)?.around_the_commit()?
            }
            Operation::Resolve => Bench::new(&worker, &walk)?.within_the_claim()?,
            Operation::Register if walk == "register-again" => {
                vec![Some(Bench::new(&worker, &walk)?.end_of_the_prelude()?)]
            }
            _ => vec![None],
        };
        for prelude in preludes {
            let found = all_instructions(&worker, &walk, arguments.stride, prelude)?;
            total.instructions += found.instructions;
            total.add(&found);
        }
    }
    Ok(total)
}

/// Splits the instructions over the cores. Job j takes kills j, j + JOBS, …
fn all_instructions(
    worker: &Worker,
    op: &str,
    stride: u64,
    prelude: Option<Place>,
) -> Result<Findings> {
    // One offset for all jobs: runs differ a little, and if each job measured by itself, all might
    // leave out the same places.
    let path = Bench::new(worker, op)?.measure(Walk::Operation, prelude)?;
    let total = Mutex::new(Findings::default());
    std::thread::scope(|scope| {
        let jobs: Vec<_> = (0..JOBS)
            .map(|job| {
                let (total, path) = (&total, &path);
                scope.spawn(move || -> Result<()> {
                    let mut bench = Bench::new(worker, op)?;
                    let mut found = Findings::default();
                    for kill in (job..).step_by(JOBS as usize) {
                        let kill = kill * stride;
                        let length = bench.kill_at(path, kill, prelude, &mut found)?;
                        // One run may be some instructions shorter than another.
                        if let Some(length) = length.filter(|_| kill >= path.instructions()) {
                            found.instructions = length;
                            break;
                        }
                    }
                    let mut total = total.lock().map_err(|_| anyhow::anyhow!("a job panicked"))?;
                    total.instructions = total.instructions.max(found.instructions);
                    total.add(&found);
                    Ok(())
                })
            })
            .collect();
        for job in jobs {
            job.join().map_err(|_| anyhow::anyhow!("a job panicked"))??;
        }
        Ok::<(), anyhow::Error>(())
    })?;
    total.into_inner().context("a job panicked")
}

/// What the process does that will be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Walk {
    Operation,
    /// The operation that the repair follows.
    Prelude,
}

/// One namespace with its judge.
struct Bench<'a> {
    worker: &'a Worker,
    op: String,
    namespace: TempNamespace,
    judge: Child,
}

#[derive(Deserialize)]
struct Verdict {
    torn: u64,
    lost: u64,
    leaked: u64,
    hung: u64,
    new: bool,
    #[serde(default)]
    claimed: bool,
}

/// Where an operation is that is stopped.
#[derive(Deserialize)]
struct Glance {
    claimed: bool,
    new: bool,
}

impl<'a> Bench<'a> {
    fn new(worker: &'a Worker, op: &str) -> Result<Self> {
        let namespace = TempNamespace::new()?;
        let judge = Self::judge(worker, op, &namespace)?;
        Ok(Self { worker, op: op.to_owned(), namespace, judge })
    }

    fn judge(worker: &Worker, op: &str, namespace: &TempNamespace) -> Result<Child> {
        Child::spawn(worker.command("judge", namespace.path()).args(["--op", op]))
    }

    /// Walks once through the operation, or through the one that the operation follows.
    fn measure(&mut self, what: Walk, prelude: Option<Place>) -> Result<Path> {
        self.prepare(prelude)?;
        let mut stepper = self.start(what)?;
        let pieces = stepper.measure()?;
        let fixed = stepper.has_fixed_addresses();
        stepper.kill()?;
        Ok(Path::new(&pieces, fixed))
    }

    /// Kills after `instructions` of the operation. Returns the operation's length if it ended
    /// before.
    fn kill_at(
        &mut self,
        path: &Path,
        instructions: u64,
        prelude: Option<Place>,
        found: &mut Findings,
    ) -> Result<Option<u64>> {
        let mut place = path.place(instructions);
        let step = loop {
            self.prepare(prelude)?;
            match self.walk(Walk::Operation, place)? {
                Some(step) => break step,
                None => place = place.stepped(),
            }
        };
        found.kills += 1;
        let (command, length) = match step {
            Step::Stopped => ("check", None),
            Step::Marked(steps) => ("check-done", Some(place.skipped() + steps)),
            Step::Ended(at) => bail!("the operation ended the process at instruction {at}"),
        };
        match self.judge.ask(command, WATCHDOG) {
            Ok(line) => {
                let verdict: Verdict = serde_json::from_str(&line)?;
                found.torn += verdict.torn;
                found.lost += verdict.lost;
                found.leaked += verdict.leaked;
                found.hung += verdict.hung;
                found.claims += u64::from(verdict.claimed);
                let wrong = verdict.torn + verdict.lost + verdict.leaked + verdict.hung;
                if wrong > 0 && found.reported < SHOWN {
                    found.reported += 1;
                    eprintln!("{} killed after {instructions} instructions: {line}", self.op);
                }
            }
            Err(error) if error.is::<Hung>() => {
                found.hung += 1;
                self.judge = Self::judge(self.worker, &self.op, &self.namespace)?;
            }
            Err(error) => return Err(error),
        }
        Ok(length)
    }

    fn tell(&mut self, command: &str) -> Result<()> {
        match self.judge.ask(command, WATCHDOG)?.as_str() {
            "ok" => Ok(()),
            other => bail!("the judge answered {other:?}"),
        }
    }

    /// Resets, and causes the death that a repair follows.
    fn prepare(&mut self, prelude: Option<Place>) -> Result<()> {
        match prelude {
            None => self.tell("reset"),
            Some(place) => {
                for _ in 0..ATTEMPTS {
                    self.die_before(place)?;
                    match self.judge.ask("note", WATCHDOG)?.as_str() {
                        "ok" => return Ok(()),
                        // Another run, another path: by the secrets of a hash.
                        "again" => {}
                        other => bail!("the judge answered {other:?}"),
                    }
                }
                bail!("{}: what is to come before never leaves what it should", self.op)
            }
        }
    }

    /// Resets, and kills at that place the operation that a repair follows.
    fn die_before(&mut self, mut place: Place) -> Result<()> {
        loop {
            self.tell("reset")?;
            if self.walk(Walk::Prelude, place)?.is_some() {
                return Ok(());
            }
            place = place.stepped();
        }
    }

    /// Starts a fresh process, and stops it right before the operation.
    fn start(&self, what: Walk) -> Result<Stepper> {
        let mut command = self.worker.command("operation", self.namespace.path());
        command.args(["--op", &self.op]);
        if what == Walk::Prelude {
            command.arg("--prelude");
        }
        let mut stepper = Stepper::spawn(&mut command)?;
        if self.op == "unregister-thread" {
            stepper.follow_next_thread()?;
        }
        Ok(stepper)
    }

    /// Lets a fresh process get to that place, and kills it. Returns `None` if the process did not
    /// reach the breakpoint and was killed at its next system call. Runs may differ, for instance
    /// by the secrets of a hash.
    fn walk(&self, what: Walk, place: Place) -> Result<Option<Step>> {
        let mut stepper = self.start(what)?;
        let step = match stepper.skip_calls(place.calls)? {
            Step::Stopped => match place.breakpoint {
                Some(address) if !stepper.run_to(address)? => None,
                _ => Some(stepper.step(place.steps)?),
            },
            // With fewer calls than the measured run.
            Step::Marked(_) => Some(Step::Marked(place.steps)),
            ended => Some(ended),
        };
        stepper.kill()?;
        Ok(step)
    }

    /// A repair follows a death. This finds the instruction of the preceding batch (or publication)
    /// that commits it. It returns deaths shortly before that instruction, after which the repair
    /// drops the batch, and shortly after it, after which the repair finishes the batch.
    fn around_the_commit(&mut self) -> Result<Vec<Option<Place>>> {
        let path = self.measure(Walk::Prelude, None)?;
        let (mut old, mut new) = (0, path.instructions());
        while new - old > 1 {
            let middle = old.midpoint(new);
            if self.commits_within(path.place(middle))? {
                new = middle;
            } else {
                old = middle;
            }
        }
        Ok(vec![Some(path.place(old.saturating_sub(20))), Some(path.place(new + 20))])
    }

    /// Finds deaths that leave a claim: right after the instruction that takes it, and right after
    /// the commit.
    fn within_the_claim(&mut self) -> Result<Vec<Option<Place>>> {
        for _ in 0..MEASUREMENTS {
            // The second run may have taken a longer way than the measured one.
            let Some(places) = self.places_within_the_claim()? else { continue };
            let mut all = true;
            for &place in places.iter().flatten() {
                all &= self.leaves_what_it_should(place)?;
            }
            if all {
                return Ok(places);
            }
            // The measured run took another path than most, by the secrets of a hash.
        }
        bail!("{}: no run is like another", self.op)
    }

    /// Whether one of a few deaths at this place leaves what the operation is to begin with.
    fn leaves_what_it_should(&mut self, place: Place) -> Result<bool> {
        for _ in 0..TRIALS {
            self.die_before(place)?;
            if self.judge.ask("note", WATCHDOG)? == "ok" {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn places_within_the_claim(&mut self) -> Result<Option<Vec<Option<Place>>>> {
        let path = self.measure(Walk::Prelude, None)?;
        self.tell("reset")?;
        let mut stepper = self.start(Walk::Prelude)?;
        let (mut claim, mut commit) = (None, None);
        for instructions in 0..path.instructions() {
            let glance: Glance = serde_json::from_str(&self.judge.ask("glance", WATCHDOG)?)?;
            if glance.claimed && !glance.new {
                claim.get_or_insert(instructions);
            } else if glance.claimed {
                commit.get_or_insert(instructions);
            }
            stepper.step(1)?;
        }
        stepper.kill()?;
        let place = |at: Option<u64>| Some(path.place(at?));
        let places = [place(claim), place(commit)];
        Ok(places.iter().all(Option::is_some).then(|| places.into()))
    }

    /// The death of a writer that has finished its write.
    fn end_of_the_prelude(&mut self) -> Result<Place> {
        let path = self.measure(Walk::Prelude, None)?;
        Ok(path.place(path.instructions()))
    }

    fn commits_within(&mut self, place: Place) -> Result<bool> {
        self.die_before(place)?;
        let line = self.judge.ask("check", WATCHDOG)?;
        Ok(serde_json::from_str::<Verdict>(&line)?.new)
    }
}
