//! Roles about making and finding tables.

use std::fs::File;
use std::os::unix::fs::MetadataExt;

use anyhow::{Result, bail};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::stat::Mode;
use shm_core::{CreateError, Namespace, Trust};
use shm_tests::{options, test_name};
use slotmap_shm::{Table, TableOpenError, TableOptions};

use super::{files, open_table, say, seccomp};

/// Waits until the test releases its lock on the gate: all waiters go at once.
pub fn join(gate: &str, how: &str, way: &str) -> Result<()> {
    seccomp::apply(way)?;
    // Large enough that one is still at it when the next begins.
    let (namespace, name, options) = (Namespace::from_env(), test_name(), options(2048, 256));
    let gate = File::open(gate)?;
    say("ready")?;
    drop(Flock::lock(gate, FlockArg::LockShared).map_err(|(_, e)| e)?);
    let (what, table) = match how {
        "open-or-create" => ("joined", Table::<i32>::open_or_create(&namespace, &name, &options)?),
        "create" => match Table::<i32>::create(&namespace, &name, &options) {
            Ok(table) => ("created", table),
            Err(TableOpenError::Create(CreateError::AlreadyExists { .. })) => {
                // No waiting, no retry: what has a name is complete.
                ("attached", Table::open(&namespace, &name, &TableOptions::default())?)
            }
            Err(e) => return Err(e.into()),
        },
        other => bail!("unknown way {other:?}"),
    };
    table.add(&(std::process::id() as i32), b"here")?;
    say(&format!("{what} {:02x?}", table.segment().id()))
}

pub fn umask(umask: &str, mode: &str, way: &str) -> Result<()> {
    seccomp::apply(way)?;
    let mode = u32::from_str_radix(mode, 8)?;
    nix::sys::stat::umask(Mode::from_bits_truncate(u32::from_str_radix(umask, 8)?));
    let namespace = Namespace::from_env();
    let options = options(4, 8).mode(mode).trust(Trust::new().shared_writers());
    let table = Table::<i32>::create(&namespace, &test_name(), &options)?;
    let found = std::fs::metadata(table.segment().path())?.mode() & 0o7777;
    assert_eq!(format!("{found:o}"), format!("{mode:o}"), "umask {umask}, {way}");
    assert_eq!(files()?.len(), 1, "nothing beside the table");
    table.add(&1, b"usable")?;
    Ok(())
}

pub fn visit(key: i32) -> Result<()> {
    let table = open_table()?;
    table.upsert(&key, b"visited")?;
    table.verify()?;
    say(&format!("{} {}", table.len(), table.stats().recoveries))
}
