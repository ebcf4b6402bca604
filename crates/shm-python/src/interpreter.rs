//! Checking that the module works in an interpreter, and creating the objects of the interpreter
//! that it keeps.

#![allow(unsafe_code, reason = "a call of the C API that PyO3 does not wrap")]

use std::ffi::OsStr;
use std::path::Path;

use pyo3::exceptions::PyImportError;
use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::types::PyList;
use pyo3::{PyTypeInfo, ffi};

/// Refuses a subinterpreter. The types of this module are created once per process. They would end
/// with the interpreter that created them, also for all other interpreters.
///
/// This runs before anything that creates a type, or that may fail, because for a failure PyO3
/// creates a type of its own.
pub(crate) fn require_main() -> PyResult<()> {
    // SAFETY: this thread is attached, as it imports the module.
    let interpreter = unsafe { ffi::PyInterpreterState_Get() };
    // SAFETY: of this thread, so it is alive.
    match unsafe { ffi::PyInterpreterState_GetID(interpreter) } {
        // The main interpreter has the first number.
        0 => Ok(()),
        _ => Err(PyImportError::new_err(
            "shmap works in the main interpreter only, not in a subinterpreter \
             (under mod_wsgi: WSGIApplicationGroup %{GLOBAL})",
        )),
    }
}

/// Refuses an interpreter whose lock is switched off, because
/// [`Attached`](crate::attached::Attached) would then not guard anything.
///
/// The wheel uses the stable ABI, so no such interpreter loads it. But somebody may build the
/// module for such an interpreter. A module that needs the lock switches it on, unless that is
/// forbidden (`PYTHON_GIL=0`).
pub(crate) fn require_lock(py: Python<'_>) -> PyResult<()> {
    // Before Python 3.13 there is always one, and no such function.
    let Some(enabled) = py.import("sys")?.getattr_opt("_is_gil_enabled")? else { return Ok(()) };
    if enabled.call0()?.is_truthy()? {
        return Ok(());
    }
    Err(PyImportError::new_err(
        "shmap needs the interpreter's lock, which is switched off (PYTHON_GIL=0, -X gil=0)",
    ))
}

/// Creates now the objects that PyO3 would otherwise create at their first use. It would do so
/// once, under a lock of its own, while running Python code.
///
/// If another thread forks while that code runs, the child waits for the lock for ever. During an
/// import, Python has the same problem.
pub(crate) fn warm(py: Python<'_>) -> PyResult<()> {
    PanicException::type_object(py);
    // That attaching waits until the interpreter is there.
    py.detach(|| Python::attach(|_| ()));
    // Of `operator`.
    let _ = PyList::empty(py).try_iter()?.size_hint();
    Ok(())
}

/// Makes a `pathlib.Path`. PyO3 has the conversion, and keeps the class as [`warm`] says. The class
/// is not loaded early, because few programs need that module.
pub(crate) fn path<'py>(py: Python<'py>, path: &Path) -> PyResult<Bound<'py, PyAny>> {
    let path: &OsStr = path.as_os_str();
    py.import("pathlib")?.getattr("Path")?.call1((path,))
}
