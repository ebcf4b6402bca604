//! Rows about two processes that write different keys at the same time. The time is that of a write
//! in both together: half of what each of them sees.

use std::cell::RefCell;

use anyhow::{Result, ensure};
use shm_bench_common::processor::{Pinned, Spent, Stopwatch};
use shm_benches::Store;
use shm_benches::baselines::Hashed;
use shm_benches::subject;
use shm_benches::workload::{CAPACITY, Cycle, SHORT, Workload, upserts};
use shm_harness::TempNamespace;

use crate::apart::Apart;
use crate::child::{Writer, cycle};
use crate::report::Bench;

/// Measures them.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let rows = [
        ("table upsert, two writers", "hash table, plain mutex, two writers"),
        ("table upsert, two writers", "one writer"),
        ("table upsert, two writers of one table", "two writers of two tables"),
    ];
    if !rows.iter().any(|(work, peer)| bench.wants(work, peer)) {
        return Ok(());
    }
    let [versus_hashed, versus_one, versus_two] = rows;
    let dir = TempNamespace::new()?;
    let work = Workload::new(CAPACITY);
    let table = subject::filled(dir.path(), "one", &work, SHORT)?;
    let _other = subject::filled(dir.path(), "two", &work, SHORT)?;
    let hashed = Hashed::create(&dir.path().join("hashed"))?;
    work.fill(&hashed, SHORT)?;
    let same = RefCell::new(Writer::spawn(&dir, "table", "one", true)?);
    let mut other = Writer::spawn(&dir, "table", "two", true)?;
    let mut plain = Writer::spawn(&dir, "hashed", "hashed", true)?;
    let (_pinned, apart) = (Pinned::to(0), Apart::default());
    let mut keys = cycle(false);
    let mut together = |count| both(&apart, &mut same.borrow_mut(), &table, &mut keys, count);

    bench.row(versus_hashed.0, versus_hashed.1, None, |p| {
        let mut keys = cycle(false);
        p.compare(&mut together, &mut |count| both(&apart, &mut plain, &hashed, &mut keys, count))
    })?;
    bench.amend(versus_hashed.0, versus_hashed.1, |row| row.note = Some(apart.note()));
    bench.row(versus_one.0, versus_one.1, None, |p| {
        let mut keys = cycle(false);
        p.compare(&mut together, &mut |count| alone(&apart, &table, &mut keys, count))
    })?;
    bench.amend(versus_one.0, versus_one.1, |row| row.note = Some(apart.note()));
    bench.row(versus_two.0, versus_two.1, None, |p| {
        let mut keys = cycle(false);
        p.compare(&mut together, &mut |count| both(&apart, &mut other, &table, &mut keys, count))
    })?;
    bench.amend(versus_two.0, versus_two.1, |row| {
        let bound = "an upper bound for what stripes of locks could bring";
        row.note = Some(format!("{bound}; {}", apart.note()));
    });
    ensure!(table.verify().is_ok(), "the table is damaged");
    Ok(())
}

/// Writes by this process alone.
fn alone(apart: &Apart, store: &impl Store, keys: &mut Cycle, count: u64) -> Result<f64> {
    apart.run(|| {
        let (ns, spent) = write(store, keys, count)?;
        Ok((ns, spent.undisturbed()))
    })
}

/// Writes in both processes at the same time. Returns the nanoseconds per write, of all writes
/// together.
fn both(
    apart: &Apart,
    there: &mut Writer,
    store: &impl Store,
    keys: &mut Cycle,
    count: u64,
) -> Result<f64> {
    apart.run(|| {
        there.start()?;
        let (ns, here) = write(store, keys, count)?;
        let (writes, spent) = there.stop()?;
        let together = 1.0 / (1.0 / ns + writes as f64 / spent.wall as f64);
        Ok((together, here.undisturbed() && spent.undisturbed()))
    })
}

fn write(store: &impl Store, keys: &mut Cycle, count: u64) -> Result<(f64, Spent)> {
    let mut done = 0;
    let watch = Stopwatch::start();
    keys.next(count, |keys| done += upserts(store, keys));
    let spent = watch.spent();
    ensure!(done as u64 == count, "{done} of {count} upserts were done");
    Ok((spent.wall as f64 / count as f64, spent))
}
