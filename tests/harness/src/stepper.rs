//! Single-steps a process between two marks and kills it in between.
//!
//! The traced program calls `PTRACE_TRACEME`. It raises SIGSTOP right before the part to be stepped
//! through, and again right after it.

use std::process::Command;

use anyhow::{Result, bail};
use nix::sys::personality::{self, Persona};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// A process stopped under ptrace. All calls must come from the thread that made it.
#[derive(Debug)]
pub struct Stepper {
    /// Owns the pipes, if any. The process is reaped by `waitpid` here.
    _child: Option<std::process::Child>,
    pid: Pid,
    /// The thread that is traced.
    thread: Pid,
    fixed: bool,
    gone: bool,
}

/// Where a run of steps ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// All steps were made; the process is stopped before its next instruction.
    Stopped,
    /// The process reached its next mark after this many steps.
    Marked(u64),
    /// The process ended after this many steps.
    Ended(u64),
}

impl Stepper {
    /// Starts `command`, which traces itself, and waits for its first mark. If the system permits,
    /// the addresses of its code are not random.
    ///
    /// # Errors
    /// When it cannot be started, or ends before the mark.
    #[allow(clippy::zombie_processes, reason = "reaped by waitpid in `kill` and on drop")]
    pub fn spawn(command: &mut Command) -> Result<Self> {
        // This is a setting of the thread, and inherited. Some containers do not allow it.
        let before = personality::get().ok();
        let change = |persona| personality::set(persona | Persona::ADDR_NO_RANDOMIZE).is_ok();
        let fixed = before.is_some_and(change);
        let child = command.spawn();
        if let Some(before) = before.filter(|_| fixed) {
            personality::set(before)?;
        }
        let child = child?;
        let pid = Pid::from_raw(child.id() as i32);
        let mut stepper = Self { _child: Some(child), pid, thread: pid, fixed, gone: false };
        stepper.wait_for_mark()?;
        Ok(stepper)
    }

    /// Attaches to a running process and stops it at its current instruction.
    ///
    /// # Errors
    /// When it cannot be attached to.
    pub fn seize(pid: Pid) -> Result<Self> {
        ptrace::attach(pid)?;
        let mut stepper = Self { _child: None, pid, thread: pid, fixed: false, gone: false };
        stepper.wait_for_mark()?;
        Ok(stepper)
    }

