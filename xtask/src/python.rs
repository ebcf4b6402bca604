//! The Python package: one wheel, tested with every installed Python.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::command::{root, run as run_command, target_dir};

/// The versions that the wheel is for.
const MINORS: std::ops::RangeInclusive<u32> = 9..=13;

#[derive(clap::Args, Clone, Debug, Default)]
pub struct Arguments {
    /// Test only with this interpreter, and not with the others that are installed.
    #[arg(long)]
    pub python: Option<PathBuf>,
    /// Build the wheel and stop.
    #[arg(long)]
    pub build_only: bool,
    /// Compare with the peers, in place of the tests. Prints Markdown.
    #[arg(long)]
    pub bench: bool,
    /// Passed on to pytest, or to the comparison.
    #[arg(last = true)]
    pub pass_on: Vec<String>,
}

pub fn run(arguments: &Arguments) -> Result<bool> {
    println!("{}", test(arguments)?);
    Ok(true)
}

/// An interpreter, and its version.
struct Python {
    program: PathBuf,
    minor: u32,
}

/// Builds and tests. Returns the versions that were tested, or why there are none.
pub fn test(arguments: &Arguments) -> Result<String> {
    let pythons = match &arguments.python {
        Some(program) => match Python::probe(program) {
            Some(python) => vec![python],
            None => bail!("{} is no CPython of version 3.9 or later", program.display()),
        },
        None => interpreters(),
    };
    let Some(first) = pythons.first() else {
        let what = "the wheel, its tests, and the checks of its stubs";
        return Ok(format!("skipped {what}: there is no CPython of version 3.9 or later here"));
    };
    let main = first.environment()?;
    let wheel = build(&main)?;
    if arguments.build_only {
        return Ok(format!("built {}", wheel.display()));
    }
    if arguments.bench {
        return compare(&main, &wheel, &arguments.pass_on);
    }
    let mut tested = Vec::new();
    for python in &pythons {
        let environment = python.environment()?;
        install(&environment, &wheel)
            .with_context(|| format!("install the wheel for Python 3.{}", python.minor))?;
        let mut pytest = environment.module("pytest");
        pytest.args(["--quiet", "-p", "no:cacheprovider"]).args(&arguments.pass_on);
        run_command(pytest.current_dir(package()))?;
        tested.push(format!("3.{}", python.minor));
    }
    typed(&main)?;
    Ok(format!("passed with Python {} from one wheel; mypy and stubtest", tested.join(", ")))
}

fn package() -> PathBuf {
    root().join("crates/shm-python")
}

fn place() -> PathBuf {
    target_dir().join("python")
}

/// The default Python first, then one of each other version.
fn interpreters() -> Vec<Python> {
    let names = MINORS.rev().map(|minor| format!("python3.{minor}"));
    let programs = std::iter::once("python3".to_owned()).chain(names).map(PathBuf::from);
    let mut found: Vec<Python> = Vec::new();
    for python in programs.chain(of_pyenv()).filter_map(|program| Python::probe(&program)) {
        if !found.iter().any(|other| other.minor == python.minor) {
            found.push(python);
        }
    }
    found
}

/// The versions that pyenv has installed. Its commands in the path may lead to one version only.
fn of_pyenv() -> Vec<PathBuf> {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".pyenv"));
    let Some(dir) = std::env::var_os("PYENV_ROOT").map(PathBuf::from).or_else(home) else {
        return Vec::new();
    };
    let versions = std::fs::read_dir(dir.join("versions")).into_iter().flatten().flatten();
    versions.map(|version| version.path().join("bin/python3")).collect()
}

impl Python {
    /// Asks the program whether it is a suitable CPython.
    fn probe(program: &Path) -> Option<Self> {
        let ask =
            "import sys; print(sys.implementation.name, *sys.version_info[:2], sys.executable)";
        let output = Command::new(program).args(["-c", ask]).stderr(Stdio::null()).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let mut words = text.trim().splitn(4, ' ');
        let (name, major, minor) = (words.next()?, words.next()?, words.next()?.parse().ok()?);
        let fits = name == "cpython" && major == "3" && minor >= *MINORS.start();
        fits.then(|| Self { program: PathBuf::from(words.next().unwrap_or_default()), minor })
    }

