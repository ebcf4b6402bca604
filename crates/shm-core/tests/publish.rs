//! Publication within one process: what each call changes, and what it leaves alone.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, and what they have in common")]

mod place;

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::time::Duration;

use shm_core::{
    CreateError, CreateOptions, HeaderError, Litter, LockError, MappedFile, Name, OpenError,
    Ordering, Patience, PublishError, PublishOptions, Trust,
};

use place::{BOTH, FORCE, IN_PLACE, KIND, Place};

#[test]
fn a_name_is_published_once_unless_forced() {
    let place = Place::new();
    assert_eq!(place.publish(!FORCE, b"12345678").unwrap(), 1);
    let error = place.publish(!FORCE, b"abcdefgh").unwrap_err();
    assert!(matches!(error, PublishError::Create(CreateError::AlreadyExists { .. })), "{error:?}");
    assert_eq!((place.files(), place.word()), (BOTH.map(String::from).into(), 2));
    let (_, old) = place.follow().unwrap();
    assert_eq!(place.publish(FORCE, b"abcdefghijklmnop").unwrap(), 2);
    assert_eq!((place.files(), place.word()), (BOTH.map(String::from).into(), 4));
    let (_, new) = place.follow().unwrap();
    assert_eq!((old.as_ref(), old.edition()), (&b"12345678"[..], 1));
    assert_eq!((new.as_ref(), new.edition()), (&b"abcdefghijklmnop"[..], 2));
    assert_eq!(new.as_ref().as_ptr().addr() % 4096, 0);
}

#[test]
fn an_empty_body_can_be_published() {
    let place = Place::new();
    place.publish(!FORCE, b"").unwrap();
    assert_eq!(place.follow().unwrap().1.as_ref(), b"");
}

#[test]
fn bad_options_change_nothing() {
    let place = Place::new();
    let error = place.publish(!FORCE, b"123").unwrap_err();
    assert!(matches!(error, PublishError::Create(CreateError::BadLength { len: 3 })), "{error:?}");
    for mode in [0o600, 0o044, 0o555, 0o4400] {
        let options = PublishOptions::default().mode(Some(mode));
        let error = place.namespace.publish(&place.name, KIND, &options, b"").unwrap_err();
        assert!(matches!(error, PublishError::BadMode { mode: m } if m == mode), "{error:?}");
    }
    assert!(place.files().is_empty());
}

#[test]
fn modes_are_exact_and_the_control_segment_follows() {
    let place = Place::new();
    let mode = |path: PathBuf| path.metadata().unwrap().mode() & 0o7777;
    for (of_file, of_control) in [(0o400, 0o600), (0o444, 0o644), (0o440, 0o640), (0o400, 0o600)] {
        let options = PublishOptions::default().replace(true).mode(Some(of_file));
        place.namespace.publish(&place.name, KIND, &options, b"").unwrap();
        assert_eq!((mode(place.file()), mode(place.control())), (of_file, of_control));
    }
}

#[test]
fn a_follower_sees_news_by_one_load_and_keeps_its_own_until_then() {
    let place = Place::new();
    place.publish(!FORCE, b"edition1").unwrap();
    let (mut follower, first) = place.follow().unwrap();
    assert!(follower.is_current(follower.load()));
    assert!(follower.successor().unwrap().is_none());
    place.publish(FORCE, b"edition2").unwrap();
    place.publish(FORCE, b"edition3").unwrap();
    assert!(!follower.is_current(follower.load()));
    let (next, third) = follower.successor().unwrap().unwrap();
    assert_eq!((third.as_ref(), next.edition()), (&b"edition3"[..], 3));
    assert!(next.is_current(next.load()));
    assert_eq!((first.as_ref(), follower.edition()), (&b"edition1"[..], 1));
}

#[test]
fn removal_is_noticed_and_a_new_life_of_the_name_is_found() {
    let place = Place::new();
    assert!(matches!(place.remove().unwrap_err(), PublishError::NotFound { .. }));
    assert!(place.files().is_empty(), "nothing is made by a removal");
    place.publish(!FORCE, b"1st life").unwrap();
    let (mut follower, file) = place.follow().unwrap();
    place.remove().unwrap();
    assert!(place.files().is_empty());
    assert!(follower.is_removed().unwrap() && !follower.is_current(follower.load()));
    assert!(follower.successor().unwrap().is_none());
    assert_eq!(file.as_ref(), b"1st life");
    assert!(matches!(place.follow().unwrap_err(), OpenError::NotFound { .. }));
    // The edition is the same again; the file is not.
    assert_eq!(place.publish(!FORCE, b"2nd life").unwrap(), 1);
    assert!(!follower.is_current(follower.load()));
    let (next, file) = follower.successor().unwrap().unwrap();
    assert_eq!(file.as_ref(), b"2nd life");
    assert!(next.is_current(next.load()) && !next.is_removed().unwrap());
}

