//! The roles of `cargo xtask linearize`: processes that write and read a few keys and log their
//! calls until they are killed, and one that reads what they left.
//!
//! Each value is written only once: it contains the number of the process and a count.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use shm_core::Namespace;
use shm_harness::call_log::{COUNTER, CallLog, KEYS, Operation, Outcome, Step};
use shm_tests::random::Random;
use shm_tests::{options, pattern, reading, test_name};
use slotmap_shm::{Access, PutMode, Table, TableError, TableReader, Upserted, Value};

use crate::stress::stop_flag;

/// Large enough that another write often completes during the copy of a value.
const VALUE_SIZE: usize = 256;
/// The most calls of a process, so that its log does not fill the memory of a slow machine.
const CALLS: u64 = 100_000;

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Part {
    /// Writes and reads.
    Writer,
    /// Reads through a read-only handle.
    Reader,
    /// Reads each key once, checks the table, and ends.
    Last,
}

#[derive(clap::Args)]
pub struct Arguments {
    part: Part,
    /// Where to log the calls.
    #[arg(long)]
    log: PathBuf,
    /// The number of the process, which makes its values unique.
    #[arg(long)]
    number: u64,
    #[arg(long)]
    seed: u64,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let (namespace, options) = (Namespace::from_env(), options(16, VALUE_SIZE));
    let table = Table::open_or_create(&namespace, &test_name(), &options)?;
    let mut process = Process {
        log: CallLog::create(&arguments.log)?,
        random: Random::new(arguments.seed),
        number: arguments.number,
        values: 0,
        calls: 0,
        read: [None; KEYS],
        stale: Stale::new(),
    };
    match arguments.part {
        Part::Writer => {
            let stop = stop_flag();
            while process.continues(&stop) {
                match process.random.below(4) {
                    0 => process.read(&table)?,
                    1 => process.add_to_counter(&table)?,
                    _ => process.write(&table)?,
                }
            }
        }
        Part::Reader => {
            drop(table);
            let options = reading(&options);
            let table = TableReader::open_read_only(&namespace, &test_name(), &options)?;
            let stop = stop_flag();
            while process.continues(&stop) {
                process.read(&table)?;
            }
        }
        Part::Last => {
            for key in 0..KEYS {
                process.get(&table, key)?;
            }
            table.verify()?;
        }
    }
    process.log.flush()
}

struct Process {
    log: CallLog,
    random: Random,
    number: u64,
    /// How many values it has made.
    values: u64,
    calls: u64,
    /// The value of each key that was read last: what a comparison expects.
    read: [Option<u64>; KEYS],
    stale: Stale,
}

/// What a call did to each key.
type Steps = Result<Vec<Step>>;

