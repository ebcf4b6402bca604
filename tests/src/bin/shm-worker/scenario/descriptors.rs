//! A program that closes all descriptors, as daemons do, and opens its own instead.

#![allow(unsafe_code, reason = "closing descriptors that others own")]

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use shm_core::{LostDescriptor, Name, Namespace, Trust};
use shm_facade::{MapOptions, RbTree, ReadOptions, SNAPSHOT, Share, ShareOptions, SharedMap};
use shm_tests::{IN_PLACE, options, test_name};
use slotmap_shm::{KIND, Table, TableOptions, TableReader};

use super::files;

/// The least descriptor that this program did not get from its parent.
const FIRST: RawFd = 3;
const LAST: RawFd = 63;

/// Closes all descriptors, whoever they belong to.
fn close_all() {
    for fd in FIRST..=LAST {
        // SAFETY: it is what this test is about; its own descriptors are opened afterwards.
        unsafe { libc::close(fd) };
    }
}

/// What the program opens next, until the numbers that were closed are all in use: and what each
/// is.
struct Own {
    open: Vec<OwnedFd>,
    before: Vec<(u64, u64)>,
}

impl Own {
    fn take_all(what: &str, path: &Path) -> Result<Self> {
        let mut open: Vec<OwnedFd> = Vec::new();
        while open.last().is_none_or(|fd| fd.as_raw_fd() < LAST) {
            match what {
                "nothing" => break,
                "log" => open.push(File::create(path.with_file_name("log"))?.into()),
                "pipe" => open.extend(<[OwnedFd; 2]>::from(nix::unistd::pipe()?)),
                "socket" => {
                    open.extend(<[UnixStream; 2]>::from(UnixStream::pair()?).map(OwnedFd::from))
                }
                // The very files, but not these openings of them.
                "same" => open.push(File::open(path)?.into()),
                "path" => {
                    let flags = libc::O_PATH | libc::O_CLOEXEC;
                    let mut how = File::options();
                    open.push(how.read(true).custom_flags(flags).open(path)?.into());
                }
                other => bail!("unknown way {other:?}"),
            }
        }
        let before = Self::seen(&open);
        Ok(Self { open, before })
    }

    fn seen(open: &[OwnedFd]) -> Vec<(u64, u64)> {
        let link = |fd: &OwnedFd| std::fs::metadata(format!("/proc/self/fd/{}", fd.as_raw_fd()));
        open.iter().map(|fd| link(fd).map_or((0, 0), |meta| (meta.dev(), meta.ino()))).collect()
    }

    /// Each is still open, and what it was.
    fn check(&self) {
        assert_eq!(Self::seen(&self.open), self.before, "a descriptor of the program is gone");
    }
}

/// All calls on tables and maps, after their descriptors were closed and reused.
pub fn lost(what: &str) -> Result<()> {
    let namespace = Namespace::from_env();
    let table_path = namespace.path_of(&test_name(), KIND);
    let table = Table::<i32>::create(&namespace, &test_name(), &options(8, 8))?;
    let other = Name::new("other")?;
    let dropped = Table::<i32>::create(&namespace, &other, &options(8, 8))?;
    let unlinked = Table::<i32>::open(&namespace, &other, &TableOptions::default())?;
    let reader =
        TableReader::<i32>::open_read_only(&namespace, &test_name(), &ReadOptions::default())?;
    let lost_reader =
        TableReader::<i32>::open_read_only(&namespace, &other, &ReadOptions::default())?;
    let share = ShareOptions::default().force(true);
    let tree = |value: &str| RbTree::from_entries([("key", value)]);
    tree("old")?.share_with("test", &share)?;
    let mut map = SharedMap::open_with("test", &MapOptions::default(), IN_PLACE)?;
    let trust = Trust::new();
    let copy = namespace.open_to_copy(&test_name(), SNAPSHOT.kind, 1, &trust)?;
    table.add(&1, b"one")?;
    close_all();
    let own = Own::take_all(what, &table_path)?;

    // One of two with the name, so that another one opens it: as the daemon's first use.
    drop(dropped);
    own.check();
    assert!(!table.is_orphaned()? && !reader.is_orphaned()?);
    let mode = |segment: &shm_core::Segment| segment.owner_and_mode().map(|(_, mode)| mode);
    assert_eq!((mode(table.segment())?, mode(reader.segment())?), (0o600, 0o600));
    own.check();
    // Calls that need no descriptor work.
    table.upsert(&1, b"two")?;
    assert_eq!(reader.get(&1)?.as_deref(), Some(&b"two"[..]));
    table.verify()?;
    assert!(!map.refresh()? && !map.is_removed()?);
    assert!(!map.wait_for_update(Duration::from_millis(1))?);
    map.verify()?;
    own.check();
    // Calls that need it report so.
    let error = copy.read_at(&mut [0; 8], 0).unwrap_err();
    let shm_core::OpenError::Io(shm_core::IoError { source, .. }) = error else {
        bail!("{error:?}")
    };
    assert!(source.get_ref().is_some_and(|e| e.is::<LostDescriptor>()), "{source}");
    drop(copy);
    // It counts as a living writer again, once it was asked for its name.
    let living = shm_core::Namespace::at(namespace.dir());
    Table::<i32>::open(&living, &test_name(), &TableOptions::default())?.upsert(&2, b"too")?;
    own.check();

    // An orphan without a descriptor: nothing is left to ask.
    assert!(namespace.unlink(&other, KIND)?);
    assert!(unlinked.is_orphaned()? && lost_reader.is_orphaned()?);
    for segment in [unlinked.segment(), lost_reader.segment()] {
        let error = segment.owner_and_mode().unwrap_err();
        assert!(error.get_ref().is_some_and(|e| e.is::<LostDescriptor>()), "{error}");
    }
    own.check();

    // Other calls get other descriptors, and the map finds its next edition.
    tree("new")?.share_with("test", &share)?;
    assert!(map.refresh()?);
    assert_eq!(map.get("key"), Some(&b"new"[..]));
    let (mut table, mut reader) = (table, reader);
    std::fs::remove_file(&table_path)?;
    Table::<i32>::create(&namespace, &test_name(), &options(8, 8))?;
    let any = TableOptions::default();
    assert!(table.reopen_if_orphaned(&namespace, &test_name(), &any)?);
    assert!(reader.reopen_if_orphaned(&namespace, &test_name(), &shm_tests::reading(&any))?);
    assert_eq!(reader.len(), 0);
    own.check();
    SharedMap::remove("test")?;
    drop((table, reader, unlinked, lost_reader, map));
    own.check();
    if what == "log" {
        let log = own.open.into_iter().next().map(File::from);
        log.into_iter().try_for_each(|mut log| log.write_all(b"x"))?;
    }
    assert!(files()?.iter().all(|file| !file.contains("tmp")));
    Ok(())
}

/// Two rounds: the descriptor that replaces the first is lost too.
pub fn lost_twice() -> Result<()> {
    let namespace = Namespace::from_env();
    let table = Table::<i32>::create(&namespace, &test_name(), &options(8, 8))?;
    for _ in 0..2 {
        close_all();
        let own = Own::take_all("pipe", &namespace.path_of(&test_name(), KIND))?;
        assert!(!table.is_orphaned()?);
        assert_eq!(table.segment().owner_and_mode()?.1, 0o600);
        table.upsert(&1, b"one")?;
        own.check();
    }
    let own = Own::take_all("pipe", &namespace.path_of(&test_name(), KIND))?;
    drop(table);
    own.check();
    Ok(())
}
