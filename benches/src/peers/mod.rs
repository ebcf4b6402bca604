//! Maps that one would use instead.

mod in_process;
pub(crate) mod lmdb;

pub use in_process::{CheapHash, InProcess};
pub use lmdb::Lmdb;
