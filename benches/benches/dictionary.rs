//! The snapshot and its peers over the number of entries, for each set of keys: `lookup`,
//! `snapshot_build`, `scan` and `open`. Runs are short: these are curves for a first view; ratios
//! are measured by `shm-bench-rows`.

#![allow(missing_docs, clippy::expect_used, reason = "a benchmark that cannot be set up stops")]

use std::hint::black_box;
use std::ops::Bound;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use shm_benches::dictionary::{
    Asked, Corpus, Dictionary, Fst, KeySet, LmdbDictionary, Published, Queries, Sorted, full_scan,
    gets, hash_map, range_scans, tree,
};
use shm_harness::TempNamespace;

/// Lookups that are timed together.
const KEYS: u64 = 1024;
/// Entries of a range.
const LENGTH: usize = 100;
const SIZES: [usize; 6] = [16, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// The sizes that are measured. Maps of the two largest take long to build: ten million entries are
/// measured only if `SHMAP_FULL` is set, and a million not with criterion's `--quick`.
fn sizes() -> &'static [usize] {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let full = std::env::var_os("SHMAP_FULL").is_some();
    let left_out = if full { 0 } else { 1 + usize::from(quick) };
    SIZES.get(..SIZES.len() - left_out).unwrap_or(&SIZES)
}

type Group<'a> = BenchmarkGroup<'a, WallTime>;

fn group<'a>(criterion: &'a mut Criterion, name: &str, ms: u64) -> Group<'a> {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).warm_up_time(Duration::from_millis(ms / 3));
    group.measurement_time(Duration::from_millis(ms));
    group
}

fn lookup(criterion: &mut Criterion) {
    for set in KeySet::ALL {
        let mut group = group(criterion, &format!("lookup/{}", set.name()), 300);
        group.throughput(Throughput::Elements(KEYS));
        for &n in sizes() {
            let corpus = Corpus::new(set, n);
            let queries = Queries::new(&corpus, Asked::Hits);
            let dir = TempNamespace::new().expect("a directory");
            let mut one = |name: &str, map: &dyn Fn(&[&[u8]])| {
                let mut keys = queries.cycle();
                group.bench_function(BenchmarkId::new(name, n), |b| {
                    b.iter(|| keys.next(KEYS, map));
                });
            };
            // One after the other, so that only one is in memory.
            with(&published(dir.path(), &corpus, false), |run| one("snapshot (AVL)", run));
            with(&published(dir.path(), &corpus, true), |run| one("snapshot, hash index", run));
            with(&tree(&corpus.shuffled), |run| one("BTreeMap", run));
            with(&Sorted::new(&corpus.sorted), |run| one("sorted Vec", run));
            with(&hash_map(&corpus.shuffled), |run| one("hashbrown", run));
            with(&Fst::new(&corpus.sorted).expect("a transducer"), |run| one("fst", run));
            let lmdb = LmdbDictionary::create(dir.path(), &corpus.sorted).expect("an environment");
            with(&lmdb, |run| one("LMDB, one txn", run));
        }
        group.finish();
    }
}

/// Passes on the measured loop over a dictionary.
fn with(map: &impl Dictionary, f: impl FnOnce(&dyn Fn(&[&[u8]]))) {
    f(&|keys| {
        black_box(gets(map, keys));
    });
}

fn published(dir: &Path, corpus: &Corpus, hash_index: bool) -> Published {
    let path = dir.join(if hash_index { "indexed" } else { "plain" });
    Published::create(&path, corpus, hash_index).expect("a snapshot")
}

fn snapshot_build(criterion: &mut Criterion) {
    for set in KeySet::PROMISED {
        let mut group = group(criterion, &format!("snapshot_build/{}", set.name()), 600);
        for n in [1_000, 100_000] {
            let corpus = Corpus::new(set, n);
            group.throughput(Throughput::Elements(n as u64));
            let mut one = |name: &str, build: &dyn Fn() -> usize| {
                group.bench_function(BenchmarkId::new(name, n), |b| b.iter(build));
            };
            for (name, index) in [("random order", false), ("random order, hash index", true)] {
                one(name, &|| {
                    Published::image_of_unsorted(&corpus.shuffled, index).expect("an image").len()
                });
            }
            one("sorted", &|| Published::image(&corpus.sorted, false).expect("an image").len());
            one("BTreeMap collect, random order", &|| tree(&corpus.shuffled).len());
            one("BTreeMap collect, sorted", &|| tree(&corpus.sorted).len());
            one("fst, sorted", &|| Fst::new(&corpus.sorted).expect("a transducer").bytes());
        }
        group.finish();
    }
}

fn scan(criterion: &mut Criterion) {
    let n = sizes().last().copied().unwrap_or(1);
    let corpus = Corpus::new(KeySet::Urls, n);
    let queries = Queries::new(&corpus, Asked::Hits);
    let dir = TempNamespace::new().expect("a directory");
    let ours = published(dir.path(), &corpus, false);
    let ours = ours.snapshot();
    let peer = tree(&corpus.shuffled);

    let mut ranges = group(criterion, "scan/range of 100", 600);
    ranges.throughput(Throughput::Elements(LENGTH as u64));
    let mut keys = queries.cycle();
    ranges.bench_function("snapshot", |b| {
        b.iter(|| {
            keys.next(1, |keys| {
                black_box(range_scans(keys, LENGTH, |key| ours.range(key..)));
            });
        });
    });
    let mut keys = queries.cycle();
    ranges.bench_function("BTreeMap", |b| {
        let from = |key| (Bound::Included(key), Bound::Unbounded);
        b.iter(|| {
            keys.next(1, |keys| {
                black_box(range_scans(keys, LENGTH, |key| peer.range::<[u8], _>(from(key))));
            });
        });
    });
    ranges.finish();

    let mut full = group(criterion, "scan/full", 600);
    full.throughput(Throughput::Elements(n as u64));
    full.bench_function("snapshot", |b| b.iter(|| full_scan(ours.iter())));
    full.bench_function("BTreeMap", |b| b.iter(|| full_scan(peer.iter())));
    full.finish();
}

fn open(criterion: &mut Criterion) {
    let dir = TempNamespace::new().expect("a directory");
    let mut group = group(criterion, "open", 600);
    for &n in sizes() {
        let corpus = Corpus::new(KeySet::NumericIds, n);
        drop(published(dir.path(), &corpus, false));
        let path = dir.path().join("plain");
        // Unmapping is not part of it.
        group.bench_function(BenchmarkId::new("snapshot", n), |b| {
            b.iter_custom(|times| {
                let mut spent = Duration::ZERO;
                for _ in 0..times {
                    let start = Instant::now();
                    let opened = Published::open(&path).expect("a snapshot");
                    spent += start.elapsed();
                    drop(black_box(opened));
                }
                spent
            });
        });
    }
    group.finish();
}

criterion_group!(benches, lookup, snapshot_build, scan, open);
criterion_main!(benches);
