//! A mapping of a segment file, and the only casts into it.

#![allow(unsafe_code, reason = "casts from a mapping to atomics are confined here")]

use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

#[cfg(not(loom))]
use super::layout::RECORD_LEN;
use super::layout::{BODY_OFFSET, Header, LOCK_OFFSET, record_offset};
use super::lock_word::{LOCK_WORD, LockWord};
use crate::os::file_map::FileMap;
use crate::os::holder::Holder;
use crate::sync::Word;

/// A shared mapping of a whole segment file, read-only or read-write.
///
/// # Invariants
/// 1. The mapping starts at a page boundary, at `base`, and is `len` bytes long. `len` is a
///    multiple of 8 and at least `body_offset`, which is at least [`BODY_OFFSET`].
/// 2. No reference into it is ever made except to atomics.
/// 3. It is not unmapped while a guard of its mutex lives, or if a guard was leaked, because the
///    thread's robust list points into it, and the next lock of that thread would follow a dangling
///    pointer. For the same reason, a thread that holds the mutex of a record shares the pages
///    (`seats.rs`).
/// 4. All records, of which there are `writers`, end before the body.
#[derive(Debug)]
pub(crate) struct Mapping {
    pages: ManuallyDrop<Arc<Pages>>,
    /// The first byte. It is stored here, like the body, so that no access has to go through
    /// `pages`.
    base: NonNull<u8>,
    body_offset: usize,
    /// Number of records of writers.
    writers: u32,
    /// A key that no other mapping of this process has or had. 0 if there are no records, or none
    /// that this process may use.
    key: u64,
    /// The body, which is `body_len` words long.
    #[cfg_attr(loom, allow(dead_code, reason = "there is no body under loom"))]
    body: NonNull<Word>,
    #[cfg_attr(loom, allow(dead_code, reason = "there is no body under loom"))]
    body_len: usize,
    writable: bool,
    /// True while a guard lives. Only the holder of the mutex stores this.
    held: AtomicBool,
    /// The pid namespace to which the thread ids in the mutex belong, or 0 before it is known.
    pid_namespace: u64,
    /// The token of the process that may use the mutex: a member of that pid namespace.
    user: AtomicU64,
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
        let records_end = record_offset(writers);
        if len < body_offset || body_offset < BODY_OFFSET.max(records_end) || !len.is_multiple_of(8)
        {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        let map = FileMap::new(file, len, writable)?;
        let held = AtomicBool::new(false);
        let base = NonNull::new(map.as_mut_ptr()).ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: the mapping is longer than `body_offset`, as checked above.
        let body = unsafe { base.add(body_offset) }.cast();
        let body_len = (len - body_offset) / 8;
        let has_records = writers > 0 && writable && LOCK_WORD.is_some();
        let key = if has_records { KEYS.fetch_add(1, Ordering::Relaxed) } else { 0 };
        let (pid_namespace, user) = (0, AtomicU64::new(0));
        let pages = ManuallyDrop::new(Arc::new(Pages { map, closed: AtomicBool::new(false) }));
        Ok(Self {
            pages,
            base,
            body_offset,
            writers,
            key,
            body,
            body_len,
            writable,
            held,
            pid_namespace,
            user,
        })
    }

    /// The pages, to share them.
    pub(crate) fn pages(&self) -> &Arc<Pages> {
        &self.pages
    }

    /// Number of records of writers.
    #[inline(always)]
    pub(crate) fn writers(&self) -> u32 {
        self.writers
    }

    /// Differs from every other mapping's of this process, also of those that are gone; 0 if there
    /// are no records, or none that this process may use.
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
        assert!(index < self.writers && at.is_multiple_of(8) && at < RECORD_LEN);
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

    /// Returns the current value of the mutex word that names the owner, or `None` if the layout of
    /// the C library's mutex is not known.
    #[inline]
    pub(crate) fn lock_word(&self) -> Option<LockWord> {
        // Relaxed: nothing that the lock protects is read because of this value.
        Some(self.lock_word_at(LOCK_OFFSET + LOCK_WORD?, Ordering::Relaxed))
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

    /// Records that this process, a member of that pid namespace, may use the mutex.
    pub(crate) fn admit(&mut self, pid_namespace: u64, process: u64) {
        self.pid_namespace = pid_namespace;
        self.set_used_by(process);
    }

    /// Returns the pid namespace to which the thread ids in the mutex belong.
    #[inline(always)]
    pub(crate) fn pid_namespace(&self) -> u64 {
        self.pid_namespace
    }

    /// True if this process was admitted; false in a forked child.
    #[inline(always)]
    pub(crate) fn is_used_by(&self, process: u64) -> bool {
        // Relaxed: private memory. A thread that sees an older value only checks once more.
        self.user.load(Ordering::Relaxed) == process
    }

    /// Admits the process with this token.
    pub(crate) fn set_used_by(&self, process: u64) {
        self.user.store(process, Ordering::Relaxed);
    }

    /// Returns the thread that holds the lock now, if that can be found out.
    pub(crate) fn holder(&self) -> Option<Holder> {
        self.lock_word()?.owner().map(Holder::of_thread)
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
        self.held.load(Ordering::Relaxed)
    }

    /// Records whether a guard of the mutex lives (invariant 3).
    #[inline(always)]
    pub(crate) fn set_held(&self, held: bool) {
        // Relaxed: `drop` has exclusive access to the mapping.
        self.held.store(held, Ordering::Relaxed);
    }
}

// SAFETY: the pointers are into the mapping that the struct owns a share of, and is only used for
// atomics, which any thread may use at any time.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        if !*self.held.get_mut() {
            // SAFETY: `pages` is dropped here only, and not used afterwards.
            unsafe { ManuallyDrop::drop(&mut self.pages) };
        }
    }
}
