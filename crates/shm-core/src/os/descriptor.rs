//! Descriptors that are kept for a long time. The program may close them without the library's
//! knowledge.
//!
//! A daemon that closes all descriptors also closes those of this library, and the next file that
//! it opens gets the number of one of them. So a kept descriptor is used or closed only while it is
//! still the same opening of the same file.

use std::fs::File;
use std::io;
use std::os::fd::IntoRawFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Mode, OFlags, SeekFrom};
use thiserror::Error;

use super::alive::{self, Hold};
use super::file_id::FileId;
use super::random::random;
use super::retry::retry;

/// The program closed a descriptor of a segment, or gave its number to another file, and the
/// segment's file cannot be opened again. This is the inner error of a [`std::io::Error`].
///
/// Reading, writing and waiting need no descriptor, so they still work.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[error("the descriptor of this segment was closed or reused by the program")]
pub struct LostDescriptor;

/// A descriptor, and the means to tell whether it is still the same opening of the same file.
///
/// Device and inode alone do not suffice: by now, the number may belong to another opening of the
/// same file, for instance by a second handle of this library, which will close the descriptor
/// itself. So each opening is also marked by its file offset. Nothing in this library reads or
/// writes at that offset, and every opening has an offset of its own.
#[derive(Debug)]
pub(crate) struct OwnFile {
    /// The file, which is `Some` until this value is dropped.
    file: Option<File>,
    /// The identity of the file, or `None` if it could not be determined.
    id: Option<FileId>,
    mark: u64,
}

/// Maximum value of a mark. On every common file system, the maximum offset is 2^42 or more.
const MARKS: u64 = (1 << 40) - 1;

impl OwnFile {
    /// Takes ownership of the descriptor. No other code may depend on its file offset.
    pub(crate) fn new(file: File) -> Self {
        let id = file.metadata().ok().map(|meta| FileId::of(&meta));
        let mut drawn = [0; 8];
        // Without a mark, device and inode must suffice.
        let mark = match random(&mut drawn) {
            Ok(()) => SeekFrom::Start(u64::from_ne_bytes(drawn) & MARKS),
            Err(_) => SeekFrom::Current(0),
        };
        let mark = rustix::fs::seek(&file, mark).unwrap_or(0);
        Self { file: Some(file), id, mark }
    }

    /// Returns the identity of the file to which the descriptor belongs or belonged. Needs no
    /// descriptor.
    pub(crate) fn id(&self) -> io::Result<FileId> {
        self.id.ok_or_else(lost)
    }

    /// Returns the file, if the descriptor still belongs to it.
    pub(crate) fn get(&self) -> io::Result<&File> {
        self.file.as_ref().filter(|file| self.is_ours(file)).ok_or_else(lost)
    }

    /// Keeps the descriptor open for as long as the process lives.
    fn leak(&mut self) {
        if let Some(file) = self.file.take() {
            // The number may belong to another file: it is forgotten, not closed.
            let _ = file.into_raw_fd();
        }
    }

    fn is_ours(&self, file: &File) -> bool {
        let now = file.metadata().ok().map(|meta| FileId::of(&meta));
        // Asking for the offset also fails for what is open only as a path (`O_PATH`).
        now.is_some() && now == self.id && rustix::fs::tell(file) == Ok(self.mark)
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        if self.get().is_err() {
            self.leak();
        }
    }
}

fn lost() -> io::Error {
    io::Error::other(LostDescriptor)
}

/// The file of a segment. It is opened once more if the program has closed the first descriptor.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    first: OwnFile,
    path: PathBuf,
    writable: bool,
    /// Set by the only thread that opens the file again. Other threads do not wait for it: in a
    /// child that is forked meanwhile, such a wait would never end.
    opening: AtomicBool,
    again: OnceLock<OwnFile>,
}

impl SegmentFile {
    /// A file that was opened by this path, to write to it or not.
    pub(crate) fn new(file: File, path: PathBuf, writable: bool) -> Self {
        let (opening, again) = (AtomicBool::new(false), OnceLock::new());
        Self { first: OwnFile::new(file), path, writable, opening, again }
    }

    /// The path by which the file was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the identity of the file. Needs no descriptor.
    pub(crate) fn id(&self) -> io::Result<FileId> {
        self.first.id()
    }

    /// Returns the file. If the descriptor is lost, opens the file once more by its path, provided
    /// that the path still leads to that file. A writer's lock on the file was lost with the
    /// descriptor, so a writer then takes it again. `docs/concurrency.md` says what other processes
    /// may do meanwhile.
    pub(crate) fn get(&self) -> io::Result<&File> {
        let lost = match self.again.get().unwrap_or(&self.first).get() {
            Ok(file) => return Ok(file),
            Err(lost) => lost,
        };
        if self.again.get().is_some() || self.opening.swap(true, Ordering::Relaxed) {
            return Err(lost);
        }
        match self.reopen() {
            Ok(Some(file)) => self.again.get_or_init(|| file).get(),
            Ok(None) | Err(_) => {
                // It may succeed later: another process may hold the lock for a moment.
                self.opening.store(false, Ordering::Relaxed);
                Err(lost)
            }
        }
    }

    fn reopen(&self) -> io::Result<Option<OwnFile>> {
        let (path, writable) = (&self.path, self.writable);
        let access = if writable { OFlags::RDWR } else { OFlags::RDONLY };
        let flags = access | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        // Checked before it is opened: opening a device may have effects.
        if FileId::at(path)? != Some(self.id()?) {
            return Ok(None);
        }
        let file = File::from(retry(|| rustix::fs::open(path, flags, Mode::empty()))?);
        let same = FileId::of(&file.metadata()?) == self.id()?;
        let held = same && (!writable || alive::try_hold(&file, Hold::Shared)?);
        Ok(held.then(|| OwnFile::new(file)))
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::os::fd::{AsRawFd, RawFd};

    use super::*;

    fn temporary(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("shm-core-{name}-{}", std::process::id()));
        std::fs::write(&path, [0; 8]).unwrap();
        path
    }

    fn open(path: &Path) -> File {
        File::options().read(true).write(true).open(path).unwrap()
    }

    fn is_open(fd: RawFd) -> bool {
        std::fs::symlink_metadata(format!("/proc/self/fd/{fd}")).is_ok()
    }

    #[test]
    fn a_descriptor_that_is_ours_is_used_and_closed() {
        let path = temporary("own");
        let own = OwnFile::new(open(&path));
        let fd = own.get().unwrap().as_raw_fd();
        assert!(is_open(fd));
        drop(own);
        // Other tests of this process may have taken the number: then it is not this file.
        let link = std::fs::read_link(format!("/proc/self/fd/{fd}"));
        assert!(link.is_err() || link.unwrap() != path);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn another_opening_of_the_same_file_is_not_ours() {
        let path = temporary("reused");
        let mut own = OwnFile::new(open(&path));
        let first = own.file.take().unwrap();
        let other = OwnFile::new(open(&path));
        // As if the number had been closed and given to `other`.
        own.file = other.get().unwrap().try_clone().ok();
        let fd = own.file.as_ref().unwrap().as_raw_fd();
        let error = own.get().unwrap_err();
        assert!(error.get_ref().unwrap().is::<LostDescriptor>(), "{error}");
        drop(own);
        assert!(is_open(fd), "a stranger's descriptor was closed");
        assert!(other.get().is_ok());
        drop((first, other));
        std::fs::remove_file(path).unwrap();
    }
}
