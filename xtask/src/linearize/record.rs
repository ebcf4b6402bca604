//! Records one history: starts the processes, kills some of them, and collects their logs.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use shm_harness::call_log::{CallLog, Step, now};
use shm_harness::{Child, Hung, TempNamespace};

use super::search::Entry;
use super::{Arguments, Findings, table};
use crate::worker::Worker;

/// How long a process may take to start or to end before it counts as hung.
const WATCHDOG: Duration = Duration::from_secs(30);
/// The longest time between two kills. A killed process is replaced at once.
const PAUSE: u64 = 8000;

/// Records the history of one table.
pub fn record(
    worker: &Worker,
    arguments: &Arguments,
    seed: u64,
    kills: u64,
    found: &mut Findings,
) -> Result<Vec<Entry<Vec<Step>>>> {
    let recording = Recording {
        worker,
        sabotaged: arguments.sabotage.is_some(),
        namespace: TempNamespace::new()?,
        logs: TempNamespace::new()?,
        found,
        random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
        started: 0,
        ended: Vec::new(),
    };
    recording.all(arguments, kills)
}

struct Process {
    role: &'static str,
    child: Child,
    log: PathBuf,
}

struct Recording<'a> {
    worker: &'a Worker,
    sabotaged: bool,
    namespace: TempNamespace,
    logs: TempNamespace,
    found: &'a mut Findings,
    random: u64,
    /// How many processes were started. Their numbers make their values unique.
    started: u64,
    /// The logs of processes that have ended, and when.
    ended: Vec<(PathBuf, u64)>,
}

impl Recording<'_> {
    fn all(mut self, arguments: &Arguments, kills: u64) -> Result<Vec<Entry<Vec<Step>>>> {
        let mut processes = Vec::new();
        for _ in 0..arguments.writers {
            processes.push(self.start("writer")?);
        }
        for _ in 0..arguments.readers {
            processes.push(self.start("reader")?);
        }
        for _ in 0..kills {
            std::thread::sleep(Duration::from_micros(self.below(PAUSE)));
            let victim = self.below(processes.len() as u64) as usize;
            let successor = self.start(processes[victim].role)?;
            self.kill(std::mem::replace(&mut processes[victim], successor))?;
        }
        for process in &mut processes {
            process.child.close_stdin();
        }
        for process in processes {
            self.finish(process)?;
        }
        // One more process reads what all of them left.
        let last = self.start("last")?;
        self.finish(last)?;
        self.collect()
    }

    fn start(&mut self, role: &'static str) -> Result<Process> {
        self.started += 1;
        let log = self.logs.path().join(self.started.to_string());
        let mut command = self.worker.command("linearize", self.namespace.path());
        command.arg(role).arg("--log").arg(&log);
        command.arg("--number").arg(self.started.to_string());
        command.arg("--seed").arg(self.below(u64::MAX).to_string());
        // One line says why a process gave up.
        command.env("RUST_BACKTRACE", "0");
        if self.sabotaged {
            // Every process would say that the table is damaged.
            command.stderr(Stdio::null());
        }
        let child = Child::spawn(&mut command)?;
        Ok(Process { role, child, log })
    }

    /// Kills a process, perhaps while it starts.
    fn kill(&mut self, mut process: Process) -> Result<()> {
        if !process.child.is_alive() {
            self.found.failed += 1;
            if !self.sabotaged {
                eprintln!("a process gave up");
            }
        }
        process.child.kill()?;
        self.found.kills += 1;
        self.ended.push((process.log, now()?));
        Ok(())
    }

    /// Waits for a process that was asked to end.
    fn finish(&mut self, mut process: Process) -> Result<()> {
        process.child.close_stdin();
        match process.child.wait(WATCHDOG) {
            Ok(status) if status.success() => {}
            Ok(status) => {
                self.found.failed += 1;
                if !self.sabotaged {
                    eprintln!("a process failed: {status}");
                }
            }
            Err(error) if error.is::<Hung>() => self.found.hung += 1,
            Err(error) => return Err(error),
        }
        self.ended.push((process.log, now()?));
        Ok(())
    }

    /// Reads the logs. This is done last, because processes that still run would go on meanwhile,
    /// and make the history longer.
    fn collect(self) -> Result<Vec<Entry<Vec<Step>>>> {
        let mut history = Vec::new();
        for (log, ended) in self.ended {
            let text = match std::fs::read_to_string(log) {
                Ok(text) => text,
                // The process was killed before it had created the file.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error).context("read a log"),
            };
            let (calls, intent) = CallLog::read(&text)?;
            history.extend(table::of_process(calls, intent, ended));
        }
        Ok(history)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % n
    }
}
