//! `shmap prune`

use clap::Args;
use shm_facade::{Litter, litter, prune};

use crate::arguments::Common;
use crate::failure::{Exit, Failure};
use crate::output::{Cell, rows};
use crate::startup;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  $ shmap prune
  $ shmap prune --yes

Tables, published maps, files of other users and files that a living process is about to publish
are left alone.")]
pub(crate) struct Arguments {
    /// Remove the files; otherwise only list them
    #[arg(long, short)]
    yes: bool,
    /// Only list the files, as without --yes
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
}

pub(crate) fn run(arguments: &Arguments, common: &Common) -> Result<Exit, Failure> {
    let yes = arguments.yes && !arguments.dry_run;
    if yes {
        startup::output()?;
    }
    let sweep = if yes { prune } else { litter };
    let found = sweep(&common.namespace())?;
    let row = |pruned: &shm_facade::Pruned| {
        let what = match (pruned.what, yes) {
            (Litter::Temporary, _) => "unfinished file",
            (Litter::Control, _) => "control segment of nothing",
            (Litter::Unsettled, _) => "publication that nobody ends",
            _ => "litter",
        };
        let path = pruned.path.display().to_string();
        let done = if yes { "done" } else { "to do" };
        vec![Cell::text(done), Cell::text(what), Cell::name(path)]
    };
    rows(common.format(), &["state", "what", "path"], found.iter().map(row).collect()).map_err(
        |error| match yes {
            true => Failure::from(error).after("it is removed"),
            false => error.into(),
        },
    )?;
    if !yes && !found.is_empty() {
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "nothing was removed: `shmap prune --yes` does it");
    }
    Ok(Exit::Ok)
}
