//! Counting the steps of probes, so that no choice of keys makes them take too long.

use crate::layout::Layout;

/// Counts what takes time, so that tests can tell without a clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Steps(u64);

impl Steps {
    #[inline(always)]
    pub(crate) fn count(&mut self) {
        self.0 += 1;
    }

    /// True when probing has taken more than it does for keys that nobody chose: at most two steps
    /// a key are to be expected at the loads there are.
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
