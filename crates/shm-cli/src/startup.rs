//! Checks whether standard input and output were open when the program was started. Before `main`,
//! Rust's runtime opens `/dev/null` in place of a stream that was closed. Output is then lost
//! without an error, and input is empty. So this module checks earlier.

#![allow(unsafe_code, reason = "a function that runs before main, and the call that it makes")]

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::libc::{EBADF, F_GETFD, STDIN_FILENO, STDOUT_FILENO, c_int, fcntl};

static INPUT_CLOSED: AtomicBool = AtomicBool::new(false);
static OUTPUT_CLOSED: AtomicBool = AtomicBool::new(false);

// SAFETY: the section holds pointers to functions of the C ABI, and this is one. Where it is called
// with arguments, it ignores them. It runs before `main` and needs nothing of Rust's runtime.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    // Relaxed: there is one thread yet.
    INPUT_CLOSED.store(is_closed(STDIN_FILENO), Ordering::Relaxed);
    OUTPUT_CLOSED.store(is_closed(STDOUT_FILENO), Ordering::Relaxed);
}

fn is_closed(descriptor: c_int) -> bool {
    // SAFETY: this asks for flags of a descriptor, whether there is one or not, and touches no
    // memory.
    let flags = unsafe { fcntl(descriptor, F_GETFD) };
    flags == -1
}

/// Fails if standard input was closed.
pub(crate) fn input() -> io::Result<()> {
    open(&INPUT_CLOSED)
}

/// Fails if standard output was closed.
pub(crate) fn output() -> io::Result<()> {
    open(&OUTPUT_CLOSED)
}

fn open(closed: &AtomicBool) -> io::Result<()> {
    match closed.load(Ordering::Relaxed) {
        true => Err(io::Error::from_raw_os_error(EBADF)),
        false => Ok(()),
    }
}
