//! A header that is refused: each field of the first page changed, with a right
//! checksum and with a stale one.

use std::path::PathBuf;

use shm_core::{Namespace, report};
use shm_tests::patch::{self, Checksum, HEADER, SESSION, header, session};
use shm_tests::roles::{is_root, run, scenario};
use shm_tests::{TempNamespace, create, open, records, test_name};
use slotmap_shm::{Table, TableOpenError, TableOptions, TableReader};

const WORKER: &str = env!("CARGO_BIN_EXE_shm-worker");

struct Fixture {
    namespace: TempNamespace,
    path: PathBuf,
    whole: Vec<u8>,
}

impl Fixture {
    fn new() -> Self {
        let namespace = TempNamespace::new().unwrap();
        let table = create(&namespace, 16, 40);
        table.add(&1, b"one").unwrap();
        let path = table.segment().path().to_owned();
        drop(table);
        let whole = std::fs::read(&path).unwrap();
        Self { namespace, path, whole }
    }

    /// Changes a field of a good table, and opens it for reading and for writing.
    fn patched(
        &self,
        record: patch::Record,
        at: usize,
        bytes: &[u8],
        sum: Checksum,
    ) -> [String; 2] {
        std::fs::write(&self.path, &self.whole).unwrap();
        patch::field(&self.path, record, at, bytes, sum).unwrap();
        let (ns, name, options) =
            (Namespace::at(self.namespace.path()), test_name(), TableOptions::default());
        let said = |result: Result<_, TableOpenError>| match result {
            Ok(value) => format!("ok: {value:?}"),
            Err(e) => format!("{e:?}"),
        };
        let read = TableReader::<i32>::open_read_only(&ns, &name, &shm_tests::reading(&options));
        let write = Table::<i32>::open(&ns, &name, &options);
        [said(read.map(|t| t.get(&1))), said(write.map(|t| t.upsert(&2, b"two").and(t.get(&1))))]
    }

    fn header(&self, at: usize, bytes: &[u8], sum: Checksum) -> [String; 2] {
        self.patched(HEADER, at, bytes, sum)
    }
}

const ONE: &str = "ok: Ok(Some(b\"one\"))";

fn both(said: &[String; 2], word: &str) {
    assert!(said.iter().all(|line| line.contains(word)), "{word} in {said:#?}");
}

#[test]
fn each_field_with_a_right_checksum() {
    use header::*;
    let fixture = Fixture::new();
    let len = fixture.whole.len() as u64;
    let cases: &[(usize, &[u8], &str)] = &[
        (MAGIC, b"SHMAPSEh", "not a segment"),
        (MAGIC, &[0; 8], "not a segment"),
        (BYTE_ORDER, &0x0403_0201u32.to_ne_bytes(), "byte order mark is 0x04030201"),
        (FORMAT_VERSION, &1u32.to_ne_bytes(), "format version 1, this library supports 2"),
        (FORMAT_VERSION, &0u32.to_ne_bytes(), "format version 0, this library supports 2"),
        (HEADER_LEN, &8192u32.to_ne_bytes(), "header length 8192 bytes, expected 16384"),
        (WORD_BYTES, &4u32.to_ne_bytes(), "word size 4 bytes, expected 8"),
        (WRITERS, &28u64.to_ne_bytes(), "header length 16384 bytes, expected 8192"),
        (WRITERS, &4097u64.to_ne_bytes(), "4097 records of writers, at most 4096"),
        (WRITERS, &u64::MAX.to_ne_bytes(), "18446744073709551615 records of writers"),
        (TOTAL_LEN, &(len - 8).to_ne_bytes(), "bytes long, its header says"),
        (TOTAL_LEN, &(len + 8).to_ne_bytes(), "bytes long, its header says"),
        (TOTAL_LEN, &0u64.to_ne_bytes(), "bytes long, its header says"),
        (TOTAL_LEN, &u64::MAX.to_ne_bytes(), "bytes long, its header says"),
        (HOLES, &(len - 16_383).to_ne_bytes(), "bytes may be holes, at most"),
        (HOLES, &u64::MAX.to_ne_bytes(), "bytes may be holes, at most"),
        (KIND, b"snapshot", "segment is a `snapshot`, expected a `table`"),
        (KIND, b"tables\0\0", "segment is a `tables`"),
        (KIND, &[0xFF; 8], "segment is a `"),
        (
            KIND_VERSION,
            &2u64.to_ne_bytes(),
            "layout version 2 of this kind, this library supports 1",
        ),
    ];
    for &(at, bytes, word) in cases {
        both(&fixture.header(at, bytes, Checksum::Right), word);
    }
}

#[test]
fn each_field_with_a_stale_checksum() {
    let fixture = Fixture::new();
    // These three are looked at before the checksum, whose place they may decide.
    for (at, word) in [
        (header::MAGIC, "not a segment"),
        (header::BYTE_ORDER, "byte order mark"),
        (header::FORMAT_VERSION, "format version"),
    ] {
        both(&fixture.header(at, &[0xEE], Checksum::Stale), word);
    }
    // Every other byte, the reserved ones included, is covered by it.
    for at in header::HEADER_LEN..256 {
        let byte = !fixture.whole[at];
        both(&fixture.header(at, &[byte], Checksum::Stale), "header checksum");
    }
    both(&fixture.header(header::CHECKSUM, &[0; 8], Checksum::Stale), "header checksum");
}

