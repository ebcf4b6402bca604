//! `shmap stat`

mod metrics;

use std::os::unix::fs::MetadataExt;

use clap::Args;
use serde_json::json;
use shm_facade::SharedMap;
use slotmap_shm::{Eviction, Expiry, Geometry, TableWriter};

use super::list::{age, mode, owner, targets};
use crate::arguments::Common;
use crate::escape::{escape, hex};
use crate::failure::{Exit, Failure};
use crate::maps::mappers::{Mappers, mappers};
use crate::maps::table::Reader;
use crate::maps::target::{Kind, Open, Target};
use crate::output::prometheus::Samples;
use crate::output::{Cell, counted, fields, stdout};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  $ shmap stat jobs
  $ shmap stat --format prometheus | grep -c '^shmap_up.* 1$'
  2

Times and lengths have a unit. In JSON they are bare numbers: seconds and bytes. `--format
prometheus` prints the metrics of one map or, without a name, of all maps; a map that cannot be
read has shmap_up 0.

A table whose `max_capacity` is above its `capacity` may grow. `file_bytes` is then the length for
`max_capacity` entries. `allocated_bytes` is what the file takes of memory or of the disk now.

`expiry` is `never`, `each` for a table whose entries expire if they are set with a time to live,
or `after` for one with a `ttl` of its own. Entries that have expired are among the `entries` until
something else takes their memory or `shmap expire` removes them. `expired` counts those, and
`evicted` the entries that a full table removed to make room for others.

For a table, `growths` counts how often it has grown, `recoveries` the repairs since it was
created, and `lost` the entries that they could not keep. `writers` are the threads that have
written since they opened it, with the writes of present keys that their records count; some of
these may be of earlier threads. In JSON, those that have ended are listed, too.

The processes that map a file are read from /proc. Only root sees those of other users; for anyone
else they are only counted. Processes in another pid namespace are not seen at all.")]
pub(crate) struct Arguments {
    /// Name of the map; may be left out with --format prometheus, for all maps
    pub(super) name: Option<String>,
    /// Which one, if both a table and a map have the name
    #[arg(long)]
    kind: Option<Kind>,
}

/// Number of bytes of the blocks that the kernel counts.
const BLOCK: u64 = 512;

