//! The map that can be changed: a red-black tree. Its nodes are in one array, and its keys and
//! values are end to end in another.

mod arena;
mod balance;
mod bulk;
mod collect;
mod iter;

use std::io::{Read, Seek, Write};
use std::iter::FusedIterator;

use crate::aligned::AlignedBytes;
use crate::error::{BuildError, StreamError};
use crate::grow::{grow, or_abort, with_room};
use crate::image::{FreezeOptions, MAX_DATA_LEN, MAX_KEY_LEN, Writer, least_image_len, room_for};
use crate::range::KeyRange;
use crate::stream_builder::StreamBuilder;

pub use iter::TreeIter;

use arena::{Arena, Dropped};
use balance::{NIL, Tree};

/// An ordered map in private memory. [`RbTree::freeze`] makes an image of it.
///
/// This is a red-black tree (Guibas & Sedgewick 1978). Insertion and deletion follow Cormen et al.,
/// "Introduction to Algorithms", with a stack in place of parent pointers. Keys have no allocations
/// of their own: nodes of 32 bytes lie in one vector, and keys and values in another. The space of
/// replaced and removed entries is reclaimed when it exceeds half of the second vector. A tree
/// holds at most 2^31 - 2 entries.
///
/// ```
/// use avl_snapshot::{RbTree, Snapshot};
///
/// let mut tree = RbTree::new();
/// assert_eq!(tree.set("b", "1")?, false);
/// assert_eq!(tree.set("b", "2")?, true); // replaced
/// tree.set("a", "3")?;
/// assert_eq!(tree.get("b"), Some(&b"2"[..]));
/// assert!(tree.remove("a"));
///
/// let image = tree.freeze(); // the tree stays as it is
/// assert_eq!(Snapshot::new(image).unwrap().len(), 1);
/// # Ok::<(), avl_snapshot::BuildError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct RbTree {
    tree: Tree,
    arena: Arena,
}

impl RbTree {
    /// Creates an empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an empty map with memory reserved for `entries` entries, with `bytes` of keys and
    /// values in total. Reserves nothing if there is not enough memory.
    #[must_use]
    pub fn with_capacity(entries: usize, bytes: usize) -> Self {
        let mut map = Self::new();
        // Without it, the calls that need the memory fail.
        let _ = map.tree.reserve(entries).and_then(|()| map.arena.reserve(bytes));
        map
    }

    /// Makes a map from entries in any order. If a key occurs more than once, its last entry
    /// counts. O(n log n). This is several times as fast as calling [`RbTree::set`] for each entry,
    /// because the entries are sorted and then linked.
    ///
    /// ```
    /// let tree = avl_snapshot::RbTree::from_entries([("b", "1"), ("a", "2"), ("b", "3")])?;
    /// assert_eq!(tree.len(), 2);
    /// assert_eq!(tree.get("b"), Some(&b"3"[..]));
    /// # Ok::<(), avl_snapshot::BuildError>(())
    /// ```
    ///
    /// # Errors
    /// The errors of [`RbTree::set`].
    pub fn from_entries<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, BuildError> {
        let entries = entries.into_iter();
        let mut arena = Arena::default();
        let mut nodes = with_room(room_for(&entries) + 1)?;
        for (key, value) in entries {
            let (key, value) = (key.as_ref(), value.as_ref());
            Self::check(&arena, key, value)?;
            if nodes.len() >= Tree::MAX_LEN {
                return Err(BuildError::TooManyEntries { max: Tree::MAX_LEN as u64 });
            }
            grow(&mut nodes, 1)?;
            nodes.push(arena.store(key, value)?);
        }
        let mut dropped = Dropped::default();
        bulk::sort(&mut nodes, &arena, |node| dropped.count(node))?;
        arena.forget_all(&dropped);
        // `of_sorted` puts one more node before them.
        grow(&mut nodes, 1)?;
        arena.set_heads(&mut nodes);
        let mut map = Self { tree: Tree::of_sorted(nodes), arena };
        map.tidy();
        Ok(map)
    }

