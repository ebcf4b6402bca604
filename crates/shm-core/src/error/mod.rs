//! One error enum an operation family; each variant carries its data.
//!
//! `Display` never contains what `source()` returns; [`report()`] prints both. What the operating
//! system refused is one [`IoError`], with action and path. A variant is transparent where it adds
//! nothing to what it wraps.

mod create;
mod header;
mod io;
mod lock;
mod open;
mod publish;
mod report;
#[cfg(all(test, not(loom)))]
mod tests;

pub use create::CreateError;
pub use header::HeaderError;
pub use io::IoError;
pub use lock::LockError;
pub use open::{FileKind, OpenError};
pub use publish::PublishError;
pub use report::{Report, report};

crate::debug_is_report!(HeaderError, IoError, CreateError, OpenError, PublishError, LockError);
