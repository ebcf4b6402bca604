//! A file that was found at a name, and the checks that make it a segment. Each stage is a type:
//! raw file → validated header.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::layout::Header;
use super::map::Mapping;
use super::segment::Segment;
use super::space::has_memory;
use super::trust::{FOREIGN_WRITE, Trust};
use crate::error::{FileKind, HeaderError, IoError, OpenError};
use crate::namespace::Kind;
use crate::os::lease;
use crate::os::retry::retry;

/// Permission bits that let anybody write.
const ANY_WRITE: u32 = 0o222;

/// An open regular file of a trusted owner. Its contents are not checked yet.
pub(crate) struct RawFile {
    file: File,
    path: PathBuf,
    len: u64,
    mode: u32,
}

/// A file with the header of a segment of the right kind. The header is a private copy.
pub(crate) struct ValidatedFile {
    raw: RawFile,
    header: Header,
}

impl RawFile {
    pub(crate) fn open(path: PathBuf, access: OFlags, trust: &Trust) -> Result<Self, OpenError> {
        // No O_CREAT: with it, fs.protected_regular refuses even root.
        // O_NONBLOCK: a FIFO or a device must not hang the caller.
        let flags = access | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = retry(|| rustix::fs::open(&path, flags, Mode::empty()))
            .map_err(|e| not_opened(e, &path))?;
        let file = File::from(fd);
        let meta = file.metadata().map_err(|e| IoError::new("stat", &path, e))?;
        if !meta.is_file() {
            return Err(OpenError::NotAFile { path, found: file_kind(meta.file_type()) });
        }
        if !trust.accepts(meta.uid()) {
            return Err(OpenError::ForeignOwner { path, found: meta.uid() });
        }
        if meta.mode() & FOREIGN_WRITE != 0 && !trust.accepts_shared_writers() {
            return Err(OpenError::ForeignWriters { path, mode: meta.mode() & 0o7777 });
        }
        Ok(Self { file, path, len: meta.len(), mode: meta.mode() & 0o7777 })
    }

    /// Refuses a file that anybody, including its owner, may write to or has open for writing.
    pub(crate) fn unwritable(self) -> Result<Self, OpenError> {
        if self.mode & ANY_WRITE != 0 {
            return Err(OpenError::Writable { path: self.path, mode: self.mode });
        }
        // After the mode was read: whoever opened the file for writing did so before that.
        if lease::is_open_for_writing(&self.file) == Some(true) {
            return Err(OpenError::OpenForWriting { path: self.path });
        }
        // Whoever had it open until now may have changed its length since that was read.
        let found = self.file.metadata().map_err(|e| IoError::new("stat", &self.path, e))?.len();
        if found != self.len {
            let expected = self.len;
            return Err(self.header_error(HeaderError::Length { found, expected }));
        }
        Ok(self)
    }

    /// Returns the file, its path, and the length that it had when it was opened.
    pub(crate) fn into_parts(self) -> (File, PathBuf, u64) {
        (self.file, self.path, self.len)
    }

    /// Reads the header once (with `pread`) into a private copy, and checks the copy. From then on,
    /// only the copy is used, so a process that changes the file gains nothing.
    pub(crate) fn validate(
        self,
        kind: Kind,
        kind_version: u64,
    ) -> Result<ValidatedFile, OpenError> {
        let header: Header = match self.read_at(0) {
            Ok(header) => header,
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                let needed = size_of::<Header>() as u64;
                return Err(self.header_error(HeaderError::TooShort { found: self.len, needed }));
            }
            Err(e) => return Err(IoError::new("read", &self.path, e).into()),
        };
        if header.magic == [0; 8] {
            // A hole, perhaps.
            has_memory(&self.file, &self.path, self.len)?;
        }
        header.validate(self.len).map_err(|e| self.header_error(e))?;
        if header.kind != kind.tag() {
            let found = String::from_utf8_lossy(&header.kind).trim_end_matches('\0').to_owned();
            let expected = kind.as_str().to_owned();
            return Err(self.header_error(HeaderError::Kind { found, expected }));
        }
        if header.kind_version != kind_version {
            return Err(self.header_error(HeaderError::KindVersion {
                found: header.kind_version,
                supported: kind_version,
            }));
        }
        has_memory(&self.file, &self.path, header.total_len - header.holes)?;
        Ok(ValidatedFile { raw: self, header })
    }

    fn read_at<T: bytemuck::Pod>(&self, offset: usize) -> io::Result<T> {
        let mut value = T::zeroed();
        self.file.read_exact_at(bytemuck::bytes_of_mut(&mut value), offset as u64)?;
        Ok(value)
    }

    fn header_error(&self, source: HeaderError) -> OpenError {
        OpenError::Header { path: self.path.clone(), source }
    }
}

