//! Which file a descriptor or a path leads to, and where it is kept.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Which file: its device and its inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    dev: u64,
    ino: u64,
}

impl FileId {
    pub(crate) fn of(meta: &Metadata) -> Self {
        Self { dev: meta.dev(), ino: meta.ino() }
    }

    /// The file that a path leads to, without following a symbolic link; `None` if there is none.
    /// One `stat`.
    pub(crate) fn at(path: &Path) -> io::Result<Option<Self>> {
        match path.symlink_metadata() {
            Ok(meta) => Ok(Some(Self::of(&meta))),
            Err(e) if leads_nowhere(&e) => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// True if there is nothing at a path, or no directory on the way to it.
pub(crate) fn leads_nowhere(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The directory that a path is in.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

/// True on tmpfs, where the block count is exact and a hole means SIGBUS when
/// memory runs out. Other file systems compress, or count otherwise.
pub(crate) fn is_memory(file: &File) -> bool {
    const TMPFS_MAGIC: u64 = 0x0102_1994;
    rustix::fs::fstatfs(file).is_ok_and(|fs| fs.f_type as u64 == TMPFS_MAGIC)
}
