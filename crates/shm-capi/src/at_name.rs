//! What a message says about a name: the file that it leads to, and whether the name belongs to a
//! map where a table was expected, or the other way round.

use std::path::Path;

use shm_facade::{Error, Kind, Name, Namespace, ResultCode, SNAPSHOT, TABLE};

use crate::fault::Fault;

/// Describes a failure on the table of this name.
pub(crate) fn of_table(namespace: &Namespace, name: &str, error: Error) -> Fault {
    of_kind(namespace, name, error, TABLE, (SNAPSHOT.kind, "a map"))
}

/// Describes a failure on the map of this name.
pub(crate) fn of_map(namespace: &Namespace, name: &str, error: Error) -> Fault {
    of_kind(namespace, name, error, SNAPSHOT.kind, (TABLE, "a table"))
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
    if code == ResultCode::NotFound && namespace.path_of(&name, other).symlink_metadata().is_ok() {
        fault.message = format!("{}; there is {called} of that name", fault.message);
    }
    fault
}
