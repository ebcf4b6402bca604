//! `shmap watch`

mod arrivals;
mod changes;
mod screen;

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use shm_facade::SharedMap;
use signal_hook::consts::SIGWINCH;
use slotmap_shm::{Expiry, Interrupt, LockError, TableError, TableVersion, UntypedTable, Value};

use self::arrivals::{Arrivals, Event};
use self::changes::{Change, Mark, Recent, all, diff};
use self::screen::{Frame, Screen};
use crate::arguments::{Common, Format, SECONDS};
use crate::escape::escape;
use crate::failure::{Exit, Failure};
use crate::maps::key::{AnyKey, Forms, KeyType, json_bytes};
use crate::maps::table::{self, Reader};
use crate::maps::target::{Entries, Kind, Open, Target, exists};
use crate::output::{grouped, stdout};

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  $ shmap watch jobs --frames 1
  +\t3325\trunning
  +\t3326\twaiting

On a terminal, the map is shown as a table that is updated in place; Ctrl-C ends it. Elsewhere,
each change is printed as a line: + for new, ~ for changed or - for removed, then tab, key, tab,
value. At first every entry is new. A change that is undone between two updates is not seen.
NO_COLOR turns colours off.

If you may write to a table, the watch opens it to write, sleeps until something in it changes, and
then updates at once, but at most every 0.01 seconds. It changes no entry. With --poll, or if you
may only read the table, it reads the table every --interval seconds. So does a watch of a table
whose entries may expire, because nothing is written when one does.

If the map is removed, its entries count as removed, and the watch continues with the next map of
that name. A message on standard error, or the heading, says so. After --frames updates the exit
code is 1 if there was no map at the last one.")]
pub(crate) struct Arguments {
    /// Name of the map
    pub(super) name: String,
    /// Time between two updates, if no change comes before; at least 0.01
    #[arg(long, short, value_name = "SECONDS", default_value_t = 0.5)]
    interval: f64,
    /// Only read the table, every --interval seconds
    #[arg(long)]
    poll: bool,
    /// End after this many updates; at least 1
    #[arg(long, short = 'n', value_name = "N")]
    frames: Option<u64>,
    /// Type of the keys of a published map, such as i32 for a frozen table
    #[arg(long, value_name = "TYPE")]
    keys: Option<KeyType>,
    /// Which one, if both a table and a map have the name
    #[arg(long)]
    kind: Option<Kind>,
}

const LEAST_INTERVAL: Duration = Duration::from_millis(10);

pub(crate) fn run(arguments: &Arguments, common: &Common) -> Result<Exit, Failure> {
    let interval = interval(arguments.interval)?;
    if arguments.frames == Some(0) {
        return Err(Failure::usage("--frames 0: a watch has at least 1 update")
            .hint("--frames 1 prints the map once"));
    }
    let target = Target::find_made(&arguments.name, arguments.kind, common)?;
    let asked = arguments.keys;
    let key_type = target.open(common)?.key_type(asked)?;
    let signals = Arrivals::new()?;
    let waits = (!arguments.poll).then(|| signals.interrupt());
    let format = common.format();
    let mut screen = match format {
        Format::Table if std::io::stdout().is_terminal() => Some(Screen::enter()?),
        _ => None,
    };
    let mut watched = Watched {
        target,
        common,
        asked,
        key_type,
        open: None,
        waits,
        waiter: None,
        seen: None,
        entries: Vec::new(),
        speaks: screen.is_none(),
        again: false,
        removed: false,
    };
    let mut recent = Recent::default();
    let mut looks = 0;
    loop {
        let changes = watched.look()?;
        looks += 1;
        match &mut screen {
            // At first everything is new, which is not worth a colour.
            Some(_) if looks == 1 => {}
            Some(_) => recent.add(&changes),
            None => print(&changes, format)?,
        }
        if let Some(screen) = &mut screen {
            screen.draw(&watched.frame(&recent, screen.rows())?)?;
        }
        if arguments.frames.is_some_and(|frames| looks >= frames) {
            return Ok(watched.outcome());
        }
        let start = Instant::now();
        loop {
            match watched.sleep(&signals, start, interval)? {
                Event::Signal(SIGWINCH) => {
                    if let Some(screen) = &mut screen {
                        screen.draw(&watched.frame(&recent, screen.rows())?)?;
                    }
                }
                // The screen is left as it was found when it is dropped.
                Event::Signal(_) => return Ok(Exit::Interrupted),
                Event::Due => break,
            }
        }
    }
}

