//! Options of a publication: what is published, and how.

use std::time::Duration;

use crate::namespace::Kind;
use crate::segment::patience::Interrupt;
use crate::segment::trust::Trust;

/// A kind of published files, and the kind of the control segments beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublishedKind {
    /// The kind of the files.
    pub kind: Kind,
    /// The version of the files' layout.
    pub kind_version: u64,
    /// The kind of the control segments. It must differ from `kind` and from the control kind of
    /// any other published kind; otherwise removing a name of one kind removes the control segment
    /// of the other.
    pub control: Kind,
}

impl PublishedKind {
    /// Combines a kind of files, the version of their layout, and the kind of their control
    /// segments.
    #[must_use]
    pub const fn new(kind: Kind, kind_version: u64, control: Kind) -> Self {
        Self { kind, kind_version, control }
    }
}

/// How a file is published. Each field has a setter.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PublishOptions {
    /// Whether to replace the file that has the name. If this is false and the name is taken,
    /// publishing fails with [`CreateError::AlreadyExists`](crate::CreateError::AlreadyExists).
    pub replace: bool,
    /// Permission bits of the file. The umask does not change them. Only read bits are allowed, and
    /// the owner's read bit is required. The control segment gets the same bits and the owner's
    /// write bit. With `None`, the file gets the read bits of the file that it replaces, if there
    /// is such a file and `trust` accepts its owner, and otherwise `0o400`.
    pub mode: Option<u32>,
    /// The users whose control segments are trusted.
    pub trust: Trust,
    /// How long to wait for other publishers in total. `None` means to wait for ever.
    pub lock_timeout: Option<Duration>,
    /// An [`Interrupt`] that can end the waiting early.
    pub interrupt: Interrupt,
}

impl Default for PublishOptions {
    /// The default options do not replace a file, set no mode, and wait for at most five seconds.
    fn default() -> Self {
        let lock_timeout = Some(Duration::from_secs(5));
        let (trust, interrupt) = (Trust::new(), Interrupt::never());
        Self { replace: false, mode: None, trust, lock_timeout, interrupt }
    }
}

impl PublishOptions {
    /// Sets whether to replace the file that has the name.
    #[must_use]
    pub fn replace(mut self, replace: bool) -> Self {
        self.replace = replace;
        self
    }

    /// Sets the permission bits of the file.
    #[must_use]
    pub fn mode(mut self, mode: impl Into<Option<u32>>) -> Self {
        self.mode = mode.into();
        self
    }

    /// Sets the users whose control segments are trusted.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Sets how long to wait for other publishers. `None` means to wait for ever.
    #[must_use]
    pub fn lock_timeout(mut self, lock_timeout: Option<Duration>) -> Self {
        self.lock_timeout = lock_timeout;
        self
    }

    /// Sets an [`Interrupt`] that can end the waiting early.
    #[must_use]
    pub fn interrupt(mut self, interrupt: Interrupt) -> Self {
        self.interrupt = interrupt;
        self
    }
}
