//! What to do next, for each error.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::Path;

use shm_core::{CreateError, HeaderError, IoError, Kind, LockError, OpenError, PublishError};
use shm_facade::{BuildError, Error, SNAPSHOT};
use slotmap_shm::{GeometryError, KIND, TableError, TableOpenError};

/// Advice on what to do next. A constant text has `NAME` in place of the map's name.
pub(super) type Hint = Cow<'static, str>;

pub(super) const NO_DIRECTORY: &str =
    "make the directory first, or name another one: --namespace DIR";

/// A hint for a file that the caller may not open.
pub(super) fn who_may(path: impl fmt::Display) -> String {
    format!("its mode decides who may: `ls -l {path}`; ask its owner, or become that user")
}

/// What to do about an error, if there is something to say.
pub(super) fn hint(error: &Error) -> Option<Hint> {
    let text = match error {
        Error::Name(_) => "a name has 1 to 200 bytes, no `/`, and no dot at its start",
        Error::Open(e) => return open_hint(e),
        Error::PermissionDenied(e) => return Some(denied_hint(e).into()),
        Error::Io(e) if e.source.kind() == io::ErrorKind::NotFound => NO_DIRECTORY,
        Error::OpenTable(TableOpenError::Geometry(GeometryError::OutOfRange { what, .. })) => {
            return Some(format!("ask for another one: --{}", what.replace('_', "-")).into());
        }
        Error::OpenTable(TableOpenError::Geometry(GeometryError::TimeToLive { .. })) => TTL,
        Error::OpenTable(TableOpenError::Geometry(_)) => "ask for less: --capacity, --value-size",
        Error::Publish(PublishError::BadMode { .. }) => "--mode 400, 440 or 444",
        Error::Create(e) => return create_hint(e),
        Error::OpenTable(TableOpenError::Corrupt { .. })
        | Error::Map { .. }
        | Error::Snapshot(_) => DAMAGED,
        Error::AlreadyExists { path } if is_of_kind(path, KIND) => {
            "`shmap stat NAME` says what is there; `shmap rm NAME --kind table` removes it"
        }
        Error::AlreadyExists { .. } => {
            "add --force to replace it; whoever has it open keeps the old one"
        }
        Error::WouldEmpty { .. } => {
            "did its input break off? add --allow-empty to publish a map without entries"
        }
        Error::Table(e) => return table_hint(e),
        Error::Publish(PublishError::Lock { source: LockError::TimedOut { .. }, .. }) => BUSY,
        Error::Publish(PublishError::ControlWord { path, .. }) => {
            return Some(control_hint(path).into());
        }
        Error::Build(BuildError::NoMemory { .. }) => {
            "`ulimit -v` says how much this process may have; `shmap share --sorted` needs less"
        }
        Error::Build(BuildError::KeyTooLong { .. }) => {
            "shorten the key: what is long belongs into the value"
        }
        _ => return None,
    };
    Some(text.into())
}

/// A hint for an action that the system does not permit: opening a file, or changing its directory.
fn denied_hint(error: &IoError) -> String {
    let path = &error.path;
    if path.is_dir() {
        "name a directory that you may write to: --namespace DIR".to_owned()
    } else if path.symlink_metadata().is_ok() {
        who_may(path.display())
    } else {
        denied(path.parent().unwrap_or(path))
    }
}

/// A hint for a directory that the caller may not change.
pub(super) fn denied(dir: &Path) -> String {
    format!("`ls -ld {}` says who may; become that user, or --namespace DIR", dir.display())
}

fn is_of_kind(path: &Path, kind: Kind) -> bool {
    path.extension().is_some_and(|extension| extension == kind.as_str())
}

/// A hint for a published map, which is used in place, so nobody may write to it.
fn take_write_bits(path: &Path) -> String {
    format!("`chmod a-w {}`, or share it anew", path.display())
}

/// A hint for a control segment, which holds only the number of the edition.
fn control_hint(path: &Path) -> String {
    let path = path.display();
    format!("no map is in that file, only the count of editions: `rm {path}`, then once more")
}

const DAMAGED: &str = "`shmap verify NAME` says what is wrong; remove it with `shmap rm NAME` and \
                       create it again from its source";
/// A hint for a time to live that cannot be.
pub(crate) const TTL: &str = "a number of seconds, more than 0 and at most 4611686018, such as 0.5";
/// A hint for a value that does not fit.
pub(crate) const VALUE_SIZE: &str =
    "the size is fixed when a table is made: `shmap create OTHER --value-size BYTES`";