#[test]
fn a_publisher_that_died_before_its_last_store_hides_nothing() {
    let place = Place::new();
    place.publish(!FORCE, b"edition1").unwrap();
    let (mut follower, _first) = place.follow().unwrap();
    place.publish(FORCE, b"edition2").unwrap();
    place.set_word(3);
    let (mut next, second) = follower.successor().unwrap().unwrap();
    assert_eq!(second.as_ref(), b"edition2");
    // The next publisher uses a new number.
    assert!(!next.is_current(next.load()) && next.successor().unwrap().is_none());
    assert_eq!(place.publish(FORCE, b"edition3").unwrap(), 3);
    assert_eq!(place.word(), 6);
    // And one that died before its link.
    place.set_word(7);
    assert!(matches!(place.publish(!FORCE, b"").unwrap_err(), PublishError::Create(_)));
    assert_eq!(place.word(), 7, "nothing was changed");
    assert_eq!(place.publish(FORCE, b"edition4").unwrap(), 4);
}

#[test]
fn the_number_of_a_file_that_cannot_be_read_is_not_used_again() {
    let place = Place::new();
    place.publish(!FORCE, b"edition1").unwrap();
    place.publish(FORCE, b"edition2").unwrap();
    // Its publisher died before the last store.
    place.set_word(3);
    let (mut follower, _second) = place.follow().unwrap();
    // To the next one it says nothing: somebody else's, or as here one that it does not trust.
    std::fs::set_permissions(place.file(), Permissions::from_mode(0o420)).unwrap();
    assert_eq!(place.publish(FORCE, b"edition3").unwrap(), 3);
    assert!(!follower.is_current(follower.load()));
    assert_eq!(follower.successor().unwrap().unwrap().1.as_ref(), b"edition3");
}

#[test]
fn a_remover_that_died_half_way_stops_nobody() {
    let place = Place::new();
    place.publish(!FORCE, b"edition1").unwrap();
    let (mut follower, _first) = place.follow().unwrap();
    // Between the two removals.
    place.set_word(3);
    std::fs::remove_file(place.file()).unwrap();
    assert!(follower.successor().unwrap().is_none() && follower.is_removed().unwrap());
    assert_eq!(place.publish(!FORCE, b"edition2").unwrap(), 2);
    assert_eq!(follower.successor().unwrap().unwrap().1.as_ref(), b"edition2");
    // After both, before the word: it stays odd in a segment without a name.
    let (mut follower, _second) = place.follow().unwrap();
    place.set_word(5);
    std::fs::remove_file(place.file()).unwrap();
    std::fs::remove_file(place.control()).unwrap();
    assert!(follower.successor().unwrap().is_none());
    assert_eq!(place.publish(!FORCE, b"new life").unwrap(), 1);
    let (next, file) = follower.successor().unwrap().unwrap();
    assert_eq!(file.as_ref(), b"new life");
    assert!(next.is_current(next.load()));
}

#[test]
fn a_retired_segment_that_has_a_name_is_replaced() {
    let place = Place::new();
    place.publish(!FORCE, b"edition1").unwrap();
    place.set_word(u64::MAX);
    assert_eq!(place.publish(FORCE, b"edition2").unwrap(), 2);
    assert_eq!(place.word(), 4);
}

#[test]
fn a_control_word_out_of_range_is_a_typed_error() {
    let place = Place::new();
    place.publish(!FORCE, b"edition1").unwrap();
    place.set_word(u64::MAX - 1);
    let error = place.publish(FORCE, b"edition2").unwrap_err();
    assert!(
        matches!(error, PublishError::ControlWord { found, .. } if found == u64::MAX - 1),
        "{error:?}"
    );
    assert_eq!(place.follow().unwrap().1.as_ref(), b"edition1");
    assert_eq!(place.files(), BOTH);
}

