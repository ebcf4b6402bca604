//! Compilers, and libshmap installed where they find it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use shm_harness::{Child, TempNamespace};

/// Ends a process that hangs; far longer than any normal run, even under valgrind on a busy
/// machine.
const WATCHDOG: Duration = Duration::from_secs(300);

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// True when a tool is there; otherwise says what is skipped.
pub(crate) fn have(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok_and(|out| out.status.success());
    if !found {
        println!("skipped: there is no {tool}");
    }
    found
}

/// Where the libraries are: beside this test, for which cargo built them.
pub(crate) fn built() -> PathBuf {
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    for library in ["libshmap.so", "libshmap.a"] {
        assert!(deps.join(library).exists(), "{library} is not in {}", deps.display());
    }
    deps
}

/// A fresh installation, made by `install.sh` once for each test run.
pub(crate) fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
        sweep(tmp);
        let prefix = tmp.join(format!("capi-{}", std::process::id()));
        std::fs::create_dir_all(prefix.join("programs")).unwrap();
        let mut install = Command::new(root().join("install.sh"));
        install.arg("--prefix").arg(&prefix).arg("--from").arg(built());
        must(&mut install);
        prefix
    })
}

/// Removes the installations of runs that are over.
fn sweep(tmp: &Path) {
    for entry in std::fs::read_dir(tmp).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(pid) = name.strip_prefix("capi-") else { continue };
        if !Path::new("/proc").join(pid).exists() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Runs a command that must succeed; returns what it printed.
pub(crate) fn must(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}{err}", output.status);
    out.into_owned()
}

/// How a program is linked.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Link {
    Shared,
    Static,
}

/// A language, its compiler and its standard.
#[derive(Clone, Copy)]
pub(crate) struct Language {
    pub(crate) compiler: &'static str,
    pub(crate) flags: &'static [&'static str],
}

pub(crate) const C11: Language =
    Language { compiler: "gcc", flags: &["-std=c11", "-D_GNU_SOURCE", "-Wpedantic"] };
pub(crate) const CPP17: Language =
    Language { compiler: "g++", flags: &["-std=c++17", "-Wpedantic"] };

/// Compiles a program; nothing when there is no compiler.
pub(crate) fn compile(
    language: Language,
    source: &Path,
    name: &str,
    link: Link,
) -> Option<PathBuf> {
    if !have(language.compiler) {
        return None;
    }
    let prefix = prefix();
    let program = prefix.join("programs").join(name);
    let mut command = Command::new(language.compiler);
    command.args(["-g", "-Wall", "-Wextra", "-Werror"]).args(language.flags);
    command.arg("-I").arg(prefix.join("include")).arg(source).arg("-o").arg(&program);
    command.arg("-L").arg(prefix.join("lib"));
    match link {
        Link::Shared => {
            command.arg("-lshmap").arg(format!("-Wl,-rpath,{}/lib", prefix.display()));
        }
        Link::Static => {
            command.args([
                "-l:libshmap.a",
                "-lpthread",
                "-ldl",
                "-lm",
                "-lrt",
                "-lutil",
                "-lgcc_s",
            ]);
        }
    }
    command.arg("-pthread");
    must(&mut command);
    Some(program)
}

/// Runs a program in a namespace of its own, which it must leave empty; returns what it printed.
pub(crate) fn run(command: &mut Command) -> Vec<String> {
    let namespace = TempNamespace::new().unwrap();
    let lines = run_in(command, namespace.path());
    let left = namespace.files().unwrap();
    assert!(left.is_empty(), "{command:?} left {left:?}");
    lines
}

/// Runs a program in a namespace to its end; it must succeed.
pub(crate) fn run_in(command: &mut Command, namespace: &Path) -> Vec<String> {
    command.env("SHMAP_DIR", namespace);
    let mut child = Child::spawn(command).unwrap();
    child.close_stdin();
    let mut lines = Vec::new();
    while let Ok(line) = child.line(WATCHDOG) {
        lines.push(line);
    }
    let status = child.wait(WATCHDOG).unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}; it said {lines:#?}");
    lines
}

const VALGRIND: [&str; 5] = [
    "--quiet",
    "--error-exitcode=9",
    "--leak-check=full",
    "--track-fds=no",
    "--errors-for-leak-kinds=definite,indirect,possible",
];

/// The program under valgrind; nothing where that is missing.
pub(crate) fn valgrind(program: &Path) -> Option<Command> {
    if !have("valgrind") {
        return None;
    }
    let mut command = Command::new("valgrind");
    command.args(VALGRIND).arg(program);
    Some(command)
}

/// The same, for a program whose forked children have memory in which threads that they do not have
/// left off.
pub(crate) fn valgrind_without_leaks(program: &Path) -> Option<Command> {
    if !have("valgrind") {
        return None;
    }
    let mut command = Command::new("valgrind");
    command
        .args(["--quiet", "--error-exitcode=9", "--leak-check=no", "--fair-sched=try"])
        .arg(program);
    Some(command)
}

/// The program under valgrind as another user, for root only; nothing where a tool is missing. It
/// is started through a descriptor, so that the user needs no access to the directories above it.
pub(crate) fn valgrind_as(user: u32, program: &Path) -> Option<Command> {
    if !have("valgrind") || !have("setpriv") {
        return None;
    }
    let user = format!("setpriv --reuid={user} --regid={user} --clear-groups");
    let script = format!("exec {user} valgrind {} /proc/self/fd/3 3< \"$0\"", VALGRIND.join(" "));
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(program).current_dir("/");
    Some(command)
}
