#![doc = include_str!("../README.md")]
//!
//! ## A tour of the types
//!
//! - [`RbTree`] is a map in private memory, a red-black tree. [`RbTree::freeze`] makes an image of
//!   it. [`Builder`] and [`from_sorted`] make an image from sorted entries, without a tree.
//! - [`FreezeOptions`] says what goes into an image besides the map: a hash index, unless told
//!   otherwise.
//! - [`AlignedBytes`] is an image in private memory: bytes that start at a cache line.
//! - [`Snapshot<D>`](Snapshot) is the map in an image. `D` is anything that is bytes. Single keys:
//!   [`get`](Snapshot::get), [`get_many`](Snapshot::get_many). In order: [`iter`](Snapshot::iter),
//!   [`range`](Snapshot::range), [`prefix`](Snapshot::prefix). By rank: [`nth`](Snapshot::nth),
//!   [`rank`](Snapshot::rank). [`verify`](Snapshot::verify) checks all of the image.
//! - [`Iter`] and [`TreeIter`] iterate over entries from both ends; [`KeyRange`] is a range of keys
//!   as an argument.
//! - [`BuildError`] and [`SnapshotError`] say what is wrong, with the numbers.
//!
//! ## How it works
//!
//! The image holds the complete binary search tree of its keys: every level is full but the last,
//! which is filled from the left. That is an AVL tree, perfectly balanced. Its shape follows from
//! the number of keys, so no pointers are stored. The tree is cut into *nodes* of four levels, one
//! cache line each. A node holds up to 15 keys, four bytes of each: those after the prefix that all
//! keys in that part of the tree share. One vector comparison descends four levels, and only ties
//! look at whole keys. Keys and values lie in key order, so scans are sequential and ranks are
//! arithmetic. `docs/format.md` in the repository has the image byte by byte.

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
