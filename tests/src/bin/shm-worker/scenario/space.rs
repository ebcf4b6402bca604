//! No space: a full tmpfs, no inodes, a limit on the size of files.

use std::io::Write;

use anyhow::Result;
use nix::mount::{MsFlags, mount, umount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, setrlimit};
use shm_core::{CreateError, IoError, Limit, Name, Namespace, OpenError};
use shm_facade::{
    Error, RbTree, ResultCode, Share, ShareOptions, SharedMap, StatusOptions, StatusTable,
    share_sorted,
};
use shm_tests::roles::SKIPPED;
use shm_tests::{IN_PLACE, options, test_name};
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
    let status = StatusOptions::default().namespace(namespace.clone());
    let code = StatusTable::instance_with("second", &status).map_err(|e| e.code()).map(drop);
    assert_eq!(code, Err(ResultCode::NoSpace));

    // Not a page is left: every store into the first table has its memory already.
    let filler = fill(&namespace)?;
    for key in 0..1024 {
        table.add(&key, [key as u8; 256])?;
    }
    table.clear()?;
    let entries: Vec<_> = (0..1024).map(|key| (-key, [key as u8; 256])).collect();
    table.upsert_many(&entries)?;
    table.verify()?;
    for small in [options(1, 0), options(16, 8), defaults] {
        no_space(Table::<i32>::create(&namespace, &second, &small));
        assert_eq!(files()?.len(), one.len() + 1);
    }

    // Once there is space again, everything works.
    std::fs::remove_file(filler)?;
    namespace.unlink(&test_name(), KIND)?;
    drop(table);
    Table::<i32>::create(&namespace, &second, &TableOptions::default())?.add(&1, b"fits")?;
    namespace.unlink(&second, KIND)?;
    umount(namespace.dir())?;
    large(&namespace)?;
    mount(Some("tmpfs"), namespace.dir(), Some("tmpfs"), MsFlags::empty(), Some("size=4m"))?;
    impossible(&namespace, &test_name())?;
    umount(namespace.dir())?;
    no_inodes(&namespace)
}

/// Files of more than two huge pages on a tmpfs that has exactly their size, or a little less.
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
                table.add(&key, [key as u8; VALUE])?;
            }
            table.verify()?;
            let reader = TableReader::<i32>::open_read_only(
                namespace,
                &name,
                &shm_tests::reading(&options),
            )?;
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

/// Sizes that no machine has: refused by their number, with nothing allocated.
fn impossible(namespace: &Namespace, name: &Name) -> Result<()> {
    let free =
        || Ok::<_, anyhow::Error>(nix::sys::statvfs::statvfs(namespace.dir())?.blocks_free());
    let before = free()?;
    // 2^28 entries of 16 MiB, and a little more than there is.
    for (capacity, value_size) in [(1 << 28, 16 << 20), (64, 16 << 20)] {
        let huge = options(capacity, value_size);
        let error = Table::<i32>::create(namespace, name, &huge).map(drop).unwrap_err();
        let TableOpenError::Create(CreateError::NoSpace { needed, available, .. }) = error else {
            panic!("{error:?}");
        };
        assert!(needed > capacity as u64 * value_size as u64, "{needed}");
        assert!(available < needed && available <= 4 << 20, "{available}");
        assert_eq!(free()?, before, "something was allocated");
    }
    Ok(())
}

/// The same in a namespace without a limit: then the memory of the machine is the limit.
pub fn impossible_sizes() -> Result<()> {
    let namespace = Namespace::from_env();
    if !small_tmpfs(&namespace, "size=0,nr_inodes=0,mode=700")? {
        return Ok(());
    }
    let huge = options(1 << 28, 16 << 20);
    let error = Table::<i32>::create(&namespace, &test_name(), &huge).map(drop).unwrap_err();
    let TableOpenError::Create(CreateError::NoMemory { needed, available, .. }) = error else {
        panic!("{error:?}");
    };
    assert!(needed > 1 << 52 && available > 0 && available < 1 << 52, "{needed} {available}");
    assert_eq!(files()?, [""; 0]);
    Ok(())
}