    /// Returns the number of entries. O(1).
    #[must_use]
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// True if there are no entries. O(1).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sets the value of `key`. Returns true if this replaced an earlier value. O(log n).
    ///
    /// # Errors
    /// [`BuildError::KeyTooLong`], [`BuildError::TooManyEntries`], [`BuildError::TooLarge`] or
    /// [`BuildError::NoMemory`]. The map is unchanged.
    pub fn set(
        &mut self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<bool, BuildError> {
        let (key, value) = (key.as_ref(), value.as_ref());
        Self::check(&self.arena, key, value)?;
        self.arena.admit(key, self.tree.nodes_mut());
        let head = self.arena.head(key);
        let arena = &self.arena;
        let found = self.tree.descend(|node| arena.compare(head, key, node));
        if found != NIL {
            self.arena.replace(self.tree.node_mut(found), value)?;
            self.tidy();
            return Ok(true);
        }
        if self.tree.len() >= Tree::MAX_LEN {
            return Err(BuildError::TooManyEntries { max: Tree::MAX_LEN as u64 });
        }
        self.tree.reserve(1)?;
        self.tree.insert(self.arena.store(key, value)?);
        Ok(false)
    }

    /// Sets the value of `key`, as [`RbTree::set`] does, and returns a copy of the value that it
    /// had before. O(log n).
    ///
    /// ```
    /// let mut tree = avl_snapshot::RbTree::new();
    /// assert_eq!(tree.insert("rot", "red")?, None);
    /// assert_eq!(tree.insert("rot", "scarlet")?, Some(b"red".to_vec()));
    /// # Ok::<(), avl_snapshot::BuildError>(())
    /// ```
    ///
    /// # Errors
    /// The errors of [`RbTree::set`]. The map is unchanged.
    pub fn insert(
        &mut self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<Option<Vec<u8>>, BuildError> {
        let key = key.as_ref();
        let before = match self.get(key) {
            None => None,
            Some(value) => {
                let mut copy = with_room(value.len())?;
                copy.extend_from_slice(value);
                Some(copy)
            }
        };
        self.set(key, value)?;
        Ok(before)
    }

    /// Returns the value of `key`. O(log n).
    #[must_use]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<&[u8]> {
        let key = key.as_ref();
        match self.find(key) {
            NIL => None,
            found => Some(self.arena.value(self.tree.node(found))),
        }
    }

    /// True if `key` has a value. O(log n).
    #[must_use]
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> bool {
        self.find(key.as_ref()) != NIL
    }

    /// Removes `key` and its value. Returns true if the key was in the map. O(log n).
    pub fn remove(&mut self, key: impl AsRef<[u8]>) -> bool {
        let key = key.as_ref();
        if !self.arena.may_hold(key) {
            return false;
        }
        let head = self.arena.head(key);
        let arena = &self.arena;
        let found = self.tree.descend(|node| arena.compare(head, key, node));
        if found == NIL {
            return false;
        }
        self.arena.forget(self.tree.node(found));
        self.tree.remove();
        self.tidy();
        true
    }

    /// Removes all entries. Keeps the memory for later entries.
    pub fn clear(&mut self) {
        self.tree.clear();
        self.arena.clear();
    }

    /// Returns the entry with the least key. O(log n).
    #[must_use]
    pub fn first(&self) -> Option<(&[u8], &[u8])> {
        self.iter().next()
    }

    /// Returns the entry with the greatest key. O(log n).
    #[must_use]
    pub fn last(&self) -> Option<(&[u8], &[u8])> {
        self.iter().next_back()
    }

    /// Iterates over all entries in ascending order of their keys, from both ends.
    #[must_use]
    pub fn iter(&self) -> TreeIter<'_> {
        self.range(..)
    }

