//! The sizes of tables and the versions of files in `docs/production.md` are those of the library.

use std::path::Path;

use shm_tests::{TempNamespace, create};
use slotmap_shm::{Geometry, KeyKind};

fn production() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/production.md");
    std::fs::read_to_string(path).unwrap()
}

/// The rows of the table whose heading begins with these words.
fn rows<'a>(text: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let lines = text.lines().skip_while(|line| !line.starts_with(heading)).skip(2);
    let rows = lines.map_while(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    rows.map(|row| row.split(" | ").collect()).collect()
}

fn number(cell: &str) -> usize {
    cell.replace(',', "").parse().unwrap_or_else(|error| panic!("{cell}: {error}"))
}

#[test]
fn the_examples_of_sizes_are_true() {
    let text = production();
    let rows = rows(&text, "| capacity | longest value | keys | file, bytes |");
    assert!(rows.len() > 5, "only {} rows", rows.len());
    for row in rows {
        let [capacity, value, keys, file, entry] = row[..] else { panic!("{row:?}") };
        let kind = match keys {
            "`i32`" => KeyKind::I32,
            "`i64`" => KeyKind::I64,
            "`str`, at most 64 bytes" => KeyKind::Str,
            other => panic!("{other}"),
        };
        let of = |capacity| Geometry::default().capacity(capacity).value_size(number(value));
        let len = of(number(capacity)).file_len(kind).unwrap();
        assert_eq!(len, number(file) as u64, "{row:?}");
        // Eight entries more, for which the index need not grow.
        let [few, more] = [24, 32].map(|capacity| of(capacity).file_len(kind).unwrap());
        assert_eq!(more - few, 8 * (number(entry) as u64 + 8), "{row:?}");
    }
}

#[test]
fn the_table_of_a_docker_volume_is_that_of_the_examples() {
    let text = production();
    let rows = rows(&text, "| capacity | longest value | keys | file, bytes |");
    let row = rows.iter().find(|row| row[..3] == ["100,000", "256", "`i32`"]).unwrap();
    let said = format!("one table of 100,000 default entries ({} bytes)", row[3]);
    assert!(text.replace('\n', " ").contains(&said), "the page does not say: {said}");
    assert!(number(row[3]) < 64 << 20 && 64 << 20 < 2 * number(row[3]), "one, but not two");
}

#[test]
fn the_versions_of_files_are_true() {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, 8, 8);
    let file = std::fs::read(table.segment().path()).unwrap();
    let format = u32::from_ne_bytes(file[12..16].try_into().unwrap());
    let kind = u64::from_ne_bytes(file[40..48].try_into().unwrap());
    let image = avl_snapshot::FORMAT_VERSION;
    let text = production();
    let found = rows(&text, "| number | of what | now |");
    let expected = [
        ("`format_version`", u64::from(format)),
        ("`kind_version`", kind),
        ("`version` of the image", u64::from(image)),
    ];
    assert_eq!(found.len(), expected.len());
    for (row, (name, version)) in found.iter().zip(expected) {
        assert_eq!((row[0], row[2]), (name, &*version.to_string()));
    }
    assert_eq!(format, shm_core::FORMAT_VERSION);
}
