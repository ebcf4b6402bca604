//! A page of a table on a disk comes back zeroed, or as something else. The table still opens:
//! readers leave out what is damaged and say so, and the first write repairs, by number.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Barrier;

use shm_core::{Namespace, Ordering};
use shm_tests::patch;
use shm_tests::random::Random;
use shm_tests::{TempNamespace, options, test_name};
use slotmap_shm::{
    Access, KIND, ReadOptions, Repaired, Table, TableError, TableOptions, TableReader, TypedKey,
};

const PAGE: usize = 4096;
/// Where the body begins. The pages before it, after the first, hold records of writers.
const BODY: usize = patch::TABLE_BODY as usize;
const RECORDS: usize = 116;
const CAPACITY: usize = 500;
const ENTRIES: usize = 300;
const VALUE_SIZE: usize = 100;

/// What may be found in place of a page.
#[derive(Clone, Copy, Debug)]
enum Fill {
    Zeros,
    Ones,
    Random,
}

impl Fill {
    const ALL: [Self; 3] = [Self::Zeros, Self::Ones, Self::Random];

    fn bytes(self, len: usize, seed: u64) -> Vec<u8> {
        let mut random = Random::new(seed);
        match self {
            Self::Zeros => vec![0; len],
            Self::Ones => vec![0xFF; len],
            Self::Random => (0..len).map(|_| random.below(256) as u8).collect(),
        }
    }
}

fn value(n: usize) -> Vec<u8> {
    vec![n as u8; n % (VALUE_SIZE + 1)]
}

/// A table with entries, and where in the file each is.
struct Subject<K: TypedKey + ?Sized> {
    _namespace: TempNamespace,
    ns: Namespace,
    path: PathBuf,
    whole: Vec<u8>,
    slots: Range<usize>,
    slot_len: usize,
    /// Slot of each key, by the key's number.
    slot_of: Vec<usize>,
    key: fn(usize) -> Box<K>,
}

impl<K: TypedKey + ?Sized> Subject<K> {
    fn new(slot_words: usize, key: fn(usize) -> Box<K>) -> Self {
        let namespace = TempNamespace::new().unwrap();
        let ns = Namespace::at(namespace.path());
        let table = Table::<K>::create(&ns, &test_name(), &options(CAPACITY, VALUE_SIZE)).unwrap();
        for n in 0..CAPACITY {
            table.add(&key(n), value(n)).unwrap();
        }
        // Slots are filled in order; so those of the rest are free here and there.
        let kept: Vec<usize> = (0..CAPACITY).filter(|n| n % 5 < 3).collect();
        (0..CAPACITY).filter(|n| n % 5 >= 3).for_each(|n| table.remove(&key(n)).unwrap());
        assert_eq!(table.len(), ENTRIES);
        table.verify().unwrap();
        assert!(table.damage().is_none());
        let words = table.segment().words();
        let first = words.len() - CAPACITY * slot_words;
        let live = |slot: usize| words.load(first + slot * slot_words, Ordering::Relaxed) & 2 != 0;
        assert!((0..CAPACITY).all(|slot| live(slot) == kept.contains(&slot)));
        drop(table);
        let path = ns.path_of(&test_name(), KIND);
        let whole = std::fs::read(&path).unwrap();
        let slots = whole.len() - CAPACITY * slot_words * 8..whole.len();
        Self {
            _namespace: namespace,
            ns,
            path,
            whole,
            slots,
            slot_len: slot_words * 8,
            slot_of: kept,
            key,
        }
    }

    fn damage(&self, at: usize, fill: Fill) -> Range<usize> {
        let page = at..(at + PAGE).min(self.whole.len());
        std::fs::write(&self.path, &self.whole).unwrap();
        patch::bytes(&self.path, at as u64, &fill.bytes(page.len(), at as u64)).unwrap();
        page
    }

    fn open(&self) -> Table<K> {
        Table::open(&self.ns, &test_name(), &TableOptions::default()).unwrap()
    }

    /// The entries of which no byte is in `page`.
    fn sound(&self, page: &Range<usize>) -> Vec<usize> {
        let start = |slot: usize| self.slots.start + slot * self.slot_len;
        let sound =
            |&&slot: &&usize| start(slot) >= page.end || start(slot) + self.slot_len <= page.start;
        self.slot_of.iter().filter(sound).copied().collect()
    }

