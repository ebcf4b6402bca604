//! The worker binary, built once for each run and optimised as users build the libraries.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use clap::ValueEnum;

use crate::command::{cargo, run, target_dir};

/// A way to break the protocol on purpose: the negative controls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sabotage {
    /// Write into the buffer that readers use.
    Tear,
    /// Publish each member of a batch by itself.
    Piecemeal,
    /// Do not repair after a death.
    NoRepair,
    /// Never end the claim of a dead writer.
    DeadClaim,
    /// Never wake those that wait for a change.
    LoseWakes,
    /// Let readers use a larger index before it is built.
    EarlyLevel,
    /// Give a published file its name before it is written.
    EarlyName,
    /// Wait for a holder of the lock that is dead.
    WaitForDead,
    /// Publish without checking what a dead publisher left.
    NoSettle,
    /// Prune files of living processes too.
    GreedyPrune,
    /// Answer some reads with a value that was read earlier.
    StaleRead,
}

/// The worker binary, and how to start it.
#[derive(Clone, Debug)]
pub struct Worker {
    binary: PathBuf,
    sabotage: Option<Sabotage>,
}

impl Worker {
    /// Builds it. A sabotaged binary is built separately, with a compiler flag that no manifest
    /// sets.
    pub fn build(sabotage: Option<Sabotage>) -> Result<Self> {
        let target = match sabotage {
            None => target_dir(),
            Some(_) => target_dir().join("negative-control"),
        };
        let mut build = cargo();
        build.args(["build", "--quiet", "--package", "shm-tests", "--bin", "shm-worker"]);
        build.args(["--profile", "worker", "--target-dir"]).arg(&target);
        if sabotage.is_some() {
            build.env("RUSTFLAGS", "--cfg shm_negative_control");
        }
        run(&mut build)?;
        Ok(Self { binary: target.join("worker").join("shm-worker"), sabotage })
    }

    /// A command that runs it in a role, in a namespace.
    pub fn command(&self, role: &str, namespace: &Path) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg(role).env("SHMAP_DIR", namespace);
        if let Some(sabotage) = self.sabotage.and_then(|s| s.to_possible_value()) {
            command.env("SHM_SABOTAGE", sabotage.get_name());
        }
        command
    }
}
