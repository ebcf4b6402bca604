//! The contents of an object, guarded by the interpreter's lock.
//!
//! A borrow must not be held while Python code may run. That code may let another thread run. The
//! other thread then finds the object in use. Or it forks: the child has only the forking thread,
//! so the object stays in use in the child for ever. Python code runs in more places than one
//! expects: in `__index__` of a key, when an exception or a tuple is created (which may run the
//! garbage collector, and so finalizers), and when an object is destroyed. Both types here hold a
//! borrow only for an access that is over before any of that, so no access fails.

#![allow(unsafe_code, reason = "Send and Sync, which the interpreter's lock makes true")]

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::Deref;
use std::rc::Rc;

use pyo3::prelude::*;

/// A value that is read and changed in place.
///
/// PyO3's own borrows are atomic, for interpreters without a lock, which do not load this module
/// ([`require_lock`](crate::interpreter::require_lock)). An atomic borrow waits until all loads
/// before it are done. In a sequence of lookups, each lookup would wait for the cache misses of the
/// previous one.
pub(crate) struct Attached<T>(RefCell<T>);

// SAFETY: the cell's count of borrows is touched only in `with` and `change`, in a thread that is
// attached, as the token says, and that stays so: what they call neither runs Python code nor
// detaches. One thread at a time is attached: the module refuses to be loaded where that is not so.
// Borrowed `T`s may be shared between threads, and taken out in another than they were put in.
unsafe impl<T: Send + Sync> Sync for Attached<T> {}

impl<T> Attached<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    /// Reads the value. `f` runs no Python code, and creates no object but `bytes`, `str` and
    /// numbers.
    #[inline]
    pub(crate) fn with<R>(&self, _: Python<'_>, f: impl FnOnce(&T) -> R) -> R {
        f(&self.0.borrow())
    }

    /// Changes the value. `f` runs no Python code, and does not drop objects but returns them.
    #[inline]
    pub(crate) fn change<R>(&self, _: Python<'_>, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.0.borrow_mut())
    }
}

/// A value that is lent to calls and replaced as a whole. Each call keeps what it was lent.
///
/// It works like an `Arc` in an [`Attached`], but is cheaper, because its count is not atomic.
pub(crate) struct Lending<T>(RefCell<Rc<T>>);

// SAFETY: the counts, of the cell and of the `Rc`, are touched only by attached threads: in `lend`
// and `replace`, which take the token, where what was lent ends, which has a token, and at the end
// of the Python object that this is a part of. One thread at a time is attached, as above. `T`s may
// be shared between threads, and end in another.
unsafe impl<T: Send + Sync> Sync for Lending<T> {}
// SAFETY: as above: it goes to other threads only as a part of a Python object.
unsafe impl<T: Send + Sync> Send for Lending<T> {}

/// A value that was lent to a call.
pub(crate) struct Lent<'py, T> {
    value: Rc<T>,
    /// Proof that the thread is attached to the interpreter while this value exists.
    token: PhantomData<Python<'py>>,
}

impl<T> Lending<T> {
    pub(crate) fn new(_: Python<'_>, value: T) -> Self {
        Self(RefCell::new(Rc::new(value)))
    }

    #[inline]
    pub(crate) fn lend<'py>(&self, _: Python<'py>) -> Lent<'py, T> {
        Lent { value: Rc::clone(&self.0.borrow()), token: PhantomData }
    }

    /// Stores another value. The old value is dropped after the last call to which it is lent.
    pub(crate) fn replace(&self, _: Python<'_>, value: T) {
        let old = self.0.replace(Rc::new(value));
        drop(old);
    }
}

impl<T> Deref for Lent<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}
