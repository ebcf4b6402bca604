//! What a person sees of the commonest errors in Rust, compared with `data/golden/errors.md`:
//! `{error}` of each, and its causes. Each message is said once, and nothing is left behind.

use std::error::Error as _;
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Uid, seteuid};
use shm_facade::{
    AnyKey, Builder, Error, Eviction, Expiry, Kind, MapOptions, Name, Namespace, RbTree, SNAPSHOT,
    Share, ShareOptions, SharedMap, StatusOptions, StatusReader, StatusTable, TABLE, Table,
    TableOptions, Trust, UntypedTable, report,
};
use shm_harness::Seen;
use shm_tests::patch::{self, Checksum, HEADER, header};
use shm_tests::roles::NOBODY;
use shm_tests::{IN_PLACE, TempNamespace};

struct Place {
    namespace: TempNamespace,
    seen: Seen,
}

impl Place {
    fn new() -> Self {
        let namespace = TempNamespace::new().unwrap();
        let seen = Seen::new("rust", namespace.path());
        Self { namespace, seen }
    }

    fn ns(&self) -> Namespace {
        Namespace::at(self.namespace.path())
    }

    fn path(&self, name: &str, kind: Kind) -> PathBuf {
        self.ns().path_of(&Name::new(name).unwrap(), kind)
    }

    /// How the tables of this test are made: small.
    fn options(&self) -> StatusOptions {
        StatusOptions::default().namespace(self.ns()).capacity(2).value_size(8)
    }

    fn table_options(&self) -> TableOptions {
        TableOptions::default().capacity(2).value_size(8).key_size(4)
    }

    fn map_options(&self) -> MapOptions {
        MapOptions::default().namespace(self.ns())
    }

    fn share_options(&self) -> ShareOptions {
        ShareOptions::default().namespace(self.ns())
    }

    /// A fresh table `it` with the key 1.
    fn table(&self) -> StatusTable {
        self.clear();
        let table = StatusTable::create_with("it", &self.options()).unwrap();
        table.add(1, "one").unwrap();
        table
    }

    /// A fresh map `it`, and its path.
    fn map(&self) -> PathBuf {
        self.clear();
        tree().share_with("it", &self.share_options()).unwrap();
        self.path("it", SNAPSHOT.kind)
    }

    fn clear(&self) {
        for file in self.namespace.files().unwrap() {
            let path = self.namespace.path().join(file);
            if path.symlink_metadata().unwrap().is_dir() {
                std::fs::remove_dir(path).unwrap();
            } else {
                std::fs::remove_file(path).unwrap();
            }
        }
    }

    /// Notes an error: what it says, and its causes, none of which is said twice.
    fn fails<T, E: Into<Error>>(&mut self, heading: &str, result: Result<T, E>) {
        let Err(error) = result else { panic!("{heading}: no error") };
        let error: Error = error.into();
        let mut lines = vec![format!(": {error}")];
        let mut parts = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(source) = cause {
            lines.push(format!(" because: {source}"));
            parts.push(source.to_string());
            cause = source.source();
        }
        assert_eq!(report(&error).to_string(), parts.join(": "));
        assert_eq!(format!("{error:?}"), parts.join(": "));
        for (i, part) in parts.iter().enumerate() {
            let elsewhere = parts.iter().enumerate().any(|(j, p)| i != j && p.contains(part));
            assert!(!elsewhere, "{heading}: {part:?} is said twice in {parts:?}");
        }
        self.seen.note(heading, lines);
    }

    fn none(&mut self, heading: &str, why: &str) {
        self.seen.note(heading, [format!(": no error: {why}")]);
    }

    fn open(&self) -> Result<StatusTable, Error> {
        StatusTable::open_with("it", &self.options())
    }

    fn open_map(&self) -> Result<SharedMap, Error> {
        SharedMap::open_with("it", &self.map_options(), IN_PLACE)
    }
}

fn tree() -> RbTree {
    let mut tree = RbTree::new();
    tree.set("rot", "red").unwrap();
    tree
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Runs `f` while another thread holds the lock of a segment of this kind.
fn while_held<R>(place: &Place, kind: Kind, f: impl FnOnce() -> R) -> R {
    let (namespace, name) = (place.ns(), Name::new("it").unwrap());
    let patience = shm_core::Patience::forever();
    let open = |version| namespace.open(&name, kind, version, &Trust::new(), &patience);
    // Which version such segments have is not the business of this test.
    let segment = (1..100).find_map(|version| open(version).ok()).unwrap();
    let (held, is_held) = std::sync::mpsc::channel();
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let guard = segment.lock().unwrap();
            held.send(()).unwrap();
            let _ = is_done.recv();
            drop(guard);
        });
        is_held.recv().unwrap();
        let result = f();
        drop(done);
        result
    })
}

