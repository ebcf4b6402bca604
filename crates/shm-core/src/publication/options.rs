//! What is published, and how.

use std::time::Duration;

use crate::namespace::Kind;
use crate::segment::patience::Interrupt;
use crate::segment::trust::Trust;

/// A kind of files that are published, and of the control segments beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedKind {
    /// Of the files.
    pub kind: Kind,
    /// Version of their layout.
    pub kind_version: u64,
    /// Of the control segments: another one than `kind`, and of no other published kind, or removing
    /// a name of one takes the control segment of the other.
    pub control: Kind,
}

/// How to publish.
#[derive(Clone, Debug)]
pub struct PublishOptions {
    /// Replaces what has the name; else that is [`CreateError::AlreadyExists`](crate::CreateError::AlreadyExists).
    pub replace: bool,
    /// Permission bits of the file, exact whatever the umask: read bits only, the owner's among
    /// them. The control segment gets the same, and the owner's write bit. `None` keeps the read
    /// bits of the file that is replaced, if `trust` accepts its owner; else that is `0o400`.
    pub mode: Option<u32>,
    /// Whose control segment to use.
    pub trust: Trust,
    /// How long to wait for other publishers, all in all; `None` for ever.
    pub lock_timeout: Option<Duration>,
    /// What ends the waiting early.
    pub interrupt: Interrupt,
}

impl Default for PublishOptions {
    /// For a free name, no mode, five seconds.
    fn default() -> Self {
        let lock_timeout = Some(Duration::from_secs(5));
        let (trust, interrupt) = (Trust::new(), Interrupt::never());
        Self { replace: false, mode: None, trust, lock_timeout, interrupt }
    }
}
