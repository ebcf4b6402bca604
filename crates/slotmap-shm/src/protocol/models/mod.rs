//! Loom models of the protocols. They run the production code itself.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p slotmap-shm --release models`. Each model
//! explores all interleavings of threads on a small table with up to `PREEMPTIONS` preemptions, and
//! all values that the memory model lets a load return. A death is simulated at every store: from a
//! given store on, the stores of the dying operation vanish (`shm_core::crash`). `reads.rs` has the
//! models without a death, `deaths.rs` has the models with a death, `claims.rs` has those of
//! writers that do not take the lock, `growth.rs` those of tables that grow, `leases.rs` those of
//! entries that expire or are evicted, and `wakes.rs` those of threads that wait for a change.

use loom::sync::Arc;
use loom::sync::atomic::AtomicU64;
use loom::thread;
use shm_core::{Ordering, ReadWords, Word, Words, WriterId};

use super::buffer::Buffer;
use super::fault::Fault;
use super::grow::grow;
use super::index::{self, CheckRoom};
use super::lease::{Everlasting, Lease};
use super::put::PutMode;
use super::recover;
use super::slot_mut::SlotMut;
use super::transaction::{Room, Transaction};
use super::version::{is_claim, writer_of};
use super::view::{Found, Look, View};
use crate::geometry::Geometry;
use crate::key::TypedKey;
use crate::layout::Layout;
use crate::levels::Levels;
use crate::value::Source;

mod claims;
mod deaths;
mod growth;
mod leases;
mod reads;
mod wakes;

const PREEMPTIONS: usize = 3;
/// The limit of preemptions in models in which an operation may also die after any of its stores.
const PREEMPTIONS_AROUND_DEATHS: usize = 2;

/// A table of a few slots. A value is two equal words, so that a torn value can be recognised.
struct Model {
    words: Vec<Word>,
    levels: Levels,
    /// Bit w is set once the writer with id w is dead: what the kernel stores to its record.
    dead: AtomicU64,
}

impl Model {
    fn new(capacity: usize, entries: &[(u64, u64)]) -> Arc<Self> {
        Self::growing(capacity, capacity, entries)
    }

    /// A table that may grow.
    fn growing(capacity: usize, max: usize, entries: &[(u64, u64)]) -> Arc<Self> {
        let growing = Geometry::default().capacity(capacity).max_capacity(max);
        Self::of(growing, entries)
    }

    fn of(geometry: Geometry, entries: &[(u64, u64)]) -> Arc<Self> {
        let geometry = geometry.value_size(16).key_size(8);
        let layout = Layout::new(geometry, u64::KIND, 7).unwrap();
        let words = (0..layout.total_words).map(|_| Word::new(0)).collect();
        let model = Self { words, levels: Levels::new(layout), dead: AtomicU64::new(0) };
        recover::initialise(model.words(), model.layout());
        for &entry in entries {
            model.upsert(&[entry]);
        }
        Arc::new(model)
    }

    /// The layout of the level that the table has now, as the holder of the lock knows it. (A real
    /// load would hide races with the store that changes it.)
    fn layout(&self) -> &Layout {
        self.levels.current(self.words().as_read())
    }

    /// Makes the next level current.
    fn grow(&self) {
        let from = self.layout();
        grow(self.words(), from, self.levels.after(from).unwrap());
    }

