//! `docs/format.md` says what is in a snapshot's image: its tables, formulas and examples are
//! compared with real ones. The rest of its text is what `shm_tests::image` does, which the golden
//! files compare with the library.

use avl_snapshot::{FORMAT_VERSION, FreezeOptions, MAX_DATA_LEN, MAX_ENTRIES, MAX_KEY_LEN};
use avl_snapshot::{RbTree, Snapshot, SnapshotError};
use shm_tests::document::{Document, number};
use shm_tests::golden;
use shm_tests::image::{Sections, encode, header, nodes, word};

/// An image with an index.
fn image() -> Vec<u8> {
    encode(&golden::numbered(20), true)
}

#[test]
fn the_header() {
    let document = Document::read();
    let section = document.section("Snapshot image");
    section.covers(0, header::LEN);
    let image = image();
    let bytes = |name: &str| &image[section.field(name).offset..][..section.field(name).size];
    for (name, offset) in [
        ("magic", header::MAGIC),
        ("version", header::VERSION),
        ("reserved", header::RESERVED),
        ("entries", header::ENTRIES),
        ("data_len", header::DATA_LEN),
        ("buckets", header::BUCKETS),
        ("common", header::COMMON),
        ("ties", header::TIES),
        ("body_crc", header::BODY_CRC),
        ("header_crc", header::HEADER_CRC),
    ] {
        assert_eq!(section.field(name).offset, offset, "{name}");
    }
    assert_eq!(bytes("magic"), b"AVLSNAP\n");
    assert_eq!(section.number("version"), u64::from(FORMAT_VERSION));
    assert_eq!(bytes("version"), FORMAT_VERSION.to_le_bytes());
    assert_eq!(section.number("entries"), MAX_ENTRIES);
    assert_eq!(section.number("data_len"), MAX_DATA_LEN);
    document.says(&format!("Keys are at most {} bytes long", "1,048,575"));
    assert_eq!(number("1,048,575"), MAX_KEY_LEN as u64);
    assert_eq!(bytes("body_crc"), crc32fast::hash(&image[64..]).to_le_bytes());
    assert_eq!(bytes("header_crc"), crc32fast::hash(&image[..60]).to_le_bytes());
    assert!(bytes("reserved").iter().all(|&byte| byte == 0));
}

#[test]
fn the_places_of_the_sections() {
    let document = Document::read();
    for formula in [
        "nodes_at   = 64 + ⌈data_len⌉₆₄",
        "ties_at    = nodes_at + 64 · nodes above the bottom tier",
        "units_at   = ⌈ties_at + 4 · ties⌉₆₄",
        "units_end  = units_at + 64 · units + 8 · slots",
        "buckets_at = ⌈units_end⌉₆₄ ",
        "total_len  = buckets_at + 64 · buckets ",
        "total_len  = units_end ",
        "slots_before(i) = min(16 · i, 8 · i + last')",
        "`3n / 16`, rounded up, and one more",
    ] {
        document.says(formula);
    }
    let round_up = |x: usize| x.next_multiple_of(64);
    for n in [0, 1, 2, 7, 8, 15, 16, 17, 100, 300] {
        for index in [false, true] {
            let mut tree = RbTree::new();
            for (key, value) in golden::numbered(n) {
                tree.set(key, value).unwrap();
            }
            let image = tree.freeze_with(&FreezeOptions::default().hash_index(index));
            let stats = Snapshot::new(&image[..]).unwrap().stats();
            let all = nodes(n).len();
            let upper = nodes(n).iter().filter(|node| node.ranks.len() < node.all.len()).count();
            let ties = word(&image, header::TIES) as usize;
            let nodes_at = 64 + round_up(stats.data_bytes);
            let units_at = round_up(nodes_at + 64 * upper + 4 * ties);
            let last = n.checked_ilog2().map_or(0, |levels| n + 1 - (1 << levels));
            let last = last.next_multiple_of(8);
            let slots_before = |unit: usize| (16 * unit).min(8 * unit + last);
            let slots = match n {
                0 => 0,
                1..8 => n + 1,
                _ => slots_before(all - upper),
            };
            let end = units_at + 64 * (all - upper) + 8 * slots;
            let buckets = if n == 0 { 0 } else { (3 * n).div_ceil(16) + 1 };
            let total = if index && n > 0 { round_up(end) + 64 * buckets } else { end };
            assert_eq!(image.len(), total, "{n} {index}");
            let sections = Sections::of(&image);
            assert_eq!((sections.nodes.start, sections.all_units()), (nodes_at, units_at..end));
            for (unit, range) in sections.units.iter().enumerate() {
                assert_eq!(range.start, units_at + 64 * unit + 8 * slots_before(unit), "{n}");
            }
            assert_eq!((stats.tree_bytes, stats.tie_bytes), (64 * all, 4 * ties));
            assert_eq!(stats.entry_bytes, 8 * slots);
        }
    }
}

