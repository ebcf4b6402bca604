//! The peer that is built outside of the workspace: `benches/peers-subetha`.

use std::path::PathBuf;
use std::process::Stdio;

use crate::command::{cargo, target_dir};

/// The name of the peer in tables and messages.
pub const SUBETHA: &str = "subetha-cxc";

/// Where cargo puts the program.
pub fn subetha() -> PathBuf {
    target_dir().join("peers/release/shm-peer-subetha")
}

/// Builds the program, although the peer demands a newer compiler. The error is the reason why it
/// cannot be measured: the build needs a registry, and a compiler that accepts the peer's code.
pub fn build_subetha() -> Result<PathBuf, String> {
    let mut build = cargo();
    build.args(["build", "--quiet", "--release", "--ignore-rust-version", "--manifest-path"]);
    build.arg("benches/peers-subetha/Cargo.toml");
    build.arg("--target-dir").arg(target_dir().join("peers"));
    let output = build.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(subetha());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let is_reason = |line: &&str| line.starts_with("error");
    let reason = said.lines().find(is_reason).or_else(|| said.lines().last()).unwrap_or_default();
    Err(format!("it cannot be built: {reason}"))
}
