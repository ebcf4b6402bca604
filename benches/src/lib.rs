//! What the benchmarks compare: table and snapshot, the originals' algorithms, and peers,
//! each kind behind one trait, so that the measured loops are the same code.
//!
//! - [`dictionary`]: the ordered snapshot and its peers, with keys, queries and loops of their own.
//! - [`subject`]: the table. [`baselines`]: what the original's author wrote, and wrote next.
//!   [`peers`]: LMDB, and a locked hash map in private memory.
//! - [`workload`]: keys, their order, values, and the loops that are timed, which peers outside of
//!   this workspace share (`benches/common`).
//!
//! The criterion groups (`lookup`, `update`, `batch`, `snapshot_build`, `scan`, `open`) show
//! curves; the binary `shm-bench-rows` measures the ratios, each pair interleaved in one run.

#![deny(unsafe_code)]

pub mod baselines;
pub mod dictionary;
pub mod heap;
pub mod peers;
pub mod subject;

pub use shm_bench_common::{Store, workload};