#[test]
fn the_shapes() {
    let document = Document::read();
    let mut checked = 0;
    for row in document.rows("Snapshot tree") {
        let [n, levels, tiers, count] = row[..] else { continue };
        let Ok(levels) = levels.parse::<u32>() else { continue };
        let n = number(n) as usize;
        assert_eq!(levels, usize::BITS - n.leading_zeros());
        let heights: Vec<u32> = tiers.split(", ").filter_map(|tier| tier.parse().ok()).collect();
        assert_eq!(heights.iter().sum::<u32>(), levels);
        assert!(heights.iter().skip(1).all(|&height| height == 4));
        assert!(n == 0 || heights[0] == (levels - 1) % 4 + 1);
        let image = avl_snapshot::from_sorted((0..n as u32).map(|i| (i.to_be_bytes(), [])));
        let stats = Snapshot::new(image.unwrap()).unwrap().stats();
        assert_eq!((stats.depth, stats.tiers), (levels, heights.len()), "{n}");
        assert_eq!(stats.tree_bytes, 64 * number(count) as usize, "{n}");
        checked += 1;
    }
    assert_eq!(checked, 8);
    document.says("it has\n`(L − 1) mod 4 + 1`");
}

/// The ranks of the drawn tree, level by level, are those of the walked one.
#[test]
fn the_drawn_tree() {
    let document = Document::read();
    let (mut drawn, mut is_drawing) = (Vec::new(), false);
    for line in document.lines("Snapshot tree") {
        is_drawing = line.starts_with("```text") || is_drawing && !line.starts_with("```");
        let tree: String = line.chars().take(52).collect();
        if is_drawing {
            drawn.extend(tree.split_whitespace().filter_map(|word| word.parse::<usize>().ok()));
        }
    }
    // Breadth first, each key with the ranks that its subtree has.
    let mut queue = std::collections::VecDeque::new();
    queue.push_back(0..20usize);
    let mut walked = Vec::new();
    while let Some(ranks) = queue.pop_front() {
        // Of a complete tree, the left half of the last level is filled first.
        let half = 1 << ranks.len().ilog2();
        let last = ranks.len() + 1 - half;
        let root = ranks.start + (half / 2 + last.min(half / 2)).saturating_sub(1);
        walked.push(root);
        queue
            .extend([ranks.start..root, root + 1..ranks.end].into_iter().filter(|r| !r.is_empty()));
    }
    assert_eq!(drawn, walked);
    let nodes = nodes(20);
    assert_eq!((nodes[1].all.clone(), nodes[2].all.clone()), (0..12, 13..20));
    document.says("node 1 has ranks 0 to 11,");
    document.says("node 2 ranks 13 to 19");
}

#[test]
fn the_ranks() {
    let document = Document::read();
    for formula in [
        "`last = n − (2^(L−1) − 1)`",
        "before(p) = min(p, p / 2 + last)",
        "before(i · 2^height) + k ",
        "before((i · 2^height + k + 1) · 2^below) − 1 ",
        "`before((i + 1) · 2^height) − before(i · 2^height) − 1` keys, any other `2^height − 1`",
    ] {
        document.says(formula);
    }
    for n in (1..300usize).chain([1000, 4095, 4096, 5000]) {
        let levels = usize::BITS - n.leading_zeros();
        let last = n - ((1 << (levels - 1)) - 1);
        let before = |p: usize| p.min(p / 2 + last);
        let mut nodes = nodes(n).into_iter();
        let mut above = 0;
        while above < levels {
            let height = if above == 0 { (levels - 1) % 4 + 1 } else { 4 };
            let below = levels - above - height;
            for b in 0..1usize << above {
                let ranks = nodes.next().unwrap().ranks;
                let keys = match below {
                    0 => before((b + 1) << height) - before(b << height) - 1,
                    _ => (1 << height) - 1,
                };
                let by_formula = (0..keys).map(|k| match below {
                    0 => before(b << height) + k,
                    _ => before(((b << height) + k + 1) << below) - 1,
                });
                assert!(by_formula.eq(ranks.iter().copied()), "{n} {above} {b}: {ranks:?}");
            }
            above += height;
        }
        assert!(nodes.next().is_none());
    }
}

#[test]
fn the_names_of_the_errors() {
    let document = Document::read();
    // Each of these is provoked in `snapshot_crafted`, by this name.
    let crafted = [
        include_str!("snapshot_crafted/main.rs"),
        include_str!("snapshot_crafted/tree.rs"),
        include_str!("snapshot_crafted/index.rs"),
    ];
    let crafted = crafted.concat();
    let mut named = 0;
    for row in document.rows("Snapshot checks") {
        let name = row[1].strip_prefix("`Corrupt`: ").unwrap_or(row[1]);
        if name.starts_with('`') || name.starts_with("fails") || name.starts_with('-') {
            continue;
        }
        assert!(crafted.contains(&format!("corrupt(\"{name}\"")), "{name}");
        named += 1;
    }
    assert_eq!(named, 15);
    assert!(matches!(Snapshot::new(b"AVLSNAP\n"), Err(SnapshotError::Length { .. })));
}

#[test]
fn the_worked_example() {
    let document = Document::read();
    let mut tree = RbTree::new();
    for (key, value) in [("", "x"), ("ab", ""), ("abc", "yz")] {
        tree.set(key, value).unwrap();
    }
    let image = tree.freeze_with(&FreezeOptions::default().hash_index(true));
    document.says(&format!("with a hash index: {} bytes.", image.len()));
    let mut checked = 0;
    for row in document.rows("Snapshot example") {
        let Ok(offset) = row[0].parse() else { continue };
        assert_eq!(word(&image, offset), number(row[1]), "{row:?}");
        checked += 1;
    }
    assert_eq!(checked, 22);
}
