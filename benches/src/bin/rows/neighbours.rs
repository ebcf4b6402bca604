//! Rows about `get` while another process writes other keys.

use anyhow::Result;
use shm_benches::subject;
use shm_benches::workload::{CAPACITY, Cycle, SHORT, Workload, lookups};
use shm_harness::TempNamespace;
use slotmap_shm::Table;

use crate::child::{Writer, cycle};
use crate::measure::timed;
use crate::report::Bench;

/// Rounds are this much shorter than others: shorter than a turn of the scheduler, so
/// that a third process that wants a processor spoils few of them.
const SHORTER: u32 = 5;

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
    let retries = table.read_retries();

    bench.row(busy, idle, Some(0.9), |plan| {
        let (mut a, mut b) = (cycle(false), cycle(false));
        plan.shorter(SHORTER)
            .compare(&mut |count| while_writing(&mut writer, &table, &mut a, count), &mut |count| {
                Ok(gets(&table, &mut b, count))
            })
    })?;
    let looked_again = table.read_retries() - retries;
    bench.amend(busy, |row| row.note = Some(format!("{looked_again} retries")));

    // What a busy neighbour costs whatever it does: caches, clock, memory.
    bench.row(busy, control, None, |plan| {
        let (mut a, mut b) = (cycle(false), cycle(false));
        plan.shorter(SHORTER)
            .compare(&mut |count| while_writing(&mut writer, &table, &mut a, count), &mut |count| {
                while_writing(&mut elsewhere, &table, &mut b, count)
            })
    })
}

fn while_writing(
    writer: &mut Writer,
    table: &Table<i32>,
    keys: &mut Cycle,
    count: u64,
) -> Result<f64> {
    writer.start()?;
    let ns = gets(table, keys, count);
    writer.stop()?;
    Ok(ns)
}

fn gets(table: &Table<i32>, keys: &mut Cycle, count: u64) -> f64 {
    let mut hits = 0;
    let ns = timed(count, || keys.next(count, |keys| hits += lookups::<SHORT>(table, keys).hits));
    if hits == count { ns } else { f64::NAN }
}
