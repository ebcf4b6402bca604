//! Finding out whether any process has a file open or mapped for writing, by means of a read lease
//! (`F_SETLEASE`).
//!
//! The kernel grants a read lease only on a file that nobody has open for writing. Only the file's
//! owner, or a process with `CAP_LEASE`, may ask for a lease. Not every file system has leases.

#![allow(unsafe_code, reason = "rustix has no leases")]

use std::fs::File;
use std::os::fd::AsRawFd;

/// `libc` does not define this constant for all targets. Its value is the same on all Linux
/// systems.
const F_SETSIG: libc::c_int = 10;

/// True if a process has the file open for writing, or has closed the file but still has it mapped
/// for writing. Returns `None` if the kernel does not tell. `file` must be open for reading only.
pub(crate) fn is_open_for_writing(file: &File) -> Option<bool> {
    let fcntl = |command, argument: libc::c_int| loop {
        // SAFETY: the descriptor is open, and both commands take a number.
        if unsafe { libc::fcntl(file.as_raw_fd(), command, argument) } == 0 {
            return Ok(());
        }
        match std::io::Error::last_os_error().raw_os_error() {
            Some(libc::EINTR) => {}
            errno => return Err(errno),
        }
    };
    // Who opens the file for writing while the lease is held sends its holder a signal. SIGURG is
    // ignored unless the program asks for it; the default, SIGIO, would end the process.
    fcntl(F_SETSIG, libc::SIGURG).ok()?;
    match fcntl(libc::F_SETLEASE, libc::F_RDLCK) {
        Ok(()) => {
            let _ = fcntl(libc::F_SETLEASE, libc::F_UNLCK);
            Some(false)
        }
        Err(Some(libc::EAGAIN)) => Some(true),
        Err(_) => None,
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::os::file_map::FileMap;

    #[test]
    fn descriptors_and_mappings_that_may_write_are_found() {
        let dir = std::env::temp_dir().join(format!("shm-core-lease-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("file");
        let writer = File::create_new(&path).unwrap();
        writer.set_len(4096).unwrap();
        let reader = File::open(&path).unwrap();
        if is_open_for_writing(&reader).is_none() {
            println!("skipped: {} has no leases", dir.display());
        } else {
            assert_eq!(is_open_for_writing(&reader), Some(true));
            let both = File::options().read(true).write(true).open(&path).unwrap();
            drop(writer);
            let map = FileMap::new(&both, 4096, true).unwrap();
            drop(both);
            assert_eq!(is_open_for_writing(&reader), Some(true), "by a mapping");
            drop(map);
            let _second = File::open(&path).unwrap();
            assert_eq!(is_open_for_writing(&reader), Some(false));
            // The lease is given back: nobody waits for it.
            drop(File::options().write(true).open(&path).unwrap());
            assert_eq!(is_open_for_writing(&reader), Some(false));
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
