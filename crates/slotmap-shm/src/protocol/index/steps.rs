//! Counting the steps of probes, so that no choice of keys can make probing take too long.

use crate::layout::Layout;

/// A count of the steps that take time, so that tests need no clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Steps(u64);

impl Steps {
    #[inline(always)]
    pub(crate) fn count(&mut self) {
        self.0 += 1;
    }

    /// True if probing has taken more steps than it takes for keys that were not chosen to collide.
    /// For such keys, at most two steps per key are expected at the load factors used here.
    #[inline(always)]
    pub(crate) fn are_too_many(self, layout: &Layout) -> bool {
        self.0 > 8 * layout.capacity as u64 + 4096
    }

    #[cfg(test)]
    #[cfg(not(loom))]
    pub(crate) fn get(self) -> u64 {
        self.0
    }
}
