//! Publications, removals and prunes between two marks.

use anyhow::Result;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use shm_facade::{MapOptions, Share, ShareOptions, SharedMap, StatusOptions, StatusTable, prune};
use shm_tests::edition;

use super::{NEW, Operation};

/// The name of the map, and of the table that is frozen.
pub const NAME: &str = "test";
/// The least number of keys of a map: few, so that most instructions are those of the publication.
pub const KEYS: i32 = 3;
/// What a publisher publishes that follows a killed one.
pub const NEWER: u64 = 3;

/// Of the table that is frozen.
pub fn table_options() -> StatusOptions {
    StatusOptions::default().capacity(16).value_size(48)
}

pub fn run(op: Operation, prelude: bool) -> Result<()> {
    let sharing = ShareOptions::default().force(op != Operation::Share);
    let opening = MapOptions::default();
    let follows = op == Operation::Settle && !prelude;
    let tree = edition::tree(if follows { NEWER } else { NEW }, KEYS);
    // If it is not to replace, the image is made between the marks; otherwise it was made before.
    let image = tree.freeze();
    let table = match op {
        Operation::Freeze => Some(StatusTable::open_with(NAME, &table_options())?),
        _ => None,
    };
    ptrace::traceme()?;
    raise(Signal::SIGSTOP)?;
    match &table {
        Some(table) => drop(table.freeze_with(NAME, &sharing)?),
        None if op == Operation::Prune => drop(prune(&opening.namespace)?),
        None if op == Operation::RemoveName => SharedMap::remove_with(NAME, &opening)?,
        None if op == Operation::Share => drop(tree.share_with(NAME, &sharing)?),
        None => drop(image.share_with(NAME, &sharing)?),
    }
    raise(Signal::SIGSTOP)?;
    Ok(())
}
