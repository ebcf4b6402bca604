//! The targets of README's platform table. They are built, and their tests run if this machine can.
//!
//! A target needs a standard library (`standard_library.rs`) and, to link tests, a C compiler for
//! the target. A step that lacks something is skipped, and the reason names it.

mod standard_library;
mod targets;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::command::{cargo, run as run_command, target_dir};
use crate::report;
use standard_library::StandardLibrary;
use targets::Checked;
pub use targets::{TARGETS, Target};

#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// Only the targets whose name contains this.
    #[arg(long)]
    pub filter: Option<String>,
}

pub fn run(arguments: &Arguments) -> Result<bool> {
    let mut summary = report::table(&["target", "outcome"]);
    let mut passed = true;
    for target in TARGETS {
        if arguments.filter.as_ref().is_some_and(|filter| !target.triple.contains(filter)) {
            continue;
        }
        let outcome = check(target).unwrap_or_else(|error| {
            passed = false;
            format!("FAILED: {error:#}")
        });
        summary.add_row([target.triple.to_owned(), outcome]);
    }
    println!("{summary}");
    Ok(passed)
}

/// Does what the platform table says about a target. Returns what was done, or why it was skipped.
pub fn check(target: &Target) -> Result<String> {
    let library = match StandardLibrary::find(target.triple)? {
        Ok(library) => library,
        Err(reason) => return Ok(format!("skipped: {reason}")),
    };
    let mut done = Vec::new();
    for checked in target.checked {
        done.push(match checked {
            Checked::Compiled(packages) => compiled(target, &library, packages)?,
            Checked::Refused => refused(target, &library)?,
            Checked::Run(tests) => match missing(target, &library) {
                Some(reason) => format!("tests skipped: {reason}"),
                None => tested(target, &library, tests)?,
            },
        });
    }
    Ok(done.join("; "))
}

/// Where the worker of the tests is for a target whose tests were run.
pub fn worker(triple: &str) -> PathBuf {
    platform_dir().join(triple).join("debug").join("shm-worker")
}

fn platform_dir() -> PathBuf {
    target_dir().join("platforms").join("target")
}

/// A cargo command for the target. All commands use one profile, so that a standard library that
/// has to be compiled is compiled only once for each target.
fn cargo_for(target: &Target, library: &StandardLibrary, command: &str) -> Result<Command> {
    let mut cargo = cargo();
    cargo.args([command, "--quiet", "--profile", "test", "--target", target.triple]);
    cargo.arg("--target-dir").arg(platform_dir());
    cargo.env("CARGO_PROFILE_TEST_DEBUG", "none");
    library.configure(&mut cargo, target);
    let variable = |what: &str| {
        format!("CARGO_TARGET_{}_{what}", target.triple.to_uppercase().replace('-', "_"))
    };
    if let Some(runner) = target.runner {
        cargo.env(variable("RUNNER"), runner.program);
    }
    // Static, so that neither the emulator nor the kernel has to find a loader and libraries.
    let mut flags = "-Ctarget-feature=+crt-static -Crelocation-model=static".to_owned();
    if let Some(linker) = library.linker(target) {
        cargo.env(variable("LINKER"), linker.program);
    }
    if let Some(more) = library.link_flags(target)? {
        flags = format!("{flags} {more}");
    }
    cargo.env(variable("RUSTFLAGS"), flags);
    Ok(cargo)
}

fn compiled(target: &Target, library: &StandardLibrary, packages: &[&str]) -> Result<String> {
    // Code is generated only if it is run, because that takes most of the time for the standard
    // library.
    let command = if target.is_run() { "build" } else { "check" };
    let mut build = cargo_for(target, library, command)?;
    build.arg("--lib");
    build.args(packages.iter().flat_map(|package| ["--package", package]));
    run_command(&mut build)?;
    Ok(format!("cargo {command} of {}", packages.join(", ")))
}

/// Checks that the crates that map files do not compile, and say why.
fn refused(target: &Target, library: &StandardLibrary) -> Result<String> {
    let command = if target.is_run() { "build" } else { "check" };
    let mut build = cargo_for(target, library, command)?;
    let output = build.args(["--lib", "--package", "shm-core"]).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success(), "shm-core compiles for {}", target.triple);
    ensure!(said.contains("64-bit targets only"), "shm-core does not say why: {said}");
    Ok("shm-core refuses to compile".to_owned())
}

fn tested(target: &Target, library: &StandardLibrary, tests: &[&[&str]]) -> Result<String> {
    for arguments in tests {
        // The tests of documentation are those of x86_64.
        run_command(cargo_for(target, library, "test")?.args(*arguments))?;
    }
    let by = target.runner.map_or_else(String::new, |runner| format!(" by {}", runner.program));
    Ok(format!("tests run{by}"))
}

/// The programs that tests need and that are missing.
fn missing(target: &Target, library: &StandardLibrary) -> Option<String> {
    if target.runner.is_none() && std::env::consts::ARCH != "x86_64" {
        return Some(format!("{} does not run here", target.triple));
    }
    let tools = [library.linker(target), target.runner];
    let tool = tools.into_iter().flatten().find(|tool| !tool.is_there())?;
    Some(format!("there is no {} (Debian: {})", tool.program, tool.package))
}

/// A command's standard output.
fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of README's table that this file handles.
    fn rows() -> Vec<String> {
        let readme = std::fs::read_to_string(crate::command::root().join("README.md")).unwrap();
        let (_, section) = readme.split_once("\n## Platforms\n").unwrap();
        let section = section.split("\n## ").next().unwrap();
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        rows.map(str::to_owned).collect()
    }

    #[test]
    fn the_platform_table_says_what_is_checked() {
        let native = "| `x86_64-unknown-linux-gnu` | everything is run |".to_owned();
        let expected: Vec<String> = std::iter::once(native)
            .chain(TARGETS.iter().map(|t| format!("| `{}` | {} |", t.triple, t.in_words())))
            .collect();
        assert_eq!(rows(), expected, "README's platform table should be:\n{}", expected.join("\n"));
    }

    #[test]
    fn every_target_is_a_step_of_the_suite() {
        let suite = crate::test::step_names(false);
        for target in TARGETS {
            let name = format!("platform {}", target.triple);
            assert!(suite.contains(&name), "the suite lacks {name}");
        }
    }
}
