//! `docs/format.md` says what is in the file: its tables are parsed and compared with real
//! files, and the hash it describes is computed from its text.

#![cfg(target_endian = "little")]

mod hash;
mod leases;
mod levels;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use avl_snapshot::FreezeOptions;
use shm_core::{BODY_OFFSET, FORMAT_VERSION, GEOMETRY_WORDS, Namespace, Patience, Trust};
use shm_facade::{RbTree, SNAPSHOT, Share, ShareOptions, TypedKey};
use shm_tests::document::{Document, Field, number};
use shm_tests::patch;
use shm_tests::{TempNamespace, create, options, test_name};
use slotmap_shm::{Eviction, Expiry, Geometry, KIND, Table, TableOptions};

/// Offset of the body in the file of a table.
const TABLE_BODY: usize = patch::TABLE_BODY as usize;

/// The bytes of a segment file, or of a part of it.
struct Bytes(Vec<u8>);

impl Bytes {
    fn of(path: &Path) -> Self {
        Self(std::fs::read(path).unwrap())
    }

    fn at(&self, field: &Field) -> &[u8] {
        &self.0[field.offset..][..field.size]
    }

    fn u32(&self, field: &Field) -> u32 {
        u32::from_le_bytes(self.at(field).try_into().unwrap())
    }

    fn u64(&self, field: &Field) -> u64 {
        u64::from_le_bytes(self.at(field).try_into().unwrap())
    }

    fn word(&self, offset: usize) -> u64 {
        u64::from_le_bytes(self.0[offset..][..8].try_into().unwrap())
    }

    fn is_zero(&self, field: &Field) -> bool {
        self.at(field).iter().all(|&byte| byte == 0)
    }

    /// The checksum of a record whose last field is that checksum.
    fn checksum(&self, start: usize, last: &Field) -> u64 {
        let mut record = self.0[start..last.offset].to_vec();
        record.resize(record.len() + last.size, 0);
        let crc = crc32fast::hash(&record);
        u64::from(crc) | u64::from(!crc) << 32
    }
}

fn with_table() -> (TempNamespace, PathBuf, Table<i32>) {
    let namespace = TempNamespace::new().unwrap();
    let Geometry { capacity, value_size, .. } = Geometry::default();
    let table = create(&namespace, capacity, value_size);
    let path = Namespace::at(namespace.path()).path_of(&test_name(), KIND);
    (namespace, path, table)
}

#[test]
fn the_first_page() {
    let document = Document::read();
    let page = document.section("First page");
    page.covers(0, BODY_OFFSET);
    let (_namespace, path, table) = with_table();
    let (file, segment) = (Bytes::of(&path), table.segment());
    let field = |name| page.field(name);
    let meta = path.metadata().unwrap();

    assert_eq!(file.at(field("magic")), b"SHMAPSEG");
    assert!(field("magic").meaning.contains("`SHMAPSEG`"));
    for name in ["byte_order", "format_version", "header_len", "word_bytes"] {
        assert_eq!(u64::from(file.u32(field(name))), page.number(name), "{name}");
    }
    assert_eq!(page.number("format_version"), u64::from(FORMAT_VERSION));
    assert_eq!(page.number("header_len"), TABLE_BODY as u64);
    assert_eq!(file.u64(field("total_len")), meta.len());
    assert_eq!(file.at(field("kind")), b"table\0\0\0");
    assert_eq!(file.u64(field("kind_version")), page.number("kind_version"));
    assert_eq!(file.u64(field("kind_version")), segment.kind_version());
    let created = segment.created().duration_since(UNIX_EPOCH).unwrap();
    assert_eq!(u128::from(file.u64(field("created_unix_ns"))), created.as_nanos());
    assert_eq!(file.at(field("random_id")), segment.id());
    assert_eq!(field("geometry").size, 8 * GEOMETRY_WORDS);
    let geometry = segment.geometry().map(u64::to_le_bytes).concat();
    assert_eq!(file.at(field("geometry")), geometry);
    let header_sum = field("header_checksum");
    assert_eq!(file.u64(header_sum), file.checksum(0, header_sum));

    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let boot = u128::from_str_radix(&boot.trim().replace('-', ""), 16).unwrap();
    assert_eq!(file.at(field("boot_id")), boot.to_be_bytes());
    assert_eq!(file.u64(field("device")), meta.dev());
    assert_eq!(file.u64(field("inode")), meta.ino());
    let session_sum = field("session_checksum");
    assert_eq!(file.u64(session_sum), file.checksum(field("boot_id").offset, session_sum));

    let base = table.lock_address() - field("lock").offset;
    assert_eq!(base % 4096, 0, "the lock is elsewhere");
    let ns = Namespace::at(path.parent().unwrap());
    let (version, trust, patience) = (segment.kind_version(), Trust::new(), Patience::forever());
    let locking = ns.open(&test_name(), KIND, version, &trust, &patience).unwrap();
    let guard = locking.lock().unwrap();
    let holder = Bytes::of(&path).u64(field("lock"));
    drop(guard);
    assert_eq!(holder, table.segment().writers()[0].id.to_u64());
    assert_eq!(file.u64(field("lock")), 0);
    assert_eq!(file.u64(field("wake")), 0);
    assert_eq!(file.u64(field("dirty")), 0);
    assert_eq!(file.u64(field("writers")), page.number("writers"));
    for name in ["header_reserved", "session_reserved", "page_reserved", "lock_rest"] {
        assert!(file.is_zero(field(name)), "{name}");
    }
}

