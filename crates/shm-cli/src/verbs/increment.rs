//! `shmap increment`

use std::ffi::OsString;

use clap::Args;
use serde_json::json;

use super::load::println;
use crate::arguments::{Common, Format, bytes};
use crate::failure::{Exit, Failure};
use crate::maps::key::KeyType;
use crate::maps::target::writable;
use crate::output::stdout;
use crate::startup;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  $ shmap increment jobs 17
  1
  $ shmap increment jobs 17 5
  6
  $ shmap increment jobs 18 -1 --initial 10
  9

A counter is a value of 8 bytes, little endian. If the key is absent, it starts at --initial. It
is read and written in one step, so no other writer can come in between.")]
pub(crate) struct Arguments {
    /// Name of the table
    pub(super) name: String,
    /// The key
    #[arg(allow_negative_numbers = true)]
    key: OsString,
    /// The number to add
    #[arg(default_value_t = 1, allow_negative_numbers = true)]
    by: i64,
    /// The same as BY
    #[arg(long = "by", value_name = "BY", allow_negative_numbers = true, conflicts_with = "by")]
    by_option: Option<i64>,
    /// The start of a new counter
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    initial: i64,
    /// The key is escaped, as `dump` prints it
    #[arg(long, short)]
    escaped: bool,
}

pub(crate) fn run(arguments: &Arguments, common: &Common) -> Result<Exit, Failure> {
    // It prints: nothing is changed where that cannot be.
    startup::output()?;
    let Arguments { name, by, by_option, initial, .. } = arguments;
    let by = by_option.unwrap_or(*by);
    let table = writable(name, common)?;
    let key =
        KeyType(table.key_kind()).parse_argument(&bytes(&arguments.key, arguments.escaped)?)?;
    let counter =
        table.increment(&key, by, *initial).map_err(|error| Failure::from(error).about(name))?;
    let printed = match common.format() {
        Format::Json => println(&json!({ "value": counter })),
        _ => {
            use std::io::Write;
            let mut out = stdout();
            writeln!(out, "{counter}").and_then(|()| out.flush())
        }
    };
    printed.map_err(|error| Failure::from(error).after("the counter is changed"))?;
    Ok(Exit::Ok)
}
