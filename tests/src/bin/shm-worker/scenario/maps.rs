//! Roles about published maps.

use std::fs::File;
use std::io::BufRead;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use anyhow::{Result, bail};
use nix::fcntl::{Flock, FlockArg};
use nix::mount::umount;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use nix::sys::stat::Mode;
use shm_core::{Name, Namespace};
use shm_facade::{
    Error, MapOptions, RbTree, ResultCode, SNAPSHOT, Share, ShareOptions, SharedMap, share_sorted,
};
use shm_tests::IN_PLACE;
use shm_tests::test_name;

use super::space::{fill, small_tmpfs};
use super::{files, say, seccomp};

/// A map with this value under `key`.
fn tree(value: &str) -> Result<RbTree> {
    let mut tree = RbTree::new();
    tree.set("key", value)?;
    tree.set("other", "same")?;
    Ok(tree)
}

fn options(force: bool) -> ShareOptions {
    ShareOptions::default().force(force)
}

/// All at once publish under one name, when the test releases its lock on the gate.
pub fn share_at_once(gate: &str, how: &str, way: &str) -> Result<()> {
    seccomp::apply(way)?;
    let tree = tree(&std::process::id().to_string())?;
    let gate = File::open(gate)?;
    say("ready")?;
    drop(Flock::lock(gate, FlockArg::LockShared).map_err(|(_, e)| e)?);
    match tree.share_with("test", &options(how == "force")) {
        Ok(edition) => say(&format!("{edition}")),
        Err(e @ Error::AlreadyExists { .. }) => say(&format!("{:?}", e.code())),
        Err(e) => Err(e.into()),
    }
}

/// One publication, removal or pruning between two marks, traced by the parent.
pub fn traced(what: &str, value: &str, way: &str) -> Result<()> {
    seccomp::apply(way)?;
    let (tree, removing) = (tree(value)?, MapOptions::default());
    let options = options(what == "force");
    ptrace::traceme()?;
    raise(Signal::SIGSTOP)?;
    match what {
        "remove" => SharedMap::remove_with("test", &removing)?,
        "prune" => drop(shm_facade::prune(&removing.namespace)?),
        "share" | "force" => drop(tree.share_with("test", &options)?),
        other => bail!("unknown way {other:?}"),
    }
    raise(Signal::SIGSTOP)?;
    Ok(())
}

/// Has the map open, and does what each line says.
pub fn reader() -> Result<()> {
    let mut map = SharedMap::open("test", IN_PLACE)?;
    let first = map.get_str("key").transpose()?.unwrap_or("none").to_owned();
    say(&format!("open {} {first}", map.edition()))?;
    for line in std::io::stdin().lock().lines() {
        let said = match line?.as_str() {
            "get" => String::new(),
            "refresh" => format!("{} ", map.refresh()?),
            "removed" => format!("{} ", map.is_removed()?),
            "wait" => {
                say("waiting")?;
                format!("{} ", map.wait_for_update(Duration::from_secs(3600))?)
            }
            other => bail!("unknown line {other:?}"),
        };
        let value = map.get_str("key").transpose()?.unwrap_or("none");
        say(&format!("{said}{} {value}", map.edition()))?;
    }
    Ok(())
}

pub fn umask(umask: &str, mode: &str, way: &str) -> Result<()> {
    seccomp::apply(way)?;
    let mode = u32::from_str_radix(mode, 8)?;
    nix::sys::stat::umask(Mode::from_bits_truncate(u32::from_str_radix(umask, 8)?));
    let namespace = Namespace::from_env();
    for force in [false, true] {
        tree("new")?.share_with("test", &options(force).mode(mode))?;
        for (kind, expected) in [(SNAPSHOT.kind, mode), (SNAPSHOT.control, mode | 0o200)] {
            let found = namespace.path_of(&test_name(), kind).metadata()?.mode() & 0o7777;
            assert_eq!(format!("{found:o}"), format!("{expected:o}"), "umask {umask}, {way}");
        }
    }
    assert_eq!(files()?.len(), 2, "nothing beside the map");
    Ok(())
}

/// Opens whatever is at the map's name, in every way, and says what came of it.
pub fn probe() -> Result<()> {
    let options = MapOptions::default();
    let said = |what: &str, result: Result<usize, Error>| match result {
        Ok(len) => say(&format!("{what}: ok: {len} entries")),
        Err(e) => say(&format!("{what}: {:?} {e:?}", e.code())),
    };
    said("open", SharedMap::open_with("test", &options, IN_PLACE).map(|map| map.len()))?;
    said("copy", SharedMap::open_copy_with("test", &options).map(|map| map.len()))?;
    said("share", tree("new")?.share_with("test", &self::options(false)).map(|_| 0))
}

/// Removes the map and says what came of it.
pub fn remove() -> Result<()> {
    match SharedMap::remove_with("test", &MapOptions::default()) {
        Ok(()) => say("removed"),
        Err(e) => say(&format!("{:?}", e.code())),
    }
}

pub fn full_disk(way: &str) -> Result<()> {
    let namespace = Namespace::from_env();
    if !small_tmpfs(&namespace, "size=1m,mode=700")? {
        return Ok(());
    }
    seccomp::apply(way)?;
    tree("small")?.share_with("test", &options(false))?;
    let one = files()?;
    let mut large = RbTree::new();
    for number in 0..20_000_u32 {
        large.set(number.to_be_bytes(), [1; 60])?;
    }
    let no_space = |name: &str, force| match large.share_with(name, &options(force)) {
        Err(e) => assert_eq!(e.code(), ResultCode::NoSpace, "{e:?}"),
        Ok(_) => panic!("there was room"),
    };
    no_space("test", true);
    no_space("second", false);
    // Here, the size is not known beforehand.
    let in_order = share_sorted("test", &options(true), |map| {
        (0..20_000u32).try_for_each(|number| map.push(number.to_be_bytes(), [1; 60]))
    });
    assert_eq!(in_order.map_err(|e| e.code()), Err(ResultCode::NoSpace));
    assert_eq!(files()?, one, "no name, no litter");
    let map = SharedMap::open("test", IN_PLACE)?;
    assert_eq!((map.get("key"), map.edition()), (Some(&b"small"[..]), 1));
    map.verify()?;

    // Not a page is left: not for the control segment of another name either.
    let filler = fill(&namespace)?;
    for (name, force) in [("test", true), ("second", false)] {
        let error = tree("new")?.share_with(name, &options(force)).map(drop).unwrap_err();
        assert_eq!(error.code(), ResultCode::NoSpace, "{error:?}");
    }
    assert_eq!(files()?.len(), one.len() + 1);
    map.verify()?;
    std::fs::remove_file(filler)?;
    assert_eq!(tree("new")?.share_with("test", &options(true))?, 2);
    namespace.unlink(&Name::new("test")?, SNAPSHOT.kind)?;
    drop(map);
    umount(namespace.dir())?;
    Ok(())
}