#[test]
fn records_of_writers() {
    let document = Document::read();
    let (page, record) = (document.section("First page"), document.section("Records of writers"));
    record.covers(0, 128);
    document.says("Record `n` begins at `640 + 128 · n`.");
    document.says("`640 + 128 · records`, rounded up to a multiple of 4096.");
    document.says("If `writers` is at\nmost 23, that is 4096.");
    document.says("A table has 116 records and 7 of guests, and its body begins at 16384.");
    document.says("`generation << 13 | n` is the id of a registration.");
    document.says(&format!("records of writers, at most {};", shm_core::MAX_WRITERS));
    let namespace = TempNamespace::new().unwrap();
    for (count, body) in [(23, 4096), (24, 8192)] {
        let dir = namespace.path().join(count.to_string());
        std::fs::create_dir(&dir).unwrap();
        let segment = shm_tests::records::create(&dir, count).unwrap();
        let id = std::thread::scope(|s| {
            s.spawn(|| segment.writer().unwrap().id()).join().unwrap();
            let writer = segment.writer().unwrap();
            writer.count_write();
            writer.id()
        });
        assert_eq!(id.to_u64(), 2 << 13);
        let file = Bytes::of(segment.path());
        assert_eq!(file.u64(page.field("writers")), u64::from(count));
        assert_eq!(u64::from(file.u32(page.field("header_len"))), body);
        assert_eq!(file.0.len() as u64, body + 64);
        assert!(file.0[640 + 128 * count as usize..].iter().all(|&byte| byte == 0));
        for n in 0..count as usize {
            let record_file = Bytes(file.0[640 + 128 * n..][..128].to_vec());
            let value = |name| record_file.u64(record.field(name));
            let first = n == 0;
            let library = if cfg!(target_env = "musl") { 2 } else { 1 };
            let registration = 2 << 8 | library << 2 | library;
            assert_eq!(value("registration"), if first { registration } else { 0 });
            let here = std::fs::metadata("/proc/self/ns/pid").unwrap().ino();
            assert_eq!(value("pid_namespace"), if first { here } else { 0 });
            assert_eq!(value("writes"), u64::from(first));
            let thread =
                u64::from(std::process::id()) << 32 | nix::unistd::gettid().as_raw() as u64;
            assert_eq!(value("thread"), if first { thread } else { 0 });
            let mutexes = ["glibc_mutex", "musl_mutex"].map(|name| record.field(name));
            assert!(mutexes.iter().all(|mutex| size_of::<libc::pthread_mutex_t>() <= mutex.size));
            assert!(record_file.is_zero(mutexes[2 - library as usize]));
        }
    }
}

#[test]
fn the_abi_word() {
    let document = Document::read();
    document.says("`arch << 48 | pointer bits << 40`");
    document.says("1 for x86-64, 2 for AArch64, 3 for RISC-V 64,\n255 for others");
    let arch = match std::env::consts::ARCH {
        "x86_64" => 1,
        "aarch64" => 2,
        "riscv64" => 3,
        _ => 255,
    };
    let (_namespace, path, _table) = with_table();
    let abi = Bytes::of(&path).u64(document.section("First page").field("abi"));
    assert_eq!(abi, arch << 48 | 64 << 40);
}

