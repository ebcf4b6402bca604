//! The role of the demo that waits: it sleeps until the row of its own process has changed.

use std::process::id;
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use shm_facade::StatusTable;
use shm_tests::status_line::StatusLine;

use super::{NAME, commands, now_ns, options};

/// How long it sleeps before it looks for a command.
const PAUSE: Duration = Duration::from_millis(20);

/// Line protocol: any line → how many changes it was woken for, how long ago the last one had been
/// written when it saw it, and what it was; end of input ends it.
pub fn waiter() -> Result<()> {
    // To write: a read-only handle cannot ask to be woken.
    let table = StatusTable::open_or_create_with(NAME, &options())?;
    let own = i32::try_from(id()).context("its own id")?;
    let commands = commands();
    let mut seen = table.version(own)?;
    let (mut changes, mut after_us, mut last) = (0u64, 0u64, String::new());
    loop {
        match commands.try_recv() {
            Ok(_) => {
                println!("{}", json!({ "changes": changes, "after_us": after_us, "last": last }));
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return Ok(()),
        }
        if table.wait_for_change(own, seen, Some(PAUSE))?.is_none() {
            continue;
        }
        let (value, now) = table.get_with_version(own)?;
        seen = now;
        changes += 1;
        if let Some(line) = value.and_then(|value| StatusLine::decode(&value)) {
            after_us = now_ns()?.saturating_sub(line.time_ns) / 1000;
            last = format!("pid {}, {}, written by {}", line.pid, line.name, line.agent);
        }
    }
}
