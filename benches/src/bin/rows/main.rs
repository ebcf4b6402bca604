//! `shm-bench-rows [--quick] [--filter TEXT] [--peer PROGRAM]`: measures the rows of table and
//! snapshot, each against its peer, interleaved in one run. PROGRAM is the worker of
//! `benches/peers-subetha`; without it, the rows against that peer are left out. With `--curves`
//! instead: a lookup's time and the bytes per entry, over the number of entries up to N (`--most
//! N`), or with `--sets` for each key set; with `--compare N`: a lookup's time among N entries.
//!
//! The last line of stdout is one JSON object; stderr has a table for people. See
//! [`measure`] for the method, [`report`] for the fields.

#![forbid(unsafe_code)]

mod apart;
mod batch;
mod child;
mod contended;
mod counted;
mod curves;
mod growing;
mod killed;
mod lookups;
mod machine;
mod measure;
mod neighbours;
mod outside;
mod report;
mod sets;
mod snapshot;
mod stopped;
mod updates;
mod waits;

use anyhow::{Context, Result, bail};
use measure::Plan;
use report::Bench;

fn main() -> Result<()> {
    let (mut quick, mut curves, mut sets) = (false, false, false);
    let mut filter = String::new();
    let (mut compare, mut peer) = (None, None);
    let mut most = usize::MAX;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => quick = true,
            "--curves" => curves = true,
            "--sets" => sets = true,
            "--most" => {
                let entries = arguments.next().context("--most needs a number of entries")?;
                most = entries.parse().context("--most needs a number of entries")?;
            }
            "--compare" => {
                let entries = arguments.next().context("--compare needs a number of entries")?;
                compare = Some(entries.parse().context("--compare needs a number of entries")?);
            }
            "--peer" => peer = Some(arguments.next().context("--peer needs a program")?),
            "--filter" => filter = arguments.next().context("--filter needs a text")?,
            // For internal use: the roles of the other processes of a row.
            "--role" => return child::run(arguments),
            other => {
                bail!(
                    "usage: shm-bench-rows [--quick] [--filter TEXT] [--peer PROGRAM] | \
                     --curves [--most N] | --sets [--most N] | --compare N; \
                     not {other:?}"
                )
            }
        }
    }
    if let Some(entries) = compare {
        println!("{}", curves::compare(&Plan::new(quick)?, entries)?);
        return Ok(());
    }
    if curves {
        println!("{}", curves::measure(&Plan::new(quick)?, most)?);
        return Ok(());
    }
    if sets {
        println!("{}", sets::measure(&Plan::new(quick)?, most)?);
        return Ok(());
    }
    let mut bench = Bench::new(Plan::new(quick)?, &filter);
    let done = measure_all(&mut bench, peer.as_deref());
    bench.print();
    done?;
    println!("{}", bench.json());
    Ok(())
}

fn measure_all(bench: &mut Bench, peer: Option<&str>) -> Result<()> {
    lookups::measure(bench)?;
    updates::measure(bench)?;
    batch::measure(bench)?;
    neighbours::measure(bench)?;
    stopped::measure(bench)?;
    killed::measure(bench)?;
    contended::measure(bench)?;
    growing::measure(bench)?;
    waits::measure(bench)?;
    if let Some(program) = peer {
        outside::measure(bench, program.as_ref())?;
    }
    snapshot::measure(bench)
}
