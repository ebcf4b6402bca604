//! The maps that verbs work on: from a name to its table or its published map, keys of every type,
//! and the processes that have a file mapped.

pub(crate) mod key;
pub(crate) mod mappers;
pub(crate) mod table;
pub(crate) mod target;
