//! Segments: named files that processes map and store to, with one robust mutex each.
//!
//! Creating, opening, taking over, mapping and locking. It stands on [`os`](crate::os) and knows
//! nothing of publication. What belongs here works on one file, whatever its body holds.
//!
//! From the ground up: `layout`, `options`, `trust` and `patience` are plain data; `lock_word`,
//! `map`, `mutex`, `guard` and `acquire` are the lock; `raw_file`, `space` and `draft` are files
//! before they are segments; `segment` is one; `create`, `takeover` and `open` make one.

pub(crate) mod acquire;
pub(crate) mod create;
pub(crate) mod draft;
pub(crate) mod guard;
pub(crate) mod layout;
pub(crate) mod lock_word;
pub(crate) mod map;
pub(crate) mod mutex;
pub(crate) mod open;
pub(crate) mod options;
pub(crate) mod patience;
pub(crate) mod raw_file;
#[allow(clippy::module_inception, reason = "the type that the room is named after")]
pub(crate) mod segment;
pub(crate) mod space;
pub(crate) mod takeover;
pub(crate) mod trust;
