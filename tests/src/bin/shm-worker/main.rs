//! The worker processes of the multi-process tests, one role a file.
//!
//! The namespace comes from `SHMAP_DIR`; the table's name is always `test`.

#![deny(unsafe_code)]
#![allow(missing_docs, reason = "a binary")]

mod judge;
mod operation;
mod scenario;

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
    /// One failure scenario of the tests in `tests/tests`.
    Scenario(scenario::Arguments),
}

fn main() -> Result<()> {
    match Arguments::parse().role {
        Role::Operation(arguments) => operation::run(&arguments),
        Role::Judge(arguments) => judge::run(&arguments),
        Role::Scenario(arguments) => scenario::run(&arguments),
    }
}
