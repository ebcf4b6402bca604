//! The map in an image, read in place.

use std::fmt;
use std::iter::FusedIterator;
use std::ops::Bound;
use std::str::Utf8Error;

use crate::cursor::Cursor;
use crate::error::SnapshotError;
use crate::image::{CACHE_LINE, HEADER_LEN, Header, Layout, Raw, SLOT_LEN, TIE_LEN, verify};
use crate::iter::Iter;
use crate::range::KeyRange;

/// An ordered map from byte strings to byte strings, read in place from `D`. For example, `D` can
/// be a mapping, the contents of a file, a `Vec` or a `&'static [u8]`.
///
/// Opening is O(1) and checks only the header. Whatever the bytes are, no call panics, reads
/// outside of the bytes, or does more work than on sound bytes. On damaged bytes, answers may be
/// wrong. [`Snapshot::verify`] checks whether the bytes are sound.
///
/// ```
/// use avl_snapshot::{RbTree, Snapshot};
///
/// let mut tree = RbTree::new();
/// tree.set("berta", "2")?;
/// tree.set("anna", "1")?;
/// let snapshot = Snapshot::new(tree.freeze()).unwrap();
/// assert_eq!(snapshot.get("anna"), Some(&b"1"[..]));
/// assert_eq!(snapshot.first(), Some((&b"anna"[..], &b"1"[..])));
/// assert_eq!(snapshot.rank("b"), 1);
/// # Ok::<(), avl_snapshot::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Snapshot<D> {
    data: D,
    layout: Layout,
    header: Header,
}

/// The sizes of an image's sections, and the depth of its tree. See [`Snapshot::stats`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Number of entries.
    pub entries: usize,
    /// Number of levels of the binary tree, or 0 if the map is empty.
    pub depth: u32,
    /// Number of nodes that a search reads, each of which is one cache line. This is a quarter of
    /// the number of levels, rounded up.
    pub tiers: usize,
    /// Size of the header in bytes.
    pub header_bytes: usize,
    /// Size of the tree's nodes in bytes.
    pub tree_bytes: usize,
    /// Size in bytes of the section that decides ties between keys of the upper nodes, or 0 if no
    /// keys tie there.
    pub tie_bytes: usize,
    /// Size of the entries in bytes. An entry is an offset, a key length, and a number that decides
    /// a tie with the next key.
    pub entry_bytes: usize,
    /// Size of the hash index in bytes, or 0 if there is none.
    pub index_bytes: usize,
    /// Size of keys and values in bytes.
    pub data_bytes: usize,
    /// Size of the whole image in bytes, including padding.
    pub total_bytes: usize,
}

impl<D: AsRef<[u8]>> Snapshot<D> {
    /// Opens an image. O(1): checks the header, and that the image has the length that the header
    /// states. [`Snapshot::verify`] checks the rest.
    ///
    /// # Errors
    /// [`SnapshotError`], which says what is wrong and where.
    pub fn new(data: D) -> Result<Self, SnapshotError> {
        let (layout, header) = Layout::read(data.as_ref())?;
        Ok(Self { data, layout, header })
    }

    /// Checks the whole image: checksum, offsets, order, tree, index and padding. O(bytes),
    /// whatever the bytes are.
    ///
    /// # Errors
    /// [`SnapshotError::Corrupt`], which says what is wrong and where.
    pub fn verify(&self) -> Result<(), SnapshotError> {
        verify(self.raw(), &self.header)
    }

    /// Returns the number of entries. O(1).
    #[must_use]
    pub fn len(&self) -> usize {
        self.layout.entries
    }

