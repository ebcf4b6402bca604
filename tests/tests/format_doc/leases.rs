//! Tables whose entries expire or are evicted, as the document describes them.

use std::path::PathBuf;
use std::time::Duration;

use shm_core::{Namespace, since_boot};
use shm_tests::document::Document;
use shm_tests::{TempNamespace, test_name};
use slotmap_shm::{Eviction, Expiry, Geometry, KIND, Table, TableOptions};

use super::{Bytes, Sizes, TABLE_BODY};

const TTL: Duration = Duration::from_secs(1000);

fn create(expiry: Expiry, eviction: Eviction) -> (TempNamespace, PathBuf, Table<i32>) {
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    let geometry = Geometry::default().expiry(expiry).eviction(eviction);
    let table =
        Table::create(&ns, &test_name(), &TableOptions::default().geometry(geometry)).unwrap();
    (namespace, ns.path_of(&test_name(), KIND), table)
}

#[test]
fn the_flags_and_the_sizes() {
    let document = Document::read();
    let words = document.section("Geometry of a table");
    let said = &words.field("flags").meaning;
    for (expiry, eviction, flags, ttl, meaning) in [
        (Expiry::ByEntry, Eviction::Never, 1, 0, "1: entries may expire"),
        (Expiry::Never, Eviction::LeastRecentlyWritten, 2, 0, "2: a full table evicts entries"),
        (Expiry::After(TTL), Eviction::LeastRecentlyWritten, 3, TTL.as_nanos(), "3: both"),
    ] {
        assert!(said.contains(meaning));
        let (_namespace, path, table) = create(expiry, eviction);
        let file = Bytes::of(&path);
        assert_eq!(file.u64(words.field("flags")), flags);
        assert_eq!(u128::from(file.u64(words.field("default_ttl"))), ttl);
        assert_eq!(file.0.len(), Sizes::new(table.geometry(), true).file_bytes());
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let id: String = id.trim().split('-').collect();
        let id = u64::from_str_radix(&id[..16], 16).unwrap().swap_bytes() | 1;
        let body = document.section("Body of a table");
        assert_eq!(file.u64(body.field("boot")), id);
    }
}

#[test]
fn the_words_of_a_slot() {
    let document = Document::read();
    let (_namespace, path, table) = create(Expiry::After(TTL), Eviction::LeastRecentlyWritten);
    let section = document.section("Leases and times");
    let slots = TABLE_BODY + 8 * Sizes::new(table.geometry(), true).slots_at;
    let word = |name: &str| Bytes::of(&path).word(slots + section.field(name).offset);
    let before = since_boot();
    table.add(&1, b"x").unwrap();
    let written = word("written");
    assert!((before..=since_boot()).contains(&written));
    let ttl = TTL.as_nanos() as u64;
    assert!((before + ttl..=since_boot() + ttl).contains(&word("lease_0")));
    assert_eq!(word("lease_1"), 0);
    table.upsert_for(&1, b"y", 2 * TTL).unwrap();
    assert!(word("lease_1") > word("lease_0") && word("written") >= written);

    document.says("2⁶³ + id means that the entry stays as long as the registration with this id");
    table.remove(&1).unwrap();
    table.add_ephemeral(&1, b"z").unwrap();
    let id = table.segment().writers()[0].id.to_u64();
    assert!([word("lease_0"), word("lease_1")].contains(&(1 << 63 | id)));

    // Without leases, `written` comes first.
    let (_namespace, path, table) = create(Expiry::Never, Eviction::LeastRecentlyWritten);
    let before = since_boot();
    table.add(&1, b"x").unwrap();
    let slots = TABLE_BODY + 8 * Sizes::new(table.geometry(), true).slots_at;
    let first = Bytes::of(&path).word(slots + section.field("lease_0").offset);
    assert!((before..=since_boot()).contains(&first));
}

#[test]
fn the_counts() {
    let document = Document::read();
    let (_namespace, path, table) = create(Expiry::ByEntry, Eviction::LeastRecentlyWritten);
    let body = document.section("Body of a table");
    for key in 0..1025 {
        let ttl = Duration::from_millis(1 + 999_999 * u64::from(key > 9));
        table.upsert_for(&key, b"x", ttl).unwrap();
    }
    let count = |name: &str| Bytes::of(&path).u64(body.field(name));
    assert_eq!(count("evicted") + count("expired"), 1);
    while table.contains_key(&9).unwrap() {}
    table.expire(100).unwrap();
    assert_eq!(count("hand"), (count("hand") + 1024) % 1024);
    assert!(count("expired") >= 9);
}
