//! Every verb, and everything that may be wrong with what it is given: a missing name, a wrong
//! kind, a damaged file, something too long, no permission. Each case says what must happen;
//! nothing else does. The cases are in [`rows`]; the verbs come from `--help`, and one without a
//! row fails.

mod rows;

use std::fs::Permissions;
use std::os::unix::fs::{FileExt, PermissionsExt, chown};
use std::path::Path;

use self::rows::{Row, rows};
use crate::examples::verbs;
use crate::place::{NOBODY, Place, changed, is_root};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// There is no `nope`: no name, no file and no directory.
    Missing,
    /// The name leads to a map of the other kind: `jobs` is a table, `words` a published map.
    OtherKind,
    /// `shmap.sheep.table` is a published map, `shmap.wolf.snapshot` a table.
    Disguised,
    /// The first pages of `jobs` and `words` are damaged, and the one of `words`' control segment.
    Header,
    /// The block of `words` is damaged in its header, that of `motto` in a value.
    Block,
    /// A value has 257 bytes, also in `long.tsv`; 256 fit into `jobs`.
    Value,
    /// A key has 5 bytes, also in `long.tsv`; 4 fit into `names`. One in `huge.tsv` has a mebibyte.
    Key,
    /// All files belong to a user who is not trusted.
    Owner,
    /// Group and others may write to all files.
    Writers,
    /// Nobody may do anything with the files, which are root's; the caller is another user, who
    /// owns the directory.
    Mode,
    /// The namespace may not be looked into; the caller is another user.
    Hidden,
    /// The directories may not be written to; the caller is another user, who owns the files.
    Directory,
}

impl Fault {
    const ALL: [Self; 12] = [
        Self::Missing,
        Self::OtherKind,
        Self::Disguised,
        Self::Header,
        Self::Block,
        Self::Value,
        Self::Key,
        Self::Owner,
        Self::Writers,
        Self::Mode,
        Self::Hidden,
        Self::Directory,
    ];

    fn needs_root(self) -> bool {
        matches!(self, Self::Owner | Self::Mode | Self::Hidden | Self::Directory)
    }

    /// A place with this fault.
    fn place(self) -> Place {
        let place = Place::with_maps();
        let modes = |files: u32, dirs: u32| {
            for name in place.files().keys() {
                std::fs::set_permissions(place.dir().join(name), Permissions::from_mode(files))
                    .unwrap();
            }
            for dir in [place.work(), place.dir().to_owned()] {
                std::fs::set_permissions(dir, Permissions::from_mode(dirs)).unwrap();
            }
        };
        let owner = |uid: u32| {
            for name in place.files().keys() {
                chown(place.dir().join(name), Some(uid), None).unwrap();
            }
        };
        match self {
            Self::Missing | Self::OtherKind => {}
            Self::Disguised => {
                for (from, kind, to, other, mode) in [
                    ("words", "snapshot", "sheep", "table", 0o600),
                    ("jobs", "table", "wolf", "snapshot", 0o400),
                ] {
                    let to = place.path(to, other);
                    std::fs::copy(place.path(from, kind), &to).unwrap();
                    std::fs::set_permissions(&to, Permissions::from_mode(mode)).unwrap();
                }
            }
            Self::Header => {
                for (name, kind) in [("jobs", "table"), ("words", "snapshot"), ("words", "control")]
                {
                    damage(&place, name, kind, 100);
                }
            }
            Self::Block => {
                damage(&place, "words", "snapshot", 4096 + 16);
                place.write("motto.tsv", "motto\tnever change\n");
                place.ok(["share", "motto", "motto.tsv"]);
                let bytes = std::fs::read(place.path("motto", "snapshot")).unwrap();
                let at = bytes.windows(5).position(|window| window == b"never").unwrap();
                damage(&place, "motto", "snapshot", at as u64);
            }
            Self::Value => place.write("long.tsv", format!("1\tx\n2\t{}\n", "x".repeat(257))),
            Self::Key => {
                let names =
                    ["create", "names", "--keys", "str", "--key-size", "4", "--ttl", "each"];
                place.ok(names);
                place.ok(["set", "names", "four", "x"]);
                place.write("long.tsv", "four\tx\nlonger\tx\n");
                place.write("huge.tsv", format!("a\tb\n{}\tx\n", "k".repeat(1 << 20)));
            }
            Self::Owner => owner(NOBODY),
            Self::Writers => modes(0o666, 0o755),
            Self::Mode => {
                modes(0o000, 0o755);
                chown(place.dir(), Some(NOBODY), None).unwrap();
                readable(&place);
            }
            Self::Hidden => {
                readable(&place);
                modes(0o644, 0o755);
                std::fs::set_permissions(place.dir(), Permissions::from_mode(0o700)).unwrap();
            }
            Self::Directory => {
                std::fs::write(place.dir().join(".shmap-tmp-0123456789abcdef"), "half").unwrap();
                owner(NOBODY);
                for dir in [place.work(), place.dir().to_owned()] {
                    std::fs::set_permissions(dir, Permissions::from_mode(0o755)).unwrap();
                }
            }
        }
        place
    }
}

