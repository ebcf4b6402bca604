//! Turns the errors of the libraries into Python's exceptions, which are classes of
//! `shmap._errors`.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use avl_snapshot::{BuildError, SnapshotError};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use shm_core::{CreateError, HeaderError, IoError, LockError, OpenError, PublishError, report};
use shm_facade::Error;
use slotmap_shm::{Eviction, Expiry, KeyKind, TableError, TableOpenError};

use crate::attached::Attached;

const ENOENT: i32 = 2;
const ENOMEM: i32 = 12;
const EACCES: i32 = 13;
const EEXIST: i32 = 17;
const ENOSPC: i32 = 28;
const EFBIG: i32 = 27;
const EDQUOT: i32 = 122;
const ETIMEDOUT: i32 = 110;

/// The parts of an exception: its class, and for subclasses of `OSError` the number and the file.
struct Failure {
    class: &'static str,
    errno: Option<i32>,
    path: Option<PathBuf>,
}

/// Makes the exception for an error of the libraries. If the error names no file, `path` does.
pub(crate) fn failure(py: Python<'_>, error: impl Into<Error>, path: Option<&Path>) -> PyErr {
    advised(py, error, path, None)
}

/// Makes the exception for a map that was not published.
pub(crate) fn share_failure(py: Python<'_>, error: Error) -> PyErr {
    let advice = match &error {
        Error::AlreadyExists { .. } => Some("force=True replaces it"),
        error => NO_DIRECTORY.filter(|_| lacks_directory(error)),
    };
    advised(py, error, None, advice)
}

/// What to do if the directory of a namespace does not exist.
const NO_DIRECTORY: Option<&str> = Some("make it, or set SHMAP_DIR to another");

/// True if a file could not be created because its directory does not exist.
fn lacks_directory(error: &Error) -> bool {
    matches!(error, Error::Io(e) if e.action == "create a file in"
        && e.source.raw_os_error() == Some(ENOENT))
}

/// Like [`failure`], but the message also says what to do.
pub(crate) fn advised(
    py: Python<'_>,
    error: impl Into<Error>,
    path: Option<&Path>,
    advice: Option<&str>,
) -> PyErr {
    let error = error.into();
    let Failure { class, errno, path: found } = classify(&error);
    let path = found.as_deref().or(path).map(Path::as_os_str);
    // The number and the file are attributes, and Python shows them: most texts are without them.
    let mut names_file = false;
    let what = match (&error, errno) {
        (Error::WouldEmpty { entries, .. }, _) => {
            format!(
                "it has entries ({entries}), and none are to replace them without allow_empty=True"
            )
        }
        (error, Some(ENOENT)) if lacks_directory(error) => {
            "the directory does not exist".to_owned()
        }
        (_, Some(ENOENT)) => "does not exist".to_owned(),
        (_, Some(EEXIST)) => "exists already".to_owned(),
        (Error::PermissionDenied(e) | Error::Io(e), Some(errno)) => match os_text(py, e, errno) {
            Ok(text) => {
                names_file = true;
                text
            }
            Err(error) => return error,
        },
        (Error::Publish(PublishError::Lock { source, .. }), Some(_)) => report(source).to_string(),
        _ => {
            names_file = error.path().is_some();
            report(&error).to_string()
        }
    };
    let what = advice.iter().fold(what, |what, advice| format!("{what}; {advice}"));
    let raised = match (errno, path) {
        (Some(errno), path) => raise(py, class, (errno, what, path)),
        (None, Some(path)) if class == "CorruptError" && !names_file => {
            raise(py, class, (format!("{path:?}: {what}"),))
        }
        (None, _) => raise(py, class, (what,)),
    };
    if !names_file || errno.is_none() {
        return raised;
    }
    let marked = raised.value(py).setattr("_names_file", true);
    marked.err().unwrap_or(raised)
}

