//! One error enum for each family of operations. Each variant carries its data.
//!
//! `Display` never contains the message of `source()`; [`report()`] prints both. If the operating
//! system refuses an action, the error is an [`IoError`], which has the action and the path. A
//! variant is transparent if it adds nothing to the error that it wraps.

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
crate::debug_is_report!(crate::name::InvalidName, crate::os::descriptor::LostDescriptor);
