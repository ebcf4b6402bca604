//! What the documents name must exist: links, files, the code map, commands and their flags,
//! functions of C.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All files and directories of the project, as paths from its root.
fn everything() -> BTreeSet<PathBuf> {
    fn walk(dir: &Path, found: &mut BTreeSet<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let made = ["target", "artifacts", "corpus", "coverage"].contains(&name.as_str());
            if made || name == ".git" || name == "__pycache__" {
                continue;
            }
            if path.is_dir() {
                walk(&path, found);
            }
            found.insert(path.strip_prefix(root()).unwrap().to_owned());
        }
    }
    let mut found = BTreeSet::new();
    walk(&root(), &mut found);
    found
}

fn documents() -> Vec<PathBuf> {
    let is_document = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    let found: Vec<_> = everything().into_iter().filter(is_document).collect();
    assert!(found.len() >= 12, "the walk found only {found:?}");
    found
}

/// A document without its blocks of code.
fn prose(text: &str) -> String {
    text.split("\n```").step_by(2).collect()
}

/// The texts between two backticks.
fn quoted(prose: &str) -> impl Iterator<Item = &str> {
    prose.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The anchors of a document's headings, as web pages make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let prose = prose(text);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| -> String {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn links_lead_to_something() {
    let mut count = 0;
    for document in documents() {
        let text = read(&root().join(&document));
        for rest in text.split("](").skip(1) {
            let target = rest.split(')').next().unwrap();
            if target.contains("://") {
                continue;
            }
            count += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = match file {
                "" => root().join(&document),
                file => root().join(&document).parent().unwrap().join(file),
            };
            let says = format!("{} links to {target}", document.display());
            assert!(path.exists(), "{says}, which is not there");
            let fine = anchor.is_empty() || anchors(&read(&path)).contains(anchor);
            assert!(fine, "{says}, which has no such heading");
        }
    }
    assert!(count >= 30, "only {count} links were found");
}

#[test]
fn readmes_of_the_libraries_show_their_examples() {
    for (krate, example) in
        [("shm-core", "counter"), ("slotmap-shm", "workers"), ("shm-facade", "publish")]
    {
        let dir = root().join("crates").join(krate);
        let text = read(&dir.join(format!("examples/{example}.rs")));
        let code = text.split_once("\n\n").map_or("", |(_, code)| code);
        let block = format!("\n```rust,no_run\n{code}```\n");
        assert!(read(&dir.join("README.md")).contains(&block), "{krate}: not {example}.rs");
    }
}

/// `a/{b,c}.rs` stands for two names.
fn braces(name: &str) -> Vec<String> {
    let parts = name.split_once('{').and_then(|(start, rest)| {
        let (choices, end) = rest.split_once('}')?;
        Some(choices.split(',').map(|choice| format!("{start}{choice}{end}")).collect())
    });
    parts.unwrap_or_else(|| vec![name.to_owned()])
}

#[test]
fn files_that_are_named_are_there() {
    let everything = everything();
    let endings =
        ["rs", "md", "py", "pyi", "h", "hpp", "sh", "toml", "tsv", "c", "cpp", "svg", "in"];
    let mut count = 0;
    for document in documents() {
        let text = prose(&read(&root().join(&document)));
        for name in quoted(&text).flat_map(braces) {
            let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
            let capitals =
                |part: &str| part.len() > 1 && part.chars().all(|c| c.is_ascii_uppercase());
            let placeholder = name.contains('/') && name.split('/').any(capitals);
            let extension = Path::new(&name).extension().and_then(|e| e.to_str());
            let file = extension.is_some_and(|e| endings.contains(&e));
            if !plain || placeholder || name.starts_with('/') || !(file || name.contains('/')) {
                continue;
            }
            count += 1;
            let there = everything.iter().any(|path| path.ends_with(name.trim_end_matches('/')));
            assert!(there, "{} names `{name}`, which is not there", document.display());
        }
    }
    assert!(count >= 200, "only {count} names were found");
}

