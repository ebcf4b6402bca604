//! A mapping of a segment file, and the only casts into it.

#![allow(unsafe_code, reason = "casts from a mapping to atomics are confined here")]

use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

#[cfg(not(loom))]
use super::layout::RECORD_LEN;
use super::layout::{BODY_OFFSET, DIRTY_OFFSET, Header, LOCK_OFFSET, WAKE_OFFSET, record_offset};
use super::lock_word::{Library, LockWord};
use crate::os::descriptor::SegmentFile;
use crate::os::file_map::FileMap;
use crate::sync::Word;

/// A shared mapping of a whole segment file, read-only or read-write.
///
/// # Invariants
/// 1. The mapping starts at a page boundary, at `base`, and is `len` bytes long. `len` is a
///    multiple of 8 and at least `body_offset`, which is at least [`BODY_OFFSET`].
/// 2. No reference into it is ever made except to atomics.
/// 3. It is not unmapped while a thread holds the mutex of a record, because the thread's robust
///    list points into it, and the next robust mutex that the thread locks would follow a dangling
///    pointer. A thread that keeps a record shares the pages (`seats.rs`). The pages also stay
///    while a guard lives, or if a guard was leaked: it may be that of a guest.
/// 4. All records, of which there are `records`, end before the body.
#[derive(Debug)]
pub(crate) struct Mapping {
    pages: ManuallyDrop<Arc<Pages>>,
    /// The first byte. It is stored here, like the body, so that no access has to go through
    /// `pages`.
    base: NonNull<u8>,
    body_offset: usize,
    /// Number of records that threads keep, and of all records.
    writers: u32,
    records: u32,
    /// A key that no other mapping of this process has or had. 0 if this process cannot write.
    key: u64,
    /// The body, which is `body_len` words long.
    #[cfg_attr(loom, allow(dead_code, reason = "there is no body under loom"))]
    body: NonNull<Word>,
    #[cfg_attr(loom, allow(dead_code, reason = "there is no body under loom"))]
    body_len: usize,
    writable: bool,
    /// Not [`Held::No`] while a guard lives. Only the holder of the lock stores this.
    held: AtomicU8,
    /// The file, if the mapping is that of a [`Segment`](super::segment::Segment).
    file: Option<Arc<SegmentFile>>,
}

/// Whether a guard lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Held {
    No,
    /// The holder keeps its record.
    Yes,
    /// The holder has its record for as long as it has the lock.
    ByGuest,
}

/// The pages of a [`Mapping`]. Threads that are registered as writers share them.
#[derive(Debug)]
pub(crate) struct Pages {
    map: FileMap,
    /// The segment was dropped.
    closed: AtomicBool,
}

impl Pages {
    /// The first byte, for handing to the C library.
    pub(crate) fn base(&self) -> *mut u8 {
        self.map.as_mut_ptr()
    }

    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    /// True if the lock of the segment names this registration. The pages are those of a writable
    /// mapping.
    #[cfg(not(loom))]
    pub(crate) fn is_locked_by(&self, id: u64) -> bool {
        // SAFETY: the first page is mapped, as that of every mapping.
        let word = unsafe { self.base().add(LOCK_OFFSET) }.cast::<Word>();
        // SAFETY: as in `Mapping::body`.
        let word = unsafe { &*word };
        // Relaxed: only the calling thread stores and removes its own id.
        word.load(Ordering::Relaxed) == id
    }

    #[cfg(loom)]
    pub(crate) fn is_locked_by(&self, _id: u64) -> bool {
        false
    }

    /// True if no handle leads here any more.
    pub(crate) fn is_closed(&self) -> bool {
        // Relaxed: nothing is read because of it.
        self.closed.load(Ordering::Relaxed)
    }

