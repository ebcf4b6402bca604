//! Judges what a death left of a publication or a removal: the name leads to the old map, the new
//! one or none; readers go on; the next publisher does, at once; and `prune` sweeps the rest.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use shm_core::{LockError, Namespace, Ordering, PublishError, Trust};
use shm_facade::{
    Error, MapOptions, SNAPSHOT, Share, ShareOptions, SharedMap, StatusTable, litter, prune,
};
use shm_tests::{IN_PLACE, edition, test_name};
use slotmap_shm::KIND;

use super::{Findings, Judge};
use crate::operation::publication::{KEYS, NAME, NEWER, table_options};
use crate::operation::{NEW, OLD, Operation};

/// What the judge itself publishes in the end.
pub const NEXT: u64 = 4;
/// Nobody holds the lock: the process that had it is dead and reaped. So a process that gets it
/// later than this was hung.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// Where the name leads: to this edition, with these contents.
type State = Option<(u64, u64)>;

pub struct PublicationJudge {
    op: Operation,
    namespace: Namespace,
    /// Where the name led before the operation.
    before: State,
    /// A reader that has had the old map open since then.
    reader: Option<SharedMap>,
    checks: u64,
}

impl PublicationJudge {
    pub fn new(op: Operation, namespace: Namespace) -> Self {
        Self { op, namespace, before: None, reader: None, checks: 0 }
    }

    fn share(&self, contents: u64) -> Result<u64, Error> {
        let options = ShareOptions::default()
            .namespace(self.namespace.clone())
            .force(true)
            .lock_timeout(Some(PATIENCE));
        edition::tree(contents, KEYS).share_with(NAME, &options)
    }

    fn opening(&self) -> MapOptions {
        MapOptions::default().namespace(self.namespace.clone())
    }

    /// What a newcomer finds; `None` when that is no whole map.
    fn observe(&self, findings: &mut Findings) -> Option<State> {
        let found = match SharedMap::open_with(NAME, &self.opening(), IN_PLACE) {
            Ok(map) => state(&map).map(Some),
            Err(Error::NotFound { .. }) => Some(None),
            Err(_) => None,
        };
        findings.torn += u32::from(found.is_none());
        found
    }

    fn after(&self) -> State {
        match (self.op, self.before) {
            (Operation::RemoveName, _) => None,
            (Operation::Settle, Some((edition, _))) => Some((edition + 1, NEWER)),
            (_, before) => Some((before.map_or(0, |(edition, _)| edition) + 1, NEW)),
        }
    }

    /// The reader goes on, and a refresh takes what a newcomer finds.
    fn check_reader(&self, reader: &mut SharedMap, found: State, findings: &mut Findings) {
        let Some(had) = state(reader) else {
            findings.torn += 1;
            return;
        };
        let expected = found.unwrap_or(had);
        // After a removal the editions begin again: an equal number may be another file.
        let news = found.is_some() && (expected != had);
        let refreshed = reader.refresh().is_ok_and(|taken| taken == news);
        let again = reader.refresh().is_ok_and(|taken| !taken);
        findings.torn += u32::from(state(reader).is_none());
        findings.lost += u32::from(!refreshed || !again || state(reader) != Some(expected));
    }

    /// The next publisher is not held up, and its edition is a new one.
    fn check_next(&self, found: State, findings: &mut Findings) -> State {
        match self.share(NEXT) {
            Ok(edition) => {
                let fits = match (found, self.op) {
                    (Some((newest, _)), _) => edition == newest + 1,
                    // The control segment is still there, or it is not.
                    (None, Operation::RemoveName) => edition == 1 || edition == 2,
                    (None, _) => edition == 1,
                };
                findings.lost += u32::from(!fits);
                Some((edition, NEXT))
            }
            Err(Error::Publish(PublishError::Lock {
                source: LockError::TimedOut { .. }, ..
            })) => {
                findings.hung += 1;
                None
            }
            Err(_) => {
                findings.leaked += 1;
                None
            }
        }
    }

