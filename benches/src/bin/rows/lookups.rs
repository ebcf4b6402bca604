//! Rows about `get`, in one process.

use anyhow::{Result, ensure};
use shm_benches::Store;
use shm_benches::baselines::{Hashed, Linear};
use shm_benches::peers::{CheapHash, InProcess, Lmdb};
use shm_benches::subject;
use shm_benches::workload::{
    CAPACITY, Mix, SHORT, VALUE_SIZE, Workload, chained_lookups, lookups, lookups_by,
};
use shm_harness::TempNamespace;
use slotmap_shm::Table;

use crate::measure::{Outcome, Plan, timed};
use crate::report::Bench;

const HIT: &str = "table get, hit, 12 bytes";
const MISS: &str = "table get, miss";
const GET: &str = "table get";
const IN_PROCESS: &str = "in-process RwLock<HashMap>";

/// Measures them. "get" alone is three hits to one miss.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let dir = TempNamespace::new()?;
    let work = Workload::new(CAPACITY);
    let table = subject::filled(dir.path(), "lookups", &work, SHORT)?;
    work.check::<SHORT>(&table)?;
    baselines(bench, &dir, &work, &table)?;
    lmdb(bench, &work, &table)?;
    in_process(bench, &work, &table)?;
    long_values(bench, &dir, &work)
}

fn baselines(
    bench: &mut Bench,
    dir: &TempNamespace,
    work: &Workload,
    table: &Table<i32>,
) -> Result<()> {
    let linear = filled(work, Linear::create(&dir.path().join("linear"))?)?;
    let peer = "linear array, plain mutex";
    bench.row(HIT, peer, None, |p| versus(p, work, Mix::Hits, table, &linear))?;
    bench.row(MISS, peer, None, |p| versus(p, work, Mix::Misses, table, &linear))?;

    let hashed = filled(work, Hashed::create(&dir.path().join("hashed"))?)?;
    let peer = "hash table, plain mutex";
    bench.row(GET, peer, None, |p| versus(p, work, Mix::Mixed, table, &hashed))?;
    bench.row(HIT, peer, None, |p| versus(p, work, Mix::Hits, table, &hashed))?;
    bench.row(MISS, peer, None, |p| versus(p, work, Mix::Misses, table, &hashed))
}

fn lmdb(bench: &mut Bench, work: &Workload, table: &Table<i32>) -> Result<()> {
    let dir = TempNamespace::new()?;
    let lmdb = filled(work, Lmdb::create(dir.path())?)?;
    let peer = "LMDB, one txn a get";
    bench.row(GET, peer, None, |p| versus(p, work, Mix::Mixed, table, &lmdb))?;
    let peer = "LMDB, one txn for all";
    bench.row(GET, peer, None, |p| {
        p.compare(
            &mut side(work, Mix::Mixed, |keys| lookups::<SHORT>(table, keys).hits),
            &mut side(work, Mix::Mixed, |keys| snapshot_lookups(&lmdb, keys)),
        )
    })
}

fn in_process(bench: &mut Bench, work: &Workload, table: &Table<i32>) -> Result<()> {
    let map = filled(work, InProcess::<std::hash::RandomState>::default())?;
    bench.row(GET, IN_PROCESS, Some(1.0), |p| versus(p, work, Mix::Mixed, table, &map))?;
    bench.row(HIT, IN_PROCESS, None, |p| versus(p, work, Mix::Hits, table, &map))?;
    bench.row(MISS, IN_PROCESS, None, |p| versus(p, work, Mix::Misses, table, &map))?;
    bench.row("table get, each key known after the last value", IN_PROCESS, None, |p| {
        p.compare(
            &mut side(work, Mix::Hits, |keys| chained_lookups::<SHORT>(table, keys).hits),
            &mut side(work, Mix::Hits, |keys| chained_lookups::<SHORT>(&map, keys).hits),
        )
    })?;
    let map = filled(work, CheapHash::default())?;
    let peer = "the same, hash of one multiplication";
    bench.row(GET, peer, None, |p| versus(p, work, Mix::Mixed, table, &map))
}

/// Values that fill their buffers.
fn long_values(bench: &mut Bench, dir: &TempNamespace, work: &Workload) -> Result<()> {
    let table = subject::filled(dir.path(), "long", work, VALUE_SIZE)?;
    let map = InProcess::<std::hash::RandomState>::default();
    work.fill(&map, VALUE_SIZE)?;
    work.check::<VALUE_SIZE>(&map)?;
    work.check::<VALUE_SIZE>(&table)?;
    bench.row("table get, hit, 256 bytes", IN_PROCESS, None, |p| {
        p.compare(
            &mut side(work, Mix::Hits, |keys| lookups::<VALUE_SIZE>(&table, keys).hits),
            &mut side(work, Mix::Hits, |keys| lookups::<VALUE_SIZE>(&map, keys).hits),
        )
    })
}

fn filled<S: Store>(work: &Workload, store: S) -> Result<S> {
    work.fill(&store, SHORT)?;
    work.check::<SHORT>(&store)?;
    Ok(store)
}

/// Gets of 12-byte values: the same loop for both.
fn versus(
    plan: &Plan,
    work: &Workload,
    mix: Mix,
    ours: &impl Store,
    peer: &impl Store,
) -> Result<Outcome> {
    plan.compare(
        &mut side(work, mix, |keys| lookups::<SHORT>(ours, keys).hits),
        &mut side(work, mix, |keys| lookups::<SHORT>(peer, keys).hits),
    )
}

/// One transaction for all of `keys`: some thousands in a measured round.
#[inline(never)]
fn snapshot_lookups(lmdb: &Lmdb, keys: &[i32]) -> u64 {
    let snapshot = lmdb.snapshot();
    snapshot.map_or(0, |txn| lookups_by::<SHORT>(keys, |key, to| txn.get_into(key, to)).hits)
}

/// Looks up keys by `run`, which returns the number of hits; they are checked.
pub(crate) fn side(
    work: &Workload,
    mix: Mix,
    run: impl Fn(&[i32]) -> u64,
) -> impl FnMut(u64) -> Result<f64> {
    let mut cycle = work.cycle(mix);
    move |count| {
        let mut hits = 0;
        let ns = timed(count, || cycle.next(count, |keys| hits += run(keys)));
        let (least, most) = match mix {
            Mix::Hits => (count, count),
            Mix::Misses => (0, 0),
            Mix::Mixed => (count / 4, count),
        };
        ensure!((least..=most).contains(&hits), "{hits} of {count} lookups found a value");
        Ok(ns)
    }
}
