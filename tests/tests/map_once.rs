//! Publishing a map needs the map's size once: its bytes are in the file, and not in private memory
//! as well. A map whose building fails leaves nothing.

#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use shm_core::Namespace;
use shm_facade::{
    BuildError, Error, FreezeOptions, MapOptions, RbTree, Share, ShareOptions, SharedMap,
    share_sorted,
};
use shm_tests::TempNamespace;

struct Counting;

/// Bytes that are allocated, and the most that ever were.
static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);
/// One test at a time, since they count together.
static ALONE: Mutex<()> = Mutex::new(());

fn more(bytes: usize) {
    MOST.fetch_max(NOW.fetch_add(bytes, Relaxed) + bytes, Relaxed);
}

// SAFETY: everything is the system allocator's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        // As if both were there at once, which is the worst case.
        more(len);
        // SAFETY: as the caller promises.
        let moved = unsafe { System.realloc(at, layout, len) };
        NOW.fetch_sub(layout.size(), Relaxed);
        moved
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a call needs at most, besides what was allocated before it.
fn most_during<R>(call: impl FnOnce() -> R) -> (usize, R) {
    let before = NOW.load(Relaxed);
    MOST.store(before, Relaxed);
    let result = call();
    (MOST.load(Relaxed) - before, result)
}

const ENTRIES: u32 = 200_000;
/// What does not depend on the number of entries: buffers and windows.
const BUFFERS: usize = 16 << 20;

fn key(i: u32) -> [u8; 4] {
    i.to_be_bytes()
}

fn value(i: u32) -> [u8; 200] {
    [i as u8; 200]
}

#[test]
fn publishing_needs_the_size_of_the_map_once() {
    let _alone = ALONE.lock().unwrap();
    let namespace = TempNamespace::new().unwrap();
    let tree: RbTree = (0..ENTRIES).map(|i| (key(i), value(i))).collect();
    let n = ENTRIES as usize;
    for (hash_index, each) in [(false, 8), (true, 8 + 12)] {
        let options = ShareOptions::default()
            .namespace(Namespace::at(namespace.path()))
            .hash_index(hash_index)
            .force(true);
        let image = tree.freeze_with(&FreezeOptions::default().hash_index(hash_index));
        let may = each * n + n + BUFFERS;
        assert!(may < image.len() / 2);
        let (of_tree, edition) = most_during(|| tree.share_with("map", &options).unwrap());
        let (of_sorted, next) = most_during(|| {
            share_sorted("map", &options, |map| {
                map.reserve(n);
                (0..ENTRIES).try_for_each(|i| map.push(key(i), value(i)))
            })
            .unwrap()
        });
        assert_eq!(next, edition + 1);
        println!(
            "an image of {} bytes: {of_tree} bytes of private memory to publish a tree, \
             {of_sorted} to publish sorted entries",
            image.len()
        );
        assert!(of_tree <= may && of_sorted <= may, "{of_tree} {of_sorted} {may}");
        let open = MapOptions::default().namespace(Namespace::at(namespace.path()));
        let map = SharedMap::open_copy_with("map", &open).unwrap();
        assert!(map.as_bytes() == &image[..]);
        let saved = namespace.path().join("saved");
        if hash_index {
            let (of_save, ()) = most_during(|| tree.save(&saved).unwrap());
            assert!(of_save <= may, "{of_save}");
            assert!(std::fs::read(&saved).unwrap() == image[..]);
            std::fs::remove_file(&saved).unwrap();
        }
    }
}

#[test]
fn a_map_whose_building_fails_leaves_nothing() {
    let _alone = ALONE.lock().unwrap();
    let namespace = TempNamespace::new().unwrap();
    let options = ShareOptions::default().namespace(Namespace::at(namespace.path())).force(true);
    let files = || std::fs::read_dir(namespace.path()).unwrap().count();
    let out_of_order = || {
        share_sorted("map", &options, |map| {
            (0..ENTRIES).try_for_each(|i| map.push(key(i), value(i)))?;
            map.push(key(5), "")
        })
        .unwrap_err()
    };
    let error = out_of_order();
    assert!(matches!(error, Error::Build(BuildError::NotSorted { .. })), "{error}");
    assert_eq!(files(), 0);
    // The edition that there is stays.
    let one = |map: &mut shm_facade::MapBuilder<'_, '_>| map.push("a", "1");
    assert_eq!(share_sorted("map", &options, one).unwrap(), 1);
    let before = files();
    out_of_order();
    // An empty map does not replace it, unless that is meant.
    let nothing = |_: &mut shm_facade::MapBuilder<'_, '_>| Ok::<(), Error>(());
    let error = share_sorted("map", &options, nothing).unwrap_err();
    assert!(matches!(error, Error::WouldEmpty { entries: 1, .. }), "{error}");
    let panics = || {
        share_sorted("map", &options, |map| {
            map.push("b", "2")?;
            assert!(map.is_empty(), "a panic of the caller");
            Ok::<(), Error>(())
        })
    };
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics));
    assert!(panicked.is_err());
    assert_eq!(files(), before);
    let open = MapOptions::default().namespace(Namespace::at(namespace.path()));
    let map = SharedMap::open_copy_with("map", &open).unwrap();
    assert_eq!(map.len(), 1);
    let options = options.allow_empty(true);
    assert_eq!(share_sorted("map", &options, nothing).unwrap(), 2);
}
