//! Which limit is in the way: of the file system, of the machine, or of this process.
//!
//! The operating system has one error number for many of them, and for the size of files a signal
//! that kills. So sizes are compared before anything is allocated or written, and afterwards an
//! error number is traced to the limit behind it.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::StatVfs;
use rustix::process::{Resource, getrlimit};

use crate::error::CreateError;
use crate::open::is_memory;

/// A limit that a call ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// Descriptors of this process: `RLIMIT_NOFILE`, `ulimit -n`.
    Descriptors {
        /// The most it may have open.
        limit: u64,
    },
    /// Files that all processes have open: `fs.file-max`.
    OpenFiles,
    /// Address space of this process: `RLIMIT_AS`, `ulimit -v`.
    AddressSpace {
        /// The most it may have, in bytes.
        limit: u64,
    },
    /// Memory, or the number of mappings that a process may have: `vm.max_map_count`.
    Memory,
    /// Length of a file that this process writes to: `RLIMIT_FSIZE`, `ulimit -f`.
    FileSize {
        /// How far it may write, in bytes.
        limit: u64,
    },
    /// Memory that this process may lock, after it called `mlockall`: `RLIMIT_MEMLOCK`, `ulimit -l`.
    LockedMemory {
        /// The most it may lock, in bytes.
        limit: u64,
    },
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Descriptors { limit } => {
                write!(f, "this process may have {limit} descriptors open (`ulimit -n`)")
            }
            Self::OpenFiles => {
                write!(f, "the machine has as many files open as it may (fs.file-max)")
            }
            Self::AddressSpace { limit } => {
                write!(f, "this process may have {limit} bytes of address space (`ulimit -v`)")
            }
            Self::Memory => {
                write!(f, "no memory, or more mappings than a process may have (vm.max_map_count)")
            }
            Self::FileSize { limit } => {
                write!(f, "this process may write files of {limit} bytes at most (`ulimit -f`)")
            }
            Self::LockedMemory { limit } => {
                write!(f, "this process may lock {limit} bytes of memory (`ulimit -l`)")
            }
        }
    }
}

impl Limit {
    /// The limit behind an error of what was tried, if one is.
    pub(crate) fn behind(action: &str, error: &io::Error) -> Option<Self> {
        // `mmap` has numbers that mean something else in other calls.
        let maps = action.starts_with("map");
        Some(match error.raw_os_error()? {
            libc::EMFILE => Self::Descriptors { limit: soft(Resource::Nofile)? },
            libc::EFBIG => Self::FileSize { limit: soft(Resource::Fsize)? },
            libc::ENFILE => Self::OpenFiles,
            libc::ENOMEM => match soft(Resource::As) {
                Some(limit) if maps => Self::AddressSpace { limit },
                _ => Self::Memory,
            },
            libc::EAGAIN if maps => Self::LockedMemory { limit: soft(Resource::Memlock)? },
            _ => return None,
        })
    }
}

/// A limit of this process; `None` when there is none.
fn soft(resource: Resource) -> Option<u64> {
    getrlimit(resource).current
}

/// Checks, before anything is allocated or written, whether a file of `needed` bytes is possible
/// and has room. The file is open, of no length yet, and below `dir`.
pub(crate) fn check_room(file: &File, needed: u64, dir: &Path) -> Result<(), CreateError> {
    check_file_size(needed, dir)?;
    // Where it cannot be asked, the allocation says it.
    let Ok(fs) = rustix::fs::fstatvfs(file) else { return Ok(()) };
    let dir = || dir.to_owned();
    // A tmpfs without a limit of its own says that it has no blocks at all.
    if fs.f_blocks > 0 && available(&fs) < needed {
        return Err(CreateError::NoSpace { needed, available: available(&fs), dir: dir() });
    }
    // Nor does a ramfs, which is memory, too.
    if (is_memory(file) || fs.f_blocks == 0)
        && let Some(available) = free_memory()
        && available < needed
    {
        return Err(CreateError::NoMemory { needed, available, dir: dir() });
    }
    Ok(())
}

/// Checks `RLIMIT_FSIZE`, beyond which a write is answered by SIGXFSZ.
pub(crate) fn check_file_size(needed: u64, dir: &Path) -> Result<(), CreateError> {
    match soft(Resource::Fsize) {
        Some(limit) if limit < needed => {
            Err(CreateError::FileSizeLimit { needed, limit, dir: dir.to_owned() })
        }
        _ => Ok(()),
    }
}

