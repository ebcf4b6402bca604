//! `shmap create`

use clap::Args;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::statvfs::statvfs;
use shm_facade::Error;
use slotmap_shm::{Eviction, Expiry, Geometry, TableOptions, UntypedTable};

use super::stat::of_expiry;
use crate::arguments::{Common, mode, name, ttl};
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

  $ shmap create growing --max-capacity 1000000
  $ shmap stat growing | grep capacity
  capacity\t1024
  max_capacity\t1000000

  $ shmap create cache --ttl 30 --evict
  $ shmap stat cache | grep -E 'ttl|eviction'
  ttl\t30 s
  eviction\tleast_recently_written

Sizes cannot be changed later, nor can the capacity, unless there is a --max-capacity. All of the
memory for the capacity is allocated at once. An entry takes twice the value size plus 48 to 135
bytes, and with str or bytes keys also the key size: 100,000 entries of the default sizes take
59 MB. A table that may grow allocates memory for twice as many entries each time that it is full.
Its file has the length for --max-capacity from the beginning, but memory only for the entries that
fit now. --dry-run prints both sizes. Its exit code is 3 if the table does not fit.

An entry that has expired is absent for every subcommand, and its memory is used again. With --ttl,
an entry takes 16 bytes more, and with --evict 8 bytes more. Without --evict, a full table refuses
further keys, unless some of its entries have expired.")]
pub(crate) struct Arguments {
    /// Name of the table
    pub(super) name: String,
    /// Maximum number of entries; with --max-capacity, before the table has grown
    #[arg(long, value_name = "N", value_parser = number)]
    #[arg(default_value_t = Geometry::default().capacity)]
    capacity: usize,
    /// Maximum number of entries to which the table may grow [default: it does not grow]
    #[arg(long, value_name = "N", value_parser = number)]
    max_capacity: Option<usize>,
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
    /// Entries expire this long after they were set; with `each`, only those that `set --ttl` sets
    /// [default: entries stay until they are removed]
    #[arg(long, value_name = "SECONDS", value_parser = expiry, allow_negative_numbers = true)]
    ttl: Option<Expiry>,
    /// A full table removes the entry that was written longest ago, to make room for another
    #[arg(long)]
    evict: bool,
    /// Permission bits, whatever the umask; 644 lets other users read
    #[arg(long, value_name = "OCTAL", default_value = "600", value_parser = mode)]
    mode: u32,
    /// Print what would be created, how large it is and whether it fits, but create nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(arguments: &Arguments, common: &Common) -> Result<Exit, Failure> {
    let &Arguments { capacity, value_size, key_size, keys, mode, .. } = arguments;
    let mut geometry =
        Geometry::default().capacity(capacity).value_size(value_size).key_size(key_size);
    geometry.max_capacity = arguments.max_capacity;
    geometry.expiry = arguments.ttl.unwrap_or_default();
    if arguments.evict {
        geometry.eviction = Eviction::LeastRecentlyWritten;
    }
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
    let len_of = |geometry: Geometry| {
        geometry
            .file_len(keys.0)
            .map_err(|error| Failure::from(Error::OpenTable(error.into())).about(&name))
    };
    let len = len_of(geometry)?;
    // What is allocated at once is what a table takes that does not grow.
    let mut first = geometry;
    first.max_capacity = None;
    let first_len = len_of(first)?;
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
    let fits = first_len <= available.unwrap_or(u64::MAX) && len <= limit;
    let shown = path.display().to_string();
    let mut all = vec![
        ("name", Cell::name(name.as_str())),
        ("keys", Cell::text(keys.name())),
        ("capacity", Cell::count(geometry.capacity as u64)),
    ];
    if let Some(max_capacity) = geometry.max_capacity {
        all.push(("max_capacity", Cell::count(max_capacity as u64)));
    }
    all.push(("value_size", Cell::exact(geometry.value_size as u64)));
    if !keys.is_integer() {
        all.push(("key_size", Cell::exact(geometry.key_size as u64)));
    }
    all.extend(of_expiry(&geometry));
    all.extend([
        ("file_bytes", Cell::exact(len)),
        ("allocated_bytes", Cell::exact(first_len)),
        ("entry_bytes", Cell::exact(first_len.div_ceil(geometry.capacity as u64))),
        ("available_bytes", available.map_or_else(Cell::none, Cell::exact)),
        ("fits", Cell::new(if fits { "yes" } else { "no" }, fits)),
        ("path", Cell::name(shown)),
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

/// When entries expire.
fn expiry(text: &str) -> Result<Expiry, String> {
    match text {
        "each" => Ok(Expiry::ByEntry),
        _ => ttl(text).map(Expiry::After).map_err(|error| format!("{error}, or `each`")),
    }
}

/// A number of entries or bytes.
pub(super) fn number(text: &str) -> Result<usize, &'static str> {
    text.parse().map_err(|_| "write a plain number, such as 10000")
}
