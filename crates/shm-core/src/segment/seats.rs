//! Registered threads: each has a seat for each segment that it writes to.
//!
//! A seat is the mutex of a record. It is a node of the robust list of its thread, so only that
//! thread may release it, and the memory must stay for as long: a seat shares the pages of the
//! mapping. It also shares the file, so that this process counts as a living writer. A thread
//! leaves its seats when it ends, or when the segment is dropped: at once if the thread drops it
//! itself, otherwise at its next registration. It does not leave the seat by which it holds the
//! lock.
//!
//! A thread that gets no seat takes the lock as a *guest*: it has a record for that time only.

use std::cell::{Cell, RefCell};
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, compiler_fence};
use std::time::Duration;

use super::map::{Mapping, Pages};
use super::mutex;
use super::records::{Record, WriterId};
use crate::error::LockError;
use crate::os::descriptor::SegmentFile;
use crate::os::fork::{call_around_fork, known_token, process_token};
use crate::os::identity;
use crate::os::registrar::{self, Registrar};

/// Maximum number of seats of a thread. When the thread dies, the kernel follows at most 2048
/// entries of its robust list, and the program may have robust mutexes of its own.
const MAX_SEATS: usize = 256;
/// Number of calls that skip the search after a call that found no free record.
const CALLS_WITHOUT_SEARCH: u32 = 64;

/// How long a thread waits for the right to unregister. After that, it leaves the record to the
/// kernel.
const LEAVING: Duration = Duration::from_millis(100);

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
    file: Arc<SegmentFile>,
    key: u64,
    process: u64,
    id: WriterId,
}

/// All registrations of the thread.
struct Seats {
    seats: Vec<Seat>,
    /// The value of [`CLOSINGS`] when the seats were last looked through.
    closings: u64,
    /// The thread is that of a child that was forked while its parent's thread had a seat. Its
    /// robust list may contain its parent's locks.
    inherited: bool,
}

/// Why a thread is not registered.
#[derive(Debug)]
pub(crate) enum Unregistered {
    /// No record is free, or the thread has too many, or is ending: it may be a guest.
    Full,
    /// Another thread had the right to register all the time.
    Busy,
    /// The thread inherited locks of the process that forked it.
    Inherited,
    /// The file cannot be locked.
    Failed(io::Error),
}

impl From<Unregistered> for LockError {
    fn from(why: Unregistered) -> Self {
        match why {
            Unregistered::Full | Unregistered::Busy => Self::WouldBlock,
            Unregistered::Inherited => Self::ForeignProcess,
            Unregistered::Failed(source) => Self::Os { action: "register this thread", source },
        }
    }
}

