//! `shmap get`

use std::ffi::OsString;
use std::io::Write;

use clap::Args;
use serde_json::json;

use crate::arguments::{Common, Format, bytes};
use crate::escape::escape;
use crate::failure::{Exit, Failure, in_shell};
use crate::maps::frozen;
use crate::maps::key::{AnyKey, Forms, KeyType, json_bytes};
use crate::maps::target::{Kind, Open, Target};
use crate::output::{Cell, rows, stdout};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  $ shmap get jobs 3325
  running
  $ shmap get words rot blau
  rot\tred
  blau\tblue
  $ shmap increment jobs 17
  1
  $ shmap get jobs 17 --counter
  1

One key prints its value. Several print lines of key, tab and value, all as they were at one
moment. Bytes that cannot be printed are escaped: \\t \\n \\r \\\\ \\xNN. --raw writes the bytes
as they are. The exit code is 1 if a key is absent.

An entry that has expired is absent. With --stale it is printed too, as long as nothing else has
taken its memory; several keys are then read one by one.")]
pub(crate) struct Arguments {
    /// Name of the map
    pub(super) name: String,
    /// The keys
    #[arg(required = true, allow_negative_numbers = true)]
    key: Vec<OsString>,
    /// Write the bytes of the values, and nothing else
    #[arg(long, short)]
    raw: bool,
    /// Print the values as numbers: they are counters, as `increment` makes them
    #[arg(long, conflicts_with = "raw")]
    counter: bool,
    /// Print the values of entries that have expired, too
    #[arg(long)]
    stale: bool,
    /// Keys are escaped, as `dump` prints them
    #[arg(long, short)]
    escaped: bool,
    /// Type of the keys of a published map, such as i32 for a frozen table
    #[arg(long, value_name = "TYPE")]
    keys: Option<KeyType>,
    /// Which one, if both a table and a map have the name
    #[arg(long)]
    kind: Option<Kind>,
}

pub(crate) fn run(arguments: &Arguments, common: &Common) -> Result<Exit, Failure> {
    let open = Target::find(&arguments.name, arguments.kind, common)?.open(common)?;
    let key_type = open.key_type(arguments.keys)?;
    let mut keys = Vec::with_capacity(arguments.key.len());
    for key in &arguments.key {
        keys.push(key_type.parse_argument(&bytes(key, arguments.escaped)?)?);
    }
    let values: Vec<Option<Vec<u8>>> = match &open {
        Open::Table(table) => {
            let values = match arguments.stale {
                true => keys.iter().map(|key| table.get_stale(key)).collect(),
                false => table.get_many(&keys),
            };
            let values = values.map_err(|error| Failure::from(error).about(&arguments.name))?;
            values.into_iter().map(|value| value.map(Vec::from)).collect()
        }
        Open::Snapshot(map) => {
            keys.iter().map(|key| map.get(key_type.to_map(key)).map(<[u8]>::to_vec)).collect()
        }
    };
    let absent = keys.iter().zip(&values).filter(|(_, value)| value.is_none());
    let absent: Vec<_> = absent.map(|(key, _)| key.text()).collect();
    let found: Vec<(AnyKey, Vec<u8>)> =
        keys.into_iter().zip(values).filter_map(|(key, value)| Some((key, value?))).collect();
    let found = if arguments.counter { counters(found, &arguments.name)? } else { found };
    print(&found, arguments, common)?;
    if absent.is_empty() {
        return Ok(Exit::Ok);
    }
    let text = format!("no key {} in `{}`", absent.join(", "), arguments.name);
    let failure = Failure::new(Exit::NotFound, text);
    if let (Open::Snapshot(map), None) = (&open, arguments.keys)
        && let Some(keys) = frozen::guess(map)
    {
        return Err(failure.hint(frozen::advice(keys)));
    }
    Err(match (&open, arguments.keys) {
        (Open::Snapshot(_), Some(keys)) => failure.hint(format!(
            "`shmap search {} --keys {}` prints which there are",
            in_shell(&arguments.name),
            keys.name()
        )),
        (Open::Snapshot(_), None) if arguments.key.iter().all(is_number) => failure.hint(
            "`shmap search NAME` prints which there are; the keys of a frozen table have the type \
             that --keys names, such as --keys i32",
        ),
        _ => failure.hint("`shmap search NAME` prints which there are"),
    })
}

/// Returns the values, which must be counters, as text.
fn counters(found: Vec<(AnyKey, Vec<u8>)>, name: &str) -> Result<Vec<(AnyKey, Vec<u8>)>, Failure> {
    let counter = |(key, value): (AnyKey, Vec<u8>)| match <[u8; 8]>::try_from(value.as_slice()) {
        Ok(bytes) => Ok((key, i64::from_le_bytes(bytes).to_string().into_bytes())),
        Err(_) => {
            let len = value.len();
            let text =
                format!("{name}: the value of key {key} is {len} bytes long, a counter is 8");
            Err(Failure::new(Exit::Mismatch, text).hint("leave --counter out to see the bytes"))
        }
    };
    found.into_iter().map(counter).collect()
}

fn is_number(key: &OsString) -> bool {
    key.to_str().is_some_and(|key| key.parse::<i128>().is_ok())
}

fn print(
    found: &[(AnyKey, Vec<u8>)],
    arguments: &Arguments,
    common: &Common,
) -> Result<(), Failure> {
    let mut out = stdout();
    if arguments.raw {
        for (_, value) in found {
            out.write_all(value)?;
        }
    } else if common.format() == Format::Json {
        for (key, value) in found {
            let value = match arguments.counter {
                // Digits are JSON.
                true => serde_json::from_slice(value).unwrap_or_default(),
                false => json_bytes(value),
            };
            writeln!(out, "{}", json!({ "key": key.json(), "value": value }))?;
        }
    } else if arguments.key.len() == 1 {
        for (_, value) in found {
            writeln!(out, "{}", escape(value))?;
        }
    } else {
        drop(out);
        let row = |(key, value): &(AnyKey, Vec<u8>)| {
            vec![Cell::new(key.text(), key.json()), Cell::new(escape(value), json_bytes(value))]
        };
        rows(common.format(), &["key", "value"], found.iter().map(row).collect())?;
        return Ok(());
    }
    out.flush()?;
    Ok(())
}
