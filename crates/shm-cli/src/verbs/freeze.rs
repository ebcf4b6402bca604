//! `shmap freeze`

use clap::Args;
use serde_json::json;
use shm_facade::{Error, share_sorted};

use super::load::println;
use super::share::PublishArguments;
use crate::arguments::{Common, Format};
use crate::failure::{Exit, Failure};
use crate::maps::key::KeyType;
use crate::maps::target::{Kind, Target, note};
use crate::output::counted;

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  $ shmap freeze jobs jobs-of-today

The entries are as they were at one moment. If writers are too busy and the caller may not lock
the table, each entry is whole, but they may be from different moments, and a message says so.
Integer keys are stored big-endian with the sign bit flipped, which keeps their order: `shmap dump
jobs-of-today --keys i32` shows them as numbers.

Without a second name, the map gets the table's name. Subcommands that read then need `--kind table`
or `--kind snapshot`.")]
pub(crate) struct Arguments {
    /// The table
    pub(super) name: String,
    /// The name of the map [default: the table's]
    map: Option<String>,
    /// Replace what is published under the name
    #[arg(long, short)]
    force: bool,
    #[command(flatten)]
    publish: PublishArguments,
}

pub(crate) fn run(arguments: &Arguments, common: &Common) -> Result<Exit, Failure> {
    let map = arguments.map.as_ref().unwrap_or(&arguments.name);
    let target =
        Target::find(&arguments.name, Some(Kind::Table), common).map_err(
            |failure| match failure.exit() {
                Exit::Mismatch => failure.hint_instead(
                    "it is published already: `shmap get`, `search` and `dump` read it",
                ),
                _ => failure,
            },
        )?;
    let table = target.reader(common)?;
    let of_map = |failure: Failure| failure.of_map(map);
    arguments.publish.check(map, arguments.force, common).map_err(of_map)?;
    let entries = target.entries_of(&table, common)?;
    let options = arguments.publish.options(arguments.force, common)?;
    let keys = KeyType(table.key_kind());
    let edition = share_sorted(map, &options, |builder| {
        builder.reserve(entries.len());
        entries.iter().try_for_each(|(key, value)| builder.push(keys.to_map(key), value))
    });
    let edition = edition.map_err(|e: Error| of_map(Failure::from(e).about(map)))?;
    let entries = entries.len();
    match common.format() {
        Format::Json => println(&json!({ "edition": edition, "entries": entries }))
            .map_err(|error| Failure::from(error).after("the map is published"))?,
        _ => {
            let said =
                format!("{}; edition {edition}", counted(entries as u64, "entry", "entries"));
            // Without their type, the keys of the map are bytes that nobody can read.
            let more = if keys.is_integer() {
                format!("; read it with --keys {}", keys.name())
            } else {
                String::new()
            };
            eprintln_quietly(&(said + &more));
        }
    }
    if arguments.map.as_ref().is_none_or(|map| *map == arguments.name) {
        note(&format!(
            "`{}` is now a table and a map: to read one, say --kind table or --kind snapshot",
            arguments.name
        ));
    }
    Ok(Exit::Ok)
}

fn eprintln_quietly(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{text}");
}
