//! `shmap touch`

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use slotmap_shm::{Expiry, TableError, UntypedTable};

use super::ttl::find_table;
use crate::arguments::{Common, bytes, ttl};
use crate::failure::{Exit, Failure};
use crate::maps::key::KeyType;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  $ shmap create sessions --keys str --ttl 1800
  $ shmap set sessions /home ada
  $ shmap touch sessions /home
  $ shmap touch sessions /home 60

Without SECONDS, the entry gets the time to live of the table. Its value stays as it is. An
ephemeral entry then no longer goes with its thread. The exit code is 1 if the key does not exist or
its entry has expired.")]
pub(crate) struct Arguments {
    /// Name of the table
    pub(super) name: String,
    /// The key
    #[arg(allow_negative_numbers = true)]
    key: OsString,
    /// The time to live [default: that of the table]
    #[arg(value_name = "SECONDS", value_parser = ttl, allow_negative_numbers = true)]
    ttl: Option<Duration>,
    /// The same as SECONDS
    #[arg(long = "ttl", value_name = "SECONDS", value_parser = ttl)]
    #[arg(allow_negative_numbers = true, conflicts_with = "ttl")]
    ttl_option: Option<Duration>,
    /// The key is escaped, as `dump` prints it
    #[arg(long, short)]
    escaped: bool,
}

pub(crate) fn run(arguments: &Arguments, common: &Common) -> Result<Exit, Failure> {
    let Arguments { name, key, escaped, .. } = arguments;
    let table = find_table(name, common)?.writer(common)?;
    let key = KeyType(table.key_kind()).parse_argument(&bytes(key, *escaped)?)?;
    let ttl = match arguments.ttl_option.or(arguments.ttl) {
        Some(ttl) => ttl,
        None => default_of(&table).map_err(|failure| failure.about(name))?,
    };
    table.touch(&key, ttl).map_err(|error| Failure::from(error).about(name))?;
    Ok(Exit::Ok)
}

/// The time to live that the table gives to entries.
fn default_of(table: &UntypedTable) -> Result<Duration, Failure> {
    match table.geometry().expiry {
        Expiry::After(ttl) => Ok(ttl),
        Expiry::Never => Err(TableError::NoExpiry.into()),
        _ => Err(Failure::usage("the table has no time to live for all entries: which time?")
            .hint("name it: `shmap touch NAME KEY SECONDS`")),
    }
}
