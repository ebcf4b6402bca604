//! Registered threads: each has a seat for each segment that it writes to.
//!
//! A seat is the lock of a record. It is a node of the robust list of its thread, so only that
//! thread may release it, and the memory must stay for as long: a seat shares the pages of the
//! mapping. It also shares the file, so that this process counts as a living writer. A thread
//! leaves its seats when it ends, or when the segment is dropped: at once if the thread drops it
//! itself, otherwise at its next registration.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, compiler_fence};

use super::map::{Mapping, Pages};
use super::mutex;
use super::records::{Record, WriterId};
use crate::os::descriptor::SegmentFile;
use crate::os::fork::{call_before_fork, known_token, process_token};

/// Maximum number of seats of a thread. When the thread dies, the kernel follows at most 2048
/// entries of its robust list, and the program may have robust mutexes of its own.
const MAX_SEATS: usize = 256;
/// Number of calls that skip the search after a call that found no free record.
const CALLS_WITHOUT_SEARCH: u32 = 64;

/// Number of mappings for which a thread remembers that they have no free record.
const FULL_PLACES: usize = 8;

/// The seat that the thread used last.
#[derive(Clone, Copy)]
struct Hot {
    key: u64,
    process: u64,
    id: WriterId,
}

impl Hot {
    /// No mapping has this key, and no process this token.
    const NONE: Self = Self { key: u64::MAX, process: 0, id: WriterId::NONE };
}

/// A registration of the thread.
struct Seat {
    /// `Some` until this value is dropped.
    pages: Option<Arc<Pages>>,
    /// Keeps the lock on the file that shows this process to be a living writer.
    _file: Arc<SegmentFile>,
    key: u64,
    process: u64,
    id: WriterId,
}

/// All registrations of the thread.
struct Seats {
    seats: Vec<Seat>,
    /// The value of [`CLOSINGS`] when the seats were last looked through.
    closings: u64,
    /// The thread is that of a child that was forked without [`leave_before_fork`]. Its robust list
    /// may contain its parent's locks.
    inherited: bool,
}

thread_local! {
    static HOT: Cell<Hot> = const { Cell::new(Hot::NONE) };
    /// How many [`InUse`] the thread has.
    static IN_USE: Cell<u32> = const { Cell::new(0) };
    /// Mappings that have no free record, by their key, and the number of calls left without a
    /// search.
    static FULL: [Cell<(u64, u32)>; FULL_PLACES] =
        const { [const { Cell::new((u64::MAX, 0)) }; FULL_PLACES] };
    static SEATS: RefCell<Seats> = const { RefCell::new(Seats::new()) };
}

/// Number of segments with records that were dropped.
static CLOSINGS: AtomicU64 = AtomicU64::new(0);

/// The id of the calling thread in the segment with this key, if that is the one that it wrote to
/// last.
#[inline(always)]
pub(crate) fn current(key: u64) -> Option<WriterId> {
    let hot = HOT.get();
    (hot.key == key && hot.process == known_token()).then_some(hot.id)
}

/// The id of the calling thread in this segment. The thread is registered if it is not, and if a
/// record is free.
pub(crate) fn find_or_register(
    map: &Mapping,
    file: &Arc<SegmentFile>,
    canary: u64,
    process: u64,
) -> Option<WriterId> {
    let key = map.key();
    if is_known_full(key) {
        return None;
    }
    let id = SEATS.try_with(|seats| {
        let seats = &mut *seats.try_borrow_mut().ok()?;
        if seats.has_inherited(process) {
            return None;
        }
        if let Some(seat) = seats.seats.iter().find(|seat| seat.key == key) {
            return Some(seat.id);
        }
        let id = seats.register(map, file, canary, process);
        if id.is_none() {
            with_full(key, |full| full.set((key, CALLS_WITHOUT_SEARCH)));
        }
        id
    });
    let id = id.ok().flatten()?;
    HOT.set(Hot { key, process, id });
    Some(id)
}

/// Returns true if the search can be skipped, and counts the call.
fn is_known_full(key: u64) -> bool {
    let known = with_full(key, |full| match full.get() {
        (full_key, left @ 1..) if full_key == key => {
            full.set((key, left - 1));
            true
        }
        _ => false,
    });
    known.unwrap_or(false)
}

fn with_full<R>(key: u64, f: impl FnOnce(&Cell<(u64, u32)>) -> R) -> Option<R> {
    FULL.with(|full| full.get(key as usize % FULL_PLACES).map(f))
}

