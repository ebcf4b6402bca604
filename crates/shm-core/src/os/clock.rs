//! A clock that can be read in a few nanoseconds and is accurate to a few milliseconds.

#![allow(unsafe_code, reason = "rustix looks for the vDSO in a way that memory checkers report")]

/// Returns the time of the coarse monotonic clock in nanoseconds. On a system without such a clock,
/// this is always 0.
#[inline]
pub(crate) fn coarse() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is valid for writing a timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &mut now) };
    (now.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn it_goes_on() {
        let (start, first) = (Instant::now(), coarse());
        assert_ne!(first, 0);
        while coarse() == first {
            assert!(start.elapsed() < Duration::from_secs(60), "it stands");
        }
        assert!(coarse() > first);
    }
}
