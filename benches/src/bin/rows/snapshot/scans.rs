//! Rows about going through entries in key order; keys and values are read. Times are per entry.

use std::ops::Bound;
use std::time::Instant;

use anyhow::{Result, ensure};
use shm_benches::dictionary::{
    Asked, Fold, LmdbDictionary, Queries, Tree, full_scan, range_scans, tree,
};
use shm_harness::TempNamespace;

use super::{Data, N};
use crate::measure::processor_time;
use crate::report::Bench;

/// Entries of a range.
const LENGTH: usize = 100;

/// Measures them.
pub(super) fn measure(bench: &mut Bench, data: &Data) -> Result<()> {
    against(bench, data, "BTreeMap", || tree(&data.corpus().shuffled))?;
    // A peer whose keys and values happen to be in memory in key order.
    against(bench, data, "BTreeMap filled in key order", || tree(&data.corpus().sorted))?;
    against_lmdb(bench, data)
}

fn against_lmdb(bench: &mut Bench, data: &Data) -> Result<()> {
    let (work, peer) = (range_work(data), "LMDB cursor");
    if !bench.wants(&work, peer) {
        return Ok(());
    }
    let ours = data.published(false)?;
    let ours = ours.snapshot();
    let dir = TempNamespace::new()?;
    let other = LmdbDictionary::create(dir.path(), &data.corpus().sorted)?;
    data.check(&other)?;
    let queries = Queries::new(data.corpus(), Asked::Hits);
    bench.row(&work, peer, None, |plan| {
        plan.of_entries(N).compare(
            &mut side(&queries, |keys| range_scans(keys, LENGTH, |key| ours.range(key..))),
            &mut side(&queries, |keys| range_scans(keys, LENGTH, |key| other.from(key))),
        )
    })
}

fn range_work(data: &Data) -> String {
    format!("snapshot range scan of {LENGTH}, per entry, {}", data.name())
}

fn against(bench: &mut Bench, data: &Data, peer: &str, build: impl FnOnce() -> Tree) -> Result<()> {
    let name = data.name();
    let ranges = range_work(data);
    let full = format!("snapshot full scan, per entry, {name}");
    if !bench.wants(&ranges, peer) && !bench.wants(&full, peer) {
        return Ok(());
    }
    let ours = data.published(false)?;
    let ours = ours.snapshot();
    let other = build();
    data.check(&other)?;
    let queries = Queries::new(data.corpus(), Asked::Hits);
    bench.row(&ranges, peer, data.bar(1.0), |plan| {
        plan.of_entries(N).compare(
            &mut side(&queries, |keys| range_scans(keys, LENGTH, |key| ours.range(key..))),
            &mut side(&queries, |keys| {
                let from = |key| (Bound::Included(key), Bound::Unbounded);
                range_scans(keys, LENGTH, |key| other.range::<[u8], _>(from(key)))
            }),
        )
    })?;
    let whole = |scan: &dyn Fn() -> Fold| {
        let start = processor_time()?;
        let entries = scan().entries;
        let ns = (processor_time()? - start) / entries as f64;
        ensure!(entries == N as u64, "a scan saw {entries} entries");
        Ok(ns)
    };
    bench.row(&full, peer, None, |plan| {
        whole(&|| full_scan(ours.iter()))?;
        whole(&|| full_scan(other.iter()))?;
        plan.compare_long(&mut |_| whole(&|| full_scan(ours.iter())), &mut |_| {
            whole(&|| full_scan(other.iter()))
        })
    })
}

/// Scans ranges by `run`; the time per entry.
fn side(queries: &Queries, run: impl Fn(&[&[u8]]) -> Fold) -> impl FnMut(u64) -> Result<f64> {
    let mut cycle = queries.cycle();
    // Counted in entries, as the plan wants it; ranges at the end are shorter.
    move |count| {
        let mut entries = 0;
        let start = Instant::now();
        let ranges = count.div_ceil(LENGTH as u64);
        cycle.next(ranges, |keys| entries += run(keys).entries);
        let ns = start.elapsed().as_nanos() as f64 / entries as f64;
        ensure!(entries > 0 && entries <= ranges * LENGTH as u64, "{entries} entries");
        Ok(ns)
    }
}