    fn all_there(&self, table: &Table<K, impl Access>, sound: &[usize], case: &str)
    where
        K::Owned: std::borrow::Borrow<K> + std::hash::Hash + Eq,
        K: std::hash::Hash + Eq,
    {
        let entries: HashMap<K::Owned, slotmap_shm::Value> =
            table.entries().unwrap().into_iter().collect();
        let listing = table.listing().unwrap();
        assert_eq!(listing.damaged, table.damage().slots.len(), "{case}");
        for &n in sound {
            let key = (self.key)(n);
            assert_eq!(table.get(&key).unwrap().as_deref(), Some(&*value(n)), "{case}: {n}");
            assert_eq!(entries.get(&key).map(|v| &**v), Some(&*value(n)), "{case}: {n} in entries");
        }
        for n in CAPACITY..CAPACITY + 20 {
            assert!(!table.contains_key(&(self.key)(n)).unwrap(), "{case}: {n}");
        }
    }
}

fn every_page<K>(subject: &Subject<K>)
where
    K::Owned: std::borrow::Borrow<K> + std::hash::Hash + Eq,
    K: TypedKey + std::hash::Hash + Eq + ?Sized,
{
    let mut lost = 0;
    for fill in Fill::ALL {
        for at in (BODY..subject.whole.len()).step_by(PAGE) {
            let case = format!("{fill:?} at {at}");
            let page = subject.damage(at, fill);
            let sound = subject.sound(&page);
            let reader = TableReader::<K>::open_read_only(
                &subject.ns,
                &test_name(),
                &ReadOptions::default(),
            )
            .unwrap();
            subject.all_there(&reader, &sound, &case);
            let damage = reader.damage();
            assert!(!damage.is_none(), "{case} is not noticed");
            if page.end <= subject.slots.start {
                assert!(damage.slots.is_empty() && (damage.index || damage.derived), "{case}");
            }
            drop(reader);

            // Reported by a handle that may write.
            assert!(matches!(subject.open().verify(), Err(TableError::Corrupt { .. })), "{case}");
            subject.damage(at, fill);
            let table = subject.open();
            let before = table.stats();
            let repaired = table.recover().unwrap();
            assert_eq!(repaired.slots, damage.slots.len(), "{case}");
            let left = table.len();
            // Random bytes in the index may lead to more of the slots that are damaged, too.
            let is_estimate = matches!(fill, Fill::Random)
                && (page.start + 1..page.end).contains(&subject.slots.start);
            let sum = left + repaired.entries;
            assert!(sum == ENTRIES || is_estimate && sum > ENTRIES, "{case}: {repaired:?}");
            if at > BODY {
                let after = table.stats();
                assert_eq!(after.lost - before.lost, repaired.entries as u64, "{case}");
                assert_eq!(after.recoveries, before.recoveries + 1, "{case}");
            }
            lost += repaired.entries;
            table.verify().unwrap();
            assert!(table.damage().is_none(), "{case}");
            assert_eq!(table.recover().unwrap(), Repaired::default());
            subject.all_there(&table, &sound, &case);

            // By the first write as well, without being asked; and the table is as good as new.
            subject.damage(at, fill);
            drop(table);
            let table = subject.open();
            table.upsert(&(subject.key)(0), b"written").unwrap();
            table.verify().unwrap();
            let rest = CAPACITY - table.len();
            for n in 0..rest {
                table.add(&(subject.key)(1000 + n), b"new").unwrap();
            }
            assert!(matches!(table.add(&(subject.key)(5000), b""), Err(TableError::Full { .. })));
            let others: Vec<usize> = sound.iter().copied().filter(|&n| n != 0).collect();
            subject.all_there(&table, &others, &case);
            table.verify().unwrap();
        }
    }
    assert!(lost > ENTRIES, "no slot was damaged");
}