#[test]
fn other_abi_is_for_reading_only() {
    let fixture = Fixture::new();
    for abi in [1u64, 1 << 56 | 1 << 48 | 64 << 40 | 40, u64::MAX] {
        let [read, write] = fixture.header(header::ABI, &abi.to_ne_bytes(), Checksum::Right);
        assert_eq!(read, ONE);
        assert!(write.contains("the lock is one of "), "{write}");
    }
    // By a zero a published file says that it has no mutex, and then there are no records either.
    let said = fixture.header(header::ABI, &[0; 8], Checksum::Right);
    both(&said, "116 records of writers, at most 0 are possible");
    let namespace = TempNamespace::new().unwrap();
    let path = records::create(namespace.path(), 0).unwrap().path().to_owned();
    patch::field(&path, HEADER, header::ABI, &[0; 8], Checksum::Right).unwrap();
    records::open_read_only(namespace.path()).unwrap();
    let error = report(&records::open(namespace.path()).unwrap_err()).to_string();
    assert!(error.contains("a published file has no lock"), "{error}");
}

#[test]
fn a_process_in_another_pid_namespace_writes_beside_living_writers() {
    if !is_root("a pid namespace of its own") {
        return;
    }
    let fixture = Fixture::new();
    let foreign = || run(scenario(WORKER, "foreign-pids", fixture.namespace.path()));
    let living = open(&fixture.namespace);
    let said = foreign();
    if said[0].starts_with("skipped: ") {
        return;
    }
    assert_eq!(said[..2], ["read: ok: 1 entries", "write: ok: 1 entries"], "{said:?}");
    drop(living);
    assert_eq!(foreign()[1], "write: ok: 1 entries");
    let table = open(&fixture.namespace);
    assert_eq!((table.len(), table.stats().recoveries), (1, 0));
    table.verify().unwrap();
}

#[test]
fn session_of_another_file_or_boot_is_reset() {
    let fixture = Fixture::new();
    for at in [session::BOOT_ID, session::DEVICE, session::INODE] {
        let said = fixture.patched(SESSION, at, &[0x5A; 8], Checksum::Right);
        assert_eq!(said, [ONE, ONE], "at {at}");
        let said = fixture.patched(SESSION, at, &[0x5A; 8], Checksum::Stale);
        assert!(said[0] == ONE && said[1].contains("the session record is damaged"), "{said:?}");
    }
}

#[test]
fn what_does_not_matter() {
    let fixture = Fixture::new();
    both(&fixture.header(header::RANDOM_ID, &[9; 16], Checksum::Right), ONE);
    both(&fixture.header(header::CREATED, &[9; 8], Checksum::Right), ONE);
    both(&fixture.header(header::RESERVED, &[9; 56], Checksum::Right), ONE);
}

#[test]
fn geometry_words_with_a_right_checksum() {
    let fixture = Fixture::new();
    let word = |index: usize, value: u64| {
        fixture.header(header::GEOMETRY + 8 * index, &value.to_ne_bytes(), Checksum::Right)
    };
    let sizes = |values: &[u64], index, what: &str| {
        for &value in values {
            let said = word(index, value);
            let named = |line: &String| {
                (line.contains("damaged table \"") && line.contains("length of the body"))
                    || line.contains(&format!("{what} is {value}, it must be"))
                    || line.contains("too large for the address space")
            };
            assert!(said.iter().all(named), "{what} {value}: {said:?}");
        }
    };
    sizes(&[0, 1, 15, 17, 32, 1 << 28, (1 << 28) + 1, 1 << 32, u64::MAX], 0, "capacity");
    sizes(&[49, 1 << 24, (1 << 24) + 1, 1 << 40, u64::MAX], 1, "value_size");
    sizes(&[0, 257, u64::MAX], 3, "key_size");
    sizes(&[4, 7, u64::MAX], 6, "flags");
    // A time to live counts only if entries may expire.
    both(&word(7, u64::MAX), ONE);
    for kind in [0, 0x108, 0x204, 0x300, 0x400, 0x900, u64::MAX] {
        both(&word(2, kind), "has keys of ");
    }
    // A slot is as long for fewer bytes as for 40: a forgery that no length gives away
    // reads other bytes as values, inside the slot, or says that a length is impossible.
    for value_size in [0, 1, 8, 32] {
        let said = word(1, value_size);
        let fine = |line: &String| line.starts_with("ok: ") || line.contains("damaged table");
        assert!(said.iter().all(fine), "{value_size}: {said:?}");
    }
    // The same is true of leases and times, which follow the values.
    for flags in [1, 2, 3] {
        let said = word(6, flags);
        let fine = |line: &String| line.starts_with("ok: ") || line.contains("damaged table");
        assert!(said.iter().all(fine), "{flags}: {said:?}");
    }
    // Another seed hashes elsewhere: keys are not found, but nothing breaks.
    let said = word(4, 12345);
    assert!(said.iter().all(|line| line.starts_with("ok: Ok(")), "{said:?}");
    both(&word(11, 1), ONE);
}
