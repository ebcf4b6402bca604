//! Finds the map that a name of the command line leads to.

use avl_snapshot::Snapshot;
use clap::ValueEnum;
use shm_core::{InPlace, Name, Namespace, Published};
use shm_facade::{Error, SNAPSHOT, SharedMap};
use slotmap_shm::{Interrupt, KIND, TableOpenError, UntypedTable, Value};

use crate::arguments::{Common, name};
use crate::failure::{Exit, Failure};
use crate::maps::frozen;
use crate::maps::key::{AnyKey, Forms, KeyType};
use crate::maps::table::{self, Reader};

/// Commands read maps in place.
// SAFETY: SECURITY.md tells users whom a reader trusts; `--help` names the option for others.
#[allow(unsafe_code, reason = "a promise on behalf of the user")]
const IN_PLACE: InPlace = unsafe { InPlace::trust_writers() };

/// The kinds of maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// A table, which changes key by key
    Table,
    /// A published map, which changes as a whole
    Snapshot,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Snapshot => "snapshot",
        }
    }

    /// The name of this kind for people, with its article.
    fn called(self) -> &'static str {
        match self {
            Self::Table => "a table",
            Self::Snapshot => "a published map",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Table => Self::Snapshot,
            Self::Snapshot => Self::Table,
        }
    }

    pub(crate) fn path(self, namespace: &Namespace, name: &Name) -> std::path::PathBuf {
        let kind = match self {
            Self::Table => KIND,
            Self::Snapshot => SNAPSHOT.kind,
        };
        namespace.path_of(name, kind)
    }
}

/// A name, and the one kind of map that it leads to.
pub(crate) struct Target {
    pub(crate) namespace: Namespace,
    pub(crate) name: Name,
    pub(crate) kind: Kind,
}

/// An open map of either kind.
pub(crate) enum Open {
    Table(Box<Reader>),
    Snapshot(Box<SharedMap>),
}

impl Target {
    /// Like [`Target::find`], but for a subcommand to which a new map would be of no use.
    pub(crate) fn find_made(
        text: &str,
        kind: Option<Kind>,
        common: &Common,
    ) -> Result<Self, Failure> {
        Self::find(text, kind, common).map_err(|failure| match failure.exit() {
            Exit::NotFound if common.namespace().dir().is_dir() => {
                failure.hint_instead("`shmap list` shows what there is")
            }
            _ => failure,
        })
    }

    /// Finds out what is at a name.
    pub(crate) fn find(text: &str, kind: Option<Kind>, common: &Common) -> Result<Self, Failure> {
        let (namespace, name) = (common.namespace(), name(text)?);
        let there = |kind: Kind| exists(&namespace, &name, kind);
        let kind = match kind {
            Some(kind) if there(kind)? => kind,
            Some(kind) if there(kind.other())? => {
                let (wanted, found) = (kind.called(), kind.other().called());
                let text = format!("`{name}` is {found}, not {wanted}");
                return Err(Failure::new(Exit::Mismatch, text).hint(match kind {
                    Kind::Table => {
                        "a published map changes as a whole: `shmap share NAME FILE --force`"
                    }
                    Kind::Snapshot => "leave --kind out, or publish the table: `shmap freeze NAME`",
                }));
            }
            None => match (there(Kind::Table)?, there(Kind::Snapshot)?) {
                (true, false) => Kind::Table,
                (false, true) => Kind::Snapshot,
                (true, true) => {
                    let text = format!("`{name}` is a table, and also a published map");
                    return Err(
                        Failure::usage(text).hint("say which: --kind table or --kind snapshot")
                    );
                }
                (false, false) => return Err(missing(&namespace, &name, None)),
            },
            kind => return Err(missing(&namespace, &name, kind)),
        };
        Ok(Self { namespace, name, kind })
    }

    /// Opens the map for reading.
    pub(crate) fn open(&self, common: &Common) -> Result<Open, Failure> {
        Ok(match self.kind {
            Kind::Table => Open::Table(Box::new(self.reader(common)?)),
            Kind::Snapshot => Open::Snapshot(Box::new(self.map(common)?)),
        })
    }

