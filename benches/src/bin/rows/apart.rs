//! Measuring two processes that work at the same time, and checking that they did.
//!
//! On a machine that does other work too, two processes may share a processor, and a measurement of
//! both would then measure the scheduler. So each gets its own processor, and a round in which one
//! of them waited for its processor is repeated.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::Result;

/// For how long a disturbed round is repeated.
const LONGEST: Duration = Duration::from_millis(60);

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
