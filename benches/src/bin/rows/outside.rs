//! Rows against the peer that is built outside of this workspace. Its worker process is asked for
//! its side of each round; the timed loops are the same code.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use shm_bench_common::keys::Spread;
use shm_bench_common::processor::Spent;
use shm_bench_common::remote::{Remote, run_together};
use shm_benches::subject;
use shm_benches::workload::{CAPACITY, Mix, SHORT, Workload, lookups, upserts};
use shm_harness::TempNamespace;

use crate::apart::Apart;
use crate::report::Bench;
use crate::{lookups as gets, updates};

const PEER: &str = "subetha-cxc";
const GET: &str = "table get, hit, 12 bytes";
const UPSERT: &str = "table upsert (crash-safe, robust)";
const TOGETHER: (&str, &str) = ("table upsert, two writers", "subetha-cxc, two writers");
/// How long two processes write before their writes are counted.
const ROUND: Duration = Duration::from_millis(2);

/// Measures them against the peer whose worker is `program`.
pub(crate) fn measure(bench: &mut Bench, program: &Path) -> Result<()> {
    let rows = [(GET, PEER), (UPSERT, PEER), TOGETHER];
    if !rows.iter().any(|(work, peer)| bench.wants(work, peer)) {
        return Ok(());
    }
    let (dir, work) = (TempNamespace::new()?, Workload::new(CAPACITY));
    let table = subject::filled(dir.path(), "map", &work, SHORT)?;
    let peer_dir = TempNamespace::new()?;
    let peer = || {
        let mut command = Command::new(program);
        command.arg(peer_dir.path());
        command
    };
    let mut first = Remote::spawn(peer().arg("create"))?;
    bench.row(GET, PEER, Some(1.2), |p| {
        p.compare(
            &mut gets::side(&work, Mix::Hits, |keys| lookups::<SHORT>(&table, keys).hits),
            &mut |count| first.time("get", count),
        )
    })?;
    bench.row(UPSERT, PEER, Some(0.8), |p| {
        p.compare(&mut updates::side(&work, |keys| upserts(&table, keys)), &mut |count| {
            first.time("upsert", count)
        })
    })?;

    let ours = || -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--role", "worker-table"]).arg(dir.path());
        Ok(command)
    };
    let mut ours = [Remote::spawn(ours()?.arg("open"))?, Remote::spawn(ours()?.arg("open"))?];
    let mut theirs = [first, Remote::spawn(peer().arg("open"))?];
    let apart = Apart::default();
    bench.row(TOGETHER.0, TOGETHER.1, Some(1.0), |p| {
        for pair in [&mut ours, &mut theirs] {
            for (part, writer) in pair.iter_mut().enumerate() {
                writer.pin(part)?;
                writer.keys(Spread::Own { part, parts: 2 })?;
            }
        }
        p.compare(&mut |_| both(&apart, &mut ours), &mut |_| both(&apart, &mut theirs))
    })?;
    bench.amend(TOGETHER.0, TOGETHER.1, |row| row.note = Some(apart.note()));
    ensure!(table.verify().is_ok(), "the table is damaged");
    Ok(())
}

/// Lets two processes write; returns the nanoseconds per write, of all writes together.
fn both(apart: &Apart, writers: &mut [Remote]) -> Result<f64> {
    let wall = ROUND.as_nanos() as u64;
    apart.run(|| {
        let ran = run_together(writers, ROUND)?;
        let writes: u64 = ran.iter().map(|ran| ran.writes).sum();
        let undisturbed = ran.iter().all(|ran| Spent { wall, delayed: ran.delayed }.undisturbed());
        Ok((wall as f64 / writes as f64, undisturbed))
    })
}
