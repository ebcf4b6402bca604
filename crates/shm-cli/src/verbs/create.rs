//! `shmap create`

use clap::Args;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::statvfs::statvfs;
use shm_facade::Error;
use slotmap_shm::{Geometry, TableOptions, UntypedTable};

use crate::arguments::{Common, mode, name};
use crate::escape::escape;
use crate::failure::{Exit, Failure};
use crate::maps::key::KeyType;
use crate::maps::target::{Kind, exists};
use crate::output::{Cell, fields};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  $ shmap create workers
  $ shmap create sessions --keys str --key-size 40 --capacity 5000 --value-size 100 --mode 644

  $ shmap create large --capacity 100000 --dry-run | grep -E 'file_bytes|fits'
  file_bytes\t59465344 B
  fits\tyes

Capacity and sizes cannot be changed later. All of the memory is allocated at once. An entry takes
twice the value size plus 48 to 135 bytes, and with str or bytes keys also the key size: 100,000
entries of the default sizes take 59 MB. --dry-run prints the exact size. Its exit code is 3 if
the table does not fit.")]
pub(crate) struct Arguments {
    /// Name of the table
    pub(super) name: String,
    /// Maximum number of entries
    #[arg(long, value_name = "N", value_parser = number)]
    #[arg(default_value_t = Geometry::default().capacity)]
    capacity: usize,
    /// Maximum length of a value in bytes
    #[arg(long, value_name = "BYTES", value_parser = number)]
    #[arg(default_value_t = Geometry::default().value_size)]
    value_size: usize,
    /// Type of the keys
    #[arg(long, value_name = "TYPE", default_value = "i32")]
    keys: KeyType,
    /// Maximum length of a key in bytes, for str and bytes keys; at most 256
    #[arg(long, value_name = "BYTES", value_parser = number)]
    #[arg(default_value_t = Geometry::default().key_size)]
    key_size: usize,
    /// Permission bits, whatever the umask; 644 lets other users read
    #[arg(long, value_name = "OCTAL", default_value = "600", value_parser = mode)]
    mode: u32,
    /// Print what would be created, how large it is and whether it fits, but create nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(arguments: &Arguments, common: &Common) -> Result<Exit, Failure> {
    let &Arguments { capacity, value_size, key_size, keys, mode, .. } = arguments;
    let geometry = Geometry::default().capacity(capacity).value_size(value_size).key_size(key_size);
    let options = common.table_options()?.geometry(geometry).mode(mode);
    if mode & 0o022 != 0 {
        options_need_trust(&options, arguments, common)?;
    }
    if arguments.dry_run {
        return dry_run(geometry, arguments, common);
    }
    UntypedTable::create_with_kind(&common.namespace(), &name(&arguments.name)?, keys.0, &options)
        .map_err(|error| Failure::from(error).about(&arguments.name))?;
    Ok(Exit::Ok)
}

/// Prints what would be created.
fn dry_run(geometry: Geometry, arguments: &Arguments, common: &Common) -> Result<Exit, Failure> {
    let (namespace, keys) = (common.namespace(), arguments.keys);
    let name = name(&arguments.name)?;
    let path = Kind::Table.path(&namespace, &name);
    let len = geometry
        .file_len(keys.0)
        .map_err(|error| Failure::from(Error::OpenTable(error.into())).about(&name))?;
    if exists(&namespace, &name, Kind::Table)? {
        let text = format!("{}: {} exists already", arguments.name, path.display());
        return Err(Failure::new(Exit::Exists, text)
            .hint("take another name, or remove that one: `shmap rm NAME --kind table`"));
    }
    let room = statvfs(namespace.dir())
        .map_err(|errno| Failure::of_directory(namespace.dir(), &errno.into()))?;
    // A tmpfs without a limit has no blocks.
    let available =
        (room.blocks() > 0).then(|| room.blocks_available().saturating_mul(room.fragment_size()));
    let limit = getrlimit(Resource::RLIMIT_FSIZE).map_or(u64::MAX, |(soft, _)| soft);
    let fits = len <= available.unwrap_or(u64::MAX).min(limit);
    let shown = path.display().to_string();
    let mut all = vec![
        ("name", Cell::new(escape(name.as_str().as_bytes()), name.as_str())),
        ("keys", Cell::text(keys.name())),
        ("capacity", Cell::count(geometry.capacity as u64)),
        ("value_size", Cell::exact(geometry.value_size as u64)),
    ];
    if !keys.is_integer() {
        all.push(("key_size", Cell::exact(geometry.key_size as u64)));
    }
    all.extend([
        ("file_bytes", Cell::exact(len)),
        ("entry_bytes", Cell::exact(len.div_ceil(geometry.capacity as u64))),
        ("available_bytes", available.map_or_else(Cell::none, Cell::exact)),
        ("fits", Cell::new(if fits { "yes" } else { "no" }, fits)),
        ("path", Cell::new(escape(shown.as_bytes()), shown)),
    ]);
    fields(common.format(), all)?;
    Ok(if fits { Exit::Ok } else { Exit::NoSpace })
}

/// Refuses to create a table that could not be opened again.
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

/// A number of entries or bytes.
fn number(text: &str) -> Result<usize, &'static str> {
    text.parse().map_err(|_| "write a plain number, such as 10000")
}