#[test]
fn a_file_without_a_control_segment_opens_and_is_followed() {
    let place = Place::new();
    for body in [b"edition1", b"edition2"] {
        place.publish(FORCE, body).unwrap();
    }
    std::fs::remove_file(place.control()).unwrap();
    let (mut follower, file) = place.follow().unwrap();
    assert_eq!((file.as_ref(), file.edition()), (&b"edition2"[..], 2));
    assert!(!follower.is_current(follower.load()) && follower.successor().unwrap().is_none());
    // The count goes on where the file is.
    assert_eq!(place.publish(FORCE, b"edition3").unwrap(), 3);
    let (next, file) = follower.successor().unwrap().unwrap();
    assert_eq!(file.as_ref(), b"edition3");
    assert!(next.is_current(next.load()));
    // One that was there all along takes the control segment once it is there again.
    std::fs::remove_file(place.control()).unwrap();
    let (mut follower, _) = place.follow().unwrap();
    assert!(!follower.is_current(follower.load()));
    let options = shm_core::CreateOptions::new(KIND.control, 1, 8);
    drop(place.namespace.create(&place.name, &options, |_| {}).unwrap());
    place.set_word(2 * 3);
    assert!(follower.successor().unwrap().is_none());
    assert!(follower.is_current(follower.load()));
}

#[test]
fn only_what_nobody_may_write_is_used_in_place() {
    let place = Place::new();
    place.publish(!FORCE, b"contents").unwrap();
    for mode in [0o600, 0o200 | 0o400, 0o444 | 0o020, 0o446] {
        std::fs::set_permissions(place.file(), Permissions::from_mode(mode)).unwrap();
        let error = place.follow().unwrap_err();
        let fits = matches!(error, OpenError::Writable { mode: m, .. } if m == mode)
            || matches!(error, OpenError::ForeignWriters { mode: m, .. } if m == mode);
        assert!(fits, "{error:?}");
        // Whoever accepts such writers still gets no reference into it, but a copy.
        let trust = Trust::new().shared_writers();
        let error = place.namespace.follow(&place.name, KIND, &trust, IN_PLACE).unwrap_err();
        assert!(matches!(error, OpenError::Writable { mode: m, .. } if m == mode), "{error:?}");
        let (kind, version) = (KIND.kind, KIND.kind_version);
        let copy = place.namespace.open_to_copy(&place.name, kind, version, &trust).unwrap();
        let mut body = [0; 8];
        copy.read_at(&mut body, 0).unwrap();
        assert_eq!((copy.source_len(), &body), (8, b"contents"));
        assert!(matches!(copy.read_at(&mut body, 1), Err(OpenError::Io(_))));
    }
}

#[test]
fn what_is_stored_to_never_passes_for_a_file_that_nobody_may_write() {
    let place = Place::new();
    let options = |mode| CreateOptions::new(KIND.kind, KIND.kind_version, 8).mode(mode);
    // Otherwise safe code would have a `&[u8]` into words that it stores to.
    for mode in [0o400, 0o444, 0o440] {
        let error = place.namespace.create(&place.name, &options(mode), |_| {}).unwrap_err();
        assert!(matches!(error, CreateError::BadMode { mode: m } if m == mode), "{error:?}");
    }
    assert!(place.files().is_empty());
    let _segment = place.namespace.create(&place.name, &options(0o600), |_| {}).unwrap();
    let (kind, version) = (KIND.kind, KIND.kind_version);
    let refused = |error| matches!(error, OpenError::Writable { mode: 0o600, .. });
    let opened =
        place.namespace.open_published(&place.name, kind, version, &Trust::new(), IN_PLACE);
    assert!(refused(opened.unwrap_err()));
    assert!(refused(MappedFile::open(&place.file(), &Trust::new(), IN_PLACE).unwrap_err()));
}

#[test]
fn a_published_file_has_no_lock() {
    let place = Place::new();
    place.publish(!FORCE, b"contents").unwrap();
    // Root may open it for writing all the same.
    std::fs::set_permissions(place.file(), Permissions::from_mode(0o600)).unwrap();
    let (kind, version) = (KIND.kind, KIND.kind_version);
    let error = place
        .namespace
        .open(&place.name, kind, version, &Trust::new(), &Patience::forever())
        .unwrap_err();
    assert!(matches!(error, OpenError::Header { source: HeaderError::NoLock, .. }), "{error:?}");
    let segment =
        place.namespace.open_read_only(&place.name, kind, version, &Trust::new()).unwrap();
    assert_eq!(segment.words().load(0, Ordering::Relaxed), u64::from_ne_bytes(*b"contents"));
}

