//! Rows about opening: open the file, map it, check the header.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use shm_benches::dictionary::{Corpus, Dictionary, KeySet, Published};

use super::Data;
use crate::measure::{quantile, timed};
use crate::report::Bench;

/// The bar, in nanoseconds.
const BAR: f64 = 50e3;
/// Times that the figure is taken of.
const TIMES: usize = 2000;

/// Measures them.
pub(super) fn measure(bench: &mut Bench, data: &Data) -> Result<()> {
    let (work, peer) = ("snapshot open, 1,000,000 keys", "1,000 keys");
    let first = "snapshot open and first get, 1,000,000 keys";
    if ![work, first].iter().any(|work| bench.wants(work, peer) || bench.wants(work, "–")) {
        return Ok(());
    }
    data.published(false)?;
    let large = data.dir.path().join("plain");
    let small = data.dir.path().join("small");
    Published::create(&small, &Corpus::new(KeySet::NumericIds, 1000), false)?;

    let key = data.corpus().sorted.keys().get(data.corpus().len() / 3);
    single(bench, work, Some(BAR), || {
        Published::open(&large).map(|opened| drop(black_box(opened)))
    })?;
    single(bench, first, None, || {
        let opened = Published::open(&large)?;
        black_box(opened.value(key));
        Ok(())
    })?;
    bench.row(work, peer, None, |plan| plan.compare(&mut side(&large), &mut side(&small)))
}

/// A row of one figure: the median; the 99th percentile is in the note. Unmapping is part of it.
fn single(
    bench: &mut Bench,
    work: &str,
    bar: Option<f64>,
    open: impl Fn() -> Result<()>,
) -> Result<()> {
    if !bench.wants(work, "–") {
        return Ok(());
    }
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let start = Instant::now();
        open()?;
        times.push(start.elapsed().as_nanos() as f64);
    }
    bench.plan.go_on()?;
    let note =
        format!("{TIMES} times, unmapping included: p99 {:.0} ns", quantile(&mut times, 0.99));
    bench.figure(work, quantile(&mut times, 0.5), None, bar, Some(note));
    Ok(())
}

fn side(path: &Path) -> impl FnMut(u64) -> Result<f64> {
    move |count| {
        let mut result = Ok(());
        let ns = timed(count, || {
            result = (0..count).try_for_each(|_| Published::open(path).map(|o| drop(black_box(o))));
        });
        result.map(|()| ns)
    }
}