/// Makes the exception for a table whose keys are of none of the requested types.
pub(crate) fn other_keys(py: Python<'_>, path: &Path, found: KeyKind, asked: &str) -> PyErr {
    let how = match found {
        KeyKind::I32 => "with keys=int, bits=32, or ",
        KeyKind::I64 => "with keys=int, bits=64, or ",
        KeyKind::Str => "with keys=str, or ",
        KeyKind::Bytes => "with keys=bytes, or ",
        _ => "",
    };
    let text = format!(
        "{path:?} has keys of type {found}, not {asked}; open it {how}with Table.open, without keys"
    );
    raise(py, "WrongKindError", (text,))
}

/// What to do if a table exists, but differs from the one that was asked for.
pub(crate) fn as_it_is(error: &TableOpenError) -> Option<String> {
    let argument = match error {
        TableOpenError::GeometryMismatch { what, found, .. } => format!("{what}={found}"),
        TableOpenError::ExpiryMismatch { found: Expiry::Never, .. } => "ttl=None".to_owned(),
        TableOpenError::ExpiryMismatch { found: Expiry::After(ttl), .. } => {
            format!("ttl={}", ttl.as_secs_f64())
        }
        TableOpenError::ExpiryMismatch { .. } => "ttl=math.inf".to_owned(),
        TableOpenError::EvictionMismatch { found: Eviction::Never, .. } => "evict=False".to_owned(),
        TableOpenError::EvictionMismatch { .. } => "evict=True".to_owned(),
        _ => return None,
    };
    Some(format!("open it with {argument}, or with Table.open, which takes it as it is"))
}

/// Returns the text of an I/O error: the action, the file and the reason, without the error number.
fn os_text(py: Python<'_>, error: &IoError, errno: i32) -> PyResult<String> {
    if error.limit.is_some() {
        return Ok(error.to_string());
    }
    if error.source.raw_os_error().is_none() {
        return Ok(report(error).to_string());
    }
    let why: String = py.import("os")?.call_method1("strerror", (errno,))?.extract()?;
    Ok(format!("{error}: {why}"))
}

/// Makes the exception for a name that is not found. If something of the other kind has the name,
/// the message says so.
pub(crate) fn not_found(
    py: Python<'_>,
    error: impl Into<Error>,
    name: &str,
    (kind, other): (&str, &str),
    (path, other_path): (&Path, &Path),
) -> PyErr {
    let error = error.into();
    let Failure { class: "NotFoundError", .. } = classify(&error) else {
        return failure(py, error, Some(path));
    };
    if !other_path.exists() {
        let advice = NO_DIRECTORY.filter(|_| lacks_directory(&error));
        return advised(py, error, Some(path), advice);
    }
    let text = format!("there is no {kind} of the name {name:?}, but a {other}");
    raise(py, "NotFoundError", (ENOENT, text, path.as_os_str()))
}

/// `shmap._errors`, as it was at the latest import of this module.
static CLASSES: Attached<Option<Py<PyModule>>> = Attached::new(None);

/// Finds the classes of the exceptions. Part of the import of this module.
pub(crate) fn load_classes(py: Python<'_>) -> PyResult<()> {
    let found = py.import("shmap._errors")?.unbind();
    let before = CLASSES.change(py, |classes| classes.replace(found));
    drop(before);
    Ok(())
}

fn classes(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    let found = CLASSES.with(py, |classes| classes.as_ref().map(|classes| classes.clone_ref(py)));
    found.map_or_else(|| py.import("shmap._errors"), |found| Ok(found.into_bound(py)))
}

/// Makes an exception of a class in `shmap._errors`.
pub(crate) fn raise<'py>(
    py: Python<'py>,
    class: &str,
    args: impl pyo3::call::PyCallArgs<'py>,
) -> PyErr {
    let made = classes(py).and_then(|module| module.getattr(class)?.call1(args));
    made.map_or_else(|error| error, PyErr::from_value)
}

/// Makes the exception for a handle that was closed.
pub(crate) fn closed(py: Python<'_>, what: &str) -> PyErr {
    raise(py, "ClosedError", (format!("the {what} is closed"),))
}

