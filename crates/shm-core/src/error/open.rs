//! Why a segment was not opened.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use super::lock::Took;
use super::{CreateError, HeaderError, IoError};
use crate::name::InvalidName;
use crate::os::holder::Holder;

/// What was found at a name in place of a regular file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A symbolic link (never followed).
    Symlink,
    /// A directory.
    Directory,
    /// A FIFO.
    Fifo,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A socket.
    Socket,
    /// Something else.
    Other,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Symlink => "symbolic link",
            Self::Directory => "directory",
            Self::Fifo => "FIFO",
            Self::CharDevice => "character device",
            Self::BlockDevice => "block device",
            Self::Socket => "socket",
            Self::Other => "file of another kind",
        })
    }
}

/// Why a segment could not be opened.
#[derive(Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The name is not valid.
    #[error(transparent)]
    InvalidName(#[from] InvalidName),
    /// There is no segment of that name.
    #[error("{path:?} does not exist")]
    NotFound {
        /// Path looked at.
        path: PathBuf,
    },
    /// The caller has no permission to open the segment in this way.
    #[error(transparent)]
    PermissionDenied(IoError),
    /// The name belongs to something other than a regular file.
    #[error("{path:?} is not a regular file but a {found}")]
    NotAFile {
        /// Path looked at.
        path: PathBuf,
        /// What is there.
        found: FileKind,
    },
    /// The file belongs to a user that is neither the caller, nor root, nor trusted.
    #[error("{path:?} belongs to uid {found}, who is not trusted")]
    ForeignOwner {
        /// Path looked at.
        path: PathBuf,
        /// Its owner.
        found: u32,
    },
    /// Users other than the owner may write to the file.
    #[error("{path:?} has mode {mode:#o}: others than its owner may write to it")]
    ForeignWriters {
        /// Path looked at.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The bytes of the file were to be used in place, but somebody, perhaps its owner, may write
    /// to it.
    #[error(
        "{path:?} has mode {mode:#o}: a file that may be written to cannot be used in place, only copied"
    )]
    Writable {
        /// Path looked at.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The bytes of the file were to be used in place, but some process has it open for writing, or
    /// mapped for writing. The file has no write bit, so nobody can open it for writing again.
    #[error("{path:?} is open for writing: what may be written to cannot be used in place")]
    OpenForWriting {
        /// Path looked at.
        path: PathBuf,
    },
    /// The contents are not those of a usable segment.
    #[error("cannot use {path:?}")]
    Header {
        /// Path looked at.
        path: PathBuf,
        /// What is wrong.
        source: HeaderError,
    },
    /// The segment must be taken over before this process can use it, but a process that writes to
    /// it may be alive, or another process was taking it over all the time. A takeover is needed if
    /// the segment is of another boot, of another pid namespace, or of another file than this
    /// process sees, or if its lock is held.
    #[error(
        "{path:?}: cannot be taken over, its writers may be alive (waited {}{})",
        Took(*waited), held(holder)
    )]
    ResetBusy {
        /// Path looked at.
        path: PathBuf,
        /// How long this call waited.
        waited: Duration,
        /// Who held the lock at the end of that time, if known.
        holder: Option<Holder>,
    },
    /// The caller's [`Interrupt`](crate::Interrupt) ended the waiting for others.
    #[error("{path:?}: interrupted after waiting {}", Took(*waited))]
    Interrupted {
        /// Path looked at.
        path: PathBuf,
        /// How long this call waited.
        waited: Duration,
    },
    /// A copy of the file does not fit into this process's memory.
    #[error("no memory for the {needed} bytes of {path:?}")]
    NoMemory {
        /// Path of the file.
        path: PathBuf,
        /// Bytes needed.
        needed: u64,
    },
    /// The segment did not exist and could not be created.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// The operating system refused, or a [`Limit`](crate::Limit) was reached.
    #[error(transparent)]
    Io(#[from] IoError),
}

impl OpenError {
    /// True if nobody could use what is at the name, or if it belongs to a stranger. False if
    /// others can use it, or if this process cannot reach it.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::NotAFile { .. } | Self::ForeignOwner { .. } => true,
            Self::Header { source, .. } => !matches!(
                source,
                HeaderError::Abi { .. }
                    | HeaderError::NoLock
                    | HeaderError::PidNamespace { .. }
                    | HeaderError::Version { .. }
                    | HeaderError::KindVersion { .. }
                    | HeaderError::ByteOrder { .. }
            ),
            _ => false,
        }
    }
}

fn held(holder: &Option<Holder>) -> String {
    holder.as_ref().map(|holder| format!("; locked by {holder}")).unwrap_or_default()
}

impl OpenError {
    /// The file or directory that the error is about, if the error names one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::NotFound { path }
            | Self::NotAFile { path, .. }
            | Self::ForeignOwner { path, .. }
            | Self::ForeignWriters { path, .. }
            | Self::Writable { path, .. }
            | Self::OpenForWriting { path }
            | Self::Header { path, .. }
            | Self::ResetBusy { path, .. }
            | Self::Interrupted { path, .. }
            | Self::NoMemory { path, .. } => Some(path),
            Self::PermissionDenied(e) | Self::Io(e) => Some(&e.path),
            Self::Create(e) => e.path(),
            Self::InvalidName(_) => None,
        }
    }
}
