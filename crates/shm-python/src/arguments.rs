//! Arguments that many calls have.

use std::path::PathBuf;
use std::time::Duration;

use pyo3::prelude::*;
use shm_facade::{InPlace, MapOptions, Namespace, Trust};

use crate::failure::raise;

/// Maximum time that a call sleeps between two checks for signals.
pub(crate) const SLICE: Duration = Duration::from_millis(100);

/// Snapshots are read in place.
// SAFETY: Python has no `unsafe`; the docstring of `Snapshot` says what its caller promises.
#[allow(unsafe_code, reason = "a promise on behalf of the user")]
pub(crate) const IN_PLACE: InPlace = unsafe { InPlace::trust_writers() };

/// Returns the namespace in the given directory, in `$SHMAP_DIR`, or in `/dev/shm`.
pub(crate) fn namespace(dir: Option<PathBuf>) -> Namespace {
    dir.map_or_else(Namespace::from_env, Namespace::at)
}

pub(crate) fn trust(owners: &[u32], shared_writers: bool) -> Trust {
    let own = Trust::new();
    let trust = if shared_writers { own.shared_writers() } else { own };
    owners.iter().fold(trust, |trust, &owner| trust.owner(owner))
}

/// Converts a timeout from seconds. `None` means for ever.
pub(crate) fn timeout(py: Python<'_>, seconds: Option<f64>) -> PyResult<Option<Duration>> {
    let Some(seconds) = seconds else { return Ok(None) };
    if seconds.is_nan() || seconds < 0.0 {
        let text = format!("timeout is {seconds}, it must be 0 or more seconds, or None");
        return Err(raise(py, "InvalidOptionError", (text,)));
    }
    Ok(Duration::try_from_secs_f64(seconds).ok())
}

pub(crate) fn map_options(
    dir: Option<PathBuf>,
    owners: &[u32],
    lock_timeout: Option<Duration>,
) -> MapOptions {
    MapOptions::default()
        .namespace(namespace(dir))
        .trust(trust(owners, false))
        .lock_timeout(lock_timeout)
}

/// Returns the members of an iterable as a list.
pub(crate) fn list<'py>(objects: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    objects.try_iter()?.collect()
}

/// Returns the entries of a mapping or of an iterable of pairs.
pub(crate) fn pairs<'py>(
    entries: &Bound<'py, PyAny>,
) -> PyResult<Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)>> {
    let items;
    let entries = match entries.getattr_opt("items")? {
        Some(method) => {
            items = method.call0()?;
            &items
        }
        None => entries,
    };
    entries.try_iter()?.map(|pair| pair?.extract()).collect()
}
