//! `shmap man`

use std::path::PathBuf;

use clap::{Args, Command};

use crate::failure::{Exit, Failure};

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  $ mkdir man1 && shmap man --out man1

Writes one page for shmap, and one for each subcommand.")]
pub(crate) struct Arguments {
    /// The directory to write to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, command: Command) -> Result<Exit, Failure> {
    let dir = &arguments.out;
    let failed = |error: std::io::Error| {
        Failure::of_file(dir.display(), &error).hint(match error.kind() {
            std::io::ErrorKind::NotFound => "make the directory first, or name another one",
            _ => "name a directory that you may write to",
        })
    };
    clap_mangen::generate_to(command, dir).map_err(failed)?;
    Ok(Exit::Ok)
}
