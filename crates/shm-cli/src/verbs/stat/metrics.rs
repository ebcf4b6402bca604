//! The metrics that `shmap stat --format prometheus` prints for each map.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::time::{SystemTime, UNIX_EPOCH};

use slotmap_shm::{Eviction, Expiry};

use super::BLOCK;
use crate::arguments::Common;
use crate::maps::target::{Open, Target};
use crate::output::prometheus::{Metric, Samples, Type};

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, help, kind: Type::Gauge }
}

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, help, kind: Type::Counter }
}

static UP: Metric = gauge("shmap_up", "1 if the map can be read, 0 if not.");
static FILE: Metric = gauge("shmap_file_bytes", "Bytes of the file of the map.");
static ALLOCATED: Metric = gauge(
    "shmap_allocated_bytes",
    "Bytes that the file of the map takes of memory or of the disk.",
);
static CREATED: Metric =
    gauge("shmap_created_timestamp_seconds", "When the map was made, in seconds since 1970.");
static ENTRIES: Metric = gauge("shmap_table_entries", "Entries of the table.");
static CAPACITY: Metric = gauge("shmap_table_capacity", "Entries that fit into the table.");
static MAX_CAPACITY: Metric =
    gauge("shmap_table_max_capacity", "Entries to which the table may grow.");
static VALUE: Metric = gauge("shmap_table_value_size_bytes", "Longest value of the table.");
static TOMBSTONES: Metric =
    gauge("shmap_table_tombstones", "Places of removed keys in the index of the table.");
static WRITES: Metric = counter("shmap_table_writes_total", "Changes of the table.");
static GROWTHS: Metric = counter("shmap_table_growths_total", "How often the table has grown.");
static EXPIRES: Metric =
    gauge("shmap_table_expires", "1 if entries of the table may expire, 0 if not.");
static EVICTS: Metric =
    gauge("shmap_table_evicts", "1 if the full table removes entries for others, 0 if not.");
static EXPIRED: Metric =
    counter("shmap_table_expired_total", "Entries that were removed because they had expired.");
static EVICTED: Metric =
    counter("shmap_table_evicted_total", "Entries that were removed to make room for others.");
static WRITERS: Metric = gauge("shmap_table_writers", "Threads that write to the table.");
static RECOVERIES: Metric =
    counter("shmap_table_recoveries_total", "Repairs after a writer that died.");
static LOST: Metric =
    counter("shmap_table_lost_entries_total", "Entries that repairs could not keep.");
static PUBLISHED: Metric = gauge("shmap_snapshot_entries", "Entries of the published map.");
static EDITION: Metric =
    gauge("shmap_snapshot_edition", "How often a map was published under the name.");

/// Measures a map. For a map that cannot be read, the metric says that it is down, and standard
/// error says why.
pub(super) fn measure(target: &Target, common: &Common, samples: &mut Samples) {
    let (name, kind) = (target.name.as_str(), target.kind.name());
    let dir = target.namespace.dir().display().to_string();
    let labels = [("name", name), ("namespace", &*dir)];
    let with_kind = [("name", name), ("kind", kind), ("namespace", &*dir)];
    if let Ok(meta) = target.path().symlink_metadata() {
        samples.add(&FILE, &with_kind, meta.len());
        samples.add(&ALLOCATED, &with_kind, meta.blocks().saturating_mul(BLOCK));
    }
    let open = target.open(common);
    samples.add(&UP, &with_kind, u64::from(open.is_ok()));
    let created = match open {
        Ok(Open::Table(table)) => {
            let stats = table.stats();
            samples.add(&ENTRIES, &labels, stats.len as u64);
            samples.add(&CAPACITY, &labels, stats.capacity as u64);
            samples.add(&MAX_CAPACITY, &labels, stats.max_capacity as u64);
            samples.add(&VALUE, &labels, stats.value_size as u64);
            samples.add(&TOMBSTONES, &labels, stats.tombstones as u64);
            samples.add(&WRITES, &labels, stats.writes);
            samples.add(&GROWTHS, &labels, stats.growths);
            let geometry = table.geometry();
            samples.add(&EXPIRES, &labels, u64::from(geometry.expiry != Expiry::Never));
            samples.add(&EVICTS, &labels, u64::from(geometry.eviction != Eviction::Never));
            samples.add(&EXPIRED, &labels, stats.expired);
            samples.add(&EVICTED, &labels, stats.evicted);
            let writers = table.writers();
            let alive = writers.iter().filter(|writer| writer.is_alive).count();
            samples.add(&WRITERS, &labels, alive as u64);
            samples.add(&RECOVERIES, &labels, stats.recoveries);
            samples.add(&LOST, &labels, stats.lost);
            table.segment().created()
        }
        Ok(Open::Snapshot(map)) => {
            samples.add(&PUBLISHED, &labels, map.len() as u64);
            samples.add(&EDITION, &labels, map.edition());
            map.snapshot().get_ref().created()
        }
        Err(failure) => {
            let name = crate::escape::escape(name.as_bytes());
            // Where it cannot be written, nobody reads it.
            let _ = writeln!(std::io::stderr(), "shmap: {name}: {}", failure.message());
            return;
        }
    };
    samples.add(&CREATED, &with_kind, seconds(created));
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
