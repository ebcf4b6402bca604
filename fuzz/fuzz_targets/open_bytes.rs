//! Any bytes as a segment file: as they are, or as header fields and body of a file whose
//! checksums are right. Opened for reading and for writing, and used; nothing may crash.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use shm_core::Namespace;
use shm_tests::patch::{self, BODY, Checksum, HEADER, header};
use shm_tests::{TempNamespace, options, test_name};
use slotmap_shm::{
    Access, KIND, Key, ReadOptions, Table, TableError, TableOptions, TableReader, TypedKey,
};

const KEYS: [i32; 6] = [0, 1, 2, 3, -1, i32::MIN];
const WORDS: [&str; 5] = ["", "a", "ab", "abcdefgh", "abcdefghi"];
/// The table that a body is written into.
const CAPACITY: usize = 4;
const VALUE_SIZE: usize = 12;

fuzz_target!(|bytes: &[u8]| {
    let Some((&how, bytes)) = bytes.split_first() else { return };
    let namespace = TempNamespace::new().expect("make a namespace");
    let path = Namespace::at(namespace.path()).path_of(&test_name(), KIND);
    match how % 4 {
        0 => std::fs::write(&path, bytes).expect("write"),
        1 => with_body::<i32>(&namespace, &path, bytes),
        2 => with_body::<str>(&namespace, &path, bytes),
        _ => with_geometry(&namespace, &path, bytes),
    }
    open::<i32>(&namespace, &KEYS.each_ref());
    open::<str>(&namespace, &WORDS);
});

/// A good table with two entries.
fn create<K: TypedKey + ?Sized>(namespace: &TempNamespace) {
    let mut options = options(CAPACITY, VALUE_SIZE);
    options.geometry.key_size = 9;
    Table::<K>::create(&Namespace::at(namespace.path()), &test_name(), &options)
        .expect("create a table");
}

/// Bytes in place of the body; what they do not reach stays as it was. A first byte
/// with its high bit set says where they begin.
fn with_body<K: TypedKey + ?Sized>(namespace: &TempNamespace, path: &Path, bytes: &[u8]) {
    create::<K>(namespace);
    let Some((&first, bytes)) = bytes.split_first() else { return };
    let room = (path.metadata().expect("stat").len() - BODY) as usize;
    let from = if first & 0x80 == 0 { 0 } else { usize::from(first & 0x7F) * 8 % room };
    let len = bytes.len().min(room - from);
    patch::bytes(path, BODY + from as u64, &bytes[..len]).expect("patch");
}

/// Geometry words from the bytes, a correct checksum, and a file as long as the header says.
fn with_geometry(namespace: &TempNamespace, path: &Path, bytes: &[u8]) {
    create::<i32>(namespace);
    let mut words = bytes.chunks_exact(3);
    for word in (0..4).zip(words.by_ref()).map(|(at, w)| (header::GEOMETRY + 8 * at, w)) {
        let (at, &[shift, low, high]) = word else { return };
        let value = u64::from(u16::from_le_bytes([low, high])) << (shift % 64);
        patch::field(path, HEADER, at, &value.to_ne_bytes(), Checksum::Right).expect("patch");
    }
    let Some(&[a, b, c]) = words.next() else { return };
    let len = BODY + u64::from(u32::from_le_bytes([a, b, c & 3, 0])) * 8;
    patch::field(path, HEADER, header::TOTAL_LEN, &len.to_ne_bytes(), Checksum::Right)
        .expect("patch");
    let mut whole = std::fs::read(path).expect("read");
    // No holes: they are refused before anything else.
    whole.resize(len as usize, bytes.last().copied().unwrap_or(0));
    std::fs::write(path, whole).expect("write");
}

fn open<K: TypedKey + ?Sized>(namespace: &TempNamespace, keys: &[&K]) {
    let (ns, name) = (Namespace::at(namespace.path()), test_name());
    let options = TableOptions::default();
    if let Ok(reader) = TableReader::<K>::open_read_only(&ns, &name, &ReadOptions::default()) {
        read(&reader, keys);
    }
    let Ok(table) = Table::<K>::open(&ns, &name, &options) else { return };
    read(&table, keys);
    let value = &[7; VALUE_SIZE][..table.geometry().value_size.min(VALUE_SIZE)];
    let batch: Vec<_> = keys.iter().map(|&key| (key, value)).collect();
    for key in keys {
        drop((table.add(key, value), table.upsert(key, value), table.update(key, b"")));
        drop((table.fetch_add(key, 1), table.compare_exchange(key, value, b"")));
        drop(table.update_with(key, |v| v.push(1)));
    }
    drop((table.add_many(&batch), table.update_many(&batch), table.upsert_many(&batch)));
    drop((table.get_many(keys), table.remove(keys[0]), table.remove_many(&keys[1..])));
    comes_right(&table);
    table.clear().expect("clear");
    read(&table, keys);
    // A version forged to be the last valid one is damage after one write more.
    comes_right(&table);
}

/// Whatever it was, repairs bring it in order.
fn comes_right<K: TypedKey + ?Sized>(table: &Table<K>) {
    let in_order = (0..4).any(|_| match table.verify() {
        Ok(()) => true,
        Err(TableError::Corrupt { .. }) => table.recover().is_err(),
        Err(other) => panic!("{other:?}"),
    });
    assert!(in_order, "{:?}", table.verify());
}

fn read<K: Key + ?Sized>(reader: &Table<K, impl Access>, keys: &[&K]) {
    for key in keys {
        drop((reader.get(key), reader.contains_key(key), reader.get_into(key, &mut [0; 8])));
    }
    drop((reader.get_many(keys), reader.entries(), reader.iter().count()));
    drop(format!("{:?} {}", reader.stats(), reader.len()));
}
