//! Talking to the kernel: one file for each thing that is asked of it.
//!
//! The lowest room. It knows nothing of segments or names, and imports nothing of this crate but
//! [`sync`](crate::sync), whose words `futex` sleeps on. What is wanted from it is what
//! [`std::io`] could have said; errors of this crate are made above, in `refused.rs`.

pub(crate) mod alive;
pub(crate) mod clock;
pub(crate) mod descriptor;
pub(crate) mod file_id;
pub(crate) mod file_map;
pub(crate) mod fork;
pub(crate) mod futex;
pub(crate) mod holder;
pub(crate) mod identity;
pub(crate) mod limits;
pub(crate) mod random;
pub(crate) mod retry;
