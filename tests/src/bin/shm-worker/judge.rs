//! Prepares tables and maps for step-kill, and judges what a death left of them.
//!
//! Line protocol: `reset` → `ok`; `note` (an operation before was killed on purpose) → `ok`, or
//! `again` if it left something else; `glance` → `{claimed, new}`: where the operation is; `check`
//! or `check-done` (the operation had returned) → one JSON object `{torn, lost, leaked, hung, new,
//! claimed}`.

mod claims;
mod publication;
mod sweep;
mod waits;

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::json;
use shm_core::Namespace;
use shm_tests::patch::{self, Checksum, SESSION, session};
use shm_tests::{pattern, test_name};
use slotmap_shm::{Access, KIND, Table, TableOpenError, TableOptions, TableReader};

use self::claims::ClaimJudge;
use self::publication::PublicationJudge;
use self::sweep::SweepJudge;
use self::waits::WaitJudge;
use crate::operation::{EXPIRED, KEY, NEW, NEW_KEY, OLD, OLDEST, Operation, old_value};

#[derive(clap::Args)]
pub struct Arguments {
    #[arg(long)]
    pub op: Operation,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let (op, namespace) = (arguments.op, Namespace::from_env());
    let mut judge: Box<dyn Judge> = if op == Operation::Prune {
        Box::new(SweepJudge::new(namespace))
    } else if op.is_claiming() {
        Box::new(ClaimJudge::new(op, namespace))
    } else if op.is_awaited() {
        Box::new(WaitJudge::new(op, namespace))
    } else if op.is_publication() {
        Box::new(PublicationJudge::new(op, namespace))
    } else {
        Box::new(TableJudge { op, namespace, reader: None })
    };
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let answer = match line?.as_str() {
            "reset" => judge.reset().map(|()| "ok".to_owned())?,
            "note" => if judge.note()? { "ok" } else { "again" }.to_owned(),
            "glance" => judge.glance()?.to_string(),
            "check" => judge.check(false)?.to_string(),
            "check-done" => judge.check(true)?.to_string(),
            other => bail!("unknown command {other:?}"),
        };
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

trait Judge {
    /// Prepares the next round.
    fn reset(&mut self) -> Result<()>;

    /// Examines what a death left for the operation to begin with. False if that is not what it
    /// is to begin with.
    fn note(&mut self) -> Result<bool>;

    /// Where an operation is that is stopped.
    fn glance(&mut self) -> Result<serde_json::Value> {
        bail!("this judge does not know")
    }

    /// What a death left. `done` when the operation had returned.
    fn check(&mut self, done: bool) -> Result<serde_json::Value>;
}

/// Leaves the table as those who had it before a takeover leave it.
fn abandon(op: Operation, path: &Path) -> Result<()> {
    if matches!(op, Operation::TakeoverStuck | Operation::TakeoverBoot) {
        // A thread id that no thread has.
        patch::hold_lock(path, 0x3FFF_FFFE)?;
    }
    match op {
        Operation::TakeoverBoot => {
            patch::field(path, SESSION, session::BOOT_ID, &[0xB0; 16], Checksum::Right)?;
        }
        Operation::TakeoverMoved => {
            let inode = 77u64.to_ne_bytes();
            patch::field(path, SESSION, session::INODE, &inode, Checksum::Right)?;
        }
        _ => {}
    }
    Ok(())
}

struct TableJudge {
    op: Operation,
    namespace: Namespace,
    /// A reader that was there before the operation.
    reader: Option<TableReader<i32>>,
}

/// What the operation may leave, as a number per key: `None` is absent.
type State = Vec<(i32, Option<u64>)>;

#[derive(Default)]
struct Findings {
    torn: u32,
    lost: u32,
    leaked: u32,
    hung: u32,
}

impl Judge for TableJudge {
    fn reset(&mut self) -> Result<()> {
        self.namespace.unlink(&test_name(), KIND)?;
        if self.op.is_creation() {
            return Ok(());
        }
        let table = Table::<i32>::create(&self.namespace, &test_name(), &self.op.table_options())?;
        for key in 0..self.op.entries() {
            if self.op == Operation::Expire && EXPIRED.contains(&key) {
                table.upsert_for(&key, old_value(key), Duration::from_nanos(1))?;
            } else {
                table.add(&key, old_value(key))?;
            }
        }
        let path = table.segment().path().to_owned();
        drop(table);
        if self.op == Operation::Grow {
            self.reader = Some(self.open_reader()?);
        }
        abandon(self.op, &path)
    }

    fn note(&mut self) -> Result<bool> {
        // Looking at it would repair it.
        Ok(true)
    }

    fn check(&mut self, done: bool) -> Result<serde_json::Value> {
        let mut findings = Findings::default();
        let is_new = if self.op.is_creation() {
            self.check_creation(done, &mut findings)?
        } else {
            self.check_table(done, &mut findings)
        };
        let Findings { torn, lost, leaked, hung } = findings;
        Ok(json!({ "torn": torn, "lost": lost, "leaked": leaked, "hung": hung, "new": is_new }))
    }
}

impl TableJudge {
    fn open_reader(&self) -> Result<TableReader<i32>, TableOpenError> {
        let options = shm_tests::reading(&TableOptions::default());
        TableReader::open_read_only(&self.namespace, &test_name(), &options)
    }

