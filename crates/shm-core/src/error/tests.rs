//! Tests of the message of every variant of every error of this crate.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::{Holder, InvalidName, Limit, LostDescriptor, every_error_is_said_well};

fn path() -> PathBuf {
    "/dir/file".into()
}

fn denied() -> io::Error {
    io::Error::from_raw_os_error(libc::EACCES)
}

fn holder() -> Option<Holder> {
    Some(Holder { tid: 8, pid: Some(7), command: Some("writer".into()), pid_namespace: None })
}

fn io_errors() -> Vec<IoError> {
    let limits = [
        Limit::Descriptors { limit: 9 },
        Limit::OpenFiles,
        Limit::AddressSpace { limit: 9 },
        Limit::Memory,
        Limit::FileSize { limit: 9 },
        Limit::LockedMemory { limit: 9 },
    ];
    let mut errors = vec![IoError::new("open", path(), denied())];
    errors.extend(
        limits
            .map(|limit| IoError { limit: Some(limit), ..IoError::new("open", path(), denied()) }),
    );
    errors
}

fn io_error() -> IoError {
    IoError::new("open", path(), denied())
}

fn names() -> Vec<InvalidName> {
    vec![
        InvalidName::Empty,
        InvalidName::TooLong { len: 300, max: 200 },
        InvalidName::LeadingDot,
        InvalidName::ForbiddenByte { at: 1, byte: b'/' },
        InvalidName::ForbiddenByte { at: 1, byte: 0 },
    ]
}

fn headers() -> Vec<HeaderError> {
    let (found, expected) = (1, 2);
    vec![
        HeaderError::TooShort { found: 5, needed: 256 },
        HeaderError::Magic { found: *b"NO TABLE" },
        HeaderError::ByteOrder { found: 1, expected: 2 },
        HeaderError::Version { found: 9, supported: 1 },
        HeaderError::Checksum { found, expected },
        HeaderError::WordSize { found: 4, expected: 8 },
        HeaderError::HeaderLength { found: 1, expected: 2 },
        HeaderError::HoleLength { found: 2, max: 1 },
        HeaderError::Writers { found, max: 2 },
        HeaderError::Length { found, expected },
        HeaderError::Holes { allocated: 1, expected },
        HeaderError::Kind { found: "table".into(), expected: "snapshot".into() },
        HeaderError::KindVersion { found: 9, supported: 1 },
        HeaderError::Abi { found, expected },
        HeaderError::Locked { found },
        HeaderError::NoLock,
        HeaderError::CLibrary,
        HeaderError::Session,
    ]
}

fn creates() -> Vec<CreateError> {
    let needed = 5;
    vec![
        CreateError::InvalidName(InvalidName::Empty),
        CreateError::AlreadyExists { path: path() },
        CreateError::NoSpace { needed, available: 4, dir: path() },
        CreateError::NoMemory { needed, available: 4, dir: path() },
        CreateError::NoInodes { total: 4, dir: path() },
        CreateError::Quota { needed, dir: path() },
        CreateError::FileSizeLimit { needed, limit: 4, dir: path() },
        CreateError::FileTooLarge { needed, dir: path() },
        CreateError::BadLength { len: 12 },
        CreateError::TooManyWriters { writers: 5000, max: 4096 },
        CreateError::BadMode { mode: 0o100 },
        CreateError::Io(io_error()),
    ]
}

fn locks() -> Vec<LockError> {
    let waited = Duration::from_millis(1500);
    vec![
        LockError::WouldBlock,
        LockError::TimedOut { waited, holder: None },
        LockError::TimedOut { waited, holder: holder() },
        LockError::Interrupted { waited },
        LockError::NoRecord { records: 5, waited },
        LockError::WouldDeadlock,
        LockError::ForeignProcess,
        LockError::Os { action: "read the clock", source: denied() },
    ]
}

fn opens() -> Vec<OpenError> {
    let waited = Duration::from_millis(50);
    let mut errors = vec![
        OpenError::InvalidName(InvalidName::Empty),
        OpenError::NotFound { path: path() },
        OpenError::PermissionDenied(io_error()),
        OpenError::NotAFile { path: path(), found: FileKind::Fifo },
        OpenError::ForeignOwner { path: path(), found: 1 },
        OpenError::ForeignWriters { path: path(), mode: 0o666 },
        OpenError::Writable { path: path(), mode: 0o600 },
        OpenError::OpenForWriting { path: path() },
        OpenError::ResetBusy { path: path(), waited, holder: holder() },
        OpenError::Interrupted { path: path(), waited },
        OpenError::NoMemory { path: path(), needed: 5 },
        OpenError::Create(CreateError::BadMode { mode: 0 }),
        OpenError::Io(io_error()),
    ];
    errors.extend(headers().into_iter().map(|source| OpenError::Header { path: path(), source }));
    errors
}

