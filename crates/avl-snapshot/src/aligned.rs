//! Owned bytes that start at a cache line.

use std::collections::TryReserveError;
use std::fmt;
use std::ops::Deref;

use crate::error::BuildError;
use crate::grow::{grow, with_room};

/// Owned bytes whose first byte is aligned to 64 bytes. They hold a finished image in private
/// memory.
///
/// A [`Snapshot`](crate::Snapshot) works at any alignment. If its bytes are 64-byte aligned,
/// reading a node touches one cache line instead of two.
///
/// ```
/// let bytes = avl_snapshot::AlignedBytes::from(&b"any bytes"[..]);
/// assert_eq!(&bytes[..], b"any bytes");
/// assert_eq!(bytes.as_ptr() as usize % 64, 0);
/// ```
pub struct AlignedBytes {
    /// The bytes. Once they have stopped growing, they start at the first address that is a
    /// multiple of 64.
    bytes: Vec<u8>,
    start: usize,
}

const ALIGNMENT: usize = 64;
/// Offset of the first multiple of 64 in a large allocation of common allocators, which put a
/// header of 16 bytes before an allocation. If an allocation starts elsewhere, `align` moves the
/// bytes at the end.
const LIKELY_START: usize = 48;

impl AlignedBytes {
    /// Allocates `len` zero bytes, which can be overwritten through `AsMut<[u8]>`. O(length).
    ///
    /// # Errors
    /// If there is not enough memory. Expect this error if the length comes from outside the
    /// program.
    ///
    /// ```
    /// use avl_snapshot::AlignedBytes;
    /// let mut bytes = AlignedBytes::try_zeroed(3)?;
    /// bytes.as_mut().copy_from_slice(b"any");
    /// assert_eq!(&bytes[..], b"any");
    /// assert!(AlignedBytes::try_zeroed(usize::MAX).is_err());
    /// # Ok::<(), std::collections::TryReserveError>(())
    /// ```
    pub fn try_zeroed(len: usize) -> Result<Self, TryReserveError> {
        let mut bytes = Vec::<u8>::new();
        bytes.try_reserve_exact(len.saturating_add(ALIGNMENT))?;
        let start = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        bytes.resize(start + len, 0);
        Ok(Self { bytes, start })
    }

    /// Creates an empty value with memory for `capacity` bytes.
    pub(crate) fn with_capacity(capacity: usize) -> Result<Self, BuildError> {
        let mut bytes = with_room(capacity.saturating_add(ALIGNMENT))?;
        bytes.resize(LIKELY_START, 0);
        Ok(Self { bytes, start: LIKELY_START })
    }

    /// Creates an empty value with memory for a few bytes.
    pub(crate) fn small() -> Self {
        Self { bytes: vec![0; LIKELY_START], start: LIKELY_START }
    }

    #[inline(always)]
    pub(crate) fn reserve(&mut self, more: usize) -> Result<(), BuildError> {
        grow(&mut self.bytes, more)
    }

    /// Appends bytes. The caller has made space for them with [`AlignedBytes::reserve`].
    #[inline(always)]
    pub(crate) fn append(&mut self, more: &[u8]) {
        self.bytes.extend_from_slice(more);
    }

    pub(crate) fn append_zeros(&mut self, more: usize) {
        self.bytes.resize(self.bytes.len() + more, 0);
    }

    /// Appends zeros until the length is a multiple of `multiple`.
    pub(crate) fn pad_to(&mut self, multiple: usize) {
        self.append_zeros(self.len().next_multiple_of(multiple) - self.len());
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.bytes.truncate(self.start + len);
    }

    /// Moves the bytes to an aligned address, unless they are at one already, as they usually are.
    /// Called once the bytes have stopped growing.
    pub(crate) fn align(mut self) -> Self {
        let start = self.bytes.as_ptr().align_offset(ALIGNMENT);
        let len = self.len();
        // `align_offset` may give no answer; then the bytes stay where they are.
        if start != self.start && start < ALIGNMENT {
            // Only within the capacity: if the vector reallocated, the alignment would change
            // again.
            if start + len > self.bytes.capacity() {
                return Self::from(&*self);
            }
            self.bytes.resize((start + len).max(self.bytes.len()), 0);
            self.bytes.copy_within(self.start..self.start + len, start);
            self.bytes.truncate(start + len);
            self.start = start;
        }
        self
    }
}

impl Deref for AlignedBytes {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

impl Clone for AlignedBytes {
    fn clone(&self) -> Self {
        Self::from(&**self)
    }
}

impl AsRef<[u8]> for AlignedBytes {
    #[inline(always)]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl AsMut<[u8]> for AlignedBytes {
    #[inline(always)]
    fn as_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..).unwrap_or_default()
    }
}

impl From<&[u8]> for AlignedBytes {
    /// Copies the bytes. O(length).
    fn from(bytes: &[u8]) -> Self {
        let mut aligned = Self { bytes: Vec::with_capacity(bytes.len() + ALIGNMENT), start: 0 };
        aligned.start = aligned.bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        aligned.bytes.resize(aligned.start, 0);
        aligned.append(bytes);
        aligned
    }
}

impl PartialEq for AlignedBytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for AlignedBytes {}

impl fmt::Debug for AlignedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlignedBytes").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growing_ends_aligned_whatever_the_start() {
        for len in [0usize, 1, 63, 64, 65, 1000, 100_000, 3_000_000] {
            let what: Vec<u8> = (0..len).map(|i| i as u8).collect();
            for capacity in [0, len, 2 * len] {
                let mut bytes = AlignedBytes::with_capacity(capacity).unwrap();
                bytes.append(&what);
                let bytes = bytes.align();
                assert_eq!(*bytes, *what);
                assert_eq!(bytes.as_ptr().align_offset(64), 0);
                assert_eq!(*bytes.clone(), *what);
                assert_eq!(bytes.clone().as_ptr().align_offset(64), 0);
            }
        }
    }

    #[test]
    fn a_wrong_guess_is_put_right() {
        for start in 0..200 {
            let mut bytes = AlignedBytes { bytes: vec![0; start], start };
            bytes.append(&[7; 300]);
            let bytes = bytes.align();
            assert_eq!(*bytes, [7; 300]);
            assert_eq!(bytes.as_ptr().align_offset(64), 0);
        }
    }
}
