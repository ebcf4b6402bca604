//! A process that reads and writes a store as it is told: one line an order, one line an answer.
//! [`crate::remote`] is the other end.
//!
//! | order | answer |
//! |---|---|
//! | `pin CPU` | `pinned` |
//! | `keys SPREAD` (see [`Spread`]) | `keys` |
//! | `get COUNT`, `upsert COUNT` | nanoseconds an operation |
//! | `run START STOP` | writes until STOP; then a [`Ran`] |
//! | `clock` | nanoseconds that it takes to read the clock |
//! | `count KEY …` | writes these keys, with a store to a word of its own around each; then the address of that word |
//! | `check` | `whole`, if the value of each key is one that [`fill`] or `run` writes for it |
//!
//! A worker says `ready` first. An order that cannot be followed ends it, and so does the end of
//! its parent.

use std::fmt;
use std::io::{BufRead, Write};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};

use crate::Store;
use crate::histogram::Histogram;
use crate::keys::Spread;
use crate::processor::{Pinned, Stopwatch};
use crate::workload::{CAPACITY, Cycle, Mix, SHORT, VALUE_SIZE, Workload, lookups, upserts};

/// One write of so many is timed. Reading the clock takes longer than some writes, so that timing
/// all of them would halve the throughput. The number is odd, so that in the long run each key of a
/// cycle is timed equally often.
pub const TIMED: u64 = 61;

/// How often a disturbed stretch of `get` or `upsert` is repeated.
const TRIES: usize = 8;

/// What a store to it means to a tool that traces the worker: one write ends, another begins.
static MARK: AtomicU32 = AtomicU32::new(0);

/// What a worker did in one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Writes until the end.
    pub writes: u64,
    /// Nanoseconds in which the worker could have written but had no processor.
    pub delayed: u64,
    /// How long the timed writes took, the reading of the clock included.
    pub latency: Histogram,
}

/// Nanoseconds of the clock that all processes of a machine share.
///
/// # Errors
/// If there is no such clock.
pub fn now() -> Result<u64> {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    Ok(time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
}

/// Writes every key, every other one twice: a slot of the table has two value buffers, and in a
/// table in use the current value is in either.
///
/// # Errors
/// If the store refuses a write.
pub fn fill(store: &impl Store) -> Result<()> {
    let work = Workload::new(CAPACITY);
    let twice = work.present().iter().step_by(2);
    for (&key, count) in work.present().iter().chain(twice).zip(0..) {
        ensure!(store.upsert(key, &value(key, count)), "the store refuses key {key}");
    }
    Ok(())
}

/// Follows the orders of stdin until it is closed.
///
/// # Errors
/// If an order is not understood, or the store does not do what it should.
pub fn serve(store: &impl Store) -> Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "ready")?;
    let mut worker = Worker { store, cycle: None, pinned: None };
    for order in std::io::stdin().lock().lines() {
        let order = order?;
        let answer = worker.follow(&order).with_context(|| format!("order {order:?}"))?;
        writeln!(out, "{answer}")?;
    }
    Ok(())
}

struct Worker<'a, S> {
    store: &'a S,
    cycle: Option<Cycle>,
    pinned: Option<Pinned>,
}

impl<S: Store> Worker<'_, S> {
    fn follow(&mut self, order: &str) -> Result<String> {
        let (verb, rest) = order.split_once(' ').unwrap_or((order, ""));
        Ok(match verb {
            "pin" => {
                // The old one first: what it undoes would undo the new one.
                self.pinned = None;
                self.pinned = Some(Pinned::to(rest.parse()?));
                "pinned".to_owned()
            }
            "keys" => {
                self.cycle = Some(rest.parse::<Spread>()?.cycle()?);
                "keys".to_owned()
            }
            "get" => self
                .timed(rest.parse()?, |store, keys| lookups::<SHORT>(store, keys).hits as usize)?,
            "upsert" => self.timed(rest.parse()?, |store, keys| upserts(store, keys))?,
            "run" => {
                let (start, stop) = rest.split_once(' ').context("START STOP")?;
                self.run(start.parse()?, stop.parse()?)?.to_string()
            }
            "clock" => clock_cost()?.to_string(),
            "count" => self.count(rest)?,
            "check" => self.check()?,
            other => bail!("no order {other:?}"),
        })
    }

    fn cycle(&mut self) -> &mut Cycle {
        self.cycle.get_or_insert_with(|| Workload::new(CAPACITY).cycle(Mix::Hits))
    }

    /// Does something with so many keys, again if it had to wait for a processor meanwhile; returns
    /// the nanoseconds of each.
    fn timed(&mut self, count: u64, f: impl Fn(&S, &[i32]) -> usize) -> Result<String> {
        let store = self.store;
        let mut ns = f64::NAN;
        for _ in 0..TRIES {
            let mut done = 0;
            let watch = Stopwatch::start();
            self.cycle().next(count, |keys| done += f(store, keys));
            let spent = watch.spent();
            ensure!(done as u64 == count, "{done} of {count} succeeded");
            ns = spent.wall as f64 / count as f64;
            if spent.undisturbed() {
                break;
            }
        }
        Ok(ns.to_string())
    }

    fn run(&mut self, start: u64, stop: u64) -> Result<Ran> {
        let store = self.store;
        let cycle = self.cycle();
        std::thread::sleep(Duration::from_nanos(start.saturating_sub(now()?)));
        let (watch, late) = (Stopwatch::start(), now()?.saturating_sub(start));
        let mut latency = Histogram::default();
        let (mut writes, mut done) = (0, 0);
        let mut write = |keys: &[i32]| {
            for &key in keys {
                done += u64::from(store.upsert(key, &value(key, writes as u32)));
                writes += 1;
            }
        };
        loop {
            cycle.next(TIMED - 1, &mut write);
            let before = now()?;
            cycle.next(1, &mut write);
            let after = now()?;
            latency.record(after - before);
            if after >= stop {
                break;
            }
        }
        ensure!(done == writes, "{done} of {writes} writes succeeded");
        Ok(Ran { writes, delayed: watch.spent().delayed + late, latency })
    }

    /// Writes each key twice before: both value buffers are then in use, and whatever the first
    /// write of a process does is done. Does little else, since it is traced from the start.
    fn count(&self, keys: &str) -> Result<String> {
        let keys = keys.split(' ').map(str::parse).collect::<Result<Vec<i32>, _>>()?;
        for marked in [false, false, true] {
            for (&key, at) in keys.iter().zip(1..) {
                if marked {
                    MARK.store(at, Relaxed);
                }
                ensure!(self.store.upsert(key, &value(key, at)), "a write failed");
            }
        }
        MARK.store(0, Relaxed);
        Ok(format!("{:x}", std::ptr::from_ref(&MARK).addr()))
    }

    fn check(&self) -> Result<String> {
        let mut buffer = [0; VALUE_SIZE];
        for &key in Workload::new(CAPACITY).present() {
            let found = self.store.get_into(key, &mut buffer);
            ensure!(found == Some(SHORT), "key {key} has {found:?} bytes");
            let count = buffer.first_chunk().map_or(0, |word| u32::from_ne_bytes(*word));
            ensure!(buffer.starts_with(&value(key, count)), "the value of key {key} is torn");
        }
        Ok("whole".to_owned())
    }
}

