//! The worker processes of the multi-process tests, one role a file.
//!
//! The namespace comes from `SHMAP_DIR`; the table's name is always `test`.

#![deny(unsafe_code)]
#![allow(missing_docs, reason = "a binary")]

mod demo;
mod judge;
mod linearize;
mod on_demand;
mod operation;
mod scenario;
mod storm;
mod stress;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// One operation between two marks, under ptrace: what step-kill walks through.
    Operation(operation::Arguments),
    /// Prepares tables for step-kill and judges what a death left of them.
    Judge(judge::Arguments),
    /// Writes when told to.
    OnDemand,
    /// Writes and logs until it is killed.
    StressWriter(stress::WriterArguments),
    /// Reads and verifies.
    StressReader(stress::ReaderArguments),
    /// Writes when asked, and says when that worked.
    StressProbe,
    /// Does all operations at once on a few names, until it is killed.
    Storm(storm::Arguments),
    /// Judges what a storm left.
    StormJudge(storm::JudgeArguments),
    /// Writes and reads a few keys and logs the calls, until it is killed.
    Linearize(linearize::Arguments),
    /// Publishes the status of processes.
    DemoAgent(demo::AgentArguments),
    /// Looks processes up and verifies what it gets.
    DemoReader,
    /// Shows the processes when asked.
    DemoBoard,
    /// Demo: sleeps until its own row changes.
    DemoWaiter,
    /// Publishes the names of characters over and over.
    DemoPublisher(demo::names::Arguments),
    /// Looks names up and verifies what it gets.
    DemoNames(demo::names::Arguments),
    /// One failure scenario of the tests in `tests/tests`.
    Scenario(scenario::Arguments),
}

fn main() -> Result<()> {
    match Arguments::parse().role {
        Role::Operation(arguments) => operation::run(&arguments),
        Role::Judge(arguments) => judge::run(&arguments),
        Role::OnDemand => on_demand::run(),
        Role::StressWriter(arguments) => stress::write(&arguments),
        Role::StressReader(arguments) => stress::read(&arguments),
        Role::StressProbe => stress::probe(),
        Role::Storm(arguments) => storm::run(&arguments),
        Role::StormJudge(arguments) => storm::judge(&arguments),
        Role::Linearize(arguments) => linearize::run(&arguments),
        Role::DemoAgent(arguments) => demo::agent(&arguments),
        Role::DemoReader => demo::reader(),
        Role::DemoBoard => demo::board(),
        Role::DemoWaiter => demo::waiter::waiter(),
        Role::DemoPublisher(arguments) => demo::names::publisher(&arguments),
        Role::DemoNames(arguments) => demo::names::reader(&arguments),
        Role::Scenario(arguments) => scenario::run(&arguments),
    }
}
