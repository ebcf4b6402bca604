//! What the caller can do about an error, in the words of C: the end of a message.
//!
//! The names of functions are without their prefix, because in C++ they are members.

use shm_facade::{Error, InvalidName, TableError, TableOpenError};

/// Advice about this error, whichever call failed; empty if there is none.
pub(crate) fn about(error: &Error) -> String {
    match error {
        Error::Name(InvalidName::ForbiddenByte { byte: b'/', .. }) => {
            "a name is no path: the directory is `dir` of the options, or SHMAP_DIR".into()
        }
        Error::Io(e) if e.source.kind() == std::io::ErrorKind::NotFound && !e.path.exists() => {
            "make the directory first".into()
        }
        Error::OpenTable(TableOpenError::GeometryMismatch { what, .. }) => {
            format!("set {what} in the options, or use open, which takes any size")
        }
        Error::OpenTable(TableOpenError::ExpiryMismatch { .. }) => {
            "set ttl_ms in the options, or use open, which takes any".into()
        }
        Error::OpenTable(TableOpenError::EvictionMismatch { .. }) => {
            "set evict in the options, or use open, which takes any".into()
        }
        Error::OpenTable(TableOpenError::KeyKind { .. }) => {
            "set key_kind in the options, or use open, which takes any kind".into()
        }
        Error::Table(e) => about_entry(e).into(),
        _ => String::new(),
    }
}

fn about_entry(error: &TableError) -> &'static str {
    match error {
        TableError::Full { source: Some(_), .. } => "it grows once there is room",
        TableError::Full { .. } => "capacity and max_capacity are fixed at creation",
        TableError::ValueTooLarge { .. } | TableError::NoRoomForCounter { .. } => {
            "value_size is fixed at creation"
        }
        TableError::KeyTooLong { .. } => "key_size is fixed at creation",
        TableError::NoExpiry => {
            "set ttl_ms in the options when it is created: SHMAP_TTL_BY_ENTRY or more than 0"
        }
        TableError::InBatch { source, .. } => about_entry(source),
        _ => "",
    }
}

/// Advice about a counter that is to be changed, but is absent.
pub(crate) fn about_counter(error: &TableError) -> &'static str {
    match error {
        TableError::NotFound { .. } => "increment starts a counter",
        _ => "",
    }
}
