//! Safe opening: raw file → validated header → usable segment, each a type.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::create::{CreateOptions, retry};
use crate::error::{CreateError, FileKind, HeaderError, OpenError};
use crate::layout::Header;
use crate::limits::Limit;
use crate::map::Mapping;
use crate::name::Name;
use crate::namespace::{Kind, Namespace};
use crate::patience::{Patience, Waiting};
use crate::segment::{Segment, WritableSegment};
use crate::sync::Words;

/// Whom to trust with the contents of a segment.
///
/// By default: owned by the caller or by root, and writable by its owner only.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    owners: Vec<u32>,
    shared_writers: bool,
}

impl Trust {
    /// The default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Also accepts segments that belong to this user.
    #[must_use]
    pub fn owner(mut self, uid: u32) -> Self {
        self.owners.push(uid);
        self
    }

    /// True for what belongs to this user, to root, or to somebody named here.
    pub(crate) fn accepts(&self, uid: u32) -> bool {
        uid == rustix::process::geteuid().as_raw() || uid == 0 || self.owners.contains(&uid)
    }

    /// Also accepts segments that group or others may write to.
    #[must_use]
    pub fn shared_writers(mut self, accept: bool) -> Self {
        self.shared_writers = accept;
        self
    }
}

/// Permission bits that let others than the owner write.
const FOREIGN_WRITE: u32 = 0o022;
/// Permission bits that let anybody write.
const ANY_WRITE: u32 = 0o222;
impl Namespace {
    /// Opens a segment for reading. Needs only read permission; maps `PROT_READ`.
    ///
    /// Works on segments whose writers have another C library or live in another
    /// pid namespace, and on segments of an earlier boot.
    ///
    /// # Errors
    /// [`OpenError`]. Never waits, whatever is found at the name.
    pub fn open_read_only(
        &self,
        name: &Name,
        kind: Kind,
        kind_version: u64,
        trust: &Trust,
    ) -> Result<Segment, OpenError> {
        RawFile::open(self.path_of(name, kind), OFlags::RDONLY, trust)?
            .validate(kind, kind_version)?
            .into_reader()
    }

    /// Opens a segment for reading and writing.
    ///
    /// Each writer holds a shared lock on the file for as long as it has it open. A segment
    /// that nobody else holds has no living writer: if it is of an earlier boot, a copied file, or
    /// of another pid namespace, or if its mutex is held all the same, that is put right first.
    ///
    /// Waits for five seconds at most for another process that takes it over, or until
    /// `patience` ends.
    ///
    /// # Errors
    /// [`OpenError`]; [`HeaderError::Abi`] and [`HeaderError::PidNamespace`] in
    /// [`OpenError::Header`] when only reading is possible from here.
    pub fn open(
        &self,
        name: &Name,
        kind: Kind,
        kind_version: u64,
        trust: &Trust,
        patience: &Patience,
    ) -> Result<WritableSegment, OpenError> {
        self.open_waiting(name, kind, kind_version, trust, Waiting::new(patience))
    }

    fn open_waiting(
        &self,
        name: &Name,
        kind: Kind,
        kind_version: u64,
        trust: &Trust,
        waiting: Waiting<'_>,
    ) -> Result<WritableSegment, OpenError> {
        RawFile::open(self.path_of(name, kind), OFlags::RDWR, trust)?
            .validate(kind, kind_version)?
            .into_writer(waiting)
    }

