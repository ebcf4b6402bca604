//! Rows about batches of 100; times are per key.

use std::hint::black_box;

use anyhow::Result;
use shm_benches::baselines::Linear;
use shm_benches::subject;
use shm_benches::workload::{CAPACITY, Mix, SHORT, Tally, VALUE_SIZE, Workload, lookups, upserts};
use shm_harness::TempNamespace;
use slotmap_shm::Table;

use crate::report::Bench;
use crate::{lookups, updates};

/// Members of a batch.
const BATCH: usize = 100;

type Entries = Vec<(i32, [u8; SHORT])>;

/// Measures them.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let dir = TempNamespace::new()?;
    let work = Workload::new(CAPACITY);
    let table = subject::filled(dir.path(), "batch", &work, SHORT)?;
    let linear = Linear::create(&dir.path().join("linear"))?;
    work.fill(&linear, SHORT)?;

    let batch = "batch of 100, per key";
    bench.row(batch, "single upsert", None, |p| {
        p.compare(
            &mut updates::side(&work, |keys| upsert_batches(&table, keys)),
            &mut updates::side(&work, |keys| upserts(&table, keys)),
        )
    })?;
    bench.row(batch, "batch of 100, linear array, plain mutex", None, |p| {
        p.compare(
            &mut updates::side(&work, |keys| upsert_batches(&table, keys)),
            &mut updates::side(&work, |keys| batches(keys, |entries| linear.batch_update(entries))),
        )
    })?;
    bench.row("get_many of 100, per key", "single get_into", None, |p| {
        p.compare(
            &mut lookups::side(&work, Mix::Mixed, |keys| get_batches(&table, keys)),
            &mut lookups::side(&work, Mix::Mixed, |keys| lookups::<SHORT>(&table, keys).hits),
        )
    })?;
    bench.row("get_many of 100, per key", "single get", None, |p| {
        p.compare(
            &mut lookups::side(&work, Mix::Mixed, |keys| get_batches(&table, keys)),
            &mut lookups::side(&work, Mix::Mixed, |keys| owned_gets(&table, keys)),
        )
    })
}

/// Writes the keys in batches. Making a batch of keys and values is part of the time.
fn batches(keys: &[i32], mut write: impl FnMut(&[(i32, [u8; SHORT])]) -> bool) -> usize {
    let mut entries = Entries::with_capacity(BATCH);
    let mut done = 0;
    for keys in keys.chunks(BATCH) {
        entries.clear();
        entries.extend(keys.iter().map(|&key| (key, black_box([7; SHORT]))));
        done += if write(black_box(&entries)) { entries.len() } else { 0 };
    }
    done
}

#[inline(never)]
fn upsert_batches(table: &Table<i32>, keys: &[i32]) -> usize {
    batches(keys, |entries| table.upsert_many(entries).is_ok())
}

#[inline(never)]
fn get_batches(table: &Table<i32>, keys: &[i32]) -> u64 {
    let mut tally = Tally::default();
    for keys in keys.chunks(BATCH) {
        for value in table.get_many(black_box(keys)).unwrap_or_default().iter().flatten() {
            add(&mut tally, value);
        }
    }
    black_box(tally).hits
}

#[inline(never)]
fn owned_gets(table: &Table<i32>, keys: &[i32]) -> u64 {
    let mut tally = Tally::default();
    for &key in keys {
        if let Ok(Some(value)) = table.get(&black_box(key)) {
            add(&mut tally, &value);
        }
    }
    black_box(tally).hits
}

#[inline(always)]
fn add(tally: &mut Tally, value: &[u8]) {
    let mut buffer = [0; VALUE_SIZE];
    if let Some(to) = buffer.get_mut(..value.len()) {
        to.copy_from_slice(value);
        tally.add::<SHORT>(&buffer);
    }
}
