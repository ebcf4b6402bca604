//! Errors of the facade, and the result codes of the original.

use std::path::{Path, PathBuf};

use avl_snapshot::{BuildError, SnapshotError};
use shm_core::{
    CreateError, HeaderError, InvalidName, IoError, LockError, OpenError, PublishError,
};
use slotmap_shm::{TableError, TableOpenError};
use thiserror::Error;

/// Why a call failed. Nothing was changed.
///
/// The errors inside it are exported here too, so that a program needs this crate only:
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
        /// Path where it was looked for.
        path: PathBuf,
    },
    /// The name is taken, by a table, a map or anything else.
    #[error("{path:?} exists already")]
    AlreadyExists {
        /// Path of what is there.
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
    /// The file exists, but its table is not the one asked for; or a table of that size cannot
    /// exist.
    #[error(transparent)]
    OpenTable(TableOpenError),
    /// The operation on a table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// An image without entries would replace an edition that has some.
    /// [`ShareOptions::allow_empty`](crate::ShareOptions::allow_empty) allows it.
    #[error("{path:?} has {entries} entries, and none are to replace them")]
    WouldEmpty {
        /// Path of what is there, and stays.
        path: PathBuf,
        /// How many entries it has.
        entries: u64,
    },
    /// The map could not be published, saved or removed.
    #[error(transparent)]
    Publish(PublishError),
    /// The entries cannot be a map.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The bytes are not those of a map.
    #[error(transparent)]
    Snapshot(SnapshotError),
    /// The bytes are those of a map, but contradict themselves.
    #[error("damaged map: {what} at byte {at}")]
    Corrupt {
        /// What is wrong.
        what: &'static str,
        /// Offset from the start of the image, in bytes.
        at: u64,
    },
    /// A key of a map does not stand for a key of the table.
    #[error("key {rank} of the map is not a table's: {}", in_words(key))]
    NotATableKey {
        /// Its rank in the map.
        rank: usize,
        /// The key.
        key: Vec<u8>,
    },
}

shm_core::debug_is_report!(Error);

/// A key as text in quotes; bytes that are not UTF-8 are escaped.
fn in_words(key: &[u8]) -> String {
    match std::str::from_utf8(key) {
        Ok(text) => format!("{text:?}"),
        Err(_) => format!("\"{}\"", key.escape_ascii()),
    }
}

/// Result codes: the original's four, and one for each further cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(i32)]
pub enum ResultCode {
    /// Success.
    Ok = 0,
    /// The key, the table or the map does not exist.
    NotFound = -1,
    /// The table is full, a value or key is too long for it, or the file system is full.
    NoSpace = -2,
    /// The key, the table or the map exists already.
    DuplicateKey = -3,
    /// The name is not valid.
    InvalidName = -4,
    /// The lock was not acquired in time.
    Timeout = -5,
    /// The file at the name is not a usable table or map.
    Corrupt = -6,
    /// The table has another geometry, key type or format, or was made under another C library or
    /// pid namespace; or a value does not have the form asked for.
    Mismatch = -7,
    /// The operating system does not permit it.
    Permission = -8,
    /// Anything else the operating system refused.
    System = -9,
    /// An argument is not possible, such as a mode or a size. Nothing was looked at.
    Invalid = -10,
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

impl From<SnapshotError> for Error {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Corrupt { what, at } => Self::Corrupt { what, at },
            other => Self::Snapshot(other),
        }
    }
}

impl Error {
    /// The file or directory that the error is about, if it names one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::NotFound { path } | Self::AlreadyExists { path } => Some(path),
            Self::WouldEmpty { path, .. } => Some(path),
            Self::PermissionDenied(e) | Self::Io(e) => Some(&e.path),
            Self::Open(e) => e.path(),
            Self::Create(e) => e.path(),
            Self::OpenTable(TableOpenError::Open(e)) => e.path(),
            Self::OpenTable(TableOpenError::Create(e)) => e.path(),
            Self::Publish(e) => e.path(),
            _ => None,
        }
    }

    /// The code of this error. Never [`ResultCode::Ok`].
    #[must_use]
    pub fn code(&self) -> ResultCode {
        match self {
            Self::Name(_) => ResultCode::InvalidName,
            Self::PermissionDenied(_) => ResultCode::Permission,
            Self::Io(e) => io_code(&e.source),
            Self::Open(e) => open_code(e),
            Self::Create(e) => create_code(e),
            Self::OpenTable(e) => table_open_code(e),
            Self::Table(e) => table_code(e),
            Self::NotFound { .. } => ResultCode::NotFound,
            Self::AlreadyExists { .. } | Self::WouldEmpty { .. } => ResultCode::DuplicateKey,
            Self::Publish(e) => publish_code(e),
            Self::Build(BuildError::NotSorted { .. }) | Self::NotATableKey { .. } => {
                ResultCode::Mismatch
            }
            Self::Build(BuildError::NoMemory { .. }) => ResultCode::System,
            Self::Build(_) => ResultCode::NoSpace,
            Self::Snapshot(SnapshotError::Version { .. }) => ResultCode::Mismatch,
            Self::Snapshot(_) | Self::Corrupt { .. } => ResultCode::Corrupt,
        }
    }
}

