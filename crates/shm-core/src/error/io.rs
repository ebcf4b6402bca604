//! The error for an action that the operating system refused.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::os::limits::Limit;

/// The operating system refused an action. This error says which action, on which file, and why.
#[derive(Error)]
#[error("cannot {action} {path:?}{}", because(limit))]
#[non_exhaustive]
pub struct IoError {
    /// The action that was tried: a verb that the path can follow.
    pub action: &'static str,
    /// The file or directory on which the action was tried.
    pub path: PathBuf,
    /// The limit of this process or of the machine that caused the failure, if one did.
    pub limit: Option<Limit>,
    /// The cause.
    pub source: io::Error,
}

impl IoError {
    /// Creates the error for an action that failed on a path, and determines which limit, if any,
    /// caused it.
    #[must_use]
    pub fn new(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        let limit = Limit::behind(action, &source);
        Self { action, path: path.into(), limit, source }
    }

    /// True if permission was denied.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        matches!(self.source.kind(), PermissionDenied | ReadOnlyFilesystem)
    }
}

fn because(limit: &Option<Limit>) -> String {
    limit.map(|limit| format!(": {limit}")).unwrap_or_default()
}
