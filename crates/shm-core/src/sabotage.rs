//! The negative controls: ways to break the lock, publication and takeover on purpose, so that the
//! crash harnesses can show that they would notice a broken protocol.
//!
//! They exist only under `--cfg shm_negative_control`, which no manifest can set;
//! everywhere else these functions are `false` at compile time.

#[cfg(not(shm_negative_control))]
mod control {
    #[inline(always)]
    pub(crate) const fn names_unfinished_files() -> bool {
        false
    }
    #[inline(always)]
    pub(crate) const fn waits_for_the_dead() -> bool {
        false
    }
    #[inline(always)]
    pub(crate) const fn settles_blindly() -> bool {
        false
    }
    #[inline(always)]
    pub(crate) const fn sweeps_the_living() -> bool {
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
    /// Gives the file its name before its body is written.
    pub(crate) fn names_unfinished_files() -> bool {
        chosen("early-name")
    }
    /// Takes every holder of the lock for a living one.
    pub(crate) fn waits_for_the_dead() -> bool {
        chosen("wait-for-dead")
    }
    /// Believes what a dead publisher left in the control word, and does not check the edition at
    /// the name.
    pub(crate) fn settles_blindly() -> bool {
        chosen("no-settle")
    }
    /// Treats every process as dead when it prunes.
    pub(crate) fn sweeps_the_living() -> bool {
        chosen("greedy-prune")
    }
}

pub(crate) use control::{
    names_unfinished_files, settles_blindly, sweeps_the_living, waits_for_the_dead,
};
