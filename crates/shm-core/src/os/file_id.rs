//! Which file a descriptor or a path leads to, and what kind of file system that file is on.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Identifies a file by its device and its inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    dev: u64,
    ino: u64,
}

impl FileId {
    pub(crate) fn of(meta: &Metadata) -> Self {
        Self { dev: meta.dev(), ino: meta.ino() }
    }

    /// Returns the file that a path leads to, without following a symbolic link, or `None` if there
    /// is no file. Makes one `stat` call.
    pub(crate) fn at(path: &Path) -> io::Result<Option<Self>> {
        match path.symlink_metadata() {
            Ok(meta) => Ok(Some(Self::of(&meta))),
            Err(e) if leads_nowhere(&e) => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// True for the error of a path that leads to nothing, or whose directory is missing.
pub(crate) fn leads_nowhere(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Returns the directory that contains a path.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

/// True if the file is on tmpfs. There, the block count is exact, and an access to a hole raises
/// SIGBUS when memory runs out. Other file systems compress files or count blocks in other ways.
pub(crate) fn is_memory(file: &File) -> bool {
    const TMPFS_MAGIC: u64 = 0x0102_1994;
    rustix::fs::fstatfs(file).is_ok_and(|fs| fs.f_type as u64 == TMPFS_MAGIC)
}
