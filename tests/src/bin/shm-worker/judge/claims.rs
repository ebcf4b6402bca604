//! Judges what a death left of a registered writer: its write is whole or not there, whoever wants
//! the key has it at once, and its record can be used again.

use std::sync::Barrier;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use shm_core::{LockError, Namespace};
use shm_tests::claims::{RECORDS, claims, living};
use shm_tests::{pattern, test_name};
use slotmap_shm::{Access, Repaired, Table, TableError, TableOptions, TableReader};

use super::{Findings, Judge, State, TableJudge};
use crate::operation::claim::NEWER;
use crate::operation::{KEY, NEW, Operation, VALUE_SIZE};

/// What the judge itself writes.
const NEXT: u64 = 4;
/// Nobody is alive that could hold the lock or a claim: it is had at once, or never.
const PATIENCE: Duration = Duration::from_millis(300);

pub struct ClaimJudge {
    op: Operation,
    table: TableJudge,
    /// What the operation began with.
    before: State,
}

impl ClaimJudge {
    pub fn new(op: Operation, namespace: Namespace) -> Self {
        Self { op, table: TableJudge { op, namespace, reader: None }, before: State::new() }
    }

    fn reader(&self) -> Result<TableReader<i32>> {
        let options = shm_tests::reading(&TableOptions::default());
        Ok(TableReader::open_read_only(&self.table.namespace, &test_name(), &options)?)
    }

    fn after(&self) -> State {
        use Operation::*;
        let (key, number) = match self.op {
            UnregisterDrop | UnregisterThread | ResolveRecover => return self.before.clone(),
            ResolveBatch => return with(&self.before, None, NEWER),
            RegisterAgain | ResolveWrite => (KEY, NEWER),
            _ => (KEY, NEW),
        };
        with(&self.before, Some(key), number)
    }

    /// Several keys at one moment, beside a claim.
    fn check_many(&self, table: &Table<i32, impl Access>, state: &State, findings: &mut Findings) {
        let keys: Vec<i32> = self.table.keys().collect();
        let Ok(values) = table.get_many(&keys) else {
            findings.hung += 1;
            return;
        };
        let number = |(value, &key): (&Option<slotmap_shm::Value>, &i32)| {
            value.as_deref().map(|value| pattern::sequence(key, value))
        };
        let found = values.iter().zip(&keys).map(number);
        let expected = state.iter().map(|(_, number)| number.map(Some));
        findings.torn += u32::from(!found.eq(expected));
    }

    /// The next one to come, whoever that is, goes on at once, and finds what readers found.
    fn check_next(&self, table: &Table<i32>, found: &State, findings: &mut Findings) {
        use Operation::*;
        let one = || table.update(&KEY, value(KEY));
        let keys = 0..self.op.entries();
        let all: Vec<(i32, Vec<u8>)> = keys.map(|key| (key, value(key))).collect();
        let batch = || table.update_many(&all);
        let verify = || table.verify();
        let unchanged = |findings: &mut Findings, state: &State| {
            findings.lost += u32::from(self.table.state(table, findings) != *state);
        };
        let (first, second) = (with(found, Some(KEY), NEXT), with(found, None, NEXT));
        let good = match self.op {
            ClaimUpdateBatch | ResolveBatch => is_done(batch(), findings),
            ClaimUpdateVerify | ResolveRecover => {
                let good = is_done(verify(), findings);
                unchanged(findings, found);
                good
            }
            _ => {
                let good = is_done(one(), findings);
                if good {
                    unchanged(findings, &first);
                }
                good
            }
        };
        if !good {
            return;
        }
        if is_done(batch(), findings) && is_done(one(), findings) && is_done(verify(), findings) {
            unchanged(findings, &second);
            findings.leaked += u32::from(!claims(table).is_empty());
            let nothing = table.recover().is_ok_and(|repaired| repaired == Repaired::default());
            findings.leaked += u32::from(!nothing);
            unchanged(findings, &second);
        }
    }

