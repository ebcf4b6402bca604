//! What to create.

use super::layout::GEOMETRY_WORDS;
use crate::namespace::Kind;

/// What to create.
#[derive(Clone, Debug)]
pub struct CreateOptions {
    /// What the segment will hold.
    pub kind: Kind,
    /// Version of the kind's layout.
    pub kind_version: u64,
    /// The kind's immutable parameters.
    pub geometry: [u64; GEOMETRY_WORDS],
    /// Length of the body in bytes, a multiple of 8.
    pub body_len: u64,
    /// Permission bits of the file, exact whatever the umask. `0o600` unless others
    /// are to read (`0o644`). The owner's two bits are among them: a file that nobody may write
    /// to is one that does not change, see [`Published`](crate::Published).
    pub mode: u32,
}