    fn keys(&self) -> impl Iterator<Item = i32> {
        (0..self.op.entries()).chain([NEW_KEY])
    }

    fn state_before(&self) -> State {
        let expires = self.op == Operation::Expire;
        let is_present = |key| key != NEW_KEY && !(expires && EXPIRED.contains(&key));
        self.keys().map(|key| (key, is_present(key).then_some(OLD))).collect()
    }

    fn state_after(&self) -> State {
        let mut state = self.state_before();
        for (key, value) in &mut state {
            match self.op {
                Operation::Add | Operation::Grow | Operation::Evict if *key == NEW_KEY => {
                    *value = Some(NEW);
                }
                Operation::Evict if *key == OLDEST => *value = None,
                Operation::Update | Operation::Upsert | Operation::WakeUpdate if *key == KEY => {
                    *value = Some(NEW);
                }
                Operation::Remove | Operation::WakeRemove if *key == KEY => *value = None,
                Operation::Clear => *value = None,
                // Repair follows a batch that was killed on its way.
                Operation::Batch | Operation::Repair if *key != NEW_KEY => *value = Some(NEW),
                _ => {}
            }
        }
        state
    }

    /// What the operation may leave in between.
    fn is_on_the_way(&self, state: &State) -> bool {
        // The eviction is a transaction of its own.
        let mut evicted = self.state_before();
        evicted.iter_mut().filter(|(key, _)| *key == OLDEST).for_each(|(_, value)| *value = None);
        self.op == Operation::Evict && *state == evicted
    }

    fn check_creation(&self, done: bool, findings: &mut Findings) -> Result<bool> {
        let files: Vec<_> = std::fs::read_dir(self.namespace.dir())?.collect();
        let entries = self.namespace.list()?;
        if files.len() != entries.len() {
            findings.leaked += 1;
        }
        if entries.is_empty() {
            findings.lost += u32::from(done);
            return Ok(false);
        }
        match Table::<i32>::open(&self.namespace, &test_name(), &TableOptions::default()) {
            Ok(table) => self.check_usable(&table, 0, findings),
            Err(_) => findings.torn += 1,
        }
        Ok(true)
    }

    fn check_table(&self, done: bool, findings: &mut Findings) -> bool {
        // First as readers see it, before it is repaired.
        let options = TableOptions::default();
        let Ok(reader) = self.open_reader() else {
            findings.leaked += 1;
            return false;
        };
        let before = self.state(&reader, findings);
        let is_new = before == self.state_after();
        // A repair that was killed may have been dropping a batch: then the old state stays.
        let allowed = if done && self.op != Operation::Repair {
            is_new
        } else {
            is_new || before == self.state_before() || self.is_on_the_way(&before)
        };
        findings.lost += u32::from(!allowed);
        if let Some(reader) = &self.reader {
            findings.lost += u32::from(self.state(reader, findings) != before);
        }

        // Then the next writer repairs; nothing that was seen may change.
        let Ok(table) = Table::<i32>::open(&self.namespace, &test_name(), &options) else {
            findings.leaked += 1;
            return is_new;
        };
        if table.recover().is_err() {
            findings.leaked += 1;
            return is_new;
        }
        findings.lost += u32::from(self.state(&table, findings) != before);
        let present = before.iter().filter(|(_, value)| value.is_some()).count();
        if self.op == Operation::Expire {
            // Those that this call finds, or that the killed one has removed.
            findings.leaked += u32::from(table.expire(usize::MAX).is_err());
            let is_left = |key| !matches!(table.get_stale(key), Ok(None));
            findings.leaked += EXPIRED.iter().filter(|key| is_left(key)).count() as u32;
        }
        self.check_usable(&table, present, findings);
        is_new
    }

    fn state(&self, reader: &Table<i32, impl Access>, findings: &mut Findings) -> State {
        let mut read = |key| match reader.get(&key) {
            Ok(Some(value)) => {
                let number = pattern::sequence(key, &value);
                findings.torn += u32::from(number.is_none());
                number
            }
            Ok(None) => None,
            Err(_) => {
                findings.torn += 1;
                None
            }
        };
        self.keys().map(|key| (key, read(key))).collect()
    }

    /// Everything agrees, and exactly `capacity` entries fit.
    fn check_usable(&self, table: &Table<i32>, present: usize, findings: &mut Findings) {
        let mut usable = table.verify().is_ok() && table.len() == present;
        for key in 1000..1000 + (table.stats().max_capacity - present) as i32 {
            usable &= table.add(&key, b"filler").is_ok();
        }
        let is_full = table.add(&999, b"one too many").is_err();
        usable &= is_full != (self.op == Operation::Evict);
        usable &= table.len() == table.stats().max_capacity && table.verify().is_ok();
        findings.leaked += u32::from(!usable);
    }
}
