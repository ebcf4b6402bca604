//! Loom models of the protocols. They run the production code itself.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p slotmap-shm --release models`. Each model
//! explores all interleavings of threads on a small table with up to `PREEMPTIONS` preemptions, and
//! all values that the memory model lets a load return. A death is simulated at every store: from a
//! given store on, the stores of the dying operation vanish (`shm_core::crash`). `reads.rs` has the
//! models without a death, and `deaths.rs` has the models with a death.

use loom::sync::Arc;
use loom::thread;
use shm_core::{ReadWords, Word, Words};

use super::buffer::Buffer;
use super::index::{self, CheckRoom};
use super::recover;
use super::transaction::{PutMode, Room, Transaction};
use super::view::{Look, View};
use crate::geometry::Geometry;
use crate::key::TypedKey;
use crate::layout::Layout;
use crate::value::Source;

mod deaths;
mod reads;

const PREEMPTIONS: usize = 3;
/// The limit of preemptions in models in which an operation may also die after any of its stores.
const PREEMPTIONS_AROUND_DEATHS: usize = 2;

/// A table of a few slots. A value is two equal words, so that a torn value can be recognised.
struct Model {
    words: Vec<Word>,
    layout: Layout,
}

impl Model {
    fn new(capacity: usize, entries: &[(u64, u64)]) -> Arc<Self> {
        let geometry = Geometry { capacity, value_size: 16, key_size: 8 };
        let layout = Layout::new(geometry, u64::KIND, 7).unwrap();
        let words = (0..layout.total_words).map(|_| Word::new(0)).collect();
        let model = Self { words, layout };
        recover::initialise(model.words(), &model.layout);
        for &entry in entries {
            model.upsert(&[entry]);
        }
        Arc::new(model)
    }

    fn words(&self) -> Words<'_> {
        Words::new(&self.words)
    }

    fn begin(&self) -> Transaction<'_> {
        Transaction::begin(self.words(), &self.layout, Room::new())
    }

    fn upsert(&self, entries: &[(u64, u64)]) {
        let mut transaction = self.begin();
        for &(key, value) in entries {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&value.to_le_bytes());
            bytes[8..].copy_from_slice(&value.to_le_bytes());
            let _ = transaction.put(PutMode::Upsert, &[key], &bytes);
        }
        transaction.commit();
    }

    fn remove(&self, key: u64) {
        let mut transaction = self.begin();
        let _ = transaction.remove(&[key]);
        transaction.commit();
    }

    fn repair(&self) {
        recover::repair(self.words(), &self.layout);
    }

    fn view(&self) -> View<'_> {
        View { words: ReadWords::new(&self.words), layout: &self.layout }
    }

    /// Reads as `TableReader::get_into` does: makes one attempt, then the patient search. Panics if
    /// the value is torn.
    fn get(&self, key: u64) -> Option<u64> {
        let view = self.view();
        let mut words = [0; 2];
        match view.look(&[key]) {
            Look::Absent => return None,
            Look::Found(slot, version) => {
                let (buffer, bytes) = slot.value(version);
                buffer.copy_to_words(&mut words);
                if slot.is_unchanged(version) {
                    return Some(Self::whole(key, words, bytes));
                }
            }
            Look::Again => {}
        }
        self.get_patiently(key)
    }

    /// Makes only the patient search, which is the only search that reads pending slots.
    fn get_patiently(&self, key: u64) -> Option<u64> {
        let (mut words, mut len) = ([0; 2], 0);
        let mut take = |buffer: Buffer<'_>, bytes: usize| {
            buffer.copy_to_words(&mut words);
            len = bytes;
        };
        let found = self
            .view()
            .find(&[key], &mut take, &|| {
                thread::yield_now();
                Ok(())
            })
            .unwrap();
        found.map(|_| Self::whole(key, words, len))
    }

    fn whole(key: u64, words: [u64; 2], len: usize) -> u64 {
        assert_eq!((words[0], len), (words[1], 16), "torn value of key {key}");
        words[0]
    }

    fn check(&self) {
        let mut room = CheckRoom::new(&self.layout);
        assert_eq!(recover::check(self.words(), &self.layout, &mut room), Ok(()));
    }

    fn home(layout: &Layout, key: u64) -> usize {
        index::hash(layout, &[key]) as usize & layout.index_mask
    }
}

fn explore(f: impl Fn() + Sync + Send + 'static) {
    explore_with(PREEMPTIONS, f);
}

fn explore_with(preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 100_000;
    builder.check(f);
}

/// Runs the model once for each number of stores after which the writer dies, until the writer no
/// longer dies.
fn explore_deaths(preemptions: usize, f: impl Fn(usize) -> bool + Sync + Send + 'static) {
    let f = std::sync::Arc::new(f);
    for stores in 0.. {
        let survived = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (model, seen) = (f.clone(), survived.clone());
        explore_with(preemptions, move || {
            if model(stores) {
                seen.store(true, std::sync::atomic::Ordering::SeqCst);
            }
        });
        if survived.load(std::sync::atomic::Ordering::SeqCst) {
            return;
        }
    }
}
