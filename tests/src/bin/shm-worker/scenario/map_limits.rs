//! Limits of the process, and signals that interrupt system calls, around published maps.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::Result;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use shm_core::{IoError, Limit, Namespace, OpenError, Trust};
use shm_facade::{
    BuildError, Error, MapOptions, RbTree, ResultCode, SNAPSHOT, Share, ShareOptions, SharedMap,
    SnapshotError,
};
use shm_tests::IN_PLACE;
use shm_tests::patch::{self, Checksum, HEADER};
use shm_tests::test_name;

use super::files;
use super::limits::{descriptors, signals, storm};

fn tree(value: &str) -> Result<RbTree> {
    let mut tree = RbTree::new();
    tree.set("key", value)?;
    Ok(tree)
}

fn options(force: bool) -> ShareOptions {
    ShareOptions::default().force(force)
}

/// The descriptors run out, at every call and at every point of it.
pub fn no_descriptors() -> Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let first_free = std::os::fd::AsRawFd::as_raw_fd(&std::fs::File::open("/dev/null")?) as u64;
    let opening = MapOptions::default();
    let (old, new) = (tree("old")?, tree("new")?);
    old.share_with("test", &options(false))?;
    let handle = RefCell::new(SharedMap::open("test", IN_PLACE)?);
    let open_before = descriptors()?;
    let saved = Namespace::from_env().dir().join("saved");
    type Call<'a> = Box<dyn Fn() -> Result<(), Error> + 'a>;
    // Each step with the edition and the value that the name leads to once the step has succeeded,
    // and only then.
    let calls: [(&str, Call, Option<u64>); 7] = [
        ("open", Box::new(|| SharedMap::open_with("test", &opening, IN_PLACE).map(drop)), Some(1)),
        ("copy", Box::new(|| SharedMap::open_copy_with("test", &opening).map(drop)), Some(1)),
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
            // A handle keeps the control segment's descriptor, and no other.
            assert_eq!(descriptors()?, open_before, "{what} leaks with {room} descriptors");
            let found = match SharedMap::open("test", IN_PLACE) {
                Ok(map) => {
                    map.verify()?;
                    Some(map.edition())
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
        let map = SharedMap::open("test", IN_PLACE)?;
        map.verify()?;
        SharedMap::open_file_copy(&saved, &MapOptions::default().trust)?;
    }
    let mut map = SharedMap::open("test", IN_PLACE)?;
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

/// The address space runs out at any point of building, freezing and publishing: always an error,
/// never an abort.
pub fn no_memory() -> Result<()> {
    const ENTRIES: u32 = 100_000;
    let entries = || (0..ENTRIES).map(|number| (number.to_be_bytes(), [number as u8; 60]));
    let (_, hard) = getrlimit(Resource::RLIMIT_AS)?;
    // Some memory for small allocations, which this test is not about.
    drop((0..256).map(|_| vec![0_u8; 1024]).collect::<Vec<_>>());
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    let used = pages.split(' ').next().unwrap_or_default().parse::<u64>()? * 4096;
    type Call<'a> = Box<dyn Fn() -> Result<(), Error> + 'a>;
    let by_one = || -> Result<(), Error> {
        let mut tree = RbTree::new();
        entries().try_for_each(|(key, value)| tree.set(key, value).map(drop))?;
        tree.share_with("test", &options(true)).map(drop)
    };
    let calls: [Call; 3] = [
        Box::new(|| RbTree::from_entries(entries())?.share_with("test", &options(true)).map(drop)),
        Box::new(|| {
            avl_snapshot::from_sorted(entries())?.share_with("test", &options(true)).map(drop)
        }),
        Box::new(by_one),
    ];
    for (at, call) in calls.iter().enumerate() {
        let (mut room, mut refused) = (MIB, 0);
        loop {
            setrlimit(Resource::RLIMIT_AS, used + room, hard)?;
            let outcome = call();
            setrlimit(Resource::RLIMIT_AS, hard, hard)?;
            match outcome {
                Ok(()) => break,
                Err(Error::Build(BuildError::NoMemory { needed })) => assert!(needed > 1 << 12),
                Err(Error::Io(IoError { limit: Some(limit), .. })) => {
                    assert_eq!(limit, Limit::AddressSpace { limit: used + room });
                }
                Err(e) => panic!("{e:?}"),
            }
            (room, refused) = (room + MIB / 2, refused + 1);
        }
        assert!(refused > 10, "call {at}: a limit that was none");
        let map = SharedMap::open("test", IN_PLACE)?;
        assert_eq!(map.len(), ENTRIES as usize);
        map.verify()?;
    }
    Ok(())
}

const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;

/// The head of an image without entries, whose numbers agree with each other, and the length that
/// it claims.
fn claim(data_len: u64) -> ([u8; 64], u64) {
    let mut head = [0; 64];
    for (at, field) in [
        (0, *b"AVLSNAP\n"),
        (8, 1_u64.to_le_bytes()),
        (24, data_len.to_le_bytes()),
        (56, u64::from(crc32fast::hash(b"")).to_le_bytes()),
    ] {
        head[at..at + 8].copy_from_slice(&field);
    }
    let crc = crc32fast::hash(&head[..60]);
    head[60..].copy_from_slice(&crc.to_le_bytes());
    (head, (64 + data_len).next_multiple_of(64))
}

/// Files that are longer than memory, or claim to be, are copied: no call asks for more memory than
/// there is, and none aborts.
pub fn huge_files() -> Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_AS)?;
    let limit = 512 * MIB;
    tree("value")?.share_with("test", &options(false))?;
    let published = Namespace::from_env().path_of(&test_name(), SNAPSHOT.kind);
    let whole = std::fs::read(&published)?;
    let bare = Namespace::from_env().dir().join("bare");
    let make = |head: &[u8], len: u64| -> Result<()> {
        for (path, page) in [(&bare, &[][..]), (&published, &whole[..patch::BODY as usize])] {
            // It must not have a write bit.
            std::fs::remove_file(path).or_else(|e| match e.kind() {
                std::io::ErrorKind::NotFound => Ok(()),
                _ => Err(e),
            })?;
            std::fs::write(path, [page, head].concat())?;
            let len = page.len() as u64 + len;
            std::fs::OpenOptions::new().write(true).open(path)?.set_len(len)?;
            if !page.is_empty() {
                let field = patch::header::TOTAL_LEN;
                patch::field(path, HEADER, field, &len.to_ne_bytes(), Checksum::Right)?;
            }
        }
        Ok(())
    };
    let both = || {
        let copy = SharedMap::open_copy_with("test", &MapOptions::default());
        [copy, SharedMap::open_file_copy(&bare, &Trust::new())].map(|made| made.map(drop))
    };

    setrlimit(Resource::RLIMIT_AS, limit, hard)?;
    make(&[], TIB)?;
    for found in both() {
        let found = found.unwrap_err();
        if found.to_string().contains("holes") {
            println!("skipped: a file system in memory");
            return Ok(());
        }
        assert!(
            matches!(found, Error::Map { source: SnapshotError::Magic { .. }, .. }),
            "{found:?}"
        );
    }
    // The claims and the length are compared before anything is allocated for either.
    let (head, claimed) = claim(4);
    make(&head, TIB)?;
    for found in both() {
        let Err(Error::Map { source: SnapshotError::Length { found, expected }, .. }) = found
        else {
            panic!("{found:?}");
        };
        assert_eq!((found, expected), (TIB, claimed));
    }
    // Too large, although the file is as long as it claims.
    for data_len in [limit, TIB] {
        let (head, claimed) = claim(data_len);
        make(&head, claimed)?;
        for found in both() {
            let Err(Error::Open(OpenError::NoMemory { needed, .. })) = found else {
                panic!("{found:?}");
            };
            assert_eq!(needed, claimed);
        }
    }
    // It fits in memory once, but not twice: the only error is that it is damaged.
    let (head, claimed) = claim(300 * MIB);
    make(&head, claimed)?;
    for found in both() {
        assert!(
            matches!(found, Err(Error::Map { source: SnapshotError::Corrupt { .. }, .. })),
            "{found:?}"
        );
    }
    Ok(())
}
