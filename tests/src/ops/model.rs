//! A table, the private map that it must agree with, and the comparison of the two.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt::Debug;

use shm_core::Namespace;
use slotmap_shm::{
    AnyKey, Key, ReadOptions, Table, TableError, TableOptions, TableReader, TypedKey,
};

use super::{CAPACITY, KEYS, Op, VALUE_SIZE};
use crate::{TempNamespace, options, test_name};

/// A table and the private map that it must agree with.
pub struct Model<K: TypedKey + Key<Owned = O> + ?Sized, O> {
    namespace: TempNamespace,
    table: Table<K>,
    map: HashMap<u8, Vec<u8>>,
    make_key: fn(u8) -> O,
    /// Length of a key in bytes, for key types that can be too long.
    key_len: fn(&K) -> usize,
    key_size: usize,
    writes: u64,
}

impl<K, O> Model<K, O>
where
    K: TypedKey + Key<Owned = O> + ?Sized,
    O: Borrow<K> + Debug + Ord,
{
    /// An empty table with keys of up to `key_size` bytes, as `make_key` makes them.
    ///
    /// # Panics
    /// When it cannot be created.
    #[must_use]
    pub fn new(make_key: fn(u8) -> O, key_len: fn(&K) -> usize, key_size: usize) -> Self {
        let namespace = TempNamespace::new().expect("make a namespace");
        let mut options = options(CAPACITY, VALUE_SIZE);
        options.geometry.key_size = key_size;
        let table = Table::create(&Namespace::at(namespace.path()), &test_name(), &options)
            .expect("create a table");
        Self { namespace, table, map: HashMap::new(), make_key, key_len, key_size, writes: 0 }
    }

    /// Applies all operations and checks after each.
    ///
    /// # Panics
    /// When table and map disagree.
    pub fn run(&mut self, ops: &[Op]) {
        for op in ops {
            self.apply(op);
        }
        self.reopen();
        self.compare("the end");
    }

    /// Applies an operation to both, and compares results and contents.
    ///
    /// # Panics
    /// When they disagree.
    pub fn apply(&mut self, op: &Op) {
        // Of a key, the table gets the real one and the model its number.
        let key = self.make_key;
        let keys = |list: &[u8]| list.iter().map(|&k| key(k)).collect::<Vec<O>>();
        let entries = |list: &[(u8, Vec<u8>)]| {
            list.iter().map(|(k, v)| (key(*k), v.clone())).collect::<Vec<(O, Vec<u8>)>>()
        };
        let before = self.map.clone();
        let (got, expected) = match op {
            Op::Add(k, v) => (self.table.add(key(*k).borrow(), v), self.put(Put::Add, *k, v)),
            Op::Update(k, v) => {
                (self.table.update(key(*k).borrow(), v), self.put(Put::Update, *k, v))
            }
            Op::Upsert(k, v) => {
                (self.table.upsert(key(*k).borrow(), v).map(drop), self.put(Put::Upsert, *k, v))
            }
            Op::Remove(k) => (self.table.remove(key(*k).borrow()), self.remove(*k)),
            Op::Clear => {
                self.map.clear();
                self.writes += 1;
                (self.table.clear(), Ok(()))
            }
            Op::AddMany(list) => {
                (self.table.add_many(&entries(list)), self.put_many(Put::Add, list))
            }
            Op::UpdateMany(list) => {
                (self.table.update_many(&entries(list)), self.put_many(Put::Update, list))
            }
            Op::UpsertMany(list) => {
                (self.table.upsert_many(&entries(list)), self.put_many(Put::Upsert, list))
            }
            Op::RemoveMany(list) => (self.table.remove_many(&keys(list)), self.remove_many(list)),
            Op::UpdateWith(k, more) => (
                self.table.update_with(key(*k).borrow(), |value| value.extend_from_slice(more)),
                self.update_with(*k, more),
            ),
            Op::CompareExchange(k, right, new) => {
                let present = self.map.get(k).filter(|_| *right).unwrap_or(new).clone();
                (
                    self.table.compare_exchange(key(*k).borrow(), &present, new),
                    self.compare_exchange(*k, &present, new),
                )
            }
            Op::FetchAdd(k, delta) => {
                let got = self.table.fetch_add(key(*k).borrow(), *delta);
                let (before, expected) = self.fetch_add(*k, *delta);
                if let (Ok(got), Some(before)) = (&got, before) {
                    assert_eq!(*got, before, "{op:?}");
                }
                (got.map(drop), expected)
            }
            Op::Increment(k, by, initial) => {
                let got = self.table.increment(key(*k).borrow(), *by, *initial);
                let (after, expected) = self.increment(*k, *by, *initial);
                if let (Ok(got), Some(after)) = (&got, after) {
                    assert_eq!(*got, after, "{op:?}");
                }
                (got.map(drop), expected)
            }
            Op::GetMany(list) => {
                self.get_many(list);
                return;
            }
            Op::Reopen => {
                self.reopen();
                (Ok(()), Ok(()))
            }
        };
        assert_eq!(got.map_err(text), expected, "{op:?} on {before:?}");
        if expected.is_err() {
            assert_eq!(self.map, before, "the model itself");
        }
        self.compare(&format!("{op:?} on {before:?}"));
    }

    fn reopen(&mut self) {
        let namespace = Namespace::at(self.namespace.path());
        self.table =
            Table::open(&namespace, &test_name(), &TableOptions::default()).expect("open again");
    }

    fn compare(&self, after: &str) {
        self.table.verify().unwrap_or_else(|e| panic!("{e} after {after}"));
        let stats = self.table.stats();
        assert_eq!(stats.writes, self.writes, "writes after {after}");
        assert_eq!(stats.recoveries, 0, "recoveries after {after}");
        assert_eq!((stats.len, stats.free), (self.map.len(), CAPACITY - self.map.len()), "{after}");
        let sorted = |mut entries: Vec<(O, Vec<u8>)>| {
            entries.sort();
            entries
        };
        let model =
            sorted(self.map.iter().map(|(&k, v)| ((self.make_key)(k), v.clone())).collect());
        let list = self.table.entries().expect("entries");
        assert_eq!(
            sorted(list.into_iter().map(|(k, v)| (k, v.into())).collect()),
            model,
            "{after}"
        );
        for number in 0..KEYS {
            let key = (self.make_key)(number);
            let got = self.table.get(key.borrow());
            match self.fits(number) {
                Ok(()) => assert_eq!(
                    got.expect("get").as_deref(),
                    self.map.get(&number).map(Vec::as_slice),
                    "{key:?} after {after}"
                ),
                Err(e) => assert_eq!(text(got.expect_err("a long key")), e),
            }
        }
    }

    fn get_many(&self, numbers: &[u8]) {
        let keys: Vec<O> = numbers.iter().map(|&k| (self.make_key)(k)).collect();
        let namespace = Namespace::at(self.namespace.path());
        let reader =
            TableReader::<K>::open_read_only(&namespace, &test_name(), &ReadOptions::default())
                .expect("open for reading");
        let got = reader.get_many(&keys).map_err(text);
        let expected: Result<Vec<_>, String> =
            numbers.iter().map(|&k| self.fits(k).map(|()| self.map.get(&k).cloned())).collect();
        let got = got.map(|list| list.into_iter().map(|v| v.map(Vec::from)).collect::<Vec<_>>());
        assert_eq!(got, expected, "get_many {keys:?}");
    }
}

