//! Nonsense in the body of the table, stored before, while and after it is used.
//! Readers and writers get errors or wrong values; they do not crash and they end.

use std::panic::{AssertUnwindSafe, catch_unwind};

use shm_core::{Name, Namespace};
use shm_tests::patch::{self, TABLE_BODY};
use shm_tests::random::Random;
use shm_tests::roles::{finish, scenario};
use shm_tests::{Child, TempNamespace, WATCHDOG, create, options, test_name};
use slotmap_shm::{Access, KIND, Key, Table, TableError, TableOptions, TableReader, TypedKey};

const WORKER: &str = env!("CARGO_BIN_EXE_shm-worker");
const CAPACITY: usize = 64;
const VALUE_SIZE: usize = 40;

fn with_table() -> (TempNamespace, Table<i32>) {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, CAPACITY, VALUE_SIZE);
    for key in 0..CAPACITY as i32 / 2 {
        table.add(&key, [key as u8; VALUE_SIZE]).unwrap();
    }
    (namespace, table)
}

fn start(namespace: &TempNamespace, role: &str, argument: u64, greeting: &str) -> Child {
    let mut command = scenario(WORKER, role, namespace.path());
    let child = Child::spawn(command.arg(argument.to_string())).unwrap();
    assert_eq!(child.line(WATCHDOG).unwrap(), greeting);
    child
}

