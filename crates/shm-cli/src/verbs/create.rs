//! `shmap create`

use clap::Args;
use slotmap_shm::{Geometry, TableOptions};

use crate::arguments::{Common, mode, name};
use crate::failure::{Exit, Failure};
use crate::key::KeyType;
use slotmap_shm::UntypedTable;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  $ shmap create workers
  $ shmap create sessions --keys str --key-size 40 --capacity 5000 --value-size 100 --mode 644

Capacity and sizes are fixed from then on. All of the memory is taken at once.")]
pub(crate) struct Arguments {
    /// Name of the table
    name: String,
    /// Entries that fit
    #[arg(long, value_name = "N", default_value_t = Geometry::default().capacity)]
    capacity: usize,
    /// Longest value
    #[arg(long, value_name = "BYTES", default_value_t = Geometry::default().value_size)]
    value_size: usize,
    /// Type of the keys
    #[arg(long, value_name = "TYPE", default_value = "i32")]
    keys: KeyType,
    /// Longest key, where keys are str or bytes; at most 256
    #[arg(long, value_name = "BYTES", default_value_t = Geometry::default().key_size)]
    key_size: usize,
    /// Permission bits, exact whatever the umask; 644 lets others read
    #[arg(long, value_name = "OCTAL", default_value = "600", value_parser = mode)]
    mode: u32,
}

pub(crate) fn run(arguments: &Arguments, common: &Common) -> Result<Exit, Failure> {
    let &Arguments { capacity, value_size, key_size, keys, mode, .. } = arguments;
    let geometry = Geometry { capacity, value_size, key_size };
    let options = TableOptions { geometry, mode, ..common.table_options()? };
    if mode & 0o022 != 0 {
        options_need_trust(&options, arguments, common)?;
    }
    UntypedTable::create_with_kind(
        &common.namespace(),
        &name(&arguments.name)?,
        keys.kind(),
        &options,
    )
    .map_err(|error| Failure::from(error).about(&arguments.name))?;
    Ok(Exit::Ok)
}

/// What is made must open again.
fn options_need_trust(
    options: &TableOptions,
    arguments: &Arguments,
    common: &Common,
) -> Result<(), Failure> {
    if common.trusts_writers() {
        return Ok(());
    }
    let text = format!("{}: mode {:o} lets others than you write", arguments.name, options.mode);
    Err(Failure::usage(text).hint("if you trust everybody who may then write: --trust-writers"))
}
