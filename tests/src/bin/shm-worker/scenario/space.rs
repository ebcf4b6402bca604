//! No room: a full tmpfs, no inodes, a limit on the size of files.

#![allow(unsafe_code, reason = "signal")]

use std::io::Write;

use anyhow::Result;
use nix::mount::{MsFlags, mount, umount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigHandler, Signal, signal};
use shm_core::{CreateError, Name, Namespace};
use shm_facade::{ResultCode, StatusOptions, StatusTable};
use shm_tests::roles::SKIPPED;
use shm_tests::{options, test_name};
use slotmap_shm::{KIND, Table, TableOpenError, TableOptions, TableReader};

use super::{files, say, seccomp};

/// A tmpfs over the namespace, in a mount namespace that ends with this process.
pub fn small_tmpfs(namespace: &Namespace, size: &str) -> Result<bool> {
    if let Err(e) = unshare(CloneFlags::CLONE_NEWNS) {
        say(&format!("{SKIPPED}a mount namespace: {e}"))?;
        return Ok(false);
    }
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    mount(Some("tmpfs"), namespace.dir(), Some("tmpfs"), MsFlags::empty(), Some(size))?;
    Ok(true)
}

fn no_space<T>(result: Result<T, TableOpenError>) -> u64 {
    match result {
        Err(TableOpenError::Create(CreateError::NoSpace { needed, .. })) => needed,
        Err(other) => panic!("not a lack of space: {other:?}"),
        Ok(_) => panic!("there was room"),
    }
}

pub fn full_disk(way: &str) -> Result<()> {
    let namespace = Namespace::from_env();
    if !small_tmpfs(&namespace, "size=1m,mode=700")? {
        return Ok(());
    }
    seccomp::apply(way)?;
    let second = Name::new("second")?;
    let defaults = TableOptions::default();
    let table = Table::<i32>::create(&namespace, &test_name(), &defaults)?;
    let one = files()?;

    // The second table of some 600 KiB does not fit.
    let needed = no_space(Table::<i32>::create(&namespace, &second, &defaults));
    assert_eq!(needed, table.stats().file_len);
    no_space(Table::<i32>::open_or_create(&namespace, &second, &defaults));
    assert_eq!(files()?, one, "no name, no litter");
    let status = StatusOptions { namespace: namespace.clone(), ..StatusOptions::default() };
    let code = StatusTable::instance_with("second", &status).map_err(|e| e.code()).map(drop);
    assert_eq!(code, Err(ResultCode::NoSpace));

    // Not a page is left: every store into the first table has its memory already.
    let filler = fill(&namespace)?;
    for key in 0..1024 {
        table.add(&key, &[key as u8; 256])?;
    }
    table.clear()?;
    let entries: Vec<_> = (0..1024).map(|key| (-key, [key as u8; 256])).collect();
    table.upsert_many(&entries)?;
    table.verify()?;
    for small in [options(1, 0), options(16, 8), defaults] {
        no_space(Table::<i32>::create(&namespace, &second, &small));
        assert_eq!(files()?.len(), one.len() + 1);
    }

    // Once there is room again, there is nothing in the way.
    std::fs::remove_file(filler)?;
    namespace.unlink(&test_name(), KIND)?;
    drop(table);
    Table::<i32>::create(&namespace, &second, &TableOptions::default())?.add(&1, b"fits")?;
    namespace.unlink(&second, KIND)?;
    umount(namespace.dir())?;
    large(&namespace)?;
    no_inodes(&namespace)
}

/// Files of more than two huge pages on a tmpfs that has just their size, or a little less.
fn large(namespace: &Namespace) -> Result<()> {
    const VALUE: usize = 2048;
    let (name, options) = (test_name(), options(1024, VALUE));
    for (size, fits) in [("size=5m,mode=700", true), ("size=4m,mode=700", false)] {
        mount(Some("tmpfs"), namespace.dir(), Some("tmpfs"), MsFlags::empty(), Some(size))?;
        if fits {
            let table = Table::<i32>::create(namespace, &name, &options)?;
            assert!(table.stats().file_len > 2 << 21);
            let filler = fill(namespace)?;
            for key in 0..1024 {
                table.add(&key, &[key as u8; VALUE])?;
            }
            table.verify()?;
            let reader = TableReader::<i32>::open(namespace, &name, &options)?;
            for key in 0..1024 {
                assert_eq!(reader.get(&key)?.as_deref(), Some(&[key as u8; VALUE][..]));
            }
            std::fs::remove_file(filler)?;
            namespace.unlink(&name, KIND)?;
        } else {
            no_space(Table::<i32>::create(namespace, &name, &options));
            assert_eq!(files()?, [""; 0], "no name, no litter");
        }
        umount(namespace.dir())?;
    }
    Ok(())
}

pub fn fill(namespace: &Namespace) -> Result<std::path::PathBuf> {
    let path = namespace.dir().join("filler");
    let mut file = std::fs::File::create(&path)?;
    while file.write(&[1; 4096]).is_ok_and(|n| n > 0) {}
    Ok(path)
}

/// Two inodes: the directory's, and one.
fn no_inodes(namespace: &Namespace) -> Result<()> {
    let none = "nr_inodes=2,mode=700";
    mount(Some("tmpfs"), namespace.dir(), Some("tmpfs"), MsFlags::empty(), Some(none))?;
    std::fs::write(namespace.dir().join("file"), "")?;
    no_space(Table::<i32>::create(namespace, &test_name(), &options(4, 8)));
    assert_eq!(files()?, ["file"]);
    Ok(())
}

pub fn file_limit(way: &str) -> Result<()> {
    seccomp::apply(way)?;
    let (namespace, name) = (Namespace::from_env(), test_name());
    // SAFETY: ignoring a signal runs no handler.
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }?;
    setrlimit(Resource::RLIMIT_FSIZE, 300 * 1024, 300 * 1024)?;
    let needed = no_space(Table::<i32>::create(&namespace, &name, &TableOptions::default()));
    assert!(needed > 300 * 1024);
    assert_eq!(files()?, [""; 0], "no name, no litter");
    Table::<i32>::create(&namespace, &name, &options(16, 8))?.add(&1, b"fits")?;
    assert_eq!(files()?.len(), 1);
    Ok(())
}
