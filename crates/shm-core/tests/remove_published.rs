//! Removal of published names, also beside damage; and what a publication that fails leaves.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, and what they have in common")]

mod place;

use std::fs::Permissions;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::sync::mpsc::channel;
use std::time::Duration;

use shm_core::{
    Acquired, BODY_OFFSET, CreateOptions, Follower, LockError, OpenError, Patience, PublishError,
    PublishOptions, Trust,
};

use place::{BOTH, FORCE, KIND, Place};

/// Of a control segment, to make one by hand.
fn control() -> CreateOptions {
    CreateOptions::new(KIND.control, 1, 8)
}

/// Stores bytes into the control segment, as a stray write would.
fn damage(place: &Place, at: u64, bytes: &[u8]) {
    let file = std::fs::OpenOptions::new().write(true).open(place.control()).unwrap();
    file.write_all_at(bytes, at).unwrap();
}

fn finds(follower: &mut Follower, body: &[u8]) {
    assert!(!follower.is_current(follower.load()));
    assert_eq!(follower.successor().unwrap().unwrap().1.as_ref(), body);
}

#[test]
fn a_name_whose_control_word_is_out_of_range_is_removed_and_published_again() {
    for word in [u64::MAX - 1, u64::MAX - 2, 1 << 63, (1 << 63) + 1] {
        let place = Place::new();
        place.publish(!FORCE, b"edition1").unwrap();
        let (mut follower, _first) = place.follow().unwrap();
        place.set_word(word);
        let error = place.publish(FORCE, b"edition2").unwrap_err();
        assert!(matches!(error, PublishError::ControlWord { .. }), "{error:?}");
        place.remove().unwrap();
        assert!(place.files().is_empty(), "{word:#x}");
        assert!(!follower.is_current(follower.load()) && follower.successor().unwrap().is_none());
        assert_eq!(place.publish(!FORCE, b"new life").unwrap(), 1);
        finds(&mut follower, b"new life");
    }
}

#[test]
fn a_removal_that_fails_leaves_the_word_as_it_was_whatever_it_was() {
    for word in [2, 3, u64::MAX - 1, u64::MAX - 2] {
        let place = Place::new();
        place.publish(!FORCE, b"edition1").unwrap();
        place.set_word(word);
        // No call removes a directory.
        std::fs::remove_file(place.file()).unwrap();
        std::fs::create_dir(place.file()).unwrap();
        assert!(matches!(place.remove().unwrap_err(), PublishError::Io(_)));
        // The state that a dead publisher left is settled first: the file at the name is not its
        // edition.
        assert_eq!(place.word(), if word == 3 { 4 } else { word });
        assert_eq!(place.files(), BOTH);
    }
}

#[test]
fn a_name_beside_a_damaged_control_segment_is_removed_and_published_again() {
    type Damage = fn(&Place);
    let damages: [(&str, Damage); 4] = [
        ("header", |place| damage(place, 0, &[0xFF; 256])),
        ("session", |place| damage(place, 256, &[0xFF; 64])),
        ("shorter", |place| {
            let file = std::fs::OpenOptions::new().write(true).open(place.control()).unwrap();
            file.set_len(BODY_OFFSET as u64).unwrap();
        }),
        ("a hole", |place| {
            let file = std::fs::OpenOptions::new().write(true).open(place.control()).unwrap();
            file.set_len(0).unwrap();
            file.set_len(BODY_OFFSET as u64 + 8).unwrap();
        }),
    ];
    for (what, damage) in damages {
        for with_file in [true, false] {
            let place = Place::new();
            place.publish(!FORCE, b"edition1").unwrap();
            let (mut follower, first) = place.follow().unwrap();
            damage(&place);
            assert!(matches!(place.publish(FORCE, b"edition2"), Err(PublishError::Open(_))));
            assert_eq!(place.files(), BOTH, "{what}");
            if !with_file {
                // Nothing is left but the damage.
                std::fs::remove_file(place.file()).unwrap();
            }
            place.remove().unwrap_or_else(|e| panic!("{what}: {e:?}"));
            assert!(place.files().is_empty(), "{what}");
            assert!(matches!(place.remove(), Err(PublishError::NotFound { .. })));
            assert_eq!(first.as_ref(), b"edition1");
            assert_eq!(place.publish(!FORCE, b"new life").unwrap(), 1);
            // A load beyond the end of a file would kill the reader, so there must be none.
            if what != "shorter" {
                finds(&mut follower, b"new life");
            }
        }
    }
}

