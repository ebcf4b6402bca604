//! Which writers are alive. Each writer holds a shared lock on the segment file for as long as it
//! has the file open. So a process that gets the exclusive lock knows that there is no other
//! writer.
//!
//! Another byte of the file is locked by threads that register (`registrar.rs`).
//!
//! The locks are open file description locks (`F_OFD_SETLK`, Linux 3.15). The kernel drops such a
//! lock when the last copy of the descriptor is closed, however the process dies. A forked child
//! shares its parent's locks. Two openings of a file in one process count as two writers.

#![allow(unsafe_code, reason = "rustix has no open file description locks")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// The byte that writers lock.
const WRITERS: libc::off_t = 0;
/// The byte that the creator locks for as long as the file has a temporary name.
const CREATOR: libc::off_t = 1;
/// The byte on which the creator takes a shared lock when it can no longer write to the file and is
/// about to give the file its name.
const NAMER: libc::off_t = 2;
/// The byte that is locked by a thread that registers or unregisters writers.
const REGISTRAR: libc::off_t = 3;

/// Which lock to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// A shared lock, as one of the living writers.
    Shared,
    /// The exclusive lock, as the only writer. Needs a descriptor that may write.
    Exclusive,
    /// No lock.
    Nothing,
}

/// Changes the lock that this opening of `file` holds, without waiting. If other locks prevent
/// that, changes nothing and returns false. Going from exclusive to shared always succeeds.
pub(crate) fn try_hold(file: &File, hold: Hold) -> io::Result<bool> {
    try_hold_byte(file, WRITERS, hold)
}

/// Like [`try_hold`], but for the lock of the process that gives an unfinished file its name.
/// `prune` takes a shared lock, for which a descriptor that is open for reading is enough.
pub(crate) fn try_hold_draft(file: &File, hold: Hold) -> io::Result<bool> {
    try_hold_byte(file, CREATOR, hold)
}

/// Like [`try_hold`], but for the right to register and unregister writers.
pub(crate) fn try_hold_registrar(file: &File, hold: Hold) -> io::Result<bool> {
    try_hold_byte(file, REGISTRAR, hold)
}

/// The same, but as a lock of the process (`F_SETLK`), which excludes other processes alone. It is
/// lost if the process closes any descriptor of the file.
pub(crate) fn try_hold_by_process(file: &File, hold: Hold) -> io::Result<bool> {
    set_lock(file, libc::F_SETLK, REGISTRAR, hold)
}

/// Announces that a finished file is about to get its name. A descriptor that is open for reading
/// is enough.
pub(crate) fn hold_finished(file: &File) -> io::Result<()> {
    // Nobody takes the exclusive one, so this succeeds.
    try_hold_byte(file, NAMER, Hold::Shared).map(drop)
}

/// True if another opening of the file holds the lock that [`hold_finished`] takes. Takes no lock.
pub(crate) fn is_finished(file: &File) -> io::Result<bool> {
    is_held(file, NAMER)
}

/// True if another opening of the file holds the lock that [`try_hold`] takes. Takes no lock.
pub(crate) fn has_writers(file: &File) -> io::Result<bool> {
    is_held(file, WRITERS)
}

fn is_held(file: &File, byte: libc::off_t) -> io::Result<bool> {
    let mut range = range(libc::F_WRLCK, byte);
    loop {
        // SAFETY: the descriptor is open, and `range` is a valid flock that the call may store to.
        if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &mut range) } == 0 {
            return Ok(range.l_type != libc::F_UNLCK as libc::c_short);
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::EINTR) {
            return Err(error);
        }
    }
}

fn range(kind: libc::c_int, byte: libc::off_t) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte,
        l_len: 1,
        // Must be zero for this kind of lock.
        l_pid: 0,
    }
}

fn try_hold_byte(file: &File, byte: libc::off_t, hold: Hold) -> io::Result<bool> {
    set_lock(file, libc::F_OFD_SETLK, byte, hold)
}

fn set_lock(file: &File, command: libc::c_int, byte: libc::off_t, hold: Hold) -> io::Result<bool> {
    let kind = match hold {
        Hold::Shared => libc::F_RDLCK,
        Hold::Exclusive => libc::F_WRLCK,
        Hold::Nothing => libc::F_UNLCK,
    };
    let range = range(kind, byte);
    loop {
        // SAFETY: the descriptor is open, and `range` is a valid flock that the call only reads.
        if unsafe { libc::fcntl(file.as_raw_fd(), command, &range) } == 0 {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EACCES) => return Ok(false),
            Some(libc::EINTR) => {}
            _ => return Err(error),
        }
    }
}
