//! Accounts in a table: each transfer is a batch that changes several accounts, but never their
//! sum.
//!
//! Each process has accounts of its own and transfers between them, so that it knows what they
//! hold. All processes read the accounts of all.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use shm_core::Namespace;
use shm_tests::options;
use shm_tests::random::Random;
use shm_tests::test_name;
use slotmap_shm::{KIND, Table, TableError, TableReader, Value};

use super::Tally;

/// Accounts of a process.
const ACCOUNTS: usize = 8;
/// What they hold together.
const SUM: u64 = 8000;
/// More than there are processes.
const OWNERS: i32 = 16;

pub(super) struct Process {
    keys: Vec<i32>,
    balances: Vec<u64>,
    table: Table<i32>,
    reader: TableReader<i32>,
}

impl Process {
    pub(super) fn new(index: i32, tally: &mut Tally) -> Result<Self> {
        let (namespace, options) = (Namespace::from_env(), options(256, 16));
        let table = Table::open_or_create(&namespace, &test_name(), &options)?;
        let reader =
            TableReader::open_read_only(&namespace, &test_name(), &shm_tests::reading(&options))?;
        let keys = keys(index);
        let found = table.get_many(&keys)?;
        let balances = if found.iter().all(Option::is_none) {
            let balances = vec![SUM / ACCOUNTS as u64; ACCOUNTS];
            table.add_many(&entries(&keys, &balances))?;
            balances
        } else {
            check(index, found.iter().map(Option::as_ref), tally)?;
            let whole = found.iter().map(|value| balance(value.as_deref()?));
            whole.collect::<Option<_>>().context("accounts of a dead process are not whole")?
        };
        Ok(Self { keys, balances, table, reader })
    }

    pub(super) fn round(&mut self, tally: &mut Tally, random: &mut Random) -> Result<()> {
        if random.below(4) > 0 {
            return self.transfer(tally, random);
        }
        let owner = random.below(OWNERS as u64) as i32;
        let of_writers = random.below(2) == 0;
        let many = if of_writers {
            self.table.get_many(&keys(owner))
        } else {
            self.reader.get_many(&keys(owner))
        };
        match many {
            Ok(values) => check(owner, values.iter().map(Option::as_ref), tally)?,
            // The documentation says that a read of one moment may fail like this beside writers.
            Err(TableError::Contended { .. }) => {}
            Err(e) => return Err(e.into()),
        }
        if random.below(8) > 0 {
            return Ok(());
        }
        match if of_writers { self.table.entries() } else { self.reader.entries() } {
            Ok(entries) => check_all(entries, tally),
            Err(TableError::Contended { .. }) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// From one account to two others.
    fn transfer(&mut self, tally: &mut Tally, random: &mut Random) -> Result<()> {
        let mut balances = self.balances.clone();
        // The first of them gives to the next two.
        balances.rotate_left(random.below(ACCOUNTS as u64) as usize);
        let [giver, takers @ ..] = balances.as_mut_slice() else { return Ok(()) };
        let moved = random.below(*giver / 2 + 1);
        *giver -= 2 * moved;
        for taker in takers.iter_mut().take(2) {
            *taker += moved;
        }
        self.table.update_many(&entries(&self.keys, &balances))?;
        self.balances = balances;
        tally.operations += 1;
        Ok(())
    }
}

fn keys(owner: i32) -> Vec<i32> {
    (0..ACCOUNTS as i32).map(|account| owner * 100 + account).collect()
}

/// A balance, twice: the second time as its complement.
fn value(balance: u64) -> Vec<u8> {
    [balance.to_le_bytes(), (!balance).to_le_bytes()].concat()
}

fn balance(value: &[u8]) -> Option<u64> {
    let balance = u64::from_le_bytes(*value.first_chunk()?);
    (self::value(balance) == value).then_some(balance)
}

fn entries(keys: &[i32], balances: &[u64]) -> Vec<(i32, Vec<u8>)> {
    keys.iter().copied().zip(balances.iter().copied().map(value)).collect()
}

/// The accounts of a process: all of them or none, each whole, and the sum right.
fn check<'a>(
    owner: i32,
    values: impl Iterator<Item = Option<&'a Value>>,
    tally: &mut Tally,
) -> Result<()> {
    let values: Vec<_> = values.collect();
    if values.iter().all(Option::is_none) {
        return Ok(());
    }
    let balances: Option<Vec<u64>> = values.iter().map(|value| balance((*value)?)).collect();
    let sum = balances.as_ref().map(|balances| balances.iter().sum::<u64>());
    tally.whole(sum == Some(SUM), || format!("process {owner} has {sum:?}: {balances:?}"))
}

fn check_all(entries: Vec<(i32, Value)>, tally: &mut Tally) -> Result<()> {
    let entries: BTreeMap<i32, Value> = entries.into_iter().collect();
    for owner in 0..OWNERS {
        check(owner, keys(owner).iter().map(|key| entries.get(key)), tally)?;
    }
    Ok(())
}

pub(super) fn judge(tally: &mut Tally) -> Result<()> {
    let namespace = Namespace::from_env();
    let table = Table::<i32>::open(&namespace, &test_name(), &options(256, 16))?;
    // A write first: it repairs what the last death left.
    table.upsert(&-1, b"judge")?;
    let outcome = table.verify();
    tally.whole(outcome.is_ok(), || format!("{outcome:?}"))?;
    check_all(table.entries()?, tally)?;
    namespace.unlink(&test_name(), KIND)?;
    Ok(())
}