thread_local! {
    static HOT: Cell<Hot> = const { Cell::new(Hot::NONE) };
    /// How many [`InUse`] the thread has.
    static IN_USE: Cell<u32> = const { Cell::new(0) };
    /// How many records the thread has as a guest, and the token of the process that took them.
    static GUEST: Cell<(u32, u64)> = const { Cell::new((0, 0)) };
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

/// The id of the calling thread in the segment with this key, if it is registered there.
#[cold]
pub(crate) fn find(key: u64) -> Option<WriterId> {
    let process = known_token();
    let id = SEATS.try_with(|seats| {
        let seats = &*seats.try_borrow().ok()?;
        let is_own = |seat: &&Seat| seat.key == key && seat.process == process;
        seats.seats.iter().find(is_own).map(|seat| seat.id)
    });
    let id = id.ok().flatten()?;
    HOT.set(Hot { key, process, id });
    Some(id)
}

/// The id of the calling thread in this segment. The thread is registered if it is not, and if a
/// record is free. Waits for the right to register, but for no longer than `limit`.
pub(crate) fn find_or_register(map: &Mapping, limit: Duration) -> Result<WriterId, Unregistered> {
    let (key, process) = (map.key(), process_token());
    let found = SEATS.try_with(|seats| {
        // It is borrowed if a signal handler interrupted what follows.
        let mut seats = seats.try_borrow_mut().map_err(|_| Unregistered::Busy)?;
        if seats.has_inherited(process) {
            return Err(Unregistered::Inherited);
        }
        if let Some(seat) = seats.seats.iter().find(|seat| seat.key == key) {
            return Ok(seat.id);
        }
        if is_known_full(key) {
            return Err(Unregistered::Full);
        }
        let registered = seats.register(map, limit, process);
        if matches!(registered, Err(Unregistered::Full)) {
            with_full(key, |full| full.set((key, CALLS_WITHOUT_SEARCH)));
        }
        registered
    });
    let id = found.unwrap_or(Err(Unregistered::Full))?;
    HOT.set(Hot { key, process, id });
    Ok(id)
}

/// Like [`find_or_register`], but searches for a free record even if an earlier call found none.
pub(crate) fn find_or_search(map: &Mapping, limit: Duration) -> Result<WriterId, Unregistered> {
    let key = map.key();
    with_full(key, |full| {
        if full.get().0 == key {
            full.set((u64::MAX, 0));
        }
    });
    find_or_register(map, limit)
}

/// Takes a record for one hold of the lock. Waits for the right to register, but for no longer than
/// `limit`, and not for a record. [`leave_as_guest`] gives it back.
pub(crate) fn register_as_guest(map: &Mapping, limit: Duration) -> Result<WriterId, Unregistered> {
    let process = process_token();
    if has_inherited(process) {
        return Err(Unregistered::Inherited);
    }
    let (count, _) = GUEST.get();
    if count as usize >= MAX_SEATS {
        return Err(Unregistered::Full);
    }
    let file = map.file().ok_or(Unregistered::Full)?;
    let pid_namespace = identity::pid_namespace().map_err(Unregistered::Failed)?;
    let registrar = registrar_of(file, limit)?;
    // Counted before: what a signal handler forks meanwhile must not write.
    GUEST.set((count + 1, process));
    compiler_fence(Ordering::SeqCst);
    let id = take(Record::of_guests, map, &registrar, pid_namespace);
    if id.is_none() {
        GUEST.set((count, process));
    }
    id.ok_or(Unregistered::Full)
}

/// Gives the record of a guest back. If that is not possible, the thread keeps it as a seat.
pub(crate) fn leave_as_guest(map: &Mapping, id: WriterId) {
    let left = map.file().is_some_and(|file| match registrar_of(file, LEAVING) {
        Ok(registrar) => mutex::unlock(&registrar, map.pages(), id.index()),
        Err(_) => false,
    });
    if left || keep_as_seat(map, id) {
        compiler_fence(Ordering::SeqCst);
        let (count, process) = GUEST.get();
        GUEST.set((count.saturating_sub(1), process));
    } else {
        // The pages stay: this thread's robust list leads there.
        std::mem::forget((Arc::clone(map.pages()), map.file().map(Arc::clone)));
    }
}

/// Makes the record of a guest a seat of the thread. False if that is not possible.
fn keep_as_seat(map: &Mapping, id: WriterId) -> bool {
    let kept = SEATS.try_with(|seats| {
        let mut seats = seats.try_borrow_mut().ok()?;
        seats.seats.try_reserve(1).ok()?;
        let (pages, file) = (Some(Arc::clone(map.pages())), Arc::clone(map.file()?));
        seats.seats.push(Seat { pages, file, key: map.key(), process: process_token(), id });
        Some(())
    });
    matches!(kept, Ok(Some(())))
}

/// The right to register and unregister writers of this file.
pub(crate) fn registrar_of(
    file: &SegmentFile,
    limit: Duration,
) -> Result<Registrar<'_>, Unregistered> {
    if !prepare_for_fork() {
        return Err(Unregistered::Busy);
    }
    let file = file.get().map_err(Unregistered::Failed)?;
    Registrar::get(file, limit).map_err(Unregistered::Failed)?.ok_or(Unregistered::Busy)
}