    /// Iterates over the entries whose keys are in a range, from both ends. Starting is O(log n),
    /// and each step is O(1) on average. A range whose start is beyond its end is empty.
    ///
    /// ```
    /// let tree: avl_snapshot::RbTree = [("a", "1"), ("b", "2"), ("c", "3")].into_iter().collect();
    /// let keys: Vec<_> = tree.range("b"..).map(|(key, _)| key).collect();
    /// assert_eq!(keys, [b"b", b"c"]);
    /// ```
    #[must_use]
    pub fn range(&self, range: impl KeyRange) -> TreeIter<'_> {
        TreeIter::new(&self.tree, &self.arena, range.bounds())
    }

    /// Iterates over all keys in ascending order, from both ends.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &[u8]> + FusedIterator + Clone {
        self.iter().map(|(key, _)| key)
    }

    /// Iterates over all values in ascending order of their keys, from both ends.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &[u8]> + FusedIterator + Clone {
        self.iter().map(|(_, value)| value)
    }

    /// Makes an image of this map. The map does not change. The same entries give the same bytes,
    /// whatever the order in which they were set. O(n). If memory runs out, the process is aborted,
    /// as after any failed allocation.
    #[must_use]
    pub fn freeze(&self) -> AlignedBytes {
        self.freeze_with(&FreezeOptions::default())
    }

    /// Like [`RbTree::freeze`], with options.
    #[must_use]
    pub fn freeze_with(&self, options: &FreezeOptions) -> AlignedBytes {
        or_abort(self.try_freeze_with(options))
    }

    /// Like [`RbTree::freeze_with`], but returns an error if memory runs out.
    ///
    /// # Errors
    /// [`BuildError::NoMemory`].
    pub fn try_freeze_with(&self, options: &FreezeOptions) -> Result<AlignedBytes, BuildError> {
        let mut writer = Writer::with_capacity(self.len(), self.arena.bytes_used() as usize)?;
        self.in_order(|entry, key_len| writer.push_entry(entry, key_len))?;
        writer.finish(options)
    }

    /// Writes an image of this map to a stream, starting at the position of the stream. Returns the
    /// stream, positioned at the end of the image. The image has the bytes that
    /// [`RbTree::freeze_with`] returns, but is not held in memory. See [`StreamBuilder`] for the
    /// memory that this call needs, and for the stream. O(n).
    ///
    /// ```
    /// use std::io::Cursor;
    /// let tree: avl_snapshot::RbTree = [("a", "1"), ("b", "2")].into_iter().collect();
    /// let image = tree.write_to(Cursor::new(Vec::new()), &Default::default())?.into_inner();
    /// assert_eq!(image, *tree.freeze());
    /// # Ok::<(), avl_snapshot::StreamError>(())
    /// ```
    ///
    /// # Errors
    /// Any [`StreamError`]. The stream then has no image.
    pub fn write_to<W: Read + Write + Seek>(
        &self,
        stream: W,
        options: &FreezeOptions,
    ) -> Result<W, StreamError> {
        let mut builder = StreamBuilder::with_options(stream, options.clone())?;
        builder.reserve(self.len());
        self.in_order(|entry, key_len| builder.push_entry(entry, key_len))?;
        builder.finish()
    }

    /// Returns the length in bytes that an image of this map has at least. The image may be longer
    /// by the bytes that decide ties between keys. O(1).
    #[must_use]
    pub fn least_image_len(&self, options: &FreezeOptions) -> u64 {
        least_image_len(self.len() as u64, self.arena.bytes_used(), options)
    }

    /// Passes each entry, and the length of its key, to `push`.
    fn in_order<E>(&self, mut push: impl FnMut(&[u8], usize) -> Result<(), E>) -> Result<(), E> {
        let mut entries = self.tree.iter().map(|node| (self.arena.entry(node), node.key_len()));
        loop {
            let some: [_; BATCH] = std::array::from_fn(|_| entries.next());
            warm(&some);
            for (entry, key_len) in some.into_iter().flatten() {
                push(entry, key_len)?;
            }
            if some.last().is_none_or(Option::is_none) {
                return Ok(());
            }
        }
    }

    fn check(arena: &Arena, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        if key.len() > MAX_KEY_LEN {
            return Err(BuildError::KeyTooLong { len: key.len(), max: MAX_KEY_LEN });
        }
        let len = arena.bytes_used() + key.len() as u64 + value.len() as u64;
        if len > MAX_DATA_LEN {
            return Err(BuildError::TooLarge { len, max: MAX_DATA_LEN });
        }
        Ok(())
    }

    fn find(&self, key: &[u8]) -> u32 {
        if !self.arena.may_hold(key) {
            return NIL;
        }
        let head = self.arena.head(key);
        self.tree.find(|node| self.arena.compare(head, key, node))
    }

    /// Compacts the arena if less than half of its bytes are in use.
    fn tidy(&mut self) {
        if self.arena.is_mostly_dead() {
            // If there is no memory for this, the unused ones stay for now.
            let Ok(mut order) = with_room(self.tree.len()) else { return };
            order.extend(self.tree.indices());
            self.arena.compact(order.into_iter(), self.tree.nodes_mut());
        }
    }
}

/// Number of entries that are copied at a time.
const BATCH: usize = 16;

/// Reads a few bytes of each entry, which brings it into the cache. The entries are far apart in
/// memory. Here their cache misses overlap, which they would not do if the entries were only copied
/// one by one.
#[inline(always)]
fn warm(entries: &[Option<(&[u8], usize)>; BATCH]) {
    let ends = |entry: &[u8]| Some(entry.first()? ^ entry.last()?);
    let read = entries.iter().flatten().filter_map(|(entry, _)| ends(entry));
    std::hint::black_box(read.fold(0, |all, some| all ^ some));
}

#[cfg(test)]
mod tests;
