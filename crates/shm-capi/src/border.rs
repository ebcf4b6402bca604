//! The FFI boundary: what C callers promise, and the only place where the callers' pointers are
//! used.
//!
//! # What callers promise
//!
//! The first comment of the header states these promises for C.
//! 1. Text ends with a NUL. A pointer that is passed with a count points to that many elements,
//!    which can be read, or written if they are for results. A pointer for one result points to
//!    memory for it. Nobody else changes any of this memory during the call.
//! 2. A handle is not closed while another call uses it. A call that waits for another edition of a
//!    map does not count.
//! 3. A map handle takes no other edition (by a refresh, or by a wait that takes one) while another
//!    call reads with it.
//! 4. A signal handler that interrupts a call returns: it does not jump out of the call, and ends
//!    no thread.
//!
//! Callers do *not* promise that pointers are not null, that addresses are aligned, or that lengths
//! and handles are valid. The library checks these things, and returns an error code if one of them
//! is wrong.
//!
//! # Invariants
//! 1. A [`Call`] exists only inside a function that C called, and represents these promises about
//!    that function's arguments.
//! 2. The values that its methods return do not outlive it.
//! 3. While it exists, the thread is not cancelled.

#![allow(unsafe_code)]

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use shm_facade::InPlace;

use crate::cancel::HeldOff;
use crate::codes::SHMAP_INVALID_NAME;
use crate::fault::{Fault, report};
use crate::handles::{self, Handle};
use crate::plain::{Plain, ShmapBytes};

/// Maps are read in place.
// SAFETY: `shmap_map_open` and `shmap_map_open_file` say what their caller promises by the call.
pub(crate) const IN_PLACE: InPlace = unsafe { InPlace::trust_writers() };

/// One call from C.
pub(crate) struct Call {
    /// Dropped last, after everything that borrows from the call.
    _no_cancellation: HeldOff,
}

/// Memory for a result.
pub(crate) struct Out<'c, T> {
    place: *mut T,
    call: PhantomData<&'c Call>,
}

/// Memory for several results, one after the other.
pub(crate) struct OutArray<'c, T> {
    first: *mut T,
    len: usize,
    call: PhantomData<&'c Call>,
}

impl Call {
    /// Creates the call that this function body belongs to.
    ///
    /// # Safety
    /// The function was called by C, its arguments keep the promises, and it drops the result
    /// before it returns.
    #[inline]
    pub(crate) unsafe fn of_caller() -> Self {
        Self { _no_cancellation: HeldOff::new() }
    }

