//! Calls to the kernel: one file for each purpose.
//!
//! This is the lowest folder. Nothing in it depends on segments or names. From this crate, it
//! imports only [`sync`](crate::sync), which has the words that `futex` sleeps on. Its functions
//! return errors of [`std::io`]; `refused.rs`, above it, turns them into errors of this crate.

pub(crate) mod alive;
pub(crate) mod clock;
pub(crate) mod descriptor;
pub(crate) mod file_id;
pub(crate) mod file_map;
pub(crate) mod fork;
pub(crate) mod futex;
pub(crate) mod holder;
pub(crate) mod identity;
pub(crate) mod lease;
pub(crate) mod limits;
pub(crate) mod random;
pub(crate) mod registrar;
pub(crate) mod retry;
