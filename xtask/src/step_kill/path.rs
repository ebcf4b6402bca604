//! The way to an instruction. The process runs at full speed to the last place before it that
//! system calls and an address identify, and then step by step.

use std::collections::HashSet;

/// The instructions of an operation, in pieces that end with a system call.
pub(super) struct Path {
    /// Where each piece begins, counted in instructions; then where the last one ends.
    starts: Vec<u64>,
    /// For each instruction, the last one up to it that its piece had not reached before. A
    /// breakpoint there is hit at the right time. Empty if addresses differ from run to run.
    anchors: Vec<Anchor>,
}

#[derive(Clone, Copy, Debug)]
struct Anchor {
    /// Counted from the start of the piece.
    at: u64,
    address: u64,
}

/// An instruction, which is reached by this many system calls, then a breakpoint, then this many
/// steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) calls: u64,
    pub(super) breakpoint: Option<u64>,
    pub(super) steps: u64,
    /// How many instructions there are up to the last of the calls, and from there to the
    /// breakpoint.
    skipped: [u64; 2],
}

impl Place {
    /// How many instructions there are up to the first step.
    pub(super) fn skipped(self) -> u64 {
        self.skipped.iter().sum()
    }

    /// The same place without the breakpoint, for a run that took another path than the measured
    /// one.
    pub(super) fn stepped(self) -> Self {
        let [calls, breakpoint] = self.skipped;
        Self { breakpoint: None, steps: self.steps + breakpoint, skipped: [calls, 0], ..self }
    }
}

impl Path {
    /// Makes the path from the addresses on the way. `fixed` says that they are the same in each
    /// run.
    pub(super) fn new(pieces: &[Vec<u64>], fixed: bool) -> Self {
        let mut path = Self { starts: vec![0], anchors: Vec::new() };
        let mut start = 0;
        for piece in pieces {
            let mut seen = HashSet::new();
            let mut last = None;
            for (at, &address) in (0..).zip(piece) {
                if seen.insert(address) {
                    last = Some(Anchor { at, address });
                }
                path.anchors.extend(last.filter(|_| fixed));
            }
            start += piece.len() as u64;
            path.starts.push(start);
        }
        path
    }

    pub(super) fn instructions(&self) -> u64 {
        self.starts.last().copied().unwrap_or_default()
    }

    /// The place after that many instructions. The last piece has no end.
    pub(super) fn place(&self, instructions: u64) -> Place {
        let pieces = self.starts.len() - 1;
        let after = self.starts.partition_point(|&start| start <= instructions).min(pieces);
        let calls = after.saturating_sub(1);
        let start = self.starts.get(calls).copied().unwrap_or_default();
        // None beyond the end. At the start of a piece the process is there already.
        let anchor = self.anchors.get(instructions as usize).filter(|anchor| anchor.at > 0);
        let at = anchor.map_or(0, |anchor| anchor.at);
        Place {
            calls: calls as u64,
            breakpoint: anchor.map(|anchor| anchor.address),
            steps: instructions - start - at,
            skipped: [start, at],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(path: &Path, count: u64) -> Vec<(u64, Option<u64>, u64)> {
        let place = |at| {
            let place = path.place(at);
            assert_eq!(place.skipped() + place.steps, at);
            let stepped = place.stepped();
            assert_eq!(stepped.skipped() + stepped.steps, at);
            assert_eq!((stepped.breakpoint, stepped.calls), (None, place.calls));
            (place.calls, place.breakpoint, place.steps)
        };
        (0..count).map(place).collect()
    }

    #[test]
    fn places_are_told_by_calls_breakpoints_and_steps() {
        // A loop in the first piece, and the same code again in the second.
        let path = Path::new(&[vec![10, 11, 12, 11, 12, 13], vec![10, 11], vec![20]], true);
        assert_eq!(path.instructions(), 9);
        let first = [(0, None, 0), (0, Some(11), 0), (0, Some(12), 0), (0, Some(12), 1)];
        let second = [(0, Some(12), 2), (0, Some(13), 0), (1, None, 0), (1, Some(11), 0)];
        let last = [(2, None, 0), (2, None, 1), (2, None, 2)];
        assert_eq!(places(&path, 11), [&first[..], &second, &last].concat());
    }

    #[test]
    fn without_fixed_addresses_all_is_stepped() {
        let path = Path::new(&[vec![10, 11, 12], vec![13]], false);
        let expected = [(0, None, 0), (0, None, 1), (0, None, 2), (1, None, 0), (1, None, 1)];
        assert_eq!(places(&path, 5), expected);
    }
}
