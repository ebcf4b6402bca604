//! Shared code of the multi-process tests and `xtask`: child processes that end with their test,
//! watchdogs instead of time limits, namespaces that clean up, the golden file of errors, and
//! ptrace single-stepping. It imports no library crate of the project.

#![forbid(unsafe_code)]

mod child;
mod golden;
mod stepper;
mod temp;

pub use child::{Child, Hung};
pub use golden::Seen;
pub use stepper::{Step, Stepper};
pub use temp::TempNamespace;
