//! Rows about `get` while another process writes other keys.

use anyhow::{Result, ensure};
use shm_bench_common::processor::{Pinned, Spent, Stopwatch};
use shm_benches::subject;
use shm_benches::workload::{CAPACITY, Cycle, SHORT, Workload, lookups};
use shm_harness::TempNamespace;
use slotmap_shm::Table;

use crate::apart::Apart;
use crate::child::{Writer, cycle};
use crate::report::Bench;

/// Measures them. The ratio is idle time to busy time: 1 says that the writer costs
/// the reader nothing.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let busy = "get while another process writes other keys";
    let (idle, control) = ("itself, idle", "itself, while the other writes another table");
    if !bench.wants(busy, idle) && !bench.wants(busy, control) {
        return Ok(());
    }
    let dir = TempNamespace::new()?;
    let work = Workload::new(CAPACITY);
    let table = subject::filled(dir.path(), "shared", &work, SHORT)?;
    let _other = subject::filled(dir.path(), "other", &work, SHORT)?;
    let mut writer = Writer::spawn(&dir, "table", "shared", true)?;
    let mut elsewhere = Writer::spawn(&dir, "table", "other", true)?;
    let (_pinned, apart) = (Pinned::to(0), Apart::default());
    let retries = table.read_retries();

    bench.row(busy, idle, Some(0.9), |plan| {
        let (mut a, mut b) = (cycle(false), cycle(false));
        plan.compare(
            &mut |count| while_writing(&apart, &mut writer, &table, &mut a, count),
            &mut |count| while_idle(&apart, &table, &mut b, count),
        )
    })?;
    let looked_again = table.read_retries() - retries;
    bench.amend(busy, idle, |row| {
        row.note = Some(format!("{looked_again} retries; {}", apart.note()))
    });

    // What any busy neighbour costs: caches, clock, memory.
    bench.row(busy, control, None, |plan| {
        let (mut a, mut b) = (cycle(false), cycle(false));
        plan.compare(
            &mut |count| while_writing(&apart, &mut writer, &table, &mut a, count),
            &mut |count| while_writing(&apart, &mut elsewhere, &table, &mut b, count),
        )
    })
}

/// Nanoseconds per get while the writer writes, in a round in which both were running.
fn while_writing(
    apart: &Apart,
    writer: &mut Writer,
    table: &Table<i32>,
    keys: &mut Cycle,
    count: u64,
) -> Result<f64> {
    apart.run(|| {
        writer.start()?;
        let (ns, spent) = gets(table, keys, count)?;
        let (_, there) = writer.stop()?;
        Ok((ns, spent.undisturbed() && there.undisturbed()))
    })
}

/// Nanoseconds a get while the writers rest.
fn while_idle(apart: &Apart, table: &Table<i32>, keys: &mut Cycle, count: u64) -> Result<f64> {
    apart.run(|| {
        let (ns, spent) = gets(table, keys, count)?;
        Ok((ns, spent.undisturbed()))
    })
}

fn gets(table: &Table<i32>, keys: &mut Cycle, count: u64) -> Result<(f64, Spent)> {
    let mut hits = 0;
    let watch = Stopwatch::start();
    keys.next(count, |keys| hits += lookups::<SHORT>(table, keys).hits);
    let spent = watch.spent();
    ensure!(hits == count, "{hits} of {count} lookups found a value");
    Ok((spent.wall as f64 / count as f64, spent))
}
