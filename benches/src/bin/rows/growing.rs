//! The row about `get` while another process makes the table grow: the 99.9th percentile of single
//! lookups of keys that were there before.

use std::time::Instant;

use anyhow::{Result, ensure};
use shm_bench_common::histogram::Histogram;
use shm_bench_common::processor::Pinned;
use shm_benches::workload::{CAPACITY, Cycle, Random, SHORT, VALUE_SIZE, Workload};
use shm_core::{Name, Namespace};
use shm_harness::TempNamespace;
use slotmap_shm::{KIND, Table, TableOptions};

use crate::child::{LIMIT, spawn};
use crate::report::Bench;

/// The number of entries in the end.
const MOST: usize = 1_000_000;
/// Lookups between two looks at whether the other process is done.
const STRETCH: u64 = 256;
/// Lookups that are timed while nothing else happens.
const IDLE: u64 = 2_000_000;

/// Measures it.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let work = "get while a table grows from 1,024 to 1,000,000 entries, p99.9";
    let peer = "itself, idle";
    if !bench.wants(work, peer) {
        return Ok(());
    }
    let dir = TempNamespace::new()?;
    let _pinned = Pinned::to(0);
    let mut round = 0;
    let mut fresh = || -> Result<(String, Table<i32>)> {
        round += 1;
        let name = format!("growing-{round}");
        let table = table(dir.path(), &name)?;
        let value = [3; SHORT];
        for &key in Workload::new(CAPACITY).present() {
            table.add(&key, value)?;
        }
        Ok((name, table))
    };
    let mut note = String::new();
    bench.row(work, peer, None, |plan| {
        let (_, still) = fresh()?;
        plan.compare_long(
            &mut |_| {
                let (name, table) = fresh()?;
                let mut grower = spawn(&dir, &["grower", &name])?;
                let mut times = Histogram::default();
                let mut keys = keys();
                grower.send("go")?;
                while grower.try_line().is_none() {
                    ensure!(grower.is_alive(), "the other process ended");
                    gets(&table, &mut keys, STRETCH, &mut times)?;
                }
                let status = grower.wait(LIMIT)?;
                ensure!(status.success(), "the other process failed: {status}");
                ensure!(table.len() >= MOST, "{} entries", table.len());
                let at = |part| times.quantile(part).unwrap_or(0);
                note = format!(
                    "{} lookups during {} growths: p50 {} ns, p99 {}, p99.9 {}, p99.99 {}, max {}; \
                     each includes reading the clock",
                    times.total(),
                    table.stats().growths,
                    at(0.5),
                    at(0.99),
                    at(0.999),
                    at(0.9999),
                    at(1.0),
                );
                Namespace::at(dir.path()).unlink(&Name::new(&name)?, KIND)?;
                Ok(times.quantile(0.999).unwrap_or(0) as f64)
            },
            &mut |_| {
                let mut times = Histogram::default();
                gets(&still, &mut keys(), IDLE, &mut times)?;
                Ok(times.quantile(0.999).unwrap_or(0) as f64)
            },
        )
    })?;
    bench.amend(work, peer, |row| row.note = Some(note));
    Ok(())
}

fn table(dir: &std::path::Path, name: &str) -> Result<Table<i32>> {
    let mut options = TableOptions::default();
    options.geometry.value_size = 32;
    options.geometry.max_capacity = Some(MOST + CAPACITY);
    Ok(Table::open_or_create(&Namespace::at(dir), &Name::new(name)?, &options)?)
}

fn keys() -> Cycle {
    let work = Workload::new(CAPACITY);
    let keys = work.present();
    let mut random = Random::new(11);
    Cycle::new((0..1 << 16).filter_map(|_| keys.get(random.below(keys.len())).copied()).collect())
}

/// Times single lookups.
fn gets(table: &Table<i32>, keys: &mut Cycle, count: u64, times: &mut Histogram) -> Result<()> {
    let mut buffer = [0; VALUE_SIZE];
    let mut found = 0;
    keys.next(count, |keys| {
        for key in keys {
            let start = Instant::now();
            let len = table.get_into(key, &mut buffer);
            times.record(start.elapsed().as_nanos() as u64);
            found += u64::from(matches!(len, Ok(Some(SHORT))));
        }
    });
    ensure!(found == count, "{found} of {count} keys were found");
    Ok(())
}

/// Adds entries until there are enough.
pub(crate) fn grow(dir: &std::path::Path, name: &str) -> Result<()> {
    let table = table(dir, name)?;
    let _pinned = Pinned::to(1);
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let value = [5; SHORT];
    for number in 0..MOST as i32 {
        // Apart from the keys that are looked up.
        table.add(&(i32::MIN + number), value)?;
    }
    println!("done");
    Ok(())
}