/// Takes one of these records, if one is free.
fn take<'a, I: Iterator<Item = Record<'a>>>(
    records: impl Fn(&'a Mapping) -> I,
    map: &'a Mapping,
    registrar: &Registrar<'_>,
    pid_namespace: u64,
) -> Option<WriterId> {
    let pid = std::process::id();
    let find = || records(map).find_map(|record| record.try_own(registrar, pid, pid_namespace));
    find().or_else(|| {
        records(map).for_each(|record| record.mark_if_gone(registrar, pid_namespace));
        find()
    })
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
/// while its parent's thread had a record.
fn has_inherited(process: u64) -> bool {
    let (guests, host) = GUEST.get();
    let inherited = SEATS.try_with(|seats| {
        seats.try_borrow_mut().is_ok_and(|mut seats| seats.has_inherited(process))
    });
    guests > 0 && host != process || inherited.unwrap_or(false)
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
extern "C" fn before_fork() {
    // In a signal handler that interrupted a write, the record is needed.
    if IN_USE.get() == 0 {
        let _ = SEATS.try_with(|seats| {
            if let Ok(mut seats) = seats.try_borrow_mut() {
                forget_hot(|_| true);
                // What cannot be left stays in the list: then the child must not write.
                seats.seats.retain_mut(|seat| !seat.leave());
            }
        });
    }
    registrar::before_fork();
}

extern "C" fn after_fork() {
    registrar::after_fork();
    // glibc has emptied the robust list of the child. So what could not be left before the fork is
    // no danger to the child, unless it goes on with what a signal handler interrupted.
    if cfg!(target_env = "gnu") && IN_USE.get() == 0 {
        let process = process_token();
        let _ = SEATS.try_with(|seats| {
            if let Ok(mut seats) = seats.try_borrow_mut() {
                seats.seats.retain_mut(|seat| {
                    let pages = seat.pages.as_ref();
                    let holds_the_lock = pages.is_some_and(|p| p.is_locked_by(seat.id.to_u64()));
                    let stays = seat.process == process || holds_the_lock;
                    if !stays {
                        seat.pages = None;
                    }
                    stays
                });
            }
        });
    }
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
        limit: Duration,
        process: u64,
    ) -> Result<WriterId, Unregistered> {
        let closings = CLOSINGS.load(Ordering::Relaxed);
        if self.closings != closings {
            self.closings = closings;
            self.seats.retain(|seat| !seat.is_closed());
        }
        if self.seats.len() >= MAX_SEATS || map.writers() == 0 {
            return Err(Unregistered::Full);
        }
        // Before a record is taken: what is taken must be released.
        self.seats.try_reserve(1).map_err(|_| Unregistered::Full)?;
        let file = map.file().ok_or(Unregistered::Full)?;
        let pid_namespace = identity::pid_namespace().map_err(Unregistered::Failed)?;
        let registrar = registrar_of(file, limit)?;
        let id = take(Record::kept, map, &registrar, pid_namespace).ok_or(Unregistered::Full)?;
        let (pages, file) = (Some(Arc::clone(map.pages())), Arc::clone(file));
        self.seats.push(Seat { pages, file, key: map.key(), process, id });
        Ok(id)
    }
}

impl Drop for Seats {
    fn drop(&mut self) {
        // The thread ends. Other destructors of it may still write, as guests.
        forget_hot(|_| true);
        if IN_USE.get() > 0 {
            // One of them has a `Writer`. The kernel marks the record when the thread is gone.
            self.seats.drain(..).for_each(std::mem::forget);
        }
    }
}

impl Seat {
    fn is_closed(&self) -> bool {
        self.pages.as_ref().is_some_and(|pages| pages.is_closed())
    }

    /// Gives the record back. False if the thread keeps it, because it holds the lock by it, or the
    /// record is the parent's, or the right to unregister cannot be had.
    fn leave(&mut self) -> bool {
        let Some(pages) = &self.pages else { return true };
        let left = self.process == process_token()
            && !pages.is_locked_by(self.id.to_u64())
            && registrar_of(&self.file, LEAVING)
                .is_ok_and(|registrar| mutex::unlock(&registrar, pages, self.id.index()));
        if left {
            self.pages = None;
        }
        left
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.leave() {
            // The pages stay: this thread's robust list may lead there. So does the file: this
            // process must count as a living writer.
            std::mem::forget((self.pages.take(), Arc::clone(&self.file)));
        }
    }
}

/// Makes threads leave their seats before they fork.
pub(crate) fn prepare_for_fork() -> bool {
    static DONE: AtomicBool = AtomicBool::new(false);
    // Not a `Once`: a child that is forked meanwhile would wait for ever. If several threads get
    // here first, the handlers run more than once, which does no harm.
    if !DONE.load(Ordering::Acquire) {
        if call_around_fork(before_fork, after_fork).is_err() {
            return false;
        }
        DONE.store(true, Ordering::Release);
    }
    true
}
