//! Why a segment was not created.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::IoError;
use crate::name::InvalidName;

/// Why a segment could not be created.
#[derive(Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The name is not valid.
    #[error(transparent)]
    InvalidName(#[from] InvalidName),
    /// The name is taken.
    #[error("{path:?} exists already")]
    AlreadyExists {
        /// Path of the existing file.
        path: PathBuf,
    },
    /// The file system has no room. Nothing was left behind.
    #[error("no space for {needed} bytes in {dir:?}: {available} are free")]
    NoSpace {
        /// Bytes needed.
        needed: u64,
        /// Number of bytes that were free at that time.
        available: u64,
        /// The namespace.
        dir: PathBuf,
    },
    /// The namespace is in memory, and the machine does not have that much memory left. Nothing was
    /// allocated.
    #[error("no memory for {needed} bytes in {dir:?}: {available} are free, swap included")]
    NoMemory {
        /// Bytes needed.
        needed: u64,
        /// Number of bytes that were free at that time in memory and swap.
        available: u64,
        /// The namespace.
        dir: PathBuf,
    },
    /// The file system has no inode left for another file, however small.
    #[error("no inode for a new file in {dir:?}: all {total} are in use")]
    NoInodes {
        /// Maximum number of files on the file system.
        total: u64,
        /// The namespace.
        dir: PathBuf,
    },
    /// The disk quota of the user, the group or the project is used up.
    #[error("the disk quota leaves no space for {needed} bytes in {dir:?}")]
    Quota {
        /// Bytes needed.
        needed: u64,
        /// The namespace.
        dir: PathBuf,
    },
    /// `RLIMIT_FSIZE` does not let this process make a file of this size. Nothing was written.
    #[error(
        "cannot create a file of {needed} bytes in {dir:?}: this process may write {limit} at most (`ulimit -f`)"
    )]
    FileSizeLimit {
        /// Bytes needed.
        needed: u64,
        /// Maximum length in bytes of a file that this process may write.
        limit: u64,
        /// The namespace.
        dir: PathBuf,
    },
    /// The file system does not support files of this size.
    #[error("a file of {needed} bytes is larger than the file system of {dir:?} can have")]
    FileTooLarge {
        /// Bytes needed.
        needed: u64,
        /// The namespace.
        dir: PathBuf,
    },
    /// The length of the body is too large to be mapped, or not a multiple of 8.
    #[error("a body of {len} bytes is not possible: it must be a multiple of 8{}", mappable(*len))]
    BadLength {
        /// The requested length in bytes.
        len: u64,
    },
    /// A segment cannot have that many records of writers.
    #[error("{writers} records of writers are not possible, at most {max}")]
    TooManyWriters {
        /// Records asked for.
        writers: u32,
        /// The most that are possible.
        max: u32,
    },
    /// The mode has bits that the file cannot have, or lacks bits that its owner needs. The owner
    /// needs read permission. If the segment is to be stored to, the owner also needs write
    /// permission.
    #[error("mode {mode:#o} is not possible: only rw bits, the owner's among them{}",
        meant_as_octal(*mode))]
    BadMode {
        /// The requested mode.
        mode: u32,
    },
    /// The operating system refused, or a [`Limit`](crate::Limit) was reached.
    #[error(transparent)]
    Io(#[from] IoError),
}

/// What else a body of so many bytes must be, if its length is a multiple of 8.
fn mappable(len: u64) -> &'static str {
    if len.is_multiple_of(8) { ", and shorter than the address space" } else { "" }
}

/// Advice for a mode whose octal digits were written as a decimal number; otherwise nothing.
pub(super) fn meant_as_octal(mode: u32) -> String {
    // Only usual modes: others, such as 511, are also 0777, which somebody did mean as octal.
    match mode {
        400 | 440 | 444 | 600 | 640 | 644 | 660 | 664 | 666 => {
            format!("; this is decimal {mode}: write it in octal, 0o{mode} (0{mode} in C)")
        }
        _ => String::new(),
    }
}

impl CreateError {
    /// The file or directory that the error is about, if the error names one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::AlreadyExists { path } => Some(path),
            Self::NoSpace { dir, .. }
            | Self::NoMemory { dir, .. }
            | Self::NoInodes { dir, .. }
            | Self::Quota { dir, .. }
            | Self::FileSizeLimit { dir, .. }
            | Self::FileTooLarge { dir, .. } => Some(dir),
            Self::Io(e) => Some(&e.path),
            Self::InvalidName(_)
            | Self::BadLength { .. }
            | Self::TooManyWriters { .. }
            | Self::BadMode { .. } => None,
        }
    }
}
