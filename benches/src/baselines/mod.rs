//! The originals' algorithms, reimplemented for comparison, under a plain process-shared mutex,
//! which is not robust. That makes them faster, but they hang for ever when a writer is killed.

mod hashed;
mod linear;
mod plain;

pub use hashed::Hashed;
pub use linear::{Linear, Scanned};
pub use plain::{Locked, Plain};
