//! Errors of the facade.

use std::path::{Path, PathBuf};

use avl_snapshot::{BuildError, SnapshotError};
use shm_core::{CreateError, InvalidName, IoError, OpenError, PublishError};
use slotmap_shm::{KeyKind, TableError, TableOpenError};
use thiserror::Error;

/// Why a call failed. Nothing was changed.
///
/// The types of the errors that this type contains are exported here too, so that a program needs
/// only this crate:
/// ```
/// use shm_facade::{BuildError, Error, HeaderError, LockError, OpenError};
/// use shm_facade::{PublishError, SnapshotError};
/// # use shm_facade::{CreateError, FileKind, FreezeOptions, InvalidName};
/// # use shm_facade::{TableError, TableOpenError};
///
/// fn advice(error: &Error) -> &'static str {
///     match error {
///         Error::Open(OpenError::Writable { .. }) => "open a copy",
///         Error::Publish(PublishError::Lock { source, .. }) => match source {
///             LockError::TimedOut { .. } => "try again",
///             _ => "read the message",
///         },
///         Error::Build(BuildError::NotSorted { .. }) => "use a tree",
///         Error::Snapshot(SnapshotError::Version { .. }) => "rebuild it",
///         Error::Open(OpenError::Header { source, .. }) => match source {
///             HeaderError::KindVersion { .. } => "rebuild it",
///             _ => "read the message",
///         },
///         _ => "read the message",
///     }
/// }
/// # let mut builder = shm_facade::Builder::with_options(FreezeOptions::default());
/// # let error = builder.push([0; 1 << 20], "").unwrap_err();
/// # assert_eq!(advice(&error.into()), "read the message");
/// ```
#[derive(Error)]
#[non_exhaustive]
pub enum Error {
    /// The name is not valid.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// There is no table or map of that name.
    #[error("{path:?} does not exist")]
    NotFound {
        /// The path where the table or map was looked for.
        path: PathBuf,
    },
    /// The name is taken, by a table, a map or anything else.
    #[error("{path:?} exists already")]
    AlreadyExists {
        /// The path of the existing file.
        path: PathBuf,
    },
    /// The operating system does not permit the operation.
    #[error(transparent)]
    PermissionDenied(IoError),
    /// The operating system refused the operation for another reason, or a limit was reached.
    #[error(transparent)]
    Io(IoError),
    /// The file of a table or map could not be opened.
    #[error(transparent)]
    Open(OpenError),
    /// The file of a table or map could not be created.
    #[error(transparent)]
    Create(CreateError),
    /// The file exists, but its table is not the requested one, or no table can have the requested
    /// size.
    #[error(transparent)]
    OpenTable(TableOpenError),
    /// The operation on a table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A map without entries was to replace an edition that has entries, without
    /// [`ShareOptions::allow_empty`](crate::ShareOptions::allow_empty).
    #[error("{path:?} has entries ({entries}), and none are to replace them")]
    WouldEmpty {
        /// The path of the edition, which was not replaced.
        path: PathBuf,
        /// The number of entries of the edition.
        entries: u64,
    },
    /// The map could not be published, saved or removed.
    #[error(transparent)]
    Publish(PublishError),
    /// A map cannot be built from the entries.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The bytes are not a map, or contradict themselves.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The contents of a file are not a map, or contradict themselves.
    #[error("cannot use {path:?}")]
    Map {
        /// Path of the file.
        path: PathBuf,
        /// What is wrong.
        source: SnapshotError,
    },
    /// A key of a map is not the map key of any key of the table.
    #[error(
        "the map's key at rank {rank} ({}) is no key of this table, whose keys are {kind}",
        in_words(key)
    )]
    NotATableKey {
        /// The rank of the key in the map.
        rank: usize,
        /// The key.
        key: Vec<u8>,
        /// The kind of the table's keys.
        kind: KeyKind,
    },
}

shm_core::debug_is_report!(Error);

/// Formats a key as text in quotes. Bytes that are not UTF-8 are escaped.
fn in_words(key: &[u8]) -> String {
    match std::str::from_utf8(key) {
        Ok(text) => format!("{text:?}"),
        Err(_) => format!("\"{}\"", key.escape_ascii()),
    }
}

