//! Runs the worker's `scenario` roles from a test.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::{Child, WATCHDOG, worker};

/// The prefix that a role which cannot run here prints before the reason.
pub const SKIPPED: &str = "skipped: ";

/// The user `nobody`: neither the caller nor root.
pub const NOBODY: u32 = 65534;

/// A command for the scenario `name`, in a namespace.
#[must_use]
pub fn scenario(binary: &str, name: &str, namespace: &Path) -> Command {
    let mut command = worker(binary, "scenario", namespace);
    command.arg(name);
    command
}

/// Runs a scenario as another user. The file is started through a descriptor, so that
/// the user needs no access to the directories above it. Needs root.
///
/// # Panics
/// When the binary cannot be opened, or as [`run`] does.
#[must_use]
pub fn run_as(uid: u32, binary: &str, name: &str, namespace: &Path) -> Vec<String> {
    let (command, _binary) = as_user(uid, binary, &[name], namespace);
    run(command)
}

/// A command that runs a scenario as another user, and the file that it is started from. Needs
/// root.
///
/// # Panics
/// When the binary cannot be opened.
#[must_use]
pub fn as_user(uid: u32, binary: &str, words: &[&str], namespace: &Path) -> (Command, File) {
    let file = File::open(binary).expect("open the worker");
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    let mut command = worker(&link, "scenario", namespace);
    command.args(words).uid(uid).gid(uid).current_dir("/");
    (command, file)
}

/// Runs a command to its end and returns the lines it printed.
///
/// # Panics
/// When it hangs, fails or is killed.
#[must_use]
pub fn run(mut command: Command) -> Vec<String> {
    let mut child = Child::spawn(&mut command).expect("start a worker");
    child.close_stdin();
    finish(child)
}

/// Waits for the end of a worker and returns the lines it printed since.
///
/// # Panics
/// When it hangs, fails or is killed.
#[must_use]
pub fn finish(mut child: Child) -> Vec<String> {
    let mut lines = Vec::new();
    while let Ok(line) = child.line(WATCHDOG) {
        if line.starts_with(SKIPPED) {
            println!("{line}");
        }
        lines.push(line);
    }
    let status = child.wait(WATCHDOG).expect("a worker that ends");
    assert!(status.success(), "the worker ended with {status}; it said {lines:#?}");
    lines
}

/// True for root; otherwise prints why the test is skipped.
#[must_use]
pub fn is_root(needed_for: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        println!("{SKIPPED}{needed_for} needs root");
    }
    root
}
