//! Which processor a thread has, and whether it had to wait for it.

use std::time::Instant;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// What a stretch of work took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Nanoseconds on the clock.
    pub wall: u64,
    /// Nanoseconds of that time in which this thread could have run but had no processor.
    pub delayed: u64,
}

/// Starts a [`Spent`].
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    start: Instant,
    delayed: u64,
}

impl Stopwatch {
    /// Starts it.
    #[must_use]
    pub fn start() -> Self {
        let delayed = run_delay();
        Self { start: Instant::now(), delayed }
    }

    /// What the calling thread, which must be the one that started it, has spent since.
    #[must_use]
    pub fn spent(&self) -> Spent {
        let wall = self.start.elapsed().as_nanos() as u64;
        Spent { wall, delayed: run_delay().saturating_sub(self.delayed) }
    }
}

impl Spent {
    /// Whether the thread had a processor (nearly) whenever it could run.
    #[must_use]
    pub fn undisturbed(&self) -> bool {
        self.delayed * 20 <= self.wall
    }
}

/// Nanoseconds that this thread has waited for a processor so far, by the kernel's
/// account; 0 where it keeps none.
fn run_delay() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').nth(1).and_then(|delay| delay.parse().ok()).unwrap_or(0)
}

/// Keeps the calling thread on one of the processors it may use. Undone on drop.
#[derive(Debug)]
pub struct Pinned {
    before: Option<CpuSet>,
}

impl Pinned {
    /// The first of the processors that the thread may use is 0. If there are not so many, the
    /// thread stays where it is.
    #[must_use]
    pub fn to(which: usize) -> Self {
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
