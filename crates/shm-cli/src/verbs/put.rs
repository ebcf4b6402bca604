//! `shmap set`, `shmap add`, `shmap update`

use std::ffi::OsString;
use std::io::Read;

use clap::Args;

use crate::arguments::{Common, bytes};
use crate::failure::{Exit, Failure, VALUE_SIZE};
use crate::maps::key::KeyType;
use crate::maps::target::writable;
use crate::startup;
use slotmap_shm::PutMode;

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

pub(super) const SET: &str = "\
Examples:
  $ shmap set jobs 3325 stopped
  $ date | shmap set jobs 1 -

The table must exist; `shmap create` creates one.";

pub(super) const ADD: &str = "\
Example:
  $ shmap add jobs 4711 queued

The exit code is 4 if the key exists already.";

pub(super) const UPDATE: &str = "\
Example:
  $ shmap update jobs 3325 'stopped\\n' --escaped

The exit code is 1 if the key does not exist.";

pub(crate) fn run(mode: PutMode, entry: &Entry, common: &Common) -> Result<Exit, Failure> {
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
    table.put(mode, &key, &value).map_err(|error| Failure::from(error).about(&entry.name))?;
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
