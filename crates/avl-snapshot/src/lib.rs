//! An ordered, immutable dictionary in one image of bytes, read in place: by many processes from one
//! shared mapping, from a file, or from memory.
//!
//! # A tour of types
//! - [`RbTree`]: the map while it grows, a red-black tree; [`RbTree::freeze`] makes an image of it. [`Builder`] and
//!   [`from_sorted`] make one of sorted input, without a tree.
//! - [`AlignedBytes`]: an image in private memory. Write it to a file, or share it (`shm-facade` does).
//! - [`Snapshot<D>`](Snapshot): the map in an image, over anything that is bytes. `get`, `get_many`, `first`, `last`, `iter`,
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
//! let image = tree.freeze();
//!
//! let cities = Snapshot::new(&image[..])?; // O(1), copies nothing
//! assert_eq!(cities.get_str("Turku"), Some(Ok("Finland")));
//! assert_eq!(cities.range("C"..).next().unwrap().0, b"Oslo");
//! assert_eq!(cities.nth(0).unwrap().0, b"Bergen");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it works
//! The image holds the complete binary search tree of its keys: every level full but the last, that one filled from the left.
//! That is an AVL tree, perfectly balanced; its shape follows from the number of keys, so no pointer is stored. The tree is
//! cut into subtrees of four levels, one cache line each: up to 15 keys, of which four bytes stand for each, after the
//! bytes that all keys in that part of the tree share. One vector comparison walks four levels, and only ties look at
//! whole keys. Keys and values lie in key order, so scans are sequential and ranks are arithmetic.
//! `docs/format.md` has the image byte by byte.
//!
//! # What it cannot do
//! An image never changes: there is no insertion, only another image. Keys are at most 1 MiB - 1 long. It is not
//! compressed: keys and values take their length, and 12 to 17 bytes an entry besides; `fst` is smaller.
//! Order is that of bytes, not of a language.

#![deny(unsafe_code)]

mod aligned;
mod builder;
mod error;
mod grow;
mod image;
mod iter;
mod many;
mod range;
mod rbtree;
mod search;
mod view;

pub use aligned::AlignedBytes;
pub use builder::{Builder, from_sorted};
pub use error::{BuildError, SnapshotError};
pub use image::{
    FORMAT_VERSION, FreezeOptions, HEADER_LEN, MAX_DATA_LEN, MAX_ENTRIES, MAX_KEY_LEN,
    image_entries, image_len,
};
pub use iter::Iter;
pub use range::KeyRange;
pub use rbtree::{RbTree, TreeIter};
pub use view::{Snapshot, Stats};
