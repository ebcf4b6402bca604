//! Rows about building: from entries in random order and in key order, up to the finished map. Both
//! sides copy keys and values; dropping the map is not part of it. Times are processor time, per
//! entry.

use std::hint::black_box;

use anyhow::Result;
use shm_benches::dictionary::{Corpus, Fst, KeySet, Published, hash_map, tree, tree_of_single};
use shm_benches::heap;

use super::Data;
use crate::measure::processor_time;
use crate::report::Bench;

/// Builds something from a corpus, and returns the nanoseconds that took.
type Build = fn(&Corpus) -> Result<f64>;

/// Measures them, for the sets that have bars.
pub(super) fn measure(bench: &mut Bench, data: &Data) -> Result<()> {
    if !KeySet::PROMISED.contains(&data.set) {
        return Ok(());
    }
    let (random, sorted) = ("random order", "sorted");
    let (tree_of_random, tree_of_sorted): (Build, Build) =
        (|corpus| time(|| tree(&corpus.shuffled)), |corpus| time(|| tree(&corpus.sorted)));
    let rows: [(&str, &str, Option<f64>, Build, Build); 10] = [
        (random, "BTreeMap collect", data.bar(1.0), |c| unsorted(c, false), tree_of_random),
        (
            "random order, hash index",
            "BTreeMap collect",
            None,
            |c| unsorted(c, true),
            tree_of_random,
        ),
        ("random order, one by one", "BTreeMap insert", None, single, |corpus| {
            time(|| tree_of_single(&corpus.shuffled))
        }),
        ("random order, one by one", "BTreeMap collect", None, single, tree_of_random),
        (
            random,
            "hashbrown collect",
            None,
            |c| unsorted(c, false),
            |corpus| time(|| hash_map(&corpus.shuffled)),
        ),
        (sorted, "BTreeMap collect", None, from_sorted_entries, tree_of_sorted),
        (
            "sorted, hash index",
            "BTreeMap collect",
            None,
            |corpus| tried(|| Published::image(&corpus.sorted, true)),
            tree_of_sorted,
        ),
        (sorted, "BTreeMap collect, from random order", None, from_sorted_entries, tree_of_random),
        (
            "sorted, to a file",
            "image in memory, then to a file",
            None,
            |corpus| tried(|| Published::file(&corpus.sorted)),
            |corpus| tried(|| Published::file_of_image(&corpus.sorted)),
        ),
        (sorted, "fst", None, from_sorted_entries, |corpus| tried(|| Fst::new(&corpus.sorted))),
    ];
    for (from, peer, bar, ours, other) in rows {
        let work = format!("snapshot build from {from}, per key, {}", data.name());
        bench.row(&work, peer, bar, |plan| {
            let corpus = data.corpus();
            heap::settle();
            let per_key = |ns: f64| ns / corpus.len() as f64;
            plan.compare_long(&mut |_| ours(corpus).map(per_key), &mut |_| {
                other(corpus).map(per_key)
            })
        })?;
    }
    Ok(())
}

/// By way of the red-black tree.
fn unsorted(corpus: &Corpus, hash_index: bool) -> Result<f64> {
    tried(|| Published::image_of_unsorted(&corpus.shuffled, hash_index))
}

fn single(corpus: &Corpus) -> Result<f64> {
    tried(|| Published::image_of_single(&corpus.shuffled))
}

fn from_sorted_entries(corpus: &Corpus) -> Result<f64> {
    tried(|| Published::image(&corpus.sorted, false))
}

/// Nanoseconds of a build that may fail, without the drop.
fn tried<T>(build: impl FnOnce() -> Result<T>) -> Result<f64> {
    let start = processor_time()?;
    let built = build();
    let ns = processor_time()? - start;
    drop(black_box(built?));
    heap::settle();
    Ok(ns)
}

/// As [`tried`].
fn time<T>(build: impl FnOnce() -> T) -> Result<f64> {
    tried(|| Ok(build()))
}
