//! Waiting for others: limits hold for whole calls, an interrupt ends it, a timeout says who was in
//! the way, and long holders give way.

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use shm_core::{
    Acquired, Guard, Interrupt, Kind, LockError, Namespace, OpenError, Patience, Trust,
};
use shm_facade::{Error, MapOptions, RbTree, Share, ShareOptions, SharedMap};
use shm_tests::roles::scenario;
use shm_tests::{Child, TempNamespace, WATCHDOG, create, options, test_name};
use slotmap_shm::{KIND, Table, TableError, TableOpenError, TableOptions};

const WORKER: &str = env!("CARGO_BIN_EXE_shm-worker");
const LIMIT: Duration = Duration::from_millis(200);
/// Less than the five seconds after which an opener gives up by itself.
const SOON: Duration = Duration::from_secs(4);

fn impatient() -> TableOptions {
    options(16, 40).lock_timeout(Some(LIMIT))
}

/// Waits for ever, except that an interrupt comes when it has been asked twice.
fn interrupted() -> (Interrupt, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    (Interrupt::new(move || count.fetch_add(1, Ordering::Relaxed) >= 1), asked)
}

/// Locks a segment's file as one that takes it over does, and stops there.
fn stopped_takeover(ns: &Namespace, kind: Kind) -> std::fs::File {
    let path = ns.path_of(&test_name(), kind);
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let range = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 1,
        l_pid: 0,
    };
    // SAFETY: the descriptor is open, and the range is a valid one that the call only reads.
    let locked = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &range) };
    assert_eq!(locked, 0);
    file
}

#[test]
fn a_limit_holds_for_opening_a_table() {
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    drop(create(&namespace, 16, 40));
    let _stopped = stopped_takeover(&ns, KIND);
    for open in [Table::<i32>::open, Table::<i32>::open_or_create] {
        let error = open(&ns, &test_name(), &impatient()).unwrap_err();
        let TableOpenError::Open(OpenError::ResetBusy { waited, .. }) = error else {
            panic!("{error:?}")
        };
        assert!((LIMIT..SOON).contains(&waited), "{waited:?}");
    }
    let (interrupt, asked) = interrupted();
    let patient = options(16, 40).lock_timeout(None).interrupt(interrupt);
    let error = Table::<i32>::open(&ns, &test_name(), &patient).unwrap_err();
    assert!(matches!(error, TableOpenError::Open(OpenError::Interrupted { .. })), "{error:?}");
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[test]
fn a_limit_holds_for_publishing_and_removing() {
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    let sharing = ShareOptions::default().namespace(ns.clone()).force(true);
    let mut tree = RbTree::new();
    tree.set("alpha", "1").unwrap();
    tree.share_with("test", &sharing).unwrap();
    let _stopped = stopped_takeover(&ns, Kind::new("control"));
    let removing = MapOptions::default().namespace(ns).lock_timeout(Some(LIMIT));
    let outcomes = [
        tree.share_with("test", &sharing.clone().lock_timeout(Some(LIMIT))).map(drop),
        SharedMap::remove_with("test", &removing),
    ];
    for outcome in outcomes {
        let Err(Error::Open(OpenError::ResetBusy { waited, .. })) = outcome else {
            panic!("{outcome:?}")
        };
        assert!((LIMIT..SOON).contains(&waited), "{waited:?}");
    }
    let sharing = sharing.lock_timeout(None).interrupt(interrupted().0);
    let error = tree.share_with("test", &sharing).unwrap_err();
    let told = matches!(error, Error::Open(OpenError::Interrupted { .. }));
    assert!(told, "{error:?}");
}

#[test]
fn an_interrupt_ends_waiting_for_a_lock() {
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    drop(create(&namespace, 16, 40));
    let mut holder = Child::spawn(&mut scenario(WORKER, "hold", namespace.path())).unwrap();
    assert_eq!(holder.line(WATCHDOG).unwrap(), "holding");
    let (interrupt, asked) = interrupted();
    let patient = options(16, 40).lock_timeout(None).interrupt(interrupt);
    let table = Table::<i32>::open(&ns, &test_name(), &patient).unwrap();
    let error = table.upsert(&1, b"one").unwrap_err();
    assert!(matches!(error, TableError::Lock(LockError::Interrupted { .. })), "{error:?}");
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    holder.close_stdin();
    assert!(holder.wait(WATCHDOG).unwrap().success());
    table.upsert(&1, b"one").unwrap();
}

#[test]
fn a_timeout_names_the_holder() {
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    drop(create(&namespace, 16, 40));
    let mut child = Child::spawn(&mut scenario(WORKER, "hold", namespace.path())).unwrap();
    assert_eq!(child.line(WATCHDOG).unwrap(), "holding");
    let table = Table::<i32>::open(&ns, &test_name(), &impatient()).unwrap();
    let error = table.upsert(&1, b"one").unwrap_err();
    let TableError::Lock(LockError::TimedOut { waited, holder: Some(holder) }) = &error else {
        panic!("{error:?}")
    };
    assert!(*waited >= LIMIT);
    let pid = child.pid().as_raw() as u32;
    assert_eq!((holder.pid, holder.command.as_deref()), (Some(pid), Some("shm-worker")));
    let said = format!("by process {pid} (shm-worker)");
    assert!(error.to_string().contains(&said), "{error}");
    child.kill().unwrap();
    table.upsert(&1, b"one").unwrap();
}

/// How often one thread holds the lock for a millisecond while another one gets it 20 times.
fn rounds_beside(release: fn(Guard<'_>)) -> usize {
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    drop(create(&namespace, 16, 40));
    let open = || ns.open(&test_name(), KIND, 1, &Trust::new(), &Patience::forever()).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let greedy = scope.spawn(|| {
            let (segment, mut rounds) = (open(), 0);
            while !done.load(Ordering::Relaxed) {
                let Acquired::Clean(guard) = segment.lock().unwrap() else { panic!("not clean") };
                std::thread::sleep(Duration::from_millis(1));
                release(guard);
                rounds += 1;
            }
            rounds
        });
        let segment = open();
        for _ in 0..20 {
            drop(segment.lock().unwrap());
            std::thread::sleep(Duration::from_millis(1));
        }
        done.store(true, Ordering::Relaxed);
        greedy.join().unwrap()
    })
}

#[test]
fn who_holds_the_lock_long_gives_way() {
    let (giving, greedy) =
        (rounds_beside(|guard| guard.hand_over()), rounds_beside(|guard| drop(guard)));
    println!("20 locks of the other: {giving} rounds that give way, {greedy} that do not");
    // One round or two each, and some more on a busy machine.
    assert!(giving <= 20 * 6, "{giving} rounds");
}
