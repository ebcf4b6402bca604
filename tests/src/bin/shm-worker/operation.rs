//! One operation between two marks (SIGSTOP), traced by its parent.

pub mod claim;
pub mod publication;

use anyhow::Result;
use clap::ValueEnum;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use shm_core::Namespace;
use shm_tests::{options, pattern, test_name};
use slotmap_shm::{Eviction, Expiry, Table, TableOptions};

#[derive(clap::Args)]
pub struct Arguments {
    #[arg(long)]
    pub op: Operation,
    /// Do what a repair is to follow: a batch or a publication that will be killed.
    #[arg(long)]
    pub prelude: bool,
}

/// The operations that step-kill walks through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Operation {
    Add,
    Update,
    Upsert,
    Remove,
    Clear,
    Batch,
    /// Adds a key to a full table, which grows.
    Grow,
    Repair,
    Create,
    /// Creates a table of more than two huge pages.
    CreateLarge,
    /// Publishes a map under a free name.
    Share,
    /// Publishes a map over another one.
    ForceShare,
    /// Publishes over a map, after a publisher was killed.
    Settle,
    /// Removes a published name.
    RemoveName,
    /// Publishes what is in a table over a map.
    Freeze,
    /// Removes what killed publishers left.
    Prune,
    /// Opens a table whose lock is held by a dead thread.
    TakeoverStuck,
    /// Opens a table of an earlier boot, whose lock is held.
    TakeoverBoot,
    /// Opens a table whose writers lived in another pid namespace.
    TakeoverMoved,
    /// Updates a present key from a registered thread; then another process writes that key first.
    ClaimUpdate,
    /// The same; a batch comes first.
    ClaimUpdateBatch,
    /// The same; `verify` comes first.
    ClaimUpdateVerify,
    /// The first write of a thread.
    Register,
    /// The first write of a thread, which gets the record of a dead one.
    RegisterAgain,
    /// A registered thread drops its handle.
    UnregisterDrop,
    /// A registered thread ends.
    UnregisterThread,
    /// Writes a key that a dead writer has claimed.
    ResolveWrite,
    /// Writes a batch with such a key, under the lock.
    ResolveBatch,
    /// Checks a table with such a key.
    ResolveRecover,
    /// Updates a key for whose change others wait, without the lock.
    WakeUpdate,
    /// Removes such a key.
    WakeRemove,
    /// Removes entries that have expired.
    Expire,
    /// Adds a key to a full table, which evicts the oldest entry.
    Evict,
}

pub const VALUE_SIZE: usize = 40;
pub const OLD: u64 = 1;
pub const NEW: u64 = 2;
/// The key that single operations change, if it is present before.
pub const KEY: i32 = 3;
/// The keys that have expired before `expire`.
pub const EXPIRED: [i32; 2] = [KEY, 7];
/// The key that is evicted.
pub const OLDEST: i32 = 0;
/// The key that `add` adds.
pub const NEW_KEY: i32 = 500;

impl Operation {
    pub const fn capacity(self) -> usize {
        match self {
            Self::Batch => 128,
            _ => 16,
        }
    }

    /// The keys from 0 on that are present before, with values of sequence OLD.
    pub const fn entries(self) -> i32 {
        match self {
            Self::Batch => 100,
            Self::Grow | Self::Evict => 16,
            _ if self.is_creation() => 0,
            _ => 10,
        }
    }

    pub const fn is_publication(self) -> bool {
        use Operation::*;
        matches!(self, Share | ForceShare | Settle | RemoveName | Freeze | Prune)
    }

    pub const fn is_takeover(self) -> bool {
        matches!(self, Self::TakeoverStuck | Self::TakeoverBoot | Self::TakeoverMoved)
    }

    /// It is about registered writers and their claims.
    pub const fn is_claiming(self) -> bool {
        use Operation::*;
        matches!(self, ClaimUpdate | ClaimUpdateBatch | ClaimUpdateVerify)
            || matches!(self, Register | RegisterAgain | UnregisterDrop | UnregisterThread)
            || matches!(self, ResolveWrite | ResolveBatch | ResolveRecover)
    }

    /// Others wait for the change that it makes.
    pub const fn is_awaited(self) -> bool {
        matches!(self, Self::WakeUpdate | Self::WakeRemove)
    }

    pub const fn is_creation(self) -> bool {
        matches!(self, Self::Create | Self::CreateLarge)
    }

    pub fn table_options(self) -> TableOptions {
        let value_size = if matches!(self, Self::CreateLarge) { 160_000 } else { VALUE_SIZE };
        let options = options(self.capacity(), value_size);
        let geometry = options.geometry;
        match self {
            Self::Grow => options.max_capacity(64),
            Self::Expire => options.geometry(geometry.expiry(Expiry::ByEntry)),
            Self::Evict => options.geometry(geometry.eviction(Eviction::LeastRecentlyWritten)),
            _ => options,
        }
    }
}

/// The values of sequence NEW are shorter, so that a mixed-up length shows.
pub fn new_value(key: i32) -> Vec<u8> {
    pattern::value(key, NEW, VALUE_SIZE - 3)
}

pub fn old_value(key: i32) -> Vec<u8> {
    pattern::value(key, OLD, VALUE_SIZE)
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let namespace = Namespace::from_env();
    let op = arguments.op;
    if op.is_publication() {
        return publication::run(op, arguments.prelude);
    }
    if op.is_claiming() {
        return claim::run(op, arguments.prelude);
    }
    ptrace::traceme()?;
    if op.is_creation() {
        let (name, options) = (test_name(), op.table_options());
        raise(Signal::SIGSTOP)?;
        let table = Table::<i32>::create(&namespace, &name, &options)?;
        raise(Signal::SIGSTOP)?;
        drop(table);
        return Ok(());
    }
    if op.is_takeover() {
        let (name, options) = (test_name(), TableOptions::default());
        raise(Signal::SIGSTOP)?;
        let table = Table::<i32>::open(&namespace, &name, &options)?;
        raise(Signal::SIGSTOP)?;
        drop(table);
        return Ok(());
    }
    let table = Table::<i32>::open(&namespace, &test_name(), &TableOptions::default())?;
    let entries: Vec<(i32, Vec<u8>)> = (0..op.entries()).map(|k| (k, new_value(k))).collect();
    let (new, added) = (new_value(KEY), new_value(NEW_KEY));
    if op != Operation::Repair {
        // The operations `register` and `register-again` are about registering.
        let absent = table.update(&i32::MIN, b"");
        anyhow::ensure!(absent.is_err(), "a key that nobody has added");
    }
    raise(Signal::SIGSTOP)?;
    match op {
        Operation::Add | Operation::Grow | Operation::Evict => table.add(&NEW_KEY, &added)?,
        Operation::Expire => drop(table.expire(usize::MAX)?),
        Operation::Update | Operation::WakeUpdate => table.update(&KEY, &new)?,
        Operation::WakeRemove => table.remove(&KEY)?,
        Operation::Upsert => drop(table.upsert(&KEY, &new)?),
        Operation::Remove => table.remove(&KEY)?,
        Operation::Clear => table.clear()?,
        Operation::Batch => table.update_many(&entries)?,
        Operation::Repair if arguments.prelude => table.update_many(&entries)?,
        Operation::Repair => drop(table.recover()?),
        _ => {}
    }
    raise(Signal::SIGSTOP)?;
    Ok(())
}
