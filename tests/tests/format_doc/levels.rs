//! The levels of a table that grows, as the document describes them.

use std::path::PathBuf;

use shm_core::Namespace;
use shm_tests::document::Document;
use shm_tests::{TempNamespace, options, test_name};
use slotmap_shm::{Geometry, KIND, Table};

use super::{Bytes, Sizes, TABLE_BODY};

/// A table of the levels 5, 10 and 17.
pub(super) fn with_growing_table() -> (TempNamespace, PathBuf, Table<i32>) {
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    let options = options(5, 8).max_capacity(17);
    let table = Table::create(&ns, &test_name(), &options).unwrap();
    (namespace, ns.path_of(&test_name(), KIND), table)
}

#[test]
fn the_levels_of_a_table_that_grows() {
    let document = Document::read();
    let (page, body) = (document.section("First page"), document.section("Body of a table"));
    let (_namespace, path, table) = with_growing_table();
    // What the formulas of the document say.
    let sizes = [5, 10, 17].map(|capacity| {
        let capacity = Geometry::default().capacity(capacity).value_size(8);
        Sizes::new(capacity, true)
    });
    let index_at = 48 + 24;
    let after = |at: usize, sizes: &Sizes| (at + sizes.index_len / 2).next_multiple_of(8);
    let [first, second, slots_at] = [&sizes[0], &sizes[1], &sizes[2]].map({
        let mut at = index_at;
        move |sizes| {
            at = after(at, sizes);
            at
        }
    });
    let words = slots_at + 17 * sizes[0].slot_words;
    let file = Bytes::of(&path);
    assert_eq!(file.0.len(), TABLE_BODY + 8 * words);
    let used = 48 + 5 + sizes[0].index_len / 2 + 5 * sizes[0].slot_words;
    assert_eq!(file.u64(page.field("holes")) as usize, 8 * (words - used));

    // The place of key 0 in the index of each level: the only one that is not empty.
    let places = |file: &Bytes, from: usize, to: usize| {
        (TABLE_BODY + 8 * from..TABLE_BODY + 8 * to)
            .step_by(8)
            .filter(|&at| file.word(at) != 0)
            .count()
    };
    let epoch = body.field("epoch");
    document.says("Bits 1 to 5 are the number of the [level](#levels)");
    for (key, level) in [(4, 0), (5, 1), (9, 1), (10, 2), (16, 2)] {
        for key in 0..=key {
            table.upsert(&key, "value").unwrap();
        }
        let file = Bytes::of(&path);
        assert_eq!(file.u64(epoch) >> 1 & 31, level, "{key}");
        assert_eq!(file.u64(epoch) % 2, 0);
        let used = [(index_at, first), (first, second), (second, slots_at)];
        for (number, (from, to)) in used.into_iter().enumerate() {
            assert_eq!(places(&file, from, to) > 0, number as u64 <= level, "{key} {number}");
        }
    }
    let file = Bytes::of(&path);
    let slot = document.section("Slot");
    let key = slot.field("key");
    for number in 0..17 {
        let at = TABLE_BODY + 8 * (slots_at + number * sizes[0].slot_words) + key.offset;
        assert_eq!(file.word(at), number as u64);
    }
}
