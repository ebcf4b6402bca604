//! The atomics facade and the two views of shared words.
//!
//! Under `--cfg loom` the atomics are loom's, so the protocols built on
//! [`Words`] are model-checked as they stand, not as a copy of them.

#[cfg(loom)]
pub use loom::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(not(loom))]
pub use std::sync::atomic::{AtomicU64, Ordering, fence};

/// A read-only view of `len` shared 64-bit words.
///
/// There is no `&[u8]` and no `&T` into shared bytes: a peer may store to them
/// at any moment, and only atomic loads make that defined behaviour.
#[derive(Clone, Copy)]
pub struct ReadWords<'a> {
    words: &'a [AtomicU64],
}

/// A view of shared words that may also be stored to.
///
/// It is handed out only by a held lock ([`Guard::words`](crate::Guard::words))
/// or to the initialiser of a segment that nobody else can see yet.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    read: ReadWords<'a>,
}

impl<'a> ReadWords<'a> {
    /// Wraps a slice of atomic words.
    #[must_use]
    pub fn new(words: &'a [AtomicU64]) -> Self {
        Self { words }
    }

    /// Number of words.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// True when there are no words.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Loads the word at `at`.
    ///
    /// # Panics
    /// When `at >= len()`: offsets come from a validated layout, and a wrong one
    /// must stop here rather than reach foreign memory.
    #[inline(always)]
    #[must_use]
    #[allow(clippy::indexing_slicing, reason = "documented panic; the bound is the safety net")]
    pub fn load(&self, at: usize, order: Ordering) -> u64 {
        self.words[at].load(order)
    }

    /// The `len` words that start at `at`, as a view of their own.
    ///
    /// # Panics
    /// When they are not all inside this view.
    #[inline(always)]
    #[must_use]
    #[allow(clippy::indexing_slicing, reason = "documented panic; the bound is the safety net")]
    pub fn slice(&self, at: usize, len: usize) -> ReadWords<'a> {
        ReadWords { words: &self.words[at..][..len] }
    }

    /// The words themselves, for loops that LLVM can then check once.
    #[inline(always)]
    pub fn iter(&self) -> std::slice::Iter<'a, AtomicU64> {
        self.words.iter()
    }
}

impl<'a> Words<'a> {
    /// Wraps a slice of atomic words.
    #[must_use]
    pub fn new(words: &'a [AtomicU64]) -> Self {
        Self { read: ReadWords::new(words) }
    }

    /// The same words, read-only.
    #[inline(always)]
    #[must_use]
    pub fn as_read(&self) -> ReadWords<'a> {
        self.read
    }

    /// Stores `value` to the word at `at`.
    ///
    /// # Panics
    /// When `at >= len()`, as [`ReadWords::load`] does.
    #[inline(always)]
    #[allow(clippy::indexing_slicing, reason = "documented panic; the bound is the safety net")]
    pub fn store(&self, at: usize, value: u64, order: Ordering) {
        if crash::allows_store() {
            self.read.words[at].store(value, order);
        }
    }

    /// The `len` words that start at `at`, as a view of their own.
    ///
    /// # Panics
    /// When they are not all inside this view.
    #[inline(always)]
    #[must_use]
    pub fn slice(&self, at: usize, len: usize) -> Words<'a> {
        Words { read: self.read.slice(at, len) }
    }
}

impl<'a> std::ops::Deref for Words<'a> {
    type Target = ReadWords<'a>;

    #[inline(always)]
    fn deref(&self) -> &ReadWords<'a> {
        &self.read
    }
}

/// Outside of loom every store happens.
#[cfg(not(loom))]
mod crash {
    #[inline(always)]
    pub(super) const fn allows_store() -> bool {
        true
    }
}

/// Simulated death for model checks (`--cfg loom` only): after a budget of
/// stores, all later stores of that thread vanish, as if it had been killed
/// between two of them.
#[cfg(loom)]
pub mod crash {
    use std::cell::Cell;

    loom::thread_local! {
        static BUDGET: Cell<Option<usize>> = Cell::new(None);
    }

    /// Runs `f` with at most `stores` stores taking effect; returns how many of
    /// them were left over.
    pub fn after<R>(stores: usize, f: impl FnOnce() -> R) -> (R, usize) {
        BUDGET.with(|b| b.set(Some(stores)));
        let result = f();
        let left = BUDGET.with(|b| b.replace(None)).unwrap_or(0);
        (result, left)
    }

    pub(super) fn allows_store() -> bool {
        BUDGET.with(|b| match b.get() {
            None => true,
            Some(0) => false,
            Some(n) => {
                b.set(Some(n - 1));
                true
            }
        })
    }
}