#[test]
fn whatever_else_has_the_name_is_taken_and_can_be_replaced() {
    let place = Place::new();
    std::os::unix::fs::symlink("/dev/null", place.file()).unwrap();
    let error = place.publish(!FORCE, b"").unwrap_err();
    assert!(matches!(error, PublishError::Create(CreateError::AlreadyExists { .. })), "{error:?}");
    place.publish(FORCE, b"contents").unwrap();
    assert_eq!(place.follow().unwrap().1.as_ref(), b"contents");
    // But no directory is.
    std::fs::remove_file(place.file()).unwrap();
    std::fs::create_dir(place.file()).unwrap();
    let error = place.publish(FORCE, b"").unwrap_err();
    assert!(matches!(error, PublishError::Create(CreateError::Io(_))), "{error:?}");
    assert_eq!(place.files(), BOTH, "no litter");
    assert_eq!(place.word(), 2);
    assert!(matches!(place.remove().unwrap_err(), PublishError::Io(_)));
    assert_eq!(place.word(), 2);
}

#[test]
fn a_publisher_waits_for_the_lock_and_gives_up_in_time() {
    let place = Place::new();
    place.publish(!FORCE, b"edition1").unwrap();
    let control = place
        .namespace
        .open(&place.name, KIND.control, 1, &Trust::new(), &Patience::forever())
        .unwrap();
    let (locked, wait) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
    std::thread::scope(|s| {
        s.spawn(|| {
            let _guard = control.lock().unwrap();
            locked.wait();
            wait.wait();
        });
        locked.wait();
        let lock_timeout = Some(Duration::from_millis(20));
        let options = PublishOptions::default().replace(true).lock_timeout(lock_timeout);
        let error = place.namespace.publish(&place.name, KIND, &options, b"edition2").unwrap_err();
        let source = LockError::TimedOut { waited: Duration::ZERO, holder: None };
        let same = |e: &LockError| std::mem::discriminant(e) == std::mem::discriminant(&source);
        assert!(matches!(&error, PublishError::Lock { source, .. } if same(source)), "{error:?}");
        assert_eq!(place.files(), BOTH);
        // Nor is a living publisher's segment swept.
        std::fs::remove_file(place.file()).unwrap();
        assert_eq!(place.namespace.prune(&[KIND]).unwrap(), []);
        wait.wait();
    });
}

#[test]
fn a_sleeper_on_a_read_only_mapping_is_woken() {
    let place = Place::new();
    place.publish(!FORCE, b"edition1").unwrap();
    let (follower, _) = place.follow().unwrap();
    let (seen, hour) = (follower.load(), Duration::from_secs(3600));
    let control =
        place.namespace.open_read_only(&place.name, KIND.control, 1, &Trust::new()).unwrap();
    let (send, woken) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        send.send(()).unwrap();
        // Nothing but a wake ends this in time.
        while control.words().load(0, Ordering::Acquire) == 2 {
            control.wait(0, 2, hour).unwrap();
        }
        send.send(()).unwrap();
    });
    let watchdog = Duration::from_secs(60);
    woken.recv_timeout(watchdog).unwrap();
    place.publish(FORCE, b"edition2").unwrap();
    woken.recv_timeout(watchdog).unwrap();
    // The word that was seen has changed: no sleep at all.
    follower.sleep(seen, hour).unwrap();
}

/// One of them makes the control segment, and another may be the first to publish under it.
#[test]
fn of_first_publishers_at_once_the_loser_takes_nothing_from_the_winner() {
    const THREADS: usize = 4;
    let place = Place::new();
    for round in 0..500 {
        let barrier = std::sync::Barrier::new(THREADS);
        let won = std::thread::scope(|s| {
            let publish = || {
                barrier.wait();
                place.publish(!FORCE, b"only one").is_ok()
            };
            let threads = [(); THREADS].map(|()| s.spawn(publish));
            threads.into_iter().filter_map(|t| t.join().unwrap().then_some(())).count()
        });
        assert_eq!((won, place.files()), (1, BOTH.map(String::from).to_vec()), "round {round}");
        let (follower, _) = place.follow().unwrap();
        assert!(follower.is_current(follower.load()), "round {round}");
        place.remove().unwrap();
    }
}

