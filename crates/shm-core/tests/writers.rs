//! Registered writers: threads that others know to be alive or dead.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, and what they have in common")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::time::Duration;

use shm_core::{
    CreateError, CreateOptions, Kind, LockError, Name, Namespace, Patience, Segment, Trust,
    WritableSegment, WriterId, body_offset,
};

/// A directory with one segment, removed with it.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let count = COUNTER.fetch_add(1, Relaxed);
        let name = format!("shm-core-writers-{}-{count}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir(&dir).unwrap();
        Self(dir)
    }

    fn create(&self, writers: u32) -> WritableSegment {
        self.create_named("test", writers)
    }

    fn create_named(&self, name: &str, writers: u32) -> WritableSegment {
        let options = CreateOptions::new(Kind::new("test"), 1, 64).writers(writers);
        self.namespace().create(&Name::new(name).unwrap(), &options, |_| ()).unwrap()
    }

    fn namespace(&self) -> Namespace {
        Namespace::at(&self.0)
    }

    fn open(&self) -> WritableSegment {
        let (name, kind) = (Name::new("test").unwrap(), Kind::new("test"));
        self.namespace().open(&name, kind, 1, &Trust::new(), &Patience::forever()).unwrap()
    }

    fn open_read_only(&self) -> Segment {
        let (name, kind) = (Name::new("test").unwrap(), Kind::new("test"));
        self.namespace().open_read_only(&name, kind, 1, &Trust::new()).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn id_of(segment: &WritableSegment) -> WriterId {
    segment.writer().unwrap().id()
}

/// The number of the record.
fn record_of(id: WriterId) -> u64 {
    id.to_u64() & 0x1FFF
}

#[test]
fn the_body_begins_after_the_records() {
    for writers in [0, 1, 23, 24, 4096] {
        let place = Place::new();
        let segment = place.create(writers);
        assert_eq!(segment.body_offset(), body_offset(writers));
        assert_eq!(segment.file_len(), body_offset(writers) as u64 + 64);
        assert_eq!(segment.words().len(), 8);
        let guard = segment.lock_or_repair(&Patience::forever(), |_| ()).unwrap();
        guard.words().unwrap().store(7, 77, shm_core::Ordering::Relaxed);
        drop(guard);
        let bytes = std::fs::read(segment.path()).unwrap();
        assert_eq!(bytes[body_offset(writers) + 56..], 77u64.to_ne_bytes());
        assert_eq!(place.open().words().load(7, shm_core::Ordering::Relaxed), 77);
        assert_eq!(segment.writer().is_some(), writers > 0);
        // The guest, if it was one, and this thread are the same one.
        assert_eq!(segment.writers().len(), 1);
    }
    let options = CreateOptions::new(Kind::new("test"), 1, 64).writers(4097);
    let place = Place::new();
    let error = place.namespace().create(&Name::new("x").unwrap(), &options, |_| ()).unwrap_err();
    assert!(matches!(error, CreateError::TooManyWriters { writers: 4097, max: 4096 }));
}

#[test]
fn a_thread_keeps_its_record_and_gives_it_back_when_it_ends() {
    let place = Place::new();
    let segment = place.create(4);
    let reader = place.open_read_only();
    let mine = id_of(&segment);
    assert_eq!(mine, id_of(&segment));
    assert_eq!(WriterId::from_u64(mine.to_u64()), Some(mine));
    let (told, its) = channel();
    let (end, ended) = channel::<()>();
    let theirs = std::thread::scope(|s| {
        let thread = s.spawn(|| {
            let writer = segment.writer().unwrap();
            writer.count_write();
            writer.count_write();
            told.send(writer.id()).unwrap();
            drop(writer);
            let ended = ended;
            let _ = ended.recv();
        });
        let theirs = its.recv().unwrap();
        assert_ne!(record_of(theirs), record_of(mine));
        assert!(!reader.is_writer_dead(theirs) && !reader.is_writer_dead(mine));
        let records = reader.writers();
        assert_eq!(records.iter().map(|record| record.id).collect::<Vec<_>>(), [mine, theirs]);
        assert!(records.iter().all(|record| record.is_alive && record.pid == std::process::id()));
        assert_ne!(records[0].tid, records[1].tid);
        assert_eq!((records[0].writes, records[1].writes), (0, 2));
        drop(end);
        thread.join().unwrap();
        theirs
    });
    assert!(reader.is_writer_dead(theirs) && !reader.is_writer_dead(mine));
    // The next thread gets that record, under another id, and goes on with the count.
    let again = std::thread::scope(|s| {
        let count = || {
            let writer = segment.writer().unwrap();
            writer.count_write();
            assert!(!reader.is_writer_dead(writer.id()) && reader.is_writer_dead(theirs));
            writer.id()
        };
        s.spawn(count).join().unwrap()
    });
    assert_eq!(record_of(again), record_of(theirs));
    assert_ne!(again, theirs);
    assert_eq!(reader.writes_by_records(), 3);
    assert!(reader.is_writer_dead(again));
    let records = reader.writers();
    assert!(records[0].is_alive && !records[1].is_alive);
}

#[test]
fn where_all_records_are_taken_there_is_none() {
    let place = Place::new();
    let segment = place.create(2);
    let other = place.open();
    // Two handles of one thread are two mappings, hence two records.
    let ids = [id_of(&segment), id_of(&other)];
    assert_ne!(ids[0], ids[1]);
    std::thread::scope(|s| {
        let late = s.spawn(|| {
            for _ in 0..200 {
                assert!(segment.writer().is_none());
            }
            std::thread::scope(|s| s.spawn(|| drop(other)).join().unwrap());
            // Another thread dropped it, so the record goes at that thread's next registration.
            assert!(segment.writer().is_none());
        });
        late.join().unwrap();
        assert_eq!(id_of(&segment), ids[0], "found, so nothing is looked through");
        let unrelated = place.create_named("unrelated", 1);
        let _ = id_of(&unrelated);
        assert!(segment.is_writer_dead(ids[1]));
        // A search that failed is remembered for 64 calls, in each thread.
        let early = s.spawn(|| (0..2).map(|_| id_of(&segment)).collect::<Vec<_>>());
        let early = early.join().unwrap();
        assert_eq!(early[0], early[1]);
        assert_eq!(record_of(early[0]), record_of(ids[1]));
    });
}

#[test]
fn a_thread_that_needs_a_record_searches_each_time() {
    let patience = Patience::forever();
    let place = Place::new();
    assert_eq!(place.create_named("none", 0).register(&patience).unwrap(), None);
    let segment = place.create(1);
    let holder = place.open();
    let first = holder.register(&patience).unwrap().unwrap();
    assert_eq!(first, id_of(&holder));
    assert!(segment.writer().is_none());
    assert_eq!(segment.register(&patience).unwrap(), None);
    drop(holder);
    let second = segment.register(&patience).unwrap().unwrap();
    assert_eq!((second, record_of(second)), (id_of(&segment), record_of(first)));
}

/// One thread holds the lock, and the others wait for it, each with the record of a guest.
#[test]
fn who_finds_all_records_of_guests_taken_is_told_how_many_there_are() {
    const RECORDS: u32 = 27;
    const LIMIT: Duration = Duration::from_millis(10);
    let place = Place::new();
    let segment = place.create(0);
    let guard = segment.lock_or_repair(&Patience::forever(), |_| ()).unwrap();
    std::thread::scope(|s| {
        let waits = || segment.lock_or_repair(&Patience::forever(), |_| ()).map(drop);
        let waiting: Vec<_> = (1..RECORDS).map(|_| s.spawn(waits)).collect();
        let late = s.spawn(|| {
            // While one of the others has no record yet, this thread gets that one.
            loop {
                let patience = Patience::forever().limit(Some(LIMIT));
                match segment.lock_or_repair(&patience, |_| ()).map(drop) {
                    Err(LockError::TimedOut { .. }) => std::thread::sleep(LIMIT),
                    other => return other,
                }
            }
        });
        let refused = late.join();
        drop(guard);
        for thread in waiting {
            thread.join().unwrap().unwrap();
        }
        match refused.unwrap() {
            Err(LockError::NoRecord { records: RECORDS, waited }) => assert!(waited >= LIMIT),
            other => panic!("{other:?}"),
        }
    });
    // All of them were given back.
    assert!(segment.writers().iter().all(|record| !record.is_alive));
    segment.lock_or_repair(&Patience::forever(), |_| ()).map(drop).unwrap();
}

#[test]
fn after_a_search_without_success_the_next_is_65_calls_later() {
    let place = Place::new();
    let segment = place.create(1);
    let holder = place.open();
    let first = id_of(&holder);
    assert!(segment.writer().is_none());
    drop(holder);
    assert!(segment.is_writer_dead(first));
    for call in 0..64 {
        assert!(segment.writer().is_none(), "call {call}");
    }
    assert_eq!(record_of(id_of(&segment)), record_of(first));
}

#[test]
fn a_handle_that_its_own_thread_drops_gives_the_record_back_at_once() {
    let place = Place::new();
    let segment = place.create(3);
    let reader = place.open_read_only();
    let id = id_of(&segment);
    assert!(!reader.is_writer_dead(id));
    drop(segment);
    assert!(reader.is_writer_dead(id));
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let path = reader.path().to_str().unwrap();
    let writable = maps.lines().filter(|line| line.ends_with(path) && line.contains(" rw"));
    assert_eq!(writable.count(), 0, "the pages are shared with nobody");
}

#[test]
fn a_thread_outlives_the_handle_that_it_is_registered_through() {
    let place = Place::new();
    let segment = std::sync::Arc::new(place.create(4));
    let reader = place.open_read_only();
    let (told, its) = channel();
    let (go_on, goes_on) = channel::<()>();
    let theirs = std::sync::Arc::clone(&segment);
    let thread = std::thread::spawn({
        let elsewhere = place.create_named("elsewhere", 4);
        let last = place.create_named("last", 4);
        move || {
            let (id, other) = (id_of(&theirs), id_of(&elsewhere));
            drop(theirs);
            told.send(id).unwrap();
            goes_on.recv().unwrap();
            // The list of robust locks leads through the segment that was dropped meanwhile.
            assert_eq!(id_of(&elsewhere), other);
            drop(elsewhere.lock().unwrap());
            told.send(id).unwrap();
            goes_on.recv().unwrap();
            let _ = id_of(&last);
            drop(last.lock().unwrap());
            told.send(id).unwrap();
            goes_on.recv().unwrap();
        }
    });
    let id = its.recv().unwrap();
    drop(std::sync::Arc::into_inner(segment).unwrap());
    assert!(!reader.is_writer_dead(id), "registered until it writes elsewhere, or ends");
    go_on.send(()).unwrap();
    assert_eq!(its.recv(), Ok(id));
    assert!(!reader.is_writer_dead(id));
    go_on.send(()).unwrap();
    assert_eq!(its.recv(), Ok(id));
    assert!(reader.is_writer_dead(id), "a registration elsewhere gives it back");
    go_on.send(()).unwrap();
    thread.join().unwrap();

    // The same, and the thread ends without another write.
    let segment = std::sync::Arc::new(place.open());
    let theirs = std::sync::Arc::clone(&segment);
    let (told, its) = channel();
    let (go_on, goes_on) = channel::<()>();
    let thread = std::thread::spawn(move || {
        told.send(id_of(&theirs)).unwrap();
        drop(theirs);
        told.send(WriterId::from_u64(8192).unwrap()).unwrap();
        let _ = goes_on.recv();
    });
    let id = its.recv().unwrap();
    let _dropped = its.recv().unwrap();
    drop(std::sync::Arc::into_inner(segment).unwrap());
    assert!(!reader.is_writer_dead(id));
    // While that thread is registered, its process counts as a writer: nothing is taken over.
    assert!(!reader.is_writer_dead(id_of(&place.open())));
    assert!(!reader.is_writer_dead(id));
    drop(go_on);
    thread.join().unwrap();
    assert!(reader.is_writer_dead(id));
}

#[test]
fn a_thread_with_300_segments_has_records_in_256() {
    let place = Place::new();
    let thread = std::thread::spawn(move || {
        let create = |i| place.create_named(&format!("segment {i}"), 1);
        let segments: Vec<_> = (0..300).map(create).collect();
        let registered = segments.iter().filter(|segment| segment.writer().is_some()).count();
        assert_eq!(registered, 256);
        // Those that have one keep it, and each works.
        for segment in &segments[..256] {
            let writer = segment.writer().unwrap();
            writer.count_write();
            assert!(!segment.is_writer_dead(writer.id()));
        }
        assert!(segments[256].writer().is_none());
        let counted = |segment: &WritableSegment| segment.writes_by_records() == 1;
        assert_eq!(segments.iter().filter(|segment| counted(segment)).count(), 256);
        let mut segments = segments;
        drop(segments.remove(0));
        assert!((0..66).any(|_| segments[255].writer().is_some()), "one seat is free again");
    });
    thread.join().unwrap();
}

/// Threads come and go, claim words and sometimes end without giving them back. Claims of the dead
/// are taken back by whoever finds them, claims of the living never.
#[test]
fn claims_of_the_dead_are_taken_back_and_those_of_the_living_never() {
    use shm_core::Ordering::{AcqRel, Acquire, Relaxed};
    const ROUNDS: usize = 1500;
    let place = Place::new();
    let segment = place.create(3);
    let taken_back = AtomicU32::new(0);
    // Words 0 to 3 are claimed; the word four places on is stored by the claimer alone.
    let visit = |round: usize| {
        // With three records and four threads, there is not always one.
        let Some(writer) = segment.writer() else { return };
        let (id, words, at) = (writer.id().to_u64(), writer.words(), round % 4);
        let found = words.load(at, Acquire);
        if let Some(owner) = WriterId::from_u64(found) {
            if segment.is_writer_dead(owner) {
                let stored = words.load(at + 4, Relaxed);
                // If others were quicker, a third may have claimed and stored.
                if words.compare_exchange(at, found, 0, AcqRel, Relaxed).is_ok() {
                    assert_eq!(stored, found, "a store of the dead is missing");
                    taken_back.fetch_add(1, Relaxed);
                }
            }
        } else if words.compare_exchange(at, 0, id, AcqRel, Relaxed) == Ok(0) {
            words.store(at + 4, id, Relaxed);
            writer.count_write();
            if !round.is_multiple_of(3) {
                let given_back = words.compare_exchange(at, id, 0, AcqRel, Relaxed);
                assert_eq!(given_back, Ok(id), "a claim of the living was taken back");
            }
        }
    };
    std::thread::scope(|s| {
        for first in 0..4 {
            let visit = &visit;
            s.spawn(move || {
                for round in 0..ROUNDS {
                    // A thread of its own: it is registered anew.
                    let come_and_go = || visit(first + round);
                    std::thread::scope(|s| s.spawn(come_and_go).join()).unwrap();
                }
            });
        }
    });
    assert!(taken_back.load(Relaxed) > 0);
    assert!(segment.writes_by_records() > 0);
    assert!(segment.writers().iter().all(|record| !record.is_alive));
}

#[test]
fn ids_are_never_zero_and_below_two_to_the_sixtieth() {
    for none in [0, 1, 8191, 1 << 60, u64::MAX] {
        assert_eq!(WriterId::from_u64(none), None);
    }
    for some in [8192, (1 << 60) - 1] {
        assert_eq!(WriterId::from_u64(some).unwrap().to_u64(), some);
    }
    let place = Place::new();
    let segment = place.create(2);
    // Of a record that there is not, or was never used.
    assert!(segment.is_writer_dead(WriterId::from_u64((1 << 60) - 1).unwrap()));
    assert!(segment.is_writer_dead(WriterId::from_u64(8193).unwrap()));
}
