//! Reporting a failure to the caller: a code, and a message for this thread.

use std::borrow::Cow;
use std::cell::Cell;
use std::ffi::{c_char, c_int};

use crate::advice;
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

    /// Says which member of a batch is at fault.
    pub(crate) fn of_member(mut self, index: usize) -> Self {
        self.message = format!("batch member {index}: {}", self.message);
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
        let fault = Self::new(error.code() as c_int, shm_facade::report(&error).to_string());
        fault.advised(&advice::about(&error))
    }
}

/// Length of the memory for a message, its NUL included. A message with the longest name, key and
/// value fits; of a longer one, which has a long path, the middle is left out.
const ROOM: usize = 2048;

thread_local! {
    /// The text of the last message, with a NUL after it. It has no destructor, so it is valid
    /// until the thread ends, and its address does not change. So C may pass `shmap_last_error()`
    /// to a function beside a call that fails, in whatever order they are evaluated.
    static LAST: [Cell<u8>; ROOM] = const { [const { Cell::new(0) }; ROOM] };
}

/// Stores the message for [`last_message`], and returns the code.
pub(crate) fn report(fault: Fault) -> c_int {
    let message = cut(&fault.message);
    let text = message.bytes().filter(|&byte| byte != 0);
    LAST.with(|last| {
        for (place, byte) in last.iter().zip(text.chain([0])) {
            place.set(byte);
        }
    });
    fault.code
}

/// The message, or as much of its start and of its end as there is room for, in whole characters.
/// The end says why, so the middle is left out.
fn cut(message: &str) -> Cow<'_, str> {
    const DOTS: &str = "…";
    const HALF: usize = (ROOM - 1 - DOTS.len()) / 2;
    if message.len() < ROOM {
        return Cow::Borrowed(message);
    }
    let start = (0..=HALF).rev().find_map(|len| message.get(..len)).unwrap_or_default();
    let from = message.len() - HALF;
    let end = (from..message.len()).find_map(|at| message.get(at..)).unwrap_or_default();
    Cow::Owned(format!("{start}{DOTS}{end}"))
}

/// This thread's last message, which is empty if there was none. Valid until the thread ends; the
/// next failure in this thread changes the text.
pub(crate) fn last_message() -> *const c_char {
    LAST.with(|last| last.as_ptr().cast())
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

    #[test]
    fn of_a_long_message_the_middle_is_left_out() {
        assert_eq!(cut("short"), "short");
        let fits = "x".repeat(ROOM - 1);
        assert_eq!(cut(&fits), fits);
        let long = cut(&format!("start{fits}end")).into_owned();
        assert!(long.starts_with("startx") && long.ends_with("xend") && long.contains("x…x"));
        assert_eq!(long.len(), ROOM - 1);
        // In whole characters, wherever they begin.
        for start in ["", "a"] {
            let long = cut(&format!("{start}{}b", "ä".repeat(ROOM))).into_owned();
            assert!(long.len() < ROOM && long.len() > ROOM - 5, "{}", long.len());
            assert!(long.contains("ä…ä") && long.ends_with("äb"));
        }
    }

    #[test]
    fn every_message_of_a_thread_is_at_one_address() {
        let address = last_message();
        for message in ["first", "", "a longer one", "x"] {
            report(Fault::invalid(message.repeat(500)));
            assert_eq!(last_message(), address);
        }
        let other = std::thread::spawn(|| last_message() as usize).join().unwrap();
        assert_ne!(other, address as usize);
    }
}
