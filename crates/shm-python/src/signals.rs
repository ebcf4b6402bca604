//! Calls that wait without holding the interpreter, but still notice its signals.

use std::cell::Cell;

use pyo3::prelude::*;
use shm_facade::Interrupt;

thread_local! {
    /// The exception that a signal's handler raised while this thread waited. It is set only from
    /// the check for signals to the end of the call.
    static RAISED: Cell<Option<PyErr>> = const { Cell::new(None) };
}

/// Ends the waiting of a call that [`detach`] makes if the handler of a signal raises an exception.
/// A handler that returns does not end the waiting.
pub(crate) fn interrupt() -> Interrupt {
    Interrupt::new(|| {
        // None where the interpreter ends, with this thread.
        Python::try_attach(|py| match py.check_signals() {
            Ok(()) => false,
            Err(raised) => {
                RAISED.set(Some(raised));
                true
            }
        })
        .unwrap_or(true)
    })
}

/// Calls `f` without the interpreter. If the handler of a signal raised an exception meanwhile,
/// that is the error. Otherwise this returns what `f` returned.
pub(crate) fn detach<T: Send>(py: Python<'_>, f: impl FnOnce() -> T + Send) -> PyResult<T> {
    let done = py.detach(f);
    RAISED.take().map_or(Ok(done), Err)
}