/// Parses the time between two updates. With a shorter time, the loop would do nothing but read.
fn interval(seconds: f64) -> Result<Duration, Failure> {
    let interval = Duration::try_from_secs_f64(seconds).map_err(|_| {
        Failure::usage(format!("--interval {seconds}: not a number of seconds")).hint(SECONDS)
    })?;
    if interval < LEAST_INTERVAL {
        let least = LEAST_INTERVAL.as_secs_f64();
        return Err(Failure::usage(format!(
            "--interval {seconds}: too short, the least is {least}"
        ))
        .hint(format!("--interval {least}, or leave it out for 0.5")));
    }
    Ok(interval)
}

/// A map, and what was last read from it.
struct Watched<'a> {
    target: Target,
    common: &'a Common,
    /// The type of keys that the user asked for.
    asked: Option<KeyType>,
    key_type: KeyType,
    /// The open map, or `None` before the first read and while there is no map of the name.
    open: Option<Open>,
    /// What ends a wait for a change of a table, or `None` if the table is to be polled.
    waits: Option<Interrupt>,
    /// The open table once more, by a handle that may announce that it waits, or `None` if the user
    /// may only read it.
    waiter: Option<Box<UntypedTable>>,
    /// The version of the table before its entries were read.
    seen: Option<TableVersion>,
    /// The entries of a table. A published map needs no copy, because it does not change.
    entries: Vec<(AnyKey, Value)>,
    /// Whether to report on stderr what happens to the name. A screen reports this itself.
    speaks: bool,
    /// True if the map was removed and created again since the first read.
    again: bool,
    /// True if the map was removed and there is no new map yet.
    removed: bool,
}

