//! The properties of this process that matter to those that share a segment with it: its boot, its
//! pid namespace, and its architecture.

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

/// Returns an id of what programs that share a segment have in common: the architecture (byte 6)
/// and the pointer width in bits (byte 5). The other bytes are zero, but the id is not.
pub(crate) const fn abi() -> u64 {
    let arch: u64 = if cfg!(target_arch = "x86_64") {
        1
    } else if cfg!(target_arch = "aarch64") {
        2
    } else if cfg!(target_arch = "riscv64") {
        3
    } else {
        0xFF
    };
    (arch << 48) | ((usize::BITS as u64) << 40)
}

/// An id from [`abi`], formatted for people. The id may come from a file, so each of its parts may
/// be unknown.
pub(crate) struct AbiInWords(pub(crate) u64);

impl fmt::Display for AbiInWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [_, arch, bits, ..] = self.0.to_be_bytes();
        match arch {
            1 => f.write_str("x86_64")?,
            2 => f.write_str("aarch64")?,
            3 => f.write_str("riscv64")?,
            0xFF => f.write_str("another architecture")?,
            id => write!(f, "architecture {id}")?,
        }
        write!(f, " ({bits}-bit pointers)")
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
        let x86 = 0x0001_4000_0000_0000;
        assert_eq!(words(x86), "x86_64 (64-bit pointers)");
        let arm = 0x0002_4000_0000_0000;
        assert_eq!(words(arm), "aarch64 (64-bit pointers)");
        assert_eq!(words(0x0003_2000_0000_0000), "riscv64 (32-bit pointers)");
        assert_eq!(words(0x0009_0800_0000_0001), "architecture 9 (8-bit pointers)");
        let (ours, arch) = (words(abi()), std::env::consts::ARCH);
        assert!(ours.contains(arch) || ours.contains("another architecture"), "{ours}");
        let error = crate::HeaderError::Abi { found: arm, expected: x86 };
        assert_eq!(
            error.to_string(),
            "the lock is one of aarch64 (64-bit pointers), and this process has x86_64 (64-bit \
             pointers): open it read-only"
        );
    }

    #[test]
    fn the_pid_namespace_has_an_id() {
        assert_ne!(pid_namespace().unwrap(), 0);
    }
}
