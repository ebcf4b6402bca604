//! What is published, and how.

use std::time::Duration;

use crate::namespace::Kind;
use crate::segment::patience::Interrupt;
use crate::segment::trust::Trust;

/// A kind of published files, and the kind of the control segments beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedKind {
    /// The kind of the files.
    pub kind: Kind,
    /// The version of their layout.
    pub kind_version: u64,
    /// The kind of the control segments. It must differ from `kind` and from that of any other
    /// published kind; otherwise removing a name of one kind removes the control segment of the
    /// other.
    pub control: Kind,
}

/// How to publish.
#[derive(Clone, Debug)]
pub struct PublishOptions {
    /// Replaces the file that has the name. Otherwise a taken name is
    /// [`CreateError::AlreadyExists`](crate::CreateError::AlreadyExists).
    pub replace: bool,
    /// Permission bits of the file, exact whatever the umask: only read bits, and always the
    /// owner's. The control segment gets the same bits and the owner's write bit. `None` keeps the
    /// read bits of the file that is replaced, if there is one and `trust` accepts its owner;
    /// otherwise it means `0o400`.
    pub mode: Option<u32>,
    /// Whose control segment to use.
    pub trust: Trust,
    /// How long to wait for other publishers in total; `None` for ever.
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
