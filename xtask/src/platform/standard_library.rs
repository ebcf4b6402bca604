//! The standard library of a target. If rustup has installed the target, the toolchain has it.
//! Otherwise it is compiled from the source that Debian packages, by the compiler of the same
//! version.
//!
//! Nothing is installed: the packages are unpacked below the target directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::output;
use super::targets::{Target, Tool};
use crate::command::{root, target_dir};

/// How long fetching may take; a minute is usual.
const LIMIT: &str = "300";

/// Names of the compiler, its library and its source in Debian: the newer one first.
const PACKAGES: &[[&str; 3]] = &[
    ["rustc-web", "libstd-rust-web-dev", "rust-web-src"],
    ["rustc", "libstd-rust-dev", "rust-src"],
];

/// The functions that musl lacks and that the unwinder of a compiler for glibc calls.
const UNWINDER_FOR_MUSL: &str = include_str!("unwinder_for_musl.c");

pub enum StandardLibrary {
    /// The toolchain has the library.
    Installed,
    /// Unpacked packages of Debian, in this directory.
    Packaged(PathBuf),
}

impl StandardLibrary {
    /// The standard library of a target, or the reason why there is none.
    pub fn find(triple: &str) -> Result<Result<Self, String>> {
        let mut rustc = Command::new("rustc");
        rustc.args(["--print", "target-libdir", "--target", triple]).current_dir(root());
        if Path::new(&output(&mut rustc)?).is_dir() {
            return Ok(Ok(Self::Installed));
        }
        let dir = target_dir().join("platforms").join("debian");
        let unpacked = if dir.is_dir() { Ok(()) } else { unpack(&dir) };
        let works = unpacked.and_then(|()| output(rustc_of(&dir).arg("--version")));
        Ok(match works {
            Ok(_) => Ok(Self::Packaged(dir)),
            Err(error) => Err(format!(
                "rustup has no such target, and Debian no compiler with its source: {error:#}"
            )),
        })
    }

    /// Makes a cargo command use this library.
    pub fn configure(&self, cargo: &mut Command, target: &Target) {
        let Self::Packaged(dir) = self else { return };
        let crates = if target.is_run() { "std,panic_unwind,test" } else { "std,panic_unwind" };
        // What the compiler's own build uses, and nightly has by another name.
        cargo.env("RUSTC_BOOTSTRAP", "1").arg(format!("-Zbuild-std={crates}"));
        cargo.env("RUSTC", dir.join("usr/bin/rustc")).env("LD_LIBRARY_PATH", libraries(dir));
        cargo.env_remove("RUSTC_WRAPPER").env_remove("RUSTUP_TOOLCHAIN");
    }

    /// The linker to use, if the toolchain has none.
    pub fn linker(&self, target: &Target) -> Option<Tool> {
        let own = matches!(self, Self::Installed) && target.triple.ends_with("musl");
        target.linker.filter(|_| !own)
    }

    /// The arguments of the linker.
    pub fn link_flags(&self, target: &Target) -> Result<Option<String>> {
        if matches!(self, Self::Installed) || !target.triple.ends_with("musl") {
            return Ok(None);
        }
        let none = Ok(Some("-Clink-self-contained=no".to_owned()));
        let Some(linker) = target.linker.filter(Tool::is_there) else { return none };
        let dir = target_dir().join("platforms").join(target.triple);
        unwinder(&dir, linker.program).context("make an unwinder for musl")?;
        Ok(Some(format!("-Clink-self-contained=no -Lnative={}", dir.display())))
    }
}

/// Makes the `libunwind.a` that Rust's standard library requires, from the one of the C compiler.
fn unwinder(dir: &Path, cc: &str) -> Result<()> {
    std::fs::create_dir_all(dir)?;
    let source = dir.join("unwinder_for_musl.c");
    std::fs::write(&source, UNWINDER_FOR_MUSL)?;
    let (object, archive) = (dir.join("unwinder_for_musl.o"), dir.join("libunwind.a"));
    output(
        Command::new(cc).args(["-O2", "-Wall", "-Werror", "-c", "-o"]).arg(&object).arg(source),
    )?;
    let of_compiler = output(Command::new(cc).arg("-print-file-name=libgcc_eh.a"))?;
    // Written again: a copy would keep the mode.
    std::fs::write(&archive, std::fs::read(of_compiler)?)?;
    output(Command::new("ar").arg("r").arg(archive).arg(object))?;
    Ok(())
}

fn libraries(dir: &Path) -> PathBuf {
    dir.join(format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH))
}

fn rustc_of(dir: &Path) -> Command {
    let mut rustc = Command::new(dir.join("usr/bin/rustc"));
    rustc.env("LD_LIBRARY_PATH", libraries(dir));
    rustc
}

/// Downloads and unpacks a compiler, the libraries that it needs, and its source.
fn unpack(dir: &Path) -> Result<()> {
    let packages = PACKAGES.iter().find(|packages| is_new_enough(packages));
    let packages =
        packages.context("it has none that is new enough (has apt-get update been run?)")?;
    let new = dir.with_extension("new");
    if new.exists() {
        std::fs::remove_dir_all(&new)?;
    }
    std::fs::create_dir_all(&new)?;
    let mut download = Command::new("timeout");
    download.args([LIMIT, "apt-get", "--quiet", "download"]).args(packages);
    download.args(needed(packages)?).current_dir(&new);
    output(&mut download)?;
    for entry in std::fs::read_dir(&new)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            output(Command::new("dpkg-deb").arg("--extract").arg(&path).arg(&new))?;
            std::fs::remove_file(path)?;
        }
    }
    Ok(std::fs::rename(new, dir)?)
}

/// The packages of the compiler's shared libraries that carry a version in their names.
fn needed(packages: &[&str]) -> Result<Vec<String>> {
    let mut depends = Command::new("apt-cache");
    depends.args(["depends", "--recurse", "--important", "--no-recommends", "--no-suggests"]);
    let found = output(depends.args(packages))?;
    let mut names: Vec<String> = found
        .lines()
        .filter(|line| line.starts_with("libllvm") || line.starts_with("libstd-rust-"))
        .filter(|line| !line.contains("-dev"))
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    Ok(names)
}

/// Whether the candidate of these packages compiles this workspace.
fn is_new_enough(packages: &[&str; 3]) -> bool {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap_or_default();
    let wanted = manifest.lines().find_map(|line| line.strip_prefix("rust-version = "));
    let wanted = wanted.map(|version| version.trim_matches('"'));
    packages.iter().all(|package| {
        let policy = output(Command::new("apt-cache").args(["policy", package]));
        let policy = policy.unwrap_or_default();
        let candidate = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "));
        match (wanted.and_then(minor), candidate.and_then(minor)) {
            (Some(wanted), Some(found)) => found >= wanted,
            _ => false,
        }
    })
}

/// The minor version of Rust.
fn minor(version: &str) -> Option<u32> {
    version.split('.').nth(1)?.parse().ok()
}
