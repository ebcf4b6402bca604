//! Those who wait for a change, and those who make it.

use std::time::Duration;

use anyhow::{Result, bail};
use nix::sys::signal::{Signal, raise};

use super::{open_table, say};

/// Counts key 0 up, one by one, until it is at `last`. Every eighth time by a batch with key 1. Is
/// killed after a time, wherever it is then.
pub fn counts(last: i64, lifetime: Duration) -> Result<()> {
    let table = open_table()?;
    std::thread::spawn(move || {
        std::thread::sleep(lifetime);
        raise(Signal::SIGKILL)
    });
    loop {
        let Some(value) = table.get(&0)? else { bail!("key 0 is gone") };
        let next = i64::from_le_bytes(value[..].try_into()?) + 1;
        if next > last {
            return Ok(());
        }
        if next % 8 == 0 {
            table.update_many(&[(0, next.to_le_bytes()), (1, next.to_le_bytes())])?;
        } else {
            table.update(&0, next.to_le_bytes())?;
        }
    }
}

/// Waits for a change of key 0 for ever, and then says so.
pub fn waits() -> Result<()> {
    let table = open_table()?;
    table.wait_for_change(&0, table.version(&0)?, None)?;
    say("changed")
}

/// Waits for any change for ever, and then says so.
pub fn waits_for_anything() -> Result<()> {
    let table = open_table()?;
    table.wait_for_any_change(table.table_version(), None)?;
    say("changed")
}
