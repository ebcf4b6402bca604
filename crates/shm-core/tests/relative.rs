//! A namespace that is given by a relative path, in a process that changes its directory. This is a
//! separate program, because the working directory belongs to the process.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, and what they have in common")]

mod place;

use shm_core::{Namespace, Patience, PublishOptions, Trust};

use place::{BOTH, FORCE, IN_PLACE, KIND, Place};

#[test]
fn a_relative_namespace_stays_where_it_was_when_the_process_goes_elsewhere() {
    let place = Place::new();
    std::env::set_current_dir(place.namespace.dir()).unwrap();
    std::fs::create_dir("below").unwrap();
    let here = Namespace::at(".");
    let below = Namespace::at("below/../below");
    let options = PublishOptions::default().replace(FORCE);
    for namespace in [&here, &below] {
        assert!(namespace.dir().is_absolute(), "{namespace:?}");
        namespace.publish(&place.name, KIND, &options, b"edition1").unwrap();
    }
    let (mut follower, _file) = below.follow(&place.name, KIND, &Trust::new(), IN_PLACE).unwrap();
    let control =
        below.open(&place.name, KIND.control, 1, &Trust::new(), &Patience::forever()).unwrap();

    std::env::set_current_dir("/").unwrap();
    assert!(!control.is_orphaned().unwrap() && !follower.is_removed().unwrap());
    drop(control);
    assert_eq!(below.publish(&place.name, KIND, &options, b"edition2").unwrap(), 2);
    assert_eq!(follower.successor().unwrap().unwrap().1.as_ref(), b"edition2");
    assert_eq!(here.list().unwrap().len(), 2);
    here.remove_published(&place.name, KIND, &Trust::new(), &Patience::forever()).unwrap();
    assert_eq!(place.files(), ["below"]);
    let names = below.list().unwrap().into_iter().map(|e| e.path).collect::<Vec<_>>();
    assert!(names.iter().all(|path| path.is_absolute()), "{names:?}");
    assert_eq!(names.len(), BOTH.len());
}