fn table_code(error: &TableError) -> ResultCode {
    match error {
        TableError::NotFound { .. } => ResultCode::NotFound,
        TableError::DuplicateKey { .. } => ResultCode::DuplicateKey,
        TableError::Full { .. }
        | TableError::ValueTooLarge { .. }
        | TableError::KeyTooLong { .. }
        | TableError::BufferTooSmall { .. } => ResultCode::NoSpace,
        TableError::Mismatch { .. }
        | TableError::NotACounter { .. }
        | TableError::WrongKey { .. } => ResultCode::Mismatch,
        TableError::InBatch { source, .. } => table_code(source),
        TableError::Corrupt { .. } => ResultCode::Corrupt,
        TableError::Contended { .. } => ResultCode::Timeout,
        TableError::Lock(e) => lock_code(e),
        _ => ResultCode::System,
    }
}

fn table_open_code(error: &TableOpenError) -> ResultCode {
    match error {
        TableOpenError::Open(e) => open_code(e),
        TableOpenError::Create(e) => create_code(e),
        TableOpenError::Corrupt { .. } => ResultCode::Corrupt,
        TableOpenError::KeyKind { .. } | TableOpenError::GeometryMismatch { .. } => {
            ResultCode::Mismatch
        }
        TableOpenError::Geometry(_) => ResultCode::Invalid,
        _ => ResultCode::System,
    }
}

fn open_code(error: &OpenError) -> ResultCode {
    match error {
        OpenError::InvalidName(_) => ResultCode::InvalidName,
        OpenError::NotFound { .. } => ResultCode::NotFound,
        OpenError::PermissionDenied { .. }
        | OpenError::ForeignOwner { .. }
        | OpenError::ForeignWriters { .. }
        | OpenError::Writable { .. } => ResultCode::Permission,
        // The file is intact, but this process cannot use it.
        OpenError::Header {
            source:
                HeaderError::Abi { .. }
                | HeaderError::NoLock
                | HeaderError::Locked { .. }
                | HeaderError::PidNamespace { .. }
                | HeaderError::Version { .. }
                | HeaderError::KindVersion { .. }
                | HeaderError::ByteOrder { .. },
            ..
        } => ResultCode::Mismatch,
        OpenError::Header { .. } | OpenError::NotAFile { .. } => ResultCode::Corrupt,
        OpenError::ResetBusy { .. } | OpenError::Interrupted { .. } => ResultCode::Timeout,
        OpenError::Create(e) => create_code(e),
        OpenError::Io(e) => io_code(&e.source),
        _ => ResultCode::System,
    }
}

fn publish_code(error: &PublishError) -> ResultCode {
    match error {
        PublishError::NotFound { .. } => ResultCode::NotFound,
        PublishError::Create(e) => create_code(e),
        PublishError::Open(e) => open_code(e),
        PublishError::Lock { source, .. } => lock_code(source),
        PublishError::BadMode { .. } => ResultCode::Invalid,
        PublishError::ControlWord { .. } => ResultCode::Corrupt,
        PublishError::Io(e) => io_code(&e.source),
        _ => ResultCode::System,
    }
}

fn create_code(error: &CreateError) -> ResultCode {
    match error {
        CreateError::InvalidName(_) => ResultCode::InvalidName,
        CreateError::AlreadyExists { .. } => ResultCode::DuplicateKey,
        CreateError::NoSpace { .. }
        | CreateError::NoMemory { .. }
        | CreateError::NoInodes { .. }
        | CreateError::Quota { .. }
        | CreateError::FileSizeLimit { .. }
        | CreateError::FileTooLarge { .. } => ResultCode::NoSpace,
        CreateError::BadMode { .. } | CreateError::BadLength { .. } => ResultCode::Invalid,
        CreateError::Io(e) => io_code(&e.source),
        _ => ResultCode::System,
    }
}

fn lock_code(error: &LockError) -> ResultCode {
    match error {
        LockError::TimedOut { .. } | LockError::Interrupted { .. } | LockError::WouldBlock => {
            ResultCode::Timeout
        }
        LockError::PidNamespace { .. } => ResultCode::Mismatch,
        LockError::NotRecoverable => ResultCode::Corrupt,
        LockError::Os { source, .. } => io_code(source),
        _ => ResultCode::System,
    }
}