/// Whatever is in the body, after some repairs the table is in order and usable.
fn comes_right<K: Key + ?Sized>(table: &Table<K>) {
    for _ in 0..4 {
        match table.verify() {
            Ok(()) => return,
            Err(TableError::Corrupt { .. }) => drop(table.recover().unwrap()),
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("never in order: {:?}", table.verify());
}

fn serves(table: &Table<i32>) {
    comes_right(table);
    table.clear().unwrap();
    for key in 0..CAPACITY as i32 {
        table.add(&key, [1; VALUE_SIZE]).unwrap();
    }
    assert!(matches!(table.add(&-1, b""), Err(TableError::Full { .. })));
    table.verify().unwrap();
    assert_eq!(table.entries().unwrap().len(), CAPACITY);
}

#[test]
fn readers_while_a_peer_scribbles() {
    let (namespace, table) = with_table();
    let mut readers: Vec<_> =
        (0..2).map(|_| start(&namespace, "read-anything", 100, "open")).collect();
    let mut scribbler = start(&namespace, "scribble-locked", 1, "scribbling");
    readers.iter_mut().for_each(|reader| reader.send("go").unwrap());
    for reader in readers {
        let line = finish(reader).concat();
        let (good, errors) = line.split_once(' ').unwrap();
        assert!(good != "0" && errors != "0", "the scribbler was seen: {line}");
    }
    // It dies with the lock: the next writer repairs what can be repaired.
    scribbler.kill().unwrap();
    serves(&table);
}

#[test]
fn writers_while_a_peer_scribbles() {
    for seed in 1..=3 {
        let (namespace, table) = with_table();
        let mut writers: Vec<_> =
            (0..2).map(|_| start(&namespace, "write-anything", 500, "open")).collect();
        let mut scribbler = start(&namespace, "scribble", seed, "scribbling");
        writers.iter_mut().for_each(|writer| writer.send("go").unwrap());
        for writer in writers {
            let line = finish(writer).concat();
            let (good, errors) = line.split_once(' ').unwrap();
            assert!(good != "0" && errors != "0", "the scribbler was seen: {line}");
        }
        scribbler.kill().unwrap();
        serves(&table);
    }
}

/// Stores random words to the body while nobody uses it: some here and there, or all.
fn scramble(path: &std::path::Path, random: &mut Random) {
    let words = (path.metadata().unwrap().len() - TABLE_BODY) / 8;
    if random.below(4) == 0 {
        let all: Vec<u8> = (0..words).flat_map(|_| random.word().to_ne_bytes()).collect();
        patch::bytes(path, TABLE_BODY, &all).unwrap();
        return;
    }
    // Half of them in the first words, where a word matters more.
    for _ in 0..1 + random.below(40) {
        let end = if random.below(2) == 0 { 240 } else { words };
        let at = random.below(end.min(words));
        patch::bytes(path, TABLE_BODY + 8 * at, &random.word().to_ne_bytes()).unwrap();
    }
}

/// Uses a table in every way. The results do not matter, only that each call returns.
fn use_all<K: Key + ?Sized>(table: &Table<K>, keys: &[&K], random: &mut Random) {
    let value = [7; VALUE_SIZE];
    for _ in 0..30 {
        let key = keys[random.below(keys.len() as u64) as usize];
        let some = &keys[..random.below(keys.len() as u64) as usize];
        let value = &value[..random.below(VALUE_SIZE as u64 + 1) as usize];
        let batch: Vec<_> = some.iter().map(|&key| (key, value)).collect();
        match random.below(16) {
            0 => drop(table.add(key, value)),
            1 => drop(table.update(key, value)),
            2 => drop(table.upsert(key, value)),
            3 => drop(table.remove(key)),
            4 => drop(table.add_many(&batch)),
            5 => drop(table.update_many(&batch)),
            6 => drop(table.upsert_many(&batch)),
            7 => drop(table.remove_many(some)),
            8 => drop(table.update_with(key, |v| v.push(1))),
            9 => drop(table.compare_exchange(key, value, value)),
            10 => drop(table.fetch_add(key, -1)),
            11 => drop(table.get_many(some)),
            12 => drop(table.entries()),
            13 => drop(table.get(key)),
            14 => drop(table.verify()),
            _ if random.below(8) == 0 => drop(table.clear()),
            _ => drop((table.stats(), table.iter().count(), format!("{table:?}"))),
        }
    }
}

fn read_all<K: Key + ?Sized>(reader: &Table<K, impl Access>, keys: &[&K]) {
    for key in keys {
        drop((reader.get(key), reader.contains_key(key), reader.get_into(key, &mut [0; 8])));
    }
    drop((reader.get_many(keys), reader.entries(), reader.iter().count(), reader.stats()));
}

/// Offline damage by this seed: opened, read, written, repaired.
fn survives<K: TypedKey + ?Sized>(seed: u64, keys: &[&K]) {
    let namespace = TempNamespace::new().unwrap();
    let (ns, name) = (Namespace::at(namespace.path()), test_name());
    let mut random = Random::new(seed);
    let small = options(1 + random.below(24) as usize, VALUE_SIZE);
    let table = Table::<K>::create(&ns, &name, &small).unwrap();
    use_all(&table, keys, &mut random);
    drop(table);
    scramble(&ns.path_of(&name, KIND), &mut random);
    let defaults = TableOptions::default();
    if let Ok(reader) = TableReader::<K>::open_read_only(&ns, &name, &shm_tests::reading(&defaults))
    {
        read_all(&reader, keys);
    }
    let Ok(table) = Table::<K>::open(&ns, &name, &defaults) else { return };
    use_all(&table, keys, &mut random);
    // Also while it is open.
    scramble(&ns.path_of(&name, KIND), &mut random);
    read_all(&table, keys);
    use_all(&table, keys, &mut random);
    comes_right(&table);
    table.clear().unwrap();
    for key in keys.iter().take(small.geometry.capacity) {
        table.add(key, b"good again").unwrap();
        assert_eq!(table.get(key).unwrap().unwrap(), b"good again");
    }
    comes_right(&table);
}

/// Runs a test for many seeds, and names those that fail.
fn for_seeds(seeds: std::ops::Range<u64>, test: impl Fn(u64)) {
    let failed: Vec<u64> =
        seeds.filter(|&seed| catch_unwind(AssertUnwindSafe(|| test(seed))).is_err()).collect();
    assert!(failed.is_empty(), "seeds that fail: {failed:?}");
}

#[test]
fn arbitrary_bytes_in_a_table_of_integers() {
    let keys: Vec<i32> = (0..30).collect();
    let keys: Vec<&i32> = keys.iter().collect();
    for_seeds(0..300, |seed| survives::<i32>(seed, &keys));
}

#[test]
fn arbitrary_bytes_in_a_table_of_strings() {
    let keys: Vec<String> = (0..30).map(|n| "key".repeat(n)).filter(|k| k.len() <= 64).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    for_seeds(0..300, |seed| survives::<str>(seed, &keys));
}

#[test]
fn a_namesake_of_the_table_is_not_touched() {
    let (namespace, table) = with_table();
    let other = Name::new("other").unwrap();
    let ns = Namespace::at(namespace.path());
    let neighbour = Table::<i32>::create(&ns, &other, &options(8, 8)).unwrap();
    neighbour.add(&1, b"one").unwrap();
    scramble(table.segment().path(), &mut Random::new(4));
    use_all(&table, &[&1, &2, &3], &mut Random::new(5));
    neighbour.verify().unwrap();
    assert_eq!(neighbour.get(&1).unwrap().unwrap(), b"one");
}
