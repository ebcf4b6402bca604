//! What registered writers do, between two marks.

use std::cell::Cell;

use anyhow::Result;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use shm_core::Namespace;
use shm_tests::{pattern, test_name};
use slotmap_shm::{Table, TableOptions};

use super::{KEY, Operation, VALUE_SIZE, new_value, old_value};

/// What is written by whoever follows a dead writer.
pub const NEWER: u64 = 3;
/// A thread registers by writing this key, which keeps its value.
const FIRST_KEY: i32 = 0;

pub fn newer_value(key: i32) -> Vec<u8> {
    pattern::value(key, NEWER, VALUE_SIZE - 9)
}

pub fn run(op: Operation, prelude: bool) -> Result<()> {
    use Operation::*;
    ptrace::traceme()?;
    if op == UnregisterThread {
        return end_of_a_thread();
    }
    let table = open()?;
    let newer: Vec<(i32, Vec<u8>)> = (0..op.entries()).map(|k| (k, newer_value(k))).collect();
    let (new, newest) = (new_value(KEY), newer_value(KEY));
    if prelude || matches!(op, ClaimUpdate | ClaimUpdateBatch | ClaimUpdateVerify | UnregisterDrop)
    {
        register(&table)?;
    }
    raise(Signal::SIGSTOP)?;
    match op {
        _ if prelude => table.update(&KEY, &new)?,
        RegisterAgain | ResolveWrite => table.update(&KEY, &newest)?,
        ResolveBatch => table.update_many(&newer)?,
        ResolveRecover => drop(table.recover()?),
        UnregisterDrop => drop(table),
        _ => table.update(&KEY, &new)?,
    }
    raise(Signal::SIGSTOP)?;
    Ok(())
}

fn open() -> Result<Table<i32>> {
    Ok(Table::open(&Namespace::from_env(), &test_name(), &TableOptions::default())?)
}

pub fn register(table: &Table<i32>) -> Result<()> {
    Ok(table.update(&FIRST_KEY, old_value(FIRST_KEY))?)
}

/// A mark when the thread ends.
struct Mark(Cell<bool>);

impl Drop for Mark {
    fn drop(&mut self) {
        if self.0.get() {
            let _ = raise(Signal::SIGSTOP);
        }
    }
}

thread_local! {
    static BEFORE: Mark = const { Mark(Cell::new(false)) };
    static AFTER: Mark = const { Mark(Cell::new(false)) };
}

/// What is thread-local is dropped in the reverse order of its first use.
fn end_of_a_thread() -> Result<()> {
    let table = open()?;
    // From here on the new thread is traced, too.
    raise(Signal::SIGSTOP)?;
    std::thread::scope(|s| {
        let thread = s.spawn(|| {
            AFTER.with(|mark| mark.0.set(true));
            register(&table)?;
            BEFORE.with(|mark| mark.0.set(true));
            Ok(())
        });
        thread.join().unwrap_or_else(|_| anyhow::bail!("the thread panicked"))
    })
}
