//! A file before it gets its name. Usually it is unnamed (`O_TMPFILE`). It has a temporary name if
//! the file system has no unnamed files. It also has one if it is to replace a file, because no
//! single call can replace a file by an unnamed one.
//!
//! A temporary name left by a killed creator is litter. `prune` can distinguish such a name from a
//! name in use, because a living creator holds a lock on its file (see `os/alive.rs`).

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::layout::BODY_OFFSET;
use crate::error::CreateError;
use crate::os::alive::{self, Hold};
use crate::os::file_id::directory_of;
use crate::os::random::random;
use crate::os::retry::retry;
use crate::refused;

/// The prefix of the names of unfinished files.
pub(crate) const TEMPORARY_PREFIX: &str = ".shmap-tmp-";

/// A file that has no final name yet.
pub(crate) struct Draft {
    file: File,
    /// The temporary name of the file, if it has one. Removed on drop.
    temporary: Option<TemporaryName>,
}

/// A temporary name, removed on drop.
struct TemporaryName(PathBuf);

impl TemporaryName {
    /// Draws a random path for a temporary name.
    fn draw(dir: &Path) -> Result<PathBuf, CreateError> {
        let mut id = [0; 8];
        random(&mut id).map_err(|e| io_error("draw a temporary name in", dir, e))?;
        let id = u64::from_ne_bytes(id);
        Ok(dir.join(format!("{TEMPORARY_PREFIX}{id:016x}")))
    }

    /// Drops this value without removing the name, because the file no longer has that name.
    fn gone(mut self) {
        self.0.clear();
    }
}

impl Drop for TemporaryName {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            let _ = std::fs::remove_file(&self.0);
        }
    }
}

impl Draft {
    /// Creates an empty file of mode 0600, open for reading and writing.
    pub(crate) fn new(dir: &Path) -> Result<Self, CreateError> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let unnamed = retry(|| rustix::fs::open(dir, flags | OFlags::TMPFILE, mode));
        match unnamed {
            Ok(fd) => Ok(Self { file: File::from(fd), temporary: None }),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOSYS) => Self::named(dir),
            Err(e) => Err(io_error("create a file in", dir, e.into())),
        }
    }

    fn named(dir: &Path) -> Result<Self, CreateError> {
        let flags =
            OFlags::RDWR | OFlags::CLOEXEC | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        loop {
            let path = TemporaryName::draw(dir)?;
            let fd = retry(|| rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR))
                .map_err(|e| io_error("create a file in", dir, e.into()))?;
            let (file, name) = (File::from(fd), TemporaryName(path));
            // Between the two calls another process may have taken the file for litter: then that
            // process holds the lock, or the file no longer has a name.
            let held = alive::try_hold_draft(&file, Hold::Exclusive)
                .map_err(|e| io_error("lock a new file in", dir, e))?;
            let links =
                file.metadata().map_err(|e| io_error("stat a new file in", dir, e))?.nlink();
            if held && links > 0 {
                return Ok(Self { file, temporary: Some(name) });
            }
        }
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Opens the same file read-only and closes the descriptor that may write.
    ///
    /// The file's mode must let its owner read.
    pub(crate) fn finish(self) -> Result<Self, CreateError> {
        let path = fd_path(&self.file);
        let error =
            |action| move |e: std::io::Error| io_error(action, Path::new("/proc/self/fd"), e);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let fd = retry(|| rustix::fs::open(&path, flags, Mode::empty()))
            .map_err(|e| error("open a finished file in")(e.into()))?;
        let file = File::from(fd);
        // Before the lock on the other descriptor goes.
        alive::hold_finished(&file).map_err(error("lock a finished file in"))?;
        Ok(Self { file, temporary: self.temporary })
    }

    /// Gives the file its name, in one step that fails if the name is taken.
    pub(crate) fn publish(self, path: &Path) -> Result<File, CreateError> {
        let outcome = match &self.temporary {
            None => link(&self.file, path),
            Some(TemporaryName(from)) => {
                let rename =
                    || rustix::fs::renameat_with(CWD, from, CWD, path, RenameFlags::NOREPLACE);
                match retry(rename) {
                    // NFS cannot do that: make a second link; the first is removed on drop.
                    Err(Errno::INVAL | Errno::NOSYS) => {
                        retry(|| rustix::fs::linkat(CWD, from, CWD, path, AtFlags::empty()))
                    }
                    other => other,
                }
            }
        };
        match outcome {
            Ok(()) => Ok(self.file),
            Err(Errno::EXIST) => Err(CreateError::AlreadyExists { path: path.to_owned() }),
            Err(e) => Err(io_error("publish", path, e.into())),
        }
    }

    /// Gives a finished file its name, in one step that replaces the file that had the name.
    ///
    /// `path` must be in the directory of the draft.
    pub(crate) fn replace(mut self, path: &Path) -> Result<File, CreateError> {
        let from = match self.temporary.take() {
            Some(name) => name,
            None => {
                let dir = directory_of(path);
                loop {
                    let name = TemporaryName::draw(dir)?;
                    match link(&self.file, &name) {
                        Ok(()) => break TemporaryName(name),
                        Err(Errno::EXIST) => {}
                        Err(e) => return Err(io_error("publish", path, e.into())),
                    }
                }
            }
        };
        retry(|| rustix::fs::rename(&from.0, path))
            .map_err(|e| io_error("publish", path, e.into()))?;
        from.gone();
        Ok(self.file)
    }
}

fn link(file: &File, path: &Path) -> Result<(), Errno> {
    // Needs no privilege, unlike AT_EMPTY_PATH.
    retry(|| rustix::fs::linkat(CWD, fd_path(file), CWD, path, AtFlags::SYMLINK_FOLLOW))
}

fn fd_path(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// Makes the error for a failure before the file has its name. Until then, no more than one page is
/// allocated.
fn io_error(action: &'static str, path: &Path, source: std::io::Error) -> CreateError {
    refused::creating(action, source, BODY_OFFSET as u64, path)
}
