//! The maps that verbs work on. This folder finds the table or published map of a name, reads keys
//! of every type, and finds the processes that have a file mapped.

pub(crate) mod frozen;
pub(crate) mod key;
pub(crate) mod mappers;
pub(crate) mod table;
pub(crate) mod target;
