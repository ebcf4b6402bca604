//! The atomics facade and the two views of shared words.
//!
//! Under `--cfg loom` the atomics are loom's. So loom checks the very protocols that are built on
//! [`Words`], and not copies of them.

#[cfg(loom)]
pub use self::model::{Word, crash};
#[cfg(loom)]
pub use loom::sync::atomic::{Ordering, fence};
#[cfg(not(loom))]
pub use std::sync::atomic::{Ordering, fence};

/// One shared word.
#[cfg(not(loom))]
pub type Word = std::sync::atomic::AtomicU64;

/// A read-only view of `len` shared 64-bit words.
///
/// There is no `&[u8]` and no `&T` into shared bytes, because another process may store to them at
/// any moment. Only atomic loads are defined behaviour in that case.
#[derive(Clone, Copy)]
pub struct ReadWords<'a> {
    words: &'a [Word],
    /// The thread whose view it is; see `model::Word`.
    #[cfg(loom)]
    of: model::Viewer,
}

/// A view of shared words that also allows stores.
///
/// A caller gets one from a held lock ([`Guard::words`](crate::Guard::words)), or while it
/// initialises a segment that nobody else can see yet.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    read: ReadWords<'a>,
}

impl<'a> ReadWords<'a> {
    /// Wraps a slice of atomic words.
    #[must_use]
    pub fn new(words: &'a [Word]) -> Self {
        Self {
            words,
            #[cfg(loom)]
            of: model::Viewer::Reader,
        }
    }

    /// Returns the number of words.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// True if there are no words.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Loads the word at `at`.
    ///
    /// # Panics
    /// If `at >= len()`. Offsets come from a validated layout, and a wrong one must stop here
    /// rather than reach other memory.
    #[inline(always)]
    #[must_use]
    #[allow(clippy::indexing_slicing, reason = "documented panic; the bound is the safety net")]
    pub fn load(&self, at: usize, order: Ordering) -> u64 {
        self.load_word(&self.words[at], order)
    }

    /// Returns a view of the `len` words that start at `at`.
    ///
    /// # Panics
    /// If the words are not all inside this view.
    #[inline(always)]
    #[must_use]
    #[allow(clippy::indexing_slicing, reason = "documented panic; the bound is the safety net")]
    pub fn slice(&self, at: usize, len: usize) -> ReadWords<'a> {
        ReadWords {
            words: &self.words[at..][..len],
            #[cfg(loom)]
            of: self.of,
        }
    }

    /// Iterates over the words. Each is loaded with `Relaxed` when the iterator reaches it.
    #[inline(always)]
    pub fn iter_relaxed(&self) -> impl Iterator<Item = u64> + use<'a> {
        let view = *self;
        self.words.iter().map(move |word| view.load_word(word, Ordering::Relaxed))
    }

    #[cfg(not(loom))]
    #[inline(always)]
    fn load_word(&self, word: &Word, order: Ordering) -> u64 {
        word.load(order)
    }

    #[cfg(loom)]
    fn load_word(&self, word: &Word, order: Ordering) -> u64 {
        word.load_by(self.of, order)
    }
}

impl<'a> Words<'a> {
    /// Wraps a slice of atomic words.
    #[must_use]
    pub fn new(words: &'a [Word]) -> Self {
        Self {
            read: ReadWords {
                words,
                #[cfg(loom)]
                of: model::Viewer::Holder,
            },
        }
    }

    /// Wraps a slice of atomic words for a writer that does not hold the lock. It may store only to
    /// what it has claimed.
    #[must_use]
    pub fn claimable(words: &'a [Word]) -> Self {
        Self {
            read: ReadWords {
                words,
                #[cfg(loom)]
                of: model::Viewer::Claimant,
            },
        }
    }

