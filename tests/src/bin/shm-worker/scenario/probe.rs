//! Opens whatever is at the test table's name, in every way, and says what came of it.

use std::process::Command;

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};
use shm_core::Namespace;
use shm_facade::{StatusOptions, StatusReader, StatusTable};
use shm_tests::roles::SKIPPED;
use shm_tests::test_name;
use slotmap_shm::{Access, Table, TableOptions, TableReader};

use super::say;

fn entries(table: &Table<i32, impl Access>) -> String {
    match table.entries() {
        Ok(entries) => format!("{} entries", entries.len()),
        Err(e) => format!("{e:?}"),
    }
}

pub fn probe() -> Result<()> {
    let (namespace, name, options) = (Namespace::from_env(), test_name(), TableOptions::default());
    let said = match TableReader::open_read_only(&namespace, &name, &shm_tests::reading(&options)) {
        Ok(reader) => format!("ok: {}", entries(&reader)),
        Err(e) => format!("{e:?}"),
    };
    say(&format!("read: {said}"))?;
    let said = match Table::open(&namespace, &name, &options) {
        Ok(table) => format!("ok: {}", entries(&table)),
        Err(e) => format!("{e:?}"),
    };
    say(&format!("write: {said}"))?;
    let said = match Table::<i32>::open_or_create(&namespace, &name, &options) {
        Ok(_) => "ok".to_owned(),
        Err(e) => format!("{e:?}"),
    };
    say(&format!("make: {said}"))?;
    let options = StatusOptions::default();
    let code = |e: shm_facade::Error| format!("{:?}", e.code());
    let said =
        StatusReader::open_read_only_with("test", &options).map_or_else(code, |_| "ok".to_owned());
    say(&format!("facade read: {said}"))?;
    let said = StatusTable::instance_with("test", &options).map_or_else(code, |_| "ok".to_owned());
    say(&format!("facade make: {said}"))
}

pub fn foreign_pids() -> Result<()> {
    if let Err(e) = unshare(CloneFlags::CLONE_NEWPID) {
        return say(&format!("{SKIPPED}a pid namespace of its own: {e}"));
    }
    // The next child is process 1 of the new namespace.
    let status = Command::new(std::env::current_exe()?).args(["scenario", "probe"]).status()?;
    assert!(status.success(), "{status}");
    Ok(())
}
