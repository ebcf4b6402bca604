//! A hundred keys at once, against one after the other.

#![allow(missing_docs, clippy::expect_used, reason = "a benchmark that cannot be set up stops")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use shm_benches::baselines::Linear;
use shm_benches::subject;
use shm_benches::workload::{CAPACITY, Mix, SHORT, Workload, lookups, upserts};
use shm_harness::TempNamespace;

const BATCH: u64 = 100;

fn batch(criterion: &mut Criterion) {
    let dir = TempNamespace::new().expect("a directory");
    let work = Workload::new(CAPACITY);
    let table = subject::filled(dir.path(), "table", &work, SHORT).expect("a table");
    let linear = Linear::create(&dir.path().join("linear")).expect("a linear array");
    work.fill(&linear, SHORT).expect("room for the entries");
    let entries = |keys: &[i32]| -> Vec<(i32, [u8; SHORT])> {
        keys.iter().map(|&key| (key, black_box([7; SHORT]))).collect()
    };
    let mut keys = work.cycle(Mix::Hits);

    let mut group = criterion.benchmark_group("batch/write");
    group.throughput(Throughput::Elements(BATCH));
    group.bench_function("table, one batch", |b| {
        b.iter(|| keys.next(BATCH, |keys| table.upsert_many(&entries(keys)).expect("a write")));
    });
    group.bench_function("table, single upserts", |b| {
        b.iter(|| keys.next(BATCH, |keys| assert_eq!(upserts(&table, keys), keys.len())));
    });
    group.bench_function("linear, plain mutex, one batch", |b| {
        b.iter(|| keys.next(BATCH, |keys| assert!(linear.batch_update(&entries(keys)))));
    });
    group.finish();

    let mut group = criterion.benchmark_group("batch/read");
    group.throughput(Throughput::Elements(BATCH));
    group.bench_function("table, get_many", |b| {
        b.iter(|| keys.next(BATCH, |keys| drop(black_box(table.get_many(keys)))));
    });
    group.bench_function("table, single get_into", |b| {
        b.iter(|| {
            keys.next(BATCH, |keys| {
                black_box(lookups::<SHORT>(&table, keys));
            });
        });
    });
    group.finish();
}

criterion_group!(benches, batch);
criterion_main!(benches);
