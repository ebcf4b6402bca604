//! `libshmap`: the shared-memory maps for C and C++.
//!
//! C programs include `shmap.h`, which cbindgen generates from the files here. C++17 programs may
//! include `shmap.hpp`, which wraps it in classes. Programs that were written for the original's
//! class `StatusRscManager` include `improved_status.h`. The README of the crate says how to
//! install them.
//!
//! # How it is built
//! Each function that C calls is a few lines. It creates a `Call` (`border.rs`), which represents
//! the caller's promises. It uses the `Call` to turn every pointer into a checked reference, and
//! calls the facade. No panic leaves the library: `Call::run` turns it into a code. Handles are
//! numbers that only look like pointers. `handles` says whether a handle is alive, so a null,
//! foreign or freed handle leads to an error and never to an access to memory. The header's first
//! comment and `border.rs` state the contract that callers keep.

#![deny(unsafe_code)]
#![allow(
    clippy::missing_safety_doc,
    reason = "one contract for all functions: at the head of `border.rs`, and of the header"
)]

pub mod about;
mod advice;
mod at_name;
mod border;
mod cancel;
pub mod codes;
mod current;
pub mod entries;
mod exclusive;
mod fault;
mod handles;
pub mod keys;
pub mod map;
pub mod map_cursor;
pub mod map_follow;
pub mod map_read;
pub mod names;
pub mod options;
mod places;
pub mod plain;
mod short_lock;
pub mod table;
pub mod table_batch;
pub mod table_check;
pub mod table_expiry;
pub mod table_life;
pub mod table_map;
pub mod table_modify;
pub mod table_read;
pub mod table_wait;
pub mod table_write;
pub mod tree;
