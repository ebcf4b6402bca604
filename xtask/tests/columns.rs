//! Prose keeps to 100 columns: comments of Rust sources, and Markdown outside of code and tables.

use std::path::{Path, PathBuf};

/// The longest line of prose, in characters.
const COLUMNS: usize = 100;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files(&path, found);
        } else if name.ends_with(".rs") || name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// True for a line that is only a link, which cannot be broken: a definition, or an item of a list.
fn is_link(text: &str) -> bool {
    let text = text.trim_start_matches(['-', '*', ' ']);
    let is_one_word = text.split_whitespace().count() == 1;
    text.starts_with('[') && (text.contains("]: ") || text.ends_with(')'))
        || is_one_word && text.contains("://")
}

/// True for a row of a table, which cannot be broken either.
fn is_row(text: &str) -> bool {
    text.trim_start().starts_with('|')
}

fn is_too_long(line: &str) -> bool {
    line.chars().count() > COLUMNS
}

/// Numbers of the lines of a Rust source that are comments, and too long.
fn long_comments(source: &str) -> Vec<usize> {
    let comments = source.lines().enumerate().filter(|(_, line)| {
        let Some(text) = line.trim_start().strip_prefix("//") else { return false };
        let text = text.trim_start_matches(['/', '!']).trim();
        is_too_long(line) && !is_link(text) && !is_row(text)
    });
    comments.map(|(at, _)| at + 1).collect()
}

/// Numbers of the lines of a Markdown page that are prose, and too long.
fn long_prose(page: &str) -> Vec<usize> {
    let mut is_code = false;
    let mut found = Vec::new();
    for (at, line) in page.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code && is_too_long(line) && !is_link(line.trim()) && !is_row(line) {
            found.push(at + 1);
        }
    }
    found
}

#[test]
fn prose_keeps_to_its_columns() {
    let mut all = Vec::new();
    files(&root(), &mut all);
    let mut pages = 0;
    let mut found = Vec::new();
    for path in &all {
        let text = std::fs::read_to_string(path).unwrap();
        let is_page = path.extension().unwrap() == "md";
        pages += usize::from(is_page);
        let lines = if is_page { long_prose(&text) } else { long_comments(&text) };
        let shown = path.strip_prefix(root()).unwrap().display();
        found.extend(lines.iter().map(|line| format!("{shown}:{line}")));
    }
    assert!(all.len() > 200 && pages > 10, "the walk found {} files, {pages} pages", all.len());
    assert!(found.is_empty(), "longer than {COLUMNS} columns:\n{}", found.join("\n"));
}

#[test]
fn a_line_that_is_too_long_is_found() {
    let word = "é".repeat(90);
    // Characters count, not bytes.
    assert!(long_comments(&format!("// {word}\n")).is_empty());
    let long = format!("{word} and more words");
    for comment in ["//", "    ///", "//!"] {
        assert_eq!(long_comments(&format!("let a = 1;\n{comment} {long}\n")), [2], "{comment}");
    }
    // Code is left to rustfmt; rows and links cannot be broken.
    assert!(long_comments(&format!("let a = \"{long}\";\n//! | {long} |\n")).is_empty());
    assert!(long_comments(&format!("/// [a]: https://example.org/{word}\n")).is_empty());

    assert_eq!(long_prose(&format!("# A\n\n{long}\n- [a](b) {long}\n")), [3, 4]);
    let exempt = format!("```sh\n{long}\n```\n| {long} |\n[a]: {word}/{word}\n");
    assert!(long_prose(&exempt).is_empty());
    assert_eq!(long_prose(&format!("{exempt}{long}\n")), [6]);
}
