//! One error enum an operation family; each variant carries its data.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::name::InvalidName;
use crate::os::holder::Holder;
use crate::os::identity::AbiInWords;
use crate::os::limits::Limit;

/// Why the first page of a file is not that of a usable segment.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The file does not start with the magic bytes.
    #[error("not a segment: the file starts with {found:02x?}")]
    Magic {
        /// The first eight bytes.
        found: [u8; 8],
    },
    /// The segment was written by a machine of the other byte order.
    #[error("byte order mark is {found:#010x}, expected {expected:#010x}")]
    ByteOrder {
        /// The mark as this machine reads it.
        found: u32,
        /// The mark of this machine's byte order.
        expected: u32,
    },
    /// The segment has a format that this version does not know.
    #[error("format version {found}, this library supports {supported}")]
    Version {
        /// Version in the header.
        found: u32,
        /// The one version supported.
        supported: u32,
    },
    /// The immutable part was changed after creation.
    #[error("header checksum is {found:#018x}, expected {expected:#018x}")]
    Checksum {
        /// Checksum in the header.
        found: u64,
        /// Checksum of the header's contents.
        expected: u64,
    },
    /// The segment counts in words of another size.
    #[error("word size {found} bytes, expected {expected}")]
    WordSize {
        /// Bytes a word, from the header.
        found: u32,
        /// Bytes a word here.
        expected: u32,
    },
    /// The first page has another length.
    #[error("header length {found} bytes, expected {expected}")]
    HeaderLength {
        /// Length in the header, in bytes.
        found: u32,
        /// Length of this format, in bytes.
        expected: u32,
    },
    /// The file is not as long as its header says: it was truncated or extended.
    #[error("file is {found} bytes long, its header says {expected}")]
    Length {
        /// Length of the file in bytes; for a file without a whole header, that.
        found: u64,
        /// Length by the header in bytes.
        expected: u64,
    },
    /// Part of the file is not backed by memory: a hole was punched.
    #[error("only {allocated} of {expected} bytes are allocated: the file has holes")]
    Holes {
        /// Bytes allocated.
        allocated: u64,
        /// Bytes expected.
        expected: u64,
    },
    /// The segment is of another kind.
    #[error("segment is a `{found}`, expected a `{expected}`")]
    Kind {
        /// Kind in the header.
        found: String,
        /// Kind asked for.
        expected: String,
    },
    /// The kind has a layout that this version does not know.
    #[error("layout version {found} of this kind, this library supports {supported}")]
    KindVersion {
        /// Version in the header.
        found: u64,
        /// The one version supported.
        supported: u64,
    },
    /// The mutex was made by another C library, architecture or pointer width.
    #[error("the lock is one of {}, and this process has {}: open it read-only",
        AbiInWords(*.found), AbiInWords(*.expected))]
    Abi {
        /// ABI id in the header.
        found: u64,
        /// ABI id of this process.
        expected: u64,
    },
    /// The file has a lock, hence is stored to, whatever its mode says: it cannot be used in place.
    #[error("the file has a lock, one of {}, so it is no published one", AbiInWords(*.found))]
    Locked {
        /// ABI id in the header.
        found: u64,
    },
    /// The file was published: it has no lock, and nobody may write to it.
    #[error("a published file has no lock: open it read-only")]
    NoLock,
    /// The writers live in another pid namespace, where thread ids mean something else.
    #[error(
        "writers are in pid namespace {found}, this process is in {expected}: open it read-only, or unlink it when no writer is left"
    )]
    PidNamespace {
        /// Namespace id in the segment.
        found: u64,
        /// Namespace id of this process.
        expected: u64,
    },
    /// The session record (boot, pid namespace, file identity) is damaged.
    #[error("the session record is damaged")]
    Session,
    /// The lock block does not hold an initialised robust mutex.
    #[error("the lock block is not initialised (canary {found:#018x}, expected {expected:#018x})")]
    Lock {
        /// Canary found.
        found: u64,
        /// Canary expected.
        expected: u64,
    },
}

