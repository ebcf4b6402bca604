#![doc = include_str!("../README.md")]
//!
//! ## A tour of the types
//!
//! - [`RbTree`] is a map in private memory, a red-black tree. [`RbTree::freeze`] makes an image of
//!   it. [`Builder`] and [`from_sorted`] make an image from sorted entries, without a tree.
//!   [`StreamBuilder`] does the same, but writes the image to a file or another stream while
//!   entries arrive, and does not hold it in memory. [`RbTree::write_to`] does so with a tree.
//! - [`FreezeOptions`] says what an image contains besides the map. By default, it contains a hash
//!   index.
//! - [`AlignedBytes`] is an image in private memory. Its bytes start at a cache line.
//! - [`Snapshot<D>`](Snapshot) is the map in an image. `D` is any type that gives access to bytes.
//!   [`get`](Snapshot::get) and [`get_many`](Snapshot::get_many) look up single keys.
//!   [`iter`](Snapshot::iter), [`range`](Snapshot::range) and [`prefix`](Snapshot::prefix) go
//!   through entries in order. [`nth`](Snapshot::nth) and [`rank`](Snapshot::rank) work with ranks.
//!   [`verify`](Snapshot::verify) checks the whole image.
//! - [`Iter`] and [`TreeIter`] iterate over entries from both ends. A [`Cursor`] can be moved to
//!   any key, and goes on from there in both directions. [`KeyRange`] is the type of an argument
//!   that is a range of keys.
//! - [`BuildError`], [`StreamError`] and [`SnapshotError`] say what is wrong, and contain the
//!   numbers.
//!
//! ## How it works
//!
//! The image holds the complete binary search tree of its keys: every level is full except the last
//! one, which is filled from the left. Such a tree is an AVL tree and is perfectly balanced. Its
//! shape follows from the number of keys, so no pointers are stored. The tree is cut into *nodes*
//! of four levels, each in one cache line. A node holds up to 15 keys. Of each key it has the four
//! bytes that follow the prefix that all keys in that part of the tree share. One vector comparison
//! descends four levels. If these bytes are equal, bytes further on decide, which are also stored
//! apart from the keys, so a lookup compares only one whole key. The offsets of the data are stored
//! next to the node at the bottom of the tree, so both are fetched together. Keys and values lie in
//! key order, so scans are sequential and ranks are arithmetic. `docs/format.md` in the repository
//! describes the image byte by byte.

#![deny(unsafe_code)]

mod aligned;
mod builder;
mod cursor;
mod error;
mod grow;
mod image;
mod iter;
mod many;
mod range;
mod rbtree;
mod search;
mod stream_builder;
mod view;

pub use aligned::AlignedBytes;
pub use builder::{Builder, from_sorted};
pub use cursor::Cursor;
pub use error::{BuildError, SnapshotError, StreamError};
pub use image::{
    FORMAT_VERSION, FreezeOptions, HEADER_LEN, MAX_DATA_LEN, MAX_ENTRIES, MAX_KEY_LEN,
    image_entries, image_len,
};
pub use iter::Iter;
pub use range::KeyRange;
pub use rbtree::{RbTree, TreeIter};
pub use stream_builder::StreamBuilder;
pub use view::{Snapshot, Stats};

/// Makes this thread search with scalar code, as processors without vector units do.
#[cfg(fuzzing)]
#[doc(hidden)]
pub fn use_scalar_code(on: bool) {
    image::SCALAR_IS_USED.set(on);
}
