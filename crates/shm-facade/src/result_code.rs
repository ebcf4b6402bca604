//! The result codes of the original C++ class, and one code for each further cause.

use avl_snapshot::{BuildError, SnapshotError};
use shm_core::{CreateError, HeaderError, LockError, OpenError, PublishError};
use slotmap_shm::{TableError, TableOpenError};

use crate::error::Error;

/// A result code: one of the four of the original C++ class, or a code for a further cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(i32)]
pub enum ResultCode {
    /// Success.
    Ok = 0,
    /// The key, the table or the map does not exist.
    NotFound = -1,
    /// The table or the file system is full, or a value or key is too long.
    NoSpace = -2,
    /// The key, the table or the map exists already, or a batch names a key twice.
    DuplicateKey = -3,
    /// The name is not valid.
    InvalidName = -4,
    /// The lock was not acquired in time.
    Timeout = -5,
    /// The file at the name is damaged, or never was a table or map.
    Corrupt = -6,
    /// The file at the name has another kind, geometry, key type or format, or belongs to another C
    /// library or pid namespace, or a value does not have the expected form.
    Mismatch = -7,
    /// The operating system does not permit the operation.
    Permission = -8,
    /// The operating system refused the operation for another reason.
    System = -9,
    /// The request itself is not possible, because of a mode or a size. Nothing was read or
    /// written.
    Invalid = -10,
}

impl Error {
    /// Returns the code of this error, which is never [`ResultCode::Ok`].
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
            Self::Snapshot(e) | Self::Map { source: e, .. } => match e {
                SnapshotError::Version { .. } => ResultCode::Mismatch,
                _ => ResultCode::Corrupt,
            },
        }
    }
}

fn table_code(error: &TableError) -> ResultCode {
    match error {
        TableError::NotFound { .. } => ResultCode::NotFound,
        TableError::DuplicateKey { .. } | TableError::NamedTwice { .. } => ResultCode::DuplicateKey,
        TableError::Full { .. }
        | TableError::ValueTooLarge { .. }
        | TableError::KeyTooLong { .. }
        | TableError::BufferTooSmall { .. } => ResultCode::NoSpace,
        TableError::Mismatch { .. }
        | TableError::NotACounter { .. }
        | TableError::NoRoomForCounter { .. }
        | TableError::WrongKey { .. }
        | TableError::OtherTable { .. } => ResultCode::Mismatch,
        TableError::InBatch { source, .. } => table_code(source),
        TableError::NoExpiry | TableError::TimeToLive(_) => ResultCode::Invalid,
        TableError::NotRegistered => ResultCode::NoSpace,
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
        TableOpenError::KeyKind { .. }
        | TableOpenError::UnknownKeyKind { .. }
        | TableOpenError::GeometryMismatch { .. }
        | TableOpenError::ExpiryMismatch { .. }
        | TableOpenError::EvictionMismatch { .. } => ResultCode::Mismatch,
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
        | OpenError::Writable { .. }
        | OpenError::OpenForWriting { .. } => ResultCode::Permission,
        // Whole, but something else, or not for this process.
        OpenError::Header {
            source:
                HeaderError::Kind { .. }
                | HeaderError::Abi { .. }
                | HeaderError::NoLock
                | HeaderError::Locked { .. }
                | HeaderError::CLibrary
                | HeaderError::Version { .. }
                | HeaderError::KindVersion { .. }
                | HeaderError::ByteOrder { .. },
            ..
        }
        | OpenError::NotAFile { .. } => ResultCode::Mismatch,
        OpenError::Header { .. } => ResultCode::Corrupt,
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
        CreateError::BadMode { .. }
        | CreateError::BadLength { .. }
        | CreateError::TooManyWriters { .. } => ResultCode::Invalid,
        CreateError::Io(e) => io_code(&e.source),
        _ => ResultCode::System,
    }
}

fn lock_code(error: &LockError) -> ResultCode {
    match error {
        LockError::TimedOut { .. }
        | LockError::Interrupted { .. }
        | LockError::NoRecord { .. }
        | LockError::WouldBlock => ResultCode::Timeout,
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
    use shm_core::{InvalidName, IoError};
    use slotmap_shm::{AnyKey, Eviction, Expiry, GeometryError};
    use std::path::PathBuf;
    use std::time::Duration;

    #[test]
    fn the_originals_codes_are_kept() {
        let key = AnyKey::Signed(1);
        let code = |e: TableError| Error::from(e).code() as i32;
        assert_eq!(code(TableError::NotFound { key: key.clone() }), -1);
        assert_eq!(code(TableError::Full { capacity: 1, source: None }), -2);
        assert_eq!(code(TableError::ValueTooLarge { key: 7.into(), len: 2, max: 1 }), -2);
        assert_eq!(code(TableError::DuplicateKey { key: key.clone() }), -3);
        assert_eq!(code(TableError::NamedTwice { key: key.clone() }), -3);
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
        // Of the operating system: the same for whatever was tried.
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
        let no_record = || LockError::NoRecord { records: 5, waited: Duration::ZERO };
        let lock = |source| PublishError::Lock { path: path.clone(), source };
        let ttl = || GeometryError::TimeToLive { ttl: Duration::ZERO, max: Duration::MAX };
        let (expiry, eviction) = (Expiry::Never, Eviction::Never);
        let otherwise = TableOpenError::ExpiryMismatch {
            path: path.clone(),
            found: expiry,
            expected: Expiry::ByEntry,
        };
        let keeps = TableOpenError::EvictionMismatch {
            path: path.clone(),
            found: eviction,
            expected: Eviction::LeastRecentlyWritten,
        };
        let table: [(Error, ResultCode); 27] = [
            (otherwise.into(), Mismatch),
            (keeps.into(), Mismatch),
            (TableOpenError::from(ttl()).into(), Invalid),
            (TableError::TimeToLive(ttl()).into(), Invalid),
            (TableError::NoExpiry.into(), Invalid),
            (TableError::NotRegistered.into(), NoSpace),
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
            (TableError::from(no_record()).into(), Timeout),
            (lock(no_record()).into(), Timeout),
            (TableError::from(LockError::WouldDeadlock).into(), System),
            (lock(LockError::ForeignProcess).into(), System),
        ];
        for (error, expected) in table {
            assert_eq!(error.code(), expected, "{error:?}");
        }
    }

    #[test]
    fn a_table_for_others_is_not_called_corrupt() {
        let code = |source| {
            Error::from(TableOpenError::Open(OpenError::Header { path: "x".into(), source })).code()
        };
        let (found, expected) = (1, 2);
        assert_eq!(code(HeaderError::CLibrary), ResultCode::Mismatch);
        assert_eq!(code(HeaderError::Abi { found, expected }), ResultCode::Mismatch);
        assert_eq!(code(HeaderError::Version { found: 2, supported: 1 }), ResultCode::Mismatch);
        assert_eq!(code(HeaderError::Magic { found: [0; 8] }), ResultCode::Corrupt);
    }
}
