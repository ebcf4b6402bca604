//! The heap between two measurements.

#![allow(unsafe_code, reason = "calls of the C library")]

/// Makes the C library merge freed memory and return it to the system.
///
/// Otherwise, millions of small pieces that one side freed would be merged during the next large
/// allocation, which belongs to the other side and would take twice as long.
pub fn settle() {
    // SAFETY: `malloc_trim` has no preconditions; it takes the allocator's locks itself.
    unsafe { libc::malloc_trim(0) };
}

/// Bytes that are allocated, with what the allocator needs for each piece of memory. Only glibc
/// says so; elsewhere it is 0.
#[must_use]
pub fn in_use() -> usize {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: `mallinfo2` has no preconditions; it takes the allocator's locks itself.
        let info = unsafe { libc::mallinfo2() };
        info.uordblks + info.hblkhd
    }
    #[cfg(not(target_env = "gnu"))]
    0
}
