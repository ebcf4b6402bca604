//! A mapping of a segment file, and the only casts into it.

#![allow(unsafe_code, reason = "casts from a mapping to atomics are confined here")]

use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;

use memmap2::{MmapOptions, MmapRaw};

use crate::layout::BODY_OFFSET;
use crate::sync::AtomicU64;

/// A shared mapping of a whole segment file, read-only or read-write.
///
/// # Invariants
/// 1. The mapping starts at a page boundary and is `len` bytes long, `len` a
///    multiple of 8 and at least [`BODY_OFFSET`].
/// 2. No reference other than to atomics is ever made into it.
#[derive(Debug)]
pub(crate) struct Mapping {
    raw: ManuallyDrop<MmapRaw>,
    len: usize,
    writable: bool,
    keep: bool,
}

impl Mapping {
    /// Maps the first `len` bytes of `file`. The caller has checked the length
    /// against the file's.
    pub(crate) fn new(file: &File, len: usize, writable: bool) -> io::Result<Self> {
        if len < BODY_OFFSET || !len.is_multiple_of(8) {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        let mut options = MmapOptions::new();
        options.len(len);
        let raw =
            if writable { options.map_raw(file)? } else { options.map_raw_read_only(file)? };
        Ok(Self { raw: ManuallyDrop::new(raw), len, writable, keep: false })
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.writable
    }

    /// Address of the first byte. For handing to the C library, never for
    /// plain loads or stores.
    pub(crate) fn base(&self) -> *mut u8 {
        self.raw.as_mut_ptr()
    }

    /// The body as atomic words. On a read-only mapping only loads are allowed,
    /// which is why the callers wrap it in `ReadWords`.
    #[cfg(not(loom))]
    #[inline(always)]
    pub(crate) fn body(&self) -> &[AtomicU64] {
        let len = (self.len - BODY_OFFSET) / 8;
        // SAFETY: by invariant 1 the offset is inside the mapping.
        let first = unsafe { self.base().add(BODY_OFFSET) }.cast::<AtomicU64>();
        // SAFETY: invariant 1: the range is inside the mapping and 8-aligned; any
        // bytes are a valid AtomicU64; concurrent changes by other processes go
        // through atomics (invariant 2), and the lifetime is that of `self`,
        // which unmaps on drop at the earliest. Atomic loads of this size are
        // allowed on read-only memory (std::sync::atomic, "Atomic accesses to
        // read-only memory").
        unsafe { std::slice::from_raw_parts(first, len) }
    }

    /// One atomic word of the first page.
    #[cfg(not(loom))]
    pub(crate) fn header_word(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset + 8 <= BODY_OFFSET);
        // SAFETY: by the assertion and invariant 1 the offset is inside the mapping.
        let word = unsafe { self.base().add(offset) }.cast::<AtomicU64>();
        // SAFETY: as in `body`.
        unsafe { &*word }
    }

    // Loom's atomics are not words of memory; models bring their own.
    #[cfg(loom)]
    pub(crate) fn body(&self) -> &[AtomicU64] {
        &[]
    }

    #[cfg(loom)]
    pub(crate) fn header_word(&self, _offset: usize) -> &AtomicU64 {
        unimplemented!("segments cannot be mapped under loom")
    }

    /// Writes dirty pages back to the file (`msync`).
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.raw.flush()
    }

    /// Lets the mapping stay until the process ends.
    pub(crate) fn keep(&mut self) {
        self.keep = true;
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if !self.keep {
            // SAFETY: dropped once, here, and not used afterwards.
            unsafe { ManuallyDrop::drop(&mut self.raw) };
        }
    }
}
