//! Iterators over entries in key order.

use std::iter::FusedIterator;

use crate::image::{CachedUnit, Raw};

/// An iterator over entries of a [`Snapshot`](crate::Snapshot), in ascending key order from the
/// front and in descending key order from the back. Each step is O(1).
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    raw: Raw<'a>,
    front: usize,
    back: usize,
    /// The unit that was read last at the front, and the one that was read last at the back.
    ahead: CachedUnit<'a>,
    behind: CachedUnit<'a>,
}

impl<'a> Iter<'a> {
    /// Creates an iterator over the entries at ranks `front` to `back - 1`.
    pub(crate) fn new(raw: Raw<'a>, front: usize, back: usize) -> Self {
        let (ahead, behind) = (CachedUnit::default(), CachedUnit::default());
        Self { raw, front, back: back.max(front), ahead, behind }
    }

    /// The ranks of the remaining entries.
    #[must_use]
    pub fn ranks(&self) -> std::ops::Range<usize> {
        self.front..self.back
    }
}

impl<'a> Iterator for Iter<'a> {
    /// The key and the value of an entry.
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.front == self.back {
            return None;
        }
        let rank = self.front;
        self.front += 1;
        Some(self.raw.pair(self.raw.entry_of(&mut self.ahead, rank)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.back - self.front;
        (left, Some(left))
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<Self::Item> {
        self.front = self.front.saturating_add(n).min(self.back);
        self.next()
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front == self.back {
            return None;
        }
        self.back -= 1;
        Some(self.raw.pair(self.raw.entry_of(&mut self.behind, self.back)))
    }
}

impl ExactSizeIterator for Iter<'_> {}
impl FusedIterator for Iter<'_> {}
