//! Rows about two processes that write at once, different keys. The time is that of
//! a write in both together: half of what each of them sees.

use std::cell::RefCell;

use anyhow::{Result, ensure};
use shm_benches::Store;
use shm_benches::baselines::Hashed;
use shm_benches::subject;
use shm_benches::workload::{CAPACITY, Cycle, SHORT, Workload, upserts};
use shm_harness::TempNamespace;

use crate::child::{Writer, cycle};
use crate::measure::timed;
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
    let mut keys = cycle(false);
    let mut together = |count| both(&mut same.borrow_mut(), &table, &mut keys, count);

    bench.row(versus_hashed.0, versus_hashed.1, None, |p| {
        let mut keys = cycle(false);
        p.compare(&mut together, &mut |count| both(&mut plain, &hashed, &mut keys, count))
    })?;
    bench.row(versus_one.0, versus_one.1, None, |p| {
        let mut keys = cycle(false);
        p.compare(&mut together, &mut |count| alone(&table, &mut keys, count))
    })?;
    bench.row(versus_two.0, versus_two.1, None, |p| {
        let mut keys = cycle(false);
        p.compare(&mut together, &mut |count| both(&mut other, &table, &mut keys, count))
    })?;
    bench.amend(versus_two.0, |row| {
        row.note = Some("an upper bound for what stripes of locks could bring".into());
    });
    ensure!(table.verify().is_ok(), "the table is damaged");
    Ok(())
}

fn alone(store: &impl Store, keys: &mut Cycle, count: u64) -> Result<f64> {
    let mut done = 0;
    let ns = timed(count, || keys.next(count, |keys| done += upserts(store, keys)));
    ensure!(done as u64 == count, "{done} of {count} upserts were done");
    Ok(ns)
}

/// Writes here and there at once; nanoseconds a write, of all writes together.
fn both(there: &mut Writer, store: &impl Store, keys: &mut Cycle, count: u64) -> Result<f64> {
    there.start()?;
    let here = alone(store, keys, count)?;
    let (writes, ns) = there.stop()?;
    Ok(1.0 / (1.0 / here + writes as f64 / ns as f64))
}
