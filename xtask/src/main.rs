//! The project's commands. Run them as `cargo xtask COMMAND`.
//!
//! Imports no library crate: it spawns worker processes, so it builds, and can say
//! what is wrong, even when a library does not build.

#![forbid(unsafe_code)]

mod bench;
mod command;
mod compare;
mod count;
mod demo;
mod install;
mod linearize;
mod packages;
mod peer;
mod platform;
mod plot;
mod python;
mod report;
mod step_kill;
mod storm;
mod stress;
mod test;
mod worker;
mod writers;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The commands of this project")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The main use cases: the status of the machine's processes is published and read, and a kill
    /// is survived.
    Demo(demo::Arguments),
    /// Kill a process after 0, 1, 2 … instructions of one operation; check what it left.
    StepKill(step_kill::Arguments),
    /// Writers and readers at full speed, and random SIGKILLs.
    Stress(stress::Arguments),
    /// Every operation at once on a few names, by processes that are killed at random.
    Storm(storm::Arguments),
    /// Calls of processes that are killed at random: can they have been made one after the other?
    Linearize(linearize::Arguments),
    /// The benchmarks of this project and of its peers, in one run.
    Bench(bench::Arguments),
    /// A lookup among N entries: linear, sorted, AVL, hash index and others, in one small table.
    Compare(compare::Arguments),
    /// Processes that write one map at the same time: throughput over their number, drawn, and the
    /// time of a write.
    Writers(writers::Arguments),
    /// The Python package: build the wheel, test it with every Python that is here, check the
    /// stubs.
    Python(python::Arguments),
    /// The targets of the platform table: built, and run where this machine can.
    Platforms(platform::Arguments),
    /// The whole test suite.
    Test(test::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::StepKill(arguments) => step_kill::run(&arguments),
        Command::Stress(arguments) => stress::run(&arguments),
        Command::Storm(arguments) => storm::run(&arguments),
        Command::Linearize(arguments) => linearize::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Writers(arguments) => writers::run(&arguments),
        Command::Python(arguments) => python::run(&arguments),
        Command::Platforms(arguments) => platform::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
