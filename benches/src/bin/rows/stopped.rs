//! The row about `get` while a writer is stopped in mid-write.
//!
//! The writer is a process under ptrace, stopped all the time: on one side between two
//! writes, on the other within one, holding the lock, at a different
//! instruction each round. Readers read all keys, the one being written among them.

use anyhow::{Context, Result, ensure};
use shm_benches::subject;
use shm_benches::workload::{CAPACITY, Mix, SHORT, Workload, lookups};
use shm_harness::{Child, Stepper, TempNamespace};

use crate::child::{LIMIT, spawn};
use crate::lookups;
use crate::report::Bench;

/// Equal within the noise: the promise is 1, and a median of equal things falls
/// on either side of it.
const ALLOWANCE: f64 = 0.95;

/// Measures it.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let (work_name, peer) = ("get while a writer is SIGSTOPped in mid-write", "itself, idle");
    if !bench.wants(work_name, peer) {
        return Ok(());
    }
    let dir = TempNamespace::new()?;
    let work = Workload::new(CAPACITY);
    let table = subject::filled(dir.path(), "stopped", &work, SHORT)?;
    let writer = std::cell::RefCell::new(Stopped::spawn(&dir, "stopped")?);
    let held = writer.borrow_mut().measure_hold()?;
    let retries = table.read_retries();
    let mut depth = 0;
    bench.row(work_name, peer, Some(1.0), |plan| {
        let mut get = lookups::side(&work, Mix::Hits, |keys| lookups::<SHORT>(&table, keys).hits);
        let mut idle = lookups::side(&work, Mix::Hits, |keys| lookups::<SHORT>(&table, keys).hits);
        plan.compare(
            &mut |count| {
                depth = (depth + 7) % 10;
                writer.borrow_mut().enter(held * (2 * depth + 1) / 20)?;
                get(count)
            },
            &mut |count| {
                writer.borrow_mut().leave()?;
                idle(count)
            },
        )
    })?;
    let looked_again = table.read_retries() - retries;
    bench.amend(work_name, peer, |row| {
        row.holds = looked_again == 0 && row.ratio.is_some_and(|ratio| ratio >= ALLOWANCE);
        row.note = Some(format!(
            "holds from {ALLOWANCE} on (noise) and without a retry; {looked_again} retries; \
             stopped at ten depths within the {held} instructions that hold the lock"
        ));
    });
    Ok(())
}

/// A writer under ptrace.
pub(crate) struct Stopped {
    // The order matters: the tracer reaps first.
    stepper: Stepper,
    lock: usize,
    _child: Child,
}

impl Stopped {
    /// Starts one that writes a table, and stops it somewhere.
    pub(crate) fn spawn(dir: &TempNamespace, name: &str) -> Result<Self> {
        let child = spawn(dir, &["loop", name])?;
        let lock = child.line(LIMIT)?.parse().context("the address of the lock")?;
        let stepper = Stepper::seize(child.pid())?;
        Ok(Self { stepper, lock, _child: child })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> nix::unistd::Pid {
        self.stepper.pid()
    }

    /// Steps to where it does not hold the lock; the number of steps.
    pub(crate) fn leave(&mut self) -> Result<u64> {
        let lock = self.lock;
        self.stepper.step_until(|s| Ok(!s.owns_lock(lock)?))?.context("a writer was stopped")
    }

    /// Steps to `depth` instructions after it took the lock.
    pub(crate) fn enter(&mut self, depth: u64) -> Result<()> {
        let lock = self.lock;
        self.leave()?;
        self.stepper.step_until(|s| s.owns_lock(lock))?.context("a writer was stopped")?;
        self.stepper.step(depth)?;
        ensure!(self.stepper.owns_lock(lock)?, "{depth} instructions led out of the write");
        Ok(())
    }

    /// The least number of instructions that one of a few writes holds the lock for.
    pub(crate) fn measure_hold(&mut self) -> Result<u64> {
        let mut least = u64::MAX;
        for _ in 0..5 {
            self.enter(0)?;
            least = least.min(self.leave()?);
        }
        Ok(least)
    }
}