    /// Returns a read-only view of the same words.
    #[inline(always)]
    #[must_use]
    pub fn as_read(&self) -> ReadWords<'a> {
        self.read
    }

    /// Stores `value` to the word at `at`.
    ///
    /// # Panics
    /// If `at >= len()`, as in [`ReadWords::load`].
    #[inline(always)]
    #[allow(clippy::indexing_slicing, reason = "documented panic; the bound is the safety net")]
    pub fn store(&self, at: usize, value: u64, order: Ordering) {
        self.read.words[at].store(value, order);
    }

    /// Stores `value` to the word at `at`, and returns the value found.
    ///
    /// # Panics
    /// When `at >= len()`, as [`ReadWords::load`] does.
    #[inline(always)]
    #[allow(clippy::indexing_slicing, reason = "documented panic; the bound is the safety net")]
    pub fn swap(&self, at: usize, value: u64, order: Ordering) -> u64 {
        self.read.words[at].swap(value, order)
    }

    /// Stores `new` to the word at `at` if it is `current`. Returns the value found: `Ok` if it was
    /// `current`.
    ///
    /// # Errors
    /// The value found, if it was another one; nothing was stored.
    ///
    /// # Panics
    /// When `at >= len()`, as [`ReadWords::load`] does.
    #[inline(always)]
    #[allow(clippy::indexing_slicing, reason = "documented panic; the bound is the safety net")]
    pub fn compare_exchange(
        &self,
        at: usize,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.read.words[at].compare_exchange(current, new, success, failure)
    }

    /// Returns a view of the `len` words that start at `at`.
    ///
    /// # Panics
    /// If the words are not all inside this view.
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

/// The words that loom checks in place of shared memory.
#[cfg(loom)]
mod model {
    use loom::sync::atomic::AtomicU64;

    use super::Ordering;

    /// The thread that looks at a word.
    #[derive(Clone, Copy)]
    pub enum Viewer {
        Reader,
        /// The holder of the lock.
        Holder,
        /// The writer that has claimed the word's slot, or is about to claim it.
        Claimant,
    }

    /// A loom atomic, together with a plain copy of its value that only writers use.
    ///
    /// The holder of the lock stores to words to which nobody else stores, so its loads always
    /// return the latest store, and loading from the copy loses no behaviour. The copy is needed
    /// because loom 0.7 remembers only the last access of an object. If a writer loads a word
    /// before it stores to it, that load hides the race with a reader's earlier load, and loom
    /// never tries the other order.
    ///
    /// Both the holder and claimants store to some words: the version and the next version of a
    /// slot. For these words the copy is a guess, which a compare-and-exchange then confirms. The
    /// Acquire loads of a claimant are real ones, because the claimant must see what the last
    /// writer stored.
    #[derive(Debug)]
    pub struct Word {
        shared: AtomicU64,
        shadow: std::sync::atomic::AtomicU64,
    }

    impl Word {
        /// Creates a word with this value.
        #[must_use]
        pub fn new(value: u64) -> Self {
            Self { shared: AtomicU64::new(value), shadow: value.into() }
        }

        /// Loads the word as a reader does.
        pub fn load(&self, order: Ordering) -> u64 {
            self.shared.load(order)
        }

        pub(super) fn load_by(&self, viewer: Viewer, order: Ordering) -> u64 {
            match (viewer, order) {
                (Viewer::Reader, _) | (Viewer::Claimant, Ordering::Acquire) => {
                    self.shared.load(order)
                }
                (Viewer::Holder | Viewer::Claimant, _) => self.shadow.load(Ordering::SeqCst),
            }
        }

        /// Stores to the word, unless [`crash::after`] has simulated the death of the storing
        /// thread.
        pub fn store(&self, value: u64, order: Ordering) {
            if crash::allows_store() {
                self.shared.store(value, order);
                self.shadow.store(value, Ordering::SeqCst);
            }
        }

        /// Stores, as [`Word::store`] does, and returns the value found; zero if nothing is stored.
        pub fn swap(&self, value: u64, order: Ordering) -> u64 {
            if !crash::allows_store() {
                return 0;
            }
            let found = self.shared.swap(value, order);
            self.shadow.store(value, Ordering::SeqCst);
            found
        }

        /// Compares and stores. If the thread is dead by [`crash::after`], nothing is stored, and
        /// the answer is that of a success: what the thread does then has no effect either.
        pub fn compare_exchange(
            &self,
            current: u64,
            new: u64,
            success: Ordering,
            failure: Ordering,
        ) -> Result<u64, u64> {
            if !crash::allows_store() {
                return Ok(current);
            }
            let found = self.shared.compare_exchange(current, new, success, failure);
            if found.is_ok() {
                self.shadow.store(new, Ordering::SeqCst);
            }
            found
        }
    }

    /// Simulated death: after a budget of stores, all later stores of that thread
    /// vanish, as if it had been killed between two of them.
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

        pub(crate) fn allows_store() -> bool {
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
}
