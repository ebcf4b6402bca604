//! What a write costs on any machine: its instructions, and the cache lines of the map that it
//! touches. A processor can keep a line that no other writes to, so the lines that writes of
//! different keys have in common say how a map behaves with more writers than this machine can run.
//!
//! Valgrind's tool `lackey` prints every instruction, load and store of a worker. A worker stores
//! to a word of its own between two writes, and what lies between two such stores is one write. The
//! kernel's part of a system call is not counted.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use comfy_table::Table;
use serde::Serialize;
use shm_bench_common::workload::{CAPACITY, Workload};
use shm_harness::TempNamespace;

use super::{Map, Program};
use crate::command::target_dir;
use crate::report;

/// So many writes are counted, each of another key.
const WRITES: usize = 32;
/// Bytes of a cache line.
const LINE: u64 = 64;

/// Medians over the writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    pub map: Map,
    pub instructions: u64,
    /// Cache lines of the map that a write loads from or stores to.
    pub lines: u64,
    /// Those that it stores to.
    pub stored: u64,
    /// Those that it stores to, and that writes of other keys store to as well.
    pub stored_by_all: u64,
    /// Those that it only loads from, and that writes of other keys store to.
    pub invalidated: u64,
}

/// Counts for each map, or says why it cannot.
pub fn count(programs: &[Program]) -> Result<Result<Vec<Count>, String>> {
    let version = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    if !version.is_ok_and(|status| status.success()) {
        return Ok(Err("there is no valgrind".to_owned()));
    }
    programs.iter().map(one).collect::<Result<Vec<_>>>().map(Ok)
}

pub fn table(counts: &[Count]) -> Table {
    let mut table = report::table(&[
        "a write",
        "instructions",
        "lines",
        "stored to",
        "by other keys too",
        "loaded, stored to by other keys",
    ]);
    for count in counts {
        let figures =
            [count.instructions, count.lines, count.stored, count.stored_by_all, count.invalidated];
        let shown = std::iter::once(count.map.shown().to_owned());
        table.add_row(shown.chain(figures.map(|figure| figure.to_string())));
    }
    table
}

fn one(program: &Program) -> Result<Count> {
    let (dir, log_dir) = (TempNamespace::new()?, TempNamespace::below(&target_dir())?);
    // A worker that is not traced creates and fills the map.
    drop(program.start(dir.path(), true)?);
    let log = log_dir.path().join("trace");
    let mut to_log = OsString::from("--log-file=");
    to_log.push(&log);
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--tool=lackey", "--trace-mem=yes"]).arg(to_log).arg(&program.path);
    let mut worker = program.start_by(valgrind, dir.path(), false)?;
    let work = Workload::new(CAPACITY);
    let mark = worker.count(work.present().get(..WRITES).context("so many keys")?)?;
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", worker.pid()))?;
    let mapped = mapped(&maps, dir.path());
    ensure!(!mapped.is_empty(), "the worker has no mapping of the map");
    worker.finish()?;
    let trace = BufReader::new(File::open(&log).context("open the trace")?);
    let writes = writes(trace, mark, &mapped)?;
    ensure!(writes.len() == WRITES, "{} of {WRITES} writes are in the trace", writes.len());
    Ok(summary(program.map, &writes))
}

/// The addresses at which a process has mapped files below `dir`.
fn mapped(maps: &str, dir: &Path) -> Vec<Range<u64>> {
    let below = format!(" {}/", dir.display());
    let lines = maps.lines().filter(|line| line.contains(&below));
    let range = |line: &str| {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        Some(u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?)
    };
    lines.filter_map(range).collect()
}

/// What one write did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Write {
    instructions: u64,
    /// Numbers of cache lines of the map.
    loaded: BTreeSet<u64>,
    stored: BTreeSet<u64>,
}

