//! A lock in private memory that is never left locked for ever in a forked child.
//!
//! A child has the memory of its parent as it was at the fork, but only one of the parent's
//! threads: the one that forked. If another thread held a lock at that moment, the lock would never
//! be unlocked in the child. So this lock records which process its owner belongs to, and a thread
//! of another process takes it over.
//!
//! The lock is held only for a few instructions. Nobody sleeps, waits for another process or calls
//! user code while holding it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use shm_facade::process_token;

/// The lock. It protects no data of its own. Its user must say what a child finds if it was forked
/// while another thread held the lock.
#[derive(Debug, Default)]
pub(crate) struct ShortLock {
    /// 0, or the token of the process whose thread holds the lock.
    owner: AtomicU64,
}

/// The lock, locked.
#[derive(Debug)]
pub(crate) struct Held<'a>(&'a ShortLock);

impl ShortLock {
    pub(crate) const fn new() -> Self {
        Self { owner: AtomicU64::new(0) }
    }

    #[inline]
    pub(crate) fn take(&self) -> Held<'_> {
        let me = process_token();
        // Acquire: pairs with the release of the owner before.
        match self.owner.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Held(self),
            Err(owner) => self.wait(owner, me),
        }
    }

    #[cold]
    fn wait(&self, mut owner: u64, me: u64) -> Held<'_> {
        let mut tries = 0;
        loop {
            // The lock is also taken over from a thread of the parent: this memory is a copy, in
            // which that thread stores nothing, and everything that it stored happened
            // before the fork.
            let free = if owner == me { 0 } else { owner };
            match self.owner.compare_exchange(free, me, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Held(self),
                Err(found) => owner = if found == 0 { me } else { found },
            }
            pause(tries);
            tries += 1;
        }
    }
}

/// Waits a little. The owner needs only a few instructions, but it may first have to wait for a
/// processor.
fn pause(tries: u32) {
    match tries {
        0..64 => std::hint::spin_loop(),
        64..96 => std::thread::yield_now(),
        // A yield does not help an owner of lower priority.
        _ => std::thread::sleep(Duration::from_micros(100)),
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        // Release: pairs with the acquire of the next one.
        self.0.owner.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_it_at_a_time() {
        let (lock, count) = (ShortLock::new(), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5_000 {
                        let _held = lock.take();
                        // Lost if two do it at once.
                        let seen = count.load(Ordering::Relaxed);
                        std::hint::spin_loop();
                        count.store(seen + 1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(count.into_inner(), 20_000);
    }

    #[test]
    fn it_is_taken_from_a_thread_of_the_parent() {
        let lock = ShortLock::new();
        std::mem::forget(lock.take());
        // What a child sees: the token of another process.
        let foreign = lock.owner.load(Ordering::Relaxed) ^ 2;
        lock.owner.store(foreign, Ordering::Relaxed);
        drop(lock.take());
        assert_eq!(lock.owner.load(Ordering::Relaxed), 0);
    }
}
