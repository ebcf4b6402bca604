//! `shmap expire`

use clap::Args;
use slotmap_shm::{TableError, UntypedTable};

use super::create::number;
use super::ttl::about_a_map;
use crate::arguments::Common;
use crate::failure::{Exit, Failure, in_shell};
use crate::maps::target::{Kind, Target};
use crate::output::{Cell, rows};
use crate::startup;

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  $ shmap create leases --ttl each
  $ shmap expire leases
  leases\t1024\t0

The columns are: name; slots that were visited, which is 0 for a table whose entries do not
expire; entries that were removed meanwhile because they had expired, or because the thread that
they belonged to had ended. What has expired is absent anyway, and an entry that needs its memory
takes it. With --max-visited, the next call continues where this one stopped. To let one entry
expire, give it a time to live: `shmap touch`.")]
pub(crate) struct Arguments {
    /// Names of the tables
    #[arg(required = true)]
    name: Vec<String>,
    /// Visit at most this many slots of each table [default: all]
    #[arg(long, value_name = "N", value_parser = number)]
    max_visited: Option<usize>,
}

/// How many slots are visited under the lock at a time, so that other writers can come in between.
const AT_ONCE: usize = 4096;

pub(crate) fn run(arguments: &Arguments, common: &Common) -> Result<Exit, Failure> {
    // It prints: nothing is changed where that cannot be.
    startup::output()?;
    // All must be there before anything is removed from one.
    let open = |name: &String| {
        Target::find_made(name, Some(Kind::Table), common)
            .map_err(about_a_map)
            .and_then(|target| target.writer(common))
            .map_err(|failure| about_one_entry(failure, &arguments.name).of_map(name))
    };
    let tables: Vec<_> = arguments.name.iter().map(open).collect::<Result<_, _>>()?;
    let mut told = Vec::new();
    for (name, table) in arguments.name.iter().zip(tables) {
        let (visited, removed) = sweep(&table, arguments.max_visited)
            .map_err(|error| Failure::from(error).about(name).of_map(name))?;
        told.push(vec![Cell::name(name), Cell::count(visited as u64), Cell::count(removed)]);
    }
    rows(common.format(), &["name", "visited", "removed"], told)
        .map_err(|error| Failure::from(error).after("what has expired is removed"))?;
    Ok(Exit::Ok)
}

/// Adds a hint for a user who gives a key and a time, as Redis' command of this name takes them.
fn about_one_entry(failure: Failure, names: &[String]) -> Failure {
    match names {
        [table, _key, ..] if failure.exit() == Exit::NotFound => failure.hint_instead(format!(
            "`shmap list` shows what there is; for one entry: `shmap touch {} KEY SECONDS`",
            in_shell(table)
        )),
        _ => failure,
    }
}

/// Returns how many slots were visited, and how many entries anybody has removed meanwhile.
fn sweep(table: &UntypedTable, most: Option<usize>) -> Result<(usize, u64), TableError> {
    let most = most.unwrap_or(usize::MAX).min(table.capacity());
    let before = table.stats().expired;
    let mut visited = 0;
    while visited < most {
        match table.expire(AT_ONCE.min(most - visited))? {
            0 => break,
            more => visited += more,
        }
    }
    Ok((visited, table.stats().expired.wrapping_sub(before)))
}
