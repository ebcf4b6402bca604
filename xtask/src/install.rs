//! Installs as the READMEs say, with their commands word for word, except for the prefix.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use shm_harness::TempNamespace;

use crate::command::{root, run, target_dir};

/// Runs the commands, and says what was installed or skipped.
pub fn as_the_readmes_say() -> Result<String> {
    let prefix = target_dir().join("installation");
    if prefix.exists() {
        std::fs::remove_dir_all(&prefix)?;
    }
    std::fs::create_dir_all(&prefix)?;
    Ok([library(&prefix)?, command_line(&prefix)?, package(&prefix)?].join("; "))
}

/// Tests the installation of `libshmap`, with the README's program in C and a program of the
/// original.
fn library(prefix: &Path) -> Result<String> {
    for tool in ["cc", "g++", "pkg-config"] {
        if !Command::new(tool).arg("--version").output().is_ok_and(|out| out.status.success()) {
            return Ok(format!("libshmap skipped: there is no {tool}"));
        }
    }
    let readme = std::fs::read_to_string(root().join("crates/shm-capi/README.md"))?;
    let commands = blocks(&readme, "sh");
    let [install, compile, original] = commands.as_slice() else { bail!("other commands") };
    for command in install.lines().map(|line| line.trim_start_matches("sudo ")) {
        // Nothing outside of the prefix is touched: the loader is told by a variable.
        if !command.starts_with("ldconfig") {
            shell(&command.replace("/usr/local", &format!("'{}'", prefix.display())), &root())?;
        }
    }
    let program = blocks(&readme, "c").into_iter().next().context("the program is missing")?;
    std::fs::write(prefix.join("program.c"), program)?;
    let said = shell(compile, prefix)?;
    ensure!(said.starts_with("3325 is running\n"), "the program said {said:?}");
    let program = root().join("crates/shm-capi/tests/cpp/original.cpp");
    std::fs::copy(program, prefix.join("program.cpp"))?;
    shell(&format!("{original}./program"), prefix)?;
    Ok("libshmap, and programs that use it".to_owned())
}

/// Tests the installation of `shmap`.
fn command_line(prefix: &Path) -> Result<String> {
    let readme = std::fs::read_to_string(root().join("crates/shm-cli/README.md"))?;
    let install = blocks(&readme, "sh").into_iter().next().context("the command is missing")?;
    shell(&format!("{} --quiet --root '{}'", install.trim(), prefix.display()), &root())?;
    run(Command::new(prefix.join("bin/shmap")).arg("--version"))?;
    Ok("shmap".to_owned())
}

/// Tests the installation of the Python package, in an environment of its own.
fn package(prefix: &Path) -> Result<String> {
    let mut venv = Command::new("python3");
    let made = venv.args(["-m", "venv"]).arg(prefix.join("venv")).output();
    if !made.is_ok_and(|output| output.status.success()) {
        return Ok("shmap for Python skipped: python3 makes no virtual environment".to_owned());
    }
    let readme = std::fs::read_to_string(root().join("crates/shm-python/README.md"))?;
    let install = blocks(&readme, "sh").into_iter().next().context("the commands are missing")?;
    let (wheel, install) = install.split_once('\n').context("a command is missing")?;
    // The variable only says where the wheel goes: not into the sources.
    let settle = ". venv/bin/activate; export PIP_QUIET=1 PIP_DISABLE_PIP_VERSION_CHECK=1";
    let wheel = format!("{settle} PIP_WHEEL_DIR=$PWD; cd '{}'; {wheel}", root().display());
    shell(&wheel, prefix)?;
    shell(
        &format!("{settle}; {}; python -c 'import shmap; shmap.RbTree'", install.trim()),
        prefix,
    )?;
    Ok("shmap for Python".to_owned())
}

/// The blocks of code in a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let start = format!("```{language}\n");
    let block = |rest: &str| rest.split("```").next().unwrap_or_default().to_owned();
    text.split(&start).skip(1).map(block).collect()
}

/// Runs commands in which pkg-config and the loader use the installation. Returns what they
/// printed.
fn shell(commands: &str, dir: &Path) -> Result<String> {
    let namespace = TempNamespace::new()?;
    let lib: PathBuf = target_dir().join("installation/lib");
    let mut shell = Command::new("sh");
    shell.args(["-ec", commands]).current_dir(dir).env("SHMAP_DIR", namespace.path());
    shell.env("PKG_CONFIG_PATH", lib.join("pkgconfig")).env("LD_LIBRARY_PATH", lib);
    let output = shell.stderr(std::process::Stdio::inherit()).output()?;
    ensure!(output.status.success(), "{commands:?}: {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}
