//! `shmap dump`

use std::io::IsTerminal;

use clap::Args;

use crate::arguments::{Common, Format};
use crate::failure::{Exit, Failure};
use crate::files::FileFormat;
use crate::files::layout::CsvArguments;
use crate::files::writing::Writer;
use crate::maps::key::Forms;
use crate::maps::key::KeyType;
use crate::maps::target::{Entries, Kind, Target};
use crate::output::progress::{Progress, Unit, is_apart};
use crate::output::stdout;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  $ shmap dump jobs > jobs.tsv
  $ shmap dump words --to csv
  key,value
  blau,blue
  rot,red

Entries are in key order, those of a table as they were at one moment. `load` and `share` read
all three formats, and get the same bytes back.")]
pub(crate) struct Arguments {
    /// Name of the map
    pub(super) name: String,
    /// The format [default: tsv; with --format json, jsonl]
    #[arg(long, value_name = "FORMAT")]
    to: Option<FileFormat>,
    #[command(flatten)]
    csv: CsvArguments,
    /// Type of the keys of a published map, such as i32 for a frozen table
    #[arg(long, value_name = "TYPE")]
    keys: Option<KeyType>,
    /// Which one, if both a table and a map have the name
    #[arg(long)]
    kind: Option<Kind>,
}

pub(crate) fn run(arguments: &Arguments, common: &Common) -> Result<Exit, Failure> {
    let json = common.format() == Format::Json;
    let usual = if json { FileFormat::Jsonl } else { FileFormat::Tsv };
    let format = arguments.to.unwrap_or(usual);
    let layout = arguments.csv.layout(format, 0)?;
    let target = Target::find(&arguments.name, arguments.kind, common)?;
    let open = target.open(common)?;
    let entries = Entries::of(&target, &open, open.key_type(arguments.keys)?, common)?;
    let apart = is_apart();
    let mut progress = match apart {
        true => Progress::new(Some(entries.len() as u64), Unit::Entries),
        false => Progress::hidden(),
    };
    let terminal = std::io::stdout().is_terminal();
    let mut writer = Writer::with_layout(format, &layout, stdout())?;
    let (mut bytes, mut at) = (0, 0);
    for entry in entries {
        let (key, value) = entry?;
        let (key_bytes, value) = (key.raw(), value.as_ref());
        if terminal && format == FileFormat::Csv {
            printable(&key_bytes)?;
            printable(value)?;
        }
        bytes += (key_bytes.len() + value.len()) as u64;
        at += 1;
        writer.write(&key, value)?;
        progress.step(at);
    }
    writer.finish()?;
    if apart {
        progress.finish(bytes, "");
    }
    Ok(Exit::Ok)
}

/// Refuses to print CSV to a terminal if the bytes could control it. CSV contains the bytes
/// unchanged.
fn printable(bytes: &[u8]) -> Result<(), Failure> {
    let shown = std::str::from_utf8(bytes)
        .is_ok_and(|text| !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')));
    if shown {
        return Ok(());
    }
    Err(Failure::usage("an entry has bytes that a terminal cannot show")
        .hint("--to tsv shows them escaped; or redirect to a file"))
}
