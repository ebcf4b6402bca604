//! Errors of the facade, and the result codes of the original.

use shm_core::{CreateError, HeaderError, InvalidName, OpenError};
use slotmap_shm::{TableError, TableOpenError};
use thiserror::Error;

/// Why a call failed. Nothing was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The name is not valid.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// The table could not be created or opened.
    #[error(transparent)]
    Open(#[from] TableOpenError),
    /// The operation failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The name could not be removed, or the namespace not be read.
    #[error("namespace {dir:?}")]
    Namespace {
        /// The namespace's directory.
        dir: std::path::PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

/// Result codes: the original's four, and one for each further cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(i32)]
pub enum ResultCode {
    /// Success.
    Ok = 0,
    /// The key, or the table, does not exist.
    NotFound = -1,
    /// The table is full, or a value or key too long for it, or the file system full.
    NoSpace = -2,
    /// The key, or the table, exists already.
    DuplicateKey = -3,
    /// The name is not valid.
    InvalidName = -4,
    /// The lock was not acquired in time.
    Timeout = -5,
    /// The file at the name is not a usable table.
    Corrupt = -6,
    /// The table has another geometry, key type or format, or lives under another C library or
    /// pid namespace; or a value has another form than asked for.
    Mismatch = -7,
    /// The operating system does not permit it.
    Permission = -8,
    /// Anything else the operating system refused.
    System = -9,
}

impl Error {
    /// The code of this error. Never [`ResultCode::Ok`].
    #[must_use]
    pub fn code(&self) -> ResultCode {
        match self {
            Self::Name(_) => ResultCode::InvalidName,
            Self::Open(e) => open_code(e),
            Self::Table(e) => table_code(e),
            Self::Namespace { source, .. } => io_code(source),
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
        TableError::Mismatch { .. } | TableError::NotACounter { .. } => ResultCode::Mismatch,
        TableError::InBatch { source, .. } => table_code(source),
        TableError::Corrupt { .. } => ResultCode::Corrupt,
        TableError::Contended { .. } => ResultCode::Timeout,
        TableError::Lock(shm_core::LockError::TimedOut { .. }) => ResultCode::Timeout,
        _ => ResultCode::System,
    }
}

fn open_code(error: &TableOpenError) -> ResultCode {
    match error {
        TableOpenError::Open(OpenError::InvalidName(_))
        | TableOpenError::Create(CreateError::InvalidName(_)) => ResultCode::InvalidName,
        TableOpenError::Open(OpenError::NotFound { .. }) => ResultCode::NotFound,
        TableOpenError::Open(
            OpenError::PermissionDenied { .. }
            | OpenError::ForeignOwner { .. }
            | OpenError::ForeignWriters { .. },
        ) => ResultCode::Permission,
        // A whole table, but not one for this process.
        TableOpenError::Open(OpenError::Header {
            source:
                HeaderError::Abi { .. }
                | HeaderError::PidNamespace { .. }
                | HeaderError::Version { .. }
                | HeaderError::KindVersion { .. }
                | HeaderError::ByteOrder { .. },
            ..
        }) => ResultCode::Mismatch,
        TableOpenError::Open(OpenError::Header { .. } | OpenError::NotAFile { .. })
        | TableOpenError::Corrupt { .. } => ResultCode::Corrupt,
        TableOpenError::Open(OpenError::ResetBusy { .. }) => ResultCode::Timeout,
        TableOpenError::Open(OpenError::Create(e)) | TableOpenError::Create(e) => create_code(e),
        TableOpenError::Open(OpenError::Io { source, .. }) => io_code(source),
        TableOpenError::KeyKind { .. }
        | TableOpenError::GeometryMismatch { .. }
        | TableOpenError::Geometry(_) => ResultCode::Mismatch,
        _ => ResultCode::System,
    }
}

fn create_code(error: &CreateError) -> ResultCode {
    match error {
        CreateError::AlreadyExists { .. } => ResultCode::DuplicateKey,
        CreateError::NoSpace { .. } => ResultCode::NoSpace,
        CreateError::Io { source, .. } => io_code(source),
        _ => ResultCode::System,
    }
}

fn io_code(error: &std::io::Error) -> ResultCode {
    match error.kind() {
        std::io::ErrorKind::NotFound => ResultCode::NotFound,
        std::io::ErrorKind::PermissionDenied => ResultCode::Permission,
        _ => ResultCode::System,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slotmap_shm::KeyValue;

    #[test]
    fn the_originals_codes_are_kept() {
        let key = KeyValue::Signed(1);
        let code = |e: TableError| Error::from(e).code() as i32;
        assert_eq!(code(TableError::NotFound { key: key.clone() }), -1);
        assert_eq!(code(TableError::Full { capacity: 1 }), -2);
        assert_eq!(code(TableError::ValueTooLarge { len: 2, max: 1 }), -2);
        assert_eq!(code(TableError::DuplicateKey { key: key.clone() }), -3);
        let source = Box::new(TableError::NotFound { key });
        assert_eq!(code(TableError::InBatch { index: 0, source }), -1);
        assert_eq!(Error::from(InvalidName::Empty).code() as i32, -4);
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