/// Names such as `View::find`: the last part is the name of a function, or of a setter, of Rust.
#[test]
fn functions_that_are_named_are_there() {
    let is_source = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    let sources = everything().into_iter().filter(is_source).map(|path| read(&root().join(path)));
    let sources = sources.collect::<Vec<_>>().concat();
    let mut count = 0;
    for document in ["ARCHITECTURE.md", "SECURITY.md", "docs/concurrency.md", "CHANGELOG.md"] {
        for name in quoted(&prose(&read(&root().join(document)))) {
            let Some((path, function)) = name.trim_end_matches("()").rsplit_once("::") else {
                continue;
            };
            let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let of_a_type = path.chars().next().is_some_and(|c| c.is_ascii_uppercase());
            if !plain(path) || !plain(function) || !of_a_type {
                continue;
            }
            count += 1;
            let declared = [format!("fn {function}("), format!("fn {function}<")];
            let there = if function.starts_with(|c: char| c.is_ascii_lowercase()) {
                declared.iter().any(|start| sources.contains(start))
            } else {
                sources.contains(function)
            };
            assert!(there, "{document} names `{name}`, which is not there");
        }
    }
    assert!(count >= 80, "only {count} names were found");
}

/// The sections of the code map: a crate, and the names in the first column of its table.
fn code_map() -> Vec<(String, Vec<String>)> {
    let text = read(&root().join("ARCHITECTURE.md"));
    let section = |section: &str| {
        let krate = section.split('`').next().unwrap().to_owned();
        let body = section.split("\n#").next().unwrap();
        let rows = body.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
        (krate, rows.flat_map(quoted).map(str::to_owned).collect())
    };
    text.split("\n### `").skip(1).map(section).collect()
}

#[test]
fn the_code_map_has_every_file_of_every_crate() {
    let everything = everything();
    let map = code_map();
    assert_eq!(map.len(), std::fs::read_dir(root().join("crates")).unwrap().count());
    for (krate, names) in map {
        let krate = Path::new(&krate);
        let places = |name: &String| [krate.join("src").join(name), krate.join(name)];
        for name in &names {
            let there = places(name).iter().any(|place| everything.contains(place.as_path()));
            assert!(there, "the map has {name} in {}, which is not there", krate.display());
        }
        let mapped: Vec<PathBuf> = names.iter().flat_map(places).collect();
        for path in everything.iter().filter(|path| path.starts_with(krate.join("src"))) {
            let name = path.file_name().unwrap().to_string_lossy();
            if !name.ends_with(".rs")
                || ["lib.rs", "main.rs", "mod.rs", "tests.rs"].contains(&&*name)
            {
                continue;
            }
            // By itself, or with all of its directory.
            let parent = path.parent().unwrap().to_owned();
            let mut names = mapped.iter().filter(|m| *m == path || **m == parent);
            assert!(names.next().is_some(), "the code map lacks {}", path.display());
        }
    }
}