#[test]
fn a_published_file_and_its_control_segment() {
    let document = Document::read();
    let page = document.section("Published file");
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    let mut tree = RbTree::new();
    tree.set("key", "value").unwrap();
    let options = ShareOptions::default().namespace(ns.clone()).force(true);
    for _ in 0..3 {
        tree.share_with("test", &options).unwrap();
    }
    let file = Bytes::of(&ns.path_of(&test_name(), SNAPSHOT.kind));
    let field = |name| page.field(name);
    assert_eq!(file.at(field("kind")), b"snapshot");
    assert_eq!(field("kind").meaning, "`snapshot`");
    for name in ["kind_version", "abi"] {
        assert_eq!(file.u64(field(name)), page.number(name), "{name}");
    }
    assert_eq!(file.u64(field("edition")), 3);
    for name in ["geometry_rest", "session", "lock_block"] {
        assert!(file.is_zero(field(name)), "{name}");
    }
    assert!(file.is_zero(document.section("First page").field("page_rest")));
    let image = tree.freeze_with(&FreezeOptions::default().hash_index(true));
    assert_eq!(&file.0[BODY_OFFSET..], &*image, "with an index unless told otherwise");
    document.says("| 4096 | … | `image` |");

    let control = Bytes::of(&ns.path_of(&test_name(), SNAPSHOT.control));
    let first = document.section("First page");
    assert_eq!(control.at(first.field("kind")), b"control\0");
    assert_eq!(control.u64(first.field("kind_version")), 1);
    assert!(control.is_zero(first.field("geometry")));
    assert_eq!((control.0.len(), control.word(4096)), (BODY_OFFSET + 8, 2 * 3));
    document.says("| 4096 | 2g | edition g is the newest |");
}

#[test]
fn the_geometry() {
    let document = Document::read();
    let words = document.section("Geometry of a table");
    let whole = document.section("First page").field("geometry").clone();
    words.covers(whole.offset, whole.offset + whole.size);
    let (_namespace, path, table) = with_table();
    let file = Bytes::of(&path);
    let default = table.geometry();
    for (name, value, max) in [
        ("capacity", default.capacity, Geometry::MAX_CAPACITY),
        ("value_size", default.value_size, Geometry::MAX_VALUE_SIZE),
        ("key_size", default.key_size, Geometry::MAX_KEY_SIZE),
    ] {
        assert_eq!(file.u64(words.field(name)), value as u64, "{name}");
        let said = words.field(name).meaning.split(" to ").nth(1).unwrap();
        assert_eq!(number(said.split("; ").next().unwrap()), max as u64, "{name}");
    }
    assert_eq!(file.u64(words.field("seed")), table.segment().geometry()[4]);
    assert!(file.is_zero(words.field("max_capacity")) && default.max_capacity.is_none());
    for zero in ["flags", "default_ttl", "geometry_rest"] {
        assert!(file.is_zero(words.field(zero)), "{zero}");
    }

    let (_namespace, path, _) = levels::with_growing_table();
    let file = Bytes::of(&path);
    assert_eq!((file.u64(words.field("capacity")), file.u64(words.field("max_capacity"))), (5, 17));
    let said = words.field("max_capacity").meaning.split(" to ").nth(1).unwrap();
    assert_eq!(number(said.split("; ").next().unwrap()), Geometry::MAX_CAPACITY as u64);
}

#[test]
fn the_key_kinds() {
    fn code<K: TypedKey + ?Sized>() -> u64 {
        let namespace = TempNamespace::new().unwrap();
        let ns = Namespace::at(namespace.path());
        drop(Table::<K>::create(&ns, &test_name(), &options(1, 1)).unwrap());
        let section = Document::read().section("Geometry of a table");
        Bytes::of(&ns.path_of(&test_name(), KIND)).u64(section.field("key_kind"))
    }
    let codes = [
        ("i8", code::<i8>()),
        ("i16", code::<i16>()),
        ("i32", code::<i32>()),
        ("i64", code::<i64>()),
        ("u8", code::<u8>()),
        ("u16", code::<u16>()),
        ("u32", code::<u32>()),
        ("u64", code::<u64>()),
        ("[u8]", code::<[u8]>()),
        ("str", code::<str>()),
    ];
    let mut said = Vec::new();
    let document = Document::read();
    for row in document.rows("Geometry of a table") {
        let [types, class, widths, codes] = row.as_slice() else { continue };
        let (Ok(class), true) = (class.parse::<u64>(), codes.starts_with("0x")) else { continue };
        for ((name, width), code) in
            types.split(", ").zip(widths.split(", ")).zip(codes.split(", "))
        {
            assert_eq!(number(code), class << 8 | number(width), "{name}");
            said.push((name.trim_matches('`').to_owned(), number(code)));
        }
    }
    assert_eq!(said, codes.map(|(name, code)| (name.to_owned(), code)));
}