/// Why a segment could not be created.
#[derive(Debug, Error)]
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
        /// Bytes that were free then.
        available: u64,
        /// The namespace.
        dir: PathBuf,
    },
    /// The namespace is in memory, and the machine does not have that much left. Nothing was
    /// allocated.
    #[error("no memory for {needed} bytes in {dir:?}: {available} are free, swap included")]
    NoMemory {
        /// Bytes needed.
        needed: u64,
        /// Bytes that were free then, in memory and swap.
        available: u64,
        /// The namespace.
        dir: PathBuf,
    },
    /// The file system has no room for one more file, however small.
    #[error("no inode for a new file in {dir:?}: all {total} are in use")]
    NoInodes {
        /// Files that the file system may have.
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
    /// This process may not make files of that size: `RLIMIT_FSIZE`. Nothing was written.
    #[error(
        "a file of {needed} bytes in {dir:?}: this process may write {limit} at most (`ulimit -f`)"
    )]
    FileSizeLimit {
        /// Bytes needed.
        needed: u64,
        /// The longest file that it may write, in bytes.
        limit: u64,
        /// The namespace.
        dir: PathBuf,
    },
    /// The file system has no files of that size.
    #[error("a file of {needed} bytes is larger than the file system of {dir:?} can have")]
    FileTooLarge {
        /// Bytes needed.
        needed: u64,
        /// The namespace.
        dir: PathBuf,
    },
    /// The body's length cannot be mapped or is not a multiple of 8.
    #[error("a body of {len} bytes is not possible")]
    BadLength {
        /// Bytes asked for.
        len: u64,
    },
    /// The mode has bits that the file cannot have, or lacks bits that its owner needs: read and,
    /// for a segment that is stored to, write.
    #[error("mode {mode:#o} is not possible: only rw bits, the owner's among them")]
    BadMode {
        /// Mode asked for.
        mode: u32,
    },
    /// A limit of this process or of the machine is in the way.
    #[error("{action} {path:?}: {limit}")]
    Limit {
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The limit.
        limit: Limit,
        /// The cause.
        source: io::Error,
    },
    /// The operating system refused.
    #[error("{action} {path:?}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

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

/// Why a segment could not be opened.
#[derive(Debug, Error)]
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
    /// The caller may not open it so.
    #[error("permission denied on {path:?}")]
    PermissionDenied {
        /// Path looked at.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// There is something, but not a regular file.
    #[error("{path:?} is not a regular file but a {found:?}")]
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
    /// Somebody, perhaps its owner, may write to a file whose bytes were to be used in place.
    #[error(
        "{path:?} has mode {mode:#o}: what may be written to cannot be used in place, only copied"
    )]
    Writable {
        /// Path looked at.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The contents are not those of a usable segment.
    #[error("{path:?}: {source}")]
    Header {
        /// Path looked at.
        path: PathBuf,
        /// What is wrong.
        source: HeaderError,
    },
    /// The segment would have to be taken over, because it is of another boot, of another pid
    /// namespace, or of another file than this process sees, or because its lock is held; but a
    /// process that writes to it may be alive, or another one was taking it over all the time.
    #[error(
        "{path:?}: cannot be taken over, its writers may be alive (waited {waited:?}{})",
        held(holder)
    )]
    ResetBusy {
        /// Path looked at.
        path: PathBuf,
        /// How long this call waited.
        waited: Duration,
        /// Who held the lock in the end, where that is known.
        holder: Option<Holder>,
    },
    /// The caller's [`Interrupt`](crate::Interrupt) ended the waiting for others.
    #[error("{path:?}: interrupted after waiting {waited:?}")]
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
    /// It did not exist and could not be created.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// A limit of this process or of the machine is in the way.
    #[error("{action} {path:?}: {limit}")]
    Limit {
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The limit.
        limit: Limit,
        /// The cause.
        source: io::Error,
    },
    /// The operating system refused.
    #[error("{action} {path:?}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl OpenError {
    /// True when what is at the name is no segment that anybody could use, or is a stranger's: not
    /// merely one for others, or out of reach.
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