/// A value that says whether it is whole.
#[inline]
fn value(key: i32, count: u32) -> [u8; SHORT] {
    let mut value = [0; SHORT];
    for (to, word) in value.as_chunks_mut().0.iter_mut().zip([count, !count, count ^ key as u32]) {
        *to = word.to_ne_bytes();
    }
    value
}

/// The median time that lies between two readings of the clock.
fn clock_cost() -> Result<u64> {
    let mut costs = Histogram::default();
    for _ in 0..1000 {
        let before = now()?;
        costs.record(now()? - before);
    }
    Ok(costs.quantile(0.5).unwrap_or(0))
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ran {} {} {}", self.writes, self.delayed, self.latency.encode())
    }
}

impl FromStr for Ran {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> Result<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let ["ran", writes, delayed, latency] = words[..] else { bail!("not a run: {line:?}") };
        Ok(Self {
            writes: writes.parse()?,
            delayed: delayed.parse()?,
            latency: Histogram::decode(latency).context("not a histogram")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::HashMap;

    use super::*;

    #[derive(Default)]
    struct Map(RefCell<HashMap<i32, Vec<u8>>>);

    impl Store for Map {
        fn get_into(&self, key: i32, buffer: &mut [u8; VALUE_SIZE]) -> Option<usize> {
            let map = self.0.borrow();
            let value = map.get(&key)?;
            buffer[..value.len()].copy_from_slice(value);
            Some(value.len())
        }

        fn upsert(&self, key: i32, value: &[u8]) -> bool {
            self.0.borrow_mut().insert(key, value.to_vec());
            true
        }
    }

    #[test]
    fn a_run_writes_until_its_end_and_leaves_whole_values() {
        let map = Map::default();
        fill(&map).unwrap();
        let mut worker = Worker { store: &map, cycle: None, pinned: None };
        assert_eq!(worker.follow("keys own 1 2").unwrap(), "keys");
        let stop = now().unwrap() + 1_000_000;
        let ran: Ran = worker.follow(&format!("run 0 {stop}")).unwrap().parse().unwrap();
        assert!(now().unwrap() >= stop);
        assert!(ran.writes > 0 && ran.writes.is_multiple_of(TIMED), "{ran:?}");
        assert_eq!(ran.latency.total(), ran.writes / TIMED);
        assert_eq!(ran.to_string().parse::<Ran>().unwrap(), ran);
        assert_eq!(worker.follow("check").unwrap(), "whole");
        for work in ["get 100", "upsert 100"] {
            assert!(worker.follow(work).unwrap().parse::<f64>().unwrap() > 0.0);
        }
    }

    #[test]
    fn a_check_fails_on_a_torn_a_swapped_and_a_missing_value() {
        let map = Map::default();
        fill(&map).unwrap();
        let mut worker = Worker { store: &map, cycle: None, pinned: None };
        let work = Workload::new(CAPACITY);
        let [key, other] = *work.present().first_chunk().unwrap();
        let good = value(key, 7).to_vec();
        let torn = [&value(key, 7)[..4], &value(key, 8)[4..]].concat();
        for bad in [torn, value(other, 7).to_vec(), good[..8].to_vec()] {
            map.upsert(key, &bad);
            assert!(worker.follow("check").is_err(), "{bad:?}");
            map.upsert(key, &good);
            assert_eq!(worker.follow("check").unwrap(), "whole");
        }
        map.0.borrow_mut().remove(&key);
        assert!(worker.follow("check").is_err());
    }

    #[test]
    fn an_order_that_is_not_understood_is_an_error() {
        let mut worker = Worker { store: &Map::default(), cycle: None, pinned: None };
        for order in ["", "go", "get", "run 1", "run a b", "keys cold", "pin -1"] {
            assert!(worker.follow(order).is_err(), "{order:?}");
        }
        assert!("ran 1 2".parse::<Ran>().is_err());
    }
}
