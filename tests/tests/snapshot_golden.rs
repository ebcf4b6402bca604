//! Golden files freeze the format of a snapshot's image: the same map gives the same bytes, for
//! ever.
//!
//! A change of the format is a new version of it, with golden files of its own. Then, and only
//! then, they are written again: `SHMAP_BLESS=1 cargo test -p shm-tests --test snapshot_golden`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Once;

use avl_snapshot::{Builder, FreezeOptions, RbTree, Snapshot};
use shm_tests::golden::{Golden, all};
use shm_tests::image::encode;
use shm_tests::snapshot_calls::entries;

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/golden")
}

fn path(golden: &Golden) -> PathBuf {
    dir().join(format!("{}.avl", golden.name))
}

/// The maps, after their files were written if that was asked for.
fn maps() -> Vec<Golden> {
    static BLESSED: Once = Once::new();
    BLESSED.call_once(|| {
        if std::env::var_os("SHMAP_BLESS").is_some_and(|value| value == "1") {
            for golden in all() {
                std::fs::write(path(&golden), encode(&golden.entries, golden.index)).unwrap();
            }
        }
    });
    all()
}

fn bytes(golden: &Golden) -> Vec<u8> {
    let path = path(golden);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn building_gives_exactly_these_bytes() {
    for golden in maps() {
        let name = &golden.name;
        let expected = bytes(&golden);
        let options = FreezeOptions::default().hash_index(golden.index);
        let mut tree = RbTree::new();
        let mut builder = Builder::with_options(options.clone());
        for (key, value) in golden.entries.iter().rev() {
            tree.set(key, value).unwrap();
        }
        for (key, value) in &golden.entries {
            builder.push(key, value).unwrap();
        }
        assert!(tree.freeze_with(&options)[..] == expected, "{name}: of a tree");
        assert!(builder.finish()[..] == expected, "{name}: of a builder");
        assert!(encode(&golden.entries, golden.index) == expected, "{name}: of the document");
    }
}

#[test]
fn opening_gives_exactly_these_entries() {
    for golden in maps() {
        let name = &golden.name;
        let snapshot = Snapshot::new(bytes(&golden)).unwrap();
        snapshot.verify().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(entries(&snapshot), golden.entries, "{name}");
        for (rank, (key, value)) in golden.entries.iter().enumerate() {
            assert_eq!(snapshot.get(key), Some(&value[..]), "{name}: {key:x?}");
            assert_eq!(snapshot.search(key), Ok(rank), "{name}: {key:x?}");
        }
        let (keys, values): (Vec<_>, Vec<_>) = golden.entries.iter().map(|(k, v)| (k, v)).unzip();
        let found: Vec<_> = snapshot.get_many(&keys).into_iter().flatten().collect();
        assert_eq!(found, values, "{name}");
        for key in keys {
            for absent in [[key, &b"\0"[..]].concat(), key[..key.len().saturating_sub(1)].to_vec()]
            {
                if golden.entries.iter().all(|(key, _)| *key != absent) {
                    assert_eq!(snapshot.get(&absent), None, "{name}: {absent:x?}");
                    assert_eq!(snapshot.get_many(&[&absent]), [None], "{name}: {absent:x?}");
                }
            }
        }
        assert_eq!(snapshot.has_hash_index(), golden.index && !golden.entries.is_empty(), "{name}");
    }
}

#[test]
fn each_golden_file_is_of_a_map() {
    let maps: BTreeSet<_> = maps().iter().map(path).collect();
    let mut files: BTreeSet<_> =
        std::fs::read_dir(dir()).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(files.remove(&dir().join("errors.md")), "the one file that is of no map");
    assert_eq!(files, maps);
}
