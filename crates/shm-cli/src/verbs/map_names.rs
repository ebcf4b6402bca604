//! `shmap map-names`, which the completion scripts call. It prints the names of maps that may stand
//! at the cursor.

use std::ffi::OsString;
use std::io::Write;

use clap::{Args, Command};
use shm_core::Namespace;
use shm_facade::StatusTable;

use crate::arguments::Common;
use crate::failure::{Exit, Failure};
use crate::output::stdout;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The words of the command line after `shmap`, up to the one at the cursor
    #[arg(last = true)]
    words: Vec<OsString>,
}

/// The subcommands that take the name of an existing table. `NEW` is the subcommand that takes a
/// new name.
const TABLES: [&str; 11] = [
    "set",
    "add",
    "update",
    "increment",
    "del",
    "touch",
    "ttl",
    "expire",
    "load",
    "freeze",
    "repair",
];
const NEW: &str = "create";

/// Where the cursor is.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    subcommand: String,
    namespace: Option<String>,
    prefix: String,
}

/// Prints the names, one per line. Prints nothing if no name is expected here, because a shell that
/// completes a word cannot use an error message.
pub(crate) fn run(
    arguments: &Arguments,
    common: &Common,
    command: &Command,
) -> Result<Exit, Failure> {
    let words: Vec<_> = arguments.words.iter().map(|word| word.to_string_lossy()).collect();
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    let Some(wanted) = wanted(&words, command) else { return Ok(Exit::Ok) };
    let namespace = wanted.namespace.map_or_else(|| common.namespace(), Namespace::at);
    let tables = TABLES.contains(&wanted.subcommand.as_str());
    let is_kind = |kind: &str| kind == "table" || !tables && kind == "snapshot";
    let mut names: Vec<_> = StatusTable::list(&namespace)
        .unwrap_or_default()
        .into_iter()
        .filter(|entry| is_kind(entry.kind.as_str()))
        .map(|entry| entry.name.as_str().to_owned())
        .filter(|name| name.starts_with(&wanted.prefix) && !name.contains(char::is_control))
        .collect();
    names.sort_unstable();
    names.dedup();
    let mut out = stdout();
    for name in names {
        writeln!(out, "{name}")?;
    }
    out.flush()?;
    Ok(Exit::Ok)
}

/// Returns what must be completed, if that is the name of a map.
fn wanted(words: &[&str], command: &Command) -> Option<Wanted> {
    let (prefix, before) = words.split_last()?;
    let (mut subcommand, mut namespace): (Option<&Command>, _) = (None, None);
    // The option whose value comes next; whether options may still come; positional words.
    let (mut option, mut options, mut positional) = (None, true, 0);
    for word in before {
        let takes_value = |long: Option<&str>, short: Option<char>| {
            let all = subcommand.into_iter().chain([command]).flat_map(Command::get_arguments);
            let mut found = all.filter(|argument| {
                long.is_some() && argument.get_long() == long
                    || short.is_some() && argument.get_short() == short
            });
            found
                .next()
                .filter(|argument| argument.get_action().takes_values())
                .map(|argument| argument.get_id().as_str().to_owned())
        };
        // bash makes a word of the sign in --option=value.
        if *word == "=" && option.is_some() {
            continue;
        }
        if let Some(name) = option.take() {
            if name == "namespace" {
                namespace = Some((*word).to_owned());
            }
        } else if options && *word == "--" {
            options = false;
        } else if let Some(long) = word.strip_prefix("--").filter(|_| options) {
            match long.split_once('=') {
                Some(("namespace", dir)) => namespace = Some(dir.to_owned()),
                Some(_) => {}
                None => option = takes_value(Some(long), None),
            }
        } else if let Some(short) = word.strip_prefix('-').filter(|s| options && !s.is_empty()) {
            match short.strip_prefix('N').filter(|dir| !dir.is_empty()) {
                Some(dir) => namespace = Some(dir.to_owned()),
                None => option = takes_value(None, short.chars().next_back()),
            }
        } else if subcommand.is_none() {
            subcommand = Some(command.find_subcommand(word)?);
        } else {
            positional += 1;
        }
    }
    let subcommand = subcommand.filter(|command| command.get_name() != NEW)?;
    if option.is_some() || options && prefix.starts_with('-') {
        return None;
    }
    let mut places = subcommand.get_positionals();
    let (first, rest) = (places.next()?, places.next());
    // All of them are names, or the first one is.
    let many = rest.is_none() && matches!(first.get_action(), clap::ArgAction::Append);
    (first.get_id() == "name" && (positional == 0 || many)).then(|| Wanted {
        subcommand: subcommand.get_name().to_owned(),
        namespace,
        prefix: (*prefix).to_owned(),
    })
}
