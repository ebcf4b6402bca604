//! What the benchmarks compare: the table, the originals' algorithms, and peers,
//! all behind one trait, so that the measured loops are the same code.
//!
//! - [`subject`]: the table. [`baselines`]: what the original's author wrote, and wrote next.
//!   [`peers`]: LMDB, and a locked hash map in private memory.
//! - [`workload`]: keys, their order, values, and the loops that are timed.
//!
//! The criterion groups `lookup`, `update` and `batch` show curves; the binary
//! `shm-bench-rows` measures the promised ratios, each pair interleaved in one run.

#![deny(unsafe_code)]

pub mod baselines;
pub mod peers;
mod store;
pub mod subject;
pub mod workload;

pub use store::Store;
