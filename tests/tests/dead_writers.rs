//! Registered writers that die, fork, or belong to a file that is taken over: who counts as alive.

use std::path::PathBuf;

use shm_core::{Ordering, Segment, WritableSegment, WriterId};
use shm_tests::patch::{self, Checksum, SESSION, session};
use shm_tests::records::{RECORDS, create, open, open_read_only, record};
use shm_tests::roles::{SKIPPED, run, scenario};
use shm_tests::{Child, TempNamespace, WATCHDOG};

const WORKER: &str = env!("CARGO_BIN_EXE_shm-worker");

fn with_segment(writers: u32) -> (TempNamespace, WritableSegment) {
    let namespace = TempNamespace::new().unwrap();
    let segment = create(namespace.path(), writers).unwrap();
    (namespace, segment)
}

/// A process whose main thread is registered, and has claimed word 0.
fn registered(namespace: &TempNamespace) -> (Child, WriterId) {
    let child = Child::spawn(&mut scenario(WORKER, "registers", namespace.path())).unwrap();
    let id = parsed(&child.line(WATCHDOG).unwrap());
    (child, id)
}

fn parsed(line: &str) -> WriterId {
    WriterId::from_u64(line.parse().unwrap()).unwrap()
}

fn record_of(id: WriterId) -> u64 {
    id.to_u64() & 0x1FFF
}

/// Offset of a field of a record in the file.
fn at(index: u64, field: u64) -> u64 {
    RECORDS.0 + RECORDS.1 * index + field
}

fn id_of(segment: &WritableSegment) -> WriterId {
    segment.writer().unwrap().id()
}

/// The claim on word 0 is that of the dead writer: then its other stores are visible.
fn resolve(segment: &Segment, id: WriterId) {
    assert_eq!(segment.words().load(0, Ordering::Acquire), id.to_u64());
    assert!(segment.is_writer_dead(id));
    assert_eq!(segment.words().load(1, Ordering::Relaxed), !id.to_u64());
}

/// The first free record is this one, and the kernel marks it when its owner is killed.
///
/// A child that another test of this process is about to start has this test's descriptors until
/// it executes its program. As long as it has them, there seems to be another writer, and nothing
/// is reset.
fn is_noticed_dead_in(namespace: &TempNamespace, index: u64) {
    let registered = (0..100).find_map(|_| {
        let (mut child, id) = registered_again(namespace);
        if record_of(id) == index {
            return Some((child, id));
        }
        child.kill().unwrap();
        None
    });
    let (mut child, id) = registered.expect("this record is never the first free one");
    let reader = open_read_only(namespace.path()).unwrap();
    assert!(!reader.is_writer_dead(id));
    child.kill().unwrap();
    assert!(reader.is_writer_dead(id), "the death was not noticed");
}

#[test]
fn killed_or_lost_in_execve_and_noticed_by_a_reader() {
    let (namespace, segment) = with_segment(2);
    let reader = open_read_only(namespace.path()).unwrap();
    for round in 0..3 {
        let (mut child, id) = registered(&namespace);
        assert!(!reader.is_writer_dead(id));
        let [record] = &reader.writers()[..] else { panic!("{:?}", reader.writers()) };
        assert_eq!((record.id, record.is_alive, record.writes), (id, true, round + 1));
        assert_eq!((record.pid, record.tid), (child.pid().as_raw() as u32, record.pid));
        if round == 1 {
            // Another thread executes another program: the process lives on without this one.
            child.send("exec").unwrap();
            assert_eq!(child.line(WATCHDOG).unwrap(), "waiting");
            resolve(&reader, id);
            assert!(child.is_alive());
            child.close_stdin();
            assert!(child.wait(WATCHDOG).unwrap().success());
        } else {
            child.kill().unwrap();
        }
        resolve(&reader, id);
        assert!(!reader.writers()[0].is_alive);
        // The next owner of the record takes the claim back, as a writer that needs the word does.
        let writer = segment.writer().unwrap();
        assert_eq!(record_of(writer.id()), record_of(id));
        let (id, relaxed) = (id.to_u64(), Ordering::Relaxed);
        assert_eq!(writer.words().compare_exchange(0, id, 0, relaxed, relaxed), Ok(id));
        assert_eq!(writer.words().compare_exchange(0, id, 0, relaxed, relaxed), Err(0));
        drop(writer);
        resolve_after(&segment, id);
        leave(&segment);
    }
    assert_eq!(reader.writes_by_records(), 3);
}

