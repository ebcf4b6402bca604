//! `shmap list`

use std::os::unix::fs::MetadataExt;
use std::time::SystemTime;

use clap::Args;
use nix::unistd::{Uid, User};
use shm_facade::{Error, StatusTable};

use crate::arguments::{Common, Format};
use crate::failure::{Exit, Failure};
use crate::maps::target::{Kind, Open, Target};
use crate::output::{Cell, rows, span};

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  $ shmap list --format json

A map that cannot be opened is listed too, with the reason. The columns of tsv are: name, kind,
keys, entries, capacity, bytes, owner, mode, age in seconds, remark.")]
pub(crate) struct Arguments {}

const HEADING: [&str; 10] =
    ["name", "kind", "keys", "entries", "capacity", "bytes", "owner", "mode", "age", "remark"];

pub(crate) fn run(_: &Arguments, common: &Common) -> Result<Exit, Failure> {
    let mut table = Vec::new();
    for target in targets(common)? {
        table.push(row(&target, common));
    }
    if common.format() == Format::Table {
        // For people, entries and capacity are one column.
        let heading = HEADING.iter().copied().filter(|name| *name != "capacity");
        rows(Format::Table, &heading.collect::<Vec<_>>(), table.into_iter().map(narrow).collect())?;
    } else {
        rows(common.format(), &HEADING, table)?;
    }
    Ok(Exit::Ok)
}

/// Returns all maps of the directory.
pub(super) fn targets(common: &Common) -> Result<Vec<Target>, Failure> {
    let namespace = common.namespace();
    let entries = StatusTable::list(&namespace).map_err(|error| list_error(error, common))?;
    let targets = entries.into_iter().filter_map(|entry| {
        let kind = match entry.kind.as_str() {
            "table" => Kind::Table,
            "snapshot" => Kind::Snapshot,
            // The control segment of a published map, or none of ours.
            _ => return None,
        };
        Some(Target { namespace: namespace.clone(), name: entry.name, kind })
    });
    Ok(targets.collect())
}

fn narrow(mut row: Vec<Cell>) -> Vec<Cell> {
    let at = HEADING.iter().position(|name| *name == "capacity").unwrap_or(0);
    let capacity = row.remove(at);
    if let Some(entries) = row.get_mut(at.saturating_sub(1)).filter(|_| !capacity.text.is_empty()) {
        entries.text = format!("{} of {}", entries.text, capacity.text);
    }
    row
}

fn list_error(error: Error, common: &Common) -> Failure {
    let failure = Failure::from(error);
    match failure.exit() {
        Exit::NotFound => {
            let dir = common.namespace().dir().display().to_string();
            Failure::new(Exit::NotFound, format!("there is no directory {dir}"))
                .hint("make it, or name another one: --namespace DIR")
        }
        _ => failure,
    }
}

fn row(target: &Target, common: &Common) -> Vec<Cell> {
    let (keys, entries, capacity, created, remark) = match target.open(common) {
        Ok(Open::Table(table)) => {
            let stats = table.stats();
            let [len, capacity] = [stats.len, stats.capacity].map(|n| Cell::count(n as u64));
            let created = table.segment().created();
            (Cell::text(table.key_kind().name()), len, capacity, Some(created), Cell::none())
        }
        Ok(Open::Snapshot(map)) => {
            let created = map.snapshot().get_ref().created();
            let remark = Cell::text(format!("edition {}", map.edition()));
            (Cell::text("[u8]"), Cell::count(map.len() as u64), Cell::none(), Some(created), remark)
        }
        Err(failure) => {
            let none = Cell::none;
            (none(), none(), none(), None, Cell::name(failure.message()))
        }
    };
    let meta = std::fs::symlink_metadata(target.path()).ok();
    let (bytes, owner, mode) = match &meta {
        None => (Cell::none(), Cell::none(), Cell::none()),
        Some(meta) => (Cell::bytes(meta.len()), owner(meta.uid()), mode(meta.mode())),
    };
    let name = Cell::name(target.name.as_str());
    let kind = Cell::text(target.kind.name());
    vec![name, kind, keys, entries, capacity, bytes, owner, mode, age(created), remark]
}

/// Shows the name of a user, or the user's number if there is no name.
pub(super) fn owner(uid: u32) -> Cell {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => Cell::text(user.name),
        _ => Cell::new(uid.to_string(), uid.to_string()),
    }
}

pub(super) fn mode(mode: u32) -> Cell {
    Cell::text(format!("{:04o}", mode & 0o7777))
}

/// Shows how long ago a time was. The result is zero if the clock was set back.
pub(super) fn age(created: Option<SystemTime>) -> Cell {
    let Some(created) = created else { return Cell::none() };
    let seconds = created.elapsed().map_or(0, |age| age.as_secs());
    Cell::new(span(seconds), seconds).plain(seconds)
}
