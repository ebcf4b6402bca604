//! The progress of a command: a bar on a terminal, and at the end the amount and the speed.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{counted, grouped, size};

/// Minimum time for which a rate is meaningful.
const MEASURABLE: Duration = Duration::from_secs(1);
/// The number of steps between two updates of the bar.
const EVERY: u64 = 1 << 10;

/// Counts entries and bytes, and shows a bar on stderr if stderr is a terminal.
pub(crate) struct Progress {
    bar: ProgressBar,
    start: Instant,
    entries: u64,
}

impl Progress {
    /// Starts a job of this length in bytes or entries. `None` means that the length is not known.
    pub(crate) fn new(len: Option<u64>, unit: Unit) -> Self {
        let place = match unit {
            Unit::Bytes => ["{bytes}", "{total_bytes}", "{bytes_per_sec}"],
            Unit::Entries => ["{human_pos}", "{human_len}", "{per_sec}"],
        };
        let [at, of, speed] = place;
        let (bar, look) = match len {
            Some(len) => {
                let look = format!("{{bar:30}} {at} of {of}, {speed}, {{eta}} left");
                (ProgressBar::new(len), look)
            }
            None => (ProgressBar::no_length(), format!("{{spinner}} {at}, {speed}")),
        };
        // The template is a constant of this file; without it the bar has the usual look.
        if let Ok(style) = ProgressStyle::with_template(&look) {
            bar.set_style(style);
        }
        Self { bar, start: Instant::now(), entries: 0 }
    }

    /// Counts, but shows no bar.
    pub(crate) fn hidden() -> Self {
        Self { bar: ProgressBar::hidden(), start: Instant::now(), entries: 0 }
    }

    /// Counts one more entry. `at` is how far the job is.
    pub(crate) fn step(&mut self, at: u64) {
        self.entries += 1;
        if self.entries.is_multiple_of(EVERY) {
            self.bar.set_position(at);
        }
    }

    /// Says that the next part takes a while and has no bar.
    pub(crate) fn say(&self, what: &'static str) {
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            self.bar.set_style(style);
        }
        self.bar.set_message(what);
        self.bar.tick();
    }

    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Removes the bar, and says on stderr how much was done. Also says how fast, if the job took a
    /// second or more.
    pub(crate) fn finish(&self, bytes: u64, more: &str) {
        self.bar.finish_and_clear();
        let said = summary(self.entries, bytes, self.elapsed());
        let _ = writeln!(std::io::stderr().lock(), "{said}{more}");
    }
}

fn summary(entries: u64, bytes: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    let said =
        format!("{}, {} in {seconds:.2} s", counted(entries, "entry", "entries"), size(bytes));
    if elapsed < MEASURABLE {
        return said;
    }
    let speed = grouped((entries as f64 / seconds) as u64);
    format!("{said}: {speed} entries a second")
}

impl Drop for Progress {
    /// Removes the bar, even if the job failed half way.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Bytes,
    Entries,
}

/// True if a bar would not be mixed with the output.
pub(crate) fn is_apart() -> bool {
    std::io::stderr().is_terminal() && !std::io::stdout().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_said_of_work_that_takes_a_second() {
        let said = |entries, millis| summary(entries, 8, Duration::from_millis(millis));
        assert_eq!(said(1, 0), "1 entry, 8 B in 0.00 s");
        assert_eq!(said(2, 999), "2 entries, 8 B in 1.00 s");
        assert_eq!(said(3000, 2000), "3,000 entries, 8 B in 2.00 s: 1,500 entries a second");
    }
}
