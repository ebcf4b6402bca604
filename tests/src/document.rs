//! `docs/format.md`, read by the tests that tie it to real files.

use std::path::Path;

/// The document.
#[derive(Clone, Debug)]
pub struct Document(pub String);

/// A row of a table with `offset | size | name`.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "named as the columns are")]
pub struct Field {
    pub offset: usize,
    pub size: usize,
    pub name: String,
    pub meaning: String,
}

/// The fields of one section.
#[derive(Clone, Debug)]
pub struct Section(pub Vec<Field>);

impl Document {
    /// Reads it.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/format.md");
        Self(std::fs::read_to_string(path).unwrap())
    }

    /// The lines below a heading, up to the next one of any level.
    ///
    /// # Panics
    /// When there is no such heading.
    #[must_use]
    pub fn lines(&self, heading: &str) -> Vec<&str> {
        let lines: Vec<_> = self
            .0
            .lines()
            .skip_while(|line| line.strip_prefix("## ") != Some(heading))
            .skip(1)
            .take_while(|line| !line.starts_with('#'))
            .collect();
        assert!(!lines.is_empty(), "no section {heading}");
        lines
    }

    /// The cells of the rows of all tables below a heading.
    #[must_use]
    pub fn rows(&self, heading: &str) -> Vec<Vec<&str>> {
        let cells = |line| str::strip_suffix(str::strip_prefix(line, "| ")?, " |");
        self.lines(heading)
            .into_iter()
            .filter_map(cells)
            .map(|inner| inner.split(" | ").map(str::trim).collect())
            .collect()
    }

    /// The fields of the tables below a heading.
    ///
    /// # Panics
    /// When there are hardly any.
    #[must_use]
    pub fn section(&self, heading: &str) -> Section {
        let mut fields = Vec::new();
        for row in self.rows(heading) {
            let [offset, size, name, meaning @ ..] = row.as_slice() else { continue };
            let (Ok(offset), Ok(size)) = (offset.parse(), size.parse()) else { continue };
            let name = name.trim_matches('`').to_owned();
            fields.push(Field { offset, size, name, meaning: meaning.join(" | ") });
        }
        assert!(fields.len() > 2, "{heading}: {fields:?}");
        Section(fields)
    }

    /// Asserts that the document contains a sentence, which was made of real numbers. Line breaks
    /// do not matter.
    ///
    /// # Panics
    /// When it is not.
    pub fn says(&self, text: &str) {
        let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let found = one_line(&self.0).contains(&one_line(text));
        assert!(found, "the document does not say {text:?}");
    }
}

impl Section {
    /// The field of a name.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn field(&self, name: &str) -> &Field {
        let field = self.0.iter().find(|field| field.name == name);
        field.unwrap_or_else(|| panic!("no field {name}"))
    }

    /// The number that ends the meaning of a field.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn number(&self, name: &str) -> u64 {
        number(self.field(name).meaning.split_whitespace().last().unwrap())
    }

    /// Asserts that each field begins where the one before ends, from `start` to `end`.
    ///
    /// # Panics
    /// When one does not.
    pub fn covers(&self, start: usize, end: usize) {
        let mut at = start;
        for field in &self.0 {
            assert_eq!(field.offset, at, "{field:?}");
            at += field.size;
        }
        assert_eq!(at, end);
    }
}

/// A number as the document writes it.
///
/// # Panics
/// When it is none.
#[must_use]
pub fn number(text: &str) -> u64 {
    let text = text.trim_matches(['`', '.', ',']).replace(',', "");
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(&hex.to_lowercase(), 16),
        None => text.parse(),
    }
    .unwrap_or_else(|_| panic!("{text:?} is no number"))
}
