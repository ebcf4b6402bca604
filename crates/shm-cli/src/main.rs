//! `shmap`: shared-memory maps from the command line. See the README beside this crate.

#![forbid(unsafe_code)]

mod arguments;
mod escape;
mod failure;
mod key;
mod mappers;
mod output;
mod progress;
mod reading;
mod records;
mod table;
mod target;
mod verbs;
mod writing;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Arguments;

fn main() -> ExitCode {
    // A wrong command line ends here, with 2; so do --help and --version, with 0.
    let arguments = Arguments::parse();
    let outcome = verbs::run(&arguments).and_then(|exit| {
        std::io::stdout().flush()?;
        Ok(exit)
    });
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(),
    }
}