#[test]
fn nothing_is_removed_beside_a_damaged_control_segment_that_somebody_has_open() {
    let place = Place::new();
    place.publish(!FORCE, b"edition1").unwrap();
    let control = place
        .namespace
        .open(&place.name, KIND.control, 1, &Trust::new(), &Patience::forever())
        .unwrap();
    damage(&place, 0, &[0xFF; 256]);
    let error = place.remove().unwrap_err();
    assert!(matches!(error, PublishError::Open(OpenError::Header { .. })), "{error:?}");
    assert_eq!(
        (place.files(), control.is_orphaned().unwrap()),
        (BOTH.map(String::from).into(), false)
    );
    drop(control);
    place.remove().unwrap();
    assert!(place.files().is_empty());
}

#[test]
fn what_is_no_control_segment_is_left_where_it_is() {
    let places: [fn(&std::path::Path); 2] = [
        |path| std::os::unix::fs::symlink("/nowhere", path).unwrap(),
        |path| std::fs::create_dir(path).unwrap(),
    ];
    for put in places {
        let place = Place::new();
        place.publish(!FORCE, b"edition1").unwrap();
        std::fs::remove_file(place.control()).unwrap();
        put(&place.control());
        place.remove().unwrap();
        assert_eq!(place.files(), [BOTH[1]]);
        assert!(matches!(place.remove(), Err(PublishError::NotFound { .. })));
    }
}

#[test]
fn what_fails_leaves_no_control_segment_behind() {
    let place = Place::new();
    // As in a directory where others' files cannot be replaced or removed.
    std::fs::create_dir(place.file()).unwrap();
    assert!(matches!(place.remove(), Err(PublishError::Io(_))));
    assert_eq!(place.files(), [BOTH[0]]);
    assert!(matches!(place.publish(FORCE, b"contents"), Err(PublishError::Create(_))));
    assert_eq!(place.files(), [BOTH[0]]);
}

#[test]
fn a_publication_that_fails_leaves_the_mode_of_the_control_segment() {
    let place = Place::new();
    place.publish(!FORCE, b"edition1").unwrap();
    std::fs::remove_file(place.file()).unwrap();
    std::fs::create_dir(place.file()).unwrap();
    let options = PublishOptions::default().replace(true).mode(Some(0o444));
    let failed = place.namespace.publish(&place.name, KIND, &options, b"edition2");
    assert!(matches!(failed, Err(PublishError::Create(_))), "{failed:?}");
    assert_eq!(place.control().metadata().unwrap().mode() & 0o7777, 0o600);
    std::fs::remove_dir(place.file()).unwrap();
    place.namespace.publish(&place.name, KIND, &options, b"edition2").unwrap();
    assert_eq!(place.control().metadata().unwrap().mode() & 0o7777, 0o644);
    std::fs::set_permissions(place.control(), Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn the_time_limit_is_for_the_whole_call_however_often_the_lock_changes() {
    let place = Place::new();
    place.publish(!FORCE, b"edition1").unwrap();
    let limit = Duration::from_millis(200);
    let lock_timeout = Some(limit);
    let options = PublishOptions::default().replace(true).lock_timeout(lock_timeout);
    let control = place
        .namespace
        .open(&place.name, KIND.control, 1, &Trust::new(), &Patience::forever())
        .unwrap();
    let (started, starts) = channel();
    let (finished, finishes) = channel();
    std::thread::scope(|s| {
        let Ok(Acquired::Clean(guard)) = control.lock() else { panic!("not clean") };
        s.spawn(|| {
            started.send(()).unwrap();
            let outcome = place.namespace.publish(&place.name, KIND, &options, b"edition2");
            finished.send(outcome).unwrap();
        });
        starts.recv().unwrap();
        let mut guard = Some(guard);
        for _ in 0..40 {
            // Each lock is held for half the limit only; then another segment has the name, and it
            // is held.
            if let Ok(outcome) = finishes.recv_timeout(limit / 2) {
                let Err(PublishError::Lock { source: LockError::TimedOut { waited, .. }, .. }) =
                    outcome
                else {
                    panic!("{outcome:?}");
                };
                assert!(waited >= limit, "{waited:?}");
                return;
            }
            std::fs::remove_file(place.control()).unwrap();
            let next = place.namespace.create(&place.name, &self::control(), |_| {}).unwrap();
            // A guard borrows its segment: both stay until the end of the test.
            let next: &'static _ = Box::leak(Box::new(next));
            let Ok(Acquired::Clean(held)) = next.lock() else { panic!("not clean") };
            drop(guard.replace(held));
        }
        panic!("it waits for each of them");
    });
}

#[test]
fn a_damaged_lock_is_that_of_a_dead_holder() {
    for damage_to in [[0xFF; 64], [0x01; 64]] {
        let place = Place::new();
        place.publish(!FORCE, b"edition1").unwrap();
        let (mut follower, _first) = place.follow().unwrap();
        damage(&place, 512, &damage_to);
        assert_eq!(place.publish(FORCE, b"edition2").unwrap(), 2);
        finds(&mut follower, b"edition2");
        place.remove().unwrap();
        assert!(place.files().is_empty());
    }
}