    /// True if there are no entries. O(1).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.layout.entries == 0
    }

    /// Returns the value of `key`. O(1) with a hash index, O(log n) without one. Without an index,
    /// a search reads one cache line for every four levels of the tree.
    #[inline]
    #[must_use]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<&[u8]> {
        let raw = self.raw();
        Some(raw.value_of(raw.find(key.as_ref())?))
    }

    /// Returns the value of `key` as text, or `Some(Err(_))` if the value is not UTF-8. As fast as
    /// [`Snapshot::get`].
    #[must_use]
    pub fn get_str(&self, key: impl AsRef<[u8]>) -> Option<Result<&str, Utf8Error>> {
        self.get(key).map(std::str::from_utf8)
    }

    /// True if `key` has a value. As fast as [`Snapshot::get`].
    #[must_use]
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> bool {
        self.raw().find(key.as_ref()).is_some()
    }

    /// Returns the values of `keys`, in the order of `keys`. The results are the same as from
    /// calling [`Snapshot::get`] for each key, but sixteen keys are looked up side by side, so that
    /// their cache misses overlap. In a map of a million keys this is 1.2 to 1.7 times as fast with
    /// a hash index, and 2 to 4 times as fast without one.
    ///
    /// ```
    /// let image = avl_snapshot::from_sorted([("a", "1"), ("b", "2")]).unwrap();
    /// let snapshot = avl_snapshot::Snapshot::new(image).unwrap();
    /// assert_eq!(snapshot.get_many(&["b", "x"]), [Some(&b"2"[..]), None]);
    /// ```
    #[must_use]
    pub fn get_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Vec<Option<&[u8]>> {
        let mut found = Vec::with_capacity(keys.len());
        self.raw().get_many(keys, &mut found);
        found
    }

    /// Returns the entry with the least key. O(1).
    #[must_use]
    pub fn first(&self) -> Option<(&[u8], &[u8])> {
        self.nth(0)
    }

    /// Returns the entry with the greatest key. O(1).
    #[must_use]
    pub fn last(&self) -> Option<(&[u8], &[u8])> {
        self.nth(self.len().checked_sub(1)?)
    }

    /// Returns the entry at `rank`, which is a position in key order, counted from 0. O(1).
    #[must_use]
    pub fn nth(&self, rank: usize) -> Option<(&[u8], &[u8])> {
        (rank < self.len()).then(|| self.raw().pair(self.raw().entry(rank)))
    }

    /// Returns the number of keys less than `key`, which need not be in the map. O(log n).
    #[must_use]
    pub fn rank(&self, key: impl AsRef<[u8]>) -> usize {
        self.search(key).unwrap_or_else(|rank| rank)
    }

    /// Finds the rank of `key`, as [`slice::binary_search`] finds positions. O(log n).
    ///
    /// # Errors
    /// If `key` is not in the map, the error is the rank that `key` would have, which is the number
    /// of lesser keys.
    #[inline]
    pub fn search(&self, key: impl AsRef<[u8]>) -> Result<usize, usize> {
        self.raw().search(key.as_ref())
    }

    /// Iterates over all entries in key order, from both ends.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter::new(self.raw(), 0, self.len())
    }

    /// Iterates over all keys in ascending order, from both ends.
    pub fn keys(
        &self,
    ) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator + FusedIterator + Clone {
        self.iter().map(|(key, _)| key)
    }

    /// Iterates over all values in ascending order of their keys, from both ends.
    pub fn values(
        &self,
    ) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator + FusedIterator + Clone {
        self.iter().map(|(_, value)| value)
    }

    /// Iterates over the entries whose keys are in a range, from both ends. Starting is O(log n),
    /// and each step is O(1). A range whose start is beyond its end is empty.
    ///
    /// ```
    /// let image = avl_snapshot::from_sorted([("a", "1"), ("b", "2"), ("c", "3")]).unwrap();
    /// let snapshot = avl_snapshot::Snapshot::new(image).unwrap();
    /// let keys: Vec<_> = snapshot.range("b"..).map(|(key, _)| key).collect();
    /// assert_eq!(keys, [b"b", b"c"]);
    /// ```
    #[must_use]
    pub fn range(&self, range: impl KeyRange) -> Iter<'_> {
        let (start, end) = range.bounds();
        let after = |key: &[u8]| self.search(key).map_or_else(|rank| rank, |rank| rank + 1);
        let front = match start {
            Bound::Included(key) => self.rank(key),
            Bound::Excluded(key) => after(key),
            Bound::Unbounded => 0,
        };
        let back = match end {
            Bound::Included(key) => after(key),
            Bound::Excluded(key) => self.rank(key),
            Bound::Unbounded => self.len(),
        };
        Iter::new(self.raw(), front, back)
    }

    /// Iterates over the entries whose keys start with `prefix`, from both ends. Starting is O(log
    /// n), and each step is O(1).
    ///
    /// ```
    /// let users = [("user:1", "anna"), ("user:2", "berta"), ("v", "x")];
    /// let image = avl_snapshot::from_sorted(users).unwrap();
    /// let snapshot = avl_snapshot::Snapshot::new(image).unwrap();
    /// assert_eq!(snapshot.prefix("user:").len(), 2);
    /// ```
    #[must_use]
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Iter<'_> {
        let prefix = prefix.as_ref();
        let front = self.rank(prefix);
        // The least string that is greater than all strings with this prefix: the prefix up to its
        // last byte that is not 0xFF, with that byte plus one.
        let back = match prefix.iter().rposition(|&byte| byte != u8::MAX) {
            None => self.len(),
            Some(at) => {
                let mut end = prefix.get(..=at).unwrap_or_default().to_vec();
                if let Some(last) = end.last_mut() {
                    *last += 1;
                }
                self.rank(end)
            }
        };
        Iter::new(self.raw(), front, back)
    }

    /// Returns a cursor before the first entry. O(1).
    #[must_use]
    pub fn cursor(&self) -> Cursor<'_> {
        Cursor::new(self.raw())
    }

    /// Returns the sizes of the image's sections, and the depth of its tree. O(1).
    #[must_use]
    pub fn stats(&self) -> Stats {
        let layout = &self.layout;
        Stats {
            entries: layout.entries,
            depth: layout.shape.levels(),
            tiers: layout.shape.tiers().count(),
            header_bytes: HEADER_LEN,
            tree_bytes: CACHE_LINE * (layout.shape.upper_nodes() + layout.shape.units()) as usize,
            tie_bytes: TIE_LEN * layout.ties,
            entry_bytes: SLOT_LEN * layout.shape.all_slots() as usize,
            index_bytes: CACHE_LINE * layout.buckets,
            data_bytes: layout.data_len,
            total_bytes: layout.total_len,
        }
    }

    /// True if the image has a hash index. If so, exact lookups use it. O(1).
    #[must_use]
    pub fn has_hash_index(&self) -> bool {
        self.layout.buckets > 0
    }

    /// Returns the bytes of the image.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.data.as_ref()
    }

    /// Returns a reference to the value that holds the bytes of the image.
    #[must_use]
    pub fn get_ref(&self) -> &D {
        &self.data
    }

    /// Returns the value that holds the bytes of the image.
    #[must_use]
    pub fn into_inner(self) -> D {
        self.data
    }

    #[inline(always)]
    fn raw(&self) -> Raw<'_> {
        Raw { bytes: self.data.as_ref(), layout: &self.layout }
    }
}

impl<'a, D: AsRef<[u8]>> IntoIterator for &'a Snapshot<D> {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<D: AsRef<[u8]>> fmt::Debug for Snapshot<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
