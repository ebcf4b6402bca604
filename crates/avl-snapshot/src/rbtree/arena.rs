//! The arena, which stores keys and values of a tree end to end, and the heads that most
//! comparisons use.
//!
//! Most comparisons need only the *head* of a key: the eight bytes after the prefix that all keys
//! of the map share. The head is stored in the node as a big-endian number. The arena is read only
//! if two heads are equal.

use std::cmp::Ordering;

use crate::error::BuildError;
use crate::grow::{grow, with_room};
use crate::image::{pack, shared, unpack};

/// The arena is compacted only if at least this many bytes are unused.
const WORTH_MOVING: usize = 1 << 16;
/// In a tree of this many entries or more, a common prefix that has to shrink shrinks to half of
/// the possible length. So heads seldom have to be computed again, whatever the keys are.
const MANY: usize = 1 << 10;

/// The data that the tree keeps about an entry, and the links of the tree.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Node {
    /// The eight bytes of the key after the common prefix, with zeros beyond the end of the key.
    pub(super) head: u64,
    /// Where the key starts, and its length, packed as in an image. The value follows the key.
    place: u64,
    value_len: u64,
    /// The left and the right child. The lowest bit of the left one is the colour of the node.
    pub(super) children: [u32; 2],
}

impl Node {
    /// A sort key that orders entries with equal keys by the time at which they were stored. An
    /// entry without any bytes has the same place as the next entry, which is then longer or has no
    /// bytes either.
    pub(super) fn age(&self) -> (u64, u64) {
        (self.place, self.value_len)
    }

    pub(super) fn key_len(&self) -> usize {
        unpack(self.place).1
    }

    /// Marks a node that is not part of a tree yet.
    pub(super) fn mark(&mut self) {
        self.children = [u32::MAX; 2];
    }

    pub(super) fn is_marked(&self) -> bool {
        self.children == [u32::MAX; 2]
    }
}

/// The number of entries that are dropped, and the number of their bytes.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    keys: usize,
    bytes: usize,
}

