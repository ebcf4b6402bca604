//! Mapping files, and choosing the address and the page size of a mapping.
//!
//! A random access to a map of many megabytes usually misses the TLB, and the walk through the page
//! tables then costs as much as the data. With pages of two megabytes such misses are rare. tmpfs
//! provides them for a file on request, one range at a time (`MADV_COLLAPSE`, Linux 6.1). They help
//! a process only if address and file offset agree modulo 2 MiB. `docs/benchmarks.md` says how much
//! faster this is.

#![allow(unsafe_code, reason = "a mapping over a part of one that we own, and advice on it")]

use std::fs::File;
use std::io;

use memmap2::{MmapOptions, MmapRaw};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};

/// Size of a huge page in bytes, if pages have 4096 bytes, as on x86-64 and on most aarch64
/// machines. Elsewhere the kernel declines the requests below, and the alignment has no effect.
const HUGE_PAGE: usize = 2 << 20;

/// `MADV_COLLAPSE` of the Linux UAPI (`include/uapi/asm-generic/mman-common.h`, Linux 6.1), the
/// same on all architectures. `libc` has the name for glibc only.
const MADV_COLLAPSE: libc::c_int = 25;

/// Number of bytes for which huge pages are requested at a time. The first refusal ends the
/// requests, so no more than this is copied in vain.
const STEP: usize = 16 * HUGE_PAGE;

/// A shared mapping of the first bytes of a file. If it has two megabytes or more, it starts at a
/// multiple of two megabytes.
#[derive(Debug)]
pub(crate) struct FileMap {
    /// Owns the address range. For a small file, this range is the mapping. For a large file, the
    /// mapping replaces a part of the range.
    range: MmapRaw,
    /// Where in `range` the mapping begins.
    start: usize,
    len: usize,
}

impl FileMap {
    /// Maps the first `len` bytes of `file`, read-only unless `writable`.
    pub(crate) fn new(file: &File, len: usize, writable: bool) -> io::Result<Self> {
        // Aligning takes more address space for a moment, which limits (RLIMIT_AS, locked memory)
        // may not allow.
        match Self::aligned(file, len, writable) {
            Some(map) => Ok(map),
            None => Ok(Self { range: map(file, len, writable)?, start: 0, len }),
        }
    }

    /// Maps the file at a multiple of the huge page size, if the file is at least one huge page
    /// long.
    fn aligned(file: &File, len: usize, writable: bool) -> Option<Self> {
        if len < HUGE_PAGE {
            return None;
        }
        // The file itself reserves the addresses. Only the part that is mapped again is ever
        // touched.
        let range = map(file, len.checked_add(HUGE_PAGE)?, writable).ok()?;
        let start = range.as_ptr().addr().next_multiple_of(HUGE_PAGE) - range.as_ptr().addr();
        let protection =
            if writable { ProtFlags::READ | ProtFlags::WRITE } else { ProtFlags::READ };
        let flags = MapFlags::SHARED | MapFlags::FIXED;
        let address = range.as_mut_ptr().wrapping_add(start).cast();
        // SAFETY: `start + len` is within `range`, as `start` is less than HUGE_PAGE: what is
        // replaced is a part of a mapping that is ours and that nobody has a pointer to.
        match unsafe { rustix::mm::mmap(address, len, protection, flags, file, 0) } {
            Ok(_) => Some(Self { range, start, len }),
            // More locked memory than allowed: refused before anything was unmapped.
            Err(Errno::AGAIN) => None,
            Err(_) => {
                // The kernel may already have unmapped that part, and another thread may have
                // mapped something there.
                std::mem::forget(range);
                None
            }
        }
    }

    /// Returns the address of the first byte.
    #[inline(always)]
    pub(crate) fn as_mut_ptr(&self) -> *mut u8 {
        self.range.as_mut_ptr().wrapping_add(self.start)
    }

    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Writes dirty pages back to the file (`msync`).
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.range.flush_range(self.start, self.len)
    }

    /// Asks for huge pages for all processes that map the file, and returns how many bytes are now
    /// in huge pages. The contents do not change: existing pages are copied, and the kernel may
    /// move others to make space. It is not an error if the kernel provides no huge pages. The
    /// kernel may be too old or configured not to provide them, the file may not be on tmpfs, or
    /// memory may be short or fragmented.
    pub(crate) fn use_huge_pages(&self) -> usize {
        let mut at = 0;
        while self.len - at >= HUGE_PAGE {
            let step = STEP.min((self.len - at) / HUGE_PAGE * HUGE_PAGE);
            let address = self.as_mut_ptr().wrapping_add(at);
            // SAFETY: the range is within the mapping, and the advice changes no byte of it.
            let advised = unsafe { libc::madvise(address.cast(), step, MADV_COLLAPSE) };
            if advised != 0 {
                break;
            }
            at += step;
        }
        at
    }
}