impl Process {
    /// False when the run is over. When it has made all its calls, the process waits for that.
    fn continues(&mut self, stop: &AtomicBool) -> bool {
        // The processes of a small machine would rarely interleave.
        if self.random.below(64) == 0 {
            std::thread::yield_now();
        }
        self.calls += 1;
        while self.calls > CALLS && !stop.load(Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        !stop.load(Relaxed)
    }

    /// One of the first keys, the first of all most often: calls of one key should overlap.
    fn key(&mut self, keys: usize) -> usize {
        self.random.below(keys as u64).min(self.random.below(keys as u64)) as usize
    }

    fn new_value(&mut self) -> u64 {
        self.values += 1;
        self.number << 32 | self.values
    }

    fn read<A: Access>(&mut self, table: &Table<i32, A>) -> Result<()> {
        let key = self.key(KEYS);
        match self.random.below(16) {
            0 => self.log.call(
                || table.contains_key(&(key as i32)),
                |found| {
                    unless_contended(found, |found| {
                        Ok(step(key, Operation::ContainsKey, Outcome::Present(found)))
                    })
                },
            ),
            1 => {
                let keys: Vec<i32> = (0..KEYS as i32).collect();
                self.log
                    .call(|| table.get_many(&keys), |values| unless_contended(values, values_of))
            }
            2 => self.log.call(|| table.entries(), |entries| unless_contended(entries, entries_of)),
            3..8 => {
                let mut buffer = [0; VALUE_SIZE];
                self.log.call(
                    || table.get_into(&(key as i32), &mut buffer).map(|len| (len, buffer)),
                    |got| {
                        unless_contended(got, |(len, buffer)| {
                            let bytes = len.map(|len| buffer.get(..len).unwrap_or_default());
                            Ok(step(key, Operation::Get, got_value(key, bytes)))
                        })
                    },
                )
            }
            _ => self.get(table, key),
        }
    }

    fn get<A: Access>(&mut self, table: &Table<i32, A>, key: usize) -> Result<()> {
        let (read, stale) = (&mut self.read, &mut self.stale);
        self.log.call(
            || table.get(&(key as i32)),
            |got| {
                unless_contended(got, |got| {
                    let mut outcome = got_value(key, got.as_deref());
                    if let Outcome::Value(value) = &mut outcome {
                        stale.replace(key, value);
                        read[key] = *value;
                    }
                    Ok(step(key, Operation::Get, outcome))
                })
            },
        )
    }

    fn write(&mut self, table: &Table<i32>) -> Result<()> {
        let (key, value) = (self.key(COUNTER), self.new_value());
        let at = key as i32;
        let bytes = bytes_of(key, value);
        match self.random.below(16) {
            0..4 => self.one(key, Operation::Upsert(value), || {
                Ok(Outcome::Present(table.upsert(&at, &bytes)? == Upserted::Updated))
            }),
            4..6 => self
                .one(key, Operation::Add(value), || table.add(&at, &bytes).map(|()| Outcome::Done)),
            6..8 => self.one(key, Operation::Update(value), || {
                table.update(&at, &bytes).map(|()| Outcome::Done)
            }),
            8..10 => self.one(key, Operation::Remove, || table.remove(&at).map(|()| Outcome::Done)),
            10..12 => self.one(key, Operation::UpdateWith(value), || {
                let mut before = Outcome::Torn;
                table.update_with(&at, |edited| {
                    before = number_of(key, edited).map_or(Outcome::Torn, Outcome::Number);
                    edited.clone_from(&bytes);
                })?;
                Ok(before)
            }),
            12..14 => {
                let expected = self.read[key].unwrap_or(0);
                let then = bytes_of(key, expected);
                self.one(key, Operation::CompareExchange { expected, new: value }, || {
                    table.compare_exchange(&at, &then, &bytes).map(|()| Outcome::Done)
                })
            }
            14 if self.random.below(8) == 0 => {
                let steps = (0..KEYS).flat_map(|key| step(key, Operation::Clear, None)).collect();
                self.log_write(steps, || table.clear().map(|()| Some(Outcome::Done)))
            }
            _ => self.batch(table),
        }
    }

    fn add_to_counter(&mut self, table: &Table<i32>) -> Result<()> {
        let (key, by) = (COUNTER as i32, self.random.below(8) as i64 + 1);
        match self.random.below(8) {
            0 => {
                self.one(COUNTER, Operation::Remove, || table.remove(&key).map(|()| Outcome::Done))
            }
            1..3 => self.one(COUNTER, Operation::FetchAdd(by as u64), || {
                Ok(Outcome::Number(table.fetch_add(&key, by)? as u64))
            }),
            _ => {
                let initial = self.random.below(1000) as i64;
                let operation = Operation::Increment { by: by as u64, initial: initial as u64 };
                self.one(COUNTER, operation, || {
                    Ok(Outcome::Number(table.increment(&key, by, initial)? as u64))
                })
            }
        }
    }

    /// A batch of all keys but the counter.
    fn batch(&mut self, table: &Table<i32>) -> Result<()> {
        let values: Vec<(usize, u64)> = (0..COUNTER).map(|key| (key, self.new_value())).collect();
        let entries: Vec<(i32, Vec<u8>)> =
            values.iter().map(|&(key, value)| (key as i32, bytes_of(key, value))).collect();
        let steps = |operation: fn(u64) -> Operation| {
            values.iter().flat_map(|&(key, value)| step(key, operation(value), None)).collect()
        };
        let done = |()| Some(Outcome::Done);
        match self.random.below(5) {
            0 => self.log_write(steps(Operation::Add), || {
                table.put_many(PutMode::Add, &entries).map(done)
            }),
            1 => self.log_write(steps(Operation::Update), || {
                table.put_many(PutMode::Update, &entries).map(done)
            }),
            2 => {
                let keys: Vec<i32> = (0..COUNTER as i32).collect();
                self.log_write(steps(|_| Operation::Remove), || table.remove_many(&keys).map(done))
            }
            // The call does not say which keys were present.
            _ => self
                .log_write(steps(Operation::Upsert), || table.upsert_many(&entries).map(|()| None)),
        }
    }

    /// A call that writes one key.
    fn one(
        &mut self,
        key: usize,
        operation: Operation,
        call: impl FnOnce() -> Result<Outcome, TableError>,
    ) -> Result<()> {
        self.log_write(step(key, operation, None), || call().map(Some))
    }

    /// Logs the intent, makes the call, and gives each step the outcome of the call.
    fn log_write(
        &mut self,
        steps: Vec<Step>,
        call: impl FnOnce() -> Result<Option<Outcome>, TableError>,
    ) -> Result<()> {
        self.log.intend(&steps)?;
        self.log.call(call, |result| match result {
            Ok(outcome) => Ok(steps.into_iter().map(|step| Step { outcome, ..step }).collect()),
            // Nothing was changed. The error says how it found one key.
            Err(TableError::InBatch { index, source }) => {
                let step = *steps.get(index).context("a member that the batch does not have")?;
                Ok(vec![Step { outcome: Some(failed(step.key, *source)?), ..step }])
            }
            Err(TableError::Contended { .. }) => Ok(Vec::new()),
            Err(error) => {
                let [step] = steps.try_into().ok().context("a batch")?;
                Ok(vec![Step { outcome: Some(failed(step.key, error)?), ..step }])
            }
        })
    }
}

fn step(key: usize, operation: Operation, outcome: impl Into<Option<Outcome>>) -> Vec<Step> {
    vec![Step { key, operation, outcome: outcome.into() }]
}

/// An error that the specification knows.
fn failed(key: usize, error: TableError) -> Result<Outcome> {
    Ok(match error {
        TableError::NotFound { .. } => Outcome::NotFound,
        TableError::DuplicateKey { .. } => Outcome::Duplicate,
        TableError::Mismatch { found, .. } => {
            number_of(key, &found).map_or(Outcome::Torn, Outcome::Mismatch)
        }
        error => bail!(error),
    })
}

/// The bytes of a value. Values of the counter are numbers, others can tell whether they are torn.
fn bytes_of(key: usize, value: u64) -> Vec<u8> {
    if key == COUNTER {
        return value.to_le_bytes().into();
    }
    pattern::value(key as i32, value, pattern::length(value, VALUE_SIZE))
}

fn number_of(key: usize, bytes: &[u8]) -> Option<u64> {
    let value = u64::from_le_bytes(*bytes.first_chunk()?);
    (bytes_of(key, value) == bytes).then_some(value)
}

fn got_value(key: usize, bytes: Option<&[u8]>) -> Outcome {
    match bytes.map(|bytes| number_of(key, bytes)) {
        Some(None) => Outcome::Torn,
        value => Outcome::Value(value.flatten()),
    }
}

/// The steps of a read, or none if writers overtook it for so long that it failed.
fn unless_contended<T>(result: Result<T, TableError>, steps: impl FnOnce(T) -> Steps) -> Steps {
    match result {
        Err(TableError::Contended { .. }) => Ok(Vec::new()),
        result => steps(result?),
    }
}

fn values_of(values: Vec<Option<Value>>) -> Steps {
    let steps = values
        .iter()
        .enumerate()
        .flat_map(|(key, value)| step(key, Operation::Get, got_value(key, value.as_deref())));
    Ok(steps.collect())
}

fn entries_of(entries: Vec<(i32, Value)>) -> Steps {
    let mut values = vec![None; KEYS];
    for (key, value) in entries {
        let place = values.get_mut(usize::try_from(key)?).context("a key that nobody wrote")?;
        ensure!(place.is_none(), "key {key} is there twice");
        *place = Some(value);
    }
    values_of(values)
}

/// A negative control: answers some reads with a value that was read long before.
struct Stale {
    active: bool,
    reads: u64,
    remembered: Option<(usize, u64, u64)>,
}

impl Stale {
    /// How many reads are made before a value is stale, at least.
    const AGE: u64 = 500;

    fn new() -> Self {
        let chosen = || std::env::var_os("SHM_SABOTAGE").is_some_and(|how| how == "stale-read");
        Self { active: cfg!(shm_negative_control) && chosen(), reads: 0, remembered: None }
    }

    fn replace(&mut self, key: usize, value: &mut Option<u64>) {
        if !self.active {
            return;
        }
        self.reads += 1;
        match self.remembered {
            None => self.remembered = value.map(|value| (key, value, self.reads)),
            Some((of, stale, since)) if of == key && self.reads - since > Self::AGE => {
                *value = Some(stale);
                self.remembered = None;
            }
            Some(_) => {}
        }
    }
}
