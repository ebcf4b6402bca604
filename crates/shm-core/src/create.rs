//! Atomic creation: a name never denotes a half-built segment.
//!
//! The file is built without a name (`O_TMPFILE`), and `linkat` publishes it as
//! the last step. Where the file system has no `O_TMPFILE`, it is built under a
//! random temporary name and renamed with `RENAME_NOREPLACE`.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::alive::{self, Hold};
use crate::draft::Draft;
use crate::error::CreateError;
use crate::fork::process_token;
use crate::identity;
use crate::layout::{
    BODY_OFFSET, BYTE_ORDER, FORMAT_VERSION, GEOMETRY_WORDS, Header, MAGIC, SESSION_OFFSET, Session,
};
use crate::limits;
use crate::map::Mapping;
use crate::mutex;
use crate::name::Name;
use crate::namespace::{Kind, Namespace};
use crate::segment::{Segment, WritableSegment};
use crate::sync::Words;

/// What to create.
#[derive(Clone, Debug)]
pub struct CreateOptions {
    /// What the segment will hold.
    pub kind: Kind,
    /// Version of the kind's layout.
    pub kind_version: u64,
    /// The kind's immutable parameters.
    pub geometry: [u64; GEOMETRY_WORDS],
    /// Length of the body in bytes, a multiple of 8.
    pub body_len: u64,
    /// Permission bits of the file, exact whatever the umask. `0o600` unless others
    /// are to read (`0o644`). The owner's two bits are among them: a file that nobody may write
    /// to is one that does not change, see [`Published`](crate::Published).
    pub mode: u32,
}

/// How much is allocated at a time. `fallocate` gives up, and undoes, when a
/// signal arrives; a piece must fit between two of them.
const ALLOCATE_STEP: u64 = 256 * 1024;

impl Namespace {
    /// Creates a segment: allocates and initialises it, then publishes the name.
    ///
    /// `init` gets the body, all zeros, before anybody else can see it. A process
    /// killed at any instruction of this call leaves either nothing or the whole under
    /// the name. On a file system without unnamed files (`O_TMPFILE`) it may also leave a
    /// temporary file, `.shmap-tmp-…`, which no name leads to.
    ///
    /// # Errors
    /// [`CreateError::AlreadyExists`] when the name is taken, and nothing was
    /// changed; [`CreateError::NoSpace`], [`CreateError::NoMemory`], [`CreateError::FileSizeLimit`]
    /// and the like, which name what is in the way, before anything was allocated;
    /// [`CreateError::BadMode`] and [`CreateError::BadLength`] for such options;
    /// [`CreateError::Io`] for all else.
    pub fn create(
        &self,
        name: &Name,
        options: &CreateOptions,
        init: impl FnOnce(Words<'_>),
    ) -> Result<WritableSegment, CreateError> {
        let dir = self.dir();
        let path = self.path_of(name, options.kind);
        // Without the owner's write bit it would pass for a published file, whose bytes are lent out
        // as `&[u8]`, while it is stored to.
        if options.mode & !0o666 != 0 || options.mode & 0o600 != 0o600 {
            return Err(CreateError::BadMode { mode: options.mode });
        }
        let total_len = total_len(options.body_len)?;
        // Cheaper than building it first; `publish` decides.
        if path.symlink_metadata().is_ok() {
            return Err(CreateError::AlreadyExists { path });
        }
        let draft = Draft::new(dir)?;
        limits::check_room(draft.file(), total_len, dir)?;
        allocate(draft.file(), total_len)
            .map_err(|e| limits::refused("allocate a segment in", e.into(), total_len, dir))?;
        let io = |action| move |source| io_error(action, dir, source);
        let header = header(options, identity::abi(), total_len)
            .map_err(io("draw an id for a segment in"))?;
        let meta = draft.file().metadata().map_err(io("stat a new file in"))?;
        let session =
            Session::current(meta.dev(), meta.ino()).map_err(io("identify the process for"))?;

        let mut map = Mapping::new(draft.file(), total_len as usize, true)
            .map_err(io("map a new segment in"))?;
        map.use_huge_pages();
        init(Words::new(map.body()));
        mutex::init(&map, Segment::canary(&header), false)
            .map_err(io("make the mutex of a new segment in"))?;
        map.admit(session.pid_namespace, process_token());
        write_page(draft.file(), &header, &session).map_err(io("write a new segment in"))?;
        draft
            .file()
            .set_permissions(Permissions::from_mode(options.mode))
            .map_err(io("set the mode of a new segment in"))?;
        // Nobody else has the file yet, so this succeeds.
        alive::try_hold(draft.file(), Hold::Shared).map_err(io("lock a new segment in"))?;
        let file = draft.publish(&path)?;
        Ok(WritableSegment::new(Segment::new(map, header, file, path)))
    }
}

pub(crate) fn total_len(body_len: u64) -> Result<u64, CreateError> {
    let bad = CreateError::BadLength { len: body_len };
    match body_len.checked_add(BODY_OFFSET as u64) {
        Some(len) if body_len.is_multiple_of(8) && len <= isize::MAX as u64 => Ok(len),
        _ => Err(bad),
    }
}

/// A new header. `abi` is that of the mutex; 0 where there is none.
pub(crate) fn header(options: &CreateOptions, abi: u64, total_len: u64) -> io::Result<Header> {
    let mut random_id = [0; 16];
    random(&mut random_id)?;
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut header = Header {
        magic: MAGIC,
        byte_order: BYTE_ORDER,
        format_version: FORMAT_VERSION,
        header_len: BODY_OFFSET as u32,
        word_bytes: 8,
        total_len,
        kind: options.kind.tag(),
        kind_version: options.kind_version,
        abi,
        created_unix_ns: u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX),
        random_id,
        geometry: options.geometry,
        reserved: [0; 9],
        checksum: 0,
    };
    header.checksum = header.checksum();
    Ok(header)
}

fn write_page(file: &File, header: &Header, session: &Session) -> io::Result<()> {
    file.write_all_at(bytemuck::bytes_of(session), SESSION_OFFSET as u64)?;
    file.write_all_at(bytemuck::bytes_of(header), 0)
}

/// Fills `buf` with random bytes from the kernel.
///
/// # Errors
/// When the kernel has none to give.
pub fn random(buf: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty()) {
            Ok(n) => filled += n,
            Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

/// Allocates real memory or blocks for `len` bytes. `ftruncate` alone would
/// leave a hole, and a full tmpfs then answers a store with SIGBUS.
fn allocate(file: &File, len: u64) -> Result<(), Errno> {
    let mut at = 0;
    while at < len {
        let step = ALLOCATE_STEP.min(len - at);
        match rustix::fs::fallocate(file, FallocateFlags::empty(), at, step) {
            Ok(()) => at += step,
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return write_zeros(file, len),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn write_zeros(file: &File, len: u64) -> Result<(), Errno> {
    let zeros = vec![0; ALLOCATE_STEP as usize];
    let mut at = 0;
    while at < len {
        let step = ALLOCATE_STEP.min(len - at);
        let piece = zeros.get(..step as usize).unwrap_or(&zeros);
        file.write_all_at(piece, at)
            .map_err(|e| Errno::from_raw_os_error(e.raw_os_error().unwrap_or(libc::EIO)))?;
        at += step;
    }
    Ok(())
}

/// For what failed on the way to a file of one page or so.
pub(crate) fn io_error(action: &'static str, path: &Path, source: io::Error) -> CreateError {
    limits::refused(action, source, BODY_OFFSET as u64, path)
}

pub(crate) fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}
