//! The library crates as packages, as a program that depends on one gets them.
//!
//! They are packed as for a registry and unpacked outside of the workspace, and their examples are
//! built and run from there. This detects a file that a package lacks, and a dependency that only
//! the workspace has. Nothing is released yet, so there is no version to compare the interfaces
//! with.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use shm_harness::TempNamespace;

use crate::command::{cargo, root, run, target_dir};

/// The crates, from the bottom up, and the example of each. `read` reads what `publish` published.
const EXAMPLES: [(&str, &str); 4] = [
    ("shm-core", "counter"),
    ("slotmap-shm", "workers"),
    ("shm-facade", "publish"),
    ("avl-snapshot", "read"),
];
/// What each package contains besides its sources.
const FILES: [&str; 3] = ["README.md", "LICENSE-MIT", "LICENSE-APACHE"];

/// Runs the example of each package.
pub fn run_their_examples() -> Result<String> {
    let unpacked = Unpacked::new("examples")?;
    let namespace = TempNamespace::new()?;
    let published = namespace.path().join("shmap.routes.snapshot");
    for (package, example) in EXAMPLES {
        for file in FILES {
            ensure!(unpacked.dir(package).join(file).is_file(), "{package} lacks {file}");
        }
        let mut command = unpacked.cargo();
        command.args(["run", "--quiet", "--package", package, "--example", example, "--"]);
        if example == "read" {
            command.arg(&published).arg("/users");
        }
        let output = command
            .env("SHMAP_DIR", namespace.path())
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("start {command:?}"))?;
        ensure!(output.status.success(), "{package}: {example}: {}", output.status);
        let said = String::from_utf8(output.stdout)?;
        let expected = if example == "read" { "/users\t10.0.0.7:80\n" } else { "\n" };
        ensure!(said.ends_with(expected), "{package}: {example} said {said:?}");
    }
    Ok(format!("{} packages, each with its example", EXAMPLES.len()))
}

/// Checks that a package that lacks a file does not pass.
pub fn a_missing_file_is_noticed() -> Result<String> {
    let unpacked = Unpacked::new("missing-file")?;
    std::fs::remove_file(unpacked.dir("avl-snapshot").join("README.md"))?;
    let mut check = unpacked.cargo();
    let output = check.args(["check", "--quiet", "--package", "avl-snapshot"]).output()?;
    ensure!(!output.status.success(), "a package without its README passed");
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(said.contains("README.md"), "it failed for another reason: {said}");
    Ok("caught: avl-snapshot lacks README.md".to_owned())
}

/// The packages, unpacked, as a workspace of their own.
struct Unpacked {
    workspace: PathBuf,
}

impl Unpacked {
    /// Packs the sources as they are, whether committed or not.
    fn new(name: &str) -> Result<Self> {
        let workspace = target_dir().join("packages").join(name);
        if workspace.exists() {
            std::fs::remove_dir_all(&workspace)?;
        }
        std::fs::create_dir_all(&workspace)?;
        let unpacked = Self { workspace };
        unpacked.pack()?;
        let (mut members, mut patches) = (Vec::new(), String::new());
        for (package, _) in EXAMPLES {
            let directory = directory(package);
            let file = unpacked.packed().join(format!("{directory}.crate"));
            // `m` gives the files the current time. In a package all have the same old one, by
            // which cargo could not see that they changed since the last run.
            run(Command::new("tar").arg("-xmzf").arg(file).arg("-C").arg(&unpacked.workspace))?;
            patches += &format!("{package} = {{ path = \"{directory}\" }}\n");
            members.push(directory);
        }
        // The packages depend on each other by version, as on a registry; there they are not yet.
        let manifest = format!(
            "[workspace]\nresolver = \"3\"\nmembers = {members:?}\n[patch.crates-io]\n{patches}"
        );
        std::fs::write(unpacked.workspace.join("Cargo.toml"), manifest)?;
        std::fs::copy(root().join("Cargo.lock"), unpacked.workspace.join("Cargo.lock"))?;
        Ok(unpacked)
    }

    /// Where cargo puts the packed files.
    fn packed(&self) -> PathBuf {
        self.workspace.join("package")
    }

    /// Runs `cargo package`, offline if the earlier downloads suffice. Without `--no-verify` it
    /// would compile each package once more, which the examples do already.
    fn pack(&self) -> Result<()> {
        let pack = |offline: bool| {
            let mut command = cargo();
            command.args(["package", "--quiet", "--no-verify", "--allow-dirty"]);
            for (package, _) in EXAMPLES {
                command.args(["--package", package]);
            }
            command.args(offline.then_some("--offline"));
            command.arg("--target-dir").arg(&self.workspace);
            command
        };
        if pack(true).output().is_ok_and(|output| output.status.success()) {
            return Ok(());
        }
        run(&mut pack(false))
    }

    fn dir(&self, package: &str) -> PathBuf {
        self.workspace.join(directory(package))
    }

    /// Cargo, in this workspace. Its results are kept from one run to the next.
    fn cargo(&self) -> Command {
        let mut command = cargo();
        command.current_dir(&self.workspace);
        command.env("CARGO_TARGET_DIR", target_dir().join("packages/target"));
        command
    }
}

/// The directory in which a package is packed.
fn directory(package: &str) -> String {
    format!("{package}-{}", env!("CARGO_PKG_VERSION"))
}

/// Checks licences, sources and duplicates of all dependencies, by `cargo deny` if it is installed.
/// Advisories are left out: they come from a database that changes while the project does not.
pub fn dependencies_are_allowed() -> Result<String> {
    if !cargo().args(["deny", "--version"]).output().is_ok_and(|output| output.status.success()) {
        return Ok("skipped: cargo-deny is not installed".to_owned());
    }
    let mut deny = cargo();
    deny.args(["deny", "--log-level", "error", "check", "licenses", "bans", "sources"]);
    run(&mut deny)?;
    Ok("licences, sources and versions as deny.toml says".to_owned())
}
