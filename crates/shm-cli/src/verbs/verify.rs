//! `shmap verify`

use clap::Args;
use shm_facade::Error;

use crate::arguments::Common;
use crate::failure::{Exit, Failure, REPAIRABLE};
use crate::maps::table;
use crate::maps::target::{Kind, Target};
use crate::output::{Cell, counted, rows};

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  $ shmap verify words jobs
  words\tsnapshot\tsound
  jobs\ttable\tsound

A table is checked under its lock, which needs write permission. If the caller has only read
permission, all entries are read instead. The exit code is 7 if a map is damaged. `shmap repair`
repairs a table.")]
pub(crate) struct Arguments {
    /// Names of the maps
    #[arg(required = true)]
    name: Vec<String>,
    /// Which one, if both a table and a map have the name
    #[arg(long)]
    kind: Option<Kind>,
}

pub(crate) fn run(arguments: &Arguments, common: &Common) -> Result<Exit, Failure> {
    let mut table = Vec::new();
    for name in &arguments.name {
        let target = Target::find_made(name, arguments.kind, common).map_err(|e| e.of_map(name))?;
        let verdict = check(&target, common)
            .map_err(|failure| failure.known_to_be_damaged().about(name).of_map(name))?;
        table.push(vec![Cell::name(name), Cell::text(target.kind.name()), Cell::text(verdict)]);
    }
    rows(common.format(), &["name", "kind", "verdict"], table)?;
    Ok(Exit::Ok)
}

fn check(target: &Target, common: &Common) -> Result<&'static str, Failure> {
    if target.kind == Kind::Snapshot {
        target.map(common)?.verify().map_err(Error::from)?;
        return Ok("sound");
    }
    match target.writer(common) {
        Ok(table) => {
            table.verify()?;
            Ok("sound")
        }
        Err(failure) if matches!(failure.exit(), Exit::Permission | Exit::Mismatch) => {
            // It may be one that is only for reading.
            let table = target.reader(common)?;
            let damage = table.damage();
            if let Some(slot) = damage.slots.first() {
                let text = format!(
                    "damaged table: {}, the first at {slot}",
                    counted(damage.slots.len() as u64, "slot", "slots")
                );
                return Err(Failure::new(Exit::Corrupt, text).hint(REPAIRABLE));
            }
            table::listing(&table)?;
            Ok("readable")
        }
        Err(failure) => Err(failure),
    }
}
