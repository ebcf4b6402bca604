//! What to create.

use super::layout::GEOMETRY_WORDS;
use crate::namespace::Kind;

/// What to create.
#[derive(Clone, Debug)]
pub struct CreateOptions {
    /// What the segment will contain.
    pub kind: Kind,
    /// Version of the kind's layout.
    pub kind_version: u64,
    /// The kind's immutable parameters.
    pub geometry: [u64; GEOMETRY_WORDS],
    /// Length of the body in bytes, a multiple of 8.
    pub body_len: u64,
    /// Permission bits of the file, exact whatever the umask: `0o600`, or `0o644` to let others
    /// read. The owner's read and write bits must be set: a file that nobody may write to counts as
    /// one that does not change, see [`Published`](crate::Published).
    pub mode: u32,
}
