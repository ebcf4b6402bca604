//! What this process is, as far as a shared mutex cares: the boot, the pid
//! namespace, and the binary interface of its C library.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The kernel's random id of this boot (`/proc/sys/kernel/random/boot_id`).
pub(crate) fn boot_id() -> io::Result<[u8; 16]> {
    // Not a `OnceLock`: a child that is forked while another thread initialises one waits for
    // that thread for ever. Here all threads store the same.
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

/// Identity of the pid namespace: the inode of `/proc/self/ns/pid`.
///
/// Not cached: a process may enter another namespace by `fork` after `unshare`.
pub(crate) fn pid_namespace() -> io::Result<u64> {
    Ok(std::fs::metadata("/proc/self/ns/pid")?.ino())
}

/// Id of everything that fixes the layout and the meaning of a
/// `pthread_mutex_t`: C library (byte 7), architecture (byte 6), pointer width
/// (byte 5), size of the mutex in bytes (low half).
pub(crate) const fn abi() -> u64 {
    let libc_id: u64 = if cfg!(target_env = "gnu") {
        1
    } else if cfg!(target_env = "musl") {
        2
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
    (libc_id << 56) | (arch << 48) | ((usize::BITS as u64) << 40) | mutex
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
    fn the_pid_namespace_has_an_id() {
        assert_ne!(pid_namespace().unwrap(), 0);
    }
}
