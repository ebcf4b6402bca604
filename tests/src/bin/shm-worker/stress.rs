//! The three roles of the stress run: writers that are killed, readers that
//! verify all they get, and a prober that measures when writing works again.
//!
//! Writer `i` owns the keys `i * 100 ..`: some it writes one by one, the others only as a
//! batch. It keeps a log of what it is about to write and of what was acknowledged,
//! in a segment of its own; its successor compares that with the table. Other keys are
//! [`shared`] by all writers. The table [grows](more) meanwhile.

mod more;
mod shared;

use std::fs::File;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use serde_json::json;
use shm_core::{
    Acquired, CreateOptions, Kind, LockError, Name, Namespace, Ordering, Patience, Trust, Words,
    WriterId,
};
use shm_tests::claims::{Claim, claims, claims_among, lock_holder};
use shm_tests::{options, pattern, test_name};
use slotmap_shm::{KIND, Table, TableError, TableOptions, TableReader};

use self::shared::Seen;

const SINGLES: i32 = 24;
const BATCH: i32 = 8;
const VALUE_SIZE: usize = 256;
const LOG: Kind = Kind::new("log");
const PROBE_KEY: i32 = -1;

#[derive(clap::Args)]
pub struct WriterArguments {
    #[arg(long)]
    index: i32,
}

#[derive(clap::Args)]
pub struct ReaderArguments {
    #[arg(long)]
    writers: i32,
    #[arg(long)]
    seed: u64,
}

fn single_keys(writer: i32) -> impl Iterator<Item = i32> {
    (0..SINGLES).map(move |i| writer * 100 + i)
}

fn batch_keys(writer: i32) -> impl Iterator<Item = i32> {
    (0..BATCH).map(move |i| writer * 100 + 50 + i)
}

fn table() -> Result<Table<i32>> {
    let mut options = options(64, VALUE_SIZE);
    options.geometry.max_capacity = Some(65_536);
    Ok(Table::open_or_create(&Namespace::from_env(), &test_name(), &options)?)
}

fn value(key: i32, sequence: u64) -> Vec<u8> {
    pattern::value(key, sequence, pattern::length(sequence, VALUE_SIZE))
}

/// Xorshift64: which key and which operation is next.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }
}

/// Gives up the processor now and then. The run has more processes than a small
/// machine has cores, and is about the table, not about how long the scheduler lets a
/// killed process wait for its turn to die.
fn yield_at_times(random: &mut Random) {
    if random.below(64) == 0 {
        std::thread::yield_now();
    }
}

/// Set when stdin is closed: the run is over.
pub(crate) fn stop_flag() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        flag.store(true, Relaxed);
    });
    stop
}

fn say(line: &serde_json::Value) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// The state of a key as one word: sequence number and whether it is present.
fn state(sequence: u64, present: bool) -> u64 {
    sequence << 1 | u64::from(present)
}

/// The writer's log. Words: 0 the last sequence number; then intent and
/// acknowledgement of each single key, and those of the batch; then, how many writes of each
/// shared key that counts them were begun, and how many had ended; at the end, how many keys were
/// added to make the table grow, begun and ended.
struct Log<'a>(Words<'a>);

impl Log<'_> {
    const COUNTS: usize = 1 + 2 * (SINGLES as usize + 1);
    const MORE: [usize; 2] =
        [Self::COUNTS + 2 * shared::COUNTED, Self::COUNTS + 2 * shared::COUNTED + 1];
    const WORDS: usize = Self::MORE[1] + 1;
    const BATCH: usize = SINGLES as usize;

    fn next_sequence(&self) -> u64 {
        let next = self.0.load(0, Ordering::SeqCst) + 1;
        self.0.store(0, next, Ordering::SeqCst);
        next
    }

    fn intend(&self, item: usize, state: u64) {
        self.0.store(1 + 2 * item, state, Ordering::SeqCst);
    }

    fn acknowledge(&self, item: usize) {
        let state = self.0.load(1 + 2 * item, Ordering::SeqCst);
        self.0.store(2 + 2 * item, state, Ordering::SeqCst);
    }

    /// Where the numbers of writes are that were begun, and that had ended.
    fn counts_at(item: usize) -> [usize; 2] {
        [Self::COUNTS + 2 * item, Self::COUNTS + 2 * item + 1]
    }

    fn count(&self, at: usize) {
        self.0.store(at, self.0.load(at, Ordering::SeqCst) + 1, Ordering::SeqCst);
    }

    fn begin(&self, item: i32) {
        self.count(Self::counts_at(item as usize)[0]);
    }

    fn end(&self, item: i32) {
        self.count(Self::counts_at(item as usize)[1]);
    }

    /// Intent and acknowledgement.
    fn of(&self, item: usize) -> [u64; 2] {
        [self.0.load(1 + 2 * item, Ordering::SeqCst), self.0.load(2 + 2 * item, Ordering::SeqCst)]
    }
}