    /// Sweeps, or says what it would sweep.
    fn prune(&self, dry_run: bool, findings: &mut Findings) -> usize {
        if dry_run { litter(&self.namespace) } else { prune(&self.namespace) }
            .map(|pruned| pruned.len())
            .unwrap_or_else(|_| {
                findings.leaked += 1;
                0
            })
    }

    /// The name's two files are there, and nothing else.
    fn is_tidy(&self) -> Result<bool> {
        let mut expected = vec![
            self.namespace.path_of(&test_name(), SNAPSHOT.control),
            self.namespace.path_of(&test_name(), SNAPSHOT.kind),
        ];
        if self.op == Operation::Freeze {
            expected.push(self.namespace.path_of(&test_name(), KIND));
        }
        let files = std::fs::read_dir(self.namespace.dir())?.map(|entry| Ok(entry?.path()));
        let mut files = files.collect::<Result<Vec<_>>>()?;
        files.sort();
        Ok(files == expected)
    }
}

fn state(map: &SharedMap) -> Option<(u64, u64)> {
    Some((map.edition(), edition::of(map, KEYS)?))
}

impl Judge for PublicationJudge {
    fn reset(&mut self) -> Result<()> {
        // By hand: what is there may be broken.
        for entry in std::fs::read_dir(self.namespace.dir())? {
            std::fs::remove_file(entry?.path())?;
        }
        self.share(OLD)?;
        self.reader = Some(SharedMap::open_with(NAME, &self.opening(), IN_PLACE)?);
        self.before = Some((1, OLD));
        if self.op == Operation::Share {
            // The reader is one from an earlier life of the name.
            SharedMap::remove_with(NAME, &self.opening())?;
            self.before = None;
        }
        if self.op == Operation::Freeze {
            let mut options = table_options();
            options.namespace = self.namespace.clone();
            let table = StatusTable::open_or_create_with(NAME, &options)?;
            table.upsert_many(&edition::entries(NEW, KEYS))?;
        }
        Ok(())
    }

    fn note(&mut self) -> Result<bool> {
        let found = self.observe(&mut Findings::default());
        self.before = found.unwrap_or_default();
        let trust = Trust::new();
        let control = self.namespace.open_read_only(&test_name(), SNAPSHOT.control, 1, &trust)?;
        let word = control.words().load(0, Ordering::Acquire);
        ensure!(word % 2 == 1, "the publisher before was not killed at its work: {word}");
        Ok(true)
    }

    fn check(&mut self, done: bool) -> Result<serde_json::Value> {
        let mut findings = Findings::default();
        let found = self.observe(&mut findings);
        let is_new = found.is_some_and(|found| found != self.before);
        if let Some(found) = found {
            let allowed = found == self.after() || (!done && found == self.before);
            findings.lost += u32::from(!allowed);
            let mut reader = self.reader.take();
            if let Some(reader) = &mut reader {
                self.check_reader(reader, found, &mut findings);
            }
            // Every second time `prune` comes first. It changes nothing that anybody reads.
            self.checks += 1;
            self.prune(self.checks.is_multiple_of(2), &mut findings);
            if self.observe(&mut findings) != Some(found) {
                findings.lost += 1;
            }
            let next = self.check_next(found, &mut findings);
            if next.is_some() {
                findings.lost += u32::from(self.observe(&mut findings) != Some(next));
                if let Some(reader) = &mut reader {
                    self.check_reader(reader, next, &mut findings);
                }
            }
            self.prune(false, &mut findings);
            let tidy = self.is_tidy()? && self.prune(true, &mut findings) == 0;
            findings.leaked += u32::from(!tidy);
        }
        Ok(json!({
            "torn": findings.torn, "lost": findings.lost, "leaked": findings.leaked,
            "hung": findings.hung, "new": is_new,
        }))
    }
}
