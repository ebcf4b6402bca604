//! One file, two inodes: a table that is opened below an overlay and in its upper directory.
//!
//! Each inode has file locks of its own, so neither side sees the other one's.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use shm_core::{Namespace, OpenError};
use shm_harness::Child;
use shm_tests::roles::{SKIPPED, scenario};
use shm_tests::{WATCHDOG, options, pattern, test_name};
use slotmap_shm::{Table, TableOpenError, TableOptions};

use super::{open_table, say, wait_for_line};

const ROUNDS: usize = 20;
const VALUE_SIZE: usize = 40;

/// Writes a key of its own and checks what it reads, until stdin has a line; then says how often.
pub fn writes() -> Result<()> {
    let table = open_table()?;
    let key = std::process::id() as i32;
    say("writing")?;
    let ends = std::thread::spawn(wait_for_line);
    let mut writes = 0u64;
    // At least once: on a busy machine the other side may be done before this one begins.
    while writes == 0 || !ends.is_finished() {
        table.upsert(&key, pattern::value(key, writes, VALUE_SIZE))?;
        let sequence = table.get(&key)?.and_then(|value| pattern::sequence(key, &value));
        assert_eq!(sequence, Some(writes));
        writes += 1;
    }
    say(&writes.to_string())
}

/// Opens the table, and says so; at each line it writes, `write` as a registered writer or `add`
/// under the lock, and says what came of it.
pub fn writes_when_told() -> Result<()> {
    let table = match Table::<i32>::open(&Namespace::from_env(), &test_name(), &impatient()) {
        Ok(table) => table,
        Err(TableOpenError::Open(OpenError::ResetBusy { .. })) => return say("in use"),
        Err(e) => return say(&format!("{e:?}")),
    };
    say("open")?;
    let mut key = 1000 * std::process::id() as i32;
    loop {
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line)? == 0 {
            return Ok(());
        }
        let written = if line.trim() == "add" {
            key += 1;
            table.add(&key, b"told")
        } else {
            table.upsert(&1, b"told").map(drop)
        };
        match written {
            Ok(()) => say("done")?,
            Err(e) => say(&format!("{e:?}"))?,
        }
    }
}

/// The same, in a pid namespace of its own.
pub fn foreign_writes_when_told() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWPID)?;
    // The next child is process 1 of the new namespace.
    let mut command = Command::new(std::env::current_exe()?);
    let status = command.args(["scenario", "writes-when-told"]).status()?;
    assert!(status.success(), "{status}");
    Ok(())
}

fn impatient() -> TableOptions {
    let lock_timeout = Some(std::time::Duration::from_millis(500));
    TableOptions::default().lock_timeout(lock_timeout)
}

/// An overlay over a tmpfs, in a mount namespace of its own; its upper directory and the whole.
fn overlay() -> Result<Option<(PathBuf, PathBuf)>> {
    let base = Namespace::from_env().dir().to_owned();
    if let Err(e) = unshare(CloneFlags::CLONE_NEWNS) {
        say(&format!("{SKIPPED}a mount namespace: {e}"))?;
        return Ok(None);
    }
    let (none, flags) = (None::<&str>, MsFlags::empty());
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    mount(Some("tmpfs"), &base, Some("tmpfs"), flags, Some("size=16m,mode=700"))?;
    let [lower, upper, work, whole] = ["lower", "upper", "work", "whole"].map(|d| base.join(d));
    for dir in [&lower, &upper, &work, &whole] {
        std::fs::create_dir(dir)?;
    }
    let layers = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.display(),
        upper.display(),
        work.display()
    );
    if let Err(e) = mount(Some("overlay"), &whole, Some("overlay"), flags, Some(layers.as_str())) {
        say(&format!("{SKIPPED}an overlay: {e}"))?;
        return Ok(None);
    }
    Ok(Some((upper, whole)))
}

fn worker(name: &str, namespace: &Path) -> Result<Child> {
    let binary = std::env::current_exe()?;
    Child::spawn(&mut scenario(&binary.to_string_lossy(), name, namespace))
}

/// Writers on either side write while the other side opens, writes and closes.
pub fn two_inodes() -> Result<()> {
    let Some((upper, whole)) = overlay()? else { return Ok(()) };
    for round in 0..ROUNDS {
        let sides = if round % 2 == 0 { [&upper, &whole] } else { [&whole, &upper] };
        // One directory for each: an overlay does not notice changes of what it has already read.
        std::fs::create_dir(whole.join(round.to_string()))?;
        let [here, there] = sides.map(|dir| Namespace::at(dir.join(round.to_string())));
        Table::<i32>::create(&here, &test_name(), &options(64, VALUE_SIZE))?;
        let mut living = worker("writes", here.dir())?;
        assert_eq!(living.line(WATCHDOG)?, "writing");
        for _ in 0..10 {
            let table = Table::<i32>::open(&there, &test_name(), &TableOptions::default())?;
            for number in 0..100 {
                table.upsert(&1, pattern::value(1, number, VALUE_SIZE))?;
            }
            table.verify()?;
        }
        assert!(living.ask("end", WATCHDOG)?.parse::<u64>()? > 0);
        assert!(living.wait(WATCHDOG)?.success());
        let table = Table::<i32>::open(&here, &test_name(), &TableOptions::default())?;
        table.verify()?;
        assert_eq!(table.len(), 2, "round {round}");
    }
    say("whole")
}

/// The two sides are in different pid namespaces, as a container and its host.
pub fn two_inodes_and_pids() -> Result<()> {
    let Some((upper, whole)) = overlay()? else { return Ok(()) };
    let here = Namespace::at(&upper);
    Table::<i32>::create(&here, &test_name(), &options(64, VALUE_SIZE))?.add(&1, b"")?;
    let mut busy = worker("writes", &upper)?;
    assert_eq!(busy.line(WATCHDOG)?, "writing");
    let mut idle = worker("writes-when-told", &upper)?;
    assert_eq!(idle.line(WATCHDOG)?, "open");
    let mut other = worker("foreign-writes-when-told", &whole)?;
    assert_eq!(other.line(WATCHDOG)?, "open", "beside a busy writer and an idle one");
    for how in ["add", "write", "add"] {
        for writer in [&mut idle, &mut other] {
            assert_eq!(writer.ask(how, WATCHDOG)?, "done");
        }
    }
    assert!(busy.ask("end", WATCHDOG)?.parse::<u64>()? > 0);
    assert!(busy.wait(WATCHDOG)?.success(), "the busy writer goes on");
    idle.kill()?;
    assert_eq!(other.ask("write", WATCHDOG)?, "done");
    other.close_stdin();
    assert!(other.wait(WATCHDOG)?.success());
    let table = Table::<i32>::open(&here, &test_name(), &TableOptions::default())?;
    table.verify()?;
    assert_eq!(table.len(), 2 + 2 * 2);
    say("whole")
}