/// Why a file was not published, or its name not removed. Nothing was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The file could not be made: the name is taken, there is no space, and the like.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// There is nothing of that name to remove.
    #[error("{path:?} does not exist")]
    NotFound {
        /// Path looked at.
        path: PathBuf,
    },
    /// The caller looked at what has the name, and would not replace it: [`Namespace::publish_if`].
    ///
    /// [`Namespace::publish_if`]: crate::Namespace::publish_if
    #[error("{path:?} is not to be replaced")]
    Declined {
        /// Path of what stays.
        path: PathBuf,
    },
    /// The mode has bits that a published file cannot have.
    #[error("mode {mode:#o} is not possible: only read bits, the owner's among them")]
    BadMode {
        /// Mode asked for.
        mode: u32,
    },
    /// The control segment, or what is at the name, could not be opened. (Not created: that is
    /// `Create`.)
    #[error(transparent)]
    Open(OpenError),
    /// The lock of the control segment was not acquired.
    #[error("lock of {path:?}: {source}")]
    Lock {
        /// Path of the control segment.
        path: PathBuf,
        /// Why.
        source: LockError,
    },
    /// The control word, or the edition at the name, is beyond what can be counted: damaged.
    #[error("{path:?}: the control word is {found:#x}")]
    ControlWord {
        /// Path of the control segment.
        path: PathBuf,
        /// The word.
        found: u64,
    },
    /// A limit of this process or of the machine is in the way.
    #[error("{action} {path:?}: {limit}")]
    Limit {
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The limit.
        limit: Limit,
        /// The cause.
        source: io::Error,
    },
    /// The operating system refused.
    #[error("{action} {path:?}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl From<OpenError> for PublishError {
    /// What could not be created is [`PublishError::Create`], be it the file or the control
    /// segment.
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Create(e) => Self::Create(e),
            other => Self::Open(other),
        }
    }
}

fn by(holder: &Option<Holder>) -> String {
    holder.as_ref().map(|holder| format!(" by {holder}")).unwrap_or_default()
}

fn held(holder: &Option<Holder>) -> String {
    holder.as_ref().map(|holder| format!("; locked by {holder}")).unwrap_or_default()
}

/// Why the lock of a segment was not acquired, or may not be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another thread, or this one, holds it, and the call was not to wait.
    #[error("the lock is held by another thread")]
    WouldBlock,
    /// Others held it for all of the time given.
    #[error("the lock was not released within {waited:?}{}", by(holder))]
    TimedOut {
        /// How long this call waited.
        waited: Duration,
        /// Who held it in the end, where that is known.
        holder: Option<Holder>,
    },
    /// The caller's [`Interrupt`](crate::Interrupt) ended the waiting.
    #[error("interrupted after waiting {waited:?} for the lock")]
    Interrupted {
        /// How long this call waited.
        waited: Duration,
    },
    /// The lock belongs to the threads of another pid namespace: this process was forked into one
    /// of its own, or a process of another one took the segment over because it saw no sign of a
    /// living writer here. Open the segment anew.
    #[error("the lock is that of pid namespace {found}, this process is in {expected}")]
    PidNamespace {
        /// Namespace id of the threads that may lock.
        found: u64,
        /// Namespace id of this process.
        expected: u64,
    },
    /// This thread holds it already.
    #[error("this thread holds the lock already")]
    WouldDeadlock,
    /// A foreign program released the lock of a dead owner without repairing.
    #[error("the lock is not recoverable: unlink the segment and create it anew")]
    NotRecoverable,
    /// The guard was inherited by `fork`; the parent holds the lock.
    #[error("the lock is held by the process that forked this one")]
    ForeignProcess,
    /// The operating system refused.
    #[error("the mutex operation failed")]
    Os(#[source] io::Error),
}
