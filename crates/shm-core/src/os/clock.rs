//! Clocks that are never set.

#![allow(unsafe_code, reason = "rustix looks for the vDSO in a way that memory checkers report")]

/// Returns the time of the coarse monotonic clock in nanoseconds. It can be read in a few
/// nanoseconds and is accurate to a few milliseconds. On a system without such a clock, this is
/// always 0.
#[inline]
pub(crate) fn coarse() -> u64 {
    read(libc::CLOCK_MONOTONIC_COARSE)
}

/// Returns the time since this machine was booted in nanoseconds, with the time for which it was
/// suspended (`CLOCK_BOOTTIME`). Every process of the machine gets the same time, unless it is in a
/// time namespace with an offset.
#[must_use]
pub fn since_boot() -> u64 {
    read(libc::CLOCK_BOOTTIME)
}

#[inline]
fn read(clock: libc::clockid_t) -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is valid for writing a timespec.
    unsafe { libc::clock_gettime(clock, &mut now) };
    (now.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn the_time_since_boot_is_no_less_than_the_monotonic_one() {
        let (coarse, precise) = (coarse(), since_boot());
        assert!(coarse <= precise && precise <= since_boot());
    }

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
