//! The originals' algorithms, as own code: under a plain process-shared mutex,
//! which is not robust. They are faster for it, and hang for ever when a writer is killed.

mod hashed;
mod linear;
mod plain;

pub use hashed::Hashed;
pub use linear::{Linear, Scanned};
pub use plain::{Locked, Plain};
