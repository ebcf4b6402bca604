//! Rows about lookups of random keys; each value is read.

use anyhow::{Result, ensure};
use avl_snapshot::Snapshot;
use shm_benches::dictionary::{
    Asked, Dictionary, Fold, Fst, LmdbDictionary, Published, Queries, chained_gets, gets, hash_map,
    tree,
};

use super::{Data, N};
use crate::measure::{Outcome, Plan, timed};
use crate::report::Bench;

/// Keys that `get_many` gets at once.
const BATCH: usize = 100;

/// A kind of lookup.
#[derive(Clone, Copy)]
enum Work {
    /// One after the other.
    Get(Asked),
    /// Each key is known only after the previous value.
    Chained,
    /// [`BATCH`] at once; the peer has no such call and is asked one by one.
    Many,
}

/// Measures them.
pub(super) fn measure(bench: &mut Bench, data: &Data) -> Result<()> {
    let hits = Work::Get(Asked::Hits);
    let mixed = Work::Get(Asked::Mixed);
    let both = |bar| [(hits, data.bar(bar)), (mixed, None)];
    against(bench, data, "BTreeMap", &both(4.0), || Ok(tree(&data.corpus().shuffled)))?;
    against(bench, data, "LMDB, one txn for all", &both(4.0), || {
        let dir = data.dir.path().join("lmdb");
        std::fs::create_dir(&dir)?;
        LmdbDictionary::create(&dir, &data.corpus().sorted)
    })?;
    against(bench, data, "fst", &both(1.3), || Fst::new(&data.corpus().sorted))?;
    let rows =
        [(hits, data.bar(0.6)), (mixed, None), (Work::Chained, None), (Work::Many, data.bar(1.0))];
    against(bench, data, "hashbrown", &rows, || Ok(hash_map(&data.corpus().shuffled)))?;
    in_private_memory(bench, data)
}

/// The rows against one peer, without hash index and with it.
fn against<P: Dictionary>(
    bench: &mut Bench,
    data: &Data,
    peer: &str,
    rows: &[(Work, Option<f64>)],
    build: impl FnOnce() -> Result<P>,
) -> Result<()> {
    let title = |work: Work, hash_index| {
        let index = if hash_index { ", hash index" } else { "" };
        let call = match work {
            Work::Many => "get_many",
            _ => "get",
        };
        let how = match work {
            Work::Get(Asked::Mixed) => ", 1 in 8 a miss",
            Work::Chained => ", each key known after the last value",
            _ => "",
        };
        format!("snapshot {call}{index}{how}, {}", data.name())
    };
    let all =
        || [false, true].into_iter().flat_map(|index| rows.iter().map(move |row| (index, row)));
    if !all().any(|(index, (work, _))| bench.wants(&title(*work, index), peer)) {
        return Ok(());
    }
    let other = build()?;
    data.check(&other)?;
    let hits = Queries::new(data.corpus(), Asked::Hits);
    let mixed = Queries::new(data.corpus(), Asked::Mixed);
    for (index, &(work, bar)) in all() {
        // Those of the tree alone are not reached yet: `docs/benchmarks.md` lists them.
        let bar = bar.filter(|_| index);
        let title = title(work, index);
        if !bench.wants(&title, peer) {
            continue;
        }
        let ours = data.published(index)?;
        let queries = if matches!(work, Work::Get(Asked::Mixed)) { &mixed } else { &hits };
        bench.row(&title, peer, bar, |plan| compare(plan, work, queries, &ours, &other))?;
    }
    Ok(())
}

fn compare(
    plan: &Plan,
    work: Work,
    queries: &Queries,
    ours: &Published,
    peer: &impl Dictionary,
) -> Result<Outcome> {
    let plan = plan.of_entries(N);
    match work {
        Work::Get(_) => plan.compare(
            &mut side(queries, |keys| gets(ours, keys)),
            &mut side(queries, |keys| gets(peer, keys)),
        ),
        Work::Chained => plan.compare(
            &mut side(queries, |keys| chained_gets(ours, keys)),
            &mut side(queries, |keys| chained_gets(peer, keys)),
        ),
        Work::Many => plan.compare(
            &mut side(queries, |keys| many(ours.snapshot(), keys)),
            &mut side(queries, |keys| gets(peer, keys)),
        ),
    }
}

/// Looks up keys by `get_many`, [`BATCH`] at once.
#[inline(never)]
pub(crate) fn many<D: AsRef<[u8]>>(snapshot: &Snapshot<D>, keys: &[&[u8]]) -> Fold {
    let mut fold = Fold::default();
    for keys in keys.chunks(BATCH) {
        let values = snapshot.get_many(std::hint::black_box(keys));
        values.into_iter().flatten().for_each(|value| fold.add(value));
    }
    std::hint::black_box(fold)
}

/// What the mapping costs: the same image in private memory.
fn in_private_memory(bench: &mut Bench, data: &Data) -> Result<()> {
    let (work, peer) = (format!("snapshot get, {}", data.name()), "itself, in private memory");
    if !bench.wants(&work, peer) {
        return Ok(());
    }
    let ours = data.published(false)?;
    let other = Snapshot::new(Published::image(&data.corpus().sorted, false)?)?;
    data.check(&other)?;
    let queries = Queries::new(data.corpus(), Asked::Hits);
    bench.row(&work, peer, None, |plan| {
        compare(plan, Work::Get(Asked::Hits), &queries, &ours, &other)
    })
}

/// Looks up queries by `run`; the number of hits is checked.
pub(crate) fn side(
    queries: &Queries,
    run: impl Fn(&[&[u8]]) -> Fold,
) -> impl FnMut(u64) -> Result<f64> {
    let mut cycle = queries.cycle();
    let least = |count| match queries.asked() {
        Asked::Hits => count,
        Asked::Mixed => count / 4,
    };
    move |count| {
        let mut hits = 0;
        let ns = timed(count, || cycle.next(count, |keys| hits += run(keys).entries));
        ensure!((least(count)..=count).contains(&hits), "{hits} of {count} lookups found a value");
        Ok(ns)
    }
}
