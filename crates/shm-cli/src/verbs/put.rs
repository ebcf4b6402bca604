//! `shmap set`, `shmap add`, `shmap update`

use std::ffi::OsString;
use std::io::Read;
use std::time::Duration;

use clap::Args;
use slotmap_shm::{PutMode, TableError, UntypedTable};

use crate::arguments::{Common, bytes, ttl};
use crate::failure::{Exit, Failure, VALUE_SIZE};
use crate::maps::key::{AnyKey, KeyType};
use crate::maps::target::writable;
use crate::startup;

// No doc comment: it would be the help of the verbs.
#[derive(Args, Debug)]
pub(crate) struct Entry {
    /// Name of the table
    pub(super) name: String,
    /// The key
    #[arg(allow_negative_numbers = true)]
    key: OsString,
    /// The value; `-` reads standard input to its end
    #[arg(allow_negative_numbers = true)]
    value: OsString,
    /// Key and value are escaped: \t \n \r \\ \xNN
    #[arg(long, short)]
    escaped: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  $ shmap set jobs 3325 stopped
  $ date | shmap set jobs 1 -
  $ shmap create leases --ttl each
  $ shmap set leases 1 mine --ttl 30

The table must exist; `shmap create` creates one. Without --ttl, an entry stays as long as the
table says: for the time that `shmap create --ttl` gave, or until it is removed.")]
pub(crate) struct Set {
    #[command(flatten)]
    pub(super) entry: Entry,
    /// The entry expires after this time; only in a table that was created with --ttl
    #[arg(long, value_name = "SECONDS", value_parser = ttl, allow_negative_numbers = true)]
    pub(super) ttl: Option<Duration>,
}

pub(super) const ADD: &str = "\
Example:
  $ shmap add jobs 4711 queued

The exit code is 4 if the key exists already.";

pub(super) const UPDATE: &str = "\
Example:
  $ shmap update jobs 3325 'stopped\\n' --escaped

The exit code is 1 if the key does not exist.";

/// `shmap set`
pub(crate) fn set(arguments: &Set, common: &Common) -> Result<Exit, Failure> {
    let Set { entry, ttl } = arguments;
    write(entry, common, |table, key, value| match ttl {
        Some(ttl) => table.upsert_for(key, value, *ttl).map(drop),
        None => table.upsert(key, value).map(drop),
    })
}

/// `shmap add`, `shmap update`
pub(crate) fn put(mode: PutMode, entry: &Entry, common: &Common) -> Result<Exit, Failure> {
    write(entry, common, |table, key, value| table.put(mode, key, value).map(drop))
}

/// Writes an entry of the command line.
fn write(
    entry: &Entry,
    common: &Common,
    put: impl FnOnce(&UntypedTable, &AnyKey, &[u8]) -> Result<(), TableError>,
) -> Result<Exit, Failure> {
    let table = writable(&entry.name, common)?;
    let key = KeyType(table.key_kind()).parse_argument(&bytes(&entry.key, entry.escaped)?)?;
    let most = table.stats().value_size;
    let value = match entry.value == "-" {
        true => from_stdin(most)?,
        false => bytes(&entry.value, entry.escaped)?,
    };
    if entry.value == "-" && value.len() > most {
        // The rest was not read, so nobody knows how long it is.
        let text = format!("{}: the value of key {key} has more than {most} bytes", entry.name);
        return Err(Failure::new(Exit::NoSpace, text).hint(VALUE_SIZE));
    }
    put(&table, &key, &value).map_err(|error| Failure::from(error).about(&entry.name))?;
    Ok(Exit::Ok)
}

/// Reads as many bytes as fit and one more, so that a longer value is refused, whatever its length.
fn from_stdin(most: usize) -> Result<Vec<u8>, Failure> {
    let most = most as u64;
    let mut value = Vec::new();
    let read = startup::input()
        .and_then(|()| std::io::stdin().lock().take(most + 1).read_to_end(&mut value));
    read.map_err(|error| Failure::of_stdin(&error))?;
    Ok(value)
}
