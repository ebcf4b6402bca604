//! `cargo xtask python` when there is no Python, or not the requested one.

use std::path::Path;
use std::process::{Command, Output};

/// Runs the command in an environment where nothing is installed, after `prepare`.
fn xtask(name: &str, prepare: impl FnOnce(&Path), arguments: &[&str]) -> Output {
    let name = format!("{name}-{}", std::process::id());
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&dir).unwrap();
    prepare(&dir);
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    xtask.arg("python").args(arguments).env("PATH", &dir).env("HOME", &dir);
    xtask.env_remove("PYENV_ROOT").env("CARGO_TARGET_DIR", dir.join("target"));
    let output = xtask.output().unwrap();
    assert!(!dir.join("target").exists(), "nothing was built");
    std::fs::remove_dir_all(&dir).unwrap();
    output
}

/// A program that answers as a Python would.
fn python_that_says(answer: &str) -> impl Fn(&Path) {
    use std::os::unix::fs::PermissionsExt;
    let script = format!("#!/bin/sh\necho '{answer}'\n");
    move |dir| {
        let program = dir.join("python3");
        std::fs::write(&program, &script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn says_what_was_skipped(output: &Output) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let wanted = "skipped the wheel, its tests, and the checks of its stubs: there is no CPython";
    assert!(text.starts_with(wanted), "{text}");
}

#[test]
fn without_a_python_it_says_what_was_skipped() {
    says_what_was_skipped(&xtask("no-python", |_| (), &[]));
}

#[test]
fn a_python_that_is_too_old_or_another_one_is_none() {
    for answer in ["cpython 3 8 /old", "cpython 2 7 /older", "pypy 3 11 /other", "what?", ""] {
        says_what_was_skipped(&xtask("old-python", python_that_says(answer), &[]));
    }
}

#[test]
fn a_python_that_was_asked_for_must_be_there() {
    for asked in ["/nowhere/python3", "/dev/null"] {
        let output = xtask("asked-python", |_| (), &["--python", asked]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{output:?}");
        assert!(text.contains(&format!("{asked} is no CPython of version 3.9 or later")), "{text}");
    }
}
