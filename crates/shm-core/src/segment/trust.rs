//! The users whose files are trusted.

/// The users whose segments are trusted.
///
/// By default, a segment must be owned by the caller or by root, and only its owner may have write
/// permission.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    owners: Vec<u32>,
    shared_writers: bool,
}

impl Trust {
    /// Trusts the caller and root.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Also accepts segments that belong to this user.
    #[must_use]
    pub fn owner(mut self, uid: u32) -> Self {
        self.owners.push(uid);
        self
    }

    /// True if the owner is this user, root, or a user added by [`Trust::owner`].
    pub(crate) fn accepts(&self, uid: u32) -> bool {
        uid == rustix::process::geteuid().as_raw() || uid == 0 || self.owners.contains(&uid)
    }

    /// True if [`Trust::shared_writers`] was called.
    pub(crate) fn accepts_shared_writers(&self) -> bool {
        self.shared_writers
    }

    /// Also accepts segments to which the group or other users may write.
    #[must_use]
    pub fn shared_writers(mut self) -> Self {
        self.shared_writers = true;
        self
    }
}

/// Permission bits that let users other than the owner write.
pub(crate) const FOREIGN_WRITE: u32 = 0o022;
