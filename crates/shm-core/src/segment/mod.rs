//! Segments: named files that processes map and store to, with one lock each.
//!
//! This folder creates, opens, takes over, maps and locks segments. It imports [`os`](crate::os)
//! and knows nothing of publication. Code belongs here if it works on a single file, whatever the
//! body of that file contains.
//!
//! From the bottom up: `layout`, `lock_word`, `options`, `trust` and `patience` are plain data;
//! `map`, `mutex`, `records` and `seats` say which writers are alive; `lock`, `guard` and `acquire`
//! are the lock; `raw_file`, `space` and `draft` are about
//! files before they are segments; `segment` is the segment, `writer` what a
//! registered thread gets of it; `create`, `takeover` and `open` make one.

pub(crate) mod acquire;
pub(crate) mod create;
pub(crate) mod draft;
pub(crate) mod guard;
pub(crate) mod layout;
pub(crate) mod lock;
pub(crate) mod lock_word;
pub(crate) mod map;
#[cfg(all(test, loom))]
mod models;
pub(crate) mod mutex;
pub(crate) mod open;
pub(crate) mod options;
pub(crate) mod patience;
pub(crate) mod raw_file;
pub(crate) mod records;
pub(crate) mod seats;
#[allow(clippy::module_inception, reason = "the type that the room is named after")]
pub(crate) mod segment;
pub(crate) mod space;
pub(crate) mod takeover;
pub(crate) mod trust;
pub(crate) mod writer;
