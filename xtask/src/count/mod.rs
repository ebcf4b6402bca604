//! What a lookup costs on any machine: its instructions, and the cache lines for which it has to
//! wait. `shm-bench-rows` makes maps, opens each under valgrind, and looks keys up
//! (`benches/src/bin/rows/counted.rs`); valgrind simulates caches. A line that a program prefetches
//! counts when it is used, so the lines say what must come from memory, and not what of it
//! overlaps.

mod callgrind;

use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result};
use clap::ValueEnum;
use comfy_table::Table;
use serde::Serialize;
use shm_harness::TempNamespace;

use crate::command::run as run_command;
use crate::report;

/// What the keys look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Keys {
    NumericIds,
    Urls,
    RealWords,
    RandomBytes,
    Ties,
}

/// What is looked up in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dictionary {
    /// The snapshot, without a hash index.
    Tree,
    /// The snapshot, by its hash index.
    HashIndex,
    #[serde(rename = "btree-map")]
    BTreeMap,
    Hashbrown,
    Fst,
    /// With one transaction for all.
    Lmdb,
}

/// How it is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    Get,
    /// A hundred keys at once.
    GetMany,
    /// A hundred entries from a key on. Counted for each entry.
    Range,
}

/// The means over many calls with random present keys.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Count {
    pub keys: Keys,
    pub call: Call,
    pub map: Dictionary,
    pub instructions: f64,
    /// Branches that a simple predictor gets wrong.
    pub mispredicted: f64,
    /// Cache lines that are not in a cache of one MiB.
    pub beyond_second: f64,
    /// Cache lines that are not in a cache of 32 MiB.
    pub beyond_third: f64,
}

/// What is counted, in the order of the table.
const COUNTED: [(Call, Dictionary); 11] = [
    (Call::Get, Dictionary::Tree),
    (Call::Get, Dictionary::HashIndex),
    (Call::Get, Dictionary::BTreeMap),
    (Call::Get, Dictionary::Lmdb),
    (Call::Get, Dictionary::Fst),
    (Call::Get, Dictionary::Hashbrown),
    (Call::GetMany, Dictionary::Tree),
    (Call::GetMany, Dictionary::HashIndex),
    (Call::Range, Dictionary::Tree),
    (Call::Range, Dictionary::BTreeMap),
    (Call::Range, Dictionary::Lmdb),
];

impl Keys {
    fn shown(self) -> &'static str {
        match self {
            Self::NumericIds => "numeric ids",
            Self::Urls => "URLs",
            Self::RealWords => "real words",
            Self::RandomBytes => "random bytes",
            Self::Ties => "ties",
        }
    }
}

impl Dictionary {
    fn shown(self) -> &'static str {
        match self {
            Self::Tree => "snapshot",
            Self::HashIndex => "snapshot, hash index",
            Self::BTreeMap => "BTreeMap",
            Self::Hashbrown => "hashbrown",
            Self::Fst => "fst",
            Self::Lmdb => "LMDB",
        }
    }

    /// Its name as an argument of the program.
    fn name(self) -> &'static str {
        match self {
            Self::Tree => "tree",
            Self::HashIndex => "hash-index",
            Self::BTreeMap => "btree-map",
            Self::Hashbrown => "hashbrown",
            Self::Fst => "fst",
            Self::Lmdb => "lmdb",
        }
    }
}

impl Call {
    fn shown(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::GetMany => "get_many of 100, per key",
            Self::Range => "range of 100, per entry",
        }
    }

    /// Its name as an argument of the program.
    fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::GetMany => "get_many",
            Self::Range => "range",
        }
    }
}

/// Counts lookups among `entries` keys of each set, by the program that measures rows. Or says why
/// it cannot.
pub fn count(
    program: &Path,
    sets: &[Keys],
    entries: NonZeroUsize,
) -> Result<Result<Vec<Count>, String>> {
    if !callgrind::is_there() {
        return Ok(Err("there is no valgrind".to_owned()));
    }
    let mut counts = Vec::new();
    for &keys in sets {
        let dir = TempNamespace::new()?;
        let mut make = Command::new(program);
        make.args(["--role", "counted-files"]).arg(dir.path());
        run_command(make.args([keys.shown(), &entries.to_string()]))?;
        counts.extend(count_set(program, keys, dir.path())?);
        eprint!(".");
    }
    eprintln!();
    Ok(Ok(counts))
}

/// Counts all calls in the maps of one key set. As many at a time as there are processors.
fn count_set(program: &Path, keys: Keys, dir: &Path) -> Result<Vec<Count>> {
    let left = Mutex::new(COUNTED.iter().enumerate());
    let work = || {
        let mut done = Vec::new();
        // The lock is held while the next is taken, and not while it is counted.
        let next = || left.lock().ok()?.next();
        while let Some((at, &(call, map))) = next() {
            done.push((at, one(program, keys, call, map, dir)?));
        }
        anyhow::Ok(done)
    };
    let mut counts = thread::scope(|scope| {
        let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut counts = Vec::new();
        for worker in workers {
            counts.extend(worker.join().ok().context("a thread panicked")??);
        }
        anyhow::Ok(counts)
    })?;
    counts.sort_by_key(|(at, _)| *at);
    Ok(counts.into_iter().map(|(_, count)| count).collect())
}

fn one(program: &Path, keys: Keys, call: Call, map: Dictionary, dir: &Path) -> Result<Count> {
    let arguments = ["--role".as_ref(), "counted".as_ref(), dir.as_os_str()];
    let names = [map.name(), call.name()].map(OsStr::new);
    let what = || format!("{} of {}", call.shown(), map.shown());
    let (sums, calls) =
        callgrind::run(program.as_ref(), &[&arguments[..], &names].concat()).with_context(what)?;
    let calls: u64 = calls.parse().with_context(|| format!("a number of calls: {calls:?}"))?;
    let mean = |sum: u64| sum as f64 / calls.max(1) as f64;
    Ok(Count {
        keys,
        call,
        map,
        instructions: mean(sums.instructions),
        mispredicted: mean(sums.mispredicted),
        beyond_second: mean(sums.beyond_second),
        beyond_third: mean(sums.beyond_third),
    })
}

pub fn table(counts: &[Count]) -> Table {
    let mut table = report::table(&[
        "keys",
        "call",
        "map",
        "instructions",
        "mispredicted branches",
        "lines not in 1 MiB",
        "lines not in 32 MiB",
    ]);
    for count in counts {
        table.add_row([
            count.keys.shown().to_owned(),
            count.call.shown().to_owned(),
            count.map.shown().to_owned(),
            format!("{:.0}", count.instructions),
            format!("{:.2}", count.mispredicted),
            format!("{:.2}", count.beyond_second),
            format!("{:.2}", count.beyond_third),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_shown_with_its_keys_its_call_and_its_map() {
        let count = Count {
            keys: Keys::Urls,
            call: Call::Range,
            map: Dictionary::Lmdb,
            instructions: 123.4,
            mispredicted: 0.125,
            beyond_second: 4.951,
            beyond_third: 2.0,
        };
        let shown = table(&[count]).to_string();
        let line = shown.lines().find(|line| line.contains("URLs")).unwrap();
        for word in ["range of 100, per entry", "LMDB", " 123 ", "0.12", "4.95", "2.00"] {
            assert!(line.contains(word), "{word}: {shown}");
        }
    }
}