    /// Does the work, and turns a failure or a panic into a code and a message.
    #[inline]
    pub(crate) fn run(&self, work: impl FnOnce() -> Result<c_int, Fault>) -> c_int {
        // Whatever a panic leaves half done is behind a handle that says so (a poisoned tree), or
        // is a transaction that was dropped. The facade is safe to use afterwards.
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(code)) => code,
            Ok(Err(fault)) => report(fault),
            Err(payload) => report(Fault::of_panic(&*payload)),
        }
    }

    /// Text.
    fn text<'c>(&'c self, what: &str, text: *const c_char) -> Result<&'c CStr, Fault> {
        if text.is_null() {
            return Err(Fault::invalid(format!("{what} is null")));
        }
        // SAFETY: not null; by promise 1 it ends with a NUL and nobody changes it during the call.
        Ok(unsafe { CStr::from_ptr(text) })
    }

    /// The name of a table or map.
    pub(crate) fn name(&self, name: *const c_char) -> Result<&str, Fault> {
        let name = self.text("the name", name)?;
        name.to_str()
            .map_err(|_| Fault::new(SHMAP_INVALID_NAME, format!("the name {name:?} is not UTF-8")))
    }

    /// A path.
    pub(crate) fn path<'c>(&'c self, what: &str, path: *const c_char) -> Result<&'c Path, Fault> {
        let bytes = self.text(what, path)?.to_bytes();
        if bytes.is_empty() {
            return Err(Fault::invalid(format!("{what} is empty")));
        }
        Ok(Path::new(OsStr::from_bytes(bytes)))
    }

    /// A path, or `None` for null.
    pub(crate) fn path_or_null<'c>(
        &'c self,
        what: &str,
        path: *const c_char,
    ) -> Result<Option<&'c Path>, Fault> {
        if path.is_null() { Ok(None) } else { self.path(what, path).map(Some) }
    }

    /// Bytes; null stands for no bytes.
    #[inline]
    pub(crate) fn bytes<'c>(
        &'c self,
        what: &str,
        data: *const c_void,
        len: usize,
    ) -> Result<&'c [u8], Fault> {
        self.array(what, data.cast::<u8>(), len)
    }

    /// The bytes that an element of an array points to.
    pub(crate) fn named_bytes<'c>(
        &'c self,
        what: &str,
        bytes: &'c ShmapBytes,
    ) -> Result<&'c [u8], Fault> {
        let (data, len) = bytes.parts();
        self.bytes(what, data, len)
    }

    /// Elements of an array; null stands for no elements.
    #[inline]
    pub(crate) fn array<'c, T: Plain>(
        &'c self,
        what: &str,
        first: *const T,
        len: usize,
    ) -> Result<&'c [T], Fault> {
        if len == 0 {
            return Ok(&[]);
        }
        check(what, first, len)?;
        // SAFETY: neither null nor misaligned nor too long, as just checked; by promise 1 `len`
        // elements can be read and nobody changes them during the call; any bytes are a `T`, as
        // `Plain` says.
        Ok(unsafe { std::slice::from_raw_parts(first, len) })
    }

    /// One structure.
    pub(crate) fn one<'c, T: Plain>(&'c self, what: &str, at: *const T) -> Result<&'c T, Fault> {
        check(what, at, 1)?;
        // SAFETY: neither null nor misaligned; by promise 1 it can be read and nobody changes it;
        // any bytes are a `T`.
        Ok(unsafe { &*at })
    }

    /// Memory for a result.
    #[inline]
    pub(crate) fn out<'c, T>(&'c self, what: &str, place: *mut T) -> Result<Out<'c, T>, Fault> {
        check(what, place, 1)?;
        Ok(Out { place, call: PhantomData })
    }

    /// Memory for a result that the caller may not want.
    pub(crate) fn out_or_null<'c, T>(
        &'c self,
        what: &str,
        place: *mut T,
    ) -> Result<Option<Out<'c, T>>, Fault> {
        if place.is_null() { Ok(None) } else { self.out(what, place).map(Some) }
    }

    /// Memory for several results.
    pub(crate) fn out_array<'c, T>(
        &'c self,
        what: &str,
        first: *mut T,
        len: usize,
    ) -> Result<OutArray<'c, T>, Fault> {
        if len > 0 {
            check(what, first, len)?;
        }
        Ok(OutArray { first, len, call: PhantomData })
    }

    /// The value that a handle leads to.
    #[inline]
    pub(crate) fn handle<T: Handle>(&self, handle: *const T) -> Result<&T, Fault> {
        // SAFETY: by promise 2 nobody closes it during the call, and the reference does not outlive
        // that.
        unsafe { handles::find(handle) }
    }

    /// Closes a handle. Consumes the call, so that no reference that it returned is left.
    pub(crate) fn close<T: Handle>(self, handle: *mut T) -> c_int {
        self.run(|| {
            // SAFETY: by promise 2 no other call uses it, and this one keeps no reference: they end
            // with `&self`.
            drop(unsafe { handles::take(handle) }?);
            Ok(crate::codes::SHMAP_OK)
        })
    }
}

impl<T> Out<'_, T> {
    /// Stores the result.
    #[inline]
    pub(crate) fn set(self, value: T) {
        // SAFETY: neither null nor misaligned, as `Call::out` checked; by promise 1 there is room,
        // and this is still the same call.
        unsafe { self.place.write(value) };
    }
}

