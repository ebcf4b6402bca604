//! A value that only one thread uses at a time. A forked child can tell whether the value is whole.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use shm_facade::process_token;

use crate::short_lock::ShortLock;

/// # Invariants
/// 1. References into `value` exist only under `lock`, or with `&mut self`.
/// 2. While a thread has `&mut T`, `changing` is the token of its process, which is not 0.
///    `changing` keeps that value if the change panics. It also keeps it in a forked child's copy
///    of a value that was being changed.
pub(crate) struct Exclusive<T> {
    lock: ShortLock,
    changing: AtomicU64,
    value: UnsafeCell<ManuallyDrop<T>>,
}

// SAFETY: by invariant 1 one thread at a time has a reference, for which `T: Send` is enough.
unsafe impl<T: Send> Sync for Exclusive<T> {}

/// Why a value can no longer be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// A change panicked.
    Panicked,
    /// The process was forked while another thread of it changed the value.
    Forked,
}

impl<T> Exclusive<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            lock: ShortLock::new(),
            changing: AtomicU64::new(0),
            value: UnsafeCell::new(ManuallyDrop::new(value)),
        }
    }

    /// Reads the value. Other threads wait meanwhile.
    pub(crate) fn read<R>(&self, read: impl FnOnce(&T) -> R) -> Result<R, Broken> {
        let _held = self.lock.take();
        self.whole()?;
        // SAFETY: by invariant 1 and `_held` nobody has a mutable reference. Readers of the parent
        // at a fork left it as it was.
        let value = unsafe { &*self.value.get() };
        Ok(read(value))
    }

    /// Changes the value. Other threads wait meanwhile.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> Result<R, Broken> {
        let _held = self.lock.take();
        self.whole()?;
        self.changing.store(process_token(), Ordering::Relaxed);
        // A child that is forked from here on sees the store above if it sees any of those that
        // follow.
        fence(Ordering::Release);
        // SAFETY: by invariant 1 and `_held` nobody has another reference; it is whole, as just
        // looked at.
        let result = change(unsafe { &mut *self.value.get() });
        // Release: such a child does not see this without all of them.
        self.changing.store(0, Ordering::Release);
        Ok(result)
    }

    fn whole(&self) -> Result<(), Broken> {
        match self.changing.load(Ordering::Acquire) {
            0 => Ok(()),
            here if here == process_token() => Err(Broken::Panicked),
            _ => Err(Broken::Forked),
        }
    }
}

impl<T> Drop for Exclusive<T> {
    fn drop(&mut self) {
        // A value that was being changed at the fork may refer to memory that was already freed, so
        // it is not dropped. A panic unwinds, so what it leaves can be dropped.
        if self.whole() != Err(Broken::Forked) {
            // SAFETY: `&mut self`: nobody uses it, now or later, and it is dropped once.
            unsafe { ManuallyDrop::drop(self.value.get_mut()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use super::*;

    #[test]
    fn threads_change_it_one_at_a_time() {
        let value = Exclusive::new(Vec::new());
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let value = &value;
                scope.spawn(move || {
                    for _ in 0..1_000 {
                        value.change(|vec| vec.push(thread)).unwrap();
                    }
                });
            }
        });
        assert_eq!(value.read(Vec::len), Ok(4_000));
    }

    #[test]
    fn what_a_panic_left_is_refused_and_dropped() {
        let inside = Arc::new(());
        let value = Exclusive::new(Arc::clone(&inside));
        let panicked = catch_unwind(AssertUnwindSafe(|| value.change(|_| panic!("in a change"))));
        assert!(panicked.is_err());
        assert_eq!(value.read(|_| ()), Err(Broken::Panicked));
        assert_eq!(value.change(|_| ()), Err(Broken::Panicked));
        drop(value);
        assert_eq!(Arc::strong_count(&inside), 1);
        // A reader's panic breaks nothing.
        let value = Exclusive::new(7);
        assert!(catch_unwind(AssertUnwindSafe(|| value.read(|_| panic!("in a look")))).is_err());
        assert_eq!(value.read(|&number| number), Ok(7));
    }

    #[test]
    fn what_a_fork_left_half_changed_is_refused_and_not_touched() {
        let inside = Arc::new(());
        let value = Exclusive::new(Arc::clone(&inside));
        value.changing.store(process_token() ^ 2, Ordering::Relaxed);
        assert_eq!(value.read(|_| ()), Err(Broken::Forked));
        assert_eq!(value.change(|_| ()), Err(Broken::Forked));
        drop(value);
        assert_eq!(Arc::strong_count(&inside), 2);
    }
}
