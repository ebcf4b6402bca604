//! `shmap ttl`

use std::ffi::OsString;
use std::io::Write;

use clap::Args;
use serde_json::json;
use slotmap_shm::TimeToLive;

use super::load::println;
use crate::arguments::{Common, Format, bytes};
use crate::failure::{Exit, Failure};
use crate::maps::key::{Forms, KeyType};
use crate::maps::target::{Kind, Target};
use crate::output::stdout;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  $ shmap ttl jobs 3325
  forever

  $ shmap create leases --ttl each
  $ shmap set leases 1 mine --ttl 30
  $ shmap ttl leases 1

Prints the time that is left in seconds; `forever` if the entry stays until it is removed; or
`ephemeral` if it goes when the thread that added it ends. The exit code is 1 if the key does not
exist or its entry has expired.")]
pub(crate) struct Arguments {
    /// Name of the table
    pub(super) name: String,
    /// The key
    #[arg(allow_negative_numbers = true)]
    key: OsString,
    /// The key is escaped, as `dump` prints it
    #[arg(long, short)]
    escaped: bool,
}

pub(crate) fn run(arguments: &Arguments, common: &Common) -> Result<Exit, Failure> {
    let Arguments { name, key, escaped } = arguments;
    let table = find_table(name, common)?.reader(common)?;
    let key = KeyType(table.key_kind()).parse_argument(&bytes(key, *escaped)?)?;
    let ttl = table.ttl(&key).map_err(|error| Failure::from(error).about(name))?;
    let Some(ttl) = ttl else {
        return Err(Failure::new(Exit::NotFound, format!("no key {} in `{name}`", key.text()))
            .hint("`shmap search NAME` prints which there are"));
    };
    let seconds = match ttl {
        TimeToLive::For(left) => Some(left.as_secs_f64()),
        _ => None,
    };
    let ephemeral = ttl == TimeToLive::Ephemeral;
    if common.format() == Format::Json {
        println(&json!({ "key": key.json(), "ttl": seconds, "ephemeral": ephemeral }))?;
        return Ok(Exit::Ok);
    }
    let mut out = stdout();
    match seconds {
        Some(seconds) => writeln!(out, "{seconds:.3}")?,
        None if ephemeral => writeln!(out, "ephemeral")?,
        None => writeln!(out, "forever")?,
    }
    out.flush()?;
    Ok(Exit::Ok)
}

/// Finds a table whose entries have times to live.
pub(super) fn find_table(name: &str, common: &Common) -> Result<Target, Failure> {
    Target::find(name, Some(Kind::Table), common).map_err(about_a_map)
}

/// Adds a hint for a user who names a published map, to a failure to find a table.
pub(super) fn about_a_map(failure: Failure) -> Failure {
    match failure.exit() {
        Exit::Mismatch => failure.hint_instead(
            "entries of a published map stay until it is replaced: `shmap share NAME FILE --force`",
        ),
        _ => failure,
    }
}
