//! Telling a process from its forked child without a system call.

#![allow(unsafe_code, reason = "a leaked anonymous mapping that the kernel wipes")]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::MmapMut;

/// An odd value that differs between a process and each of its forked children.
///
/// It lives in a page that the kernel zeroes in the child
/// (`MADV_WIPEONFORK`, Linux 4.14), so it is right after a raw `clone` too,
/// where `pthread_atfork` handlers do not run. One relaxed load when warm.
#[inline]
pub fn process_token() -> u64 {
    match PAGE.get() {
        Some(Some(word)) => match word.load(Ordering::Relaxed) {
            0 => new_token(),
            token => token,
        },
        _ => new_token(),
    }
}

static PAGE: OnceLock<Option<&'static AtomicU64>> = OnceLock::new();

/// The first call in a process, or any call where the kernel has no such pages.
#[cold]
fn new_token() -> u64 {
    let Some(word) = PAGE.get_or_init(wiped_page) else {
        return pid_token();
    };
    // Random, because a child in a pid namespace of its own may have its parent's pid.
    let mut bytes = [0; 8];
    let random = crate::create::random(&mut bytes).is_ok();
    let token = if random { u64::from_ne_bytes(bytes) | 1 } else { pid_token() };
    // Of two threads that get here first, one decides.
    match word.compare_exchange(0, token, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => token,
        Err(decided) => decided,
    }
}

fn pid_token() -> u64 {
    u64::from(std::process::id()) << 1 | 1
}

fn wiped_page() -> Option<&'static AtomicU64> {
    let page = Box::leak(Box::new(MmapMut::map_anon(size_of::<AtomicU64>()).ok()?));
    // SAFETY: the range is one anonymous private mapping of this process, which
    // is what MADV_WIPEONFORK asks for; it changes nothing in this process.
    let advised =
        unsafe { libc::madvise(page.as_mut_ptr().cast(), page.len(), libc::MADV_WIPEONFORK) };
    if advised != 0 {
        return None;
    }
    let word = page.as_mut_ptr().cast::<AtomicU64>();
    // SAFETY: the mapping is page-aligned, at least 8 bytes long, zeroed (a
    // valid AtomicU64), private to this process, and leaked, so it lives for
    // 'static; nothing else refers to it.
    Some(unsafe { &*word })
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
