//! Publishing no entries over an edition that has some, and the mode of a new edition.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use shm_core::Namespace;
use shm_facade::{
    AlignedBytes, Builder, Error, MapOptions, RbTree, ResultCode, SNAPSHOT, Share, ShareOptions,
    SharedMap, Snapshot, StatusOptions, StatusTable,
};
use shm_tests::{IN_PLACE, TempNamespace, test_name};

struct Place {
    _dir: TempNamespace,
    namespace: Namespace,
}

impl Place {
    fn new() -> Self {
        let dir = TempNamespace::new().unwrap();
        let namespace = Namespace::at(dir.path());
        Self { _dir: dir, namespace }
    }

    fn options(&self) -> ShareOptions {
        ShareOptions::default().namespace(self.namespace.clone()).force(true)
    }

    fn len(&self) -> usize {
        let options = MapOptions::default().namespace(self.namespace.clone());
        SharedMap::open_with("test", &options, IN_PLACE).unwrap().len()
    }

    fn modes(&self) -> (u32, u32) {
        let mode = |kind| {
            let path = self.namespace.path_of(&test_name(), kind);
            path.symlink_metadata().unwrap().permissions().mode() & 0o7777
        };
        (mode(SNAPSHOT.kind), mode(SNAPSHOT.control))
    }
}

fn two() -> RbTree {
    RbTree::from_entries([("a", "1"), ("b", "2")]).unwrap()
}

fn nothing() -> AlignedBytes {
    Builder::new().finish()
}

#[test]
fn nothing_replaces_an_edition_only_when_asked_to() {
    let place = Place::new();
    let refused = |outcome: Result<u64, Error>| match outcome {
        Err(e @ Error::WouldEmpty { entries: 2, .. }) => {
            assert_eq!(e.code(), ResultCode::DuplicateKey);
            assert_eq!(place.len(), 2);
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(nothing().share_with("test", &place.options()).unwrap(), 1, "over nothing");
    assert_eq!(nothing().share_with("test", &place.options()).unwrap(), 2, "over no entries");
    assert_eq!(two().share_with("test", &place.options()).unwrap(), 3);
    refused(nothing().share_with("test", &place.options()));
    refused(Snapshot::new(nothing()).unwrap().share_with("test", &place.options()));
    refused(RbTree::new().share_with("test", &place.options()));
    refused(avl_snapshot::from_sorted([("", ""); 0]).unwrap().share_with("test", &place.options()));
    let status = StatusOptions::default().namespace(place.namespace.clone());
    let table = StatusTable::open_or_create_with("test", &status).unwrap();
    refused(table.freeze_with("test", &place.options()));
    // Without `force`, the other error comes first.
    let taken = nothing().share_with("test", &place.options().force(false));
    assert!(matches!(taken, Err(Error::AlreadyExists { .. })), "{taken:?}");
    // No number was used up.
    let options = place.options().allow_empty(true);
    assert_eq!(nothing().share_with("test", &options).unwrap(), 4);
    assert_eq!(place.len(), 0);
}

#[test]
fn what_is_no_edition_may_be_replaced_by_nothing() {
    let place = Place::new();
    let path = place.namespace.path_of(&test_name(), SNAPSHOT.kind);
    fs::write(&path, "no map").unwrap();
    nothing().share_with("test", &place.options()).unwrap();
    assert_eq!(place.len(), 0);
}

#[test]
fn a_forced_publication_keeps_the_mode_of_what_it_replaces() {
    let place = Place::new();
    let mut edition = 0;
    let mut share = |options: ShareOptions| {
        edition += 1;
        assert_eq!(two().share_with("test", &options).unwrap(), edition);
        place.modes()
    };
    assert_eq!(share(place.options()), (0o400, 0o600));
    assert_eq!(share(place.options().mode(0o444)), (0o444, 0o644));
    assert_eq!(share(place.options()), (0o444, 0o644), "shut others out");
    assert_eq!(share(place.options().mode(0o440)), (0o440, 0o640));
    assert_eq!(share(place.options()), (0o440, 0o640));
    // If the old file may be written to, only its read bits are kept.
    let path = place.namespace.path_of(&test_name(), SNAPSHOT.kind);
    fs::set_permissions(&path, Permissions::from_mode(0o646)).unwrap();
    assert_eq!(share(place.options()), (0o444, 0o644));
    fs::set_permissions(&path, Permissions::from_mode(0o044)).unwrap();
    assert_eq!(share(place.options()), (0o444, 0o644));
    assert_eq!(share(place.options().mode(0o400)), (0o400, 0o600));
}

#[test]
fn the_mode_of_a_strangers_file_is_not_kept() {
    if !shm_tests::roles::is_root("giving a file to another user") {
        return;
    }
    let place = Place::new();
    two().share_with("test", &place.options().mode(0o444)).unwrap();
    let path = place.namespace.path_of(&test_name(), SNAPSHOT.kind);
    let nobody = Some(shm_tests::roles::NOBODY);
    std::os::unix::fs::chown(&path, nobody, nobody).unwrap();
    two().share_with("test", &place.options()).unwrap();
    assert_eq!(place.modes(), (0o400, 0o600));
}
