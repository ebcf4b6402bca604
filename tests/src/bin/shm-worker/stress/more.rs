//! Keys that are only ever added, each by one writer and in order, so that the table grows while
//! everything else goes on.

use std::ops::Range;

use anyhow::Result;
use shm_core::{Ordering, Words};
use shm_tests::pattern;
use slotmap_shm::Table;

use super::{Log, shared, value};

/// The most keys of one writer. All keys of ten writers fit into the table.
const MOST: u64 = 6000;

fn key(writer: i32, number: u64) -> i32 {
    1_000_000 + writer * 10_000 + number as i32
}

/// Adds the writer's next key.
pub(super) fn add(table: &Table<i32>, log: &Log<'_>, writer: i32) -> Result<()> {
    let [begun, ended] = Log::MORE;
    let number = log.0.load(ended, Ordering::SeqCst);
    if number < MOST {
        let key = key(writer, number);
        log.0.store(begun, number + 1, Ordering::SeqCst);
        // The writer before may have been killed after it had added this one.
        table.upsert(&key, value(key, number))?;
        log.0.store(ended, number + 1, Ordering::SeqCst);
    }
    Ok(())
}

/// Counts the keys that were added and are not there, or are not whole.
pub(super) fn check(table: &Table<i32>, log: Words<'_>, writer: i32) -> Result<u64> {
    lost(table, writer, 0..log.load(Log::MORE[1], Ordering::SeqCst))
}

fn lost(table: &Table<i32>, writer: i32, numbers: Range<u64>) -> Result<u64> {
    let mut lost = 0;
    for number in numbers {
        let key = key(writer, number);
        let found = table.get(&key)?;
        let found = found.and_then(|value| pattern::sequence(key, &value));
        lost += u64::from(found != Some(number));
    }
    Ok(lost)
}

/// The same, for all writers, after they have ended.
pub(super) fn check_all(table: &Table<i32>) -> Result<u64> {
    let mut missing = 0;
    shared::each_log(|writer, log| {
        missing += lost(table, writer, 0..log.load(Log::MORE[1], Ordering::SeqCst))?;
        Ok(())
    })?;
    Ok(missing)
}
