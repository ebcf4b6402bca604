//! The command line: the verbs, one file each.

mod completions;
mod create;
mod del;
mod dump;
mod expire;
mod freeze;
mod get;
mod increment;
mod list;
mod load;
mod man;
mod map_names;
mod prune;
mod put;
mod repair;
mod rm;
mod search;
mod share;
mod stat;
mod touch;
mod ttl;
mod verify;
mod watch;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, Parser, Subcommand};

use slotmap_shm::PutMode;

use crate::arguments::Common;
use crate::failure::{Exit, Failure};

/// Shared-memory maps from the command line: tables that any process writes, and published maps
/// that change as a whole.
#[derive(Debug, Parser)]
#[command(name = "shmap", version, subcommand_required = true)]
#[command(max_term_width = 100, after_help = AFTER_HELP, after_long_help = AFTER_LONG_HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const AFTER_HELP: &str = "\
Examples:
  $ shmap create workers
  $ shmap set workers 3325 running
  $ shmap get workers 3325
  running
  $ shmap list

`shmap SUBCOMMAND --help` shows examples of a subcommand. `shmap --help` lists the exit codes.";

const AFTER_LONG_HELP: &str = "\
Exit codes:
  0    done
  1    the key, the name or the prefix was not found
  2    the command line is not valid
  3    the table or the file system is full, or a key or value is too long
  4    the key or the name exists already, or a key is named twice
  5    the name is not valid
  6    the lock was not released in time
  7    the file at the name is damaged
  8    it is of another kind, key type, version or architecture
  9    the operating system does not permit it, or the owner is not trusted
  10   the operating system refused the operation for another reason
  11   a line of the input is broken
  12   writers were too busy to read a table as it was at one moment
  130  ended by Ctrl-C or a signal
  141  the reader of the output is gone; no message is printed

An error means that nothing was changed. If only the result of a change could not be printed
(10 or 141), the message says so. For a subcommand that prints something, a closed standard output
is an error.

Examples:
  $ shmap create workers
  $ shmap set workers 3325 running
  $ shmap get workers 3325
  running
  $ shmap list";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show all maps of the directory
    List(list::Arguments),
    /// Show one map: geometry, load, recoveries, owner, mode, age, the processes that map it
    Stat(stat::Arguments),
    /// Create a table
    Create(create::Arguments),
    /// Print the values of keys
    Get(get::Arguments),
    /// Set the value of a key of a table, whether the key is present or not
    Set(put::Set),
    /// Add a key to a table; it must be absent
    #[command(after_help = put::ADD)]
    Add(put::Entry),
    /// Replace the value of a key of a table; it must be present
    #[command(after_help = put::UPDATE)]
    Update(put::Entry),
    /// Add to a counter of a table, and print its new value
    Increment(increment::Arguments),
    /// Remove keys from a table: all of them or, if one is absent, none
    Del(del::Arguments),
    /// Give an entry of a table a new time to live, which begins now
    Touch(touch::Arguments),
    /// Print how long an entry of a table stays
    Ttl(ttl::Arguments),
    /// Remove what has expired from tables, before something else needs its memory
    Expire(expire::Arguments),
    /// Print the entries whose keys have a prefix, or are between two keys
    Search(search::Arguments),
    /// Write all entries to standard output
    Dump(dump::Arguments),
    /// Set the keys of a table to the entries of a file: all of them or none
    Load(load::Arguments),
    /// Publish the entries of a file as a map
    Share(share::Arguments),
    /// Publish the entries of a table as a map
    Freeze(freeze::Arguments),
    /// Show a map live, and what changes in it
    Watch(watch::Arguments),
    /// Check the whole of a map
    Verify(verify::Arguments),
    /// Repair damaged tables, and print what was lost
    Repair(repair::Arguments),
    /// List files that killed publishers left, and with --yes remove them
    Prune(prune::Arguments),
    /// Remove maps by name; processes that have one open keep it
    Rm(rm::Arguments),
    /// Print the completions for a shell
    Completions(completions::Arguments),
    /// Print the names of maps that may end a command line
    #[command(hide = true)]
    MapNames(map_names::Arguments),
    /// Write the manual pages
    Man(man::Arguments),
}

