//! Versions and messages.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int};

use crate::{codes, fault};

/// Major version of this header.
pub const SHMAP_VERSION_MAJOR: u32 = 0;
/// Minor version of this header.
pub const SHMAP_VERSION_MINOR: u32 = 1;
/// Patch level of this header.
pub const SHMAP_VERSION_PATCH: u32 = 0;

const VERSION: &CStr = c"0.1.0";

/// Returns the version of the library that is linked, such as "0.1.0". The text is constant. Any
/// thread.
#[unsafe(no_mangle)]
pub extern "C" fn shmap_version() -> *const c_char {
    VERSION.as_ptr()
}

/// Returns what a result code means in general. `shmap_last_error` says what happened. The text is
/// constant, and there is one for any number. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn shmap_strerror(code: c_int) -> *const c_char {
    codes::meaning(code).as_ptr()
}

/// Returns the message of the last call that failed in this thread, with names, sizes, paths and
/// causes. The message is empty if no call has failed yet. A call that succeeds does not change it.
/// The library owns the text. Each thread has one place for it, of 2048 bytes: the address is the
/// same for every call and valid until the thread ends, and the next call that fails changes the
/// text. Of a longer message the middle is left out. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn shmap_last_error() -> *const c_char {
    fault::last_message()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_the_packages() {
        assert_eq!(VERSION.to_str().unwrap(), env!("CARGO_PKG_VERSION"));
        let numbers = [SHMAP_VERSION_MAJOR, SHMAP_VERSION_MINOR, SHMAP_VERSION_PATCH];
        assert_eq!(numbers.map(|n| n.to_string()).join("."), env!("CARGO_PKG_VERSION"));
    }
}