/// True if the calling thread must not lock a robust mutex: it is that of a child that was forked
/// without the handlers of `pthread_atfork`, and its parent was registered.
pub(crate) fn has_inherited(process: u64) -> bool {
    let inherited = SEATS.try_with(|seats| {
        seats.try_borrow_mut().is_ok_and(|mut seats| seats.has_inherited(process))
    });
    inherited.unwrap_or(false)
}

/// Gives up the seats of a segment that is being dropped.
pub(crate) fn close(map: &Mapping) {
    let key = map.key();
    if key == 0 {
        return;
    }
    map.pages().close();
    CLOSINGS.fetch_add(1, Ordering::Relaxed);
    forget_hot(|hot| hot.key == key);
    let _ = SEATS.try_with(|seats| {
        if let Ok(mut seats) = seats.try_borrow_mut() {
            seats.seats.retain(|seat| seat.key != key);
        }
    });
}

/// The thread uses one of its records: it keeps them all, even if it forks.
pub(crate) struct InUse {
    _not_send: PhantomData<*mut ()>,
}

impl InUse {
    #[inline(always)]
    pub(crate) fn begin() -> Self {
        IN_USE.set(IN_USE.get().wrapping_add(1));
        // A signal handler of this thread may fork: it sees the count before what follows.
        compiler_fence(Ordering::SeqCst);
        Self { _not_send: PhantomData }
    }
}

impl Drop for InUse {
    #[inline(always)]
    fn drop(&mut self) {
        compiler_fence(Ordering::SeqCst);
        IN_USE.set(IN_USE.get().wrapping_sub(1));
    }
}

fn forget_hot(which: impl FnOnce(&Hot) -> bool) {
    if which(&HOT.get()) {
        HOT.set(Hot::NONE);
    }
}

/// Runs in a thread that is about to fork. musl leaves the robust list of the child as it is, so
/// the child must not inherit a list with anything in it. The parent registers anew when it writes.
extern "C" fn leave_before_fork() {
    // In a signal handler that interrupted a write: the record is needed.
    if IN_USE.get() > 0 {
        return;
    }
    let _ = SEATS.try_with(|seats| {
        if let Ok(mut seats) = seats.try_borrow_mut() {
            forget_hot(|_| true);
            seats.seats.clear();
        }
    });
}

impl Seats {
    const fn new() -> Self {
        Self { seats: Vec::new(), closings: 0, inherited: false }
    }

    fn has_inherited(&mut self, process: u64) -> bool {
        if self.seats.iter().any(|seat| seat.process != process) {
            self.inherited = true;
            self.seats.clear();
        }
        self.inherited
    }

    fn register(
        &mut self,
        map: &Mapping,
        file: &Arc<SegmentFile>,
        canary: u64,
        process: u64,
    ) -> Option<WriterId> {
        let closings = CLOSINGS.load(Ordering::Relaxed);
        if self.closings != closings {
            self.closings = closings;
            self.seats.retain(|seat| !seat.is_closed());
        }
        if self.seats.len() >= MAX_SEATS || !prepare_for_fork() {
            return None;
        }
        // Before a record is taken: what is taken must be released.
        self.seats.try_reserve(1).ok()?;
        let pid = std::process::id();
        let find = || Record::all(map).find_map(|record| record.try_own(pid, canary));
        let id = find().or_else(|| {
            Record::all(map).for_each(Record::mark_if_gone);
            find()
        })?;
        let (pages, file) = (Some(Arc::clone(map.pages())), Arc::clone(file));
        self.seats.push(Seat { pages, _file: file, key: map.key(), process, id });
        Some(id)
    }
}

impl Drop for Seats {
    fn drop(&mut self) {
        // The thread ends. Other destructors of it may still write, without a record.
        forget_hot(|_| true);
    }
}

impl Seat {
    fn is_closed(&self) -> bool {
        self.pages.as_ref().is_some_and(|pages| pages.is_closed())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(pages) = self.pages.take() else { return };
        let is_own = self.process == process_token();
        if !is_own || !mutex::unlock_record(&pages, self.id.index()) {
            // The lock is the parent's, or damaged. The pages stay: this thread's robust list may
            // lead there.
            std::mem::forget(pages);
        }
    }
}

/// Makes threads leave their seats before they fork.
fn prepare_for_fork() -> bool {
    static DONE: AtomicBool = AtomicBool::new(false);
    // Not a `Once`: a child that is forked meanwhile would wait for ever. If several threads get
    // here first, the handler runs more than once, which does no harm.
    if !DONE.load(Ordering::Acquire) {
        if call_before_fork(leave_before_fork).is_err() {
            return false;
        }
        DONE.store(true, Ordering::Release);
    }
    true
}
