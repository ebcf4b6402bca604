//! Shared code of the multi-process tests and `xtask`: child processes that end with their test,
//! watchdogs instead of time limits, namespaces that clean up, the golden file of errors, ptrace
//! single-stepping, and logs of calls. It imports no library crate of the project.

#![forbid(unsafe_code)]

pub mod call_log;
mod child;
mod golden;
mod stepper;
mod temp;

pub use child::{Child, Hung};
pub use golden::Seen;
pub use stepper::{Step, Stepper};
pub use temp::TempNamespace;
