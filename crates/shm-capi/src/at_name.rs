//! What a message says about a name: the file that the name leads to, whether there is a map where
//! a table was expected or the other way round, and what the caller can do.

use std::path::Path;

use shm_facade::{Error, Kind, Name, Namespace, OpenError, ResultCode, SNAPSHOT, TABLE};

use crate::fault::Fault;

/// Describes why the table of this name was not opened or created.
pub(crate) fn of_opening(namespace: &Namespace, name: &str, error: Error) -> Fault {
    let has_map = || Name::new(name).is_ok_and(|name| leads(namespace, &name, SNAPSHOT.kind));
    let advice = if matches!(error, Error::NotFound { .. }) && !has_map() {
        "open_or_create makes one; is SHMAP_DIR the same in both programs?"
    } else {
        ""
    };
    of_table(namespace, name, error).advised(advice)
}

/// Describes a failure on the table of this name.
pub(crate) fn of_table(namespace: &Namespace, name: &str, error: Error) -> Fault {
    let advice = match &error {
        Error::Open(OpenError::ForeignWriters { .. }) => {
            "set shared_writers in the options if you trust everybody who may"
        }
        _ => "",
    };
    of_kind(namespace, name, error, TABLE, (SNAPSHOT.kind, "a map")).advised(advice)
}

/// Describes a failure on the map of this name.
pub(crate) fn of_map(namespace: &Namespace, name: &str, error: Error) -> Fault {
    let advice = match &error {
        Error::Open(OpenError::ForeignWriters { .. }) => {
            "share it anew, or open a copy with shared_writers set in the options"
        }
        Error::Open(OpenError::Writable { .. }) => "share it anew, or call shmap_map_open_copy",
        Error::Open(OpenError::OpenForWriting { .. }) => {
            "`fuser -v` shows which process has it open; or call shmap_map_open_copy"
        }
        _ => "",
    };
    of_kind(namespace, name, error, SNAPSHOT.kind, (TABLE, "a table")).advised(advice)
}

/// Describes why a map was not published.
pub(crate) fn of_share(error: Error) -> Fault {
    let advice = match &error {
        Error::AlreadyExists { .. } => "set force in the options to replace it",
        Error::WouldEmpty { .. } => "set allow_empty in the options if that is meant",
        _ => "",
    };
    Fault::from(error).advised(advice)
}

/// Describes why the map in the file at a path was not opened.
pub(crate) fn of_saved(path: &Path, error: Error) -> Fault {
    let advice = match &error {
        Error::Open(OpenError::ForeignWriters { .. }) => {
            "`chmod a-w` it, or call shmap_map_open_file_copy with shared_writers set in the options"
        }
        Error::Open(OpenError::Writable { .. }) => {
            "`chmod a-w` it, or call shmap_map_open_file_copy"
        }
        Error::Open(OpenError::OpenForWriting { .. }) => {
            "`fuser -v` shows which process has it open; or call shmap_map_open_file_copy"
        }
        _ => "",
    };
    of_file(path, error).advised(advice)
}

/// Describes a failure on the file at a path.
pub(crate) fn of_file(path: &Path, error: Error) -> Fault {
    let names_file = error.path().is_some();
    let mut fault = Fault::from(error);
    if !names_file {
        fault.message = format!("{path:?}: {}", fault.message);
    }
    fault
}

fn of_kind(
    namespace: &Namespace,
    name: &str,
    error: Error,
    kind: Kind,
    (other, called): (Kind, &str),
) -> Fault {
    let Ok(name) = Name::new(name) else { return error.into() };
    let code = error.code();
    // If the system refused a new file, the message names the directory.
    let mut fault = match &error {
        Error::Snapshot(_) => of_file(&namespace.path_of(&name, kind), error),
        _ => error.into(),
    };
    if code == ResultCode::NotFound && leads(namespace, &name, other) {
        fault.message = format!("{}; there is {called} of that name", fault.message);
    }
    fault
}

/// True if the name leads to something of this kind.
fn leads(namespace: &Namespace, name: &Name, kind: Kind) -> bool {
    namespace.path_of(name, kind).symlink_metadata().is_ok()
}
