//! `shmap rm`

use clap::Args;

use crate::arguments::Common;
use crate::failure::{Exit, Failure};
use crate::maps::target::{Kind, Target, remove};

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  $ shmap rm jobs

Processes that have it open keep it. The memory is freed when the last of them closes it.")]
pub(crate) struct Arguments {
    /// Names of the maps
    #[arg(required = true)]
    name: Vec<String>,
    /// Which one, if both a table and a map have the name
    #[arg(long)]
    kind: Option<Kind>,
}

pub(crate) fn run(arguments: &Arguments, common: &Common) -> Result<Exit, Failure> {
    // All must be there before one is removed.
    let find = |name: &String| {
        Target::find_made(name, arguments.kind, common).map_err(|failure| failure.of_map(name))
    };
    let targets: Vec<_> = arguments.name.iter().map(find).collect::<Result<_, _>>()?;
    for target in targets {
        remove(&target, common)
            .map_err(|failure| failure.about(&target.name).of_map(target.name.as_str()))?;
    }
    Ok(Exit::Ok)
}
