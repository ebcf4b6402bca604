//! What an object holds and changes, guarded by the interpreter's lock.

#![allow(unsafe_code, reason = "Sync, which the interpreter's lock makes true")]

use std::cell::{Ref, RefCell, RefMut};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// A `RefCell` for threads that are attached to the interpreter.
///
/// PyO3's own borrows are atomic, for interpreters without a lock, which cannot load a module of the stable ABI. Such a
/// borrow waits until all loads before it are done: of lookups one after the other, each would wait for the cache
/// misses of the one before.
pub(crate) struct Attached<T>(RefCell<T>);

// SAFETY: the cell's count of borrows is touched only where it is borrowed and where a borrow ends. Both are in a
// thread that is attached: `borrow` and `borrow_mut` take the token that says so, no borrow outlives it, and none can get into
// what runs detached, as that must be `Send`. One thread at a time is attached. Borrowed `T`s may be shared
// between threads, and taken out in another than they were put in.
unsafe impl<T: Send + Sync> Sync for Attached<T> {}

impl<T> Attached<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    /// Fails only where Python code gets back here from inside of a change.
    #[inline]
    pub(crate) fn borrow<'a>(&'a self, _: Python<'a>) -> PyResult<Ref<'a, T>> {
        self.0.try_borrow().map_err(|_| busy())
    }

    /// Fails where Python code gets back here from inside of a use.
    #[inline]
    pub(crate) fn borrow_mut<'a>(&'a self, _: Python<'a>) -> PyResult<RefMut<'a, T>> {
        self.0.try_borrow_mut().map_err(|_| busy())
    }
}

#[cold]
fn busy() -> PyErr {
    PyRuntimeError::new_err("the object is in use, further up in the same call")
}
