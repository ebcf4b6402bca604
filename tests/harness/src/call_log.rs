//! What processes log of their calls, for `cargo xtask linearize`.
//!
//! A process adds a line to its log before each call that writes (the *intent*), and a line after
//! each call. If the process is killed, the intent at the end of its log is a call that may have
//! taken effect.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// How many keys the processes share. All are absent at first. The last one is a counter.
pub const KEYS: usize = 4;
/// The key whose value is a number that processes add to.
pub const COUNTER: usize = KEYS - 1;

/// An operation on one key. Values are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names of the calls of a table")]
pub enum Operation {
    Get,
    ContainsKey,
    Add(u64),
    Update(u64),
    Upsert(u64),
    Remove,
    Clear,
    /// Replaces the value, whatever it is, by this one.
    UpdateWith(u64),
    CompareExchange {
        expected: u64,
        new: u64,
    },
    FetchAdd(u64),
    Increment {
        by: u64,
        initial: u64,
    },
}

/// What an operation returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It did what it is for, and says no more.
    Done,
    /// Whether the key was present.
    Present(bool),
    /// The value of the key, or that it is absent.
    Value(Option<u64>),
    /// A number: the value before, or after in the case of [`Operation::Increment`].
    Number(u64),
    /// The error that the key is absent.
    NotFound,
    /// The error that the key is present.
    Duplicate,
    /// The error that the value is not the expected one, with the value.
    Mismatch(u64),
    /// Bytes that nobody wrote.
    Torn,
}

/// What a call does to one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The key.
    pub key: usize,
    /// What is done to it.
    pub operation: Operation,
    /// What came of it, if the call says so.
    pub outcome: Option<Outcome>,
}

/// A call. A batch has a step for each key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The time before the call, see [`now`].
    pub start: u64,
    /// The time after the call. An intent has none.
    pub end: Option<u64>,
    /// None if the call failed and changed nothing.
    pub steps: Vec<Step>,
}

/// The time in nanoseconds of a clock that all processes of a machine share.
///
/// # Errors
/// If the clock cannot be read.
pub fn now() -> Result<u64> {
    let now = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC)?);
    Ok(u64::try_from(now.as_nanos())?)
}

/// The log of one process.
#[derive(Debug)]
pub struct CallLog {
    file: File,
    lines: Vec<u8>,
    started: AtomicU64,
}

impl CallLog {
    /// How many bytes wait until they are written. Those that a killed process did not write are
    /// missing from its log. The log is then still true, but says less.
    const WAITING: usize = 1 << 14;

    /// Creates the file.
    ///
    /// # Errors
    /// If it exists or cannot be created.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create_new(path).with_context(|| format!("create {}", path.display()))?;
        Ok(Self { file, lines: Vec::new(), started: AtomicU64::new(0) })
    }

    /// Writes down what the next call may do. Afterwards the process may be killed.
    ///
    /// # Errors
    /// If the clock cannot be read, or the file not be written.
    pub fn intend(&mut self, steps: &[Step]) -> Result<()> {
        self.line(&Call { start: now()?, end: None, steps: steps.to_vec() })?;
        self.flush()
    }

    /// Makes a call, and writes down its times and what `steps` makes of its result.
    ///
    /// # Errors
    /// If the clock cannot be read, or the file not be written.
    pub fn call<R>(
        &mut self,
        call: impl FnOnce() -> R,
        steps: impl FnOnce(R) -> Result<Vec<Step>>,
    ) -> Result<()> {
        let start = now()?;
        // A processor may load from memory before it has read the clock. It does not load across
        // this fence before it has stored the time.
        self.started.store(start, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let result = call();
        // Nor does it read the clock before the stores of the call have left it.
        fence(Ordering::SeqCst);
        let end = now()?;
        self.line(&Call { start, end: Some(end), steps: steps(result)? })?;
        if self.lines.len() > Self::WAITING {
            self.flush()?;
        }
        Ok(())
    }

    fn line(&mut self, call: &Call) -> Result<()> {
        serde_json::to_writer(&mut self.lines, call)?;
        self.lines.push(b'\n');
        Ok(())
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        self.file.write_all(&self.lines)?;
        self.lines.clear();
        Ok(())
    }

    /// Reads the log of a process that has ended: the calls that returned, and the one that did
    /// not.
    ///
    /// # Errors
    /// If a line is not one of a log. The last line may be incomplete.
    pub fn read(text: &str) -> Result<(Vec<Call>, Option<Call>)> {
        let (mut calls, mut intent) = (Vec::new(), None);
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            let call: Call = serde_json::from_str(line).with_context(|| line.to_owned())?;
            match call.end {
                None => {
                    ensure!(intent.is_none(), "two intents without a call: {line}");
                    intent = Some(call);
                }
                Some(_) => {
                    intent = None;
                    calls.push(call);
                }
            }
        }
        Ok((calls, intent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITE: Step = Step { key: 1, operation: Operation::Update(7), outcome: None };

    fn done(step: Step) -> Result<Vec<Step>> {
        Ok(vec![Step { outcome: Some(Outcome::Done), ..step }])
    }

    #[test]
    fn a_log_says_which_call_did_not_return() -> Result<()> {
        let namespace = crate::TempNamespace::new()?;
        let path = namespace.path().join("log");
        let mut log = CallLog::create(&path)?;
        log.intend(&[WRITE])?;
        log.call(|| (), |()| done(WRITE))?;
        log.intend(&[WRITE])?;
        let text = std::fs::read_to_string(&path)?;
        let (calls, intent) = CallLog::read(&text)?;
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0].steps, done(WRITE)?);
        assert!(calls[0].end.is_some_and(|end| calls[0].start <= end));
        assert!(intent.is_some_and(|intent| intent.steps == [WRITE]));

        // Killed while it wrote the line of the second call, or of the second intent.
        log.call(|| (), |()| done(WRITE))?;
        log.flush()?;
        let longer = std::fs::read_to_string(&path)?;
        assert_eq!(CallLog::read(&longer[..longer.len() - 1])?, CallLog::read(&text)?);
        assert_eq!(CallLog::read(&text[..text.len() - 1])?.1, None);
        assert_eq!(CallLog::read(&longer)?.0.len(), 2);
        Ok(())
    }
}
