//! Calls that wait without the interpreter, and hear its signals all the same.

use std::cell::Cell;

use pyo3::prelude::*;
use shm_facade::Interrupt;

thread_local! {
    /// What a signal's handler raised while this thread waited. Between the question and the end of
    /// the call only.
    static RAISED: Cell<Option<PyErr>> = const { Cell::new(None) };
}

/// Ends the waiting of a call that [`detach`] makes when the handler of a signal raises. A handler
/// that returns does not.
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

/// Calls `f` without the interpreter. What the handler of a signal raised meanwhile is the error;
/// else there is what `f` returned.
pub(crate) fn detach<T: Send>(py: Python<'_>, f: impl FnOnce() -> T + Send) -> PyResult<T> {
    let done = py.detach(f);
    RAISED.take().map_or(Ok(done), Err)
}
