//! A figure that two places of the documents have is the same in both, and the pictures show the
//! figures of the tables beside them.

use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The tables of a text, each as rows of cells. The first row is the heading.
fn tables(text: &str) -> Vec<Vec<Vec<&str>>> {
    let mut tables = vec![Vec::new()];
    for line in text.lines() {
        match line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) {
            Some(row) => tables.last_mut().unwrap().push(row.split(" | ").collect::<Vec<_>>()),
            // The line below the heading.
            None if line.starts_with("|-") => {}
            None => tables.push(Vec::new()),
        }
    }
    tables.retain(|table| !table.is_empty());
    tables
}

/// The first table after these words.
fn table_after<'a>(text: &'a str, words: &str) -> Vec<Vec<&'a str>> {
    let rest = text.split_once(words).unwrap_or_else(|| panic!("no {words}")).1;
    tables(rest).swap_remove(0)
}

/// The numbers of a text that have a point, as they are written.
fn decimals(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    words.filter(|word| word.split('.').filter(|part| !part.is_empty()).count() == 2)
}

#[test]
fn a_lookup_among_1024_entries_takes_as_long_on_every_page() {
    let (readme, page) = (read("README.md"), read("docs/benchmarks.md"));
    let curve = table_after(&page, "](lookup.svg)");
    let row = curve.iter().find(|row| row[0] == "1024").unwrap();
    let expected = &row[1..5];
    let heading = ["linear array, plain mutex", "table", "snapshot (AVL)", "snapshot, hash index"];
    assert_eq!(curve[0][1..5], heading);
    let of_readme = table_after(&readme, "## How fast");
    assert_eq!(of_readme[1..].iter().map(|row| row[1]).collect::<Vec<_>>(), expected);
    let sentence = page.split("At 1,024 entries, a lookup takes").nth(1).unwrap();
    let sentence = sentence.split("\n\n").next().unwrap();
    assert_eq!(decimals(sentence).collect::<Vec<_>>(), expected);
}

#[test]
fn ratios_of_targets_that_are_not_reached_are_those_of_the_rows() {
    let page = read("docs/benchmarks.md");
    let is_row = |table: &&Vec<Vec<&str>>| table[0].last() == Some(&"holds");
    let tables = tables(&page);
    let rows: Vec<_> = tables.iter().filter(is_row).flat_map(|table| &table[1..]).collect();
    assert!(rows.len() > 100, "only {} rows", rows.len());
    let targets = table_after(&page, "### Targets");
    let mut count = 0;
    for target in &targets[1..] {
        let reached = target[0].split('(').nth(1).into_iter().flat_map(decimals);
        for ratio in decimals(target[2]).chain(reached) {
            count += 1;
            assert!(rows.iter().any(|row| row[4] == ratio), "no row has {ratio}: {target:?}");
        }
    }
    assert!(count > 20, "only {count} ratios");
    // Each row that misses its bar is among them.
    for row in rows.iter().filter(|row| row[6] == "no") {
        let named = targets.iter().any(|target| decimals(target[2]).any(|ratio| ratio == row[4]));
        assert!(named, "{row:?}");
    }
}

/// The heights of the points of each curve.
fn curves(svg: &str) -> Vec<Vec<f64>> {
    let lines = svg.lines().filter(|line| line.starts_with("<polyline class=\"curve"));
    let points = lines.map(|line| line.split(" points=\"").nth(1).unwrap().split('"').next());
    let height = |point: &str| point.split_once(',').unwrap().1.parse().unwrap();
    points.map(|points| points.unwrap().split(' ').map(height).collect()).collect()
}

/// Asserts that the heights of points follow from their figures: by a straight line, which the
/// first and the last of them determine.
fn assert_drawn(picture: &str, figures: &[f64], heights: &[f64]) {
    let order = |&a: &usize, &b: &usize| figures[a].total_cmp(&figures[b]);
    let least = (0..figures.len()).min_by(order).unwrap();
    let most = (0..figures.len()).max_by(order).unwrap();
    let scale = (heights[most] - heights[least]) / (figures[most] - figures[least]);
    assert!(scale < 0.0, "{picture}");
    for (figure, height) in figures.iter().zip(heights) {
        let expected = heights[least] + (figure - figures[least]) * scale;
        // Coordinates have one decimal place, and so have some figures.
        assert!((height - expected).abs() < 1.0, "{picture}: {figure} is at {height}");
    }
}

#[test]
fn the_pictures_show_the_tables_beside_them() {
    let page = read("docs/benchmarks.md");
    let number = |cell: &str| cell.parse::<f64>().unwrap_or_else(|error| panic!("{cell}: {error}"));
    for picture in ["lookup.svg", "lookup-bytes.svg"] {
        let table = table_after(&page, &format!("]({picture})"));
        let curves = curves(&read(&format!("docs/{picture}")));
        assert_eq!(curves.len(), table[0].len() - 1, "{picture}");
        let (mut figures, mut heights) = (Vec::new(), Vec::new());
        for (column, curve) in (1..).zip(curves) {
            let cells = table[1..].iter().map(|row| row[column]).filter(|&cell| cell != "–");
            let column: Vec<_> = cells.map(|cell| number(cell).log10()).collect();
            assert_eq!(column.len(), curve.len(), "{picture}");
            figures.extend(column);
            heights.extend(curve);
        }
        assert_drawn(picture, &figures, &heights);
    }

    let table = table_after(&page, "](writers.svg)");
    let (mut rest, mut figures) = (&table[1..], Vec::new());
    // A curve for each kind of keys and each map, over the number of writers.
    while let Some(first) = rest.first() {
        let (block, others) = rest.split_at(rest.iter().take_while(|r| r[0] == first[0]).count());
        for map in block.iter().take_while(|row| row[1] == first[1]) {
            figures.extend(block.iter().filter(|row| row[2] == map[2]).map(|row| number(row[3])));
        }
        rest = others;
    }
    let heights: Vec<_> = curves(&read("docs/writers.svg")).concat();
    assert_eq!(figures.len(), heights.len());
    // Each kind of keys has a panel, with a scale of its own or the same one.
    let panel = figures.len() / 3;
    for (figures, heights) in figures.chunks(panel).zip(heights.chunks(panel)) {
        assert_drawn("writers.svg", figures, heights);
    }
}
