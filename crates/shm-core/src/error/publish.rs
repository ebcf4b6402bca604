//! Why a file was not published, or its name not removed.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::create::meant_as_octal;
use super::{CreateError, IoError, LockError, OpenError};

/// Why a file was not published, or why a name was not removed. Nothing was changed.
#[derive(Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The file could not be made: the name is taken, there is no space, and the like.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// There is nothing of that name to remove.
    #[error("{path:?} does not exist")]
    NotFound {
        /// The path that the name stands for.
        path: PathBuf,
    },
    /// The caller's check in [`Namespace::publish_if`] refused to replace the file at the name.
    ///
    /// [`Namespace::publish_if`]: crate::Namespace::publish_if
    #[error("{path:?} is not to be replaced")]
    Declined {
        /// Path of the file that stays.
        path: PathBuf,
    },
    /// The mode has bits that a published file cannot have.
    #[error("mode {mode:#o} is not possible: only read bits, the owner's among them{}",
        meant_as_octal(*mode))]
    BadMode {
        /// The requested mode.
        mode: u32,
    },
    /// The control segment, or the file at the name, could not be opened. A failure to create a
    /// control segment is `Create` instead.
    #[error(transparent)]
    Open(OpenError),
    /// The lock of the control segment was not acquired.
    #[error("cannot lock {path:?}")]
    Lock {
        /// Path of the control segment.
        path: PathBuf,
        /// Why the lock was not acquired.
        source: LockError,
    },
    /// The control word, or the edition of the file at the name, is damaged: its value is out of
    /// range.
    #[error("{path:?}: the control word is {found:#x}")]
    ControlWord {
        /// Path of the control segment.
        path: PathBuf,
        /// The value that is out of range.
        found: u64,
    },
    /// The operating system refused, or a [`Limit`](crate::Limit) was reached.
    #[error(transparent)]
    Io(#[from] IoError),
}

impl From<OpenError> for PublishError {
    /// A failure to create becomes [`PublishError::Create`], whether it concerns the file or the
    /// control segment.
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Create(e) => Self::Create(e),
            other => Self::Open(other),
        }
    }
}

impl PublishError {
    /// The file or directory that the error is about, if the error names one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::NotFound { path }
            | Self::Declined { path }
            | Self::Lock { path, .. }
            | Self::ControlWord { path, .. } => Some(path),
            Self::Create(e) => e.path(),
            Self::Open(e) => e.path(),
            Self::Io(e) => Some(&e.path),
            Self::BadMode { .. } => None,
        }
    }
}
