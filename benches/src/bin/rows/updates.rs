//! Rows about single writes, in one process.

use anyhow::{Result, ensure};
use shm_benches::Store;
use shm_benches::baselines::{Hashed, Linear};
use shm_benches::peers::{InProcess, Lmdb};
use shm_benches::subject;
use shm_benches::workload::{CAPACITY, Mix, SHORT, Workload, replacements, upserts};
use shm_harness::TempNamespace;

use crate::measure::{Outcome, Plan, timed};
use crate::report::Bench;

const UPSERT: &str = "table upsert (crash-safe, robust)";
const REPLACE: &str = "table remove + add";

/// Measures them.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let dir = TempNamespace::new()?;
    let work = Workload::new(CAPACITY);
    let table = subject::filled(dir.path(), "updates", &work, SHORT)?;

    let linear = Linear::create(&dir.path().join("linear"))?;
    work.fill(&linear, SHORT)?;
    let peer = "linear array, plain mutex";
    bench.row(UPSERT, peer, None, |p| versus_upserts(p, &work, &table, &linear))?;

    let hashed = Hashed::create(&dir.path().join("hashed"))?;
    work.fill(&hashed, SHORT)?;
    let peer = "hash table, plain mutex";
    bench.row(UPSERT, peer, None, |p| versus_upserts(p, &work, &table, &hashed))?;

    let lmdb_dir = TempNamespace::new()?;
    let lmdb = Lmdb::create(lmdb_dir.path())?;
    work.fill(&lmdb, SHORT)?;
    let peer = "LMDB, one txn a write";
    bench.row(UPSERT, peer, None, |p| versus_upserts(p, &work, &table, &lmdb))?;

    let map = InProcess::<std::hash::RandomState>::default();
    work.fill(&map, SHORT)?;
    let peer = "in-process RwLock<HashMap>";
    bench.row(UPSERT, peer, None, |p| versus_upserts(p, &work, &table, &map))?;

    // Tombstones come and go in this row, so it comes last, and the index is as a
    // table's that has been in use.
    let peer = "linear array, plain mutex";
    bench.row(REPLACE, peer, None, |p| versus_replacements(p, &work, &table, &linear))?;
    let peer = "hash table, plain mutex";
    bench.row(REPLACE, peer, None, |p| versus_replacements(p, &work, &table, &hashed))?;
    ensure!(table.verify().is_ok() && table.len() == CAPACITY, "the table is damaged");
    Ok(())
}

fn versus_upserts(
    plan: &Plan,
    work: &Workload,
    ours: &impl Store,
    peer: &impl Store,
) -> Result<Outcome> {
    plan.compare(
        &mut side(work, |keys| upserts(ours, keys)),
        &mut side(work, |keys| upserts(peer, keys)),
    )
}

fn versus_replacements(
    plan: &Plan,
    work: &Workload,
    ours: &impl Store,
    peer: &impl Store,
) -> Result<Outcome> {
    plan.compare(
        &mut side(work, |keys| replacements(ours, keys)),
        &mut side(work, |keys| replacements(peer, keys)),
    )
}

/// Writes present keys by `run`, which returns how many writes were done: all, or
/// it is an error.
pub(crate) fn side(
    work: &Workload,
    run: impl Fn(&[i32]) -> usize,
) -> impl FnMut(u64) -> Result<f64> {
    let mut cycle = work.cycle(Mix::Hits);
    move |count| {
        let mut done = 0;
        let ns = timed(count, || cycle.next(count, |keys| done += run(keys)));
        ensure!(done as u64 == count, "{done} of {count} writes were done");
        Ok(ns)
    }
}
