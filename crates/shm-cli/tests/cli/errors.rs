//! What a person sees of the commonest errors at the command line, compared with
//! `tests/data/golden/errors.md`: the line on standard error, the hint, and the exit code.

use std::fs::Permissions;
use std::os::unix::fs::{FileExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use shm_core::{Kind, Name, Namespace, Patience, Trust, WritableSegment};
use shm_facade::SNAPSHOT;
use shm_harness::Seen;
use slotmap_shm::KIND as TABLE;

use crate::place::{NOBODY, Place, Said, is_root};

struct Errors {
    place: Place,
    seen: Seen,
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

impl Errors {
    /// A fresh table `it` with the key 1.
    fn table(&self) -> PathBuf {
        self.clear();
        self.place.ok(["create", "it", "--capacity", "2", "--value-size", "8"]);
        self.place.ok(["set", "it", "1", "one"]);
        self.place.path("it", TABLE.as_str())
    }

    /// A fresh map `it`.
    fn map(&self) -> PathBuf {
        self.clear();
        self.place.write("words.tsv", "rot\tred\n");
        self.place.ok(["share", "it", "words.tsv"]);
        self.place.path("it", SNAPSHOT.kind.as_str())
    }

    fn clear(&self) {
        for entry in std::fs::read_dir(self.place.dir()).unwrap() {
            let path = entry.unwrap().path();
            if path == self.place.work() {
                continue;
            }
            if path.symlink_metadata().unwrap().is_dir() {
                std::fs::remove_dir(path).unwrap();
            } else {
                std::fs::remove_file(path).unwrap();
            }
        }
    }

    fn fails(&mut self, heading: &str, words: &[&str]) {
        let said = self.place.run(words);
        self.said(heading, &said);
    }

    fn said(&mut self, heading: &str, said: &Said) {
        assert!(said.code != 0 && said.out.is_empty(), "{heading}: {said:?}");
        said.is_clear().unwrap_or_else(|why| panic!("{heading}: {why}: {said:?}"));
        let lines = said.err.lines().map(|line| match line.split_once("  try: ") {
            Some((_, hint)) => format!(" try: {hint}"),
            None => format!(" exit {}: {}", said.code, line.trim_start_matches("shmap: ")),
        });
        let lines: Vec<_> = lines.collect();
        self.seen.note(heading, lines);
    }

    fn none(&mut self, heading: &str, why: &str) {
        self.seen.note(heading, [format!(": no error: {why}")]);
    }

    /// The segment `it` of this kind.
    fn segment(&self, kind: Kind) -> WritableSegment {
        let (namespace, name) = (Namespace::at(self.place.dir()), Name::new("it").unwrap());
        let open =
            |version| namespace.open(&name, kind, version, &Trust::new(), &Patience::forever());
        // Which version such segments have is not the business of this test.
        (1..100).find_map(|version| open(version).ok()).unwrap()
    }
}

fn patch(path: &Path, at: u64, bytes: &[u8]) {
    std::fs::File::options().write(true).open(path).unwrap().write_all_at(bytes, at).unwrap();
}

/// Asks for the table `it`.
const GET: [&str; 3] = ["get", "it", "1"];
/// Makes the map `it` of an input file.
const SHARE: [&str; 3] = ["share", "it", "words.tsv"];
/// Changes the table `it`.
const SET: [&str; 4] = ["set", "it", "1", "x"];

#[test]
fn errors_say_what_the_golden_file_says() {
    let place = Place::new();
    let seen = Seen::new("cli", place.dir());
    let mut errors = Errors { place, seen };
    errors.place.write("words.tsv", "rot\tred\n");
    names(&mut errors);
    keys(&mut errors);
    what_is_asked_for(&mut errors);
    locks(&mut errors);
    files(&mut errors);
    owners_and_modes(&mut errors);
    entries(&mut errors);
    times_to_live(&mut errors);
    space(&mut errors);
    errors.seen.check();
}

fn names(errors: &mut Errors) {
    errors.fails("The table is missing", &SET);
    errors.fails("The map is missing", &["dump", "it", "--kind", "snapshot"]);
    errors.map();
    errors.fails("A map has the name, and a table is asked for", &SET);
    errors.table();
    let words = ["get", "it", "rot", "--kind", "snapshot"];
    errors.fails("A table has the name, and a map is asked for", &words);
    errors.fails("The table exists already", &["create", "it"]);
    errors.map();
    errors.fails("The map exists already", &SHARE);
    for (heading, name) in [
        ("The name is empty", ""),
        ("The name has a slash", "a/b"),
        ("The name begins with a dot", ".it"),
        ("The name is too long", &"x".repeat(201)),
    ] {
        errors.fails(heading, &["get", name, "1"]);
    }
    let missing = errors.place.dir().join("no").to_string_lossy().into_owned();
    let words = ["create", "it", "--namespace", &missing];
    errors.fails("The directory is missing, for a table", &words);
    let words = ["share", "it", "words.tsv", "--namespace", &missing];
    errors.fails("The directory is missing, for a map", &words);
}

fn keys(errors: &mut Errors) {
    errors.table();
    errors.fails("Get a key that is missing", &["get", "it", "9"]);
    errors.fails("Update a key that is missing", &["update", "it", "9", "x"]);
    errors.fails("Remove a key that is missing", &["del", "it", "9"]);
    errors.fails("Add a key that exists", &["add", "it", "1", "x"]);
    errors.fails("The value is too long", &["set", "it", "1", "123456789"]);
    errors.fails("The value is no counter", &["increment", "it", "1"]);
    errors.place.write("batch.tsv", "2\ttwo\n1\tmuch longer\n");
    errors.fails("A member of a batch is at fault", &["load", "it", "batch.tsv"]);
    errors.fails("A key is named twice in a batch", &["del", "it", "1", "1"]);
    errors.place.ok(["set", "it", "2", "two"]);
    errors.fails("The table is full", &["set", "it", "3", "three"]);
    errors.fails("A key of another type", &["set", "it", "word", "x"]);
    errors.fails("A number that is no key of the table", &["set", "it", "1099511627776", "x"]);
    errors.clear();
    errors.place.ok(["create", "it", "--keys", "str", "--key-size", "4"]);
    errors.fails("The key is too long", &["set", "it", "12345", "x"]);
    let words = ["get", "it", "1", "--keys", "i32"];
    errors.fails("The table has keys of another type", &words);
}

fn what_is_asked_for(errors: &mut Errors) {
    errors.none("The table has another capacity", "no verb opens a table or creates it");
    errors.clear();
    errors.fails("An impossible capacity", &["create", "it", "--capacity", "0"]);
    errors.fails("An impossible mode of a table", &["create", "it", "--mode", "100"]);
    let words = ["share", "it", "words.tsv", "--mode", "600"];
    errors.fails("An impossible mode of a map", &words);
    errors.none("The table was opened for reading only", "a verb opens as it needs");
}

fn locks(errors: &mut Errors) {
    errors.table();
    let segment = errors.segment(TABLE);
    let guard = segment.lock().unwrap();
    // A key that is present needs no lock.
    let words = ["set", "it", "2", "x", "--timeout", "0.05"];
    errors.fails("The lock of the table is held", &words);
    drop(guard);
    errors.map();
    let segment = errors.segment(SNAPSHOT.control);
    let guard = segment.lock().unwrap();
    let words = [&SHARE[..], &["--force", "--timeout", "0.05"]].concat();
    errors.fails("The lock of the publication is held", &words);
    drop(guard);
}

fn files(errors: &mut Errors) {
    patch(&errors.table(), 0, b"NO TABLE");
    errors.fails("The file is no table", &GET);
    patch(&errors.table(), 64, &[0xA5; 16]);
    errors.fails("The header was changed", &GET);
    let path = errors.table();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(4200).unwrap();
    errors.fails("The file was cut", &GET);
    // The version is looked at before the checksum.
    patch(&errors.table(), 12, &9u32.to_ne_bytes());
    errors.fails("The file is of another format version", &GET);
    errors.clear();
    std::fs::create_dir(&path).unwrap();
    errors.fails("A directory has the name", &GET);
    errors.clear();
    symlink("/etc/passwd", &path).unwrap();
    errors.fails("A symbolic link has the name", &GET);
    let map = errors.map();
    std::fs::rename(map, &path).unwrap();
    errors.fails("The file of a map has the name of a table", &GET);
    let map = errors.map();
    set_mode(&map, 0o600);
    patch(&map, 4096 + 16, &[0xA5; 16]);
    set_mode(&map, 0o400);
    errors.fails("The image of a map is damaged", &["get", "it", "rot"]);
}

fn owners_and_modes(errors: &mut Errors) {
    let path = errors.table();
    for dir in [errors.place.dir().to_owned(), errors.place.work()] {
        set_mode(&dir, 0o755);
    }
    if is_root() {
        let said = errors.place.as_nobody(GET);
        errors.said("Not permitted to open the table", &said);
        let said = errors.place.as_nobody(["create", "new"]);
        errors.said("Not permitted to make a file", &said);
        chown(&path, Some(NOBODY), None).unwrap();
        errors.fails("A foreign owner", &GET);
    } else {
        for heading in
            ["Not permitted to open the table", "Not permitted to make a file", "A foreign owner"]
        {
            errors.seen.skip(heading, "becoming another user needs root");
        }
    }
    set_mode(&errors.table(), 0o666);
    errors.fails("Others may write to the table", &GET);
    let map = errors.map();
    set_mode(&map, 0o666);
    errors.fails("Others may write to the map", &["get", "it", "rot"]);
    set_mode(&map, 0o600);
    errors.fails("The owner may write to the map", &["get", "it", "rot"]);
}

fn entries(errors: &mut Errors) {
    errors.map();
    errors.place.write("nothing.tsv", "");
    errors.fails("No entries replace some", &["share", "it", "nothing.tsv", "--force"]);
    errors.clear();
    errors.place.write("unsorted.tsv", "b\t1\na\t2\n");
    errors.fails("Keys out of order", &["share", "it", "unsorted.tsv", "--sorted"]);
    for (format, file, text) in [
        ("tab-separated values", "broken.tsv", "a\t1\nb 2\n"),
        ("CSV", "broken.csv", "key,value\na,1\nb,\"2\n"),
        ("JSON", "broken.jsonl", "{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"b\"}\n"),
    ] {
        errors.place.write(file, text);
        errors.fails(&format!("A broken line of {format}"), &["share", "it", file]);
    }
}

fn times_to_live(errors: &mut Errors) {
    errors.table();
    let heading = "A time to live where entries do not expire";
    errors.fails(heading, &["set", "it", "1", "x", "--ttl", "1"]);
    let heading = "An ephemeral entry where entries do not expire";
    errors.none(heading, "no verb adds one: it would go with the verb");
    for heading in [
        "The entries of the table expire differently than asked",
        "The table evicts differently than asked",
    ] {
        errors.none(heading, "no verb opens a table or creates it");
    }
    errors.clear();
    let heading = "A table whose entries live for no time";
    errors.fails(heading, &["create", "it", "--ttl", "0"]);
    errors.place.ok(["create", "it", "--capacity", "2", "--value-size", "8", "--ttl", "each"]);
    errors.fails("A time to live of zero", &["set", "it", "1", "x", "--ttl", "0"]);
    let words = ["set", "it", "1", "x", "--ttl", "5000000000"];
    errors.fails("A time to live that is too long", &words);
    errors.fails("Touch a key that is missing", &["touch", "it", "9", "1"]);
    errors.place.ok(["set", "it", "1", "one"]);
    errors.place.ok(["set", "it", "2", "two", "--ttl", "3600"]);
    let heading = "The table is full, and no entry has expired";
    errors.fails(heading, &["set", "it", "3", "three"]);
}

fn space(errors: &mut Errors) {
    errors.clear();
    let mut command = std::process::Command::new("sh");
    let create = "exec \"$0\" create it --capacity 2 --value-size 8";
    // In blocks of 512 or 1024 bytes: less than the table needs either way.
    command.arg("-c").arg(format!("ulimit -f 2; {create}")).arg(crate::place::SHMAP);
    errors.place.settle(&mut command);
    let said = Said::of(command.output().unwrap());
    errors.said("The file is longer than the process may write", &said);
}