impl<T> OutArray<'_, T> {
    /// Stores results, as many as fit.
    pub(crate) fn fill(self, values: impl Iterator<Item = T>) {
        for (index, value) in values.take(self.len).enumerate() {
            let place = self.first.wrapping_add(index);
            // SAFETY: neither null nor misaligned, as `Call::out_array` checked; `index` is below
            // the count for which there is room by promise 1.
            unsafe { place.write(value) };
        }
    }

    /// True if this many results fit.
    pub(crate) fn has_room_for(&self, len: usize) -> bool {
        len <= self.len
    }
}

impl<T: Plain> OutArray<'_, T> {
    /// Stores elements, as many as fit.
    #[inline]
    pub(crate) fn copy(self, elements: &[T]) {
        let len = elements.len().min(self.len);
        // SAFETY: `len` elements can be read and, by promise 1, written; a result never lies in
        // what the library lets the caller see, so they do not overlap. With `len` 0 the pointer
        // may be null, which is allowed then.
        unsafe { std::ptr::copy_nonoverlapping(elements.as_ptr(), self.first, len) };
    }
}

/// Checks that a pointer is not null or misaligned, and that the length fits into memory.
#[inline]
fn check<T>(what: &str, first: *const T, len: usize) -> Result<(), Fault> {
    if first.is_null() {
        return Err(Fault::invalid(format!("{what} is null")));
    }
    if !first.is_aligned() {
        return Err(Fault::invalid(format!("{what} is not aligned: {first:?}")));
    }
    match len.checked_mul(size_of::<T>()) {
        Some(bytes) if bytes <= isize::MAX as usize => Ok(()),
        _ => Err(Fault::invalid(format!("{what} of {len} elements is longer than memory"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::{SHMAP_INVALID, SHMAP_OK, SHMAP_PANIC};
    use crate::fault::last_message;

    fn call() -> Call {
        // SAFETY: the tests stand for the caller, and keep the promises.
        unsafe { Call::of_caller() }
    }

    fn message() -> String {
        // SAFETY: the message of this thread, which fails at nothing meanwhile.
        unsafe { CStr::from_ptr(last_message()) }.to_str().unwrap().to_owned()
    }

    #[test]
    fn no_panic_crosses_the_border() {
        assert_eq!(call().run(|| panic!("of {}", 7)), SHMAP_PANIC);
        assert_eq!(message(), "the library panicked: of 7");
        assert_eq!(call().run(|| std::panic::panic_any(7)), SHMAP_PANIC);
        assert_eq!(message(), "the library panicked: no message");
        assert_eq!(call().run(|| Ok(SHMAP_OK)), SHMAP_OK);
    }

    #[test]
    fn a_message_with_a_nul_is_told_to_its_end() {
        assert_eq!(call().run(|| Err(Fault::invalid("a\0b"))), SHMAP_INVALID);
        assert_eq!(message(), "ab");
    }

    #[test]
    fn impossible_pointers_and_lengths_are_refused() {
        let call = call();
        let word = [1u32; 2];
        let odd = word.as_ptr().wrapping_byte_add(1);
        assert_eq!(call.array("x", word.as_ptr(), 2).unwrap(), [1, 1]);
        assert_eq!(call.array("x", std::ptr::null::<u32>(), 0).unwrap(), []);
        for (first, len) in [
            (std::ptr::null(), 1),
            (odd, 1),
            (word.as_ptr(), usize::MAX),
            (word.as_ptr(), isize::MAX as usize),
        ] {
            assert_eq!(call.array("x", first, len).unwrap_err().code, SHMAP_INVALID);
        }
        assert!(call.bytes("x", std::ptr::null(), 1).is_err());
        assert!(call.bytes("x", word.as_ptr().cast(), 1 << 63).is_err());
        assert!(call.out("x", odd.cast_mut()).is_err());
        assert!(call.name(std::ptr::null()).is_err());
        assert_eq!(call.name(c"\xff".as_ptr()).unwrap_err().code, SHMAP_INVALID_NAME);
        assert!(call.path("x", c"".as_ptr()).is_err());
    }
}
