//! The heap between two measurements.

#![allow(unsafe_code, reason = "one call of the C library")]

/// Lets the C library put together what was freed, and give it back.
///
/// Millions of small pieces that one side frees would else be put together in the next large
/// allocation, which is the other side's: half of its time.
pub fn settle() {
    // SAFETY: `malloc_trim` has no preconditions; it takes the allocator's locks itself.
    unsafe { libc::malloc_trim(0) };
}