    fn wait_for_mark(&mut self) -> Result<()> {
        match self.wait()? {
            WaitStatus::Stopped(_, Signal::SIGSTOP) => Ok(()),
            other => {
                self.gone = matches!(other, WaitStatus::Exited(..) | WaitStatus::Signaled(..));
                bail!("the traced process did not reach its mark: {other:?}")
            }
        }
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    fn wait(&self) -> nix::Result<WaitStatus> {
        waitpid(self.thread, Some(WaitPidFlag::__WALL))
    }

    /// From now on traces the next thread that the process starts, and no longer its first one.
    /// Waits for the first mark of that thread.
    ///
    /// # Errors
    /// When ptrace fails, or the process ends.
    pub fn follow_next_thread(&mut self) -> Result<()> {
        ptrace::setoptions(self.thread, ptrace::Options::PTRACE_O_TRACECLONE)?;
        let mut pass_on = None;
        loop {
            ptrace::cont(self.thread, pass_on.take())?;
            match self.wait()? {
                WaitStatus::PtraceEvent(..) => break,
                WaitStatus::Stopped(_, other) => pass_on = Some(other),
                other => {
                    self.gone = matches!(other, WaitStatus::Exited(..) | WaitStatus::Signaled(..));
                    bail!("the traced process started no thread: {other:?}")
                }
            }
        }
        let thread = Pid::from_raw(ptrace::getevent(self.thread)? as i32);
        ptrace::detach(self.thread, None)?;
        self.thread = thread;
        // It begins with a stop.
        self.wait_for_mark()?;
        ptrace::cont(self.thread, None)?;
        self.wait_for_mark()
    }

    /// Executes up to `count` instructions.
    ///
    /// # Errors
    /// When ptrace fails.
    pub fn step(&mut self, count: u64) -> Result<Step> {
        let mut pass_on = None;
        for done in 0..count {
            ptrace::step(self.thread, pass_on.take())?;
            match self.wait()? {
                WaitStatus::Stopped(_, Signal::SIGTRAP) => {}
                WaitStatus::Stopped(_, Signal::SIGSTOP) => return Ok(Step::Marked(done)),
                WaitStatus::Stopped(_, other) => pass_on = Some(other),
                WaitStatus::Exited(..) | WaitStatus::Signaled(..) => {
                    self.gone = true;
                    return Ok(Step::Ended(done));
                }
                other => bail!("unexpected state of the traced process: {other:?}"),
            }
        }
        Ok(Step::Stopped)
    }

    /// Lets the process make up to `count` system calls at full speed, and stops it right after the
    /// last of them.
    ///
    /// # Errors
    /// When ptrace fails.
    pub fn skip_calls(&mut self, count: u64) -> Result<Step> {
        ptrace::setoptions(self.thread, ptrace::Options::PTRACE_O_TRACESYSGOOD)?;
        let mut pass_on = None;
        // It stops when it enters each call, and when it leaves it.
        let mut stops = 0;
        while stops < 2 * count {
            ptrace::syscall(self.thread, pass_on.take())?;
            match self.wait()? {
                WaitStatus::PtraceSyscall(_) => stops += 1,
                WaitStatus::Stopped(_, Signal::SIGSTOP) => return Ok(Step::Marked(stops / 2)),
                WaitStatus::Stopped(_, other) => pass_on = Some(other),
                WaitStatus::Exited(..) | WaitStatus::Signaled(..) => {
                    self.gone = true;
                    return Ok(Step::Ended(stops / 2));
                }
                other => bail!("unexpected state of the traced process: {other:?}"),
            }
        }
        Ok(Step::Stopped)
    }

    /// Steps to the next mark. Returns the addresses of the instructions on the way, in pieces that
    /// end with a system call. The last piece ends at the mark.
    ///
    /// # Errors
    /// When ptrace fails, or the process ends.
    pub fn measure(&mut self) -> Result<Vec<Vec<u64>>> {
        let mut pieces = Vec::new();
        let mut piece = Vec::new();
        loop {
            let address = self.address()?;
            let calls = self.peek(address as usize)? & CALL_MASK == CALL;
            match self.step(1)? {
                Step::Stopped => piece.push(address),
                Step::Marked(_) => {
                    pieces.push(piece);
                    return Ok(pieces);
                }
                Step::Ended(_) => bail!("the traced process ended"),
            }
            if calls {
                pieces.push(std::mem::take(&mut piece));
            }
        }
    }

    /// Lets the process run at full speed until it reaches an address, and stops it before the
    /// instruction there. If it makes a system call first, stops it there and returns false.
    ///
    /// An address other than that of the next instruction is allowed only on x86-64.
    ///
    /// # Errors
    /// When ptrace fails, or the process ends.
    pub fn run_to(&mut self, address: u64) -> Result<bool> {
        if address == self.address()? {
            return Ok(true);
        }
        let at = address as ptrace::AddressType;
        let code = ptrace::read(self.thread, at)?;
        ptrace::write(self.thread, at, code & !0xFF | BREAKPOINT)?;
        ptrace::setoptions(self.thread, ptrace::Options::PTRACE_O_TRACESYSGOOD)?;
        let mut pass_on = None;
        let arrived = loop {
            ptrace::syscall(self.thread, pass_on.take())?;
            match self.wait()? {
                WaitStatus::Stopped(_, Signal::SIGTRAP) => break true,
                WaitStatus::PtraceSyscall(_) => break false,
                WaitStatus::Stopped(_, other) => pass_on = Some(other),
                other => {
                    self.gone = matches!(other, WaitStatus::Exited(..) | WaitStatus::Signaled(..));
                    bail!("the traced process did not come to {address:#x}: {other:?}")
                }
            }
        };
        ptrace::write(self.thread, at, code)?;
        if arrived {
            self.set_address(address)?;
        }
        Ok(arrived)
    }

    /// True if the addresses of the process's code are the same in every run.
    #[must_use]
    pub fn has_fixed_addresses(&self) -> bool {
        cfg!(target_arch = "x86_64") && self.fixed
    }

    /// Steps until `done` holds or a mark is reached. Returns the number of steps.
    ///
    /// # Errors
    /// When ptrace fails, or the process ended.
    pub fn step_until(
        &mut self,
        mut done: impl FnMut(&Self) -> Result<bool>,
    ) -> Result<Option<u64>> {
        let mut steps = 0;
        while !done(self)? {
            match self.step(1)? {
                Step::Stopped => steps += 1,
                Step::Marked(_) => return Ok(None),
                Step::Ended(_) => bail!("the traced process ended"),
            }
        }
        Ok(Some(steps))
    }

    /// The word at an address of the traced process.
    ///
    /// # Errors
    /// When nothing is mapped there.
    pub fn peek(&self, address: usize) -> Result<u64> {
        Ok(ptrace::read(self.thread, address as ptrace::AddressType)? as u64)
    }

    /// True if the process holds the lock of a segment. The word at `address` names the record of
    /// the holder, and the record names the thread.
    ///
    /// # Errors
    /// When nothing is mapped there.
    pub fn owns_lock(&self, address: usize) -> Result<bool> {
        const RECORDS: usize = 640 - 512;
        const THREAD: usize = 112;
        let holder = self.peek(address)?;
        let record = address + RECORDS + 128 * (holder as usize & 0x1FFF);
        let thread = (self.pid.as_raw() as u64) << 32 | self.thread.as_raw() as u64;
        Ok(holder != 0 && self.peek(record + THREAD)? == thread)
    }

    /// Lets the process continue to its next mark or its end.
    ///
    /// # Errors
    /// When ptrace fails.
    pub fn run_to_mark(&mut self) -> Result<Step> {
        let mut pass_on = None;
        loop {
            ptrace::cont(self.thread, pass_on.take())?;
            match self.wait()? {
                WaitStatus::Stopped(_, Signal::SIGSTOP) => return Ok(Step::Marked(0)),
                WaitStatus::Stopped(_, other) => pass_on = Some(other),
                WaitStatus::Exited(..) | WaitStatus::Signaled(..) => {
                    self.gone = true;
                    return Ok(Step::Ended(0));
                }
                _ => {}
            }
        }
    }

    /// Detaches from the process and leaves it stopped by SIGSTOP.
    ///
    /// # Errors
    /// When ptrace fails.
    pub fn leave_stopped(mut self) -> Result<()> {
        ptrace::detach(self.thread, Signal::SIGSTOP)?;
        self.gone = true;
        Ok(())
    }

    /// Sends SIGKILL to the process, and reaps it.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.gone, true) {
            return Ok(());
        }
        kill(self.pid, Signal::SIGKILL)?;
        // A process can be reaped only after its other threads.
        self.reap(self.thread)?;
        if self.thread == self.pid { Ok(()) } else { self.reap(self.pid) }
    }

    fn reap(&self, pid: Pid) -> Result<()> {
        loop {
            match waitpid(pid, Some(WaitPidFlag::__WALL)) {
                Ok(WaitStatus::Signaled(..) | WaitStatus::Exited(..)) => return Ok(()),
                // An attached process is reaped by its own parent in the end.
                Err(nix::errno::Errno::ECHILD) => return Ok(()),
                Err(e) => return Err(e.into()),
                Ok(_) => {}
            }
        }
    }
}

