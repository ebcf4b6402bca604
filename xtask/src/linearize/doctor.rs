//! A negative control in each run: one read of a history that was accepted is made stale.

use shm_harness::call_log::{Operation, Outcome, Step};

use super::search::Entry;

struct Read {
    index: usize,
    start: u64,
    end: u64,
    value: u64,
}

/// Changes one read so that it returns a value that had been replaced before the read started, and
/// returns the index of the read. Returns `None` if no read can be changed with certainty. Each
/// value must have been written only once.
///
/// Two reads show that a value had been replaced: one that returned the value, and a later one that
/// returned another. From then on, no read may return the first value again.
pub fn stale_read(history: &mut [Entry<Step>], random: u64) -> Option<usize> {
    let reads = history.iter().enumerate().filter_map(|(index, entry)| {
        let &Entry { call, start, end, .. } = entry;
        match (call.operation, call.outcome) {
            (Operation::Get, Some(Outcome::Value(Some(value)))) => {
                Some(Read { index, start, end, value })
            }
            _ => None,
        }
    });
    let mut reads = Vec::from_iter(reads);
    reads.sort_unstable_by_key(|read| read.start);
    let anywhere = usize::try_from(random).ok()? % reads.len().max(1);
    // From any place on or, if there are too few reads from there on, from the beginning.
    let (index, stale) = [anywhere, 0].into_iter().find_map(|from| {
        let reads = reads.get(from..)?;
        let next = |end: u64, value: u64| {
            reads.iter().find(|read| read.start > end && read.value != value)
        };
        reads.iter().find_map(|first| {
            let second = next(first.end, first.value)?;
            let third = next(second.end, first.value)?;
            Some((third.index, first.value))
        })
    })?;
    history.get_mut(index)?.call.outcome = Some(Outcome::Value(Some(stale)));
    Some(index)
}
