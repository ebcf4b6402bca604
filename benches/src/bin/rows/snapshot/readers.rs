//! Rows about the memory of reader processes: that of the image, once, and of page tables.
//!
//! Readers map one file, read all of it, and stay alive. `/proc` then shows for each of them:
//!
//! | figure | from |
//! |---|---|
//! | PSS: pages by the number of processes that share them | `smaps_rollup`, `Pss` |
//! | memory of one's own | `smaps_rollup`, `Pss_Anon`: heap, stack, data |
//! | page tables | `status`, `VmPTE` |

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use shm_benches::dictionary::{HashMap, Published, full_scan};
use shm_harness::Child;

use super::Data;
use crate::child::spawn;
use crate::report::Bench;

/// The watchdog of a process that reads, or copies, all of a map, on a machine that does other
/// things too.
const LIMIT: Duration = Duration::from_secs(120);

/// What some processes that read one map need, in KiB.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Memory {
    /// What they are.
    pub(crate) what: &'static str,
    /// How many processes.
    pub(crate) readers: usize,
    /// The file.
    pub(crate) image_kib: u64,
    /// PSS of all of them.
    pub(crate) pss_sum_kib: u64,
    /// The mean private (anonymous) memory of a process.
    pub(crate) private_kib: u64,
    /// Page tables of a process, the mean.
    pub(crate) page_tables_kib: u64,
}

/// Measures them.
pub(super) fn measure(bench: &mut Bench, data: &Data) -> Result<()> {
    let work = "snapshot memory of one more reader, 1,000,000 keys";
    if !bench.wants(work, "–") {
        return Ok(());
    }
    data.published(false)?;
    let mut sums = Vec::new();
    for readers in [1, 4, 16] {
        bench.plan.go_on()?;
        let memory = look(data, "reader", "readers of one snapshot", readers)?;
        sums.push((readers, memory.pss_sum_kib + memory.page_tables_kib * readers as u64));
        bench.memory(memory);
    }
    for copies in [1, 4] {
        bench.plan.go_on()?;
        bench.memory(look(data, "copy", "processes with a hashbrown map each", copies)?);
    }
    let (Some(first), Some(last)) = (sums.first(), sums.last()) else {
        return Ok(());
    };
    let more = last.1.saturating_sub(first.1) as f64 / (last.0 - first.0) as f64;
    let note = format!("from {} to {} readers, PSS and page tables", first.0, last.0);
    bench.figure(work, more, Some("KiB"), None, Some(note));
    Ok(())
}

/// Starts processes in a role and measures their memory once all have read everything.
fn look(data: &Data, role: &str, what: &'static str, readers: usize) -> Result<Memory> {
    let mut children = Vec::new();
    for _ in 0..readers {
        children.push(spawn(&data.dir, &[role, "plain"])?);
    }
    for child in &children {
        let line = child.line(LIMIT)?;
        ensure!(line == "ready", "a reader said {line:?}");
    }
    let sum = |file: &str, field: &str| -> Result<u64> {
        children.iter().map(|child| kib(child, file, field)).sum()
    };
    let mean = |sum: u64| sum / readers as u64;
    let image = std::fs::metadata(data.dir.path().join("plain"))?.len();
    let memory = Memory {
        what,
        readers,
        image_kib: image / 1024,
        pss_sum_kib: sum("smaps_rollup", "Pss")?,
        private_kib: mean(sum("smaps_rollup", "Pss_Anon")?),
        page_tables_kib: mean(sum("status", "VmPTE")?),
    };
    for child in &mut children {
        child.close_stdin();
        ensure!(child.wait(LIMIT)?.success(), "a reader failed");
    }
    Ok(memory)
}

/// A field of a file in `/proc`, in KiB.
fn kib(child: &Child, file: &str, field: &str) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{}/{file}", child.pid()))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let number = line.and_then(|line| line.trim().strip_suffix("kB")).context("no such field")?;
    Ok(number.trim().parse()?)
}

/// The role of a reader: reads all in place.
pub(crate) fn read(path: &Path) -> Result<()> {
    let published = Published::open(path)?;
    published.snapshot().verify()?;
    black_box(full_scan(published.snapshot().iter()));
    stay()
}

/// The role of a process with a copy of its own.
pub(crate) fn copy(path: &Path) -> Result<()> {
    let map: HashMap = {
        let published = Published::open(path)?;
        published.snapshot().iter().map(|(key, value)| (key.into(), value.to_vec())).collect()
    };
    black_box(full_scan(map.iter()));
    stay()
}

fn stay() -> Result<()> {
    println!("ready");
    let _ = std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}