/// Makes the exception for a key that is absent.
pub(crate) fn missing(key: &Bound<'_, PyAny>) -> PyErr {
    raise(key.py(), "KeyMissingError", (key,))
}

/// Makes the exception for a write through a handle that may only read.
pub(crate) fn read_only(py: Python<'_>, path: &Path) -> PyErr {
    raise(py, "ReadOnlyError", (EACCES, "the table was opened for reading only", path.as_os_str()))
}

fn plain(class: &'static str) -> Failure {
    Failure { class, errno: None, path: None }
}

fn os(class: &'static str, errno: i32, path: &Path) -> Failure {
    Failure { class, errno: Some(errno), path: Some(path.to_owned()) }
}

fn classify(error: &Error) -> Failure {
    match error {
        Error::Name(_) => plain("InvalidNameError"),
        Error::PermissionDenied(e) | Error::Io(e) => classify_io(&e.source, &e.path),
        Error::Open(e) => classify_open(e),
        Error::Create(e) => classify_create(e),
        Error::OpenTable(e) => classify_table_open(e),
        Error::Table(e) => classify_table(e),
        Error::NotFound { path } => os("NotFoundError", ENOENT, path),
        Error::AlreadyExists { path } | Error::WouldEmpty { path, .. } => {
            os("AlreadyExistsError", EEXIST, path)
        }
        Error::Publish(e) => classify_publish(e),
        Error::Build(BuildError::KeyTooLong { .. }) => plain("KeyTooLongError"),
        Error::Build(BuildError::TooLarge { .. }) => plain("ValueTooLongError"),
        Error::Build(BuildError::NoMemory { .. }) => {
            Failure { class: "SystemCallError", errno: Some(ENOMEM), path: None }
        }
        Error::Build(_) => plain("FullError"),
        Error::NotATableKey { .. } => plain("WrongKindError"),
        Error::Snapshot(e) | Error::Map { source: e, .. } => match e {
            SnapshotError::Version { .. } => plain("MismatchError"),
            _ => plain("CorruptError"),
        },
        _ => plain("Error"),
    }
}

fn classify_table(error: &TableError) -> Failure {
    match error {
        TableError::NotFound { .. } => plain("KeyMissingError"),
        TableError::DuplicateKey { .. } | TableError::NamedTwice { .. } => plain("KeyExistsError"),
        TableError::Full { .. } | TableError::NotRegistered => plain("FullError"),
        TableError::NoExpiry | TableError::TimeToLive(_) => plain("InvalidOptionError"),
        TableError::ValueTooLarge { .. } => plain("ValueTooLongError"),
        TableError::KeyTooLong { .. } => plain("KeyTooLongError"),
        TableError::InBatch { source, .. } => classify_table(source),
        TableError::Corrupt { .. } => plain("CorruptError"),
        TableError::NotACounter { .. }
        | TableError::NoRoomForCounter { .. }
        | TableError::OtherTable { .. } => plain("MismatchError"),
        TableError::Lock(e) => classify_lock(e, None),
        TableError::Contended { .. } => {
            Failure { class: "LockTimeoutError", errno: Some(ETIMEDOUT), path: None }
        }
        _ => plain("Error"),
    }
}

fn classify_table_open(error: &TableOpenError) -> Failure {
    match error {
        TableOpenError::Create(e) => classify_create(e),
        TableOpenError::Open(e) => classify_open(e),
        TableOpenError::Geometry(_) => plain("InvalidOptionError"),
        TableOpenError::KeyKind { .. } => plain("WrongKindError"),
        TableOpenError::Corrupt { .. } => plain("CorruptError"),
        _ => plain("MismatchError"),
    }
}