impl Verb {
    /// Returns the name of the map, if the subcommand is about one map.
    fn map(&self) -> Option<&str> {
        Some(match self {
            Self::Stat(arguments) => return arguments.name.as_deref(),
            Self::Create(arguments) => &arguments.name,
            Self::Get(arguments) => &arguments.name,
            Self::Set(set) => &set.entry.name,
            Self::Add(entry) | Self::Update(entry) => &entry.name,
            Self::Increment(arguments) => &arguments.name,
            Self::Del(arguments) => &arguments.name,
            Self::Touch(arguments) => &arguments.name,
            Self::Ttl(arguments) => &arguments.name,
            Self::Search(arguments) => &arguments.name,
            Self::Dump(arguments) => &arguments.name,
            Self::Load(arguments) => &arguments.name,
            Self::Share(arguments) => &arguments.name,
            Self::Freeze(arguments) => &arguments.name,
            Self::Watch(arguments) => &arguments.name,
            // Errors of these already say which of several maps they are about.
            Self::Verify(_) | Self::Repair(_) | Self::Expire(_) | Self::Rm(_) => return None,
            Self::List(_) | Self::Prune(_) | Self::Completions(_) => return None,
            Self::MapNames(_) | Self::Man(_) => return None,
        })
    }
}

/// True if `--format` has the name of a file format, which only `--to` takes.
pub(crate) fn wants_file_format(error: &clap::Error) -> bool {
    let has = |kind, wanted: &[&str]| match error.get(kind) {
        Some(ContextValue::String(text)) => wanted.iter().any(|wanted| text.starts_with(wanted)),
        _ => false,
    };
    has(ContextKind::InvalidArg, &["--format"]) && has(ContextKind::InvalidValue, &["csv", "jsonl"])
}

/// Makes the failure for a file format in `--format`.
pub(crate) fn not_shown_as_file() -> Failure {
    Failure::usage("--format takes table, tsv, json or prometheus, no format of files")
        .hint("for CSV: `--to csv`, for JSON Lines: `--to jsonl`; both are options of `shmap dump`")
}

/// Runs the subcommand.
pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    perform(arguments).map_err(|failure| match arguments.verb.map() {
        Some(name) => failure.of_map(name),
        None => failure,
    })
}

fn perform(arguments: &Arguments) -> Result<Exit, Failure> {
    let common = &arguments.common;
    if common.wants_metrics() && !matches!(arguments.verb, Verb::Stat(_)) {
        return Err(Failure::usage("--format prometheus is for `stat` only")
            .hint("--format json, or `shmap stat --format prometheus`"));
    }
    match &arguments.verb {
        Verb::List(arguments) => list::run(arguments, common),
        Verb::Stat(arguments) => stat::run(arguments, common),
        Verb::Create(arguments) => create::run(arguments, common),
        Verb::Get(arguments) => get::run(arguments, common),
        Verb::Set(arguments) => put::set(arguments, common),
        Verb::Add(entry) => put::put(PutMode::Add, entry, common),
        Verb::Update(entry) => put::put(PutMode::Update, entry, common),
        Verb::Increment(arguments) => increment::run(arguments, common),
        Verb::Del(arguments) => del::run(arguments, common),
        Verb::Touch(arguments) => touch::run(arguments, common),
        Verb::Ttl(arguments) => ttl::run(arguments, common),
        Verb::Expire(arguments) => expire::run(arguments, common),
        Verb::Search(arguments) => search::run(arguments, common),
        Verb::Dump(arguments) => dump::run(arguments, common),
        Verb::Load(arguments) => load::run(arguments, common),
        Verb::Share(arguments) => share::run(arguments, common),
        Verb::Freeze(arguments) => freeze::run(arguments, common),
        Verb::Watch(arguments) => watch::run(arguments, common),
        Verb::Verify(arguments) => verify::run(arguments, common),
        Verb::Repair(arguments) => repair::run(arguments, common),
        Verb::Prune(arguments) => prune::run(arguments, common),
        Verb::Rm(arguments) => rm::run(arguments, common),
        Verb::Completions(arguments) => completions::run(arguments, Arguments::command()),
        Verb::MapNames(arguments) => map_names::run(arguments, common, &Arguments::command()),
        Verb::Man(arguments) => man::run(arguments, Arguments::command()),
    }
}
