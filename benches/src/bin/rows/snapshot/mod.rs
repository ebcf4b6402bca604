//! Rows about the ordered snapshot, of a million entries. One set of keys is in memory at a time,
//! and nothing is built that no row asked for needs.

mod builds;
pub(crate) mod gets;
mod opens;
pub(crate) mod readers;
mod scans;
mod space;

use std::cell::OnceCell;
use std::hint::black_box;

use anyhow::{Result, ensure};
use shm_benches::dictionary::{Corpus, Dictionary, Fold, KeySet, Published, gets as look_up};
use shm_harness::TempNamespace;

use crate::report::Bench;

/// Entries of a big dictionary.
const N: usize = 1_000_000;

/// Measures them.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    for set in KeySet::ALL {
        let data = Data { set, corpus: OnceCell::new(), dir: TempNamespace::new()? };
        gets::measure(bench, &data)?;
        scans::measure(bench, &data)?;
        builds::measure(bench, &data)?;
        if set == KeySet::NumericIds {
            opens::measure(bench, &data)?;
            readers::measure(bench, &data)?;
        }
    }
    space::measure(bench)
}

/// One set of keys, generated when it is first needed, and a directory for files.
struct Data {
    set: KeySet,
    corpus: OnceCell<Corpus>,
    dir: TempNamespace,
}

impl Data {
    fn corpus(&self) -> &Corpus {
        self.corpus.get_or_init(|| Corpus::new(self.set, N))
    }

    /// The keys in words.
    fn name(&self) -> String {
        format!("1,000,000 {}", self.set.name())
    }

    /// A bar, if this set is one of those that have bars.
    fn bar(&self, bar: f64) -> Option<f64> {
        KeySet::PROMISED.contains(&self.set).then_some(bar)
    }

    /// A published snapshot, all of it mapped; its file is new or as it was.
    fn published(&self, hash_index: bool) -> Result<Published> {
        let path = self.dir.path().join(if hash_index { "indexed" } else { "plain" });
        let is_new = !path.exists();
        let published = if is_new {
            Published::create(&path, self.corpus(), hash_index)?
        } else {
            Published::open(&path)?
        };
        // Page faults are no part of a lookup.
        let bytes = published.snapshot().as_bytes().iter().step_by(512);
        black_box(bytes.fold(0, |sum: u64, &byte| sum + u64::from(byte)));
        if is_new {
            published.snapshot().verify()?;
            ensure!(published.snapshot().has_hash_index() == hash_index, "no hash index");
            self.check(&published)?;
        }
        Ok(published)
    }

    /// Checks that a dictionary has the right values for all keys, and none for the absent ones.
    fn check(&self, map: &impl Dictionary) -> Result<()> {
        let corpus = self.corpus();
        let mut expected = Fold::default();
        corpus.sorted.values().iter().for_each(|value| expected.add(value));
        let keys: Vec<&[u8]> = corpus.sorted.keys().iter().collect();
        ensure!(look_up(map, &keys) == expected, "a dictionary has other values");
        let keys: Vec<&[u8]> = corpus.absent.iter().collect();
        ensure!(look_up(map, &keys).entries == 0, "a dictionary has other keys");
        Ok(())
    }
}
