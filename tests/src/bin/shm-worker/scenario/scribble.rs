//! A peer that stores nonsense to the body of the table, and the processes that read it.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use anyhow::Result;
use shm_core::{Acquired, Namespace, Ordering};
use shm_tests::patch::TABLE_BODY;
use shm_tests::random::Random;
use shm_tests::test_name;
use slotmap_shm::{KIND, Table, TableError, TableOptions, TableReader};

use super::{open_segment, open_table, say, wait_for_line};

/// Ends this process when stdin is closed: its test is gone.
fn end_with_stdin() {
    std::thread::spawn(|| {
        let _ = wait_for_line();
        std::process::exit(0);
    });
}

pub fn scribble(seed: u64) -> Result<()> {
    let path = Namespace::from_env().path_of(&test_name(), KIND);
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let words = (file.metadata()?.len() - TABLE_BODY) / 8;
    let mut random = Random::new(seed);
    end_with_stdin();
    say("scribbling")?;
    loop {
        let (at, word) = (random.below(words), random.word());
        file.write_all_at(&word.to_ne_bytes(), TABLE_BODY + at * 8)?;
    }
}

pub fn scribble_locked(seed: u64) -> Result<()> {
    let segment = open_segment(&test_name())?;
    let Acquired::Clean(guard) = segment.lock()? else { panic!("nobody died") };
    let words = guard.words()?;
    let mut random = Random::new(seed);
    end_with_stdin();
    say("scribbling")?;
    loop {
        let at = random.below(words.len() as u64) as usize;
        words.store(at, random.word(), Ordering::Relaxed);
    }
}

/// Counts what came back: neither is an error here, only a crash and a hang are.
#[derive(Default)]
struct Seen {
    good: u64,
    errors: u64,
}

impl Seen {
    fn note<T>(&mut self, result: Result<T, TableError>) {
        match result {
            Ok(_) => self.good += 1,
            Err(
                TableError::Corrupt { .. }
                | TableError::Contended { .. }
                | TableError::InBatch { .. }
                | TableError::NotFound { .. }
                | TableError::DuplicateKey { .. }
                | TableError::Mismatch { .. }
                | TableError::NotACounter { .. }
                | TableError::NoRoomForCounter { .. }
                | TableError::BufferTooSmall { .. }
                | TableError::ValueTooLarge { .. }
                | TableError::Full { .. },
            ) => self.errors += 1,
            Err(other) => panic!("{other:?}"),
        }
    }

    fn say(&self) -> Result<()> {
        say(&format!("{} {}", self.good, self.errors))
    }
}

pub fn read(rounds: u32) -> Result<()> {
    let (namespace, options) = (Namespace::from_env(), TableOptions::default());
    let reader = TableReader::<i32>::open_read_only(
        &namespace,
        &test_name(),
        &shm_tests::reading(&options),
    )?;
    let mut seen = Seen::default();
    let max = reader.geometry().value_size;
    let mut buffer = vec![0; max];
    say("open")?;
    wait_for_line()?;
    // At least this many rounds, and until nonsense was seen: the other process may have to wait
    // for a processor.
    for round in 0.. {
        if round >= rounds && seen.good > 0 && seen.errors > 0 {
            break;
        }
        for key in 0..reader.capacity() as i32 {
            let value = reader.get(&key);
            assert!(!value.as_ref().is_ok_and(|v| v.as_ref().is_some_and(|v| v.len() > max)));
            seen.note(value);
            seen.note(reader.contains_key(&key));
            seen.note(reader.get_into(&key, &mut buffer));
        }
        seen.note(reader.get_many(&[1, 2, round as i32]));
        seen.note(reader.entries());
        let entries = reader.iter().map(|entry| seen.note(entry)).count();
        assert!(entries <= reader.capacity() && reader.len() <= reader.capacity());
        let stats = reader.stats();
        assert!(stats.len + stats.free == stats.capacity, "{stats:?} of {reader:?}");
        // Opening it again may give any result.
        drop(TableReader::<i32>::open_read_only(
            &namespace,
            &test_name(),
            &shm_tests::reading(&options),
        ));
    }
    seen.say()
}

pub fn write(rounds: u32) -> Result<()> {
    let table = open_table()?;
    let mut seen = Seen::default();
    say("open")?;
    wait_for_line()?;
    for round in 0..rounds as i32 {
        let value = vec![round as u8; round as usize % (table.geometry().value_size + 1)];
        let batch: Vec<_> = (0..5).map(|at| (round % 50 + at * 7, &value)).collect();
        let key = round % 97;
        seen.note(table.add(&key, &value));
        seen.note(table.upsert(&(key + 1), &value));
        seen.note(table.update(&(key + 2), &value));
        seen.note(table.upsert_many(&batch));
        seen.note(table.add_many(&batch));
        seen.note(table.update_many(&batch));
        seen.note(table.update_with(&key, |v| v.truncate(3)));
        seen.note(table.fetch_add(&key, 1));
        seen.note(table.compare_exchange(&key, &value, &value));
        seen.note(table.get_many(&[key, key + 1]));
        seen.note(table.entries());
        seen.note(table.remove(&key));
        seen.note(table.remove_many(&[key + 1, key + 2]));
        if round % 10 == 0 {
            seen.note(table.verify());
            seen.note(table.recover());
            seen.note(table.clear());
        }
        drop(Table::<i32>::open(&Namespace::from_env(), &test_name(), &TableOptions::default()));
    }
    seen.say()
}