impl ValidatedFile {
    /// Returns the private copy of the header.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// Refuses a segment that has a lock, whatever the file's mode.
    pub(crate) fn lockless(self) -> Result<Self, OpenError> {
        self.header.validate_lockless().map_err(|e| self.raw.header_error(e))?;
        Ok(self)
    }

    pub(crate) fn file(&self) -> &File {
        &self.raw.file
    }

    pub(crate) fn path(&self) -> &Path {
        &self.raw.path
    }

    pub(crate) fn header_error(&self, source: HeaderError) -> OpenError {
        self.raw.header_error(source)
    }

    /// Returns the file and the header.
    pub(crate) fn into_parts(self) -> (RawFile, Header) {
        (self.raw, self.header)
    }

    pub(crate) fn map(self, writable: bool) -> Result<Segment, OpenError> {
        let RawFile { file, path, .. } = self.raw;
        let map = Mapping::new(&file, &self.header, writable)
            .map_err(|e| IoError::new("map", &path, e))?;
        Ok(Segment::new(map, self.header, file, path))
    }
}

fn file_kind(t: std::fs::FileType) -> FileKind {
    if t.is_dir() {
        FileKind::Directory
    } else if t.is_fifo() {
        FileKind::Fifo
    } else if t.is_char_device() {
        FileKind::CharDevice
    } else if t.is_block_device() {
        FileKind::BlockDevice
    } else if t.is_socket() {
        FileKind::Socket
    } else if t.is_symlink() {
        FileKind::Symlink
    } else {
        FileKind::Other
    }
}

fn not_opened(errno: Errno, path: &Path) -> OpenError {
    let path = path.to_owned();
    match errno {
        Errno::NOENT => OpenError::NotFound { path },
        Errno::LOOP => OpenError::NotAFile { path, found: FileKind::Symlink },
        // A directory opened for writing; a socket, or a FIFO without a reader.
        Errno::ISDIR => OpenError::NotAFile { path, found: FileKind::Directory },
        Errno::NXIO => {
            let found = std::fs::symlink_metadata(&path).map(|m| file_kind(m.file_type()));
            OpenError::NotAFile { path, found: found.unwrap_or(FileKind::Other) }
        }
        Errno::ACCESS | Errno::PERM => {
            OpenError::PermissionDenied(IoError::new("open", path, errno.into()))
        }
        e => IoError::new("open", path, e.into()).into(),
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_that_is_cut_before_its_lease_is_not_used_in_place() {
        let path = std::env::temp_dir().join(format!("shm-core-cut-{}", std::process::id()));
        let writer = File::create_new(&path).unwrap();
        writer.write_all_at(&[7; 8192], 0).unwrap();
        writer.set_permissions(std::fs::Permissions::from_mode(0o400)).unwrap();
        let raw = RawFile::open(path.clone(), OFlags::RDONLY, &Trust::new()).unwrap();
        writer.set_len(4096).unwrap();
        drop(writer);
        let error = raw.unwritable().map(drop).unwrap_err();
        let length = HeaderError::Length { found: 4096, expected: 8192 };
        assert!(matches!(error, OpenError::Header { source, .. } if source == length));
        std::fs::remove_file(&path).unwrap();
    }
}
