//! Operations on a table, the model they are checked against, and how both are made
//! from bytes: one enum for the property test and for the fuzz target.

mod model;

use crate::input::{self, Input};

pub use model::{Model, byte_strings, integers, strings};

/// Entries of the table under test: fewer than there are keys.
pub const CAPACITY: usize = 8;
/// Longest value of the table under test, in bytes.
pub const VALUE_SIZE: usize = 20;
/// Keys that the operations choose among.
pub const KEYS: u8 = 12;

/// One operation; keys are numbers below [`KEYS`] that [`Model`] turns into the key type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the table's methods are")]
pub enum Op {
    Add(u8, Vec<u8>),
    Update(u8, Vec<u8>),
    Upsert(u8, Vec<u8>),
    Remove(u8),
    Clear,
    AddMany(Vec<(u8, Vec<u8>)>),
    UpdateMany(Vec<(u8, Vec<u8>)>),
    UpsertMany(Vec<(u8, Vec<u8>)>),
    RemoveMany(Vec<u8>),
    /// The closure appends these bytes.
    UpdateWith(u8, Vec<u8>),
    /// Expects the present value if the flag is set, and these bytes otherwise.
    CompareExchange(u8, bool, Vec<u8>),
    FetchAdd(u8, i64),
    /// Key, difference, initial value.
    Increment(u8, i64, i64),
    GetMany(Vec<u8>),
    /// Drops the handle and opens the table again.
    Reopen,
}

/// Operations from any bytes: what the bytes do not tell is zero.
#[must_use]
pub fn decode(bytes: &[u8]) -> Vec<Op> {
    input::decode(bytes, |input| Parts(input).op())
}

/// What operations are made of.
struct Parts<'a, 'b>(&'a mut Input<'b>);

impl Parts<'_, '_> {
    fn key(&mut self) -> u8 {
        self.0.byte() % KEYS
    }

    /// Mostly values that fit, some of eight bytes (counters), some too long.
    fn value(&mut self) -> Vec<u8> {
        let byte = self.0.byte();
        let len = if byte & 0x80 != 0 { 8 } else { usize::from(byte) % (VALUE_SIZE + 2) };
        let seed = self.0.byte();
        (0..len).map(|at| seed.wrapping_mul(at as u8 | 1)).collect()
    }

    fn many<T>(&mut self, mut member: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let len = self.0.byte() % 6;
        (0..len).map(|_| member(self)).collect()
    }

    fn entry(&mut self) -> (u8, Vec<u8>) {
        (self.key(), self.value())
    }

    fn op(&mut self) -> Op {
        match self.0.byte() % 16 {
            0 => Op::Add(self.key(), self.value()),
            1 => {
                let number = |byte: u8| i64::from(byte as i8) << 56 | 1;
                Op::Increment(self.key(), number(self.0.byte()), number(self.0.byte()))
            }
            2 => Op::Update(self.key(), self.value()),
            3 | 4 => Op::Upsert(self.key(), self.value()),
            5 => Op::Remove(self.key()),
            6 => Op::AddMany(self.many(Self::entry)),
            7 => Op::UpdateMany(self.many(Self::entry)),
            8 => Op::UpsertMany(self.many(Self::entry)),
            9 => Op::RemoveMany(self.many(Self::key)),
            10 => Op::UpdateWith(self.key(), self.value()),
            11 => Op::CompareExchange(self.key(), self.0.byte() & 1 == 0, self.value()),
            12 => Op::FetchAdd(self.key(), i64::from(self.0.byte() as i8) << 56 | 1),
            13 => Op::GetMany(self.many(Self::key)),
            14 => Op::Reopen,
            _ if self.0.byte() < 64 => Op::Clear,
            _ => Op::Remove(self.key()),
        }
    }
}