/// The writes of a trace: what lies between two stores to `mark`.
fn writes(trace: impl BufRead, mark: u64, mapped: &[Range<u64>]) -> Result<Vec<Write>> {
    let mut writes = Vec::new();
    let mut current: Option<Write> = None;
    for line in trace.lines() {
        let line = line?;
        // An instruction, or a load, store or modification: "I  0400d7d4,8", " L 1ffeffe7e,8".
        let (kind, place) = match line.trim_start().split_once(' ') {
            Some((kind @ ("I" | "L" | "S" | "M"), place)) => (kind, place.trim_start()),
            _ => continue,
        };
        let (address, size) = place.split_once(',').context("an address and a size")?;
        let address = u64::from_str_radix(address, 16).context("an address")?;
        if address == mark && kind != "I" {
            writes.extend(current.replace(Write::default()));
            continue;
        }
        let Some(write) = &mut current else { continue };
        if kind == "I" {
            write.instructions += 1;
        } else if mapped.iter().any(|range| range.contains(&address)) {
            let last = address + size.parse::<u64>().context("a size")?.max(1) - 1;
            let to = if kind == "L" { &mut write.loaded } else { &mut write.stored };
            to.extend(address / LINE..=last / LINE);
        }
    }
    Ok(writes)
}

fn summary(map: Map, writes: &[Write]) -> Count {
    // How many of the writes store to a line. Each is of another key.
    let mut storing: HashMap<u64, u64> = HashMap::new();
    for line in writes.iter().flat_map(|write| &write.stored) {
        *storing.entry(*line).or_default() += 1;
    }
    let by_others = |line: &&u64, own: u64| storing.get(line).is_some_and(|&count| count > own);
    let median = |figure: &dyn Fn(&Write) -> usize| {
        let mut all: Vec<u64> = writes.iter().map(|write| figure(write) as u64).collect();
        all.sort_unstable();
        report::percentile(&all, 50)
    };
    Count {
        map,
        instructions: median(&|write| write.instructions as usize),
        lines: median(&|write| write.loaded.union(&write.stored).count()),
        stored: median(&|write| write.stored.len()),
        stored_by_all: median(&|write| write.stored.iter().filter(|l| by_others(l, 1)).count()),
        invalidated: median(&|write| {
            write.loaded.difference(&write.stored).filter(|line| by_others(line, 0)).count()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_lies_between_two_marks() {
        let trace = "==1== a message\nI  04000000,3\n S 10000000,8\nI  0400,3\n L 01fff000,8\n \
                     S 0203c,8\nI  0401,3\n M 02000,4\n L 02004,4\n S 10000000,8\n S 02000,4\n";
        let found =
            writes(trace.as_bytes(), 0x1000_0000, &[0x5000..0x6000, 0x2000..0x3000]).unwrap();
        let expected = Write {
            instructions: 2,
            loaded: [0x80].into(),
            // The store of eight bytes at 0x203c reaches into the next line.
            stored: [0x80, 0x81].into(),
        };
        assert_eq!(found, [expected]);
        assert!(writes(" S nowhere".as_bytes(), 0, &[]).is_err());
    }

    #[test]
    fn lines_of_a_key_are_told_from_lines_of_all() {
        let write = |key: u64| Write {
            instructions: 100 + key,
            // An index that nobody stores to, and a line that only other keys store to.
            loaded: [1, 10 + key, 10 + (key + 1) % 5].into(),
            stored: [2, 10 + key].into(),
        };
        let writes: Vec<Write> = (0..5).map(write).collect();
        let count = summary(Map::Table, &writes);
        let expected = Count {
            map: Map::Table,
            instructions: 102,
            lines: 4,
            stored: 2,
            stored_by_all: 1,
            invalidated: 1,
        };
        assert_eq!(count, expected);
    }

    #[test]
    fn mappings_of_the_map_are_found() {
        let maps = "7f00-7f10 rw-s 00000000 00:1a 5 /dev/shm/a-1/map\n\
                    7f20-7f30 rw-s 00000000 00:1a 5 /dev/shm/a-11/map\n\
                    7f60-7f70 rw-s 00000000 00:1a 6 /dev/shm/a-1/other\n\
                    7f40-7f50 rw-p 00000000 00:00 0\n";
        assert_eq!(mapped(maps, Path::new("/dev/shm/a-1")), [0x7f00..0x7f10, 0x7f60..0x7f70]);
    }
}