impl Watched<'_> {
    /// Reads the map, and returns what has changed. If the map was removed, all of its entries
    /// count as removed.
    fn look(&mut self) -> Result<Vec<Change>, Failure> {
        match self.target.kind {
            Kind::Table => self.look_at_table(),
            Kind::Snapshot => self.look_at_map(),
        }
    }

    fn look_at_table(&mut self) -> Result<Vec<Change>, Failure> {
        let table = match self.open.take() {
            Some(Open::Table(table)) if !self.is_orphaned(&table)? => {
                // An entry that expires changes no version.
                let expires = table.geometry().expiry != Expiry::Never;
                let is_same = self.seen == Some(table.table_version());
                if self.waiter.is_some() && is_same && !expires {
                    self.open = Some(Open::Table(table));
                    return Ok(Vec::new());
                }
                Some(table)
            }
            open => {
                let found = self.find(|target, common| target.reader(common).map(Box::new))?;
                self.say(open.is_some(), found.is_some());
                self.waiter = found.as_ref().and_then(|found| self.waiter_of(found));
                found
            }
        };
        // Before the entries are read, so that a change in between is not missed.
        self.seen = table.as_ref().map(|table| table.table_version());
        let (key_type, entries) = match &table {
            None => (self.key_type, Vec::new()),
            // Beside busy writers each entry is whole; the next look shows the rest.
            Some(table) => (KeyType(table.key_kind()), table::listing(table)?.entries),
        };
        self.open = table.map(Open::Table);
        if let Some(open) = &self.open {
            open.key_type(self.asked)?;
        }
        let mut before = std::mem::replace(&mut self.entries, entries.clone());
        let mut changes = Vec::new();
        if std::mem::replace(&mut self.key_type, key_type) != key_type {
            // Keys of two types have no order between them.
            changes = all(Mark::Removed, Entries::Table(std::mem::take(&mut before).into_iter()))?;
        }
        changes
            .extend(diff(Entries::Table(before.into_iter()), Entries::Table(entries.into_iter()))?);
        Ok(changes)
    }

    /// Opens the table a second time, to write, if the user may.
    fn waiter_of(&self, table: &Reader) -> Option<Box<UntypedTable>> {
        let interrupt = self.waits.clone()?;
        let waiter = self.target.writer_with(self.common, interrupt).ok()?;
        // The name may lead to another table by now, which the next read finds.
        (waiter.segment().id() == table.segment().id()).then(|| Box::new(waiter))
    }

    /// Sleeps until the next update is due, `interval` after `start` or when the table has changed,
    /// or until a signal arrives.
    fn sleep(
        &self,
        signals: &Arrivals,
        start: Instant,
        interval: Duration,
    ) -> Result<Event, Failure> {
        let left = |interval: Duration| interval.saturating_sub(start.elapsed());
        let (Some(waiter), Some(seen)) = (&self.waiter, self.seen) else {
            return Ok(signals.next(left(interval)));
        };
        // Busy writers get no more than so many updates.
        if let signal @ Event::Signal(_) = signals.next(left(LEAST_INTERVAL)) {
            return Ok(signal);
        }
        match waiter.wait_for_any_change(seen, Some(left(interval))) {
            Ok(_) => Ok(Event::Due),
            Err(TableError::Lock(LockError::Interrupted { .. })) => {
                Ok(signals.next(left(interval)))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn look_at_map(&mut self) -> Result<Vec<Change>, Failure> {
        // O(1), and the old edition is still there to compare with.
        let map = self.find(|target, common| target.map(common))?;
        let (before, key_type) = (self.open.take(), self.key_type);
        if before.is_none() || map.is_none() {
            self.say(before.is_some(), map.is_some());
        }
        let id = |map: &SharedMap| map.snapshot().get_ref().id();
        let of = |map| Entries::of_map(map, key_type);
        let changes = match (&before, &map) {
            (Some(Open::Snapshot(before)), Some(map)) if id(before) == id(map) => Vec::new(),
            (Some(Open::Snapshot(before)), Some(map)) => diff(of(before), of(map))?,
            (_, Some(map)) => all(Mark::Added, of(map))?,
            (Some(Open::Snapshot(before)), None) => all(Mark::Removed, of(before))?,
            (_, None) => Vec::new(),
        };
        self.open = map.map(|map| Open::Snapshot(Box::new(map)));
        Ok(changes)
    }

    fn is_orphaned(&self, table: &Reader) -> Result<bool, Failure> {
        let path = self.target.path();
        table.segment().is_orphaned().map_err(|error| Failure::of_file(path.display(), &error))
    }

    /// Opens the same name again. It may now lead to another file, or to nothing.
    fn find<T>(
        &self,
        open: impl FnOnce(&Target, &Common) -> Result<T, Failure>,
    ) -> Result<Option<T>, Failure> {
        let Target { namespace, name, kind } = &self.target;
        if !exists(namespace, name, *kind)? {
            return Ok(None);
        }
        match open(&self.target, self.common) {
            Ok(open) => Ok(Some(open)),
            // Removed in between.
            Err(failure) if failure.exit() == Exit::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Reports that the map was removed, or that there is a new one.
    fn say(&mut self, was_there: bool, is_there: bool) {
        let first = !was_there && !self.removed;
        let what = match is_there {
            true if !first => "was made again: these are the changes to the new one",
            false if !self.removed => "was removed: waiting until it is made again",
            _ => "",
        };
        self.again |= is_there && !first;
        self.removed = !is_there;
        if self.speaks && !what.is_empty() {
            let Target { name, kind, .. } = &self.target;
            let name = escape(name.as_str().as_bytes());
            // A closed stderr is no reason to end.
            let _ = writeln!(std::io::stderr(), "shmap: the {} `{name}` {what}", kind.name());
        }
    }

    /// The exit code after the last read.
    fn outcome(&self) -> Exit {
        if self.removed { Exit::NotFound } else { Exit::Ok }
    }

    /// Makes a frame of the entries that fit into this many rows.
    fn frame(&self, recent: &Recent, rows: usize) -> Result<Frame, Failure> {
        let (entries, of) = match &self.open {
            None => {
                let none = Entries::Table(Vec::new().into_iter());
                (none, " entries: removed, waiting until it is made again".to_owned())
            }
            Some(Open::Table(table)) => {
                let stats = table.stats();
                let capacity = grouped(stats.capacity as u64);
                let of = format!(" of {capacity} entries, {} writes", grouped(stats.writes));
                (Entries::Table(self.entries.clone().into_iter()), of)
            }
            Some(Open::Snapshot(map)) => {
                let of = format!(" entries, edition {}", grouped(map.edition()));
                (Entries::of_map(map, self.key_type), of)
            }
        };
        let again = if self.again && !self.removed { ", made again" } else { "" };
        let len = entries.len();
        let mut shown = Vec::with_capacity(rows);
        for entry in entries.take(rows) {
            let (key, value) = entry?;
            let mark = recent.mark(&key);
            shown.push(Change { mark, value: value.as_ref().to_vec(), key });
        }
        recent.merge_removed(&mut shown, rows);
        let name = escape(self.target.name.as_str().as_bytes());
        let kind = self.target.kind.name();
        let heading = format!("{name}  {kind}  {}{of}{again}  Ctrl-C ends", grouped(len as u64));
        // What was removed is shown, too, but is none of the entries.
        let there = shown.iter().filter(|change| change.mark != Mark::Removed).count();
        Ok(Frame { heading, more: len.saturating_sub(there), rows: shown })
    }
}

fn print(changes: &[Change], format: Format) -> Result<(), Failure> {
    let mut out = stdout();
    for Change { mark, key, value } in changes {
        match format {
            Format::Json => {
                let (change, key, value) = (mark.word(), key.json(), json_bytes(value));
                writeln!(out, "{}", json!({"change": change, "key": key, "value": value}))?;
            }
            _ => writeln!(out, "{}\t{}\t{}", mark.sign(), key.text(), escape(value))?,
        }
    }
    out.flush()?;
    Ok(())
}
