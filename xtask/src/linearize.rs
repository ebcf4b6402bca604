//! Checks that a table is linearizable. Processes write and read the same few keys, some of them
//! are killed, and all of them log when each call started and ended and what it returned. Then a
//! search decides whether the calls can have taken effect one after the other.

mod doctor;
mod record;
mod search;
mod table;
#[cfg(test)]
mod tests;

use std::fmt::Debug;

use anyhow::Result;
use serde::Serialize;
use shm_harness::call_log::{COUNTER, KEYS, Step};

use self::search::{Entry, Refused, Seen, Specified, check};
use crate::report;
use crate::worker::{Sabotage, Worker};

/// How many open calls and possible states a message shows.
const SHOWN: usize = 12;

#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// How many histories are recorded and checked, each with a seed of its own.
    #[arg(long, default_value_t = Self::default().seeds)]
    pub seeds: u64,
    /// The first seed. It chooses operations and kills, but not how the processes interleave.
    #[arg(long, default_value_t = Self::default().seed)]
    pub seed: u64,
    /// How many processes to kill in each history.
    #[arg(long, default_value_t = Self::default().kills)]
    pub kills: u64,
    /// Processes that write and read.
    #[arg(long, default_value_t = Self::default().writers, value_parser = clap::value_parser!(u64).range(1..=16))]
    pub writers: u64,
    /// Processes that read through a read-only handle.
    #[arg(long, default_value_t = Self::default().readers, value_parser = clap::value_parser!(u64).range(1..=16))]
    pub readers: u64,
    /// 100 seeds and 200 kills in each history.
    #[arg(long, conflicts_with_all = ["seeds", "kills"])]
    pub full: bool,
    /// Break the protocol on purpose: the run must then fail.
    #[arg(long)]
    pub sabotage: Option<Sabotage>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

impl Default for Arguments {
    /// The everyday run.
    fn default() -> Self {
        let (seeds, seed, kills) = (3, 1, 60);
        let (writers, readers) = (4, 3);
        Self { seeds, seed, kills, writers, readers, full: false, sabotage: None, json: true }
    }
}

/// What a run found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Findings {
    pub histories: u64,
    pub kills: u64,
    pub calls: u64,
    /// Calls that started while another one had not ended, in accepted histories.
    pub concurrent: u64,
    /// Writes that did not return because their process was killed.
    pub interrupted: u64,
    /// Histories that no order of their calls explains.
    pub not_linearizable: u64,
    /// Histories that were too much for the search.
    pub undecided: u64,
    /// Accepted histories into which a stale read was then put.
    pub doctored: u64,
    /// How many of these were accepted once more.
    pub overlooked: u64,
    /// Processes that gave up, and tables that were damaged at the end.
    pub failed: u64,
    pub hung: u64,
}

impl Findings {
    pub fn is_clean(&self) -> bool {
        self.not_linearizable + self.undecided + self.overlooked + self.failed + self.hung == 0
    }
}

pub fn run(arguments: &Arguments) -> Result<bool> {
    let findings = linearize(arguments)?;
    report::print(&findings, arguments.json)?;
    Ok(findings.is_clean())
}

/// Records and checks all histories.
pub fn linearize(arguments: &Arguments) -> Result<Findings> {
    let worker = Worker::build(arguments.sabotage)?;
    let (seeds, kills) =
        if arguments.full { (100, 200) } else { (arguments.seeds, arguments.kills) };
    let mut found = Findings::default();
    for seed in (arguments.seed..).take(usize::try_from(seeds)?) {
        let history = record::record(&worker, arguments, seed, kills, &mut found)?;
        found.histories += 1;
        found.calls += history.len() as u64;
        found.interrupted += history.iter().filter(|entry| !entry.returned).count() as u64;
        judge(seed, &history, &mut found);
    }
    Ok(found)
}

/// Checks a history: that of each key by itself, and that of the whole table, in which a batch and
/// a read of several keys are one call each.
fn judge(seed: u64, history: &[Entry<Vec<Step>>], found: &mut Findings) {
    let mixed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for key in 0..KEYS {
        let name = format!("seed {seed}, key {key}");
        let mut of_key = table::of_key(key, history);
        // A number may come back to a counter, so an old one is not surely stale.
        if decide(&name, &of_key, None, found).is_none() || key == COUNTER {
            continue;
        }
        let Some(stale) = doctor::stale_read(&mut of_key, mixed) else { continue };
        found.doctored += 1;
        match check(&of_key, None) {
            Err(Refused::NotLinearizable { call, .. }) if call == stale => {}
            outcome => {
                found.overlooked += 1;
                eprintln!("{name}: {:?} was made stale: {outcome:?}", of_key[stale]);
            }
        }
    }
    let seen = decide(&format!("seed {seed}, all keys"), history, [None; KEYS], found);
    found.concurrent += seen.map_or(0, |seen| seen.concurrent as u64);
}

/// Checks one history, and says what is wrong with it.
fn decide<C: Specified + Debug>(
    name: &str,
    history: &[Entry<C>],
    initial: C::State,
    found: &mut Findings,
) -> Option<Seen> {
    match check(history, initial) {
        Ok(seen) => Some(seen),
        Err(Refused::Undecided) => {
            found.undecided += 1;
            eprintln!("{name}: too many calls at once");
            None
        }
        Err(Refused::NotLinearizable { call, open, states }) => {
            found.not_linearizable += 1;
            eprintln!("{name}: no order explains {:?}", history[call]);
            eprintln!("  possible before its end: {:?}", &states[..states.len().min(SHOWN)]);
            for other in open.into_iter().filter(|&other| other != call).take(SHOWN) {
                eprintln!("  concurrent: {:?}", history[other]);
            }
            None
        }
    }
}