/// Runs `f` with the rights of the user `nobody`.
fn as_nobody<R>(f: impl FnOnce() -> R) -> R {
    seteuid(Uid::from_raw(NOBODY)).unwrap();
    let result = f();
    seteuid(Uid::from_raw(0)).unwrap();
    result
}

#[test]
fn errors_say_what_the_golden_file_says() {
    let mut place = Place::new();
    names(&mut place);
    keys(&mut place);
    what_is_asked_for(&mut place);
    locks(&mut place);
    files(&mut place);
    owners_and_modes(&mut place);
    entries(&mut place);
    times_to_live(&mut place);
    space(&mut place);
    place.clear();
    place.seen.check();
}

fn names(place: &mut Place) {
    place.fails("The table is missing", place.open());
    place.fails("The map is missing", place.open_map());
    place.map();
    place.fails("A map has the name, and a table is asked for", place.open());
    drop(place.table());
    place.fails("A table has the name, and a map is asked for", place.open_map());
    place.fails("The table exists already", StatusTable::create_with("it", &place.options()));
    place.map();
    place.fails("The map exists already", tree().share_with("it", &place.share_options()));
    for (heading, name) in [
        ("The name is empty", ""),
        ("The name has a slash", "a/b"),
        ("The name begins with a dot", ".it"),
        ("The name is too long", &"x".repeat(201)),
    ] {
        place.fails(heading, StatusTable::open_with(name, &place.options()));
    }
    let options = place.options().namespace(Namespace::at(place.namespace.path().join("no")));
    let heading = "The directory is missing, for a table";
    place.fails(heading, StatusTable::create_with("it", &options));
    let options = place.share_options().namespace(options.namespace);
    place.fails("The directory is missing, for a map", tree().share_with("it", &options));
}

fn keys(place: &mut Place) {
    let table = place.table();
    assert!(table.get(9).unwrap().is_none());
    place.none("Get a key that is missing", "`get` returns `None`");
    place.fails("Update a key that is missing", table.update(9, "x"));
    place.fails("Remove a key that is missing", table.remove(9));
    place.fails("Add a key that exists", table.add(1, "x"));
    place.fails("The value is too long", table.upsert(1, "123456789"));
    place.fails("The value is no counter", table.increment(1, 1, 0));
    let batch = [(2, "two"), (1, "one")];
    place.fails("A member of a batch is at fault", table.add_many(&batch));
    place.fails("A key is named twice in a batch", table.remove_many(&[1, 1]));
    table.add(2, "two").unwrap();
    place.fails("The table is full", table.add(3, "three"));
    let (namespace, name) = (place.ns(), Name::new("it").unwrap());
    let untyped = UntypedTable::open(&namespace, &name, &place.table_options()).unwrap();
    place.fails("A key of another type", untyped.upsert(&AnyKey::from("word"), b"x"));
    let far = AnyKey::Signed(1 << 40);
    place.fails("A number that is no key of the table", untyped.upsert(&far, b"x"));
    place.clear();
    let words = Table::<str>::create(&namespace, &name, &place.table_options()).unwrap();
    place.fails("The key is too long", words.upsert("12345", b"x"));
    place.fails("The table has keys of another type", place.open());
}

fn what_is_asked_for(place: &mut Place) {
    drop(place.table());
    let options = place.options().capacity(3);
    let heading = "The table has another capacity";
    place.fails(heading, StatusTable::open_or_create_with("it", &options));
    place.clear();
    let create = |options| StatusTable::create_with("it", &options);
    place.fails("An impossible capacity", create(place.options().capacity(0)));
    place.fails("An impossible mode of a table", create(place.options().mode(0o100)));
    let options = place.share_options().mode(0o600);
    place.fails("An impossible mode of a map", tree().share_with("it", &options));
    place.none("The table was opened for reading only", "`StatusReader` has no call that writes");
}

fn locks(place: &mut Place) {
    let soon = Some(Duration::from_millis(50));
    drop(place.table());
    let options = place.options().lock_timeout(soon);
    let result = while_held(place, TABLE, || {
        StatusTable::open_with("it", &options).and_then(|table| table.upsert(2, "x"))
    });
    place.fails("The lock of the table is held", result);
    place.map();
    let options = place.share_options().force(true).lock_timeout(soon);
    let result = while_held(place, SNAPSHOT.control, || tree().share_with("it", &options));
    place.fails("The lock of the publication is held", result);
}

