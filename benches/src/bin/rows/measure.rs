//! The method: two sides take turns (A B, B A, A B, ...) in short rounds, so that
//! whatever else happens on the machine happens to both. What counts is the median over
//! the rounds: of each side's time, and of the ratio within a round.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::time::{ClockId, clock_gettime};
use shm_bench_common::processor::Stopwatch;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// How often a disturbed round is repeated.
const TRIES: usize = 8;

/// How much is measured.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Rounds of each side.
    pub(crate) rounds: usize,
    /// Time that a round of one side takes.
    pub(crate) round: Duration,
    /// The number of rounds of each side if one takes a large part of a second.
    pub(crate) long_rounds: usize,
    /// Owners killed.
    pub(crate) kills: usize,
    interrupted: Arc<AtomicBool>,
}

/// Medians over the rounds, and how the ratios were spread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Nanoseconds an operation takes.
    pub(crate) ours_ns: f64,
    /// The same of the peer.
    pub(crate) peer_ns: f64,
    /// How many times as long the peer takes.
    pub(crate) ratio: f64,
    /// The middle half of the ratios lies between these.
    pub(crate) quartiles: (f64, f64),
}

/// Does a number of operations, and returns the nanoseconds per operation.
pub(crate) type Side<'a> = &'a mut dyn FnMut(u64) -> Result<f64>;

impl Plan {
    /// The full plan, or one for a quick look. A round is shorter than a turn of the
    /// scheduler, so that another process spoils few of them.
    pub(crate) fn new(quick: bool) -> Result<Self> {
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
        }
        let (rounds, long_rounds, kills) = if quick { (9, 1, 30) } else { (75, 5, 200) };
        let round = Duration::from_millis(2);
        Ok(Self { rounds, round, long_rounds, kills, interrupted })
    }

    /// This plan, for lookups in a map of so many entries. Each side begins its round with caches
    /// that the other side has filled, so a round must be long enough for many lookups after that.
    pub(crate) fn of_entries(&self, n: usize) -> Self {
        let round = self.round.max(Duration::from_nanos(10 * n as u64));
        Self { round, ..self.clone() }
    }

    /// An error once a signal asked the process to end: children and
    /// temporary files then go with their owners.
    pub(crate) fn go_on(&self) -> Result<()> {
        ensure!(!self.interrupted.load(Ordering::Relaxed), "interrupted");
        Ok(())
    }

    /// Measures `ours` against `peer`.
    pub(crate) fn compare(&self, ours: Side<'_>, peer: Side<'_>) -> Result<Outcome> {
        let counts = [self.calibrate(ours)?, self.calibrate(peer)?];
        self.take_turns(self.rounds, counts, [ours, peer], settled)
    }

    /// As [`Plan::compare`] for operations so long that each is a round: few rounds, of which none
    /// is repeated, and none to warm up. The sides go by [`processor_time`].
    pub(crate) fn compare_long(&self, ours: Side<'_>, peer: Side<'_>) -> Result<Outcome> {
        self.take_turns(self.long_rounds, [1, 1], [ours, peer], |side, count| side(count))
    }

    fn take_turns(
        &self,
        rounds: usize,
        [ours_count, peer_count]: [u64; 2],
        [ours, peer]: [Side<'_>; 2],
        measure: impl Fn(Side<'_>, u64) -> Result<f64>,
    ) -> Result<Outcome> {
        let mut times = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..rounds {
            self.go_on()?;
            let (a, b);
            if round % 2 == 0 {
                a = measure(ours, ours_count)?;
                b = measure(peer, peer_count)?;
            } else {
                b = measure(peer, peer_count)?;
                a = measure(ours, ours_count)?;
            }
            times.0.push(a);
            times.1.push(b);
            times.2.push(b / a);
        }
        Ok(Outcome {
            ours_ns: quantile(&mut times.0, 0.5),
            peer_ns: quantile(&mut times.1, 0.5),
            ratio: quantile(&mut times.2, 0.5),
            quartiles: (quantile(&mut times.2, 0.25), quantile(&mut times.2, 0.75)),
        })
    }

    /// The median nanoseconds of an operation of each side; they take turns, and each
    /// round starts with another one.
    pub(crate) fn medians(&self, sides: &mut [Side<'_>]) -> Result<Vec<f64>> {
        let mut counts = Vec::new();
        for side in sides.iter_mut() {
            counts.push(self.calibrate(side)?);
        }
        let mut times = vec![Vec::new(); sides.len()];
        for round in 0..self.rounds {
            self.go_on()?;
            for turn in 0..sides.len() {
                let at = (round + turn) % sides.len();
                let (Some(side), Some(&count)) = (sides.get_mut(at), counts.get(at)) else {
                    continue;
                };
                let ns = settled(side, count)?;
                times.get_mut(at).map(|times| times.push(ns)).unwrap_or_default();
            }
        }
        Ok(times.iter_mut().map(|times| quantile(times, 0.5)).collect())
    }

    /// The number of operations that fill a round. Also warms up.
    fn calibrate(&self, side: Side<'_>) -> Result<u64> {
        let round = self.round.as_nanos() as f64;
        let mut count = 16;
        loop {
            self.go_on()?;
            let ns = side(count)?;
            if ns * count as f64 * 4.0 >= round {
                return Ok(((round / ns) as u64).max(1));
            }
            count *= 4;
        }
    }
}

/// A round in which this thread did not have to wait for a processor, if there is
/// one among a few; the last, if not.
fn settled(side: Side<'_>, count: u64) -> Result<f64> {
    let mut last = f64::NAN;
    for _ in 0..TRIES {
        let watch = Stopwatch::start();
        last = side(count)?;
        if watch.spent().undisturbed() {
            break;
        }
    }
    Ok(last)
}

/// The nanoseconds per operation, if `f` does `count` of them.
pub(crate) fn timed(count: u64, f: impl FnOnce()) -> f64 {
    let start = Instant::now();
    f();
    start.elapsed().as_nanos() as f64 / count as f64
}

/// The processor time of this thread, in nanoseconds: for operations so long that others surely get
/// the processor meanwhile.
pub(crate) fn processor_time() -> Result<f64> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(time.tv_sec() as f64 * 1e9 + time.tv_nsec() as f64)
}

/// The value below which the given part of the values lies. Sorts them.
pub(crate) fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (part * values.len().saturating_sub(1) as f64).round() as usize;
    values.get(at).copied().unwrap_or(f64::NAN)
}