/// The thread that calls `execve` becomes the main one before the kernel looks at what it holds, so
/// the kernel does not mark its record. It is noticed by those that wait for it, and by those that
/// look for a record.
#[test]
fn lost_in_the_execve_of_their_own_thread() {
    for waits in [true, false] {
        let (namespace, segment) = with_segment(1);
        let mut command = scenario(WORKER, "thread-registers", namespace.path());
        let mut child = Child::spawn(&mut command).unwrap();
        let id = parsed(&child.line(WATCHDOG).unwrap());
        let [record] = &segment.writers()[..] else { panic!("{:?}", segment.writers()) };
        assert_ne!(record.tid, record.pid);
        segment.notice_death(id);
        assert!(!segment.is_writer_dead(id), "it is alive");
        child.send("exec-itself").unwrap();
        assert_eq!(child.line(WATCHDOG).unwrap(), "waiting");
        if waits {
            segment.notice_death(id);
            resolve(&segment, id);
        }
        let next = id_of(&segment);
        assert_eq!(record_of(next), record_of(id));
        resolve(&segment, id);
        assert!(!segment.is_writer_dead(next));
        assert!(child.is_alive());
        leave(&segment);
    }
}

/// Also dead under a new owner.
fn resolve_after(segment: &WritableSegment, id: u64) {
    assert!(segment.is_writer_dead(WriterId::from_u64(id).unwrap()));
    assert!(!segment.is_writer_dead(id_of(segment)));
}

/// Gives this thread's record back: a fork does.
fn leave(segment: &WritableSegment) {
    let id = id_of(segment);
    let mut command = std::process::Command::new("true");
    assert!(forking(&mut command).status().unwrap().success());
    assert!(segment.is_writer_dead(id));
}

#[allow(unsafe_code, reason = "a closure for the child")]
fn forking(command: &mut std::process::Command) -> &mut std::process::Command {
    use std::os::unix::process::CommandExt;
    // SAFETY: it does nothing. With it, the command forks instead of using `posix_spawn`.
    unsafe { command.pre_exec(|| Ok(())) }
}

#[test]
fn no_record_is_lost_by_a_death_while_it_is_taken_or_given_back() {
    let (namespace, segment) = with_segment(2);
    let mut last = 0;
    for round in 0..60u32 {
        let mut command = scenario(WORKER, "registers-and-ends", namespace.path());
        let mut child = Child::spawn(&mut command).unwrap();
        assert_eq!(child.line(WATCHDOG).unwrap(), "started");
        // At another moment each time; whichever it is, the following holds.
        let start = std::time::Instant::now();
        while start.elapsed() < std::time::Duration::from_micros(u64::from(round * 37)) {}
        child.kill().unwrap();
        assert!(segment.writers().iter().all(|record| !record.is_alive));
        let both = std::sync::Barrier::new(2);
        let register = || {
            let id = segment.writer().map(|writer| writer.id());
            both.wait();
            id.unwrap()
        };
        let ids = std::thread::scope(|s| {
            let threads = [(); 2].map(|()| s.spawn(register));
            threads.map(|thread| thread.join().unwrap())
        });
        assert_ne!(record_of(ids[0]), record_of(ids[1]));
        assert!(ids.iter().all(|&id| segment.is_writer_dead(id)));
        assert!(segment.writes_by_records() >= last);
        last = segment.writes_by_records();
    }
    assert!(last > 0, "no round got so far");
}

#[test]
fn a_forked_child_has_no_record_of_its_parent() {
    let (namespace, segment) = with_segment(8);
    let lines = run(scenario(WORKER, "fork-registered", namespace.path()));
    assert!(lines == ["forked"] || lines[0].starts_with(SKIPPED), "{lines:?}");
    assert!(segment.writers().iter().all(|record| !record.is_alive));
    drop(segment.lock().unwrap());
}

#[test]
fn a_writer_of_another_pid_namespace_is_known_to_be_alive_or_dead() {
    let namespace = TempNamespace::new().unwrap();
    let mut child =
        Child::spawn(&mut scenario(WORKER, "foreign-registers", namespace.path())).unwrap();
    let line = child.line(WATCHDOG).unwrap();
    if line.starts_with(SKIPPED) {
        println!("{line}");
        return;
    }
    let id = parsed(&line);
    let reader = open_read_only(namespace.path()).unwrap();
    assert!(!reader.is_writer_dead(id));
    assert_eq!((reader.writers()[0].pid, reader.writers()[0].tid), (2, 2));
    assert_eq!(child.ask("die", WATCHDOG).unwrap(), "gone");
    resolve(&reader, id);
}

/// Of a segment that had one writer, who died: its file, and the id.
fn left_behind() -> (TempNamespace, PathBuf, WriterId) {
    let (namespace, segment) = with_segment(2);
    let path = segment.path().to_owned();
    drop(segment);
    let (mut child, id) = registered(&namespace);
    child.kill().unwrap();
    (namespace, path, id)
}

/// The word of the record names a living thread, this one, that has never had it.
fn held_by_this_thread(path: &std::path::Path, index: u64) {
    let tid = nix::unistd::gettid().as_raw();
    patch::bytes(path, at(index, record::LOCK_WORD), &tid.to_ne_bytes()).unwrap();
}

fn generation(path: &std::path::Path, index: u64) -> u64 {
    registration(path, index) >> 8
}

fn registration(path: &std::path::Path, index: u64) -> u64 {
    u64::from_ne_bytes(patch::read(path, at(index, record::REGISTRATION)).unwrap())
}