    /// Every record that no living thread has can be had.
    fn check_records(&self, table: &Table<i32>, findings: &mut Findings) {
        // The judge's own, if it is registered.
        let own = living(table).len();
        let threads = RECORDS - own.min(RECORDS);
        let barrier = Barrier::new(threads + 1);
        let all = std::thread::scope(|s| {
            let register = || {
                let registered = table.update(&KEY, value(KEY));
                barrier.wait();
                barrier.wait();
                registered.is_ok()
            };
            let threads: Vec<_> = (0..threads).map(|_| s.spawn(register)).collect();
            barrier.wait();
            let all = living(table).len() == RECORDS;
            barrier.wait();
            threads.into_iter().all(|thread| thread.join().is_ok_and(|good| good)) && all
        });
        findings.leaked += u32::from(own > 1 || !all || living(table).len() != own);
    }
}

/// That number for one of the keys that are present, or for all.
fn with(state: &State, only: Option<i32>, number: u64) -> State {
    let mut state = state.clone();
    for (key, value) in &mut state {
        if value.is_some() && only.is_none_or(|only| only == *key) {
            *value = Some(number);
        }
    }
    state
}

fn value(key: i32) -> Vec<u8> {
    pattern::value(key, NEXT, VALUE_SIZE - 5)
}

fn is_done(result: Result<(), TableError>, findings: &mut Findings) -> bool {
    match &result {
        Ok(()) => {}
        Err(TableError::Lock(LockError::TimedOut { .. })) => findings.hung += 1,
        Err(_) => findings.leaked += 1,
    }
    result.is_ok()
}

impl Judge for ClaimJudge {
    fn reset(&mut self) -> Result<()> {
        self.before = self.table.state_before();
        self.table.reset()
    }

    /// A writer was killed: where it had a claim, or after its write.
    fn note(&mut self) -> Result<bool> {
        use Operation::*;
        let reader = self.reader()?;
        self.before = self.table.state(&reader, &mut Findings::default());
        let claimed = claims(&reader);
        Ok(if matches!(self.op, ResolveWrite | ResolveBatch | ResolveRecover) {
            matches!(&claimed[..], [claim] if claim.key == KEY)
        } else {
            claimed.is_empty() && self.before == with(&self.before, Some(KEY), NEW)
        })
    }

    fn glance(&mut self) -> Result<serde_json::Value> {
        let reader = self.reader()?;
        let state = self.table.state(&reader, &mut Findings::default());
        let claimed = !claims(&reader).is_empty();
        Ok(json!({ "claimed": claimed, "new": state != self.before }))
    }

    fn check(&mut self, done: bool) -> Result<serde_json::Value> {
        let mut findings = Findings::default();
        let reader = self.reader()?;
        let claimed = !claims(&reader).is_empty();
        let found = self.table.state(&reader, &mut findings);
        self.check_many(&reader, &found, &mut findings);
        let after = self.after();
        let allowed = found == after || (!done && found == self.before);
        findings.lost += u32::from(!allowed);
        drop(reader);

        let options = TableOptions::default().lock_timeout(Some(PATIENCE));
        let table = Table::<i32>::open(&self.table.namespace, &test_name(), &options)?;
        self.check_next(&table, &found, &mut findings);
        if findings.hung == 0 {
            use Operation::*;
            if matches!(self.op, Register | RegisterAgain | UnregisterDrop | UnregisterThread) {
                let patient = TableOptions::default();
                let table = Table::open(&self.table.namespace, &test_name(), &patient)?;
                self.check_records(&table, &mut findings);
            }
            let present = found.iter().filter(|(_, value)| value.is_some()).count();
            self.table.check_usable(&table, present, &mut findings);
        }
        let Findings { torn, lost, leaked, hung } = findings;
        Ok(json!({
            "torn": torn, "lost": lost, "leaked": leaked, "hung": hung,
            "new": found == after, "claimed": claimed,
        }))
    }
}