impl Dropped {
    pub(super) fn count(&mut self, node: &Node) {
        self.keys += 1;
        self.bytes += node.key_len() + node.value_len as usize;
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Arena {
    bytes: Vec<u8>,
    /// Number of `bytes` to which no node refers.
    dead: usize,
    /// A prefix that all keys share. It is empty if the arena is empty.
    common: Vec<u8>,
    keys: usize,
}

impl Arena {
    pub(super) fn reserve(&mut self, bytes: usize) -> Result<(), BuildError> {
        grow(&mut self.bytes, bytes)
    }

    /// Returns the number of bytes of keys and values that are in use.
    pub(super) fn bytes_used(&self) -> u64 {
        (self.bytes.len() - self.dead) as u64
    }

    pub(super) fn clear(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        *self = Self { bytes, ..Self::default() };
    }

    /// False if a key does not start with the prefix that all keys share.
    #[inline]
    pub(super) fn may_hold(&self, key: &[u8]) -> bool {
        key.starts_with(&self.common)
    }

    /// Shortens the common prefix until `key` starts with it. If the prefix changes, computes all
    /// heads again.
    #[inline]
    pub(super) fn admit(&mut self, key: &[u8], nodes: &mut [Node]) {
        if self.keys == 0 || !self.may_hold(key) {
            self.admit_slowly(key, nodes);
        }
    }

    #[cold]
    fn admit_slowly(&mut self, key: &[u8], nodes: &mut [Node]) {
        if self.keys == 0 {
            self.common = key.to_vec();
            return;
        }
        let len = shared(key, &self.common);
        self.common.truncate(if self.keys < MANY { len } else { len / 2 });
        for node in nodes {
            node.head = self.head(self.key(node));
        }
    }

    /// Returns the head of a key that starts with the common prefix.
    #[inline]
    pub(super) fn head(&self, key: &[u8]) -> u64 {
        Self::head_of(key, self.common.len())
    }

    /// Returns the eight bytes of a key from `at` on as a big-endian number, with zeros beyond the
    /// end of the key.
    #[inline]
    pub(super) fn head_of(key: &[u8], at: usize) -> u64 {
        let rest = key.get(at..).unwrap_or_default();
        match rest.first_chunk::<8>() {
            Some(head) => u64::from_be_bytes(*head),
            None => {
                let mut head = [0; 8];
                for (to, from) in head.iter_mut().zip(rest) {
                    *to = *from;
                }
                u64::from_be_bytes(head)
            }
        }
    }

    /// Compares a key with the key of a node. `head` is the head of the first key.
    #[inline(always)]
    pub(super) fn compare(&self, head: u64, key: &[u8], node: &Node) -> Ordering {
        if head != node.head {
            return head.cmp(&node.head);
        }
        self.compare_whole(key, node)
    }

    fn compare_whole(&self, key: &[u8], node: &Node) -> Ordering {
        let skip = self.common.len();
        let rest = key.get(skip..).unwrap_or_default();
        rest.cmp(self.key(node).get(skip..).unwrap_or_default())
    }

    pub(super) fn key(&self, node: &Node) -> &[u8] {
        let (start, len) = unpack(node.place);
        self.bytes.get(start..start + len).unwrap_or_default()
    }

    /// Returns the key and the value of an entry, end to end.
    pub(super) fn entry(&self, node: &Node) -> &[u8] {
        let (start, len) = unpack(node.place);
        self.bytes.get(start..start + len + node.value_len as usize).unwrap_or_default()
    }

    pub(super) fn value(&self, node: &Node) -> &[u8] {
        let (start, len) = unpack(node.place);
        let start = start + len;
        self.bytes.get(start..start + node.value_len as usize).unwrap_or_default()
    }

    /// Sets the common prefix of the arena and the heads of all nodes, which are sorted.
    pub(super) fn set_heads(&mut self, sorted: &mut [Node]) {
        let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else { return };
        let common = shared(self.key(first), self.key(last));
        self.common = self.key(first).get(..common).unwrap_or_default().to_vec();
        for node in sorted {
            node.head = self.head(self.key(node));
        }
    }

    /// Stores an entry. Returns a node that refers to it and has no links.
    pub(super) fn store(&mut self, key: &[u8], value: &[u8]) -> Result<Node, BuildError> {
        grow(&mut self.bytes, key.len() + value.len())?;
        let place = pack(self.bytes.len() as u64, key.len());
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        self.keys += 1;
        let head = self.head(key);
        Ok(Node { head, place, value_len: value.len() as u64, children: [0; 2] })
    }

    /// Replaces the value of a node's entry: in place if the new value fits there, otherwise by
    /// storing key and value again at the end.
    pub(super) fn replace(&mut self, node: &mut Node, value: &[u8]) -> Result<(), BuildError> {
        let (start, len) = unpack(node.place);
        let old = node.value_len as usize;
        if value.len() > old {
            grow(&mut self.bytes, len + value.len())?;
        }
        let at = start + len;
        node.value_len = value.len() as u64;
        if value.len() <= old {
            if let Some(place) = self.bytes.get_mut(at..at + value.len()) {
                place.copy_from_slice(value);
            }
            self.dead += old - value.len();
            return Ok(());
        }
        node.place = pack(self.bytes.len() as u64, len);
        self.bytes.extend_from_within(start..start + len);
        self.bytes.extend_from_slice(value);
        self.dead += len + old;
        Ok(())
    }

    /// Counts the bytes of a node's entry as unused.
    pub(super) fn forget(&mut self, node: &Node) {
        let (_, len) = unpack(node.place);
        self.dead += len + node.value_len as usize;
        self.keys -= 1;
    }

    /// Counts the bytes of all these entries as unused.
    pub(super) fn forget_all(&mut self, dropped: &Dropped) {
        self.dead += dropped.bytes;
        self.keys -= dropped.keys;
    }

    pub(super) fn is_mostly_dead(&self) -> bool {
        self.dead > WORTH_MOVING && self.dead > self.bytes.len() / 2
    }

    /// Moves the entries of these nodes together, in their order.
    pub(super) fn compact(&mut self, order: impl Iterator<Item = u32>, nodes: &mut [Node]) {
        // If there is no memory for the copy, the entries stay where they are.
        let Ok(mut bytes) = with_room::<u8>(self.bytes.len() - self.dead) else { return };
        for index in order {
            let Some(node) = nodes.get_mut(index as usize) else { continue };
            let (start, len) = unpack(node.place);
            node.place = pack(bytes.len() as u64, len);
            let end = start + len + node.value_len as usize;
            bytes.extend_from_slice(self.bytes.get(start..end).unwrap_or_default());
        }
        self.bytes = bytes;
        self.dead = 0;
    }
}
