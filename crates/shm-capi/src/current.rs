//! The current value of a handle whose value can be replaced.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::border::Call;
use crate::short_lock::Held;

/// Readers load the value once and hold no lock. The C caller, for whom a [`Call`] stands, promises
/// that the value is not replaced meanwhile (promise 3 in `border.rs`). Calls that wait for another
/// value, or replace this one, hold the lock of the handle's place, so they cannot disturb each
/// other.
///
/// # Invariants
/// 1. `value` came from `Arc::into_raw`, and this struct is one of its owners.
/// 2. It is replaced only under the lock of the handle's place.
///
/// A child that is forked at any instruction of these functions finds a living value, at worst with
/// one owner too many.
pub(crate) struct Current<T> {
    value: AtomicPtr<T>,
    owned: PhantomData<Arc<T>>,
}

impl<T> Current<T> {
    pub(crate) fn new(value: T) -> Self {
        let value = Arc::into_raw(Arc::new(value)).cast_mut();
        Self { value: AtomicPtr::new(value), owned: PhantomData }
    }

    /// Returns the value, for a call that reads.
    #[inline]
    pub(crate) fn read<'c>(&'c self, _call: &'c Call) -> &'c T {
        // Acquire: pairs with the release in `replace`, should the caller order the two by means
        // that are weaker.
        let value = self.value.load(Ordering::Acquire);
        // SAFETY: alive by invariant 1, until it is replaced or the handle is closed; neither
        // happens during this call: promises 2 and 3.
        unsafe { &*value }
    }

    /// Returns a shared owner of the value, for a call beside which other calls may run. `_lock` is
    /// the lock of the handle's place.
    pub(crate) fn share(&self, _lock: &Held<'_>) -> Arc<T> {
        let value = self.value.load(Ordering::Acquire);
        // SAFETY: it came of `Arc::into_raw`; by invariant 2 and the lock `self` owns it until this
        // returns.
        unsafe { Arc::increment_strong_count(value) };
        // SAFETY: it came of `Arc::into_raw`, and the owner that was just counted is this one.
        unsafe { Arc::from_raw(value) }
    }

    /// Calls `look` with the value. `_lock` is the lock of the handle's place.
    #[inline]
    pub(crate) fn look<R>(&self, _lock: &Held<'_>, look: impl FnOnce(&T) -> R) -> R {
        // SAFETY: it came of `Arc::into_raw`; by invariant 2 and the lock `self` owns it until this
        // returns.
        look(unsafe { &*self.value.load(Ordering::Acquire) })
    }

    /// True if this is still the value. `_lock` is the lock of the handle's place.
    pub(crate) fn is(&self, value: &Arc<T>, _lock: &Held<'_>) -> bool {
        std::ptr::eq(self.value.load(Ordering::Acquire), Arc::as_ptr(value))
    }

    /// Replaces the value and returns the old one, which the caller drops once it has released the
    /// lock. `_lock` is the lock of the handle's place.
    #[must_use]
    pub(crate) fn replace(&self, value: Arc<T>, _lock: &Held<'_>) -> Arc<T> {
        // Pairs with the acquire loads.
        let old = self.value.swap(Arc::into_raw(value).cast_mut(), Ordering::AcqRel);
        // SAFETY: it came of `Arc::into_raw`, and `self` was an owner until now.
        unsafe { Arc::from_raw(old) }
    }
}

impl<T> Drop for Current<T> {
    fn drop(&mut self) {
        // SAFETY: it came of `Arc::into_raw`, and `self` is an owner, until now.
        drop(unsafe { Arc::from_raw(*self.value.get_mut()) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::short_lock::ShortLock;

    #[test]
    fn what_is_replaced_lives_as_long_as_its_owners() {
        let lock = ShortLock::new();
        let held = lock.take();
        let inside = Arc::new(());
        let current = Current::new(Arc::clone(&inside));
        let first = current.share(&held);
        assert!(current.is(&first, &held));
        let second = Arc::new(Arc::clone(&inside));
        let old = current.replace(Arc::clone(&second), &held);
        assert!(Arc::ptr_eq(&old, &first));
        assert!(!current.is(&first, &held) && current.is(&second, &held));
        drop((old, first));
        assert_eq!(Arc::strong_count(&inside), 2);
        drop((current, second));
        assert_eq!(Arc::strong_count(&inside), 1);
    }
}
