//! The robust process-shared mutexes of records: the calls of the C library.
//!
//! Only the C library's mutex takes part in the kernel's robust list, so this module uses `libc`
//! for it. A record has two mutexes, one for each C library that can write. A process uses that of
//! its own C library, and only looks at the lock word of the other.
//!
//! # Invariants
//! 1. The functions here are called on writable mappings, by a thread that has the [`Registrar`] of
//!    the file. So no other thread is in one of these calls for the same record.
//! 2. A mutex was initialised by [`init`], by a process with the same C library and architecture,
//!    before it is locked. The mark in the registration word says so.
//! 3. It is never destroyed, and its mapping outlives the time for which a thread holds it.

#![allow(unsafe_code, reason = "pthread calls")]

use std::io;
use std::mem::MaybeUninit;

use libc::c_int;

use super::layout::{RECORD_LEN, RECORD_MUTEX_LEN, record_offset};
use super::lock_word::Library;
use super::map::Pages;
use crate::os::registrar::Registrar;

const _: () = assert!(size_of::<libc::pthread_mutex_t>() <= RECORD_MUTEX_LEN);

/// What came of an attempt to lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tried {
    /// The calling thread holds the mutex now, whether or not its last owner died.
    Locked,
    /// A thread holds it.
    Held,
    /// It cannot be locked before it is initialised again. Nobody holds it.
    Unusable,
}

/// Initialises the mutex of this process's C library. Nobody holds it.
pub(super) fn init(_: &Registrar, pages: &Pages, index: u32) -> io::Result<()> {
    let mut attr = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
    // SAFETY: `attr` is valid for writing an attribute object.
    check(unsafe { libc::pthread_mutexattr_init(attr.as_mut_ptr()) })?;
    // SAFETY: `pthread_mutexattr_init` succeeded.
    let attr = unsafe { attr.assume_init_mut() };
    let set = (|| {
        // SAFETY: `attr` is an initialised attribute object.
        check(unsafe { libc::pthread_mutexattr_setpshared(attr, libc::PTHREAD_PROCESS_SHARED) })?;
        // SAFETY: as above.
        check(unsafe { libc::pthread_mutexattr_setrobust(attr, libc::PTHREAD_MUTEX_ROBUST) })?;
        // SAFETY: as above.
        check(unsafe { libc::pthread_mutexattr_settype(attr, libc::PTHREAD_MUTEX_ERRORCHECK) })?;
        let mutex = raw(pages, index)?;
        // SAFETY: the mutex is inside the writable mapping (invariant 1), 64-aligned, has enough
        // bytes (const assert), and is unused by others (precondition).
        check(unsafe { libc::pthread_mutex_init(mutex, attr) })
    })();
    // SAFETY: `attr` was initialised and is not used afterwards.
    unsafe { libc::pthread_mutexattr_destroy(attr) };
    set
}

/// Tries to lock the mutex of this process's C library.
pub(super) fn try_lock(registrar: &Registrar, pages: &Pages, index: u32) -> Tried {
    let Ok(mutex) = raw(pages, index) else { return Tried::Held };
    // SAFETY: the mutex is initialised (invariant 2).
    match unsafe { libc::pthread_mutex_trylock(mutex) } {
        0 => Tried::Locked,
        libc::EOWNERDEAD => {
            // SAFETY: this thread holds it.
            let consistent = check(unsafe { libc::pthread_mutex_consistent(mutex) });
            if consistent.is_ok() {
                return Tried::Locked;
            }
            unlock(registrar, pages, index);
            Tried::Unusable
        }
        libc::EBUSY | libc::EDEADLK => Tried::Held,
        _ => Tried::Unusable,
    }
}

/// Releases the mutex, which the calling thread holds. False if it does not: then the mutex may
/// still be in the robust list of this thread.
pub(super) fn unlock(_: &Registrar, pages: &Pages, index: u32) -> bool {
    let Ok(mutex) = raw(pages, index) else { return false };
    // SAFETY: the mutex is initialised (invariant 2). It is of the error-checking kind, so a thread
    // that does not hold it gets an error.
    unsafe { libc::pthread_mutex_unlock(mutex) == 0 }
}

fn raw(pages: &Pages, index: u32) -> io::Result<*mut libc::pthread_mutex_t> {
    let library = Library::OURS.ok_or(io::ErrorKind::Unsupported)?;
    let offset = record_offset(index);
    assert!(offset + RECORD_LEN <= pages.len());
    // SAFETY: by the assertion the record is inside the mapping.
    Ok(unsafe { pages.base().add(offset + library.mutex()) }.cast())
}

fn check(code: c_int) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code)) }
}
