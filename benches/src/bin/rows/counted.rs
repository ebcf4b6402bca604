//! Lookups whose instructions and cache misses valgrind counts, for `cargo xtask bench --count`.
//!
//! One process makes files with the maps of a key set. Another, which runs under valgrind, opens
//! one map and looks keys up: first without being counted, until the simulated caches hold what
//! they hold in the long run, then counted. Valgrind counts only inside of [`counted`], which is
//! found by its name. A map in private memory has no file; it is filled in random order from a file
//! of its keys, as the maps of the rows are.
//!
//! The last line that the second process prints is the number of counted lookups, or of counted
//! entries of ranges.

use std::hint::black_box;
use std::ops::Bound;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use shm_benches::dictionary::{
    Asked, Corpus, Dictionary, Entries, Fold, Fst, KeyList, KeySet, LmdbDictionary, Published,
    Queries, gets, hash_map, range_scans, tree,
};

use crate::snapshot::gets::many;

/// Lookups, at most. Three quarters of them warm the caches up, and the others are counted.
const LOOKUPS: usize = 200_000;
/// Of a small map, each entry is looked up so often.
const OFTEN: usize = 16;
/// Queries that are read beforehand, so that the queries themselves are in the cache: the processor
/// would fetch them early, since they are read in order, and the simulation does not.
const BATCH: usize = 100;
/// Entries of a range.
const LENGTH: usize = 100;
/// A range touches many more lines than a lookup, so there are fewer of them.
const RANGES: usize = 20;

/// Makes the files of `n` keys of a set, in `dir`.
pub(crate) fn make_files(dir: &Path, set: &str, n: usize) -> Result<()> {
    let set = KeySet::ALL.into_iter().find(|one| one.name() == set).context("no such key set")?;
    let corpus = Corpus::new(set, n);
    for (name, hash_index) in [("tree", false), ("hash-index", true)] {
        Published::create(&dir.join(name), &corpus, hash_index)?;
    }
    let lmdb = dir.join("lmdb");
    std::fs::create_dir(&lmdb)?;
    LmdbDictionary::create(&lmdb, &corpus.sorted)?;
    Fst::new(&corpus.sorted)?.save(dir, "fst")?;
    corpus.shuffled.keys().save(&dir.join("keys"))?;
    let mut queries = KeyList::default();
    let all = Queries::new(&corpus, Asked::Hits);
    all.cycle().next(LOOKUPS.min(n * OFTEN) as u64, |keys| {
        keys.iter().for_each(|key| queries.push(key));
    });
    queries.save(&dir.join("queries"))
}

/// Opens or fills a map, looks keys up, and prints how many lookups or entries were counted.
pub(crate) fn run(dir: &Path, map: &str, call: &str) -> Result<()> {
    let queries = KeyList::load(&dir.join("queries"))?;
    let queries: Vec<&[u8]> = queries.iter().collect();
    let entries = || Ok::<_, anyhow::Error>(Entries::of_keys(&KeyList::load(&dir.join("keys"))?));
    let count = match (map, call) {
        ("tree" | "hash-index", "get") => lookups(&queries, &Published::open(&dir.join(map))?),
        ("tree" | "hash-index", "get_many") => {
            let map = Published::open(&dir.join(map))?;
            measure(&queries, |keys| many(map.snapshot(), keys))
        }
        ("tree", "range") => {
            let map = Published::open(&dir.join(map))?;
            ranges(&queries, |keys| range_scans(keys, LENGTH, |key| map.snapshot().range(key..)))
        }
        ("btree-map", "get") => lookups(&queries, &tree(&entries()?)),
        ("btree-map", "range") => {
            let map = tree(&entries()?);
            ranges(&queries, |keys| {
                let from = |key| (Bound::Included(key), Bound::Unbounded);
                range_scans(keys, LENGTH, |key| map.range::<[u8], _>(from(key)))
            })
        }
        ("hashbrown", "get") => lookups(&queries, &hash_map(&entries()?)),
        ("fst", "get") => lookups(&queries, &Fst::load(dir, "fst")?),
        ("lmdb", "get") => lookups(&queries, &LmdbDictionary::open(&dir.join("lmdb"))?),
        ("lmdb", "range") => {
            let map = LmdbDictionary::open(&dir.join("lmdb"))?;
            ranges(&queries, |keys| range_scans(keys, LENGTH, |key| map.from(key)))
        }
        _ => bail!("no call {call:?} of {map:?} is counted"),
    };
    println!("{}", count?);
    Ok(())
}

fn lookups(queries: &[&[u8]], map: &impl Dictionary) -> Result<u64> {
    let count = measure(queries, |keys| gets(map, keys))?;
    let counted = queries.len() - warm(queries);
    ensure!(count == counted as u64, "{count} of {counted} lookups found a value");
    Ok(count)
}

fn ranges(queries: &[&[u8]], run: impl Fn(&[&[u8]]) -> Fold) -> Result<u64> {
    let fewer: Vec<&[u8]> = queries.iter().copied().step_by(RANGES).collect();
    measure(&fewer, run)
}

/// How many queries warm the caches up.
fn warm(queries: &[&[u8]]) -> usize {
    queries.len() / 4 * 3
}

/// Looks up the queries, and counts the last quarter of them. Returns how many entries were found
/// there.
fn measure(queries: &[&[u8]], run: impl Fn(&[&[u8]]) -> Fold) -> Result<u64> {
    let (warm, cold) = queries.split_at(warm(queries));
    let mut entries = 0;
    for keys in warm.chunks(BATCH) {
        black_box(run(keys));
    }
    for keys in cold.chunks(BATCH) {
        black_box(keys.iter().copied().flatten().fold(0, |sum: u64, &byte| sum + u64::from(byte)));
        entries += counted(|| run(keys)).entries;
    }
    ensure!(entries > 0, "nothing was found");
    Ok(entries)
}

/// What is counted. The name of this function is known to `xtask/src/count`.
#[inline(never)]
fn counted(run: impl FnOnce() -> Fold) -> Fold {
    // Not as the last call, which would be a jump out of this function.
    black_box(run())
}
