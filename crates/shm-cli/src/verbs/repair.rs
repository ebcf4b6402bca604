//! `shmap repair`

use clap::Args;

use crate::arguments::Common;
use crate::failure::{Exit, Failure};
use crate::maps::target::{Kind, Target};
use crate::output::{Cell, rows};
use crate::startup;

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  $ shmap repair jobs
  jobs\t0\t0

The columns are: name; slots that were damaged, and are free now; entries that were lost with
them. Everything in sound slots is kept. The first write after a damaged table is opened repairs
it as well, without a message.")]
pub(crate) struct Arguments {
    /// Names of the tables
    #[arg(required = true)]
    name: Vec<String>,
}

const PUBLISH: &str =
    "a map is never repaired: publish it again, with `shmap share NAME FILE --force`";

pub(crate) fn run(arguments: &Arguments, common: &Common) -> Result<Exit, Failure> {
    startup::output()?;
    // All must be there before one is repaired.
    let open = |name: &String| {
        Target::find_made(name, Some(Kind::Table), common)
            .map_err(|failure| match failure.exit() {
                Exit::Mismatch => failure.hint_instead(PUBLISH),
                _ => failure,
            })
            .and_then(|target| target.writer(common))
            .map_err(|failure| failure.of_map(name))
    };
    let tables: Vec<_> = arguments.name.iter().map(open).collect::<Result<_, _>>()?;
    let mut told = Vec::new();
    for (name, table) in arguments.name.iter().zip(tables) {
        let repaired =
            table.recover().map_err(|error| Failure::from(error).about(name).of_map(name))?;
        let count = |n: usize| Cell::count(n as u64);
        told.push(vec![Cell::name(name), count(repaired.slots), count(repaired.entries)]);
    }
    rows(common.format(), &["name", "slots", "entries"], told)
        .map_err(|error| Failure::from(error).after("the tables are repaired"))?;
    Ok(Exit::Ok)
}
