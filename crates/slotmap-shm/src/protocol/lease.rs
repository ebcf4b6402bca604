//! Leases: until when an entry stays. `docs/concurrency.md` has the states of the word.

use shm_core::WriterId;

/// The bit of a lease that says that the other bits are the id of a registration.
const EPHEMERAL: u64 = 1 << 63;
/// The lease of an entry that stays until it is removed.
pub(crate) const FOR_EVER: u64 = 0;

/// What a lease says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Term {
    ForEver,
    /// Until the clock has reached this time, in nanoseconds since boot.
    Until(u64),
    /// As long as this registration. `None` if no writer stores such a lease.
    WhileRegistered(Option<WriterId>),
}

pub(crate) fn term(lease: u64) -> Term {
    match lease {
        FOR_EVER => Term::ForEver,
        _ if lease & EPHEMERAL != 0 => {
            Term::WhileRegistered(WriterId::from_u64(lease & !EPHEMERAL))
        }
        _ => Term::Until(lease),
    }
}

/// Returns the lease of an entry that lasts as long as a registration.
pub(crate) fn while_registered(writer: WriterId) -> u64 {
    EPHEMERAL | writer.to_u64()
}

/// Returns the lease of an entry that lasts until this time, in nanoseconds since boot.
pub(crate) fn until(time: u64) -> u64 {
    time.clamp(1, !EPHEMERAL)
}

/// Tells whether leases are over. It knows the time, and who is registered.
pub(crate) trait Judge {
    fn is_over(&self, lease: u64) -> bool;
}

/// A judge for whom no lease is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Everlasting;

impl Judge for Everlasting {
    fn is_over(&self, _: u64) -> bool {
        false
    }
}

/// The lease with which a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lease {
    /// That of the value before.
    Kept,
    /// The one that the table gives to an entry that is written without one.
    Default,
    New(u64),
}
