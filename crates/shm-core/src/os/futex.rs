//! Sleeping until a shared word changes.
//!
//! The kernel compares 32 bits: the low half of the word. A read-only mapping is enough to sleep on
//! (Linux 3.1).

#![allow(unsafe_code, reason = "the futex system call; a pointer, not a reference, to half a word")]

use std::io;
use std::time::Duration;

use crate::sync::Word;

/// Sleeps while the low half of `word` equals the low half of `seen`. The sleep ends when a process
/// changes the word and calls [`wake_all`], or after `limit` (monotonic clock). It may end early,
/// for instance because of a signal.
///
/// The kernel compares the halves after it has queued the sleeper, so no wake-up that follows the
/// change is lost.
#[cfg(not(loom))]
pub(crate) fn wait(word: &Word, seen: u64, limit: Duration) -> io::Result<()> {
    let timeout = libc::timespec {
        // Lossless with the types of any C library: at most some 68 years.
        tv_sec: limit.as_secs().min(i32::MAX as u64) as _,
        tv_nsec: limit.subsec_nanos() as _,
    };
    // Not FUTEX_PRIVATE_FLAG: the sleepers and wakers are processes.
    // SAFETY: the address is that of half a word, 4-aligned and mapped as long as `word` lives;
    // the kernel only loads from it. The timeout is a valid timespec, relative for FUTEX_WAIT.
    let slept = unsafe {
        libc::syscall(libc::SYS_futex, low_half(word), libc::FUTEX_WAIT, seen as u32, &timeout)
    };
    if slept == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        // The word changed already, a signal came, or the limit is reached.
        Some(libc::EAGAIN | libc::EINTR | libc::ETIMEDOUT) => Ok(()),
        _ => Err(error),
    }
}

/// Wakes all threads that sleep on `word`.
#[cfg(not(loom))]
pub(crate) fn wake_all(word: &Word) {
    wake(word, i32::MAX);
}

/// Wakes one of the threads that sleep on `word`.
#[cfg(not(loom))]
pub(crate) fn wake_one(word: &Word) {
    wake(word, 1);
}

#[cfg(not(loom))]
fn wake(word: &Word, count: i32) {
    // Fails only for an address that is not mapped.
    // SAFETY: the address is mapped as long as `word` lives, and the kernel does not store to it.
    unsafe { libc::syscall(libc::SYS_futex, low_half(word), libc::FUTEX_WAKE, count) };
}

#[cfg(not(loom))]
fn low_half(word: &Word) -> *const u32 {
    word.as_ptr().cast::<u32>().cast_const().wrapping_add(usize::from(cfg!(target_endian = "big")))
}

// Models bring their own sleep.
#[cfg(loom)]
pub(crate) fn wait(_word: &Word, _seen: u64, _limit: Duration) -> io::Result<()> {
    Ok(())
}

#[cfg(loom)]
pub(crate) fn wake_all(_word: &Word) {}

#[cfg(loom)]
pub(crate) fn wake_one(_word: &Word) {}