    /// Opens a segment, or creates it where the name is free. Of any number of
    /// processes that call this at once, one creates and the others open.
    ///
    /// # Errors
    /// Those of [`Namespace::open`] and [`Namespace::create`]; [`OpenError::ForeignWriters`]
    /// also when `options` ask for a mode that `trust` does not accept.
    pub fn open_or_create(
        &self,
        name: &Name,
        options: &CreateOptions,
        trust: &Trust,
        patience: &Patience,
        init: impl FnMut(Words<'_>),
    ) -> Result<WritableSegment, OpenError> {
        let waiting = Waiting::new(patience);
        self.open_or_make(name, options, trust, waiting, init).map(|(segment, _)| segment)
    }

    /// As [`Namespace::open_or_create`]; true when it was created.
    pub(crate) fn open_or_make(
        &self,
        name: &Name,
        options: &CreateOptions,
        trust: &Trust,
        waiting: Waiting<'_>,
        mut init: impl FnMut(Words<'_>),
    ) -> Result<(WritableSegment, bool), OpenError> {
        // What is created must open again by the same call.
        if options.mode & FOREIGN_WRITE != 0 && !trust.shared_writers {
            let path = self.path_of(name, options.kind);
            return Err(OpenError::ForeignWriters { path, mode: options.mode });
        }
        loop {
            match self.open_waiting(name, options.kind, options.kind_version, trust, waiting) {
                Err(OpenError::NotFound { .. }) => {}
                other => return other.map(|segment| (segment, false)),
            }
            match self.create(name, options, &mut init) {
                // It appeared in between; open it. Each further round needs
                // another process that unlinks and one that creates.
                Err(CreateError::AlreadyExists { .. }) => {}
                other => return Ok((other?, true)),
            }
        }
    }
}

/// An open regular file of a trusted owner; its contents are not looked at yet.
pub(crate) struct RawFile {
    file: File,
    path: PathBuf,
    len: u64,
    mode: u32,
}

/// A file whose header, a private copy, is that of a segment of the right kind.
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
            .map_err(|e| open_error(e, &path))?;
        let file = File::from(fd);
        let meta = file.metadata().map_err(|e| io_error("stat", &path, e))?;
        if !meta.is_file() {
            return Err(OpenError::NotAFile { path, found: file_kind(meta.file_type()) });
        }
        let us = rustix::process::geteuid().as_raw();
        if meta.uid() != us && meta.uid() != 0 && !trust.owners.contains(&meta.uid()) {
            return Err(OpenError::ForeignOwner { path, found: meta.uid() });
        }
        if meta.mode() & FOREIGN_WRITE != 0 && !trust.shared_writers {
            return Err(OpenError::ForeignWriters { path, mode: meta.mode() & 0o7777 });
        }
        let raw = Self { file, path, len: meta.len(), mode: meta.mode() & 0o7777 };
        let allocated = meta.blocks() * 512;
        if allocated < raw.len && is_memory(&raw.file) {
            return Err(raw.header_error(HeaderError::Holes { allocated, expected: raw.len }));
        }
        Ok(raw)
    }

    /// Refuses a file that anybody may write to, its owner included.
    pub(crate) fn unwritable(self) -> Result<Self, OpenError> {
        if self.mode & ANY_WRITE != 0 {
            return Err(OpenError::Writable { path: self.path, mode: self.mode });
        }
        Ok(self)
    }

    /// The file, its path and its length when it was opened.
    pub(crate) fn into_parts(self) -> (File, PathBuf, u64) {
        (self.file, self.path, self.len)
    }

    /// Reads the header once, by `pread`, into a private copy and checks it. Only
    /// the copy is used from here on, so a peer that changes it gains nothing.
    pub(crate) fn validate(
        self,
        kind: Kind,
        kind_version: u64,
    ) -> Result<ValidatedFile, OpenError> {
        let header: Header = match self.read_at(0) {
            Ok(header) => header,
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                let expected = size_of::<Header>() as u64;
                return Err(self.header_error(HeaderError::Length { found: self.len, expected }));
            }
            Err(e) => return Err(io_error("read", &self.path, e)),
        };
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
    /// The private copy of the header.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// Refuses a segment that has a lock, whatever its mode.
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

    /// The file and the header.
    pub(crate) fn into_parts(self) -> (RawFile, Header) {
        (self.raw, self.header)
    }

    fn into_reader(self) -> Result<Segment, OpenError> {
        self.map(false)
    }

    pub(crate) fn map(self, writable: bool) -> Result<Segment, OpenError> {
        let RawFile { file, path, .. } = self.raw;
        let len = usize::try_from(self.header.total_len).map_err(|_| OpenError::Header {
            path: path.clone(),
            source: HeaderError::Length {
                found: self.header.total_len,
                expected: usize::MAX as u64,
            },
        })?;
        let map = Mapping::new(&file, len, writable).map_err(|e| io_error("map", &path, e))?;
        Ok(Segment::new(map, self.header, file, path))
    }
}

/// True on tmpfs, where the block count is exact and a hole means SIGBUS when
/// memory runs out. Other file systems compress, or count otherwise.
pub(crate) fn is_memory(file: &File) -> bool {
    const TMPFS_MAGIC: u64 = 0x0102_1994;
    rustix::fs::fstatfs(file).is_ok_and(|fs| fs.f_type as u64 == TMPFS_MAGIC)
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

fn open_error(errno: Errno, path: &Path) -> OpenError {
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
        Errno::ACCESS | Errno::PERM => OpenError::PermissionDenied { path, source: errno.into() },
        e => io_error("open", &path, e.into()),
    }
}

pub(crate) fn io_error(action: &'static str, path: &Path, source: io::Error) -> OpenError {
    let path = path.to_owned();
    match Limit::behind(action, &source) {
        Some(limit) => OpenError::Limit { action, path, limit, source },
        None => OpenError::Io { action, path, source },
    }
}
