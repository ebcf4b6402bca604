//! Runs the real `shmap` in temporary namespaces. One module for each thing that may go wrong.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests, and what they have in common"
)]

mod bad_input;
mod broken_lines;
mod columns;
mod completion;
mod documents;
mod errors;
mod examples;
mod expiry;
mod files;
mod frozen;
mod limits;
mod matrix;
mod names;
mod nothing;
mod other_user;
mod pipes;
mod place;
mod sorted;
mod stat;
mod terminal;
mod verbs;
mod watch;