fn map(file: &File, len: usize, writable: bool) -> io::Result<MmapRaw> {
    let mut options = MmapOptions::new();
    options.len(len);
    if writable { options.map_raw(file) } else { options.map_raw_read_only(file) }
}

/// Asks for huge pages for the first `len` bytes of a file. The file need not be mapped.
pub(crate) fn give_huge_pages(file: &File, len: usize) {
    if len >= HUGE_PAGE
        && let Ok(map) = FileMap::new(file, len, false)
    {
        map.use_huge_pages();
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use std::os::unix::fs::{FileExt, MetadataExt};
    use std::path::Path;

    /// A length that is a whole number neither of huge pages nor of pages.
    const LEN: usize = 2 * HUGE_PAGE + 12_296;

    /// Creates a file without a name. Each byte of the file depends on its offset. The file is in
    /// memory if there is a directory in memory.
    fn file(len: usize) -> File {
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let file = crate::segment::draft::Draft::new(&dir).unwrap().file().try_clone().unwrap();
        let bytes: Vec<u8> = (0..len).map(byte).collect();
        file.write_all_at(&bytes, 0).unwrap();
        file
    }

    fn byte(at: usize) -> u8 {
        (at % 251 + at / 4096) as u8
    }

    fn bytes(map: &FileMap) -> Vec<u8> {
        // SAFETY: the mapping is of that length; nobody else has the file, and it is not stored to
        // meanwhile.
        unsafe { std::slice::from_raw_parts(map.as_mut_ptr(), map.len()) }.to_vec()
    }

    /// Returns the lines of `/proc/self/smaps` about a file, which is found by its inode.
    fn mappings(file: &File) -> String {
        let ino = format!(" {} ", file.metadata().unwrap().ino());
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut ours = false;
        let about = smaps.lines().filter(|line| {
            if line.split(' ').next().is_some_and(|range| range.contains('-')) {
                ours = line.contains(&ino);
            }
            ours
        });
        about.map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn every_length_is_mapped_whole_and_unmapped_whole() {
        for len in [8, 4096, HUGE_PAGE - 8, HUGE_PAGE, HUGE_PAGE + 8, LEN] {
            let file = file(len);
            let map = FileMap::new(&file, len, true).unwrap();
            let reader = FileMap::new(&file, len, false).unwrap();
            assert_eq!((map.len(), reader.len()), (len, len));
            if len >= HUGE_PAGE {
                assert_eq!(map.as_mut_ptr().addr() % HUGE_PAGE, 0);
                assert_eq!(reader.as_mut_ptr().addr() % HUGE_PAGE, 0);
            }
            // SAFETY: within the mapping; nobody else has the file.
            unsafe { map.as_mut_ptr().wrapping_add(len - 1).write(!byte(len - 1)) };
            map.flush().unwrap();
            let read = bytes(&reader);
            assert!((0..len - 1).all(|at| read[at] == byte(at)), "{len} bytes");
            assert_eq!(read[len - 1], !byte(len - 1));
            drop((map, reader));
            assert_eq!(mappings(&file), "", "{len} bytes");
        }
    }

    #[test]
    fn what_may_not_be_mapped_leaves_an_error() {
        let file = file(LEN);
        let read_only =
            File::open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file)));
        let error = FileMap::new(&read_only.unwrap(), LEN, true).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        // No address space has that much; the other is not a possible length of a file.
        for (len, kind) in
            [(1 << 60, io::ErrorKind::OutOfMemory), (usize::MAX - 7, io::ErrorKind::InvalidData)]
        {
            assert_eq!(FileMap::new(&file, len, false).unwrap_err().kind(), kind);
        }
        assert_eq!(mappings(&file), "");
    }

    #[test]
    fn huge_pages_change_no_byte_and_take_no_room() {
        for len in [8, HUGE_PAGE, LEN] {
            let file = file(len);
            let blocks = file.metadata().unwrap().blocks();
            let other = FileMap::new(&file, len, false).unwrap();
            assert!(bytes(&other).iter().enumerate().all(|(at, &found)| found == byte(at)));
            let map = FileMap::new(&file, len, false).unwrap();
            let given = map.use_huge_pages();
            for map in [&map, &other] {
                assert!(bytes(map).iter().enumerate().all(|(at, &found)| found == byte(at)));
            }
            assert_eq!(file.metadata().unwrap().blocks(), blocks);
            assert!(given <= len && given.is_multiple_of(HUGE_PAGE));
            if given > 0 {
                // Also for a mapping that is made afterwards, as another process does.
                let late = FileMap::new(&file, len, false).unwrap();
                assert_eq!(bytes(&late).len(), len);
                let whole = format!(" {} kB", given / 1024);
                let mapped = mappings(&file);
                let huge = mapped.lines().filter(|line| line.starts_with("ShmemPmdMapped"));
                assert_eq!(huge.filter(|line| line.ends_with(&whole)).count(), 3, "{mapped}");
            } else if len >= HUGE_PAGE {
                println!("skipped: {len} bytes: no huge pages to be had here");
            }
        }
    }
}
