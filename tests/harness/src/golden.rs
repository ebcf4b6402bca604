//! The golden file of errors, which has the text that a person sees of each error in Rust, at the
//! command line, in C and in Python.
//!
//! A block of the file is a heading, which says what went wrong, and lines, each of which begins
//! with its front end. The tests of a front end compare its lines. With `SHMAP_BLESS=1` in the
//! environment they write these lines again and leave those of other front ends.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// The front ends, in the order of their lines.
const FRONT_ENDS: [&str; 4] = ["rust", "cli", "c", "python"];
/// The line that ends a block.
const FENCE: &str = "```";

/// The texts seen in a front end: the lines of each heading, or why it could not be tried.
#[derive(Debug)]
pub struct Seen {
    front_end: &'static str,
    dir: String,
    lines: BTreeMap<String, Vec<String>>,
    skipped: Vec<String>,
}

impl Seen {
    /// Starts with nothing seen. `dir` is the namespace, which lines call `DIR`.
    ///
    /// # Panics
    /// For a front end that the file does not know.
    #[must_use]
    pub fn new(front_end: &'static str, dir: &std::path::Path) -> Self {
        assert!(FRONT_ENDS.contains(&front_end), "no front end {front_end}");
        let dir = dir.to_string_lossy().into_owned();
        Self { front_end, dir, lines: BTreeMap::new(), skipped: Vec::new() }
    }

    /// Records the lines seen under a heading. Text that differs from run to run is replaced by a
    /// name.
    ///
    /// # Panics
    /// For a heading that was recorded before.
    pub fn note(&mut self, heading: &str, lines: impl IntoIterator<Item = String>) {
        let lines = lines.into_iter().map(|line| self.named(&line)).collect();
        let before = self.lines.insert(heading.to_owned(), lines);
        assert!(before.is_none(), "{heading:?} was noted twice");
    }

    /// Says that a heading cannot be tried here.
    pub fn skip(&mut self, heading: &str, reason: &str) {
        println!("skipped: {heading}: {reason}");
        self.skipped.push(heading.to_owned());
    }

    /// The line with the directory, times, processes and threads replaced.
    fn named(&self, line: &str) -> String {
        let line = line.replace(&self.dir, "DIR");
        let line = number(&line, "", " ms", "TIME");
        let line = number(&line, "", " s", "TIME");
        let line = number(&line, "process ", "", "PID");
        let line = number(&line, "thread ", "", "TID");
        match line.split_once("process PID (") {
            Some((start, rest)) => {
                let rest = rest.split_once(')').map_or("", |(_, rest)| rest);
                format!("{start}process PID (COMMAND){rest}")
            }
            None => line,
        }
    }

    /// Compares the lines with the file, or writes them.
    ///
    /// # Panics
    /// If they differ. The message says how to write the file again.
    pub fn check(self) {
        let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../data/golden/errors.md"));
        let text = std::fs::read_to_string(&path).expect("the golden file of errors");
        let (new, mut problems) = self.merged(&text);
        if std::env::var_os("SHMAP_BLESS").is_some_and(|value| value == "1") {
            std::fs::write(&path, &new).expect("write the golden file of errors");
        } else {
            let pairs = text.lines().zip(new.lines()).filter(|(old, new)| old != new);
            problems
                .extend(pairs.take(1).map(|(old, new)| format!("from here:\n- {old}\n+ {new}")));
            if problems.is_empty() && text != new {
                problems.push("one has more lines".to_owned());
            }
        }
        assert!(
            problems.is_empty(),
            "tests/data/golden/errors.md, whose head says how to write it anew, is not what {} \
             says:\n{}\nAll of it would be:\n{new}",
            self.front_end,
            problems.join("\n")
        );
    }

    /// The text with the lines of this front end, and the headings that only one of the two has.
    fn merged(&self, text: &str) -> (String, Vec<String>) {
        let mut blocks = text.split("\n## ");
        let mut new = blocks.next().unwrap_or_default().to_owned();
        let mut problems = Vec::new();
        let mut known = Vec::new();
        for block in blocks {
            let mut lines = block.lines();
            let heading = lines.next().unwrap_or_default();
            known.push(heading);
            let old = lines.skip_while(|line| !line.starts_with(FENCE)).skip(1);
            let old: Vec<_> = old.take_while(|line| *line != FENCE).collect();
            let found = self.lines.get(heading);
            if found.is_none() && !self.skipped.iter().any(|skipped| skipped == heading) {
                problems.push(format!("{heading:?} was not tried"));
            }
            let _ = write!(new, "\n## {heading}\n\n{FENCE}text\n");
            for front_end in FRONT_ENDS {
                match found {
                    Some(found) if front_end == self.front_end => {
                        found.iter().for_each(|line| new = format!("{new}{front_end}{line}\n"));
                    }
                    _ => old
                        .iter()
                        .filter(|line| line.split([' ', ':']).next() == Some(front_end))
                        .for_each(|line| new = format!("{new}{line}\n")),
                }
            }
            new += FENCE;
            new.push('\n');
        }
        for heading in self.lines.keys().filter(|heading| !known.contains(&heading.as_str())) {
            problems.push(format!("there is no heading {heading:?}"));
        }
        (new, problems)
    }
}

/// The text with each number between two words replaced by a name.
fn number(text: &str, before: &str, after: &str, name: &str) -> String {
    let mut new = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let is_digit = |c: char| c.is_ascii_digit() || (before.is_empty() && c == '.');
        let len = rest[start..].find(|c: char| !is_digit(c)).unwrap_or(rest.len() - start);
        let (head, digits, tail) = (&rest[..start], &rest[start..][..len], &rest[start + len..]);
        let ends = !tail[after.len().min(tail.len())..].starts_with(|c: char| c.is_alphanumeric());
        let fits = head.ends_with(before) && tail.starts_with(after) && ends;
        new += head;
        new += if fits { name } else { digits };
        rest = tail;
    }
    new + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_has_names() {
        let seen = Seen::new("c", "/dev/shm/x-1".as_ref());
        let named = |line| seen.named(line);
        assert_eq!(named("open \"/dev/shm/x-1/a\": 5 bytes"), "open \"DIR/a\": 5 bytes");
        assert_eq!(named("in 50 ms or 5.0 s, 5 slots"), "in TIME ms or TIME s, 5 slots");
        assert_eq!(named("by process 71 (a b), thread 72"), "by process PID (COMMAND), thread TID");
    }

    #[test]
    fn only_the_lines_of_the_front_end_change_and_headings_are_compared() {
        let text =
            "Head.\n\n## a\n\n```text\nrust: old\ncli exit 1: stays\n```\n\n## b\n\n```text\n```\n";
        let mut seen = Seen::new("rust", "/x".as_ref());
        seen.note("a", [": /x/f".to_owned(), " because: it".to_owned()]);
        seen.note("c", []);
        let (new, problems) = seen.merged(text);
        assert_eq!(new, text.replace("rust: old", "rust: DIR/f\nrust because: it"));
        assert_eq!(problems, ["\"b\" was not tried", "there is no heading \"c\""]);
    }
}
