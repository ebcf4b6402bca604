//! What a handle remembers of the entries that are to be evicted next.

use std::sync::Mutex;

/// An entry as a scan has found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Aged {
    /// When it was written last.
    pub(super) stamp: u64,
    pub(super) slot: usize,
}

/// The oldest entries that the last scan has found, the oldest last.
#[derive(Default)]
pub(super) struct Oldest(Mutex<Vec<Aged>>);

impl Oldest {
    /// Takes the entries out. If another thread has them at the moment, there are none. Never
    /// waits: a child that was forked meanwhile would wait for ever.
    pub(super) fn take(&self) -> Vec<Aged> {
        self.0.try_lock().map(|mut oldest| std::mem::take(&mut *oldest)).unwrap_or_default()
    }

    pub(super) fn put_back(&self, entries: Vec<Aged>) {
        if let Ok(mut oldest) = self.0.try_lock() {
            *oldest = entries;
        }
    }
}