#[test]
fn what_is_wrong_with_a_name() {
    every_error_is_said_well!(
        names(),
        InvalidName::Empty,
        InvalidName::TooLong { .. },
        InvalidName::LeadingDot,
        InvalidName::ForbiddenByte { .. },
    );
}

#[test]
fn what_the_system_refused_and_which_descriptor_was_lost() {
    every_error_is_said_well!(io_errors(), IoError { .. });
    every_error_is_said_well!([LostDescriptor], LostDescriptor);
}

#[test]
fn what_is_wrong_with_a_header() {
    every_error_is_said_well!(
        headers(),
        HeaderError::TooShort { .. },
        HeaderError::Magic { .. },
        HeaderError::ByteOrder { .. },
        HeaderError::Version { .. },
        HeaderError::Checksum { .. },
        HeaderError::WordSize { .. },
        HeaderError::HeaderLength { .. },
        HeaderError::HoleLength { .. },
        HeaderError::Writers { .. },
        HeaderError::Length { .. },
        HeaderError::Holes { .. },
        HeaderError::Kind { .. },
        HeaderError::KindVersion { .. },
        HeaderError::Abi { .. },
        HeaderError::Locked { .. },
        HeaderError::NoLock,
        HeaderError::CLibrary,
        HeaderError::Session,
    );
}

#[test]
fn why_a_segment_was_not_created() {
    every_error_is_said_well!(
        creates(),
        CreateError::InvalidName(_),
        CreateError::AlreadyExists { .. },
        CreateError::NoSpace { .. },
        CreateError::NoMemory { .. },
        CreateError::NoInodes { .. },
        CreateError::Quota { .. },
        CreateError::FileSizeLimit { .. },
        CreateError::FileTooLarge { .. },
        CreateError::BadLength { .. },
        CreateError::TooManyWriters { .. },
        CreateError::BadMode { .. },
        CreateError::Io(_),
    );
}

#[test]
fn why_a_segment_was_not_opened() {
    every_error_is_said_well!(
        opens(),
        OpenError::InvalidName(_),
        OpenError::NotFound { .. },
        OpenError::PermissionDenied(_),
        OpenError::NotAFile { .. },
        OpenError::ForeignOwner { .. },
        OpenError::ForeignWriters { .. },
        OpenError::Writable { .. },
        OpenError::OpenForWriting { .. },
        OpenError::Header { .. },
        OpenError::ResetBusy { .. },
        OpenError::Interrupted { .. },
        OpenError::NoMemory { .. },
        OpenError::Create(_),
        OpenError::Io(_),
    );
}

#[test]
fn why_a_lock_was_not_acquired() {
    every_error_is_said_well!(
        locks(),
        LockError::WouldBlock,
        LockError::TimedOut { .. },
        LockError::Interrupted { .. },
        LockError::NoRecord { .. },
        LockError::WouldDeadlock,
        LockError::ForeignProcess,
        LockError::Os { .. },
    );
}

#[test]
fn why_a_file_was_not_published() {
    let mut errors = vec![
        PublishError::NotFound { path: path() },
        PublishError::Declined { path: path() },
        PublishError::BadMode { mode: 0o600 },
        PublishError::ControlWord { path: path(), found: 1 },
        PublishError::Io(io_error()),
    ];
    errors.extend(creates().into_iter().map(PublishError::Create));
    errors.extend(opens().into_iter().map(PublishError::Open));
    errors.extend(locks().into_iter().map(|source| PublishError::Lock { path: path(), source }));
    every_error_is_said_well!(
        errors,
        PublishError::Create(_),
        PublishError::NotFound { .. },
        PublishError::Declined { .. },
        PublishError::BadMode { .. },
        PublishError::Open(_),
        PublishError::Lock { .. },
        PublishError::ControlWord { .. },
        PublishError::Io(_),
    );
}

#[test]
fn a_mode_that_was_written_as_a_decimal_number_is_told_so() {
    let said = |mode| CreateError::BadMode { mode }.to_string();
    let advice = "; this is decimal 644: write it in octal, 0o644 (0644 in C)";
    assert!(said(644).ends_with(advice), "{}", said(644));
    assert!(PublishError::BadMode { mode: 644 }.to_string().ends_with(advice));
    for other in [0, 0o100, 0o600, 0o644, 0o666, 0o755, 0o777, 0o1644, 0o100_644, u32::MAX] {
        assert!(!said(other).contains("decimal"), "{}", said(other));
    }
}
