//! Repeats calls that a signal interrupts.

use rustix::io::Errno;

/// Repeats `call` for as long as it fails with `EINTR`.
pub(crate) fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}