pub fn write(arguments: &WriterArguments) -> Result<()> {
    let table = table()?;
    let name = Name::new(&format!("writer-{}", arguments.index))?;
    let log_options = CreateOptions::new(LOG, 1, 8 * Log::WORDS as u64);
    let namespace = Namespace::from_env();
    let segment = namespace.open_or_create(
        &name,
        &log_options,
        &Trust::new(),
        &Patience::forever(),
        |_| {},
    )?;
    // The log is locked as long as the writer lives; its predecessor was killed.
    let guard = match segment.lock()? {
        Acquired::Clean(guard) => guard,
        Acquired::OwnerDied(recovery) => recovery.repair(|_| Ok::<(), LockError>(()))?,
    };
    let log = Log(guard.words()?);
    let (torn, lost) = inspect(&table, &log, arguments.index)?;
    let lost = lost + more::check(&table, log.0, arguments.index)?;
    say(&json!({ "torn": torn, "lost": lost }))?;
    shared::prepare(&table)?;

    let stop = stop_flag();
    let mut random = Random(u64::from(std::process::id()).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let singles: Vec<i32> = single_keys(arguments.index).collect();
    while !stop.load(Relaxed) {
        yield_at_times(&mut random);
        let sequence = log.next_sequence();
        if random.below(8) == 0 {
            more::add(&table, &log, arguments.index)?;
            continue;
        }
        if random.below(2) == 0 {
            shared::write(&table, &log, arguments.index, sequence, &mut random)?;
            continue;
        }
        if random.below(8) == 0 {
            let entries: Vec<(i32, Vec<u8>)> =
                batch_keys(arguments.index).map(|key| (key, value(key, sequence))).collect();
            log.intend(Log::BATCH, state(sequence, true));
            table.upsert_many(&entries)?;
            log.acknowledge(Log::BATCH);
            continue;
        }
        let item = random.below(singles.len() as u64) as usize;
        let key = singles[item];
        if random.below(8) == 0 && table.contains_key(&key)? {
            log.intend(item, state(sequence, false));
            table.remove(&key)?;
        } else {
            let value = value(key, sequence);
            log.intend(item, state(sequence, true));
            table.upsert(&key, &value)?;
        }
        log.acknowledge(item);
    }
    Ok(())
}

/// Compares the table with what the predecessor intended and what it was told.
fn inspect(table: &Table<i32>, log: &Log<'_>, writer: i32) -> Result<(u64, u64)> {
    let (mut torn, mut lost) = (0, 0);
    let mut actual = |key: i32| -> Result<Option<u64>> {
        let Some(value) = table.get(&key)? else {
            return Ok(None);
        };
        let sequence = pattern::sequence(key, &value);
        torn += u64::from(sequence.is_none());
        Ok(sequence.or(Some(0)))
    };
    let matches = |found: Option<u64>, said: [u64; 2]| {
        said.iter().any(|&word| match found {
            Some(sequence) => word == state(sequence, true),
            None => word & 1 == 0,
        })
    };
    for (item, key) in single_keys(writer).enumerate() {
        let found = actual(key)?;
        lost += u64::from(!matches(found, log.of(item)));
        log.intend(item, found.map_or(0, |sequence| state(sequence, true)));
        log.acknowledge(item);
    }
    let batch = batch_keys(writer).map(&mut actual).collect::<Result<Vec<_>>>()?;
    let first = batch.first().copied().flatten();
    let whole = batch.iter().all(|&found| found == first);
    lost += u64::from(!whole || !matches(first, log.of(Log::BATCH)));
    log.intend(Log::BATCH, first.map_or(0, |sequence| state(sequence, true)));
    log.acknowledge(Log::BATCH);
    Ok((torn, lost))
}

pub fn read(arguments: &ReaderArguments) -> Result<()> {
    table()?;
    let options = TableOptions::default();
    let table = TableReader::<i32>::open_read_only(
        &Namespace::from_env(),
        &test_name(),
        &shm_tests::reading(&options),
    )?;
    let stop = stop_flag();
    let mut random = Random(arguments.seed | 1);
    let mut newest = vec![0; (arguments.writers * 100) as usize];
    let (mut reads, mut torn, mut lost) = (0u64, 0u64, 0u64);
    let mut seen = Seen::default();
    let mut report = Instant::now();
    let mut buffer = [0; VALUE_SIZE];
    loop {
        for _ in 0..256 {
            yield_at_times(&mut random);
            let writer = random.below(arguments.writers as u64) as i32;
            let key = writer * 100 + random.below(SINGLES as u64) as i32;
            reads += 1;
            if let Some(len) = table.get_into(&key, &mut buffer)? {
                match pattern::sequence(key, &buffer[..len]) {
                    Some(sequence) => {
                        let newest = &mut newest[key as usize];
                        lost += u64::from(sequence < *newest);
                        *newest = sequence;
                    }
                    None => torn += 1,
                }
            }
        }
        let writer = random.below(arguments.writers as u64) as i32;
        let keys: Vec<i32> = batch_keys(writer).collect();
        // A read of several keys may find writes under each attempt; then it says so.
        if let Ok(values) = table.get_many(&keys) {
            reads += keys.len() as u64;
            let found: Vec<_> = values
                .iter()
                .zip(&keys)
                .map(|(value, &key)| value.as_ref().map(|v| pattern::sequence(key, v)))
                .collect();
            torn += u64::from(found.contains(&Some(None)));
            torn += u64::from(found.iter().any(|value| *value != found[0]));
        }
        seen.read(&table)?;
        let over = stop.load(Relaxed);
        if over || report.elapsed() > Duration::from_millis(100) {
            report = Instant::now();
            let (reads, torn, lost) = (reads + seen.reads, torn + seen.torn, lost + seen.lost);
            say(&json!({ "reads": reads, "torn": torn, "lost": lost }))?;
        }
        if over {
            return Ok(());
        }
    }
}

/// For each line `aim`, kills a writer that is seen with a claim or with the lock, and answers with
/// its process id.
/// For each line `PID`, a process that was killed: counts the slots that it had claimed; writes one
/// entry under the lock, and one of the claimed keys; and answers with the times when that
/// succeeded (`CLOCK_MONOTONIC`, ns) and the table's figures. At the end, verifies the table.
pub fn probe() -> Result<()> {
    let table = table()?;
    let file = File::open(Namespace::from_env().path_of(&test_name(), KIND))?;
    say(&json!({ "ready": true }))?;
    for (count, line) in std::io::stdin().lock().lines().enumerate() {
        let line = line.context("read a command")?;
        if line == "verify" {
            let damage = table.verify().err().map(|e| e.to_string());
            let lost = shared::check_counts(&table)? + more::check_all(&table)?;
            say(&json!({ "damage": damage, "lost": lost }))?;
            continue;
        }
        if line == "aim" {
            say(&aimed_kill(&table, &file)?
                .map_or(json!({}), |(pid, ns)| json!({ "pid": pid, "ns": ns })))?;
            continue;
        }
        let claimed = claimed_by(&table, line.parse()?);
        table.upsert_many(&[(PROBE_KEY, value(PROBE_KEY, count as u64 + 1))])?;
        let ns = now()?;
        let mut claim_ns = None;
        if let Some(key) = claimed {
            match table.update_with(&key, |_| ()) {
                Err(TableError::NotFound { .. }) => {}
                written => written?,
            }
            claim_ns = Some(now()?);
        }
        let stats = table.stats();
        say(&json!({
            "ns": ns,
            "claim_ns": claim_ns,
            "recoveries": stats.recoveries,
            "growths": stats.growths,
            "writes": stats.writes,
        }))?;
    }
    Ok(())
}

/// How often the probe looks for a writer that can be hit, before a kill is not aimed.
const LOOKS: u32 = 300;
/// How many more looks must find that it has the same claim, or the lock. Then it waits for a core,
/// most likely, so that it still has it when it dies.
const LOOKS_IN_A_ROW: u32 = 50;
/// Time between looks, in which other writers run.
const PAUSE: Duration = Duration::from_micros(300);
/// How many slots are looked at for a claim. The keys of all writers are added first.
const LOOKED_AT: usize = 256;

/// Kills a writer that has a claim, or the lock. Returns its process id, and when it was killed.
fn aimed_kill(table: &Table<i32>, file: &File) -> Result<Option<(u32, u64)>> {
    let busy = || -> Result<Option<WriterId>> {
        let claimed = claims_among(table, LOOKED_AT).first().map(|claim| claim.writer);
        Ok(claimed.or(lock_holder(file)?))
    };
    for _ in 0..LOOKS {
        let found = busy()?;
        let mut stays = found.is_some();
        for _ in 0..LOOKS_IN_A_ROW {
            stays = stays && busy()? == found;
        }
        let writers = table.segment().writers();
        let victim = writers.iter().find(|w| stays && w.is_alive && Some(w.id) == found);
        if let Some(pid) = victim.map(|writer| writer.pid) {
            let ns = now()?;
            kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGKILL)?;
            return Ok(Some((pid, ns)));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(None)
}

/// The key whose slot a process had claimed when it was killed.
fn claimed_by(table: &Table<i32>, pid: u32) -> Option<i32> {
    let claims = claims(table);
    if claims.is_empty() {
        return None;
    }
    let writers = table.segment().writers();
    let is_its = |claim: &Claim| writers.iter().any(|w| w.pid == pid && w.id == claim.writer);
    claims.into_iter().find(is_its).map(|claim| claim.key)
}

fn now() -> Result<u64> {
    Ok(Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC)?).as_nanos() as u64)
}
