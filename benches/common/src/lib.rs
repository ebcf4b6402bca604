//! What the benchmarks of every map share. Without its feature `table` it imports no map, so that a
//! peer can be measured by the same code from a package outside of this workspace.
//!
//! - [`Store`]: the operations that are compared. [`workload`]: keys, their order, values, and the
//!   loops that are timed.
//! - [`keys`]: which keys a writer writes. [`histogram`]: how long writes take.
//! - [`worker`]: a process that reads and writes as it is told. [`remote`]: such a process, as its
//!   parent sees it.
//! - [`processor`]: which processor a thread has, and whether it had to wait for it.

#![forbid(unsafe_code)]

pub mod histogram;
pub mod keys;
pub mod processor;
pub mod remote;
mod store;
#[cfg(feature = "table")]
mod table;
pub mod worker;
pub mod workload;

pub use store::Store;
