//! Space for a new file. The space is compared with the free space, and then really allocated.
//! When a file is opened, it is checked that the space is still allocated.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::error::{CreateError, HeaderError, IoError, OpenError};
use crate::os::file_id::is_memory;
use crate::os::limits::{available, free_memory};
use crate::refused::check_file_size;

/// Number of bytes that are allocated at a time. When a signal arrives, `fallocate` undoes what it
/// did and fails, so a piece must be short enough to fit between two signals.
const ALLOCATE_STEP: u64 = 256 * 1024;

/// Checks, before anything is allocated or written, whether a file of `needed` bytes is possible
/// and fits. The file must be open, empty, and in or below `dir`.
pub(crate) fn check_space(file: &File, needed: u64, dir: &Path) -> Result<(), CreateError> {
    check_file_size(needed, dir)?;
    check_free_space(file, needed, dir)
}

/// Checks whether `needed` bytes more fit into the file system of an open file in or below `dir`.
pub(crate) fn check_free_space(file: &File, needed: u64, dir: &Path) -> Result<(), CreateError> {
    // If the file system does not say, the allocation will.
    let Ok(fs) = rustix::fs::fstatvfs(file) else { return Ok(()) };
    let dir = || dir.to_owned();
    // A tmpfs without a limit of its own reports that it has no blocks at all.
    if fs.f_blocks > 0 && available(&fs) < needed {
        return Err(CreateError::NoSpace { needed, available: available(&fs), dir: dir() });
    }
    // So does a ramfs, which is also memory.
    if (is_memory(file) || fs.f_blocks == 0)
        && let Some(available) = free_memory()
        && available < needed
    {
        return Err(CreateError::NoMemory { needed, available, dir: dir() });
    }
    Ok(())
}

/// Allocates real memory or blocks for these parts of a new file of `len` bytes. `ftruncate` alone
/// would leave a hole, and a store to the hole raises SIGBUS if the tmpfs is full. If the file
/// system cannot allocate parts, the whole file is allocated.
pub(crate) fn allocate_new(file: &File, len: u64, parts: &[Range<u64>]) -> Result<(), Errno> {
    rustix::fs::ftruncate(file, len)?;
    match parts.iter().try_for_each(|part| allocate(file, part.clone())) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeros(file, len),
        other => other,
    }
}

/// Allocates real memory or blocks for a part of a file of [`allocate_new`]. What is allocated
/// already stays as it is.
pub(crate) fn allocate_more(file: &File, part: Range<u64>) -> Result<(), Errno> {
    match allocate(file, part) {
        // Then the whole file was allocated when it was new.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        other => other,
    }
}

fn allocate(file: &File, part: Range<u64>) -> Result<(), Errno> {
    let mut at = part.start;
    while at < part.end {
        let step = ALLOCATE_STEP.min(part.end - at);
        match rustix::fs::fallocate(file, FallocateFlags::empty(), at, step) {
            Ok(()) => at += step,
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Refuses a file in memory of which fewer bytes are allocated than these: loads and stores in the
/// holes may raise SIGBUS.
pub(crate) fn has_memory(file: &File, path: &Path, expected: u64) -> Result<(), OpenError> {
    let meta = file.metadata().map_err(|e| IoError::new("stat", path, e))?;
    let allocated = meta.blocks() * 512;
    if allocated < expected && is_memory(file) {
        let source = HeaderError::Holes { allocated, expected };
        return Err(OpenError::Header { path: path.to_owned(), source });
    }
    Ok(())
}

fn write_zeros(file: &File, len: u64) -> Result<(), Errno> {
    let zeros = vec![0; ALLOCATE_STEP as usize];
    let mut at = 0;
    while at < len {
        let step = ALLOCATE_STEP.min(len - at);
        let piece = zeros.get(..step as usize).unwrap_or(&zeros);
        file.write_all_at(piece, at)
            .map_err(|e| Errno::from_raw_os_error(e.raw_os_error().unwrap_or(libc::EIO)))?;
        at += step;
    }
    Ok(())
}
