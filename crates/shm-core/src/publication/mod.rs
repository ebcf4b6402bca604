//! Publication: whole files that never change, replaced in one step, and read in place.
//!
//! This folder uses the lock and the first page of [`segment`](crate::segment), and no other
//! folder of this crate imports it. Code belongs here if it is about a name whose file is replaced.
//!
//! `control` is the protocol, without a system call; `models` checks it. `turn` runs it under the
//! lock of a real control segment. `publish`, `remove` and `prune` are built on `turn`. `body` is
//! what a publisher writes to. `published`, `copy` and `follow` are the readers' side.

pub(crate) mod body;
pub(crate) mod control;
pub(crate) mod copy;
pub(crate) mod follow;
pub(crate) mod in_place;
#[cfg(all(loom, test))]
mod models;
pub(crate) mod options;
pub(crate) mod prune;
pub(crate) mod publish;
pub(crate) mod published;
pub(crate) mod remove;
pub(crate) mod seal;
pub(crate) mod turn;
pub(crate) mod write_file;
