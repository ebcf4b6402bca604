//! The sizes of tables in `docs/production.md` are those of the library.

use std::path::Path;

use slotmap_shm::{Geometry, KeyKind};

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
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/production.md");
    let text = std::fs::read_to_string(path).unwrap();
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