/// The sizes that follow from a geometry, by the formulas of the document.
struct Sizes {
    key_words: usize,
    tail_words: usize,
    slot_words: usize,
    index_len: usize,
    index_at: usize,
    slots_at: usize,
    body_words: usize,
}

impl Sizes {
    fn new(geometry: Geometry, integer: bool) -> Self {
        let Geometry { capacity, value_size, key_size, expiry, eviction, .. } = geometry;
        let line = |words: usize| words.next_multiple_of(8);
        let key_words = if integer { 1 } else { 1 + key_size.div_ceil(8) };
        let tail_words = value_size.div_ceil(8).saturating_sub(2);
        let extra_words = if expiry == Expiry::Never { 0 } else { 2 }
            + if eviction == Eviction::Never { 0 } else { 1 };
        let slot_words = line(7 + key_words + 2 * tail_words + extra_words);
        let spread = if capacity <= 16384 { 4 } else { 2 };
        let index_len = (spread * capacity).next_power_of_two();
        let index_at = 48 + line(capacity);
        let slots_at = line(index_at + index_len / 2);
        let body_words = slots_at + capacity * slot_words;
        Self { key_words, tail_words, slot_words, index_len, index_at, slots_at, body_words }
    }

    fn file_bytes(&self) -> usize {
        TABLE_BODY + 8 * self.body_words
    }
}

#[test]
fn the_derived_sizes() {
    let document = Document::read();
    let sizes = Sizes::new(Geometry::default(), true);
    let expected = [
        ("key_words", sizes.key_words),
        ("tail_words", sizes.tail_words),
        ("extra_words", 0),
        ("slot_words", sizes.slot_words),
        ("index_len", sizes.index_len),
        ("index_limit", 1024 + (sizes.index_len - 1024) / 3),
        ("index_at", sizes.index_at),
        ("slots_at", sizes.slots_at),
        ("body_words", sizes.body_words),
        ("file_bytes", sizes.file_bytes()),
    ];
    let rows = document.rows("Derived sizes");
    let said: Vec<_> = rows
        .iter()
        .filter(|row| row[0].starts_with('`'))
        .map(|row| (row[0].trim_matches('`'), number(row[2]) as usize))
        .collect();
    assert_eq!(said, expected);
    for (name, formula) in [
        ("key_words", "1 for integers; 1 + ⌈key_size / 8⌉ for bytes"),
        ("tail_words", "max(0, ⌈value_size / 8⌉ − 2)"),
        ("extra_words", "2 if entries may expire, and 1 if they are evicted"),
        ("slot_words", "⌈7 + key_words + 2 · tail_words + extra_words⌉₈"),
        (
            "index_len",
            "the least power of two ≥ 4 · capacity up to a capacity of 16384, ≥ 2 · capacity beyond",
        ),
        ("index_limit", "capacity + ⌊(index_len − capacity) / 3⌋"),
        ("index_at", "48 + ⌈max_capacity⌉₈"),
        ("slots_at", "⌈index_at + index_len / 2⌉₈"),
        ("body_words", "slots_at + max_capacity · slot_words"),
        ("file_bytes", "16384 + 8 · body_words"),
    ] {
        assert!(rows.iter().any(|row| row[0].trim_matches('`') == name && row[1] == formula));
    }
    for capacity in [1, 7, 8, 9, 1000, 16384, 16385] {
        for value_size in [0, 1, 16, 17, 255, 256] {
            let options = options(capacity, value_size);
            let namespace = TempNamespace::new().unwrap();
            let ns = Namespace::at(namespace.path());
            let table = Table::<str>::create(&ns, &test_name(), &options).unwrap();
            let sizes = Sizes::new(options.geometry, false);
            assert_eq!(table.stats().file_len, sizes.file_bytes() as u64, "{options:?}");
        }
    }
}

