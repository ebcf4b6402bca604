//! A [worker](crate::worker), as its parent sees it.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use shm_harness::Child;

use crate::keys::Spread;
use crate::worker::{Ran, now};

/// The watchdog for everything that a worker is asked to do, besides the time of a run.
const LIMIT: Duration = Duration::from_secs(60);

/// A worker process. It is killed on drop.
#[derive(Debug)]
pub struct Remote {
    child: Child,
}

impl Remote {
    /// Starts a worker and waits until it is ready.
    ///
    /// # Errors
    /// If it does not get there.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let child = Child::spawn(command)?;
        let line = child.line(LIMIT).with_context(|| format!("the worker {command:?}"))?;
        ensure!(line == "ready", "the worker said {line:?}");
        Ok(Self { child })
    }

    /// Keeps it on a processor.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn pin(&mut self, cpu: usize) -> Result<()> {
        self.expect(&format!("pin {cpu}"), "pinned")
    }

    /// Says which keys it reads and writes.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn keys(&mut self, spread: Spread) -> Result<()> {
        self.expect(&format!("keys {spread}"), "keys")
    }

    /// Fails if a value of the store is not whole.
    ///
    /// # Errors
    /// Then, and if the worker does not answer.
    pub fn check(&mut self) -> Result<()> {
        self.expect("check", "whole")
    }

    /// Nanoseconds an operation; `work` is `get` or `upsert`.
    ///
    /// # Errors
    /// If an operation fails.
    pub fn time(&mut self, work: &str, count: u64) -> Result<f64> {
        Ok(self.child.ask(&format!("{work} {count}"), LIMIT)?.parse()?)
    }

    /// Nanoseconds that it takes the worker to read the clock.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn clock(&mut self) -> Result<u64> {
        Ok(self.child.ask("clock", LIMIT)?.parse()?)
    }

    /// Lets it write these keys, and mark each write by a store to the word at the address that
    /// is returned.
    ///
    /// # Errors
    /// If a write fails.
    pub fn count(&mut self, keys: &[i32]) -> Result<u64> {
        let keys = keys.iter().map(|key| format!(" {key}")).collect::<String>();
        Ok(u64::from_str_radix(&self.child.ask(&format!("count{keys}"), LIMIT)?, 16)?)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.child.pid().as_raw()
    }

    /// Lets it end by itself.
    ///
    /// # Errors
    /// If it does not, or fails.
    pub fn finish(mut self) -> Result<()> {
        self.child.close_stdin();
        let status = self.child.wait(LIMIT)?;
        ensure!(status.success(), "a worker failed: {status}");
        Ok(())
    }

    fn expect(&mut self, order: &str, answer: &str) -> Result<()> {
        let said = self.child.ask(order, LIMIT).with_context(|| format!("order {order:?}"))?;
        ensure!(said == answer, "{order:?} was answered with {said:?}");
        Ok(())
    }
}

/// Lets workers write at the same time, for so long.
///
/// # Errors
/// If a write fails or a worker does not answer.
pub fn run_together(workers: &mut [Remote], time: Duration) -> Result<Vec<Ran>> {
    // By then all have their orders.
    let start = now()? + 1_000_000 * (1 + workers.len() as u64);
    let stop = start + time.as_nanos() as u64;
    for worker in workers.iter_mut() {
        worker.child.send(&format!("run {start} {stop}"))?;
    }
    workers.iter().map(|worker| worker.child.line(LIMIT + time)?.parse()).collect()
}
