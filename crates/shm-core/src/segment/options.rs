//! What kind of segment to create, and how.

use std::ops::Range;

use super::layout::{GEOMETRY_WORDS, body_offset};
use crate::error::CreateError;
use crate::namespace::Kind;

/// What kind of segment to create, and how.
///
/// ```
/// use shm_core::{CreateOptions, Kind};
/// // A counter of one word, for its owner alone.
/// let options = CreateOptions::new(Kind::new("counter"), 1, 8);
/// assert_eq!(options.mode, 0o600);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CreateOptions {
    /// What the segment will contain.
    pub kind: Kind,
    /// Version of the kind's layout.
    pub kind_version: u64,
    /// The kind's immutable parameters.
    pub geometry: [u64; GEOMETRY_WORDS],
    /// Length of the body in bytes, a multiple of 8.
    pub body_len: u64,
    /// The parts of the body for which memory is allocated at creation, in bytes. `None`, the
    /// default, means all of it. The rest of the file is a hole, which must not be used before
    /// [`WritableSegment::allocate`](crate::WritableSegment::allocate) has allocated it: loads and
    /// stores there may raise SIGBUS.
    pub allocated: Option<Vec<Range<u64>>>,
    /// Number of records of writers, at most [`MAX_WRITERS`](crate::MAX_WRITERS): as many threads
    /// may have a [`Writer`](crate::Writer) at the same time. Other threads take the lock as
    /// guests, which takes longer: the segment has some more records for them.
    pub writers: u32,
    /// Permission bits of the file, for example `0o600`, or `0o644` to let other users read. The
    /// umask does not change them. The owner's read and write bits must be set, because a file that
    /// nobody may write to counts as a file that does not change; see
    /// [`Published`](crate::Published).
    ///
    /// A segment that its group or others may write to, such as one of mode `0o660`, can be opened
    /// only with [`Trust::shared_writers`](crate::Trust::shared_writers), also by the user that
    /// created it. [`Namespace::create`](crate::Namespace::create) is given no `Trust` and creates
    /// it all the same; [`Namespace::check_mode`](crate::Namespace::check_mode) tells beforehand.
    pub mode: u32,
}

impl CreateOptions {
    /// Makes options for a segment of this kind and layout version. `body_len` is the length of the
    /// body in bytes and must be a multiple of 8. The geometry is all zeros, the mode is `0o600`,
    /// and all threads that write are guests: see [`CreateOptions::writers`].
    #[must_use]
    pub fn new(kind: Kind, kind_version: u64, body_len: u64) -> Self {
        Self {
            kind,
            kind_version,
            geometry: [0; GEOMETRY_WORDS],
            body_len,
            allocated: None,
            writers: 0,
            mode: 0o600,
        }
    }

    /// Sets the kind's immutable parameters.
    #[must_use]
    pub fn geometry(mut self, geometry: [u64; GEOMETRY_WORDS]) -> Self {
        self.geometry = geometry;
        self
    }

    /// Sets the parts of the body for which memory is allocated at creation, in bytes.
    #[must_use]
    pub fn allocated(mut self, parts: impl IntoIterator<Item = Range<u64>>) -> Self {
        self.allocated = Some(parts.into_iter().collect());
        self
    }

    /// Sets the number of records of writers.
    #[must_use]
    pub fn writers(mut self, writers: u32) -> Self {
        self.writers = writers;
        self
    }

    /// Sets the permission bits of the file.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Returns the parts of the file for which memory is allocated at creation.
    pub(crate) fn parts(&self, total_len: u64) -> Vec<Range<u64>> {
        let Some(parts) = &self.allocated else {
            return std::iter::once(0..total_len).collect();
        };
        let body = body_offset(self.writers) as u64;
        let in_file = |part: &Range<u64>| {
            let [start, end] = [part.start, part.end].map(|at| at.saturating_add(body));
            start.min(total_len)..end.min(total_len)
        };
        std::iter::once(0..body).chain(parts.iter().map(in_file)).collect()
    }

    /// Checks whether a segment can have the mode.
    pub(crate) fn possible_mode(&self) -> Result<(), CreateError> {
        // Without the owner's write bit the file would pass for a published one, whose bytes are
        // lent out as `&[u8]`, although it is stored to.
        if self.mode & !0o666 != 0 || self.mode & 0o600 != 0o600 {
            return Err(CreateError::BadMode { mode: self.mode });
        }
        Ok(())
    }
}