#[test]
fn records_of_an_earlier_boot_are_nobodys() {
    let (namespace, path, id) = left_behind();
    held_by_this_thread(&path, 0);
    held_by_this_thread(&path, 1);
    let reader = open_read_only(namespace.path()).unwrap();
    assert!(!reader.is_writer_dead(id), "as its word says");
    patch::field(&path, SESSION, session::BOOT_ID, &[0xB0; 16], Checksum::Right).unwrap();
    let segment = open(namespace.path()).unwrap();
    resolve(&reader, id);
    // One that was used has a new generation, and keeps its count.
    assert_eq!((generation(&path, 0), generation(&path, 1)), (2, 0));
    assert_eq!(segment.writes_by_records(), 1);
    assert_eq!(id_of(&segment).to_u64(), 3 << 13);
    drop(segment);
    is_noticed_dead_in(&namespace, 0);
}

#[test]
fn a_record_that_nobody_alive_holds_is_made_anew_where_no_writer_is_left() {
    let (namespace, path, id) = left_behind();
    let living = open(namespace.path()).unwrap();
    held_by_this_thread(&path, 0);
    let reader = open_read_only(namespace.path()).unwrap();
    drop((living, open(namespace.path()).unwrap()));
    assert!(!reader.is_writer_dead(id), "while writers live, the word is believed");
    let segment = open(namespace.path()).unwrap();
    assert!(reader.is_writer_dead(id));
    assert_eq!(generation(&path, 0), 2);
    drop(segment);
    is_noticed_dead_in(&namespace, 0);
}

/// As `registered`, after word 0 was claimed.
fn registered_again(namespace: &TempNamespace) -> (Child, WriterId) {
    let path = open_read_only(namespace.path()).unwrap().path().to_owned();
    patch::bytes(&path, 4096, &[0; 8]).unwrap();
    registered(namespace)
}

#[test]
fn a_mutex_whose_making_was_interrupted_is_made_again() {
    let library = if cfg!(target_env = "musl") { 2 } else { 1 };
    let made = library << 2;
    for is_marked in [true, false] {
        let (namespace, path, _) = left_behind();
        assert_eq!(registration(&path, 0), 1 << 8 | made | library);
        // To the C library, zeros are a mutex that is not robust.
        let mutex = at(0, if library == 2 { record::MUSL_MUTEX } else { 0 });
        patch::bytes(&path, mutex, &[0; 48]).unwrap();
        if is_marked {
            // Negative control: with the mark the death would go unnoticed.
            let (mut child, id) = registered_again(&namespace);
            child.kill().unwrap();
            assert!(!open_read_only(namespace.path()).unwrap().is_writer_dead(id));
        } else {
            // As after a registration with the other C library.
            let other = 3 - library;
            let word = 1u64 << 8 | other << 2 | other;
            patch::bytes(&path, at(0, record::REGISTRATION), &word.to_ne_bytes()).unwrap();
            is_noticed_dead_in(&namespace, 0);
            assert_eq!(registration(&path, 0), 2 << 8 | 0b1100 | library);
        }
    }
}

#[test]
fn a_damaged_registration_is_nobodys_until_no_writer_is_left() {
    for damage in [0xF0, 0b11, 0b1] {
        let (namespace, path, _) = left_behind();
        let segment = open(namespace.path()).unwrap();
        let word = 1u64 << 8 | damage;
        patch::bytes(&path, at(0, record::REGISTRATION), &word.to_ne_bytes()).unwrap();
        assert_eq!(record_of(id_of(&segment)), 1);
        drop(segment);
        is_noticed_dead_in(&namespace, 0);
        assert!(generation(&path, 0) > 1 << 40, "not by counting");
    }
}

#[test]
fn a_living_writer_without_its_descriptors_keeps_its_record() {
    let (namespace, segment) = with_segment(2);
    drop(segment);
    let (mut child, id) = registered(&namespace);
    assert_eq!(child.ask("close", WATCHDOG).unwrap(), "closed");
    // No file lock shows that process, so this is a takeover.
    let segment = open(namespace.path()).unwrap();
    assert!(!segment.is_writer_dead(id));
    assert_eq!(record_of(id_of(&segment)), 1);
    drop(segment);
    let segment = open(namespace.path()).unwrap();
    child.kill().unwrap();
    resolve(&segment, id);
}

#[test]
fn in_a_copy_the_writers_of_the_original_are_dead() {
    let (namespace, segment) = with_segment(2);
    let (child, id) = registered(&namespace);
    let copy = TempNamespace::new().unwrap();
    std::fs::copy(segment.path(), copy.path().join(segment.path().file_name().unwrap())).unwrap();
    assert!(!open_read_only(copy.path()).unwrap().is_writer_dead(id), "as its word says");
    let copied = open(copy.path()).unwrap();
    resolve(&copied, id);
    assert!(!segment.is_writer_dead(id));
    assert_eq!(record_of(id_of(&copied)), 0);
    drop(child);
    drop(copied);
    is_noticed_dead_in(&copy, 0);
}
