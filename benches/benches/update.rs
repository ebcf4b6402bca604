//! Single writes of 12 bytes to 1024 entries: alone, and with a second writer.

#![allow(missing_docs, clippy::expect_used, reason = "a benchmark that cannot be set up stops")]

use std::hash::RandomState;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use shm_benches::baselines::{Hashed, Linear};
use shm_benches::peers::{InProcess, Lmdb};
use shm_benches::workload::{CAPACITY, Mix, SHORT, Workload, replacements, upserts};
use shm_benches::{Store, subject};
use shm_harness::TempNamespace;

/// Writes that are timed together.
const KEYS: u64 = 256;

type Group<'a> = BenchmarkGroup<'a, WallTime>;
type Run = fn(&mut Group<'_>, &str, &Workload, &dyn Shared);

fn update(criterion: &mut Criterion) {
    let work = Workload::new(CAPACITY);
    let groups: [(&str, Run); 3] = [
        ("update/upsert", upsert),
        ("update/remove + add", replace),
        ("update/contended", contended),
    ];
    for (name, run) in groups {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(KEYS));
        stores(&work, |name, store| run(&mut group, name, &work, store));
        group.finish();
    }
}

/// The two loops, over any store, from any thread.
trait Shared: Sync {
    fn upserts(&self, keys: &[i32]) -> usize;
    fn replacements(&self, keys: &[i32]) -> usize;
}

impl<S: Store + Sync> Shared for S {
    fn upserts(&self, keys: &[i32]) -> usize {
        upserts(self, keys)
    }

    fn replacements(&self, keys: &[i32]) -> usize {
        replacements(self, keys)
    }
}

fn stores(work: &Workload, mut f: impl FnMut(&str, &dyn Shared)) {
    let dir = TempNamespace::new().expect("a directory");
    f("table", &subject::filled(dir.path(), "table", work, SHORT).expect("a table"));
    let linear = Linear::create(&dir.path().join("linear")).expect("a linear array");
    f("linear, plain mutex", &filled(work, linear));
    let hashed = Hashed::create(&dir.path().join("hashed")).expect("a hash table");
    f("hashed, plain mutex", &filled(work, hashed));
    f("in-process", &filled(work, InProcess::<RandomState>::default()));
    let dir = TempNamespace::new().expect("a directory");
    f("lmdb, txn a write", &filled(work, Lmdb::create(dir.path()).expect("an environment")));
}

fn filled<S: Store>(work: &Workload, store: S) -> S {
    work.fill(&store, SHORT).expect("room for the entries");
    store
}

fn upsert(group: &mut Group<'_>, name: &str, work: &Workload, store: &dyn Shared) {
    let mut keys = work.cycle(Mix::Hits);
    group.bench_function(name, |b| {
        b.iter(|| keys.next(KEYS, |keys| run(store.upserts(keys), keys)))
    });
}

fn replace(group: &mut Group<'_>, name: &str, work: &Workload, store: &dyn Shared) {
    let mut keys = work.cycle(Mix::Hits);
    group.bench_function(name, |b| {
        b.iter(|| keys.next(KEYS, |keys| run(store.replacements(keys), keys)));
    });
}

/// What one writer gets done while another thread writes without pause. Between
/// processes: see `shm-bench-rows`.
fn contended(group: &mut Group<'_>, name: &str, work: &Workload, store: &dyn Shared) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (stop, store) = (&stop, &store);
        scope.spawn(move || {
            let mut keys = work.cycle(Mix::Hits);
            while !stop.load(Ordering::Relaxed) {
                keys.next(64, |keys| run(store.upserts(keys), keys));
            }
        });
        upsert(group, name, work, *store);
        stop.store(true, Ordering::Relaxed);
    });
}

fn run(done: usize, keys: &[i32]) {
    assert_eq!(black_box(done), keys.len(), "a write failed");
}

criterion_group!(benches, update);
criterion_main!(benches);
