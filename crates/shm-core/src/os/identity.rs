//! The properties of this process that matter to a shared mutex: its boot, its pid namespace, and
//! the ABI of its C library.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Returns the kernel's random id of this boot (`/proc/sys/kernel/random/boot_id`).
pub fn boot_id() -> io::Result<[u8; 16]> {
    // Not a `OnceLock`: a child that is forked while another thread initialises it would wait for
    // that thread for ever. Here all threads store the same value.
    static BOOT: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
    static KNOWN: AtomicBool = AtomicBool::new(false);
    let [high, low] = &BOOT;
    // Acquire: pairs with the release below.
    if KNOWN.load(Ordering::Acquire) {
        let id = u128::from(high.load(Ordering::Relaxed)) << 64;
        return Ok((id | u128::from(low.load(Ordering::Relaxed))).to_be_bytes());
    }
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let id = parse_uuid(text.trim())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "boot_id is not a UUID"))?;
    let number = u128::from_be_bytes(id);
    high.store((number >> 64) as u64, Ordering::Relaxed);
    low.store(number as u64, Ordering::Relaxed);
    KNOWN.store(true, Ordering::Release);
    Ok(id)
}

fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let hex: String = text.chars().filter(|&c| c != '-').collect();
    if hex.len() != 32 {
        return None;
    }
    u128::from_str_radix(&hex, 16).ok().map(u128::to_be_bytes)
}

/// Returns the identity of the pid namespace: the inode of `/proc/self/ns/pid`.
///
/// The result is not cached, because a process may enter another namespace by `fork` after
/// `unshare`.
pub(crate) fn pid_namespace() -> io::Result<u64> {
    Ok(std::fs::metadata("/proc/self/ns/pid")?.ino())
}

/// C libraries, as [`abi`] numbers them.
pub(crate) const GLIBC: u8 = 1;
pub(crate) const MUSL: u8 = 2;

/// The C library of an id of [`abi`].
pub(crate) const fn c_library(abi: u64) -> u8 {
    (abi >> 56) as u8
}

/// Returns an id of everything that determines the layout and the meaning of a `pthread_mutex_t`: C
/// library (byte 7), architecture (byte 6), pointer width (byte 5), size of the mutex in bytes (low
/// half).
pub(crate) const fn abi() -> u64 {
    let libc_id = if cfg!(target_env = "gnu") {
        GLIBC
    } else if cfg!(target_env = "musl") {
        MUSL
    } else {
        3
    };
    let arch: u64 = if cfg!(target_arch = "x86_64") {
        1
    } else if cfg!(target_arch = "aarch64") {
        2
    } else if cfg!(target_arch = "riscv64") {
        3
    } else {
        0xFF
    };
    let mutex = size_of::<libc::pthread_mutex_t>() as u64;
    ((libc_id as u64) << 56) | (arch << 48) | ((usize::BITS as u64) << 40) | mutex
}

/// An id from [`abi`], formatted for people. The id may come from a file, so each of its parts may
/// be unknown.
pub(crate) struct AbiInWords(pub(crate) u64);

impl fmt::Display for AbiInWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [libc_id, arch, bits, _, mutex @ ..] = self.0.to_be_bytes();
        match libc_id {
            GLIBC => f.write_str("glibc")?,
            MUSL => f.write_str("musl")?,
            3 => f.write_str("another C library")?,
            id => write!(f, "C library {id}")?,
        }
        match arch {
            1 => f.write_str(" on x86_64")?,
            2 => f.write_str(" on aarch64")?,
            3 => f.write_str(" on riscv64")?,
            0xFF => f.write_str(" on another architecture")?,
            id => write!(f, " on architecture {id}")?,
        }
        let mutex = u32::from_be_bytes(mutex);
        write!(f, " ({bits}-bit pointers, a mutex of {mutex} bytes)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_id_is_stable_and_parses() {
        assert_eq!(boot_id().unwrap(), boot_id().unwrap());
        assert_ne!(boot_id().unwrap(), [0; 16]);
        assert_eq!(parse_uuid("not a uuid"), None);
    }

    #[test]
    fn an_abi_is_said_in_words() {
        let words = |id| AbiInWords(id).to_string();
        let glibc = 0x0101_4000_0000_0028;
        assert_eq!(words(glibc), "glibc on x86_64 (64-bit pointers, a mutex of 40 bytes)");
        let musl = 0x0202_4000_0000_0028;
        assert_eq!(words(musl), "musl on aarch64 (64-bit pointers, a mutex of 40 bytes)");
        let other = 0x0303_2000_0000_0018;
        assert_eq!(
            words(other),
            "another C library on riscv64 (32-bit pointers, a mutex of 24 bytes)"
        );
        let damaged = 0x09FF_0800_0000_0001;
        assert_eq!(
            words(damaged),
            "C library 9 on another architecture (8-bit pointers, a mutex of 1 bytes)"
        );
        let ours = words(abi());
        let (library, arch) = (cfg!(target_env = "gnu"), std::env::consts::ARCH);
        assert!(ours.starts_with(if library { "glibc on " } else { "musl on " }), "{ours}");
        assert!(ours.contains(arch) || ours.contains("another architecture"), "{ours}");
        let error = crate::HeaderError::Abi { found: musl, expected: glibc };
        assert_eq!(
            error.to_string(),
            "the lock is one of musl on aarch64 (64-bit pointers, a mutex of 40 bytes), and this \
             process has glibc on x86_64 (64-bit pointers, a mutex of 40 bytes): open it read-only"
        );
    }

    #[test]
    fn the_pid_namespace_has_an_id() {
        assert_ne!(pid_namespace().unwrap(), 0);
    }
}
