//! A cursor over entries in key order.

use crate::image::{CachedUnit, Raw};

/// A cursor over the entries of a [`Snapshot`](crate::Snapshot).
///
/// A cursor always rests between two entries, before the first entry or after the last one. It can
/// be moved to any key and goes on from there in both directions. Merging several maps is an
/// example of what needs this.
///
/// ```
/// let image = avl_snapshot::from_sorted([("a", "1"), ("c", "3"), ("e", "5")]).unwrap();
/// let snapshot = avl_snapshot::Snapshot::new(image).unwrap();
/// let mut cursor = snapshot.cursor();
/// assert_eq!(cursor.next(), Some((&b"a"[..], &b"1"[..])));
/// cursor.seek("d");
/// assert_eq!(cursor.peek_next(), Some((&b"e"[..], &b"5"[..])));
/// assert_eq!(cursor.prev(), Some((&b"c"[..], &b"3"[..])));
/// assert_eq!(cursor.rank(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    raw: Raw<'a>,
    /// The rank of the entry after the cursor.
    rank: usize,
    /// The unit that was read last.
    unit: CachedUnit<'a>,
}

impl<'a> Cursor<'a> {
    /// Creates a cursor before the first entry.
    pub(crate) fn new(raw: Raw<'a>) -> Self {
        Self { raw, rank: 0, unit: CachedUnit::default() }
    }

    /// Moves the cursor before the first entry whose key is not less than `key`, or after the last
    /// entry if there is no such key. Returns true if `key` is in the map. O(log n).
    pub fn seek(&mut self, key: impl AsRef<[u8]>) -> bool {
        let found = self.raw.search(key.as_ref());
        self.rank = found.unwrap_or_else(|rank| rank);
        found.is_ok()
    }

    /// Moves the cursor before the entry at `rank`, or after the last entry if there is no such
    /// entry. O(1).
    pub fn seek_rank(&mut self, rank: usize) {
        self.rank = rank.min(self.raw.layout.entries);
    }

    /// Returns the number of entries before the cursor. O(1).
    #[must_use]
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Moves the cursor after the next entry and returns this entry. At the end, returns `None`.
    /// O(1).
    #[allow(clippy::should_implement_trait, reason = "an iterator would not move back")]
    #[inline]
    pub fn next(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let next = self.peek_next()?;
        self.rank += 1;
        Some(next)
    }

    /// Moves the cursor before the previous entry and returns this entry. At the start, returns
    /// `None`. O(1).
    #[inline]
    pub fn prev(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let previous = self.peek_prev()?;
        self.rank -= 1;
        Some(previous)
    }

    /// Returns the next entry without moving the cursor. At the end, returns `None`. O(1).
    #[inline]
    pub fn peek_next(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        if self.rank >= self.raw.layout.entries {
            return None;
        }
        Some(self.raw.pair(self.raw.entry_of(&mut self.unit, self.rank)))
    }

    /// Returns the previous entry without moving the cursor. At the start, returns `None`. O(1).
    #[inline]
    pub fn peek_prev(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let rank = self.rank.checked_sub(1)?;
        Some(self.raw.pair(self.raw.entry_of(&mut self.unit, rank)))
    }
}
