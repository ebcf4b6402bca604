//! `shmap load`

use std::collections::HashMap;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::arguments::{Common, Format};
use crate::failure::{Exit, Failure, in_shell};
use crate::files::FileFormat;
use crate::files::layout::CsvArguments;
use crate::files::reading::{Reader, Record};
use crate::maps::key::AnyKey;
use crate::maps::key::KeyType;
use crate::maps::table::at_fault;
use crate::maps::target::writable;
use crate::output::progress::{Progress, Unit};
use slotmap_shm::UntypedTable;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  $ shmap load jobs jobs.tsv
  $ shmap dump jobs --to jsonl | shmap load jobs - --from jsonl

Keys that are not in the file keep their values. If a key occurs twice, the last value counts.
Readers see all changes at once. If a line is broken, the error names it, and nothing is changed.")]
pub(crate) struct Arguments {
    /// Name of the table
    pub(super) name: String,
    /// The file; `-` is standard input
    file: PathBuf,
    #[command(flatten)]
    input: InputArguments,
}

// No doc comment: it would be the help of the verb.
#[derive(Args, Debug)]
pub(crate) struct InputArguments {
    /// The format [default: by the file's name, .csv, .jsonl, .ndjson or .json; else tsv]
    #[arg(long, value_name = "FORMAT")]
    from: Option<FileFormat>,
    #[command(flatten)]
    csv: CsvArguments,
    /// Number of lines to skip at the start of the file, whatever they contain
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    skip: u64,
}

impl InputArguments {
    /// Opens the file for a subcommand, on the map of this name.
    pub(super) fn open(
        &self,
        file: &std::path::Path,
        subcommand: &str,
        name: &str,
    ) -> Result<Reader, Failure> {
        let format = self.from.unwrap_or_else(|| FileFormat::of_path(file));
        let command = format!("shmap {subcommand} {}", in_shell(name));
        Reader::open(file, format, &self.csv.layout(format, self.skip)?, command)
    }
}

pub(crate) fn run(arguments: &Arguments, common: &Common) -> Result<Exit, Failure> {
    let table = writable(&arguments.name, common)?;
    common.can_print()?;
    let mut reader = arguments.input.open(&arguments.file, "load", &arguments.name)?;
    let mut progress = Progress::new(reader.len(), Unit::Bytes);
    let batch = read(&table, &mut reader, &mut progress)?;
    let (lines, entries): (Vec<u64>, Vec<_>) = batch.into_iter().unzip();
    table.upsert_many(&entries).map_err(at_fault).map_err(|(index, failure)| {
        match index.and_then(|index| lines.get(index)) {
            Some(&line) => reader.at_line(line, failure),
            None => failure.about(&arguments.name),
        }
    })?;
    let (read, set) = (progress.entries(), entries.len() as u64);
    let twice = read - set;
    let more = if twice > 0 { format!("; {twice} named again later") } else { String::new() };
    progress.finish(reader.at(), &more);
    if common.format() == Format::Json {
        let seconds = progress.elapsed().as_secs_f64();
        let bytes = reader.at();
        println(&json!({"read": read, "set": set, "bytes": bytes, "seconds": seconds}))
            .map_err(|error| Failure::from(error).after("the entries are set"))?;
    }
    Ok(Exit::Ok)
}

pub(super) fn println(json: &serde_json::Value) -> std::io::Result<()> {
    use std::io::Write;
    let mut out = crate::output::stdout();
    writeln!(out, "{json}")?;
    out.flush()
}

type Entry = (AnyKey, Vec<u8>);

/// Reads the entries of the file, each key once, in the order of their lines. It keeps at most as
/// many entries as the table may hold, so the file may have any length.
fn read(
    table: &UntypedTable,
    reader: &mut Reader,
    progress: &mut Progress,
) -> Result<Vec<(u64, Entry)>, Failure> {
    let (stats, key_type) = (table.stats(), KeyType(table.key_kind()));
    let mut entries: HashMap<AnyKey, (u64, Vec<u8>)> = HashMap::new();
    let mut record = Record::default();
    while reader.next(&mut record)? {
        let key = key_type
            .parse(&record.key)
            .map_err(|error| reader.bad_key(record.line, error, &other_table(&record.key)))?;
        if record.value.len() > stats.value_size {
            let (len, max) = (record.value.len(), stats.value_size);
            let error = slotmap_shm::TableError::ValueTooLarge { key, len, max };
            return Err(reader.at_line(record.line, error.into()));
        }
        let line = record.line;
        entries.insert(key, (line, std::mem::take(&mut record.value)));
        if entries.len() > stats.max_capacity {
            let capacity = stats.max_capacity;
            let error = slotmap_shm::TableError::Full { capacity, source: None };
            return Err(reader.at_line(line, error.into()));
        }
        progress.step(reader.at());
    }
    let mut batch: Vec<_> =
        entries.into_iter().map(|(key, (line, value))| (line, (key, value))).collect();
    batch.sort_unstable_by_key(|&(line, _)| line);
    Ok(batch)
}

/// Which table could hold this key.
fn other_table(key: &[u8]) -> String {
    let text = std::str::from_utf8(key);
    let keys = match text {
        Ok(text) if text.parse::<i64>().is_ok() => "i64",
        Ok(text) if text.parse::<u64>().is_ok() => "u64",
        Ok(_) => "str",
        Err(_) => "bytes",
    };
    format!("a table for such keys: `shmap create OTHER --keys {keys}`")
}
