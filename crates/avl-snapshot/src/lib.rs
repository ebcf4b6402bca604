//! An ordered, immutable dictionary in one block of bytes, read in place: by many processes from one
//! shared mapping, from a file, or from memory.
//!
//! # A tour of types
//! - [`RbTree`]: the map while it grows, a red-black tree; [`RbTree::freeze`] makes a block of it. [`Builder`] and
//!   [`from_sorted`] make one of sorted input, without a tree.
//! - [`AlignedBytes`]: a block in private memory. Write it to a file, or share it (`shm-facade` does).
//! - [`Snapshot<D>`](Snapshot): the map in a block, over anything that is bytes. `get`, `get_many`, `first`, `last`, `iter`,
//!   `range`, `prefix`, `rank`, `nth`; [`Snapshot::verify`] checks all of it.
//!
//! # Example
//! ```
//! use avl_snapshot::{RbTree, Snapshot};
//!
//! let mut tree = RbTree::new();
//! for (city, country) in [("Oslo", "Norway"), ("Bergen", "Norway"), ("Turku", "Finland")] {
//!     tree.set(city, country)?;
//! }
//! let block = tree.freeze();
//!
//! let cities = Snapshot::new(&block[..])?; // O(1), copies nothing
//! assert_eq!(cities.get_str("Turku"), Some(Ok("Finland")));
//! assert_eq!(cities.range("C"..).next().unwrap().0, b"Oslo");
//! assert_eq!(cities.nth(0).unwrap().0, b"Bergen");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it works
//! The block holds the complete binary search tree of its keys: every level full but the last, that one filled from the left.
//! That is an AVL tree, perfectly balanced; its shape follows from the number of keys, so no pointer is stored. The tree is
//! cut into subtrees of four levels, one cache line each: up to 15 keys, of which four bytes stand for each, after the
//! bytes that all keys in that part of the tree share. One vector comparison walks four levels, and only ties look at
//! whole keys. Keys and values lie in key order, so scans are sequential and ranks are arithmetic.
//! `docs/format.md` has the block byte by byte.
//!
//! # What it cannot do
//! A block never changes: there is no insertion, only another block. Keys are at most 1 MiB - 1 long. It is not
//! compressed: keys and values take their length, and 12 to 17 bytes an entry besides; `fst` is smaller.
//! Order is that of bytes, not of a language.

#![deny(unsafe_code)]

mod aligned;
mod builder;
mod error;
mod grow;
mod hash_index;
mod iter;
mod layout;
mod line;
mod many;
mod raw;
mod rbtree;
mod search;
mod shape;
#[cfg(target_feature = "sse2")]
mod sse2;
mod verify;
mod view;
mod write;

pub use aligned::AlignedBytes;
pub use builder::{Builder, from_sorted};
pub use error::{BuildError, SnapshotError};
pub use iter::Iter;
pub use layout::{
    FORMAT_VERSION, HEADER_LEN, MAX_DATA_LEN, MAX_ENTRIES, MAX_KEY_LEN, block_entries, block_len,
};
pub use rbtree::RbTree;
pub use view::{Snapshot, Stats};
pub use write::FreezeOptions;
