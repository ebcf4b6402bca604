//! A negative control in each run: one read of a history that was accepted is made stale.

use shm_harness::call_log::{Operation, Outcome, Step};

use super::search::Entry;

/// Changes one read so that it returns a value that had been replaced before the read started, and
/// returns its index. `None` if the history has no read that surely can be changed so. Each value
/// must be written only once.
///
/// Two reads show that a value had been replaced: one that saw the value, and after that one that
/// saw another. From then on nothing but the first value's own write could bring it back.
pub fn stale_read(history: &mut [Entry<Step>], random: u64) -> Option<usize> {
    let mut reads: Vec<(usize, u64, u64, u64)> = history
        .iter()
        .enumerate()
        .filter_map(|(index, entry)| match (entry.call.operation, entry.call.outcome?) {
            (Operation::Get, Outcome::Value(Some(value))) => {
                Some((entry.start, entry.end, index, value))
            }
            _ => None,
        })
        .map(|(start, end, index, value)| (index, start, end, value))
        .collect();
    reads.sort_unstable_by_key(|&(_, start, ..)| start);
    let from = usize::try_from(random % (reads.len().max(1) as u64)).ok()?;
    let later = |end: u64, value: u64, from: usize| {
        let mut reads = reads.iter().skip(from);
        reads.find(|&&(_, start, _, other)| start > end && other != value)
    };
    for start in [from, 0] {
        for &(_, _, end, stale) in reads.iter().skip(start) {
            let Some(&(_, _, end, _)) = later(end, stale, start) else { continue };
            if let Some(&(index, ..)) = later(end, stale, start) {
                history[index].call.outcome = Some(Outcome::Value(Some(stale)));
                return Some(index);
            }
        }
    }
    None
}