fn classify_open(error: &OpenError) -> Failure {
    match error {
        OpenError::InvalidName(_) => plain("InvalidNameError"),
        OpenError::NotFound { path } => os("NotFoundError", ENOENT, path),
        OpenError::ForeignOwner { path, .. }
        | OpenError::ForeignWriters { path, .. }
        | OpenError::Writable { path, .. }
        | OpenError::OpenForWriting { path } => os("PermissionDeniedError", EACCES, path),
        OpenError::Header {
            source: HeaderError::Kind { .. } | HeaderError::NoLock | HeaderError::Locked { .. },
            ..
        }
        | OpenError::NotAFile { .. } => plain("WrongKindError"),
        OpenError::Header {
            source:
                HeaderError::Abi { .. }
                | HeaderError::CLibrary
                | HeaderError::Version { .. }
                | HeaderError::KindVersion { .. }
                | HeaderError::ByteOrder { .. },
            ..
        } => plain("MismatchError"),
        OpenError::Header { .. } => plain("CorruptError"),
        OpenError::ResetBusy { path, .. } | OpenError::Interrupted { path, .. } => {
            os("LockTimeoutError", ETIMEDOUT, path)
        }
        OpenError::Create(e) => classify_create(e),
        OpenError::NoMemory { path, .. } => os("SystemCallError", ENOMEM, path),
        OpenError::PermissionDenied(e) | OpenError::Io(e) => classify_io(&e.source, &e.path),
        _ => plain("Error"),
    }
}

fn classify_create(error: &CreateError) -> Failure {
    match error {
        CreateError::InvalidName(_) => plain("InvalidNameError"),
        CreateError::AlreadyExists { path } => os("AlreadyExistsError", EEXIST, path),
        CreateError::NoSpace { dir, .. }
        | CreateError::NoMemory { dir, .. }
        | CreateError::NoInodes { dir, .. } => os("NoSpaceError", ENOSPC, dir),
        CreateError::Quota { dir, .. } => os("NoSpaceError", EDQUOT, dir),
        CreateError::FileSizeLimit { dir, .. } | CreateError::FileTooLarge { dir, .. } => {
            os("NoSpaceError", EFBIG, dir)
        }
        CreateError::Io(e) => classify_io(&e.source, &e.path),
        _ => plain("InvalidOptionError"),
    }
}

fn classify_publish(error: &PublishError) -> Failure {
    match error {
        PublishError::NotFound { path } => os("NotFoundError", ENOENT, path),
        PublishError::Create(e) => classify_create(e),
        PublishError::Open(e) => classify_open(e),
        PublishError::Lock { path, source } => classify_lock(source, Some(path)),
        PublishError::BadMode { .. } => plain("InvalidOptionError"),
        PublishError::ControlWord { .. } => plain("CorruptError"),
        PublishError::Io(e) => classify_io(&e.source, &e.path),
        _ => plain("MismatchError"),
    }
}

fn classify_lock(error: &LockError, path: Option<&Path>) -> Failure {
    let path = path.map(Path::to_owned);
    match error {
        LockError::TimedOut { .. }
        | LockError::Interrupted { .. }
        | LockError::NoRecord { .. }
        | LockError::WouldBlock => {
            Failure { class: "LockTimeoutError", errno: Some(ETIMEDOUT), path }
        }
        LockError::Os { source, .. } => Failure {
            class: "SystemCallError",
            errno: Some(source.raw_os_error().unwrap_or(0)),
            path,
        },
        _ => plain("Error"),
    }
}

fn classify_io(error: &io::Error, path: &Path) -> Failure {
    let errno = error.raw_os_error().unwrap_or(0);
    match error.kind() {
        io::ErrorKind::NotFound => os("NotFoundError", errno, path),
        io::ErrorKind::PermissionDenied => os("PermissionDeniedError", errno, path),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            os("NoSpaceError", errno, path)
        }
        // No file can have it.
        _ if path.as_os_str().as_bytes().contains(&0) => plain("InvalidNameError"),
        _ => os("SystemCallError", errno, path),
    }
}

/// Makes the exception for an error that only a bug in this crate can cause.
pub(crate) fn bug(what: &'static str) -> PyErr {
    PyRuntimeError::new_err(what)
}