    pub(crate) fn reader(&self, common: &Common) -> Result<Reader, Failure> {
        UntypedTable::open_read_only(&self.namespace, &self.name, &common.read_options()?)
            .map_err(|error| Failure::from(error).naming(&self.path()))
    }

    pub(crate) fn writer(&self, common: &Common) -> Result<UntypedTable, Failure> {
        self.writer_with(common, Interrupt::never())
    }

    /// Opens the table for writing. `interrupt` can end its waits early.
    pub(crate) fn writer_with(
        &self,
        common: &Common,
        interrupt: Interrupt,
    ) -> Result<UntypedTable, Failure> {
        let options = common.table_options()?.interrupt(interrupt);
        UntypedTable::open(&self.namespace, &self.name, &options)
            .map_err(|error| Failure::from(error).naming(&self.path()))
    }

    /// Returns all entries of this table, if possible as they were at one moment. If writers are
    /// too busy for a reader, takes the lock, provided that the caller may write. Otherwise, prints
    /// on standard error that the entries are of different moments. Also prints there if some
    /// entries are damaged.
    pub(crate) fn entries_of(
        &self,
        table: &Reader,
        common: &Common,
    ) -> Result<Vec<(AnyKey, Value)>, Failure> {
        let mut found = table::listing(table)?;
        if !found.one_moment {
            match self.writer(common).and_then(|table| table::listing(&table)) {
                Ok(locked) => found = locked,
                // It is only for reading, or its lock is held all the time.
                Err(_) => note(&format!(
                    "{}: writers are busy: each entry is whole, but they are of different moments",
                    self.name
                )),
            }
        }
        if found.damaged > 0 {
            let (name, damaged) = (&self.name, found.damaged);
            let slots = if damaged == 1 { "slot is" } else { "slots are" };
            note(&format!(
                "{name}: {damaged} damaged {slots} left out: `shmap repair {name}` frees damaged slots"
            ));
        }
        Ok(found.entries)
    }

    pub(crate) fn map(&self, common: &Common) -> Result<SharedMap, Failure> {
        SharedMap::open_with(self.name.as_str(), &common.map_options()?, IN_PLACE)
            .map_err(|error| Failure::from(error).naming(&self.path()))
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.kind.path(&self.namespace, &self.name)
    }
}

/// Prints a remark about the result on standard error.
pub(crate) fn note(text: &str) {
    use std::io::Write;
    // Where it cannot be written, nobody reads it.
    let _ = writeln!(std::io::stderr(), "shmap: {text}");
}

/// Opens a table for writing.
pub(crate) fn writable(text: &str, common: &Common) -> Result<UntypedTable, Failure> {
    Target::find(text, Some(Kind::Table), common)?.writer(common)
}

/// True if there is something of that name and kind, whatever it is.
pub(crate) fn exists(namespace: &Namespace, name: &Name, kind: Kind) -> Result<bool, Failure> {
    match kind.path(namespace, name).symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        // Whether a file exists is never refused by the file itself: the directory decides.
        Err(error) => Err(Failure::of_directory(namespace.dir(), &error)),
    }
}

fn missing(namespace: &Namespace, name: &Name, kind: Option<Kind>) -> Failure {
    let dir = namespace.dir();
    if !dir.is_dir() {
        return Failure::new(Exit::NotFound, format!("there is no directory {}", dir.display()))
            .hint("make it, or name another one: --namespace DIR");
    }
    let what = kind.map_or("neither a table nor a published map", |kind| match kind {
        Kind::Table => "no table",
        Kind::Snapshot => "no published map",
    });
    let text = format!("there is {what} `{name}` in {}", dir.display());
    Failure::new(Exit::NotFound, text).hint(match kind {
        Some(Kind::Table) => "`shmap list` shows what there is; `shmap create NAME` makes a table",
        Some(Kind::Snapshot) => {
            "`shmap list` shows what there is; `shmap share NAME FILE` publishes a map"
        }
        None => {
            "`shmap list` shows what there is; `shmap create NAME` makes a table, `shmap share NAME \
             FILE` publishes a map"
        }
    })
}