#[test]
fn the_body_and_a_slot() {
    let document = Document::read();
    let (body, slot) = (document.section("Body of a table"), document.section("Slot"));
    let sizes = Sizes::new(Geometry::default(), true);
    body.covers(TABLE_BODY, sizes.file_bytes());
    slot.covers(0, 8 * sizes.slot_words);
    let field = |name| body.field(name);
    assert_eq!(field("free").size, 8 * 1024);
    assert_eq!(field("index").offset, TABLE_BODY + 8 * sizes.index_at);
    assert_eq!(field("index").size, 4 * sizes.index_len);
    assert_eq!(field("slots").offset, TABLE_BODY + 8 * sizes.slots_at);
    let (first, size) = (field("slots").offset, 8 * sizes.slot_words);
    document.says(&format!("Slot `n` begins at `{first} + {size} · n`."));
    document.says(&format!("`{} + 4 · (hash mod {})`", field("index").offset, sizes.index_len));
    assert_eq!(field("index").meaning, format!("{} places of 4 bytes; derived", sizes.index_len));
    assert_eq!(field("slots").meaning, format!("1024 slots of {size} bytes"));

    let (_namespace, path, table) = with_table();
    let file = Bytes::of(&path);
    let new = |name| file.u64(field(name));
    assert_eq!((new("epoch"), new("commit"), new("len"), new("used")), (64, 0, 0, 0));
    document.says("A new table has epoch 64,");
    let part = |file: &Bytes, number| Bytes(file.0[first + number * size..][..size].to_vec());
    let version = |file: &Bytes, number| part(file, number).u64(slot.field("version"));
    document.says(&format!("A slot that was never used has version {}:", version(&file, 9)));
    let free = |place: usize| file.word(field("free").offset + 8 * place);
    assert!((0..1024).all(|place| free(place) == 1023 - place as u64));

    // Key 9 goes to slot 0, key -8 to slot 1.
    let long: Vec<u8> = (0..=255).map(|byte: u8| byte.wrapping_mul(37)).collect();
    table.add(&9, b"in the head only").unwrap();
    table.add(&-8, &long).unwrap();
    let file = Bytes::of(&path);
    let now = |name| file.u64(field(name));
    assert_eq!((now("epoch"), now("commit"), now("len"), now("used")), (64, 4, 2, 2));
    assert_eq!(part(&file, 0).at(slot.field("head_0")), b"in the head only");
    let one = part(&file, 1);
    assert_eq!(one.u64(slot.field("key")), -8i64 as u64);
    assert_eq!((one.u32(slot.field("length_0")), one.u32(slot.field("length_1"))), (256, 0));
    assert_eq!(one.at(slot.field("head_0")), &long[..16]);
    assert_eq!(one.at(slot.field("tail_0")), &long[16..]);
    assert!(one.is_zero(slot.field("head_1")) && one.is_zero(slot.field("tail_1")));
    assert!(one.is_zero(slot.field("padding")));
    let added = version(&file, 1);
    assert_eq!(one.u64(slot.field("next")), added);

    let other: Vec<u8> = long.iter().map(|byte| !byte).collect();
    table.update(&-8, &other).unwrap();
    let file = Bytes::of(&path);
    // A claim, which is no transaction.
    assert_eq!(file.u64(field("commit")), 4);
    let record = document.section("Records of writers");
    assert_eq!(file.word(640 + record.field("writes").offset), 1);
    assert_eq!(file.u64(field("closed")), 0);
    let one = part(&file, 1);
    assert_eq!(one.at(slot.field("head_1")), &other[..16]);
    assert_eq!(one.at(slot.field("tail_1")), &other[16..]);
    assert_eq!(one.at(slot.field("tail_0")), &long[16..], "the value before stays");
    let updated = version(&file, 1);
    document.says(&format!("version {added} (counter {}, live, buffer 0)", added >> 2));
    document.says(&format!("the second {updated} (counter {}, live, buffer 1)", updated >> 2));
    for name in ["epoch_line", "commit_line", "boot", "hand", "expired", "evicted"] {
        assert!(file.is_zero(field(name)), "{name}");
    }
    assert_eq!(file.u64(field("recoveries")), 0);
    assert_eq!(file.u64(field("lost")), 0);
}

#[test]
fn the_worked_example() {
    let document = Document::read();
    let (_namespace, path, table) = with_table();
    table.add(&-7, (0..=255).collect::<Vec<u8>>()).unwrap();
    table.update(&-7, b"stopped").unwrap();
    let file = Bytes::of(&path);
    let mut checked = 0;
    for row in document.rows("Worked example") {
        let Ok(offset) = row[0].parse() else { continue };
        assert_eq!(file.word(offset), number(row[1]), "{row:?}");
        checked += 1;
    }
    assert!(checked > 10);
}