fn files(place: &mut Place) {
    let path = place.path("it", TABLE);
    drop(place.table());
    patch::bytes(&path, 0, b"NO TABLE").unwrap();
    place.fails("The file is no table", place.open());
    drop(place.table());
    patch::bytes(&path, 64, &[0xA5; 16]).unwrap();
    place.fails("The header was changed", place.open());
    drop(place.table());
    std::fs::File::options().write(true).open(&path).unwrap().set_len(4200).unwrap();
    place.fails("The file was cut", place.open());
    drop(place.table());
    let version = 9u32.to_ne_bytes();
    patch::field(&path, HEADER, header::FORMAT_VERSION, &version, Checksum::Right).unwrap();
    place.fails("The file is of another format version", place.open());
    place.clear();
    std::fs::create_dir(&path).unwrap();
    place.fails("A directory has the name", place.open());
    place.clear();
    symlink("/etc/passwd", &path).unwrap();
    place.fails("A symbolic link has the name", place.open());
    let map = place.map();
    std::fs::rename(map, &path).unwrap();
    let reading = StatusReader::open_read_only_with("it", &place.options());
    place.fails("The file of a map has the name of a table", reading);
    let map = place.map();
    set_mode(&map, 0o600);
    patch::bytes(&map, patch::BODY + 16, &[0xA5; 16]).unwrap();
    set_mode(&map, 0o400);
    place.fails("The image of a map is damaged", place.open_map());
}

fn owners_and_modes(place: &mut Place) {
    drop(place.table());
    let path = place.path("it", TABLE);
    if nix::unistd::geteuid().is_root() {
        place.fails("Not permitted to open the table", as_nobody(|| place.open()));
        let options = place.options();
        let result = as_nobody(|| StatusTable::create_with("new", &options));
        place.fails("Not permitted to make a file", result);
        chown(&path, Some(NOBODY), None).unwrap();
        place.fails("A foreign owner", place.open());
    } else {
        for heading in
            ["Not permitted to open the table", "Not permitted to make a file", "A foreign owner"]
        {
            place.seen.skip(heading, "becoming another user needs root");
        }
    }
    drop(place.table());
    set_mode(&path, 0o666);
    place.fails("Others may write to the table", place.open());
    let map = place.map();
    set_mode(&map, 0o666);
    place.fails("Others may write to the map", place.open_map());
    set_mode(&map, 0o600);
    place.fails("The owner may write to the map", place.open_map());
}

fn entries(place: &mut Place) {
    place.map();
    let options = place.share_options().force(true);
    place.fails("No entries replace some", RbTree::new().share_with("it", &options));
    let mut builder = Builder::new();
    builder.push("b", "1").unwrap();
    place.fails("Keys out of order", builder.push("a", "2"));
    for format in ["tab-separated values", "CSV", "JSON"] {
        place.none(&format!("A broken line of {format}"), "the libraries read no text");
    }
}

fn times_to_live(place: &mut Place) {
    let second = Duration::from_secs(1);
    let table = place.table();
    place.fails("A time to live where entries do not expire", table.upsert_for(1, "x", second));
    let heading = "An ephemeral entry where entries do not expire";
    place.fails(heading, table.add_ephemeral(2, "x"));
    let options = place.options().expiry(Expiry::ByEntry);
    let result = StatusTable::open_or_create_with("it", &options);
    place.fails("The entries of the table expire differently than asked", result);
    let options = place.options().eviction(Eviction::LeastRecentlyWritten);
    let result = StatusTable::open_or_create_with("it", &options);
    place.fails("The table evicts differently than asked", result);
    drop(table);
    place.clear();
    let create = |options| StatusTable::create_with("it", &options);
    let result = create(place.options().expiry(Expiry::After(Duration::ZERO)));
    place.fails("A table whose entries live for no time", result);
    let table = create(place.options().expiry(Expiry::ByEntry)).unwrap();
    place.fails("A time to live of zero", table.upsert_for(1, "x", Duration::ZERO));
    let long = Duration::from_secs(5_000_000_000);
    place.fails("A time to live that is too long", table.upsert_for(1, "x", long));
    place.fails("Touch a key that is missing", table.touch(9, second));
    table.add(1, "one").unwrap();
    table.upsert_for(2, "two", 3600 * second).unwrap();
    place.fails("The table is full, and no entry has expired", table.add(3, "three"));
}

fn space(place: &mut Place) {
    place.clear();
    let (soft, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, 4096, hard).unwrap();
    let result = StatusTable::create_with("it", &place.options());
    setrlimit(Resource::RLIMIT_FSIZE, soft, hard).unwrap();
    place.fails("The file is longer than the process may write", result);
    assert_eq!(place.namespace.files().unwrap(), Vec::<String>::new());
}
