//! Counting the steps of probes, so that no choice of keys can make them take too long.

use crate::layout::Layout;

/// Counts what takes time, so that tests need no clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Steps(u64);

impl Steps {
    #[inline(always)]
    pub(crate) fn count(&mut self) {
        self.0 += 1;
    }

    /// True if probing has taken more steps than it does for keys that were not chosen to collide.
    /// At the load factors used here, at most two steps per key are expected.
    #[inline(always)]
    pub(crate) fn are_too_many(self, layout: &Layout) -> bool {
        self.0 > 8 * layout.geometry.capacity as u64 + 4096
    }

    #[cfg(test)]
    #[cfg(not(loom))]
    pub(crate) fn get(self) -> u64 {
        self.0
    }
}