/// Two inodes: the directory's, and one.
fn no_inodes(namespace: &Namespace) -> Result<()> {
    let none = "nr_inodes=2,mode=700";
    mount(Some("tmpfs"), namespace.dir(), Some("tmpfs"), MsFlags::empty(), Some(none))?;
    std::fs::write(namespace.dir().join("file"), "")?;
    let error =
        Table::<i32>::create(namespace, &test_name(), &options(4, 8)).map(drop).unwrap_err();
    let TableOpenError::Create(CreateError::NoInodes { total: 2, .. }) = error else {
        panic!("not a lack of inodes: {error:?}");
    };
    let share = ShareOptions::default().namespace(namespace.clone());
    let error = RbTree::new().share_with("test", &share).unwrap_err();
    assert_eq!(error.code(), ResultCode::NoSpace);
    assert!(error.to_string().contains("inode"), "{error}");
    assert_eq!(files()?, ["file"]);
    Ok(())
}

/// Nothing ignores SIGXFSZ here: a write beyond the limit would end this process.
pub fn file_limit(way: &str) -> Result<()> {
    const LIMIT: u64 = 300 * 1024;
    seccomp::apply(way)?;
    let (namespace, name) = (Namespace::from_env(), test_name());
    let (saved, table) = (namespace.dir().join("saved"), TableOptions::default());
    let mut large = RbTree::new();
    for number in 0..10_000_u32 {
        large.set(number.to_be_bytes(), [1; 60])?;
    }
    let force = ShareOptions::default().force(true);
    setrlimit(Resource::RLIMIT_FSIZE, LIMIT, LIMIT)?;

    let refused = |error: &CreateError| match error {
        CreateError::FileSizeLimit { needed, limit: LIMIT, .. } => assert!(*needed > LIMIT),
        other => panic!("{other:?}"),
    };
    for call in [Table::<i32>::create, Table::<i32>::open_or_create] {
        match call(&namespace, &name, &table).map(drop) {
            Err(TableOpenError::Create(e)) => refused(&e),
            other => panic!("{other:?}"),
        }
    }
    let calls = [large.share_with("test", &force).map(drop), large.save(&saved)];
    for outcome in calls {
        match outcome {
            Err(Error::Create(e)) => refused(&e),
            other => panic!("{other:?}"),
        }
    }
    // Without a length that is known beforehand, the limit is noticed while the map is built.
    let in_order = share_sorted("test", &force, |map| {
        (0..LIMIT / 8).try_for_each(|number| map.push(number.to_be_bytes(), []))
    });
    match in_order {
        Err(Error::Create(e)) => refused(&e),
        other => panic!("{other:?}"),
    }
    assert_eq!(files()?, [""; 0], "no name, no litter");
    Table::<i32>::create(&namespace, &name, &options(16, 8))?.add(&1, b"fits")?;
    let mut small = RbTree::new();
    small.set("key", "fits")?;
    small.share_with("test", &force)?;
    small.save(&saved)?;
    assert_eq!(files()?.len(), 4);

    // A copy of a table needs a few bytes when it is opened first.
    let copy = Name::new("copy")?;
    std::fs::copy(namespace.path_of(&name, KIND), namespace.path_of(&copy, KIND))?;
    setrlimit(Resource::RLIMIT_FSIZE, 0, LIMIT)?;
    let error = Table::<i32>::open(&namespace, &copy, &table).map(drop).unwrap_err();
    assert!(
        matches!(
            error,
            TableOpenError::Open(OpenError::Io(IoError {
                limit: Some(Limit::FileSize { limit: 0 }),
                ..
            }))
        ),
        "{error:?}"
    );
    namespace.unlink(&copy, KIND)?;

    // Not even one page is left: what exists can be read, and missing names are still reported as
    // such.
    setrlimit(Resource::RLIMIT_FSIZE, 1024, LIMIT)?;
    assert_eq!(
        Table::<i32>::open(&namespace, &name, &table)?.get(&1)?.as_deref(),
        Some(&b"fits"[..])
    );
    assert_eq!(small.share_with("test", &force).unwrap_err().code(), ResultCode::NoSpace);
    assert_eq!(small.share_with("other", &force).unwrap_err().code(), ResultCode::NoSpace);
    SharedMap::open("test", IN_PLACE)?.verify()?;
    SharedMap::remove("test")?;
    assert_eq!(files()?.len(), 2);
    Ok(())
}