/// A hint for a table whose first page is sound.
pub(crate) const REPAIRABLE: &str =
    "`shmap repair NAME` frees the damaged slots and keeps the others";
const BUSY: &str =
    "`shmap stat NAME` says who has it mapped; give it longer with --timeout SECONDS";

fn table_hint(error: &TableError) -> Option<Hint> {
    let text = match error {
        TableError::DuplicateKey { .. } => "`shmap set` sets it, `shmap update` replaces it",
        TableError::NamedTwice { .. } => "name each key once; nothing was changed",
        TableError::NotFound { .. } => "`shmap set` or `shmap add` adds it",
        TableError::NoExpiry => {
            "whether entries expire is fixed when a table is made: `shmap create OTHER --ttl each`"
        }
        TableError::TimeToLive(_) => TTL,
        TableError::NotRegistered => "`shmap stat NAME` says who writes: end one of them",
        TableError::Full { source: Some(_), .. } => {
            "make room for it to grow (`df -h`, `free -m`), or in the table: `shmap del`"
        }
        TableError::Full { .. } => {
            "`shmap del` makes room; a larger table is a new one: `shmap create OTHER --capacity N`"
        }
        TableError::ValueTooLarge { .. } | TableError::NoRoomForCounter { .. } => VALUE_SIZE,
        TableError::KeyTooLong { .. } => {
            "the size is fixed when a table is made: `shmap create OTHER --keys str --key-size BYTES`"
        }
        TableError::NotACounter { .. } => {
            "`shmap get` shows it; after `shmap del` a counter begins"
        }
        TableError::InBatch { source, .. } => return table_hint(source),
        TableError::Contended { .. } => "writers are too busy for a cut of one moment: once more",
        TableError::Lock(LockError::TimedOut { .. }) => BUSY,
        TableError::Corrupt { .. } => REPAIRABLE,
        _ => return None,
    };
    Some(text.into())
}

fn open_hint(error: &OpenError) -> Option<Hint> {
    let text = match error {
        OpenError::ForeignOwner { found, .. } => {
            return Some(
                format!("if you trust that user with its contents: --trust {found}").into(),
            );
        }
        // It would be refused for its owner's write bit, too.
        OpenError::ForeignWriters { path, .. } if is_of_kind(path, SNAPSHOT.kind) => {
            return Some(take_write_bits(path).into());
        }
        OpenError::ForeignWriters { .. } => {
            "if you trust everybody who may write to it: --trust-writers"
        }
        OpenError::Writable { path, .. } => {
            return Some(take_write_bits(path).into());
        }
        OpenError::OpenForWriting { path } => {
            return Some(
                format!("see which process has it open: `fuser -v {}`", path.display()).into(),
            );
        }
        OpenError::NotAFile { path, .. } => {
            return Some(format!("see what it is: `ls -l {}`", path.display()).into());
        }
        OpenError::Header { path, source } => match source {
            HeaderError::CLibrary | HeaderError::Abi { .. } => {
                "read it (get, dump, search, watch), or write where its writers run"
            }
            HeaderError::Version { .. } | HeaderError::KindVersion { .. } => {
                "it was made by another version: use that one's shmap"
            }
            _ if is_of_kind(path, SNAPSHOT.control) => {
                return Some(control_hint(path).into());
            }
            HeaderError::Kind { found, .. } => {
                return Some(
                    format!("if it was renamed: its name has to end in `.{found}`").into(),
                );
            }
            _ => DAMAGED,
        },
        _ => return None,
    };
    Some(text.into())
}

fn create_hint(error: &CreateError) -> Option<Hint> {
    let text = match error {
        CreateError::NoSpace { .. } => {
            "make room, or ask for less: `df -h` on that directory says how much is left"
        }
        CreateError::NoMemory { .. } => {
            "ask for less, or name a directory on a disk: --namespace DIR"
        }
        CreateError::NoInodes { .. } => "`df -i` on that directory says how many files there are",
        CreateError::Quota { .. } => "`quota` says how much you may have",
        CreateError::FileSizeLimit { .. } => "ask for less, or raise it: `ulimit -f unlimited`",
        CreateError::FileTooLarge { .. } => {
            "ask for less, or name another directory: --namespace DIR"
        }
        CreateError::BadMode { .. } => {
            "--mode 600, 640 or 644; with --trust-writers 660, 664 or 666, too"
        }
        _ => return None,
    };
    Some(text.into())
}