/// Nothing that the table contains depends on the records: whoever opens it to write makes damaged
/// ones again.
fn records<K>(subject: &Subject<K>)
where
    K::Owned: std::borrow::Borrow<K> + std::hash::Hash + Eq,
    K: TypedKey + std::hash::Hash + Eq + ?Sized,
    Table<K>: Sync,
{
    let all = &subject.slot_of;
    for fill in Fill::ALL {
        for at in (PAGE..BODY).step_by(PAGE) {
            let case = format!("{fill:?} at {at}");
            subject.damage(at, fill);
            let reader = TableReader::<K>::open_read_only(
                &subject.ns,
                &test_name(),
                &ReadOptions::default(),
            )
            .unwrap();
            subject.all_there(&reader, all, &case);
            assert!(reader.damage().is_none(), "{case}");

            let table = subject.open();
            assert!(table.damage().is_none(), "{case}");
            table.verify().unwrap();
            let recoveries = table.stats().recoveries;
            // As many writers as there are records.
            let (barrier, table) = (&Barrier::new(RECORDS + 1), &table);
            std::thread::scope(|s| {
                let write = |&n: &usize| {
                    s.spawn(move || {
                        let written = table.update(&(subject.key)(n), value(n));
                        barrier.wait();
                        barrier.wait();
                        written.unwrap();
                    })
                };
                let threads: Vec<_> = all[..RECORDS].iter().map(write).collect();
                barrier.wait();
                let records = table.segment().writers();
                let alive = records.iter().filter(|record| record.is_alive).count();
                barrier.wait();
                // Each ends its registration before the file is written anew.
                threads.into_iter().for_each(|thread| thread.join().unwrap());
                // One whose mutex seems to have a living owner is left to it.
                let held = if matches!(fill, Fill::Random) { PAGE / 128 } else { 0 };
                assert!(alive >= RECORDS - held, "{case}: {alive}");
            });
            table.add(&(subject.key)(1000), b"new").unwrap();
            table.remove(&(subject.key)(1000)).unwrap();
            table.verify().unwrap();
            assert_eq!(table.recover().unwrap(), Repaired::default());
            assert_eq!(table.stats().recoveries, recoveries, "{case}");
            subject.all_there(table, all, &case);
            subject.all_there(&reader, all, &case);
            assert!(reader.damage().is_none(), "{case}");
        }
    }
}

#[test]
fn any_page_of_records() {
    records::<i32>(&Subject::new(32, |n| Box::new(n as i32)));
    records::<str>(&Subject::new(40, |n| format!("the key of number {n}").into()));
}

#[test]
fn any_page_of_a_table_of_integers() {
    every_page::<i32>(&Subject::new(32, |n| Box::new(n as i32)));
}

#[test]
fn any_page_of_a_table_of_strings() {
    // Slots of 40 words: some have their key in one page and their value in another.
    every_page::<str>(&Subject::new(40, |n| format!("the key of number {n}").into()));
}

#[test]
fn all_of_the_body() {
    let subject = Subject::<i32>::new(32, |n| Box::new(n as i32));
    for fill in Fill::ALL {
        std::fs::write(&subject.path, &subject.whole).unwrap();
        let body = subject.whole.len() - PAGE;
        patch::bytes(&subject.path, PAGE as u64, &fill.bytes(body, 7)).unwrap();
        let reader =
            TableReader::<i32>::open_read_only(&subject.ns, &test_name(), &ReadOptions::default())
                .unwrap();
        assert_eq!(reader.damage().slots.len(), CAPACITY, "{fill:?}");
        assert!(reader.entries().unwrap().is_empty());
        assert_eq!(reader.get(&1).ok().flatten(), None);
        let table = subject.open();
        assert_eq!(table.recover().unwrap().slots, CAPACITY, "{fill:?}");
        table.verify().unwrap();
        assert!(table.is_empty());
        for n in 0..CAPACITY {
            table.add(&(n as i32), b"new").unwrap();
        }
        table.verify().unwrap();
    }
}

#[test]
fn single_words_at_the_start_of_the_body() {
    let subject = Subject::<i32>::new(32, |n| Box::new(n as i32));
    let all: Vec<usize> = subject.slot_of.clone();
    // Epoch, claims are closed, commit word, count of entries, of index places.
    for word in [0usize, 1, 8, 16, 17] {
        for wrong in [0u64, 1, 3, 2, 1 << 40, u64::MAX, u64::MAX - 1] {
            let case = format!("word {word} is {wrong:#x}");
            std::fs::write(&subject.path, &subject.whole).unwrap();
            patch::bytes(&subject.path, (BODY + 8 * word) as u64, &wrong.to_ne_bytes()).unwrap();
            let reader = TableReader::<i32>::open_read_only(
                &subject.ns,
                &test_name(),
                &ReadOptions::default(),
            )
            .unwrap();
            subject.all_there(&reader, &all, &case);
            let table = subject.open();
            assert_eq!(table.recover().unwrap(), Repaired::default(), "{case}");
            table.verify().unwrap();
            subject.all_there(&table, &all, &case);
        }
    }
}
