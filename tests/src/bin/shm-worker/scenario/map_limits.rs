//! Limits of the process, and signals that interrupt system calls, around published maps.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::Result;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use shm_core::Namespace;
use shm_facade::{Error, MapOptions, RbTree, ResultCode, Share, ShareOptions, SharedMap};

use super::files;
use super::limits::{descriptors, signals, storm};

fn tree(value: &str) -> Result<RbTree> {
    let mut tree = RbTree::new();
    tree.set("key", value)?;
    Ok(tree)
}

fn options(force: bool) -> ShareOptions {
    ShareOptions { force, ..ShareOptions::default() }
}

/// The descriptors run out, at every call and at every point of it.
pub fn no_descriptors() -> Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let first_free = std::os::fd::AsRawFd::as_raw_fd(&std::fs::File::open("/dev/null")?) as u64;
    let opening = MapOptions::default();
    let (old, new) = (tree("old")?, tree("new")?);
    old.share_with("test", &options(false))?;
    let handle = RefCell::new(SharedMap::open("test")?);
    let open_before = descriptors()?;
    let saved = Namespace::from_env().dir().join("saved");
    type Call<'a> = Box<dyn Fn() -> Result<(), Error> + 'a>;
    // Each with the edition and the value that the name leads to when it is done; and only then.
    let calls: [(&str, Call, Option<u64>); 7] = [
        ("open", Box::new(|| SharedMap::open_with("test", &opening).map(drop)), Some(1)),
        ("copy", Box::new(|| SharedMap::open_copy("test", &opening).map(drop)), Some(1)),
        ("save", Box::new(|| new.save(&saved)), Some(1)),
        ("force", Box::new(|| new.share_with("test", &options(true)).map(drop)), Some(2)),
        ("refresh", Box::new(|| handle.borrow_mut().refresh().map(drop)), Some(2)),
        ("remove", Box::new(|| SharedMap::remove_with("test", &opening)), None),
        ("share", Box::new(|| new.share_with("test", &options(false)).map(drop)), Some(1)),
    ];
    let mut before = Some(1);
    for (what, call, after) in calls {
        let mut room = 0;
        loop {
            setrlimit(Resource::RLIMIT_NOFILE, first_free + room, hard)?;
            let outcome = call();
            setrlimit(Resource::RLIMIT_NOFILE, soft, hard)?;
            // A handle holds on to the control segment's descriptor, and to no other.
            assert_eq!(descriptors()?, open_before, "{what} leaks with {room} descriptors");
            let found = match SharedMap::open("test") {
                Ok(map) => {
                    map.verify()?;
                    Some(map.generation())
                }
                Err(Error::NotFound { .. }) => None,
                Err(e) => return Err(e.into()),
            };
            match outcome {
                Ok(()) => {
                    assert_eq!(found, after, "{what} with {room} descriptors");
                    assert!(room > 0, "{what}: a limit that was none");
                    break;
                }
                Err(e) => {
                    assert_eq!(e.code(), ResultCode::System, "{what}: {e:?}");
                    assert_eq!(found, before, "{what} with {room} descriptors");
                    assert!(files()?.iter().all(|file| !file.contains("tmp")), "{what}");
                }
            }
            room += 1;
        }
        before = after;
    }
    Ok(())
}

/// A signal each millisecond while maps are published, saved, opened and waited for.
pub fn signals_around_maps() -> Result<()> {
    let mut large = RbTree::new();
    for number in 0..50_000_u32 {
        large.set(number.to_be_bytes(), [number as u8; 100])?;
    }
    let saved = Namespace::from_env().dir().join("saved");
    let before = descriptors()?;
    storm()?;
    while signals() < 100 {
        large.share_with("test", &options(true))?;
        large.save(&saved)?;
        let map = SharedMap::open("test")?;
        map.verify()?;
        SharedMap::open_file_copy(&saved, &MapOptions::default().trust)?;
    }
    let mut map = SharedMap::open("test")?;
    // A wait is not cut short by them.
    let limit = Duration::from_millis(30);
    let start = std::time::Instant::now();
    assert!(!map.wait_for_update(limit)?);
    assert!(start.elapsed() >= limit);
    std::thread::scope(|s| -> Result<()> {
        let publisher = s.spawn(|| -> Result<()> {
            let mut mask = SigSet::empty();
            mask.add(Signal::SIGALRM);
            mask.thread_block()?;
            let from = signals();
            while signals() < from + 50 {
                std::thread::sleep(Duration::from_millis(1));
            }
            tree("new")?.share_with("test", &options(true))?;
            Ok(())
        });
        assert!(map.wait_for_update(Duration::from_secs(3600))?);
        publisher.join().expect("the publisher")
    })?;
    assert_eq!(map.get("key"), Some(&b"new"[..]));
    drop(map);
    assert_eq!(descriptors()?, before);
    assert_eq!(files()?.len(), 3);
    Ok(())
}
