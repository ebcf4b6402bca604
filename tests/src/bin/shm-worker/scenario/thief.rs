//! A user who may only read a segment, but who takes the wake-ups of its lock.
//!
//! `FUTEX_WAIT` and `FUTEX_REQUEUE` need no write permission.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, bail};
use memmap2::MmapRaw;
use shm_core::{Kind, Namespace};
use shm_tests::{patch, test_name};
use slotmap_shm::KIND;

use super::{say, wait_for_line};

/// Threads that do it at once.
const THREADS: usize = 4;

/// `wait`: sleeps where the waiters sleep. `requeue`: moves them to where nobody wakes them.
pub fn thief(how: &str, kind: &str) -> Result<()> {
    let kind = if kind == "table" { KIND } else { Kind::new("control") };
    let path = Namespace::from_env().path_of(&test_name(), kind);
    let map = memmap2::MmapOptions::new().map_raw_read_only(&std::fs::File::open(path)?)?;
    let low = if cfg!(target_endian = "little") { 0 } else { 4 };
    let word = map.as_ptr().wrapping_add(patch::WAKE as usize + low).cast::<AtomicU32>();
    let steal = match how {
        "wait" => steal_wakes,
        "requeue" => move_waiters,
        other => bail!("how is {other}?"),
    };
    let (map, word) = (&map, word.addr());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(move || {
                loop {
                    steal(map, word);
                }
            });
        }
        say("stealing")?;
        wait_for_line()?;
        std::process::exit(0)
    })
}

fn wake_word(map: &MmapRaw, address: usize) -> &AtomicU32 {
    let word = map.as_ptr().with_addr(address).cast::<AtomicU32>();
    #[allow(unsafe_code, reason = "an atomic in a mapping")]
    // SAFETY: the address is 4-aligned and inside the mapping, which lives as long as `map`.
    unsafe {
        &*word
    }
}

fn steal_wakes(map: &MmapRaw, address: usize) {
    let word = wake_word(map, address);
    let seen = word.load(Ordering::Relaxed);
    // Only if a release wakes somebody.
    if seen & 1 == 0 {
        std::hint::spin_loop();
        return;
    }
    let limit = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };
    #[allow(unsafe_code, reason = "the futex system call")]
    // SAFETY: the address is mapped, and the kernel only loads from it.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, seen, &limit);
    }
}

fn move_waiters(map: &MmapRaw, address: usize) {
    let word = wake_word(map, address);
    let elsewhere = word.as_ptr().wrapping_add(512);
    #[allow(unsafe_code, reason = "the futex system call")]
    // SAFETY: both addresses are in the mapped first page, and the kernel only loads from them.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_REQUEUE, 0, 1000, elsewhere);
    }
}
