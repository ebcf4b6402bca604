//! The row about a process that waits for a change: from the write to the moment at which the
//! waiter runs, beside a pipe whose reader is blocked.
//!
//! The writer stores the time into the value, and the waiter compares it with the clock. Before
//! each write the writer is idle for a while, so that the waiter is asleep.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use shm_bench_common::histogram::Histogram;
use shm_bench_common::processor::Pinned;
use shm_bench_common::worker::now;
use shm_benches::subject;
use shm_harness::TempNamespace;
use slotmap_shm::Table;

use crate::child::LIMIT;
use crate::report::Bench;

const KEY: i32 = 7;
/// Time between two writes.
const PAUSE: Duration = Duration::from_micros(60);

/// Measures it.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let (work, peer) = ("write → waiter of the key runs", "a pipe");
    if !bench.wants(work, peer) {
        return Ok(());
    }
    let dir = TempNamespace::new()?;
    let table = subject::table(dir.path(), "waits")?;
    table.upsert(&KEY, message(0, 0))?;
    let _pinned = Pinned::to(0);
    let mut waiter = Waiter::spawn(&dir, "waiter-table")?;
    let mut reader = Waiter::spawn(&dir, "waiter-pipe")?;
    bench.row(work, peer, Some(0.8), |plan| {
        plan.compare(
            &mut |count| {
                waiter.begin(count)?;
                for number in 1..=count {
                    pause();
                    table.upsert(&KEY, message(number, now()?))?;
                }
                waiter.median()
            },
            &mut |count| {
                reader.begin(count)?;
                for number in 1..=count {
                    pause();
                    let message = message(number, now()?);
                    reader.stdin()?.write_all(&message)?;
                }
                reader.median()
            },
        )
    })
}

fn pause() {
    let start = Instant::now();
    while start.elapsed() < PAUSE {
        std::hint::spin_loop();
    }
}

/// The number of a write, and when it began.
fn message(number: u64, time: u64) -> [u8; 16] {
    let mut message = [0; 16];
    message[..8].copy_from_slice(&number.to_ne_bytes());
    message[8..].copy_from_slice(&time.to_ne_bytes());
    message
}

fn parse(message: &[u8]) -> Result<(u64, u64)> {
    let word = |at: usize| -> Result<u64> {
        let bytes = message.get(at..at + 8).context("a message that is too short")?;
        Ok(u64::from_ne_bytes(bytes.try_into()?))
    };
    Ok((word(0)?, word(8)?))
}

/// The process that waits.
struct Waiter(std::process::Child);

impl Waiter {
    fn spawn(dir: &TempNamespace, role: &str) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--role", role]).arg(dir.path());
        let mut this = Self(
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .context(role.to_owned())?,
        );
        this.word()?;
        Ok(this)
    }

    fn stdin(&mut self) -> Result<&mut std::process::ChildStdin> {
        self.0.stdin.as_mut().context("a pipe")
    }

    /// The next word that it says.
    fn word(&mut self) -> Result<u64> {
        let mut word = [0; 8];
        self.0.stdout.as_mut().context("a pipe")?.read_exact(&mut word)?;
        Ok(u64::from_ne_bytes(word))
    }

    /// Says how many messages come now.
    fn begin(&mut self, count: u64) -> Result<()> {
        self.stdin()?.write_all(&count.to_ne_bytes())?;
        self.word().map(drop)
    }

    /// The median of the times, in nanoseconds.
    fn median(&mut self) -> Result<f64> {
        Ok(self.word()? as f64)
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Waits for changes of the key.
pub(crate) fn wait_for_changes(table: &Table<i32>) -> Result<()> {
    rounds(|count, times| {
        let (mut number, mut version) = (0, table.version(&KEY)?);
        say(0)?;
        while number < count {
            let Some(changed) = table.wait_for_change(&KEY, version, Some(LIMIT))? else {
                bail!("nothing changed");
            };
            let ran = now()?;
            version = changed;
            let value = table.get(&KEY)?.context("a value")?;
            let (latest, written) = parse(&value)?;
            // A change that came between is measured together with the next.
            if latest > number {
                times.record(ran.saturating_sub(written));
            }
            number = latest;
        }
        Ok(())
    })
}

/// Reads messages from the pipe.
pub(crate) fn read_pipe() -> Result<()> {
    rounds(|count, times| {
        say(0)?;
        for expected in 1..=count {
            let mut message = [0; 16];
            std::io::stdin().lock().read_exact(&mut message)?;
            let ran = now()?;
            let (number, written) = parse(&message)?;
            ensure!(number == expected, "message {number}, not {expected}");
            times.record(ran.saturating_sub(written));
        }
        Ok(())
    })
}

/// Does a round for each number that comes from the pipe, and says the median of its times.
fn rounds(mut round: impl FnMut(u64, &mut Histogram) -> Result<()>) -> Result<()> {
    let _pinned = Pinned::to(1);
    say(0)?;
    loop {
        let mut count = [0; 8];
        if std::io::stdin().lock().read_exact(&mut count).is_err() {
            return Ok(());
        }
        let mut times = Histogram::default();
        round(u64::from_ne_bytes(count), &mut times)?;
        say(times.quantile(0.5).unwrap_or(0))?;
    }
}

fn say(word: u64) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(&word.to_ne_bytes())?;
    Ok(out.flush()?)
}
