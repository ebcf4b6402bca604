//! The keys that all writers of the stress run write.
//!
//! | keys | a write | what holds |
//! |---|---|---|
//! | counters | adds 1 | the value is the number of such writes, and never falls |
//! | sequences | raises the sequence number of the value by 1 | the same |
//! | rows | a batch of them all, or the value that is there once more | all are of one batch |
//! | guests | added, replaced, removed | each value is whole |

use std::ops::Range;

use anyhow::{Context, Result, bail};
use shm_core::{Name, Namespace, OpenError, Ordering, ReadWords, Trust};
use shm_tests::pattern;
use slotmap_shm::{Access, Table, TableError};

use super::{LOG, Log, Random, value};

const COUNTERS: Range<i32> = 2000..2004;
const SEQUENCES: Range<i32> = 2010..2014;
const ROWS: Range<i32> = 2020..2028;
const GUESTS: Range<i32> = 2030..2034;

/// How many of the keys count their writes.
pub(super) const COUNTED: usize = 8;
/// The sequence number that a sequence begins with.
const FIRST: u64 = 1;

/// The keys that count their writes, in the order of the log.
fn counted() -> impl Iterator<Item = i32> {
    COUNTERS.chain(SEQUENCES)
}

fn any(random: &mut Random, keys: Range<i32>) -> i32 {
    keys.start + random.below(keys.len() as u64) as i32
}

/// The keys that must be present.
pub(super) fn prepare(table: &Table<i32>) -> Result<()> {
    for key in SEQUENCES {
        or_there_already(table.add(&key, value(key, FIRST)))?;
    }
    Ok(())
}

fn or_there_already(result: Result<(), TableError>) -> Result<()> {
    match result {
        Err(TableError::DuplicateKey { .. } | TableError::NotFound { .. }) => Ok(()),
        other => Ok(other?),
    }
}

/// Writes one of them, or all rows.
pub(super) fn write(
    table: &Table<i32>,
    log: &Log<'_>,
    writer: i32,
    sequence: u64,
    random: &mut Random,
) -> Result<()> {
    match random.below(8) {
        0..3 => {
            let key = any(random, COUNTERS);
            log.begin(key - COUNTERS.start);
            table.increment(&key, 1, 0)?;
            log.end(key - COUNTERS.start);
        }
        3..5 => {
            let key = any(random, SEQUENCES);
            let item = COUNTERS.len() as i32 + key - SEQUENCES.start;
            log.begin(item);
            raise(table, key, random)?;
            log.end(item);
        }
        5 => {
            let sequence = (writer as u64 + 1) << 48 | sequence;
            let rows: Vec<_> = ROWS.map(|key| (key, value(key, sequence))).collect();
            table.upsert_many(&rows)?;
        }
        6 => {
            let key = any(random, ROWS);
            or_there_already(table.update_with(&key, |_| yield_with_claim(random)))?;
        }
        _ => {
            let key = any(random, GUESTS);
            or_there_already(match random.below(3) {
                0 => table.add(&key, value(key, sequence)),
                1 => table.upsert(&key, value(key, sequence)).map(drop),
                _ => table.remove(&key),
            })?;
        }
    }
    Ok(())
}

/// Gives up the processor at times. On a machine with few cores, most processes that are killed
/// are waiting for a core; many of them are to wait here, with a claim.
fn yield_with_claim(random: &mut Random) {
    if random.below(4) == 0 {
        std::thread::yield_now();
    }
}

fn raise(table: &Table<i32>, key: i32, random: &mut Random) -> Result<()> {
    let mut torn = false;
    table.update_with(&key, |bytes| {
        yield_with_claim(random);
        match pattern::sequence(key, bytes) {
            Some(sequence) => *bytes = value(key, sequence + 1),
            None => torn = true,
        }
    })?;
    if torn {
        bail!("the value of {key} was torn");
    }
    Ok(())
}

/// How often a key was written.
fn count(table: &Table<i32, impl Access>, key: i32) -> Result<u64, TableError> {
    let Some(bytes) = table.get(&key)? else { return Ok(0) };
    Ok(if COUNTERS.contains(&key) {
        bytes.first_chunk().map_or(u64::MAX, |bytes| u64::from_le_bytes(*bytes))
    } else {
        pattern::sequence(key, &bytes).map_or(u64::MAX, |sequence| sequence.wrapping_sub(FIRST))
    })
}

/// What a reader has seen of them.
#[derive(Default)]
pub(super) struct Seen {
    newest: [u64; COUNTED],
    pub(super) reads: u64,
    pub(super) torn: u64,
    pub(super) lost: u64,
}

impl Seen {
    pub(super) fn read(&mut self, table: &Table<i32, impl Access>) -> Result<()> {
        for (newest, key) in self.newest.iter_mut().zip(counted()) {
            let count = count(table, key)?;
            self.torn += u64::from(count == u64::MAX);
            self.lost += u64::from(count < *newest);
            *newest = count;
            self.reads += 1;
        }
        let sequence = |key: i32, value: &[u8]| pattern::sequence(key, value);
        for key in GUESTS {
            let guest = table.get(&key)?;
            self.torn += u64::from(guest.is_some_and(|value| sequence(key, &value).is_none()));
            self.reads += 1;
        }
        // It may find writes under each attempt; then it says so.
        let keys: Vec<i32> = ROWS.collect();
        if let Ok(rows) = table.get_many(&keys) {
            let mut rows =
                rows.iter().zip(keys).map(|(row, key)| row.as_ref().map(|row| sequence(key, row)));
            let first = rows.next().flatten();
            self.torn += u64::from(first == Some(None) || rows.any(|row| row != first));
            self.reads += ROWS.len() as u64;
        }
        Ok(())
    }
}

/// Calls `look` with the number of each writer and its log.
pub(super) fn each_log(mut look: impl FnMut(i32, ReadWords<'_>) -> Result<()>) -> Result<()> {
    for writer in 0.. {
        let name = Name::new(&format!("writer-{writer}"))?;
        match Namespace::from_env().open_read_only(&name, LOG, 1, &Trust::new()) {
            Ok(log) => look(writer, log.words())?,
            Err(OpenError::NotFound { .. }) => break,
            Err(e) => return Err(e).context("open a log"),
        }
    }
    Ok(())
}

/// After all writers have ended: counts the keys that do not say how often they were written. A
/// write during which its writer was killed may count or not.
pub(super) fn check_counts(table: &Table<i32>) -> Result<u64> {
    let (mut begun, mut ended) = ([0; COUNTED], [0; COUNTED]);
    each_log(|_, log| {
        for (item, (begun, ended)) in begun.iter_mut().zip(&mut ended).enumerate() {
            let [at_begin, at_end] = Log::counts_at(item).map(|at| log.load(at, Ordering::SeqCst));
            *begun += at_begin;
            *ended += at_end;
        }
        Ok(())
    })?;
    let mut wrong = 0;
    for ((key, begun), ended) in counted().zip(begun).zip(ended) {
        let count = count(table, key)?;
        if !(ended..=begun).contains(&count) {
            eprintln!("key {key}: {count} writes, but {ended} to {begun} were made");
            wrong += 1;
        }
    }
    Ok(wrong)
}
