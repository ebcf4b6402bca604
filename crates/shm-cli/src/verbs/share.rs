//! `shmap share`

use std::path::PathBuf;

use avl_snapshot::{AlignedBytes, BuildError, Builder, FreezeOptions, RbTree, Snapshot};
use clap::Args;
use serde_json::json;
use shm_facade::{Error, Share};

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
the file. If a line is broken, the error names it, and nothing is published. Readers change from
the old map to the new one in one step.")]
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
    pub(super) fn freeze_options(&self) -> FreezeOptions {
        FreezeOptions::default().hash_index(!self.no_index)
    }

    /// Publishes an image. Returns the edition.
    pub(super) fn publish(
        &self,
        image: &AlignedBytes,
        name: &str,
        force: bool,
        common: &Common,
    ) -> Result<u64, Failure> {
        let mut options = common.share_options(force)?.allow_empty(self.allow_empty);
        options.mode = self.mode;
        image.share_with(name, &options).map_err(|e| Failure::from(e).about(name))
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
    let options = publish.freeze_options();
    let image = if arguments.sorted {
        in_order(&mut reader, *keys, &options, &mut progress)?
    } else {
        in_any_order(&mut reader, *keys, &options, &mut progress)?
    };
    progress.say("publishing");
    let edition = publish.publish(&image, &arguments.name, *force, common)?;
    let entries = Snapshot::new(&image).map_err(Error::from)?.len() as u64;
    let twice = progress.entries() - entries;
    let named = if twice > 0 { format!("; {twice} named again later") } else { String::new() };
    progress.finish(reader.at(), &format!("{named}; edition {edition}"));
    if common.format() == Format::Json {
        let (read, bytes) = (progress.entries(), reader.at());
        println(&json!({
            "edition": edition, "read": read, "entries": entries, "bytes": bytes,
            "image_bytes": image.len(), "seconds": progress.elapsed().as_secs_f64(),
        }))
        .map_err(|error| Failure::from(error).after("the map is published"))?;
    }
    Ok(Exit::Ok)
}

/// Reads the next entry, and converts its key to the form that keys have in a map.
fn next(reader: &mut Reader, keys: KeyType, record: &mut Record) -> Result<bool, Failure> {
    let more = reader.next(record)?;
    if more && keys != KeyType::BYTES {
        let other = "leave --keys out to publish keys as they are";
        let key =
            keys.parse(&record.key).map_err(|error| reader.bad_key(record.line, error, other))?;
        record.key = keys.to_map(&key);
    }
    Ok(more)
}

fn in_order(
    reader: &mut Reader,
    keys: KeyType,
    options: &FreezeOptions,
    progress: &mut Progress,
) -> Result<AlignedBytes, Failure> {
    let mut builder = Builder::with_options(options.clone());
    let mut record = Record::default();
    while next(reader, keys, &mut record)? {
        builder
            .push(&record.key, &record.value)
            .map_err(|error| at_line(reader, record.line, error))?;
        progress.step(reader.at());
    }
    progress.say("laying out");
    Ok(builder.try_finish().map_err(Error::from)?)
}

fn in_any_order(
    reader: &mut Reader,
    keys: KeyType,
    options: &FreezeOptions,
    progress: &mut Progress,
) -> Result<AlignedBytes, Failure> {
    // `from_entries` takes entries, not failures: the first one ends them.
    let (mut failure, mut line) = (None, 0);
    let entries = std::iter::from_fn(|| {
        let mut record = Record::default();
        match next(reader, keys, &mut record) {
            Ok(true) => {
                line = record.line;
                progress.step(reader.at());
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
    let tree = tree.map_err(|error| at_line(reader, line, error))?;
    progress.say("laying out");
    Ok(tree.try_freeze_with(options).map_err(Error::from)?)
}

fn at_line(reader: &Reader, line: u64, error: BuildError) -> Failure {
    if let BuildError::NotSorted { .. } = error {
        let text = "the key is not greater than the one before it";
        return reader.bad_order(line, text);
    }
    reader.at_line(line, Error::from(error).into())
}