/// The answer of the model. Errors are given by their report.
type Answer = Result<(), String>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Put {
    Add,
    Update,
    Upsert,
}

fn text(error: TableError) -> String {
    match error {
        // Its message is without the value.
        TableError::Mismatch { found, .. } => mismatch(&found),
        error => format!("{error:?}"),
    }
}

fn mismatch(found: &[u8]) -> String {
    format!("found \"{}\"", found.escape_ascii())
}

fn in_batch(index: usize, source: &str) -> String {
    format!("batch member {index}: {source}")
}

impl<K, O> Model<K, O>
where
    K: TypedKey + Key<Owned = O> + ?Sized,
    O: Borrow<K> + Debug + Ord,
{
    fn fits(&self, key: u8) -> Answer {
        let len = (self.key_len)((self.make_key)(key).borrow());
        if len <= self.key_size {
            return Ok(());
        }
        Err(text(TableError::KeyTooLong { key: self.named(key), len, max: self.key_size }))
    }

    fn value_fits(&self, key: u8, value: &[u8]) -> Answer {
        self.fits(key)?;
        if value.len() <= VALUE_SIZE {
            return Ok(());
        }
        let (key, len) = (self.named(key), value.len());
        Err(text(TableError::ValueTooLarge { key, len, max: VALUE_SIZE }))
    }

    /// The key in the form in which errors name it.
    fn named(&self, key: u8) -> AnyKey {
        let key = (self.make_key)(key);
        // Its debug text is JSON in each of the three.
        let text = format!("{key:?}");
        match std::any::type_name::<K>() {
            "str" => AnyKey::Bytes(serde_json::from_str::<String>(&text).expect("text").into()),
            "[u8]" => AnyKey::Bytes(serde_json::from_str(&text).expect("bytes")),
            _ => AnyKey::Signed(serde_json::from_str(&text).expect("a number")),
        }
    }

    fn absent(&self, key: u8) -> String {
        text(TableError::NotFound { key: self.named(key) })
    }

    fn present_already(&self, key: u8) -> String {
        text(TableError::DuplicateKey { key: self.named(key) })
    }

    fn put(&mut self, mode: Put, key: u8, value: &[u8]) -> Answer {
        self.value_fits(key, value)?;
        self.put_one(mode, key, value)?;
        self.writes += 1;
        Ok(())
    }

    fn put_one(&mut self, mode: Put, key: u8, value: &[u8]) -> Answer {
        self.fits(key)?;
        match (self.map.contains_key(&key), mode) {
            (true, Put::Add) => {
                return Err(self.present_already(key));
            }
            (false, Put::Update) => return Err(self.absent(key)),
            (false, _) if self.map.len() == CAPACITY => {
                return Err(text(TableError::Full { capacity: CAPACITY, source: None }));
            }
            _ => {}
        }
        self.map.insert(key, value.to_vec());
        Ok(())
    }

    fn remove(&mut self, key: u8) -> Answer {
        self.remove_one(key)?;
        self.writes += 1;
        Ok(())
    }

    fn remove_one(&mut self, key: u8) -> Answer {
        self.fits(key)?;
        self.map.remove(&key).map(drop).ok_or_else(|| self.absent(key))
    }

    /// Runs a batch: all of it, or nothing.
    fn batch(
        &mut self,
        keys: &[u8],
        mut one: impl FnMut(&mut Self, usize, u8) -> Answer,
    ) -> Answer {
        let before = self.map.clone();
        for (index, &key) in keys.iter().enumerate() {
            if let Err(e) = one(self, index, key) {
                self.map = before;
                let twice = || text(TableError::NamedTwice { key: self.named(key) });
                // A key that occurs twice is told from a full table.
                let of_key = e == self.absent(key) || e == self.present_already(key);
                let e = if of_key && keys[..index].contains(&key) { twice() } else { e };
                return Err(in_batch(index, &e));
            }
        }
        self.writes += u64::from(!keys.is_empty());
        Ok(())
    }

    fn put_many(&mut self, mode: Put, entries: &[(u8, Vec<u8>)]) -> Answer {
        // All values and keys are measured before any key is looked for.
        for (index, (key, value)) in entries.iter().enumerate() {
            self.value_fits(*key, value).map_err(|e| in_batch(index, &e))?;
        }
        let keys: Vec<_> = entries.iter().map(|entry| entry.0).collect();
        self.batch(&keys, |this, index, key| this.put_one(mode, key, &entries[index].1))
    }

    fn remove_many(&mut self, keys: &[u8]) -> Answer {
        for (index, key) in keys.iter().enumerate() {
            self.fits(*key).map_err(|e| in_batch(index, &e))?;
        }
        self.batch(keys, |this, _, key| this.remove_one(key))
    }

    fn present(&self, key: u8) -> Result<Vec<u8>, String> {
        self.fits(key)?;
        self.map.get(&key).cloned().ok_or_else(|| self.absent(key))
    }

    fn set(&mut self, key: u8, value: Vec<u8>) {
        self.map.insert(key, value);
        self.writes += 1;
    }

    fn update_with(&mut self, key: u8, more: &[u8]) -> Answer {
        let mut value = self.present(key)?;
        value.extend_from_slice(more);
        self.value_fits(key, &value)?;
        self.set(key, value);
        Ok(())
    }

    fn compare_exchange(&mut self, key: u8, expected: &[u8], new: &[u8]) -> Answer {
        self.value_fits(key, new)?;
        let found = self.present(key)?;
        if found != expected {
            return Err(mismatch(&found));
        }
        self.set(key, new.to_vec());
        Ok(())
    }

    fn increment(&mut self, key: u8, by: i64, initial: i64) -> (Option<i64>, Answer) {
        let before = match self.fits(key).map(|()| self.map.get(&key)) {
            Err(e) => return (None, Err(e)),
            Ok(None) => initial,
            Ok(Some(value)) => match <[u8; 8]>::try_from(value.as_slice()) {
                Ok(bytes) => i64::from_le_bytes(bytes),
                Err(_) => {
                    let (key, len) = (self.named(key), value.len());
                    return (None, Err(text(TableError::NotACounter { key, len })));
                }
            },
        };
        let after = before.wrapping_add(by);
        (Some(after), self.put(Put::Upsert, key, &after.to_le_bytes()))
    }

    fn fetch_add(&mut self, key: u8, delta: i64) -> (Option<i64>, Answer) {
        let value = match self.present(key) {
            Ok(value) => value,
            Err(e) => return (None, Err(e)),
        };
        let Ok(bytes) = <[u8; 8]>::try_from(value.as_slice()) else {
            return (
                None,
                Err(text(TableError::NotACounter { key: self.named(key), len: value.len() })),
            );
        };
        let before = i64::from_le_bytes(bytes);
        self.set(key, before.wrapping_add(delta).to_le_bytes().to_vec());
        (Some(before), Ok(()))
    }
}

/// A model with `i32` keys of both signs.
#[must_use]
pub fn integers() -> Model<i32, i32> {
    Model::new(|k| (i32::from(k) - 4).wrapping_mul(0x2000_0001), |_| 0, 64)
}

/// A model with `str` keys of up to nine bytes, one of them empty, two too long.
#[must_use]
pub fn strings() -> Model<str, String> {
    Model::new(|k| "abcdefghijkl".chars().take(k.into()).collect(), str::len, 9)
}

/// A model with `[u8]` keys full of NULs, that differ in length only.
#[must_use]
pub fn byte_strings() -> Model<[u8], Vec<u8>> {
    Model::new(|k| vec![0; k.into()], <[u8]>::len, 10)
}
