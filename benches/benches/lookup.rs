//! `get` over the number of entries: hits and misses, the linear array, the table, the snapshot
//! (AVL) and what they are compared with. For more entries and other keys see `dictionary`. Times
//! are for [`KEYS`] lookups.

#![allow(missing_docs, clippy::expect_used, reason = "a benchmark that cannot be set up stops")]

use std::hash::RandomState;
use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use shm_benches::baselines::{Hashed, Linear};
use shm_benches::dictionary::{ByNumber, Entries, Published};
use shm_benches::peers::{InProcess, Lmdb};
use shm_benches::workload::{Cycle, Mix, SHORT, Workload, lookups, lookups_by};
use shm_benches::{Store, subject};
use shm_harness::TempNamespace;

/// Lookups that are timed together.
const KEYS: u64 = 1024;
const SIZES: [usize; 4] = [16, 64, 256, 1024];

type Group<'a> = BenchmarkGroup<'a, WallTime>;

fn lookup(criterion: &mut Criterion) {
    for (mix, name) in [(Mix::Hits, "lookup/hit"), (Mix::Misses, "lookup/miss")] {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(KEYS));
        group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(1));
        for n in SIZES {
            all(&mut group, n, mix);
        }
        group.finish();
    }
}

fn all(group: &mut Group<'_>, n: usize, mix: Mix) {
    let dir = TempNamespace::new().expect("a directory");
    let work = Workload::new(n);
    let table = subject::filled(dir.path(), "table", &work, SHORT).expect("a table");
    one(group, "table", &work, mix, &table);
    let linear = Linear::create(&dir.path().join("linear")).expect("a linear array");
    one(group, "linear, plain mutex", &work, mix, &filled(&work, linear));
    let hashed = Hashed::create(&dir.path().join("hashed")).expect("a hash table");
    one(group, "hashed, plain mutex", &work, mix, &filled(&work, hashed));
    let in_process = filled(&work, InProcess::<RandomState>::default());
    one(group, "in-process", &work, mix, &in_process);

    let sorted = Entries::of_numbers(&work).sorted();
    for (name, hash_index) in [("snapshot (AVL)", false), ("snapshot, hash index", true)] {
        let path = dir.path().join(name);
        let image = Published::image(&sorted, hash_index).expect("an image");
        std::fs::write(&path, &image[..]).expect("room for it");
        let snapshot = ByNumber(Published::open(&path).expect("a snapshot"));
        work.check::<SHORT>(&snapshot).expect("the entries");
        one(group, name, &work, mix, &snapshot);
    }

    let dir = TempNamespace::new().expect("a directory");
    let lmdb = filled(&work, Lmdb::create(dir.path()).expect("an environment"));
    one(group, "lmdb, txn a get", &work, mix, &lmdb);
    by(group, "lmdb, one txn", &work, mix, |keys| {
        let txn = lmdb.snapshot().expect("a transaction");
        black_box(lookups_by::<SHORT>(keys, |key, to| txn.get_into(key, to)));
    });
}

fn filled<S: Store>(work: &Workload, store: S) -> S {
    work.fill(&store, SHORT).expect("room for the entries");
    work.check::<SHORT>(&store).expect("the entries");
    store
}

fn one(group: &mut Group<'_>, name: &str, work: &Workload, mix: Mix, store: &impl Store) {
    by(group, name, work, mix, |keys| {
        black_box(lookups::<SHORT>(store, keys));
    });
}

fn by(group: &mut Group<'_>, name: &str, work: &Workload, mix: Mix, run: impl Fn(&[i32])) {
    let mut keys: Cycle = work.cycle(mix);
    group.bench_function(BenchmarkId::new(name, work.present().len()), |b| {
        b.iter(|| keys.next(KEYS, &run));
    });
}

criterion_group!(benches, lookup);
criterion_main!(benches);