#[test]
fn publishers_removers_and_sweepers_at_once_leave_word_and_name_in_agreement() {
    const THREADS: usize = 4;
    let place = Place::new();
    for _ in 0..100 {
        let barrier = std::sync::Barrier::new(THREADS);
        std::thread::scope(|s| {
            for thread in 0..THREADS {
                let (place, barrier) = (&place, &barrier);
                s.spawn(move || {
                    barrier.wait();
                    for at in 0..6 {
                        let outcome = match (thread + at) % 6 {
                            0 => place.remove().map(drop),
                            1 => place.publish(!FORCE, b"only one").map(drop),
                            2 | 3 => {
                                place.namespace.prune(&[KIND]).map(drop).map_err(|_| unreachable!())
                            }
                            _ => place.publish(FORCE, b"any time").map(drop),
                        };
                        let fine = matches!(
                            outcome,
                            Ok(())
                                | Err(PublishError::NotFound { .. })
                                | Err(PublishError::Create(CreateError::AlreadyExists { .. }))
                        );
                        assert!(fine, "{outcome:?}");
                    }
                });
            }
        });
        // No publisher is at work: the last one published under the segment that has the name.
        if let Ok((follower, file)) = place.follow() {
            assert!(follower.is_current(follower.load()), "{} {file:?}", place.word());
            assert_eq!(place.files(), BOTH);
        } else {
            assert!(place.files().iter().all(|file| file == BOTH[1]), "{:?}", place.files());
        }
    }
}

#[test]
fn prune_sweeps_what_the_dead_left_and_nothing_else() {
    let place = Place::new();
    place.publish(!FORCE, b"edition1").unwrap();
    place.set_word(3);
    let dir = place.namespace.dir();
    let litter = dir.join(".shmap-tmp-0123456789abcdef");
    for other in [".shmap-tmp-0123", ".shmap-tmp-0123456789abcdeX", "foreign", "shmap.x.table"] {
        std::fs::write(dir.join(other), "").unwrap();
    }
    std::fs::create_dir(dir.join(".shmap-tmp-00000000000000aa")).unwrap();
    std::fs::write(&litter, "").unwrap();
    let alone = Place { namespace: place.namespace.clone(), name: Name::new("alone").unwrap() };
    alone.publish(!FORCE, b"").unwrap();
    let (mut follower, _) = alone.follow().unwrap();
    std::fs::remove_file(alone.file()).unwrap();

    let (files, said) = (place.files(), place.namespace.litter(&[KIND]).unwrap());
    let what: Vec<_> = said.iter().map(|p| p.what).collect();
    assert_eq!(what, [Litter::Temporary, Litter::Control, Litter::Unsettled], "{said:?}");
    assert_eq!((place.files(), place.word()), (files.clone(), 3), "a dry run");
    assert_eq!(place.namespace.prune(&[KIND]).unwrap(), said);
    assert_eq!(place.word(), 2);
    let gone = ["shmap.alone.control", ".shmap-tmp-0123456789abcdef"];
    let rest: Vec<_> = files.into_iter().filter(|f| !gone.contains(&f.as_str())).collect();
    assert_eq!(place.files(), rest);
    assert_eq!(place.namespace.prune(&[KIND]).unwrap(), []);
    // A follower of the segment that was swept finds what comes after it.
    alone.publish(!FORCE, b"new life").unwrap();
    assert_eq!(follower.successor().unwrap().unwrap().1.as_ref(), b"new life");
    std::mem::forget(alone);
}

#[test]
fn truncated_and_foreign_files_are_typed_errors() {
    let place = Place::new();
    place.publish(!FORCE, &[7; 8192]).unwrap();
    let whole = std::fs::read(place.file()).unwrap();
    for len in [0, 8, 255, 256, 4095, 4096, 4104, whole.len() - 8, whole.len() + 8] {
        std::fs::remove_file(place.file()).unwrap();
        let mut bytes = whole.clone();
        bytes.resize(len, 0);
        std::fs::write(place.file(), &bytes).unwrap();
        std::fs::set_permissions(place.file(), Permissions::from_mode(0o400)).unwrap();
        let error = place.follow().unwrap_err();
        let OpenError::Header { source, .. } = &error else { panic!("{len}: {error:?}") };
        match len {
            0..256 => assert_eq!(*source, HeaderError::TooShort { found: len as u64, needed: 256 }),
            _ => assert!(matches!(source, HeaderError::Length { .. }), "{len}: {error:?}"),
        }
    }
    // A publisher is not stopped by it.
    assert_eq!(place.publish(FORCE, b"edition2").unwrap(), 2);
    // A control segment at the name is not a file of this kind.
    std::fs::copy(place.control(), place.file()).unwrap_or_default();
    std::fs::remove_file(place.file()).unwrap();
    std::fs::copy(place.control(), place.file()).unwrap();
    std::fs::set_permissions(place.file(), Permissions::from_mode(0o400)).unwrap();
    let error = place.follow().unwrap_err();
    assert!(
        matches!(&error, OpenError::Header { source: HeaderError::Kind { found, .. }, .. } if found == "control"),
        "{error:?}"
    );
}