    /// The handle is going to be dropped.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

/// What tells one mapping from another. Never given twice.
static KEYS: AtomicU64 = AtomicU64::new(1);

impl Mapping {
    /// Maps the file of a segment. Its validated header says how long the file is, and the caller
    /// has checked that it is that long.
    pub(crate) fn new(file: &File, header: &Header, writable: bool) -> io::Result<Self> {
        let len = usize::try_from(header.total_len).map_err(|_| io::ErrorKind::InvalidInput)?;
        let (body_offset, writers) = (header.body_offset(), header.writers());
        let records = header.records();
        let records_end = record_offset(records);
        if len < body_offset || body_offset < BODY_OFFSET.max(records_end) || !len.is_multiple_of(8)
        {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        let map = FileMap::new(file, len, writable)?;
        let held = AtomicU8::new(Held::No as u8);
        let base = NonNull::new(map.as_mut_ptr()).ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: the mapping is longer than `body_offset`, as checked above.
        let body = unsafe { base.add(body_offset) }.cast();
        let body_len = (len - body_offset) / 8;
        let can_write = records > 0 && writable && Library::OURS.is_some();
        let key = if can_write { KEYS.fetch_add(1, Ordering::Relaxed) } else { 0 };
        let pages = ManuallyDrop::new(Arc::new(Pages { map, closed: AtomicBool::new(false) }));
        Ok(Self {
            pages,
            base,
            body_offset,
            writers,
            records,
            key,
            body,
            body_len,
            writable,
            held,
            file: None,
        })
    }

    /// The pages, to share them.
    pub(crate) fn pages(&self) -> &Arc<Pages> {
        &self.pages
    }

    /// Number of records that threads keep.
    pub(crate) fn writers(&self) -> u32 {
        self.writers
    }

    /// Number of all records. The last ones are those of guests.
    #[inline(always)]
    pub(crate) fn records(&self) -> u32 {
        self.records
    }

    /// Sets the file of the segment.
    pub(crate) fn set_file(&mut self, file: Arc<SegmentFile>) {
        self.file = Some(file);
    }

    /// The file of the segment.
    pub(crate) fn file(&self) -> Option<&Arc<SegmentFile>> {
        self.file.as_ref()
    }

    /// Differs from every other mapping's of this process, also of those that are gone; 0 if this
    /// process cannot write.
    #[inline(always)]
    pub(crate) fn key(&self) -> u64 {
        self.key
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.writable
    }

    /// Returns the address of the first byte, for use by the C library and never for plain loads or
    /// stores.
    #[inline(always)]
    pub(crate) fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// Returns the body as atomic words. On a read-only mapping, only loads are allowed, which is
    /// why callers wrap the words in `ReadWords`.
    #[cfg(not(loom))]
    #[inline(always)]
    pub(crate) fn body(&self) -> &[Word] {
        // SAFETY: invariant 1: the range is inside the mapping and 8-aligned; any bytes are a valid
        // atomic; other processes' changes go through atomics (invariant 2); `self` unmaps on drop
        // at the earliest. Atomic loads of this size are allowed on read-only memory
        // (std::sync::atomic, "Atomic accesses to read-only memory").
        unsafe { std::slice::from_raw_parts(self.body.as_ptr(), self.body_len) }
    }

    /// Returns one atomic word of the first page.
    #[cfg(not(loom))]
    #[inline(always)]
    pub(crate) fn header_word(&self, offset: usize) -> &Word {
        assert!(offset.is_multiple_of(8) && offset + 8 <= BODY_OFFSET);
        // SAFETY: by the assertion and invariant 1 the offset is inside the mapping.
        let word = unsafe { self.base().add(offset) }.cast::<Word>();
        // SAFETY: as in `body`.
        unsafe { &*word }
    }

    /// The atomic word at an offset in the record with this number.
    #[cfg(not(loom))]
    #[inline(always)]
    pub(crate) fn record_word(&self, index: u32, at: usize) -> &Word {
        assert!(index < self.records && at.is_multiple_of(8) && at < RECORD_LEN);
        // SAFETY: by the assertion and invariant 4 the offset is inside the mapping.
        let word = unsafe { self.base().add(record_offset(index) + at) }.cast::<Word>();
        // SAFETY: as in `body`.
        unsafe { &*word }
    }

    /// The current value of the lock word at an offset before the body.
    pub(crate) fn lock_word_at(&self, offset: usize, order: Ordering) -> LockWord {
        LockWord(self.atomic_lock_word(offset).load(order))
    }

    /// Marks a lock word that has this value. Nothing is stored if it has another one, or if this
    /// mapping is read-only.
    pub(crate) fn mark_lock_word_at(&self, offset: usize, found: LockWord) {
        if self.is_writable() {
            // AcqRel: as the kernel's mark.
            let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
            let word = self.atomic_lock_word(offset);
            let _ = word.compare_exchange(found.0, found.marked().0, success, failure);
        }
    }

    fn atomic_lock_word(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset + 4 <= self.body_offset);
        // SAFETY: by the assertion and invariant 1 the offset is inside the mapping.
        let word = unsafe { self.base().add(offset) }.cast::<AtomicU32>();
        // SAFETY: as in `body`; 4-aligned by the assertion.
        unsafe { &*word }
    }

