//! Why a segment was not opened.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use super::lock::Took;
use super::{CreateError, HeaderError, IoError};
use crate::name::InvalidName;
use crate::os::holder::Holder;

/// The kind of file that was found at a name in place of a regular file.
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
        /// The path of the file.
        path: PathBuf,
    },
    /// The caller has no permission to open the segment in this way.
    #[error(transparent)]
    PermissionDenied(IoError),
    /// The name leads to something other than a regular file.
    #[error("{path:?} is not a regular file but a {found}")]
    NotAFile {
        /// The path of the file.
        path: PathBuf,
        /// The kind of file that is there.
        found: FileKind,
    },
    /// The file belongs to a user that is neither the caller, nor root, nor trusted.
    #[error("{path:?} belongs to uid {found}, who is not trusted")]
    ForeignOwner {
        /// The path of the file.
        path: PathBuf,
        /// The user id of the file's owner.
        found: u32,
    },
    /// Users other than the owner may write to the file.
    #[error("{path:?} has mode {mode:#o}: others than its owner may write to it")]
    ForeignWriters {
        /// The path of the file.
        path: PathBuf,
        /// The permission bits of the file.
        mode: u32,
    },
    /// The bytes of the file were to be used in place, but somebody, perhaps the file's owner, may
    /// write to it.
    #[error(
        "{path:?} has mode {mode:#o}: a file that may be written to cannot be used in place, only copied"
    )]
    Writable {
        /// The path of the file.
        path: PathBuf,
        /// The permission bits of the file.
        mode: u32,
    },
    /// The bytes of the file were to be used in place, but some process has it open for writing, or
    /// mapped for writing. The file has no write bit, so nobody can open it for writing again.
    #[error("{path:?} is open for writing: what may be written to cannot be used in place")]
    OpenForWriting {
        /// The path of the file.
        path: PathBuf,
    },
    /// The contents are not those of a usable segment.
    #[error("cannot use {path:?}")]
    Header {
        /// The path of the file.
        path: PathBuf,
        /// What is wrong.
        source: HeaderError,
    },
    /// The segment must be taken over before this process can use it, but a writer may be alive, or
    /// another process was taking the segment over all the time. A takeover is needed if the
    /// segment belongs to another boot, or to another file than the one that this process sees.
    #[error(
        "{path:?}: cannot be taken over, its writers may be alive (waited {}{})",
        Took(*waited), held(holder)
    )]
    ResetBusy {
        /// The path of the file.
        path: PathBuf,
        /// How long this call waited.
        waited: Duration,
        /// The thread that held the lock at the end of that time, if known.
        holder: Option<Holder>,
    },
    /// The caller's [`Interrupt`](crate::Interrupt) ended the waiting for other processes.
    #[error("{path:?}: interrupted after waiting {}", Took(*waited))]
    Interrupted {
        /// The path of the file.
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
    /// True if nobody could use the file at the name, or if a user who is not trusted owns it.
    /// False if other processes can use the file, or if this process cannot reach it.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::NotAFile { .. } | Self::ForeignOwner { .. } => true,
            Self::Header { source, .. } => !matches!(
                source,
                HeaderError::Abi { .. }
                    | HeaderError::NoLock
                    | HeaderError::CLibrary
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