type Fields = Vec<(&'static str, Cell)>;

pub(crate) fn run(arguments: &Arguments, common: &Common) -> Result<Exit, Failure> {
    let target = match &arguments.name {
        Some(name) => Some(Target::find_made(name, arguments.kind, common)?),
        None => None,
    };
    let target = match target {
        target if common.wants_metrics() => return print_metrics(target, arguments, common),
        Some(target) => target,
        None => {
            return Err(Failure::usage("no name: which map?")
                .hint("`shmap list` shows all; `shmap stat --format prometheus` measures all"));
        }
    };
    let name = target.name.as_str();
    let mut all = vec![("name", Cell::name(name)), ("kind", Cell::text(target.kind.name()))];
    let open = target.open(common)?;
    let created = match &open {
        Open::Table(table) => {
            all.extend(of_table(table));
            table.segment().created()
        }
        Open::Snapshot(map) => {
            all.extend(of_map(map));
            map.snapshot().get_ref().created()
        }
    };
    let path = target.path();
    let shown = path.display().to_string();
    let meta = path.symlink_metadata().map_err(|error| Failure::of_file(&shown, &error))?;
    let mappers = mappers(&path).map_err(|error| Failure::of_file("/proc", &error))?;
    all.extend([
        ("file_bytes", Cell::exact(meta.len())),
        ("allocated_bytes", Cell::exact(meta.blocks().saturating_mul(BLOCK))),
        ("owner", owner(meta.uid())),
        ("mode", mode(meta.mode())),
        ("age", with_unit(age(Some(created)))),
        ("path", Cell::name(shown)),
        ("mapped_by", mapped_by(&mappers)),
        ("processes_not_seen", Cell::count(mappers.hidden)),
    ]);
    fields(common.format(), all)?;
    Ok(Exit::Ok)
}

/// Prints the metrics of one map, or of all maps.
fn print_metrics(
    target: Option<Target>,
    arguments: &Arguments,
    common: &Common,
) -> Result<Exit, Failure> {
    let targets = match target {
        Some(target) => vec![target],
        None => targets(common)?,
    };
    let is_kind = |target: &&Target| arguments.kind.is_none_or(|kind| kind == target.kind);
    let mut samples = Samples::default();
    for target in targets.iter().filter(is_kind) {
        metrics::measure(target, common, &mut samples);
    }
    samples.write(stdout())?;
    Ok(Exit::Ok)
}

fn of_table(table: &Reader) -> Fields {
    let (stats, geometry) = (table.stats(), table.geometry());
    let load = stats.len as f64 / stats.capacity.max(1) as f64;
    let mut fields = vec![("keys", Cell::text(table.key_kind().name()))];
    if table.key_kind().integer().is_none() {
        fields.push(("key_size", Cell::exact(geometry.key_size as u64)));
    }
    fields.extend([
        ("entries", Cell::count(stats.len as u64)),
        ("capacity", Cell::count(stats.capacity as u64)),
        ("max_capacity", Cell::count(stats.max_capacity as u64)),
        ("load", Cell::new(format!("{:.1} %", load * 100.0), load).plain(load)),
        ("value_size", Cell::exact(stats.value_size as u64)),
    ]);
    fields.extend(of_expiry(&geometry));
    fields.extend([
        ("writes", Cell::count(stats.writes)),
        ("growths", Cell::count(stats.growths)),
        ("expired", Cell::count(stats.expired)),
        ("evicted", Cell::count(stats.evicted)),
        ("recoveries", Cell::count(stats.recoveries)),
        ("lost", Cell::count(stats.lost)),
        ("tombstones", Cell::count(stats.tombstones as u64)),
        ("writers", writers(&table.writers())),
        ("id", Cell::text(hex(&table.segment().id()))),
    ]);
    fields
}

/// When entries expire, and what a full table does.
pub(super) fn of_expiry(geometry: &Geometry) -> Fields {
    let Geometry { expiry, eviction, .. } = geometry;
    let (word, ttl) = match expiry {
        Expiry::ByEntry => ("each", None),
        Expiry::After(ttl) => ("after", Some(ttl)),
        _ => ("never", None),
    };
    let mut fields = vec![("expiry", Cell::new(expiry.to_string(), word).plain(word))];
    if let Some(ttl) = ttl {
        let seconds = ttl.as_secs_f64();
        fields.push(("ttl", Cell::new(format!("{seconds} s"), seconds)));
    }
    let word = match eviction {
        Eviction::LeastRecentlyWritten => "least_recently_written",
        _ => "never",
    };
    fields.push(("eviction", Cell::new(eviction.to_string(), word).plain(word)));
    fields
}

/// The threads that write, and how many of those that wrote have ended.
fn writers(writers: &[TableWriter]) -> Cell {
    let json = writers.iter().map(|w| {
        let command = w.command.as_ref().map(|command| escape(command.as_bytes()));
        json!({
            "pid": w.pid, "thread": w.tid, "command": command, "alive": w.is_alive,
            "writes": w.writes,
        })
    });
    let (alive, ended): (Vec<_>, Vec<_>) = writers.iter().partition(|w| w.is_alive);
    let mut text: Vec<_> = alive.into_iter().map(writer).collect();
    if text.is_empty() {
        text.push("nobody now".to_owned());
    }
    if !ended.is_empty() {
        let writes = ended.iter().fold(0u64, |sum, w| sum.wrapping_add(w.writes));
        let ended = counted(ended.len() as u64, "has ended", "have ended");
        text.push(format!("({ended}, with {})", counted(writes, "write", "writes")));
    }
    let plain = text.join(", ");
    Cell::new(text.join("\n"), json.collect::<Vec<_>>()).plain(plain)
}

fn writer(writer: &TableWriter) -> String {
    let TableWriter { pid, tid, command, writes, .. } = writer;
    let mut text = pid.to_string();
    if let Some(command) = command {
        text += &format!(" {}", escape(command.as_bytes()));
    }
    if tid != pid {
        text += &format!(" thread {tid}");
    }
    text + &format!(" ({})", counted(*writes, "write", "writes"))
}

fn of_map(map: &SharedMap) -> Fields {
    let stats = map.stats();
    let index = if map.has_hash_index() { "yes" } else { "no" };
    vec![
        ("edition", Cell::count(map.edition())),
        ("entries", Cell::count(stats.entries as u64)),
        ("depth", Cell::count(u64::from(stats.depth))),
        ("hash_index", Cell::new(index, map.has_hash_index())),
        ("data_bytes", Cell::exact(stats.data_bytes as u64)),
        ("tree_bytes", Cell::exact(stats.tree_bytes as u64)),
        ("tie_bytes", Cell::exact(stats.tie_bytes as u64)),
        ("entry_bytes", Cell::exact(stats.entry_bytes as u64)),
        ("index_bytes", Cell::exact(stats.index_bytes as u64)),
        ("id", Cell::text(hex(&map.snapshot().get_ref().id()))),
    ]
}

/// Adds the unit to a time, also for programs.
fn with_unit(age: Cell) -> Cell {
    let seconds = format!("{} s", age.json);
    age.plain(seconds)
}

fn mapped_by(mappers: &Mappers) -> Cell {
    let one = |m: &crate::maps::mappers::Mapper| {
        format!("{} {} ({})", m.pid, m.command, if m.writes { "writes" } else { "reads" })
    };
    let json = mappers
        .seen
        .iter()
        .map(|m| json!({"pid": m.pid, "command": m.command, "writes": m.writes}));
    let mut text: Vec<_> = mappers.seen.iter().map(one).collect();
    let plain = text.join(", ");
    if text.is_empty() {
        text.push("nobody that you may see".to_owned());
    }
    if mappers.hidden > 0 {
        let hidden = counted(mappers.hidden, "process is", "processes are");
        text.push(format!("({hidden} not yours to look at)"));
    }
    Cell::new(text.join("\n"), json.collect::<Vec<_>>()).plain(plain)
}
