//! Reporting a failure to the caller: a code, and a message for this thread.

use std::cell::RefCell;
use std::ffi::{CString, c_char, c_int};

use crate::codes::{SHMAP_INVALID, SHMAP_PANIC};

/// A failed call: its code and its message.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) code: c_int,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(code: c_int, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Adds advice for the caller, unless it is empty, to the end of the message.
    pub(crate) fn advised(mut self, advice: &str) -> Self {
        if !advice.is_empty() {
            self.message = format!("{}; {advice}", self.message);
        }
        self
    }

    /// The fault for an argument that is not possible.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(SHMAP_INVALID, message)
    }

    /// The fault for the payload of a panic.
    pub(crate) fn of_panic(payload: &(dyn std::any::Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Self::new(SHMAP_PANIC, format!("the library panicked: {text}"))
    }
}

impl<E: Into<shm_facade::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        let error = error.into();
        Self { code: error.code() as c_int, message: shm_facade::report(&error).to_string() }
    }
}

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// Stores the message for [`last_message`], and returns the code.
pub(crate) fn report(fault: Fault) -> c_int {
    let mut bytes = fault.message.into_bytes();
    bytes.retain(|&byte| byte != 0);
    let message = CString::new(bytes).unwrap_or_default();
    // It may be gone in a destructor of thread-local data; then the code has to be enough.
    let _ = LAST.try_with(|last| last.replace(message));
    fault.code
}

/// This thread's last message, which is empty if there was none. Valid until the next failure in
/// this thread.
pub(crate) fn last_message() -> *const c_char {
    LAST.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm_facade::{Namespace, StatusOptions, StatusReader};

    #[test]
    fn a_message_names_the_causes_once() {
        let options = StatusOptions::default().namespace(Namespace::at("/nowhere"));
        let fault = Fault::from(StatusReader::open_read_only_with("x", &options).unwrap_err());
        assert_eq!(fault.code, crate::codes::SHMAP_NOT_FOUND);
        assert!(fault.message.contains("/nowhere/shmap.x.table"), "{}", fault.message);
        let invalid = Fault::from(StatusReader::open_read_only_with("", &options).unwrap_err());
        assert_eq!(invalid.code, crate::codes::SHMAP_INVALID_NAME);
        assert!(!invalid.message.contains(": "), "{}", invalid.message);
    }
}