/// The input files are not what is wrong.
fn readable(place: &Place) {
    for file in ["jobs.tsv", "words.tsv"] {
        let file = place.work().join(file);
        std::fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
    }
}

fn damage(place: &Place, name: &str, kind: &str, at: u64) {
    let path = place.path(name, kind);
    let mode = path.metadata().unwrap().permissions();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.write_all_at(b"damage", at).unwrap();
    std::fs::set_permissions(&path, mode).unwrap();
}

/// What a verb does about a fault.
pub(crate) enum Cell {
    /// What each of these calls must do.
    Calls(Vec<Call>),
    /// The fault cannot meet the verb; why.
    NotApplicable(&'static str),
}

/// A call and what it must do.
pub(crate) struct Call {
    /// Its words. `VALUE` is one of 257 bytes.
    pub(crate) words: String,
    pub(crate) outcome: Outcome,
}

pub(crate) enum Outcome {
    /// It fails with this code, and this in its message. Nothing changes.
    Fails(i32, Vec<&'static str>),
    /// It must succeed, print this, and change these files.
    Works(Vec<&'static str>, Vec<&'static str>),
}

/// Makes a call, and returns what was not as it must be.
fn run(row: &Row, fault: Fault, call: &Call) -> Result<(), String> {
    let Call { words, outcome } = call;
    let place = fault.place();
    let long = "x".repeat(257);
    let words: Vec<_> =
        words.split(' ').map(|word| if word == "VALUE" { long.as_str() } else { word }).collect();
    assert_eq!(words.first(), Some(&row.verb));
    let before = place.files();
    let said = match fault {
        Fault::Hidden => place.as_nobody_in(Path::new("/"), &words),
        Fault::Mode | Fault::Directory => place.as_nobody(&words),
        _ => place.run(&words),
    };
    let case = format!("{fault:?}, {}", call.words);
    println!("{case}: {}\n{}{}", said.code, said.out, said.err);
    let after = place.files();
    let (code, parts, files, text) = match outcome {
        Outcome::Fails(code, parts) => {
            said.is_clear().map_err(|why| format!("{case}: {why}: {said:?}"))?;
            (*code, parts, &Vec::new(), &said.err)
        }
        Outcome::Works(parts, files) => (0, parts, files, &said.out),
    };
    if said.code != code {
        return Err(format!("{case}: not {code}: {said:?}"));
    }
    if let Some(part) = parts.iter().find(|part| !text.contains(**part)) {
        return Err(format!("{case}: no {part:?} in {said:?}"));
    }
    let changed = changed(&before, &after);
    if changed != *files {
        return Err(format!("{case} changed {changed:?}, not {files:?}: {said:?}"));
    }
    Ok(())
}

fn every_verb(fault: Fault) {
    if fault.needs_root() && !is_root() {
        return;
    }
    let mut wrong = Vec::new();
    for row in rows() {
        match row.of(fault) {
            Cell::NotApplicable(why) => println!("{fault:?}, {}: not applicable: {why}", row.verb),
            Cell::Calls(calls) => {
                wrong.extend(calls.iter().filter_map(|call| run(&row, fault, call).err()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_verb_has_a_row() {
    let help = Place::new().ok(["--help"]);
    let rows = rows();
    let known: Vec<_> = rows.iter().map(|row| row.verb).collect();
    assert_eq!(known, verbs(&help), "rows of the matrix, and the verbs that there are");
}

#[test]
fn no_cell_is_left_empty() {
    for row in rows() {
        for fault in Fault::ALL {
            match row.of(fault) {
                Cell::Calls(calls) => assert!(!calls.is_empty(), "{}, {fault:?}", row.verb),
                Cell::NotApplicable(why) => assert!(why.len() > 10, "{}, {fault:?}", row.verb),
            }
        }
    }
}

/// One test for each fault: they run side by side, and a failure names it.
macro_rules! faults {
    ($($name:ident: $fault:ident,)*) => {$(
        #[test]
        fn $name() {
            every_verb(Fault::$fault);
        }
    )*

        #[test]
        fn every_fault_has_a_test() {
            let tested = [$(Fault::$fault),*];
            assert_eq!(tested, Fault::ALL);
        }
    };
}

faults! {
    every_verb_says_that_there_is_none: Missing,
    every_verb_says_that_it_is_of_another_kind: OtherKind,
    every_verb_says_that_the_file_is_of_another_kind_than_its_name: Disguised,
    every_verb_says_that_the_first_page_is_damaged: Header,
    every_verb_says_that_the_block_is_damaged: Block,
    every_verb_says_that_a_value_is_too_long: Value,
    every_verb_says_that_a_key_is_too_long: Key,
    every_verb_says_whose_it_is: Owner,
    every_verb_says_that_others_may_write: Writers,
    every_verb_says_that_it_may_not_open_it: Mode,
    every_verb_says_that_it_may_not_look: Hidden,
    every_verb_says_that_it_may_not_write_there: Directory,
}