impl From<IoError> for Error {
    fn from(error: IoError) -> Self {
        if error.is_denied() { Self::PermissionDenied(error) } else { Self::Io(error) }
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::InvalidName(e) => Self::Name(e),
            OpenError::NotFound { path } => Self::NotFound { path },
            OpenError::PermissionDenied(e) => Self::PermissionDenied(e),
            OpenError::Create(e) => e.into(),
            OpenError::Io(e) => e.into(),
            other => Self::Open(other),
        }
    }
}

impl From<CreateError> for Error {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::InvalidName(e) => Self::Name(e),
            CreateError::AlreadyExists { path } => Self::AlreadyExists { path },
            CreateError::Io(e) => e.into(),
            other => Self::Create(other),
        }
    }
}

impl From<TableOpenError> for Error {
    fn from(error: TableOpenError) -> Self {
        match error {
            TableOpenError::Open(e) => e.into(),
            TableOpenError::Create(e) => e.into(),
            other => Self::OpenTable(other),
        }
    }
}

impl From<PublishError> for Error {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::NotFound { path } => Self::NotFound { path },
            PublishError::Create(e) => e.into(),
            PublishError::Open(e) => e.into(),
            PublishError::Io(e) => e.into(),
            other => Self::Publish(other),
        }
    }
}

impl Error {
    /// Returns the file or directory that the error is about, if the error names one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::NotFound { path } | Self::AlreadyExists { path } => Some(path),
            Self::WouldEmpty { path, .. } | Self::Map { path, .. } => Some(path),
            Self::PermissionDenied(e) | Self::Io(e) => Some(&e.path),
            Self::Open(e) => e.path(),
            Self::Create(e) => e.path(),
            Self::OpenTable(e) => e.path(),
            Self::Publish(e) => e.path(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm_core::{HeaderError, LockError};

    #[test]
    fn a_lack_of_space_has_one_shape() {
        let no_space =
            || OpenError::from(CreateError::NoSpace { needed: 1, available: 0, dir: "x".into() });
        let error = PublishError::from(no_space());
        assert!(matches!(error, PublishError::Create(CreateError::NoSpace { .. })), "{error:?}");
        let error = TableOpenError::from(no_space());
        assert!(matches!(error, TableOpenError::Create(CreateError::NoSpace { .. })), "{error:?}");
    }

    #[test]
    fn every_error_reads_well() {
        let path = || PathBuf::from("/dir/file");
        let io = || IoError::new("open", path(), std::io::Error::from_raw_os_error(13));
        let header = HeaderError::Version { found: 9, supported: 1 };
        let lock = LockError::Os {
            action: "read the clock",
            source: std::io::Error::from_raw_os_error(13),
        };
        let member = Box::new(TableError::Full { capacity: 1, source: None });
        let errors = [
            Error::Name(InvalidName::Empty),
            Error::NotFound { path: path() },
            Error::AlreadyExists { path: path() },
            Error::PermissionDenied(io()),
            Error::Io(io()),
            Error::Open(OpenError::Header { path: path(), source: header }),
            Error::Create(CreateError::BadMode { mode: 0 }),
            Error::OpenTable(TableOpenError::UnknownKeyKind { path: path(), code: 99 }),
            Error::Table(TableError::InBatch { index: 1, source: member }),
            Error::WouldEmpty { path: path(), entries: 1 },
            Error::Publish(PublishError::Lock { path: path(), source: lock }),
            Error::Build(BuildError::NotSorted {
                index: 1,
                key: b"a".to_vec(),
                before: b"b".to_vec(),
            }),
            Error::Snapshot(SnapshotError::Length { found: 1, expected: 2 }),
            Error::Map {
                path: path(),
                source: SnapshotError::Corrupt { what: "order of the keys", at: 64 },
            },
            Error::NotATableKey { rank: 1, key: b"red".to_vec(), kind: KeyKind::I32 },
        ];
        shm_core::every_error_is_said_well!(
            errors,
            Error::Name(_),
            Error::NotFound { .. },
            Error::AlreadyExists { .. },
            Error::PermissionDenied(_),
            Error::Io(_),
            Error::Open(_),
            Error::Create(_),
            Error::OpenTable(_),
            Error::Table(_),
            Error::WouldEmpty { .. },
            Error::Publish(_),
            Error::Build(_),
            Error::Snapshot(_),
            Error::Map { .. },
            Error::NotATableKey { .. },
        );
    }
}