/// Fails, as a write would if it lived to tell, where this process may not write up to `end`.
pub(crate) fn check_write(end: u64) -> io::Result<()> {
    match soft(Resource::Fsize) {
        Some(limit) if limit < end => Err(io::Error::from_raw_os_error(libc::EFBIG)),
        _ => Ok(()),
    }
}

/// The error for what failed on the way to a file of `needed` bytes in a directory, or to give it a
/// path there.
pub(crate) fn refused(
    action: &'static str,
    error: io::Error,
    needed: u64,
    dir: &Path,
) -> CreateError {
    let owned = || dir.to_owned();
    match error.raw_os_error() {
        Some(libc::ENOSPC) => {
            let above = dir.parent().unwrap_or(dir);
            let fs = rustix::fs::statvfs(dir).or_else(|_| rustix::fs::statvfs(above)).ok();
            match fs {
                // Some file systems make inodes as they need them, and say that they have none.
                Some(fs) if fs.f_files > 0 && fs.f_ffree == 0 => {
                    CreateError::NoInodes { total: fs.f_files, dir: owned() }
                }
                fs => {
                    let available = fs.as_ref().map_or(0, available);
                    CreateError::NoSpace { needed, available, dir: owned() }
                }
            }
        }
        Some(libc::EDQUOT) => CreateError::Quota { needed, dir: owned() },
        Some(libc::EFBIG) => match check_file_size(needed, dir) {
            Err(e) => e,
            Ok(()) => CreateError::FileTooLarge { needed, dir: owned() },
        },
        _ => match Limit::behind(action, &error) {
            Some(limit) => CreateError::Limit { action, path: owned(), limit, source: error },
            None => CreateError::Io { action, path: owned(), source: error },
        },
    }
}

/// Bytes that this user may still allocate.
fn available(fs: &StatVfs) -> u64 {
    // Root also gets the blocks that ext4 keeps back.
    let root = rustix::process::geteuid().is_root();
    let blocks = if root { fs.f_bfree } else { fs.f_bavail };
    blocks.saturating_mul(fs.f_frsize)
}

/// Memory that can be had without swapping, and free swap, in bytes. `None` where the kernel does
/// not say.
fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    parse_meminfo(&text)
}

fn parse_meminfo(text: &str) -> Option<u64> {
    let kilobytes = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    let swap = kilobytes("SwapFree:").unwrap_or(0);
    Some(kilobytes("MemAvailable:")?.saturating_add(swap).saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn memory_is_read_from_what_the_kernel_writes() {
        let text = "MemTotal:  16 kB\nMemAvailable:    12 kB\nSwapFree:  4 kB\n";
        assert_eq!(parse_meminfo(text), Some(16 << 10));
        assert_eq!(parse_meminfo("MemAvailable: 12 kB\n"), Some(12 << 10));
        assert_eq!(parse_meminfo("MemTotal: 16 kB\n"), None);
        assert_eq!(parse_meminfo("MemAvailable: many kB\n"), None);
        assert!(free_memory().unwrap() > 1 << 20);
    }

    #[test]
    fn error_numbers_are_traced_to_limits() {
        let behind = |errno| Limit::behind("open", &io::Error::from_raw_os_error(errno));
        assert!(matches!(behind(libc::EMFILE), Some(Limit::Descriptors { limit: 1.. })));
        assert_eq!(behind(libc::ENFILE), Some(Limit::OpenFiles));
        assert_eq!(behind(libc::ENOMEM), Some(Limit::Memory));
        assert_eq!(behind(libc::EACCES), None);
        assert_eq!(behind(libc::EAGAIN), None, "a lease, for instance");
        let dir = Path::new("/");
        let quota = refused("try", io::Error::from_raw_os_error(libc::EDQUOT), 7, dir);
        assert!(matches!(quota, CreateError::Quota { needed: 7, .. }));
        let large = refused("try", io::Error::from_raw_os_error(libc::EFBIG), 7, dir);
        assert!(matches!(large, CreateError::FileTooLarge { needed: 7, .. }));
    }
}
