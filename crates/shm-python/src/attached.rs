//! What an object holds and changes, guarded by the interpreter's lock.

#![allow(unsafe_code, reason = "Sync, which the interpreter's lock makes true")]

use std::cell::{Ref, RefCell, RefMut};

use pyo3::exceptions::{PyImportError, PyRuntimeError};
use pyo3::prelude::*;

/// A `RefCell` for threads that are attached to the interpreter.
///
/// PyO3's own borrows are atomic, for interpreters without a lock, which do not load this module ([`require_lock`]). Such a
/// borrow waits until all loads before it are done: of lookups one after the other, each would wait for the cache
/// misses of the one before.
pub(crate) struct Attached<T>(RefCell<T>);

// SAFETY: the cell's count of borrows is touched only where it is borrowed and where a borrow ends. Both are in a
// thread that is attached: `borrow` and `borrow_mut` take the token that says so, no borrow outlives it, and
// none can get into what runs detached, as that must be `Send`. One thread at a time is attached: the module
// refuses to be loaded where that is not so. Borrowed `T`s may be shared between threads, and taken out in
// another than they were put in.
unsafe impl<T: Send + Sync> Sync for Attached<T> {}

impl<T> Attached<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    /// Fails only during a change: where Python code that it runs gets back here.
    #[inline]
    pub(crate) fn borrow<'a>(&'a self, _: Python<'a>) -> PyResult<Ref<'a, T>> {
        self.0.try_borrow().map_err(|_| busy())
    }

    /// Fails during a use: where Python code that it runs gets back here, or lets another thread run that does.
    #[inline]
    pub(crate) fn borrow_mut<'a>(&'a self, _: Python<'a>) -> PyResult<RefMut<'a, T>> {
        self.0.try_borrow_mut().map_err(|_| busy())
    }
}

/// Refuses an interpreter whose lock is switched off: what is here would be no guard.
///
/// The wheel is of the stable ABI, which no such interpreter loads; but one may build the module for itself, and a
/// module that needs the lock switches it on, unless it is told not to (`PYTHON_GIL=0`).
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

#[cold]
fn busy() -> PyErr {
    PyRuntimeError::new_err("the object is in use")
}
