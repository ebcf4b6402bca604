//! Limits of the process, and signals that interrupt system calls.

#![allow(unsafe_code, reason = "setitimer and a handler without SA_RESTART")]

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::Result;
use libc::{EMFILE, ENOMEM, EPERM};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use shm_core::{
    Acquired, CreateError, IoError, Limit, LockError, Name, Namespace, OpenError, WritableSegment,
};
use shm_tests::{options, test_name};
use slotmap_shm::{KIND, Table, TableOpenError, TableOptions, TableReader};

use super::{files, open_segment};

/// A table of more than 64 MiB.
fn big() -> TableOptions {
    options(40 * 1024, 960)
}

pub fn descriptors() -> Result<usize> {
    Ok(std::fs::read_dir("/proc/self/fd")?.count())
}

/// It succeeded, or failed with this error number of the operating system and named the limit.
fn done_or<T>(errno: i32, result: Result<T, TableOpenError>) -> bool {
    let failed_by = |source: io::Error| assert_eq!(source.raw_os_error(), Some(errno), "{source}");
    match result {
        Ok(_) => return true,
        Err(
            TableOpenError::Create(CreateError::Io(IoError { limit: Some(limit), source, .. }))
            | TableOpenError::Open(OpenError::Io(IoError { limit: Some(limit), source, .. })),
        ) => {
            match limit {
                Limit::Descriptors { limit } => assert!(errno == EMFILE && limit < 1000),
                Limit::AddressSpace { limit } => assert!(errno == ENOMEM && limit > 1 << 20),
                other => panic!("another limit: {other:?}"),
            }
            failed_by(source);
            return false;
        }
        Err(
            TableOpenError::Create(CreateError::Io(IoError { limit: None, source, .. }))
            | TableOpenError::Open(OpenError::Io(IoError { limit: None, source, .. })),
        ) => failed_by(source),
        Err(other) => panic!("{other:?}"),
    }
    assert_eq!(errno, EPERM, "a limit that was not named");
    false
}

pub fn no_descriptors() -> Result<()> {
    let (namespace, name, small) = (Namespace::from_env(), test_name(), options(4, 8));
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let before = descriptors()?;
    let first_free = std::os::fd::AsRawFd::as_raw_fd(&std::fs::File::open("/dev/null")?) as u64;
    type Call<'a> = Box<dyn Fn() -> Result<(), TableOpenError> + 'a>;
    let calls: [Call; 4] = [
        Box::new(|| Table::<i32>::create(&namespace, &name, &small).map(drop)),
        Box::new(|| Table::<i32>::open_or_create(&namespace, &name, &small).map(drop)),
        Box::new(|| {
            TableReader::<i32>::open_read_only(&namespace, &name, &shm_tests::reading(&small))
                .map(drop)
        }),
        Box::new(|| Table::<i32>::open(&namespace, &name, &small).map(drop)),
    ];
    for (at, call) in calls.iter().enumerate() {
        let mut room = 0;
        loop {
            setrlimit(Resource::RLIMIT_NOFILE, first_free + room, hard)?;
            let outcome = call();
            setrlimit(Resource::RLIMIT_NOFILE, soft, hard)?;
            let done = done_or(EMFILE, outcome);
            assert_eq!(descriptors()?, before, "call {at} leaks with {room} descriptors");
            let made = at >= 2 || done;
            assert_eq!(files()?.len(), usize::from(made), "call {at} with {room} descriptors");
            if done {
                assert!(room > 0, "a limit that was none");
                break;
            }
            room += 1;
        }
        // It does not leak either when there is memory to leak.
        drop(call());
        assert_eq!(descriptors()?, before, "call {at} leaks");
        if at == 0 {
            namespace.unlink(&name, KIND)?;
        }
    }
    Ok(())
}

pub fn no_address_space() -> Result<()> {
    let (namespace, name, other) = (Namespace::from_env(), test_name(), Name::new("other")?);
    drop(Table::<i32>::create(&namespace, &name, &big())?);
    let (before, one) = (descriptors()?, files()?);
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = pages.split(' ').next().unwrap_or_default().parse()?;
    let (used, megabyte) = (pages * 4096, 1 << 20);
    // Enough address space for the table, but not for choosing an aligned address.
    let (_, hard) = getrlimit(Resource::RLIMIT_AS)?;
    let path = namespace.path_of(&name, KIND);
    let tight = used + path.metadata()?.len() + megabyte;
    setrlimit(Resource::RLIMIT_AS, tight, hard)?;
    assert!(done_or(ENOMEM, Table::<i32>::open(&namespace, &name, &big())));
    assert!(done_or(
        ENOMEM,
        TableReader::<i32>::open_read_only(&namespace, &name, &shm_tests::reading(&big()))
    ));
    let limit = used + 32 * megabyte;
    setrlimit(Resource::RLIMIT_AS, limit, limit)?;
    for _ in 0..20 {
        assert!(!done_or(ENOMEM, Table::<i32>::create(&namespace, &other, &big())));
        assert!(!done_or(ENOMEM, Table::<i32>::open_or_create(&namespace, &other, &big())));
        assert!(!done_or(ENOMEM, Table::<i32>::open(&namespace, &name, &big())));
        assert!(!done_or(
            ENOMEM,
            TableReader::<i32>::open_read_only(&namespace, &name, &shm_tests::reading(&big()))
        ));
        assert_eq!((descriptors()?, files()?), (before, one.clone()));
    }
    // Failed attempts keep no address space: a table that fits can be created.
    let table = Table::<i32>::create(&namespace, &other, &options(1024, 256))?;
    table.add(&1, b"fits")?;
    Ok(table.verify()?)
}

