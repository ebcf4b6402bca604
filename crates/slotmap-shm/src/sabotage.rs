//! Fault injection: ways to break the protocol on purpose. These negative controls show that the
//! crash tests would notice a broken protocol.
//!
//! They exist only under `--cfg shm_negative_control`, which no manifest can set; otherwise these
//! functions are `false` at compile time.

#[cfg(not(shm_negative_control))]
mod control {
    #[inline(always)]
    pub(crate) const fn tears() -> bool {
        false
    }
    #[inline(always)]
    pub(crate) const fn commits_piecemeal() -> bool {
        false
    }
    #[inline(always)]
    pub(crate) const fn leaves_dead_claims() -> bool {
        false
    }
    #[inline(always)]
    pub(crate) const fn grows_early() -> bool {
        false
    }
    #[inline(always)]
    pub(crate) const fn skips_repair() -> bool {
        false
    }
    #[inline(always)]
    pub(crate) const fn loses_wakes() -> bool {
        false
    }
}

#[cfg(shm_negative_control)]
mod control {
    use std::sync::OnceLock;

    fn chosen(what: &str) -> bool {
        static CHOICE: OnceLock<String> = OnceLock::new();
        CHOICE.get_or_init(|| std::env::var("SHM_SABOTAGE").unwrap_or_default()) == what
    }
    /// Writes into the buffer that readers use.
    pub(crate) fn tears() -> bool {
        chosen("tear")
    }
    /// Publishes each slot of a batch by itself, before the commit.
    pub(crate) fn commits_piecemeal() -> bool {
        chosen("piecemeal")
    }
    /// Never ends the claim of a dead writer.
    pub(crate) fn leaves_dead_claims() -> bool {
        chosen("dead-claim")
    }
    /// Makes a level current before its index is built.
    pub(crate) fn grows_early() -> bool {
        chosen("early-level")
    }
    /// Declares the table repaired without repairing it.
    pub(crate) fn skips_repair() -> bool {
        chosen("no-repair")
    }
    /// Never wakes those that wait for a change.
    pub(crate) fn loses_wakes() -> bool {
        chosen("lose-wakes")
    }
}

pub(crate) use control::{
    commits_piecemeal, grows_early, leaves_dead_claims, loses_wakes, skips_repair, tears,
};