    /// Its virtual environment with what the tests need, created if it does not exist.
    fn environment(&self) -> Result<Environment> {
        let dir = place().join(format!("venv-3.{}", self.minor));
        let environment =
            Environment { python: dir.join("bin/python"), host: self.program.clone() };
        let requirements = package().join("requirements.txt");
        let wanted = std::fs::read(&requirements).context("read requirements.txt")?;
        let stamp = dir.join("installed-requirements.txt");
        if std::fs::read(&stamp).ok().as_ref() == Some(&wanted) {
            return Ok(environment);
        }
        // Without its own pip: some systems have pip, but not what it is copied from.
        let host_has_pip = succeeds(Command::new(&self.program).args(["-m", "pip", "--version"]));
        let mut venv = Command::new(&self.program);
        venv.args(["-m", "venv", "--clear"]);
        if host_has_pip {
            venv.arg("--without-pip");
        }
        run_command(venv.arg(&dir)).context("make a virtual environment")?;
        pip(&environment, &[OsStr::new("--requirement"), requirements.as_os_str()])?;
        std::fs::write(&stamp, wanted)?;
        Ok(environment)
    }
}

/// A virtual environment, and the Python that created it.
struct Environment {
    python: PathBuf,
    host: PathBuf,
}

impl Environment {
    fn module(&self, name: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.env_remove("PYTHONPATH").env("PYTHONDONTWRITEBYTECODE", "1");
        command.args(["-m", name]);
        command
    }
}

fn succeeds(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// `pip install`, by the environment's pip or else by the host's.
fn pip(environment: &Environment, arguments: &[&OsStr]) -> Result<()> {
    let own = succeeds(environment.module("pip").arg("--version"));
    let mut pip = if own {
        environment.module("pip")
    } else {
        let mut pip = Command::new(&environment.host);
        pip.args(["-m", "pip", "--python"]).arg(&environment.python);
        pip
    };
    pip.args(["--disable-pip-version-check", "install", "--quiet"]);
    run_command(pip.args(arguments)).context("pip install")
}

fn install(environment: &Environment, wheel: &Path) -> Result<()> {
    let anew = [OsStr::new("--force-reinstall"), OsStr::new("--no-deps"), wheel.as_os_str()];
    pip(environment, &anew)
}

/// Runs the comparison with the peers that can be installed. It names the others, with the reason.
fn compare(environment: &Environment, wheel: &Path, pass_on: &[String]) -> Result<String> {
    install(environment, wheel)?;
    let dir = root().join("benches/python");
    let mut comparison = Command::new(&environment.python);
    let peers = std::fs::read_to_string(dir.join("requirements.txt")).context("read the peers")?;
    for peer in peers.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if pip(environment, &[OsStr::new(peer)]).is_err() {
            let module = peer.split("==").next().unwrap_or(peer).replace('-', "_");
            comparison.env(format!("PEER_{module}"), format!("pip cannot install {peer}"));
        }
    }
    run_command(comparison.arg(dir.join("compare.py")).args(pass_on).current_dir(place()))?;
    Ok("compared".to_owned())
}

/// Builds the wheel; returns its path.
fn build(environment: &Environment) -> Result<PathBuf> {
    let wheels = place().join("wheels");
    if wheels.exists() {
        std::fs::remove_dir_all(&wheels).context("remove the old wheel")?;
    }
    let mut maturin = environment.module("maturin");
    maturin.args(["build", "--quiet", "--release", "--interpreter"]).arg(&environment.python);
    run_command(maturin.arg("--out").arg(&wheels).current_dir(package()))?;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&wheels).context("find the wheel")? {
        found.push(entry?.path());
    }
    match <[PathBuf; 1]>::try_from(found) {
        Ok([wheel]) if wheel.to_string_lossy().contains("-cp39-abi3-") => Ok(wheel),
        Ok([wheel]) => bail!("{} is not for all versions from 3.9 on", wheel.display()),
        Err(found) => bail!("not one wheel but {}", found.len()),
    }
}

/// Checks the stubs by themselves, against a program that uses them, and against the package.
fn typed(environment: &Environment) -> Result<()> {
    let cache = place().join("mypy");
    let mut mypy = environment.module("mypy");
    mypy.args(["--strict", "--warn-unused-ignores", "--cache-dir"]).arg(&cache);
    mypy.arg("tests/typing_sample.py");
    run_command(mypy.current_dir(package()))?;
    let mut stubs = environment.module("mypy");
    stubs.args(["--strict", "--cache-dir"]).arg(&cache);
    stubs.args(["python/shmap/__init__.pyi", "python/shmap/sharedmap.pyi"]);
    run_command(stubs.current_dir(package()))?;
    let mut stubtest = environment.module("mypy.stubtest");
    stubtest.args(["--ignore-missing-stub", "--ignore-disjoint-bases", "shmap"]);
    // From elsewhere, so that the installed package is found and not the sources.
    run_command(stubtest.current_dir(place()))
}
