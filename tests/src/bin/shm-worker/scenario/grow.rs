//! Roles about tables that grow.

use anyhow::Result;
use nix::mount::umount;
use shm_core::{CreateError, Namespace};
use shm_tests::test_name;
use slotmap_shm::{Eviction, Geometry, KIND, Table, TableError, TableOptions, TableReader};

use super::space::small_tmpfs;
use super::{open_table, say};

fn value(key: i32) -> [u8; 8] {
    i64::from(key).to_le_bytes()
}

/// Adds keys from this one on, and stores under key -1 how many there are.
pub fn grow(from: i32) -> Result<()> {
    let table = open_table()?;
    say("started")?;
    for key in from..60_000 {
        table.upsert(&key, value(key))?;
        table.upsert(&-1, value(key + 1))?;
    }
    Ok(())
}

/// Adds one key to a full table.
pub fn grow_once(key: i32) -> Result<()> {
    let table = open_table()?;
    say("started")?;
    table.add(&key, value(key))?;
    say("grown")?;
    super::wait()
}

/// A tmpfs that has room for some levels.
pub fn grow_full_disk() -> Result<()> {
    let namespace = Namespace::from_env();
    if !small_tmpfs(&namespace, "size=1m,mode=700")? {
        return Ok(());
    }
    let options = TableOptions::default().capacity(16).max_capacity(1 << 20);
    let table = Table::<i32>::create(&namespace, &test_name(), &options)?;
    let reader = TableReader::<i32>::open_read_only(
        &namespace,
        &test_name(),
        &slotmap_shm::ReadOptions::default(),
    )?;
    let mut added = 0;
    let missing = loop {
        match table.add(&added, value(added)) {
            Ok(()) => added += 1,
            Err(TableError::Full { capacity, source: Some(source) }) => {
                assert_eq!(capacity, added as usize);
                break source;
            }
            Err(other) => return Err(other.into()),
        }
    };
    let CreateError::NoSpace { needed, available, dir } = *missing else {
        panic!("not a lack of space: {missing:?}")
    };
    assert!(needed > available && dir == namespace.dir(), "{needed} {available}");
    // What is missing is the difference, not the whole of the next capacity: a slot has 576 bytes.
    assert!(needed < 2 * 576 * added as u64, "{needed} for {added} more");
    // Nothing was changed, and everything goes on.
    for key in 0..added {
        assert_eq!(reader.get(&key)?.as_deref(), Some(&value(key)[..]));
        table.update(&key, value(key))?;
    }
    assert!(!table.contains_key(&added)?);
    table.verify()?;
    table.remove(&0)?;
    table.add(&added, value(added))?;
    // With more room it grows on.
    enlarge(&namespace)?;
    table.add(&-1, value(-1))?;
    assert_eq!(reader.len(), added as usize + 1);
    assert!(reader.capacity() > added as usize);
    table.verify()?;
    drop((table, reader));
    evicts_where_it_cannot_grow(&namespace)?;
    umount(namespace.dir())?;
    Ok(())
}

/// A table that may grow and evicts has no error where there is no memory to grow.
fn evicts_where_it_cannot_grow(namespace: &Namespace) -> Result<()> {
    namespace.unlink(&test_name(), KIND)?;
    let geometry = Geometry::default().capacity(16).max_capacity(1 << 20);
    let geometry = geometry.eviction(Eviction::LeastRecentlyWritten);
    let options = TableOptions::default().geometry(geometry);
    let table = Table::<i32>::create(namespace, &test_name(), &options)?;
    let mut added = 0;
    while table.stats().evicted < 100 {
        table.add(&added, value(added))?;
        added += 1;
    }
    let stats = table.stats();
    assert!(stats.capacity > 16 && stats.capacity < stats.max_capacity, "{stats:?}");
    assert_eq!(stats.len, stats.capacity);
    for key in 0..added {
        assert_eq!(table.contains_key(&key)?, key >= 100, "{key}");
    }
    table.verify()?;
    Ok(())
}

/// Makes the tmpfs larger.
fn enlarge(namespace: &Namespace) -> Result<()> {
    use nix::mount::{MsFlags, mount};
    let size = Some("size=16m");
    mount(Some("tmpfs"), namespace.dir(), Some("tmpfs"), MsFlags::MS_REMOUNT, size)?;
    Ok(())
}
