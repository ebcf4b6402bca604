//! Judges whether those who wait for a change notice it, whatever instruction its writer was killed
//! at. If the writer was not killed, it has woken them: their wake words have changed.

use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::json;
use shm_core::Namespace;
use shm_tests::wakes::{until_awaited, wake_words};
use shm_tests::{pattern, test_name};
use slotmap_shm::{Table, TableError, TableOptions, Version};

use super::{Findings, Judge, TableJudge};
use crate::operation::{KEY, Operation, VALUE_SIZE};

/// What the judge itself writes.
const NEXT: u64 = 4;
/// Far longer than a slice of a wait.
const PATIENCE: Duration = Duration::from_secs(10);

/// A thread that waits, and what it has found.
type Waiter<T> = JoinHandle<Result<Option<T>, TableError>>;

pub struct WaitJudge {
    table: TableJudge,
    waiting: Option<Waiting>,
}

struct Waiting {
    /// What the waiters have seen.
    seen: Version,
    key: Waiter<Version>,
    any: Waiter<()>,
    /// The wake words on which they sleep, and all of them as they were then.
    asleep: Vec<usize>,
    words: [u64; 18],
}

impl WaitJudge {
    pub fn new(op: Operation, namespace: Namespace) -> Self {
        Self { table: TableJudge { op, namespace, reader: None }, waiting: None }
    }

    fn open(&self) -> Result<Table<i32>> {
        Ok(Table::open(&self.table.namespace, &test_name(), &TableOptions::default())?)
    }
}

impl Judge for WaitJudge {
    fn reset(&mut self) -> Result<()> {
        self.table.reset()?;
        let (table, for_key, for_any) = (self.open()?, self.open()?, self.open()?);
        let (seen, any) = (table.version(&KEY)?, table.table_version());
        let key = std::thread::spawn(move || for_key.wait_for_change(&KEY, seen, Some(PATIENCE)));
        let any = std::thread::spawn(move || {
            Ok(for_any.wait_for_any_change(any, Some(PATIENCE))?.map(drop))
        });
        let asleep = until_awaited(&table, 2);
        let words = wake_words(&table);
        self.waiting = Some(Waiting { seen, key, any, asleep, words });
        Ok(())
    }

    fn note(&mut self) -> Result<bool> {
        bail!("nothing comes before")
    }

    fn check(&mut self, done: bool) -> Result<serde_json::Value> {
        let Some(waiting) = self.waiting.take() else { bail!("nobody waits") };
        let mut findings = Findings::default();
        let table = self.open()?;
        let found = self.table.state(&table, &mut findings);
        let is_new = found == self.table.state_after();
        let allowed = is_new || (!done && found == self.table.state_before());
        findings.lost += u32::from(!allowed);
        if done {
            let words = wake_words(&table);
            let slept_on = |&&word: &&usize| words[word] >> 1 == waiting.words[word] >> 1;
            findings.lost += waiting.asleep.iter().filter(slept_on).count() as u32;
        }
        if !is_new {
            // Now there is something to notice.
            table.upsert(&KEY, pattern::value(KEY, NEXT, VALUE_SIZE - 5))?;
        }
        let now = table.version(&KEY)?;
        let key = waiting.key.join().map_err(|_| anyhow::anyhow!("a waiter panicked"))??;
        let any = waiting.any.join().map_err(|_| anyhow::anyhow!("a waiter panicked"))??;
        findings.hung += u32::from(key.is_none()) + u32::from(any.is_none());
        findings.torn += u32::from(key.is_some_and(|key| key == waiting.seen || key != now));
        let present = found.iter().filter(|(_, value)| value.is_some()).count();
        table.recover()?;
        self.table.check_usable(&table, present, &mut findings);
        let Findings { torn, lost, leaked, hung } = findings;
        Ok(json!({ "torn": torn, "lost": lost, "leaked": leaked, "hung": hung, "new": is_new }))
    }
}
