//! The heap between two measurements.

#![allow(unsafe_code, reason = "one call of the C library")]

/// Makes the C library merge freed memory and return it to the system.
///
/// Otherwise, millions of small pieces that one side freed would be merged during the next large
/// allocation, which belongs to the other side and would take twice as long.
pub fn settle() {
    // SAFETY: `malloc_trim` has no preconditions; it takes the allocator's locks itself.
    unsafe { libc::malloc_trim(0) };
}
