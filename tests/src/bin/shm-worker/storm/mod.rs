//! The roles of `cargo xtask storm`: processes that do all operations at once on a few names until
//! they are killed, and a judge of what they left.
//!
//! Each prints its counts as lines of JSON every few milliseconds, so that little is lost when it
//! is killed. Only the first faults are printed in full: a broken protocol causes more than anyone
//! can read.

mod editions;
mod names;
mod transfers;

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;
use shm_tests::random::Random;

use crate::stress::stop_flag;

/// How often a process says what it has done.
const REPORT: Duration = Duration::from_millis(10);

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Storm {
    Names,
    Editions,
    Transfers,
}

#[derive(clap::Args)]
pub struct Arguments {
    storm: Storm,
    /// Which of the processes it is. Its successor has the same number.
    #[arg(long)]
    index: i32,
    /// A directory of the same file system, for files on their way to a name.
    #[arg(long)]
    aside: PathBuf,
}

#[derive(clap::Args)]
pub struct JudgeArguments {
    storm: Storm,
}

/// What a process did and found.
#[derive(Debug, Default, Serialize)]
struct Tally {
    operations: u64,
    checks: u64,
    torn: u64,
    lost: u64,
}

impl Tally {
    /// One check; `whole` says whether it held.
    fn whole(&mut self, whole: bool, what: impl Fn() -> String) -> Result<()> {
        self.checks += 1;
        if whole {
            return Ok(());
        }
        self.torn += 1;
        self.fault(&what())
    }

    fn kept(&mut self, kept: bool, what: impl Fn() -> String) -> Result<()> {
        self.checks += 1;
        if kept {
            return Ok(());
        }
        self.lost += 1;
        self.fault(&what())
    }

    fn fault(&self, what: &str) -> Result<()> {
        if self.torn + self.lost > 3 {
            return Ok(());
        }
        eprintln!("process {}: {what}", std::process::id());
        self.say()
    }

    fn say(&self) -> Result<()> {
        let line = serde_json::to_string(self)?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}")?;
        Ok(out.flush()?)
    }
}

/// Does rounds until it is killed, or its standard input is closed.
pub fn run(arguments: &Arguments) -> Result<()> {
    let mut random =
        Random::new(u64::from(std::process::id()) << 32 | u64::from(arguments.index as u32));
    let mut tally = Tally::default();
    match arguments.storm {
        Storm::Names => {
            let mut process = names::Process::new(arguments.index, &arguments.aside);
            rounds(&mut tally, |tally| process.round(tally, &mut random))
        }
        Storm::Editions => {
            let mut process = editions::Process::new(arguments.index);
            rounds(&mut tally, |tally| process.round(tally, &mut random))
        }
        Storm::Transfers => {
            let mut process = transfers::Process::new(arguments.index, &mut tally)?;
            rounds(&mut tally, |tally| process.round(tally, &mut random))
        }
    }
}

fn rounds(tally: &mut Tally, mut round: impl FnMut(&mut Tally) -> Result<()>) -> Result<()> {
    let stop = stop_flag();
    tally.say()?;
    let mut said = Instant::now();
    while !stop.load(Relaxed) {
        round(tally)?;
        if said.elapsed() > REPORT {
            tally.say()?;
            said = Instant::now();
        }
    }
    tally.say()
}

/// Looks at everything that is left, and removes it.
pub fn judge(arguments: &JudgeArguments) -> Result<()> {
    let mut tally = Tally::default();
    match arguments.storm {
        Storm::Names => names::judge(&mut tally)?,
        Storm::Editions => editions::judge(&mut tally)?,
        Storm::Transfers => transfers::judge(&mut tally)?,
    }
    tally.say()
}
