//! Tables with keys of any type.

use slotmap_shm::{Access, ReadOnly, TableError, UntypedTable, Value};

use crate::failure::Failure;
use crate::maps::key::AnyKey;

/// A table that is open for reading only.
pub(crate) type Reader = UntypedTable<ReadOnly>;

/// All entries of a table, in the order of their keys.
pub(crate) struct Listing {
    pub(crate) entries: Vec<(AnyKey, Value)>,
    /// True if the entries are as they were at one moment.
    pub(crate) one_moment: bool,
    /// The number of slots that were left out because they are damaged.
    pub(crate) damaged: usize,
}

pub(crate) fn listing<A: Access>(table: &UntypedTable<A>) -> Result<Listing, Failure> {
    let slotmap_shm::Listing { mut entries, one_moment, damaged, .. } = table.listing()?;
    entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    Ok(Listing { entries, one_moment, damaged })
}

/// Returns the member of a batch that is at fault, if there is one, and the reason.
pub(crate) fn at_fault(error: TableError) -> (Option<usize>, Failure) {
    match error {
        TableError::InBatch { index, source } => (Some(index), (*source).into()),
        other => (None, other.into()),
    }
}
