//! Measuring two processes that work at the same time, and checking that they did.
//!
//! On a machine that does other work too, two processes may share a processor, and a measurement of
//! both would then measure the scheduler. So each gets its own processor, and a round in which one
//! of them waited for its processor is repeated.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// For how long a disturbed round is repeated.
const LONGEST: Duration = Duration::from_millis(60);

/// What a stretch of work took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    /// Nanoseconds on the clock.
    pub(crate) wall: u64,
    /// Nanoseconds of that time in which this thread could have run but had no processor.
    pub(crate) delayed: u64,
}

/// Starts a [`Spent`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch {
    start: Instant,
    delayed: u64,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        let delayed = run_delay();
        Self { start: Instant::now(), delayed }
    }

    pub(crate) fn spent(&self) -> Spent {
        let wall = self.start.elapsed().as_nanos() as u64;
        Spent { wall, delayed: run_delay().saturating_sub(self.delayed) }
    }
}

impl Spent {
    /// Whether the thread had a processor (nearly) whenever it could run.
    pub(crate) fn undisturbed(&self) -> bool {
        self.delayed * 20 <= self.wall
    }
}

/// Nanoseconds that this thread has waited for a processor so far, by the kernel's
/// account; 0 where it keeps none.
fn run_delay() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').nth(1).and_then(|delay| delay.parse().ok()).unwrap_or(0)
}

/// Keeps the calling thread on one of the processors it may use: the first, or
/// the second. Undone on drop.
pub(crate) struct Pinned {
    before: Option<CpuSet>,
}

impl Pinned {
    pub(crate) fn to(which: usize) -> Self {
        let pin = || -> nix::Result<CpuSet> {
            let before = sched_getaffinity(Pid::from_raw(0))?;
            let mut allowed =
                (0..CpuSet::count()).filter(|&cpu| before.is_set(cpu).unwrap_or(false));
            let cpu = allowed.nth(which).ok_or(nix::Error::ENODEV)?;
            let mut one = CpuSet::new();
            one.set(cpu)?;
            sched_setaffinity(Pid::from_raw(0), &one)?;
            Ok(before)
        };
        Self { before: pin().ok() }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = sched_setaffinity(Pid::from_raw(0), before);
        }
    }
}

/// Repeats rounds that were disturbed, and counts those that stayed so.
#[derive(Debug, Default)]
pub(crate) struct Apart {
    rounds: Cell<u32>,
    disturbed: Cell<u32>,
}

impl Apart {
    /// Runs `round` until it says that it was undisturbed, as long as [`LONGEST`] at most.
    pub(crate) fn run(&self, mut round: impl FnMut() -> Result<(f64, bool)>) -> Result<f64> {
        let start = Instant::now();
        self.rounds.set(self.rounds.get() + 1);
        loop {
            let (ns, undisturbed) = round()?;
            if undisturbed {
                return Ok(ns);
            }
            if start.elapsed() > LONGEST {
                self.disturbed.set(self.disturbed.get() + 1);
                return Ok(ns);
            }
        }
    }

    /// Returns a note about the rounds so far, and starts counting again.
    pub(crate) fn note(&self) -> String {
        format!("{} of {} rounds were disturbed", self.disturbed.take(), self.rounds.take())
    }
}
