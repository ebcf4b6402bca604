//! A value that many threads may read, or one may change, where the caller promises not to mix the two.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::border::Call;
use crate::fault::Fault;

/// Reading costs one load. A reader that comes while somebody changes the value is mostly noticed and refused; that
/// none comes is what the C caller promises (promise 3 in `border.rs`), for whom a [`Call`] stands.
pub(crate) struct Exclusive<T> {
    value: UnsafeCell<T>,
    changing: AtomicBool,
}

// SAFETY: `read` gives `&T` to many threads, which `T: Sync` allows; `change` gives `&mut T` to one, which `T: Send` allows. By
// promise 3, stood for by the `Call` that both need, they do not overlap.
unsafe impl<T: Send + Sync> Sync for Exclusive<T> {}

/// The right to change the value.
pub(crate) struct Changing<'a, T> {
    of: &'a Exclusive<T>,
}

impl<T> Exclusive<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: UnsafeCell::new(value), changing: AtomicBool::new(false) }
    }

    /// Reads. Refused while another call changes the value.
    #[inline]
    pub(crate) fn read<'c>(&'c self, _call: &'c Call) -> Result<&'c T, Fault> {
        // Relaxed: it finds mistakes, and orders nothing.
        if self.changing.load(Ordering::Relaxed) {
            return Err(busy());
        }
        // SAFETY: nobody changes it during this call: promise 3.
        Ok(unsafe { &*self.value.get() })
    }

    /// Changes. Refused while another call does.
    pub(crate) fn change<'c>(&'c self, _call: &'c Call) -> Result<Changing<'c, T>, Fault> {
        // Acquire: pairs with the release in `drop` of the one before.
        if self.changing.swap(true, Ordering::Acquire) {
            return Err(busy());
        }
        Ok(Changing { of: self })
    }
}

fn busy() -> Fault {
    Fault::invalid(
        "another thread refreshes this handle or waits on it: use a handle for each thread",
    )
}

impl<T> Deref for Changing<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: `changing` is ours, so no other call changes it, and by promise 3 none reads it.
        unsafe { &*self.of.value.get() }
    }
}

impl<T> DerefMut for Changing<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as for `deref`; `self` is borrowed mutably, so there is no other reference from here.
        unsafe { &mut *self.of.value.get() }
    }
}

impl<T> Drop for Changing<'_, T> {
    fn drop(&mut self) {
        // Release: pairs with the acquire in `change`.
        self.of.changing.store(false, Ordering::Release);
    }
}
