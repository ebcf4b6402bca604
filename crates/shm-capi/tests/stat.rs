//! What `shmap stat` says of a writer that is a C program.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test, and its helpers")]
#![allow(dead_code, reason = "the helpers are those of `programs.rs`")]

mod support;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use shm_facade::{KeyKind, Name, Namespace, TableOptions, UntypedTable};
use shm_harness::{Child, TempNamespace};
use support::{C11, Link, built, compile, must, root};

const WATCHDOG: Duration = Duration::from_secs(120);

/// The command line, if it was built beside this test, as a build of the workspace does.
fn shmap() -> Option<PathBuf> {
    let program = built().parent().unwrap().join("shmap");
    if !program.exists() {
        println!("skipped: `shmap` is not built: cargo build -p shm-cli");
    }
    program.exists().then_some(program)
}

/// The line of `stat` that tells who writes.
fn line(shmap: &PathBuf, namespace: &TempNamespace) -> String {
    let mut stat = Command::new(shmap);
    let said = must(stat.args(["stat", "jobs"]).env("SHMAP_DIR", namespace.path()));
    said.lines().find(|line| line.starts_with("writers\t")).unwrap().to_owned()
}

#[test]
fn a_program_in_c_is_told_with_its_writes() {
    let source = root().join("tests/c/writer.c");
    let Some(program) = compile(C11, &source, "writer-in-c", Link::Shared) else { return };
    let namespace = TempNamespace::new().unwrap();
    let (place, name) = (Namespace::at(namespace.path()), Name::new("jobs").unwrap());
    let options = TableOptions::default();
    let table = UntypedTable::create_with_kind(&place, &name, KeyKind::I32, &options).unwrap();
    table.add(&7.into(), b"queued").unwrap();
    let mut command = Command::new(&program);
    let mut child = Child::spawn(command.arg("jobs").env("SHMAP_DIR", namespace.path())).unwrap();
    let pid = child.pid().as_raw() as u32;
    // It is registered by its first write. That of this thread was made under the lock.
    assert_eq!(table.writers().len(), 1);
    for (more, writes) in [(1, 1), (1233, 1234)] {
        assert_eq!(child.ask(&more.to_string(), WATCHDOG).unwrap(), "written");
        let (own, theirs): (Vec<_>, Vec<_>) =
            table.writers().into_iter().partition(|writer| writer.pid != pid);
        let ([own], [theirs]) = (&own[..], &theirs[..]) else { panic!("{own:?}, {theirs:?}") };
        assert_eq!((own.pid, own.is_alive, own.writes), (std::process::id(), true, 0));
        assert_eq!((theirs.pid, theirs.tid, theirs.is_alive), (pid, pid, true));
        assert_eq!((theirs.command.as_deref(), theirs.writes), (Some("writer-in-c"), writes));
    }
    drop(table);
    let ended = "(1 has ended, with 0 writes)";
    if let Some(shmap) = shmap() {
        let told = format!("writers\t{pid} writer-in-c (1,234 writes), {ended}");
        assert_eq!(line(&shmap, &namespace), told);
        child.kill().unwrap();
        let ended = "writers\tnobody now, (2 have ended, with 1,234 writes)";
        assert_eq!(line(&shmap, &namespace), ended);
    }
}