fn io_code(error: &std::io::Error) -> ResultCode {
    use std::io::ErrorKind::*;
    match error.kind() {
        NotFound => ResultCode::NotFound,
        PermissionDenied | ReadOnlyFilesystem => ResultCode::Permission,
        StorageFull | QuotaExceeded | FileTooLarge => ResultCode::NoSpace,
        _ => ResultCode::System,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slotmap_shm::{AnyKey, GeometryError};
    use std::time::Duration;

    #[test]
    fn the_originals_codes_are_kept() {
        let key = AnyKey::Signed(1);
        let code = |e: TableError| Error::from(e).code() as i32;
        assert_eq!(code(TableError::NotFound { key: key.clone() }), -1);
        assert_eq!(code(TableError::Full { capacity: 1 }), -2);
        assert_eq!(code(TableError::ValueTooLarge { len: 2, max: 1 }), -2);
        assert_eq!(code(TableError::DuplicateKey { key: key.clone() }), -3);
        let wrong = TableError::WrongKey { key: key.clone(), kind: slotmap_shm::KeyKind::Str };
        assert_eq!(code(wrong), -7);
        let source = Box::new(TableError::NotFound { key });
        assert_eq!(code(TableError::InBatch { index: 0, source }), -1);
        assert_eq!(Error::from(InvalidName::Empty).code() as i32, -4);
    }

    #[test]
    fn one_cause_has_one_code_by_whatever_way_it_comes() {
        use ResultCode::*;
        use std::io::Error as Io;
        let (path, action) = (PathBuf::from("x"), "try on");
        let io = |errno| Io::from_raw_os_error(errno);
        let [enospc, edquot, efbig, enoent, eacces, eperm, erofs, enomem, eio] =
            [28, 122, 27, 2, 13, 1, 30, 12, 5];
        // An error of the operating system has the same code whatever was tried.
        let table = [
            (enospc, NoSpace),
            (edquot, NoSpace),
            (efbig, NoSpace),
            (enoent, NotFound),
            (eacces, Permission),
            (eperm, Permission),
            (erofs, Permission),
            (enomem, System),
            (eio, System),
        ];
        for (errno, expected) in table {
            let (path, dir) = (path.clone(), path.clone());
            let create = || CreateError::from(IoError::new(action, &path, io(errno)));
            let open = || OpenError::from(IoError::new(action, &path, io(errno)));
            let publish = || PublishError::from(IoError::new(action, &path, io(errno)));
            let lock = || LockError::Os { action, source: io(errno) };
            let errors = [
                Error::from(TableOpenError::from(create())),
                Error::from(TableOpenError::from(open())),
                Error::from(TableOpenError::from(OpenError::from(create()))),
                Error::from(open()),
                Error::from(OpenError::from(create())),
                Error::from(publish()),
                Error::from(PublishError::from(create())),
                Error::from(PublishError::from(open())),
                Error::from(PublishError::from(OpenError::from(create()))),
                Error::from(PublishError::Lock { path: path.clone(), source: lock() }),
                Error::from(TableError::from(lock())),
                IoError::new(action, dir, io(errno)).into(),
            ];
            for error in errors {
                assert_eq!(error.code(), expected, "{error:?}");
            }
        }
        // Found out by this library.
        let no_space = || CreateError::NoSpace { needed: 1, available: 0, dir: path.clone() };
        let mode = || CreateError::BadMode { mode: 0 };
        let len = || CreateError::BadLength { len: 3 };
        let size = GeometryError::TooLarge { capacity: 1, value_size: 1 };
        let timed_out = || LockError::TimedOut { waited: Duration::ZERO, holder: None };
        let lock = |source| PublishError::Lock { path: path.clone(), source };
        let table: [(Error, ResultCode); 21] = [
            (TableOpenError::from(no_space()).into(), NoSpace),
            (TableOpenError::from(OpenError::from(no_space())).into(), NoSpace),
            (PublishError::from(no_space()).into(), NoSpace),
            (PublishError::from(OpenError::from(no_space())).into(), NoSpace),
            (TableOpenError::from(mode()).into(), Invalid),
            (TableOpenError::from(OpenError::from(mode())).into(), Invalid),
            (PublishError::from(mode()).into(), Invalid),
            (PublishError::BadMode { mode: 0 }.into(), Invalid),
            (TableOpenError::from(len()).into(), Invalid),
            (PublishError::from(len()).into(), Invalid),
            (TableOpenError::from(size).into(), Invalid),
            (PublishError::from(OpenError::NotFound { path: path.clone() }).into(), NotFound),
            (OpenError::NoMemory { path: path.clone(), needed: 1 }.into(), System),
            (TableError::from(timed_out()).into(), Timeout),
            (TableError::from(LockError::WouldBlock).into(), Timeout),
            (lock(timed_out()).into(), Timeout),
            (lock(LockError::WouldBlock).into(), Timeout),
            (TableError::from(LockError::NotRecoverable).into(), Corrupt),
            (lock(LockError::NotRecoverable).into(), Corrupt),
            (TableError::from(LockError::WouldDeadlock).into(), System),
            (lock(LockError::ForeignProcess).into(), System),
        ];
        for (error, expected) in table {
            assert_eq!(error.code(), expected, "{error:?}");
        }
    }

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
    fn a_table_for_others_is_not_called_corrupt() {
        let code = |source| {
            Error::from(TableOpenError::Open(OpenError::Header { path: "x".into(), source })).code()
        };
        let (found, expected) = (1, 2);
        assert_eq!(code(HeaderError::PidNamespace { found, expected }), ResultCode::Mismatch);
        assert_eq!(code(HeaderError::Abi { found, expected }), ResultCode::Mismatch);
        assert_eq!(code(HeaderError::Version { found: 2, supported: 1 }), ResultCode::Mismatch);
        assert_eq!(code(HeaderError::Magic { found: [0; 8] }), ResultCode::Corrupt);
    }
}
