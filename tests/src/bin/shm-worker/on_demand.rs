//! A writer that writes when told to: for tests that stop, block or kill it on its way.
//!
//! Line protocol: prints the address of the table's lock; then for each line `write`, `stop` or
//! `claim` sets the key of its pid to the line's number and prints `done`: `write` under the lock,
//! `stop` under the lock after a SIGSTOP, `claim` without the lock after a SIGSTOP.

use std::io::BufRead;

use anyhow::Result;
use nix::sys::signal::{Signal, raise};
use shm_core::Namespace;
use shm_tests::{pattern, test_name};
use slotmap_shm::{Table, TableOptions};

pub fn run() -> Result<()> {
    let options = TableOptions::default().lock_timeout(None);
    let table = Table::<i32>::open(&Namespace::from_env(), &test_name(), &options)?;
    println!("{}", table.lock_address());
    let key = std::process::id() as i32;
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        let value = pattern::value(key, number as u64, 40);
        let line = line?;
        if line != "write" {
            raise(Signal::SIGSTOP)?;
        }
        if line == "claim" {
            table.upsert(&key, &value)?;
        } else {
            table.upsert_many(&[(key, &value)])?;
        }
        println!("done");
    }
    Ok(())
}
