//! Tables that are created, opened, written, unlinked, renamed and taken over, all under a few
//! names.
//!
//! Each process writes the key of its own number. In one file no other process stores there, so it
//! must find what it wrote last.

use std::path::{Path, PathBuf};

use anyhow::Result;
use shm_core::{CreateError, Name, Namespace, OpenError};
use shm_tests::random::Random;
use shm_tests::{options, pattern};
use slotmap_shm::{KIND, Table, TableOpenError};

use super::Tally;

const NAMES: [&str; 3] = ["first", "second", "third"];
/// More than there are processes.
const KEYS: i32 = 8;
/// So long that kills and readers hit writers in the middle of a value.
const VALUE_SIZE: usize = 4000;

pub(super) struct Process {
    index: i32,
    aside: PathBuf,
    namespace: Namespace,
    /// The table in hand, and the number of what this process wrote to it last.
    held: Option<(Table<i32>, Option<u64>)>,
    sequence: u64,
}

impl Process {
    pub(super) fn new(index: i32, aside: &Path) -> Self {
        let aside = aside.join(format!("copy-{index}"));
        Self { index, aside, namespace: Namespace::from_env(), held: None, sequence: 0 }
    }

    pub(super) fn round(&mut self, tally: &mut Tally, random: &mut Random) -> Result<()> {
        let options = options(32, VALUE_SIZE);
        let name = match self.held {
            Some(_) => any_name(random)?,
            // Where its predecessor is likely to have been.
            None => Name::new(NAMES[0])?,
        };
        if self.held.is_none() {
            self.hold(tally, Table::open_or_create(&self.namespace, &name, &options))?;
            self.verify(tally)?;
        }
        tally.operations += 1;
        // A file keeps its name long enough for most processes to use it at the same time.
        match random.below(1024) {
            0..=3 => self.hold(tally, Table::create(&self.namespace, &name, &options)),
            4..=39 => self.hold(tally, Table::open_or_create(&self.namespace, &name, &options)),
            40..=99 => self.hold(tally, Table::open(&self.namespace, &name, &options)),
            100..=101 => {
                self.namespace.unlink(&name, KIND)?;
                Ok(())
            }
            102..=103 => self.rename(&name, &any_name(random)?),
            104..=106 => self.put_a_copy(&name),
            107..=111 => self.verify(tally),
            112..=499 => self.read(tally, random),
            500..=599 => self.remove(tally),
            _ => self.write(tally),
        }
    }

    fn hold(
        &mut self,
        tally: &mut Tally,
        opened: Result<Table<i32>, TableOpenError>,
    ) -> Result<()> {
        let table = match opened {
            Ok(table) => table,
            Err(
                TableOpenError::Open(OpenError::NotFound { .. })
                | TableOpenError::Create(CreateError::AlreadyExists { .. }),
            ) => return Ok(()),
            Err(e) => return Err(e.into()),
        };
        // Mainly what dead processes left in it.
        for key in 0..KEYS {
            own(&table, key, tally)?;
        }
        let found = own(&table, self.index, tally)?;
        self.held = Some((table, found));
        Ok(())
    }

    fn write(&mut self, tally: &mut Tally) -> Result<()> {
        let Some((table, last)) = &mut self.held else { return Ok(()) };
        self.sequence += 1;
        // Processes of one number have different sequences, so that a late store of a dead one
        // shows.
        let sequence = u64::from(std::process::id()) << 32 | self.sequence;
        let length = pattern::length(sequence, VALUE_SIZE);
        table.upsert(&self.index, pattern::value(self.index, sequence, length))?;
        *last = Some(sequence);
        let found = own(table, self.index, tally)?;
        tally.kept(found == *last, || format!("wrote {last:?}, found {found:?}"))
    }

    fn remove(&mut self, tally: &mut Tally) -> Result<()> {
        let Some((table, last)) = &mut self.held else { return Ok(()) };
        if last.is_some() {
            table.remove(&self.index)?;
            *last = None;
        }
        let found = own(table, self.index, tally)?;
        tally.kept(found.is_none(), || format!("removed, but found {found:?}"))
    }

    fn read(&mut self, tally: &mut Tally, random: &mut Random) -> Result<()> {
        let Some((table, last)) = &self.held else { return Ok(()) };
        own(table, random.below(KEYS as u64) as i32, tally)?;
        let found = own(table, self.index, tally)?;
        tally.kept(found == *last, || format!("had written {last:?}, found {found:?}"))
    }

    fn verify(&mut self, tally: &mut Tally) -> Result<()> {
        let Some((table, _)) = &self.held else { return Ok(()) };
        let outcome = table.verify();
        tally.whole(outcome.is_ok(), || format!("{outcome:?}"))
    }

    fn rename(&self, from: &Name, to: &Name) -> Result<()> {
        let [from, to] = [from, to].map(|name| self.namespace.path_of(name, KIND));
        done_unless_gone(std::fs::rename(from, to))
    }

    /// Puts a copy of a table at a name. It is another file than its header says, so whoever opens
    /// it has to take it over.
    fn put_a_copy(&mut self, name: &Name) -> Result<()> {
        let aside = Namespace::at(&self.aside);
        std::fs::create_dir_all(&self.aside)?;
        // The predecessor may have left one.
        aside.unlink(name, KIND)?;
        let table = Table::<i32>::create(&aside, name, &options(32, VALUE_SIZE))?;
        for key in 0..KEYS {
            table.add(&key, pattern::value(key, 1, pattern::length(1, VALUE_SIZE)))?;
        }
        let original = aside.path_of(name, KIND);
        let copy = original.with_extension("copy");
        std::fs::copy(&original, &copy)?;
        Ok(std::fs::rename(copy, self.namespace.path_of(name, KIND))?)
    }
}

/// The number of what a key holds, which has to be whole.
fn own(table: &Table<i32>, key: i32, tally: &mut Tally) -> Result<Option<u64>> {
    let Some(value) = table.get(&key)? else { return Ok(None) };
    let sequence = pattern::sequence(key, &value);
    tally.whole(sequence.is_some(), || {
        format!("key {key} holds {} bytes that are not whole", value.len())
    })?;
    Ok(sequence)
}

fn any_name(random: &mut Random) -> Result<Name> {
    let index = random.below(NAMES.len() as u64) as usize;
    Ok(Name::new(NAMES.get(index).copied().unwrap_or_default())?)
}

fn done_unless_gone(outcome: std::io::Result<()>) -> Result<()> {
    match outcome {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.into()),
        _ => Ok(()),
    }
}

pub(super) fn judge(tally: &mut Tally) -> Result<()> {
    let namespace = Namespace::from_env();
    for name in NAMES {
        let name = Name::new(name)?;
        match Table::<i32>::open(&namespace, &name, &options(32, VALUE_SIZE)) {
            Err(TableOpenError::Open(OpenError::NotFound { .. })) => continue,
            Err(e) => tally.kept(false, || format!("{name:?}: {e}"))?,
            Ok(table) => {
                // A write first: it repairs what the last death left.
                table.upsert(&0, pattern::value(0, 1, 8))?;
                let outcome = table.verify();
                tally.whole(outcome.is_ok(), || format!("{name:?}: {outcome:?}"))?;
                for key in 0..KEYS {
                    own(&table, key, tally)?;
                }
            }
        }
        namespace.unlink(&name, KIND)?;
    }
    Ok(())
}