impl Open {
    /// Returns the type of the keys. For a table, this is the table's own type. For a map, it is
    /// the requested type.
    pub(crate) fn key_type(&self, asked: Option<KeyType>) -> Result<KeyType, Failure> {
        match (self, asked) {
            (Self::Table(table), Some(asked)) if asked.0 != table.key_kind() => {
                let path = table.segment().path().to_owned();
                let (found, expected) = (table.key_kind(), asked.0);
                let error = TableOpenError::KeyKind { path, found, expected };
                Err(Failure::from(error).hint("leave --keys out"))
            }
            (Self::Table(table), _) => Ok(KeyType(table.key_kind())),
            (Self::Snapshot(_), None) => Ok(KeyType::BYTES),
            (Self::Snapshot(map), Some(asked)) => {
                frozen::check_length(map, asked)?;
                Ok(asked)
            }
        }
    }
}

/// Returns the key of an entry of a published map as a key of the requested type.
pub(crate) fn map_key(key_type: KeyType, key: &[u8]) -> Result<AnyKey, Failure> {
    key_type.of_map(key).ok_or_else(|| {
        let shown = AnyKey::Bytes(key.to_vec()).text();
        let text = format!("the map's key {shown} stands for no key of type {}", key_type.name());
        Failure::new(Exit::Mismatch, text).hint("leave --keys out to see keys as they are")
    })
}

/// Entries of either kind of map, one after the other, in key order.
pub(crate) enum Entries<'a> {
    Table(std::vec::IntoIter<(AnyKey, Value)>),
    Snapshot(KeyType, avl_snapshot::Iter<'a>),
}

/// A value, in memory of its own or in a mapping.
pub(crate) enum AnyValue<'a> {
    Copied(Value),
    Mapped(&'a [u8]),
}

impl AsRef<[u8]> for AnyValue<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Copied(value) => value,
            Self::Mapped(bytes) => bytes,
        }
    }
}

impl<'a> Entries<'a> {
    pub(crate) fn of(
        target: &Target,
        open: &'a Open,
        key_type: KeyType,
        common: &Common,
    ) -> Result<Self, Failure> {
        Ok(match open {
            Open::Table(table) => Self::Table(target.entries_of(table, common)?.into_iter()),
            Open::Snapshot(map) => Self::of_map(map, key_type),
        })
    }

    pub(crate) fn of_map(map: &'a Snapshot<Published>, key_type: KeyType) -> Self {
        Self::Snapshot(key_type, map.iter())
    }

    fn entry((key_type, (key, value)): (KeyType, (&'a [u8], &'a [u8]))) -> Entry<'a> {
        Ok((map_key(key_type, key)?, AnyValue::Mapped(value)))
    }
}

/// A key and its value.
pub(crate) type Entry<'a> = Result<(AnyKey, AnyValue<'a>), Failure>;

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        match self {
            Self::Table(entries) => entries.next().map(|(k, v)| Ok((k, AnyValue::Copied(v)))),
            Self::Snapshot(key_type, entries) => Some(Self::entry((*key_type, entries.next()?))),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Table(entries) => entries.size_hint(),
            Self::Snapshot(_, entries) => entries.size_hint(),
        }
    }
}

impl DoubleEndedIterator for Entries<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Self::Table(entries) => entries.next_back().map(|(k, v)| Ok((k, AnyValue::Copied(v)))),
            Self::Snapshot(key_type, entries) => {
                Some(Self::entry((*key_type, entries.next_back()?)))
            }
        }
    }
}

impl ExactSizeIterator for Entries<'_> {}

/// Removes the map that has the name.
pub(crate) fn remove(target: &Target, common: &Common) -> Result<(), Failure> {
    match target.kind {
        Kind::Snapshot => SharedMap::remove_with(target.name.as_str(), &common.map_options()?)?,
        Kind::Table => {
            let namespace = &target.namespace;
            let removed = namespace.unlink(&target.name, KIND).map_err(|source| {
                let path = namespace.path_of(&target.name, KIND);
                Failure::from(Error::from(shm_core::IoError::new("remove", path, source)))
            })?;
            if !removed {
                return Err(missing(namespace, &target.name, Some(Kind::Table)));
            }
        }
    }
    Ok(())
}