fn xtask(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The words of a text that are flags.
fn flags(text: &str) -> BTreeSet<String> {
    let letters = |c: char| c.is_ascii_lowercase() || c == '-';
    let words = text.split(|c| !letters(c)).filter(|word| word.len() > 2 && word.starts_with("--"));
    words.map(str::to_owned).collect()
}

#[test]
fn the_readme_has_every_command_of_xtask_with_its_flags_and_defaults() {
    let readme = read(&root().join("README.md"));
    let help = xtask(&["--help"]);
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    // Deeper lines go on with what the one above says.
    let heads = commands.lines().filter_map(|line| line.strip_prefix("  "));
    let heads: Vec<_> = heads.filter(|line| !line.starts_with(' ')).collect();
    assert!(heads.len() >= 7, "{help}");
    for command in heads.iter().filter_map(|line| line.split_whitespace().next()) {
        if command == "help" {
            continue;
        }
        let start = format!("| `cargo xtask {command}");
        let row = readme.lines().find(|line| line.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("the README lacks `cargo xtask {command}`"));
        let help = xtask(&[command, "--help"]);
        for value in listed_values(&help) {
            assert!(readme.contains(&format!("{value}`")), "cargo xtask {command}: {value}");
        }
        let mut expected = flags(help.split("Options:\n").nth(1).unwrap());
        expected.remove("--help");
        assert_eq!(flags(row), expected, "cargo xtask {command}");
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for default in help.split("[default: ").skip(1) {
            let default = default.split(']').next().unwrap();
            let said =
                row.contains(&format!("({default})")) || row.contains(&format!("({default}, "));
            assert!(said, "cargo xtask {command}: {default} is a default");
        }
        for values in help.split("[possible values: ").skip(1) {
            for value in values.split(']').next().unwrap().split(", ") {
                let said = readme.contains(&format!("`{value}`"));
                assert!(said, "cargo xtask {command}: {value} is a value");
            }
        }
    }
}

/// The values that a help lists, each in a line of its own.
fn listed_values(help: &str) -> BTreeSet<&str> {
    let values = help.lines().filter_map(|line| line.strip_prefix("          - "));
    values.filter_map(|value| value.split(':').next()).map(str::trim).collect()
}

#[test]
fn the_readme_has_every_sabotage_and_no_other() {
    let help = xtask(&["step-kill", "--help"]);
    let expected = listed_values(help.split("--sabotage <SABOTAGE>").nth(1).unwrap());
    assert!(expected.len() > 5, "{help}");
    let readme = read(&root().join("README.md"));
    let paragraph = readme.split("\n\n").find(|text| text.starts_with("`--sabotage ")).unwrap();
    let said = paragraph.replace("--sabotage ", "");
    let commands = ["linearize"];
    let said: BTreeSet<_> = quoted(&said).filter(|word| !commands.contains(word)).collect();
    assert_eq!(said, expected);
}

#[test]
fn commands_of_cargo_name_packages_and_targets_that_are_there() {
    let manifest = |package: &str| {
        let path = everything().into_iter().find(|path| {
            path.ends_with("Cargo.toml")
                && read(&root().join(path)).contains(&format!("[package]\nname = \"{package}\"\n"))
        });
        path.map(|path| read(&root().join(path)))
    };
    let mut count = 0;
    let programs = everything().into_iter().filter(|path| path.starts_with("examples"));
    for path in documents().into_iter().chain(programs).filter(|path| root().join(path).is_file()) {
        for line in read(&root().join(&path)).lines().filter(|line| line.contains("cargo ")) {
            let words: Vec<_> = line.split([' ', '`']).collect();
            let after = |flags: &[&str]| {
                words.windows(2).find(|pair| flags.contains(&pair[0])).map(|pair| pair[1])
            };
            let Some(package) = after(&["-p", "--package"]) else { continue };
            let said = format!("{}: {line}", path.display());
            let manifest = manifest(package).unwrap_or_else(|| panic!("{said}: no such package"));
            count += 1;
            if let Some(example) = after(&["--example"]) {
                let target = format!("[[example]]\nname = \"{example}\"\n");
                let file = root().join(format!("crates/{package}/examples/{example}.rs"));
                assert!(manifest.contains(&target) || file.exists(), "{said}: no such example");
            }
        }
    }
    assert!(count >= 4, "only {count} commands were found");
}

#[test]
fn functions_of_c_and_metrics_that_are_named_are_declared() {
    let header = read(&root().join("crates/shm-capi/include/shmap.h"));
    // Metrics of the command line begin as functions of C do.
    let metrics = read(&root().join("crates/shm-cli/src/verbs/stat/metrics.rs"));
    let mut count = 0;
    for document in documents() {
        let text = prose(&read(&root().join(&document)));
        for name in quoted(&text).filter(|name| name.starts_with("shmap_")) {
            count += 1;
            let name = name.trim_end_matches("()");
            let there = header.contains(&format!("{name}("))
                || header.contains(&format!(" {name};"))
                || metrics.contains(&format!("\"{name}\""));
            let document = document.display();
            assert!(there, "{document} names {name}, neither in shmap.h nor a metric");
        }
    }
    assert!(count >= 8, "only {count} names were found");
}
