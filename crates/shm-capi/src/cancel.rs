//! Deferring the cancellation of a thread (`pthread_cancel`) until a call is over.
//!
//! Cancellation unwinds the thread from within a function of the C library that is a cancellation
//! point (`open`, `read`, `nanosleep` ...). Rust's frames do not support that: the process would
//! end, with locks left locked.

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::ptr;

/// The number is the same in glibc and in musl.
const PTHREAD_CANCEL_DISABLE: c_int = 1;

unsafe extern "C" {
    /// A function of POSIX. It never fails for a valid state, and is not a cancellation point.
    fn pthread_setcancelstate(state: c_int, old: *mut c_int) -> c_int;
}

/// While this value exists, no cancellation of this thread takes effect.
pub(crate) struct HeldOff {
    before: c_int,
    /// The value must stay in the thread that made it.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl HeldOff {
    #[inline]
    pub(crate) fn new() -> Self {
        let mut before = 0;
        // SAFETY: the state is one that there is, and `before` a place for the old one.
        unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &raw mut before) };
        Self { before, _not_send: std::marker::PhantomData }
    }
}

impl Drop for HeldOff {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the state is the one before, as the C library gave it; where nobody wants the old
        // one, null is allowed (glibc and musl both take it).
        unsafe { pthread_setcancelstate(self.before, ptr::null_mut()) };
    }
}
