//! `shmap share`

use std::path::PathBuf;

use avl_snapshot::{BuildError, RbTree};
use clap::Args;
use serde_json::json;
use shm_facade::{Error, Share, ShareOptions, share_sorted};

use super::load::{InputArguments, println};
use crate::arguments::{Common, Format, mode, name};
use crate::failure::{Exit, Failure};
use crate::files::reading::{Reader, Record};
use crate::maps::key::KeyType;
use crate::maps::target::{Kind, exists};
use crate::output::progress::{Progress, Unit};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  $ shmap share colours words.tsv
  $ shmap dump words | shmap share colours - --sorted --force

If a key occurs twice, the last value counts. The entries are held in memory, but not the text of
the file. With --sorted, the entries are instead written to the map while they are read, and each
key must be greater than the one before it. If a line is broken, the error names it, and nothing is
published. Readers change from the old map to the new one in one step.")]
pub(crate) struct Arguments {
    /// Name of the map to publish
    pub(super) name: String,
    /// The file; `-` is standard input
    file: PathBuf,
    #[command(flatten)]
    input: InputArguments,
    /// Replace what is published under the name
    #[arg(long, short)]
    force: bool,
    /// The keys are sorted by their bytes; this is faster and takes less memory, and unsorted keys
    /// are refused
    #[arg(long)]
    sorted: bool,
    /// Store keys as numbers of this type, in the order of numbers
    #[arg(long, value_name = "TYPE", default_value = "bytes", hide_default_value = true)]
    keys: KeyType,
    #[command(flatten)]
    publish: PublishArguments,
}

// No doc comment: it would be the help of the verb.
#[derive(Args, Debug)]
pub(crate) struct PublishArguments {
    /// Leave out the hash index: twelve bytes less per entry, but slower lookups
    #[arg(long)]
    no_index: bool,
    /// Permission bits, read bits only; 444 lets other users read [default: the bits of the map
    /// that is replaced, or 400]
    #[arg(long, value_name = "OCTAL", value_parser = mode)]
    mode: Option<u32>,
    /// With --force: let a map without entries replace a map that has entries
    #[arg(long)]
    allow_empty: bool,
}

impl PublishArguments {
    pub(super) fn options(&self, force: bool, common: &Common) -> Result<ShareOptions, Failure> {
        let mut options = common.share_options(force)?;
        options = options.allow_empty(self.allow_empty).hash_index(!self.no_index);
        options.mode = self.mode;
        Ok(options)
    }

    /// Returns early, before any work is done, the errors that would come after it.
    pub(super) fn check(&self, text: &str, force: bool, common: &Common) -> Result<(), Failure> {
        let (namespace, name) = (common.namespace(), name(text)?);
        common.can_print()?;
        if !force && exists(&namespace, &name, Kind::Snapshot)? {
            let path = Kind::Snapshot.path(&namespace, &name);
            return Err(Failure::from(Error::AlreadyExists { path }).about(text));
        }
        Ok(())
    }
}

pub(crate) fn run(arguments: &Arguments, common: &Common) -> Result<Exit, Failure> {
    let Arguments { publish, force, keys, .. } = arguments;
    publish.check(&arguments.name, *force, common)?;
    let mut reader = arguments.input.open(&arguments.file, "share", &arguments.name)?;
    let mut progress = Progress::new(reader.len(), Unit::Bytes);
    let options = publish.options(*force, common)?;
    let source = Source { reader: &mut reader, keys: *keys, progress: &mut progress };
    let shared = if arguments.sorted { in_order } else { in_any_order };
    let (edition, entries) = shared(source, &arguments.name, &options)?;
    let twice = progress.entries() - entries;
    let named = if twice > 0 { format!("; {twice} named again later") } else { String::new() };
    progress.finish(reader.at(), &format!("{named}; edition {edition}"));
    if common.format() == Format::Json {
        let (read, bytes) = (progress.entries(), reader.at());
        println(&json!({
            "edition": edition, "read": read, "entries": entries, "bytes": bytes,
            "seconds": progress.elapsed().as_secs_f64(),
        }))
        .map_err(|error| Failure::from(error).after("the map is published"))?;
    }
    Ok(Exit::Ok)
}

/// Where entries come from.
struct Source<'a> {
    reader: &'a mut Reader,
    keys: KeyType,
    progress: &'a mut Progress,
}

impl Source<'_> {
    /// Reads the next entry, and converts its key to the form that keys have in a map.
    fn next(&mut self, record: &mut Record) -> Result<bool, Failure> {
        let more = self.reader.next(record)?;
        if more && self.keys != KeyType::BYTES {
            let other = "leave --keys out to publish keys as they are";
            let bad = |error| self.reader.bad_key(record.line, error, other);
            let key = self.keys.parse(&record.key).map_err(bad)?;
            record.key = self.keys.to_map(&key);
        }
        Ok(more)
    }
}

/// Why a map was not published.
enum Unpublished {
    /// Its source cannot be read, or is not sorted.
    Source(Failure),
    Map(Error),
}

impl From<Error> for Unpublished {
    fn from(error: Error) -> Self {
        Self::Map(error)
    }
}

impl Unpublished {
    fn about(self, name: &str) -> Failure {
        match self {
            Self::Source(failure) => failure,
            Self::Map(error) => Failure::from(error).about(name),
        }
    }
}

/// Returns the edition and the number of entries.
fn in_order(
    mut source: Source<'_>,
    name: &str,
    options: &ShareOptions,
) -> Result<(u64, u64), Failure> {
    let mut entries = 0;
    let edition = share_sorted(name, options, |map| {
        let mut record = Record::default();
        while source.next(&mut record).map_err(Unpublished::Source)? {
            match map.push(&record.key, &record.value) {
                Err(Error::Build(error)) => {
                    let failure = at_line(source.reader, record.line, error);
                    return Err(Unpublished::Source(failure));
                }
                pushed => pushed?,
            }
            source.progress.step(source.reader.at());
        }
        entries = map.len() as u64;
        source.progress.say("publishing");
        Ok(())
    });
    Ok((edition.map_err(|error| error.about(name))?, entries))
}

/// The same.
fn in_any_order(
    mut source: Source<'_>,
    name: &str,
    options: &ShareOptions,
) -> Result<(u64, u64), Failure> {
    // `from_entries` takes entries, not failures: the first one ends them.
    let (mut failure, mut line) = (None, 0);
    let entries = std::iter::from_fn(|| {
        let mut record = Record::default();
        match source.next(&mut record) {
            Ok(true) => {
                line = record.line;
                source.progress.step(source.reader.at());
                Some((record.key, record.value))
            }
            Ok(false) => None,
            Err(error) => {
                failure = Some(error);
                None
            }
        }
    });
    let tree = RbTree::from_entries(entries);
    if let Some(failure) = failure {
        return Err(failure);
    }
    let tree = tree.map_err(|error| at_line(source.reader, line, error))?;
    source.progress.say("publishing");
    let edition = tree.share_with(name, options).map_err(|e| Failure::from(e).about(name))?;
    Ok((edition, tree.len() as u64))
}

fn at_line(reader: &Reader, line: u64, error: BuildError) -> Failure {
    if let BuildError::NotSorted { .. } = error {
        let text = "the key is not greater than the one before it";
        return reader.bad_order(line, text);
    }
    reader.at_line(line, Error::from(error).into())
}