    /// The word that names the holder of the lock.
    #[inline(always)]
    pub(crate) fn lock_word(&self) -> &Word {
        self.header_word(LOCK_OFFSET)
    }

    /// The word on which those sleep that wait for the lock.
    #[inline(always)]
    pub(crate) fn wake_word(&self) -> &Word {
        self.header_word(WAKE_OFFSET)
    }

    /// True if the next holder of the lock is to repair the data.
    #[inline(always)]
    pub(crate) fn is_dirty(&self) -> bool {
        // Relaxed: stored only under the lock, or by a takeover.
        self.header_word(DIRTY_OFFSET).load(Ordering::Relaxed) != 0
    }

    /// Sets or clears the request that the next holder of the lock repair the data.
    pub(crate) fn set_dirty(&self, dirty: bool) {
        self.header_word(DIRTY_OFFSET).store(u64::from(dirty), Ordering::Relaxed);
    }

    // Loom's atomics are not words of memory; models bring their own.
    #[cfg(loom)]
    pub(crate) fn body(&self) -> &[Word] {
        &[]
    }

    #[cfg(loom)]
    #[allow(clippy::panic, reason = "a model that maps is wrong")]
    pub(crate) fn header_word(&self, _offset: usize) -> &Word {
        panic!("segments cannot be mapped under loom")
    }

    #[cfg(loom)]
    pub(crate) fn record_word(&self, _index: u32, at: usize) -> &Word {
        self.header_word(at)
    }

    /// Asks for huge pages, for all processes that map the file.
    pub(crate) fn use_huge_pages(&self) {
        self.pages.map.use_huge_pages();
    }

    /// Writes dirty pages back to the file (`msync`).
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.pages.map.flush()
    }

    /// True while a guard lives, and for ever once a guard was leaked.
    pub(crate) fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed) != Held::No as u8
    }

    /// True if the guard that lives is that of a guest.
    #[inline(always)]
    pub(crate) fn is_held_by_guest(&self) -> bool {
        self.held.load(Ordering::Relaxed) == Held::ByGuest as u8
    }

    /// Records whether a guard lives (invariant 3).
    #[inline(always)]
    pub(crate) fn set_held(&self, held: Held) {
        // Relaxed: `drop` has exclusive access to the mapping.
        self.held.store(held as u8, Ordering::Relaxed);
    }
}

// SAFETY: the pointers are into the mapping that the struct owns a share of, and is only used for
// atomics, which any thread may use at any time.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        if !self.is_held() {
            // SAFETY: `pages` is dropped here only, and not used afterwards.
            unsafe { ManuallyDrop::drop(&mut self.pages) };
        }
    }
}
