//! `shmap`: shared-memory maps from the command line. See the README beside this crate.

#![deny(unsafe_code)]

mod arguments;
mod escape;
mod failure;
mod files;
mod maps;
mod output;
mod startup;
mod verbs;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::failure::{Exit, Failure};
use crate::verbs::Arguments;

fn main() -> ExitCode {
    let outcome = match Arguments::try_parse() {
        Ok(arguments) => verbs::run(&arguments),
        Err(error) if verbs::wants_file_format(&error) => Err(verbs::not_shown_as_file()),
        // A wrong command line ends here, with 2.
        Err(error) if error.use_stderr() => error.exit(),
        Err(help) => print(&help),
    };
    let outcome = outcome.and_then(|exit| {
        std::io::stdout().flush()?;
        Ok(exit)
    });
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(),
    }
}

/// Prints what `--help` or `--version` asks for.
fn print(help: &clap::Error) -> Result<Exit, Failure> {
    startup::output()?;
    help.print()?;
    Ok(Exit::Ok)
}
