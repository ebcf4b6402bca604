//! `shmap del`

use std::ffi::OsString;

use clap::Args;

use crate::arguments::{Common, bytes};
use crate::failure::{Exit, Failure};
use crate::maps::key::KeyType;
use crate::maps::table::at_fault;
use crate::maps::target::writable;

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  $ shmap del jobs 3325 3326

If a key is absent, none is removed, and the exit code is 1.")]
pub(crate) struct Arguments {
    /// Name of the table
    pub(super) name: String,
    /// The keys
    #[arg(required = true, allow_negative_numbers = true)]
    key: Vec<OsString>,
    /// Keys are escaped, as `dump` prints them
    #[arg(long, short)]
    escaped: bool,
}

pub(crate) fn run(arguments: &Arguments, common: &Common) -> Result<Exit, Failure> {
    let table = writable(&arguments.name, common)?;
    let mut keys = Vec::with_capacity(arguments.key.len());
    for key in &arguments.key {
        keys.push(KeyType(table.key_kind()).parse_argument(&bytes(key, arguments.escaped)?)?);
    }
    table.remove_many(&keys).map_err(|error| {
        let failure = at_fault(error).1.about(&arguments.name);
        match failure.exit() {
            Exit::NotFound => failure.hint_instead("nothing was removed; leave that key out"),
            _ => failure,
        }
    })?;
    Ok(Exit::Ok)
}
