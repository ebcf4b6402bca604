//! Finding out which limit of the file system, of the machine or of this process was reached.
//!
//! The operating system uses the same error number for several limits. This module finds the limit
//! behind an error number.

use std::fmt;
use std::io;

use rustix::fs::StatVfs;
use rustix::process::{Resource, getrlimit};

/// A limit that a call ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// Descriptors of this process: `RLIMIT_NOFILE`, `ulimit -n`.
    Descriptors {
        /// Maximum number of descriptors that this process may have open.
        limit: u64,
    },
    /// Files that all processes have open: `fs.file-max`.
    OpenFiles,
    /// Address space of this process: `RLIMIT_AS`, `ulimit -v`.
    AddressSpace {
        /// Maximum size of the address space in bytes.
        limit: u64,
    },
    /// Memory, or the number of mappings that a process may have: `vm.max_map_count`.
    Memory,
    /// Length of a file that this process writes to: `RLIMIT_FSIZE`, `ulimit -f`.
    FileSize {
        /// Maximum length in bytes up to which this process may write.
        limit: u64,
    },
    /// Memory that this process may lock, after it called `mlockall`: `RLIMIT_MEMLOCK`, `ulimit
    /// -l`.
    LockedMemory {
        /// Maximum amount of locked memory in bytes.
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
    /// Returns the limit that caused an error of `action`, if a limit did.
    pub(crate) fn behind(action: &str, error: &io::Error) -> Option<Self> {
        // `mmap` returns error numbers that mean something else in other calls.
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

/// Returns the length up to which this process may write to a file, or `None` if there is no limit.
pub(crate) fn file_size() -> Option<u64> {
    soft(Resource::Fsize)
}

/// Returns the soft limit of this process for a resource, or `None` if there is none.
fn soft(resource: Resource) -> Option<u64> {
    getrlimit(resource).current
}

/// Fails if this process may not write to a file up to offset `end`. The write itself would not
/// fail but would kill the process.
pub(crate) fn check_write(end: u64) -> io::Result<()> {
    match file_size() {
        Some(limit) if limit < end => Err(io::Error::from_raw_os_error(libc::EFBIG)),
        _ => Ok(()),
    }
}

/// Returns the number of bytes that this user may still allocate on a file system.
pub(crate) fn available(fs: &StatVfs) -> u64 {
    // Root may also use the blocks that ext4 reserves.
    let root = rustix::process::geteuid().is_root();
    let blocks = if root { fs.f_bfree } else { fs.f_bavail };
    blocks.saturating_mul(fs.f_frsize)
}

/// Returns the total of free swap and of the memory that is available without swapping, in bytes,
/// or `None` if the kernel does not say.
pub(crate) fn free_memory() -> Option<u64> {
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
    }
}
