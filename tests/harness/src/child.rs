//! A child process with a line protocol and a watchdog.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The most lines that wait to be read. A child that prints more has to wait. So it cannot fill the
/// memory, and its reader can always catch up.
const LINES: usize = 256;

/// A child whose stdin and stdout are pipes of lines. Killed and reaped on drop.
#[derive(Debug)]
pub struct Child {
    child: std::process::Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    /// Lines that arrived while the caller waited for the child's end.
    backlog: RefCell<VecDeque<String>>,
}

/// The watchdog's error: the process did not answer, or did not end, in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hung;

impl std::fmt::Display for Hung {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the process hung: the watchdog had to end it")
    }
}

impl std::error::Error for Hung {}

impl Child {
    /// Starts `command`. Its stderr is that of the caller.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {command:?}"))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("stdout of the child")?;
        let (send, lines) = sync_channel(LINES);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, stdin, lines, backlog: RefCell::default() })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    /// Sends a line.
    ///
    /// # Errors
    /// When the child no longer reads.
    pub fn send(&mut self, line: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("stdin is closed")?;
        writeln!(stdin, "{line}")?;
        stdin.flush()?;
        Ok(())
    }

    /// Closes the child's stdin, which asks most roles to finish.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// The next line that the child prints.
    ///
    /// # Errors
    /// [`Hung`] if no line comes within `limit`; another error if the child has ended.
    pub fn line(&self, limit: Duration) -> Result<String> {
        if let Some(line) = self.backlog.borrow_mut().pop_front() {
            return Ok(line);
        }
        match self.lines.recv_timeout(limit) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Timeout) => Err(Hung.into()),
            Err(RecvTimeoutError::Disconnected) => bail!("the child ended without an answer"),
        }
    }

    /// A line that has already arrived, if any.
    pub fn try_line(&self) -> Option<String> {
        self.backlog.borrow_mut().pop_front().or_else(|| self.lines.try_recv().ok())
    }

    /// Sends a line and waits for the answer.
    ///
    /// # Errors
    /// As [`Child::send`] and [`Child::line`].
    pub fn ask(&mut self, line: &str, limit: Duration) -> Result<String> {
        self.send(line)?;
        self.line(limit)
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the child is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(self.pid(), signal)?)
    }

    /// Sends SIGKILL, and reaps the child.
    ///
    /// # Errors
    /// When it cannot be reaped.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        let _ = self.child.kill();
        Ok(self.child.wait()?)
    }

    /// True while it runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// [`Hung`] if the child does not end within `limit`. It is killed then.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            // A child whose output fills the pipe would not end.
            self.backlog.get_mut().extend(self.lines.try_iter());
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if start.elapsed() > limit {
                self.kill()?;
                return Err(Hung.into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}
