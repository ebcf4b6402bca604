//! The row about an owner that is killed: the time from the kill to the return of
//! the next write of another process, which waits for the death and repairs.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use shm_benches::subject;
use shm_benches::workload::{CAPACITY, SHORT, Workload};
use shm_harness::TempNamespace;

use crate::measure::quantile;
use crate::report::Bench;
use crate::stopped::Stopped;

/// The bar, in nanoseconds.
const BAR: f64 = 5e6;

/// Measures it.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let (work_name, peer) = ("owner killed → next write succeeds", "–");
    if !bench.wants(work_name, peer) {
        return Ok(());
    }
    let dir = TempNamespace::new()?;
    let work = Workload::new(CAPACITY);
    let table = subject::filled(dir.path(), "killed", &work, SHORT)?;
    let held = Stopped::spawn(&dir, "killed")?.measure_hold()?;
    let key = *work.present().first().context("a key")?;
    let mut times = Vec::new();
    for round in 0..bench.plan.kills as u64 {
        bench.plan.go_on()?;
        let mut owner = Stopped::spawn(&dir, "killed")?;
        owner.enter(round * 7 % held)?;
        let before = table.stats().recoveries;
        let start = Instant::now();
        kill(owner.pid(), Signal::SIGKILL)?;
        // A batch takes the lock, even for a key that is present.
        table.upsert_many(&[(key, b"a new value")])?;
        times.push(start.elapsed().as_nanos() as f64);
        ensure!(table.stats().recoveries == before + 1, "the write did not repair");
    }
    table.verify()?;
    let (p50, p99) = (quantile(&mut times, 0.5), quantile(&mut times, 0.99));
    let (max, kills) = (quantile(&mut times, 1.0), times.len());
    let note = format!(
        "{kills} kills, each at another instruction of a write: \
         p50 {:.0} µs, p99 {:.0} µs, max {:.0} µs",
        p50 / 1e3,
        p99 / 1e3,
        max / 1e3
    );
    bench.figure(work_name, p99, None, Some(BAR), Some(note));
    Ok(())
}
