//! `shmap search`

use std::ffi::OsString;
use std::ops::Bound;

use clap::Args;
use shm_facade::SharedMap;

use crate::arguments::{Common, Format, bytes};
use crate::escape::escape;
use crate::failure::{Exit, Failure};
use crate::files::FileFormat;
use crate::files::writing::Writer;
use crate::maps::frozen;
use crate::maps::key::{AnyKey, Forms, KeyType, json_bytes};
use crate::maps::target::{AnyValue, Entries, Entry, Kind, Open, Target, note};
use crate::output::{Cell, rows, stdout};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  $ shmap search words r
  rot\tred
  $ shmap search words --from a --to c
  blau\tblue
  $ shmap search jobs --from 3000 --to 4000
  3325\trunning
  3326\twaiting

Entries are in key order. In a published map the search takes O(log n) and the time to print; a
table is read as a whole. The exit code is 1 if there is no such entry.")]
pub(crate) struct Arguments {
    /// Name of the map
    pub(super) name: String,
    /// Prefix of the keys [default: all keys]
    #[arg(conflicts_with_all = ["from", "to"])]
    prefix: Option<OsString>,
    /// The same as PREFIX
    #[arg(long = "prefix", value_name = "PREFIX", conflicts_with_all = ["prefix", "from", "to"])]
    prefix_option: Option<OsString>,
    /// Start at this key
    #[arg(long, value_name = "KEY", allow_negative_numbers = true)]
    from: Option<OsString>,
    /// End before this key
    #[arg(long, value_name = "KEY", allow_negative_numbers = true)]
    to: Option<OsString>,
    /// From the last key to the first
    #[arg(long, short)]
    reverse: bool,
    /// Print at most this many entries
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<usize>,
    /// Print only the number of entries
    #[arg(long, short, conflicts_with_all = ["limit", "reverse"])]
    count: bool,
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

impl Arguments {
    /// True if bounds are given as text. Escaped bounds do not count, because they are for users
    /// who know the bytes.
    fn has_bound(&self) -> bool {
        !self.escaped && (self.prefix().is_some() || self.from.is_some() || self.to.is_some())
    }

    fn prefix(&self) -> Option<&OsString> {
        self.prefix.as_ref().or(self.prefix_option.as_ref())
    }
}

/// Which keys.
enum Wanted {
    Prefix(Vec<u8>),
    Range(Bound<AnyKey>, Bound<AnyKey>),
}

pub(crate) fn run(arguments: &Arguments, common: &Common) -> Result<Exit, Failure> {
    let target = Target::find(&arguments.name, arguments.kind, common)?;
    let open = target.open(common)?;
    let key_type = open.key_type(arguments.keys)?;
    let wanted = wanted(arguments, key_type)?;
    if let (Open::Snapshot(map), None, true) = (&open, arguments.keys, arguments.has_bound())
        && let Some(keys) = frozen::guess(map)
    {
        note(&format!("{}: {}", target.name, frozen::advice(keys)));
    }
    let entries = match &open {
        Open::Table(table) => {
            let mut entries = target.entries_of(table, common)?;
            entries.retain(|(key, _)| is_wanted(key, &wanted));
            Entries::Table(entries.into_iter())
        }
        Open::Snapshot(map) => Entries::Snapshot(key_type, find(map, key_type, &wanted)),
    };
    let found = entries.len();
    if arguments.count {
        rows(common.format(), &["count"], vec![vec![Cell::count(found as u64)]])?;
    } else {
        let limit = arguments.limit.unwrap_or(usize::MAX);
        if arguments.reverse {
            print(entries.rev().take(limit), common)?;
        } else {
            print(entries.take(limit), common)?;
        }
    }
    Ok(if found > 0 { Exit::Ok } else { Exit::NotFound })
}

fn wanted(arguments: &Arguments, key_type: KeyType) -> Result<Wanted, Failure> {
    if let Some(prefix) = arguments.prefix() {
        if key_type.is_integer() {
            let text = format!("keys of type {} have no beginning", key_type.name());
            return Err(
                Failure::usage(text).hint("name the least and the end: --from KEY --to KEY")
            );
        }
        return Ok(Wanted::Prefix(bytes(prefix, arguments.escaped)?));
    }
    let key = |key: &Option<OsString>| match key {
        None => Ok(None),
        Some(key) => key_type.parse_argument(&bytes(key, arguments.escaped)?).map(Some),
    };
    let from = key(&arguments.from)?.map_or(Bound::Unbounded, Bound::Included);
    let to = key(&arguments.to)?.map_or(Bound::Unbounded, Bound::Excluded);
    Ok(Wanted::Range(from, to))
}

fn is_wanted(key: &AnyKey, wanted: &Wanted) -> bool {
    match (wanted, key) {
        (Wanted::Prefix(prefix), AnyKey::Bytes(key)) => key.starts_with(prefix),
        (Wanted::Prefix(_), _) => false,
        (Wanted::Range(from, to), key) => {
            std::ops::RangeBounds::contains(&(from.as_ref(), to.as_ref()), key)
        }
    }
}

fn find<'a>(map: &'a SharedMap, key_type: KeyType, wanted: &Wanted) -> avl_snapshot::Iter<'a> {
    match wanted {
        Wanted::Prefix(prefix) => map.prefix(prefix),
        Wanted::Range(from, to) => {
            let bound = |bound: &Bound<AnyKey>| bound.as_ref().map(|key| key_type.to_map(key));
            map.range((bound(from), bound(to)))
        }
    }
}

fn print<'a>(entries: impl Iterator<Item = Entry<'a>>, common: &Common) -> Result<(), Failure> {
    let format = match common.format() {
        Format::Json => FileFormat::Jsonl,
        Format::Tsv => FileFormat::Tsv,
        Format::Table => {
            let row = |(key, value): (AnyKey, AnyValue<'_>)| {
                let value = value.as_ref();
                vec![Cell::new(key.text(), key.json()), Cell::new(escape(value), json_bytes(value))]
            };
            let all: Result<Vec<_>, Failure> = entries.map(|entry| entry.map(row)).collect();
            rows(Format::Table, &["key", "value"], all?)?;
            return Ok(());
        }
    };
    let mut writer = Writer::new(format, stdout())?;
    for entry in entries {
        let (key, value) = entry?;
        writer.write(&key, value.as_ref())?;
    }
    writer.finish()?;
    Ok(())
}