/// The instruction of a system call, the mask of its bits, and a breakpoint.
#[cfg(target_arch = "x86_64")]
const CALL_MASK: u64 = 0xFFFF;
#[cfg(target_arch = "x86_64")]
const CALL: u64 = 0x050F;
#[cfg(not(target_arch = "x86_64"))]
const CALL_MASK: u64 = 0xFFFF_FFFF;
/// `svc 0` of aarch64. If it is not known, everything is one piece.
#[cfg(not(target_arch = "x86_64"))]
const CALL: u64 = 0xD400_0001;
const BREAKPOINT: i64 = 0xCC;

impl Stepper {
    #[cfg(target_arch = "x86_64")]
    fn address(&self) -> Result<u64> {
        Ok(ptrace::getregs(self.thread)?.rip)
    }

    #[cfg(target_arch = "x86_64")]
    fn set_address(&self, address: u64) -> Result<()> {
        let mut registers = ptrace::getregs(self.thread)?;
        registers.rip = address;
        Ok(ptrace::setregs(self.thread, registers)?)
    }

    #[cfg(target_arch = "aarch64")]
    fn address(&self) -> Result<u64> {
        Ok(ptrace::getregs(self.thread)?.pc)
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn address(&self) -> Result<u64> {
        bail!("the registers of this processor are not known")
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn set_address(&self, _address: u64) -> Result<()> {
        bail!("breakpoints are not implemented for this processor")
    }
}

impl Drop for Stepper {
    fn drop(&mut self) {
        let _ = self.end();
    }
}