/// Creation fails at its last step, after everything else was done.
pub fn no_name() -> Result<()> {
    let (namespace, name) = (Namespace::from_env(), test_name());
    super::seccomp::apply("no-name")?;
    let before = descriptors()?;
    for _ in 0..10 {
        assert!(!done_or(EPERM, Table::<i32>::create(&namespace, &name, &options(64, 64))));
        assert!(!done_or(EPERM, Table::<i32>::open_or_create(&namespace, &name, &options(4, 8))));
    }
    assert_eq!((descriptors()?, files()?.len()), (before, 0));
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let dir = namespace.dir().display().to_string();
    let kept: Vec<&str> = maps.lines().filter(|line| line.contains(&dir)).collect();
    assert!(kept.is_empty(), "still mapped: {kept:#?}");
    Ok(())
}

static SIGNALS: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

pub fn signals() -> u64 {
    SIGNALS.load(Ordering::Relaxed)
}

/// SIGALRM each millisecond from now on; system calls are not restarted.
pub fn storm() -> Result<()> {
    let action = SigAction::new(SigHandler::Handler(count), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing but add to an atomic.
    unsafe { sigaction(Signal::SIGALRM, &action) }?;
    let each = libc::timeval { tv_sec: 0, tv_usec: 1000 };
    let timer = libc::itimerval { it_interval: each, it_value: each };
    // SAFETY: `timer` is valid, and the old value is not asked for.
    let done = unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()) };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
    Ok(())
}

pub fn signals_while_creating() -> Result<()> {
    let (namespace, name, copy) = (Namespace::from_env(), test_name(), Name::new("copy")?);
    let before = descriptors()?;
    storm()?;
    while signals() < 200 {
        let table = Table::<i32>::create(&namespace, &name, &big())?;
        table.add(&1, b"one")?;
        drop(table);
        let path = namespace.path_of(&name, KIND);
        drop(TableReader::<i32>::open_read_only(&namespace, &name, &shm_tests::reading(&big()))?);
        // Not by `fs::copy`, which fails at a signal.
        let whole = std::fs::read(&path)?;
        assert!(whole.len() > 64 << 20);
        std::fs::write(namespace.path_of(&copy, KIND), whole)?;
        // The copy is taken over under its file lock.
        let table = Table::<i32>::open(&namespace, &copy, &big())?;
        assert_eq!(table.get(&1)?.as_deref(), Some(&b"one"[..]));
        table.verify()?;
        drop(table);
        assert_eq!(files()?.len(), 2);
        namespace.unlink(&name, KIND)?;
        namespace.unlink(&copy, KIND)?;
    }
    assert_eq!(descriptors()?, before);
    Ok(())
}

/// Runs `wait` while another thread holds the lock for 50 signals more.
fn while_held<R>(segment: &WritableSegment, wait: impl FnOnce() -> R) -> R {
    let (say, held) = channel();
    let (go, started) = channel();
    std::thread::scope(|s| {
        s.spawn(move || {
            let mut mask = SigSet::empty();
            mask.add(Signal::SIGALRM);
            mask.thread_block().expect("block the signal");
            let Ok(Acquired::Clean(guard)) = segment.lock() else { panic!("lock") };
            say.send(()).expect("say");
            started.recv().expect("wait for the start");
            let from = signals();
            while signals() < from + 50 {
                std::thread::sleep(Duration::from_millis(1));
            }
            drop(guard);
        });
        held.recv().expect("wait for the lock");
        go.send(()).expect("go");
        wait()
    })
}

pub fn signals_while_locking() -> Result<()> {
    let segment = open_segment(&test_name())?;
    let table = super::open_table()?;
    storm()?;
    let long = Duration::from_secs(3600);
    for _ in 0..3 {
        let got = while_held(&segment, || segment.lock().map(|a| matches!(a, Acquired::Clean(_))));
        assert!(got?, "lock");
        let got = while_held(&segment, || {
            segment.lock_timeout(long).map(|a| matches!(a, Acquired::Clean(_)))
        });
        assert!(got?, "lock_timeout");
        let short = Duration::from_millis(10);
        let got = while_held(&segment, || segment.lock_timeout(short).map(drop));
        assert!(
            matches!(got, Err(LockError::TimedOut { waited, .. }) if waited >= short),
            "{got:?}"
        );
        while_held(&segment, || table.upsert_many(&[(1, b"value")]))?;
    }
    Ok(table.verify()?)
}