    fn words(&self) -> Words<'_> {
        Words::new(&self.words)
    }

    /// A transaction in a model where nobody claims a slot.
    fn begin(&self) -> Transaction<'_> {
        Transaction::begin(self.words(), self.layout(), &|_| false, &Everlasting, Room::new())
    }

    /// Runs a transaction, again and again while a living writer has claimed one of its slots.
    fn transact(&self, f: impl Fn(&mut Transaction<'_>) -> Result<(), Fault>) -> Result<(), Fault> {
        loop {
            let is_dead = |claim| self.is_dead(claim);
            let mut transaction = Transaction::begin(
                self.words(),
                self.layout(),
                &is_dead,
                &Everlasting,
                Room::new(),
            );
            match f(&mut transaction) {
                Ok(()) => {
                    transaction.commit();
                    return Ok(());
                }
                Err(fault) => {
                    transaction.abort();
                    if !matches!(fault, Fault::Claimed(_)) {
                        return Err(fault);
                    }
                }
            }
            thread::yield_now();
        }
    }

    fn upsert(&self, entries: &[(u64, u64)]) {
        let _ = self.transact(|transaction| {
            for &(key, value) in entries {
                transaction.put(PutMode::Upsert, &[key], &twice(value), Lease::Kept)?;
            }
            Ok(())
        });
    }

    fn remove(&self, key: u64) {
        let _ = self.transact(|transaction| transaction.remove(&[key]));
    }

    fn is_dead(&self, claim: u64) -> bool {
        let dead = self.dead.load(Ordering::Acquire);
        writer_of(claim).is_none_or(|id| (1..64).any(|w| writer(w) == id && dead >> w & 1 == 1))
    }

    /// What the kernel does when a thread dies.
    fn bury(&self, writer: u64) {
        self.dead.fetch_or(1 << writer, Ordering::Release);
    }

    /// Changes the value of a present key without the lock, as a table does; false if the key is
    /// absent.
    fn claim(&self, by: u64, key: u64, change: impl Fn(u64) -> u64) -> bool {
        let id = writer(by);
        loop {
            let words = Words::claimable(&self.words);
            let view = View {
                words: words.as_read(),
                layout: self.levels.current(words.as_read()),
                levels: &self.levels,
                judge: &Everlasting,
            };
            let (slot, version) = match view.look(&[key]) {
                Look::Absent => return false,
                Look::Found(slot, version) => (slot.number(), version),
                Look::Again => {
                    thread::yield_now();
                    continue;
                }
            };
            let slot = SlotMut::new(words, self.layout(), slot);
            match slot.claim(version, id) {
                Ok(()) => {
                    let version = version.get();
                    let mut words = [0; 2];
                    slot.value_of(version).0.copy_to_words(&mut words);
                    slot.put_value(
                        version,
                        &twice(change(Self::whole(key, words, 16))),
                        Lease::Kept,
                    );
                    slot.first_line().end_claim(slot.first_line().commit_claim(version));
                    return true;
                }
                Err(next) if is_claim(next) && self.is_dead(next) => {
                    slot.end_claim_of_the_dead(next);
                }
                Err(_) => thread::yield_now(),
            }
        }
    }

    /// Changes the value of a present key as `update_with` does: from the version under which a
    /// patient reader found it.
    fn update_with(&self, by: u64, key: u64, change: impl Fn(u64) -> u64) {
        loop {
            let (value, found) = self.find(key).unwrap();
            let slot = SlotMut::new(Words::claimable(&self.words), self.layout(), found.slot);
            match slot.flipped(found.version) {
                Ok(version) if slot.claim(version, writer(by)).is_ok() => {
                    slot.put_value(found.version, &twice(change(value)), Lease::Kept);
                    let line = slot.first_line();
                    line.end_claim(line.commit_claim(found.version));
                    return;
                }
                _ => thread::yield_now(),
            }
        }
    }

    fn repair(&self) {
        recover::repair(self.words(), self.layout(), &|claim| self.is_dead(claim));
    }

    fn view(&self) -> View<'_> {
        let words = ReadWords::new(&self.words);
        View {
            words,
            layout: self.levels.current(words),
            levels: &self.levels,
            judge: &Everlasting,
        }
    }

    /// Reads as `TableReader::get_into` does: makes one attempt, then the patient search. Panics if
    /// the value is torn.
    fn get(&self, key: u64) -> Option<u64> {
        self.get_found(key).map(|(value, _)| value)
    }

    /// Reads from a view, which may be of an earlier level.
    fn get_in(&self, view: View<'_>, key: u64) -> Option<u64> {
        self.get_found_in(view, key).map(|(value, _)| value)
    }

    fn get_found(&self, key: u64) -> Option<(u64, Found)> {
        self.get_found_in(self.view(), key)
    }

    fn get_found_in(&self, view: View<'_>, key: u64) -> Option<(u64, Found)> {
        let mut words = [0; 2];
        match view.look(&[key]) {
            Look::Absent => return None,
            Look::Found(slot, version) => {
                let version = version.get();
                let (buffer, bytes) = slot.value(version);
                buffer.copy_to_words(&mut words);
                if slot.is_unchanged(version) {
                    let found = Found { slot: slot.number(), version };
                    return Some((Self::whole(key, words, bytes), found));
                }
            }
            Look::Again => {}
        }
        self.find(key)
    }

    /// Two keys as they were at one moment, in one attempt; `None` if it fails.
    fn get_both(&self, a: u64, b: u64) -> Option<(Option<u64>, Option<u64>)> {
        let view = self.view();
        let before = view.commits();
        let both = [self.get_found(a), self.get_found(b)];
        let together = both.iter().flatten().all(|&(_, found)| view.still_has(found))
            && (both.iter().all(Option::is_some) || view.commits_after_reading() == before);
        let [a, b] = both.map(|found| found.map(|(value, _)| value));
        together.then_some((a, b))
    }

    /// Makes only the patient search, which is the only search that reads pending slots.
    fn get_patiently(&self, key: u64) -> Option<u64> {
        self.find(key).map(|(value, _)| value)
    }

    fn find(&self, key: u64) -> Option<(u64, Found)> {
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
        found.map(|found| (Self::whole(key, words, len), found))
    }

    fn whole(key: u64, words: [u64; 2], len: usize) -> u64 {
        assert_eq!((words[0], len), (words[1], 16), "torn value of key {key}");
        words[0]
    }

    fn check(&self) {
        let mut room = CheckRoom::new(self.layout());
        let is_dead = |claim| self.is_dead(claim);
        assert_eq!(recover::check(self.words(), self.layout(), &is_dead, &mut room), Ok(()));
    }

    fn home(layout: &Layout, key: u64) -> usize {
        index::hash(layout, &[key]) as usize & layout.index_mask
    }
}

/// The id of a registration.
fn writer(number: u64) -> WriterId {
    WriterId::from_u64(number << 13).unwrap()
}

/// A value of two equal words.
fn twice(value: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&value.to_le_bytes());
    bytes[8..].copy_from_slice(&value.to_le_bytes());
    bytes
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
