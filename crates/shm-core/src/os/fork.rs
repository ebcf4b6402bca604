//! Telling a process from its forked child without a system call.

#![allow(unsafe_code, reason = "a leaked anonymous mapping that the kernel wipes")]

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use memmap2::MmapMut;

/// Returns an odd value that differs between a process and each of its forked children.
///
/// The value lives in a page that the kernel zeroes in the child (`MADV_WIPEONFORK`, Linux 4.14).
/// So it is also correct after a raw `clone`, where `pthread_atfork` handlers do not run. After the
/// first call, the cost is two loads.
#[inline]
pub fn process_token() -> u64 {
    match known_token() {
        0 => new_token(),
        token => token,
    }
}

/// Returns what [`process_token`] has returned in this process, or zero before its first call.
#[inline(always)]
pub(crate) fn known_token() -> u64 {
    // SAFETY: null, or a word that lives for 'static.
    let word = unsafe { PAGE.load(Ordering::Acquire).as_ref() };
    word.map_or(0, |word| word.load(Ordering::Relaxed))
}

/// The word that holds the token, or null before the first call. This is not a `OnceLock`, because
/// a child that is forked while another thread initialises a `OnceLock` would wait for that thread
/// for ever.
static PAGE: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());

/// Makes a token. Called by the first call in a process or, if the kernel has no such pages, by
/// every call.
#[cold]
#[inline(never)]
fn new_token() -> u64 {
    let Some(word) = page() else { return pid_token() };
    // Random, because a child in a pid namespace of its own may have its parent's pid.
    let mut bytes = [0; 8];
    let random = super::random::random(&mut bytes).is_ok();
    let token = if random { u64::from_ne_bytes(bytes) | 1 } else { pid_token() };
    // If two threads get here first, one of them decides.
    match word.compare_exchange(0, token, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => token,
        Err(decided) => decided,
    }
}

/// Returns the page, and creates it if there is none yet. If several threads create a page at once,
/// all of them use the page of one of them.
fn page() -> Option<&'static AtomicU64> {
    let mut word = PAGE.load(Ordering::Acquire);
    if word.is_null() {
        let mut page = wiped_page()?;
        let made = page.as_mut_ptr().cast::<AtomicU64>();
        match PAGE.compare_exchange(ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {
                // For 'static.
                std::mem::forget(page);
                word = made;
            }
            Err(decided) => word = decided,
        }
    }
    // SAFETY: a page-aligned mapping of at least 8 bytes, zeroed (a valid AtomicU64), private to
    // this process, and never unmapped; nothing else refers to it.
    Some(unsafe { &*word })
}

/// Has `before` called in every thread of this process that is about to `fork`, and `after` once it
/// has forked, in parent and child, by the C library (`pthread_atfork`). Not for a raw `clone`.
pub(crate) fn call_around_fork(before: extern "C" fn(), after: extern "C" fn()) -> io::Result<()> {
    // SAFETY: the handlers may be called at any time, and are not unloaded before the library is:
    // then the C library forgets them.
    let code = unsafe { libc::pthread_atfork(Some(before), Some(after), Some(after)) };
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code)) }
}

fn pid_token() -> u64 {
    u64::from(std::process::id()) << 1 | 1
}

fn wiped_page() -> Option<MmapMut> {
    let mut page = MmapMut::map_anon(size_of::<AtomicU64>()).ok()?;
    // SAFETY: the range is one anonymous private mapping of this process, which
    // is what MADV_WIPEONFORK asks for; it changes nothing in this process.
    let advised =
        unsafe { libc::madvise(page.as_mut_ptr().cast(), page.len(), libc::MADV_WIPEONFORK) };
    (advised == 0).then_some(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_stable_in_one_process() {
        assert_eq!(process_token() & 1, 1);
        assert_eq!(process_token(), process_token());
    }
}
