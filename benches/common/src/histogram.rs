//! A histogram of durations, whose buckets grow with the durations.

/// Buckets of each doubling: a percentile is at most 1/32 too high.
const PARTS: u64 = 32;
/// Up to 2^64 ns.
const BUCKETS: usize = (PARTS * 60) as usize;

/// Counts durations in nanoseconds, in the way of HdrHistogram (Gil Tene): below 32, each has a
/// bucket; above, each doubling has 32 buckets of equal width. Recording costs a few instructions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }
}

impl Histogram {
    /// Counts one duration.
    #[inline]
    pub fn record(&mut self, ns: u64) {
        self.add(bucket(ns), 1);
    }

    /// Counts what another histogram has counted.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, &count) in other.counts.iter().enumerate() {
            self.add(bucket, count);
        }
    }

    /// How many durations were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The duration that a given part of all durations does not exceed: 0.99 for the 99th
    /// percentile, 1 for the longest. Rounded up to the end of its bucket.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Option<u64> {
        let wanted = (part * self.total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        let at = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        at.map(last_of)
    }

    /// The buckets that are not empty, as one word.
    #[must_use]
    pub fn encode(&self) -> String {
        let filled = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let pairs: Vec<String> = filled.map(|(at, count)| format!("{at}:{count}")).collect();
        if pairs.is_empty() { "-".to_owned() } else { pairs.join(",") }
    }

    /// The histogram that [`Histogram::encode`] wrote; `None` if the word is something else.
    #[must_use]
    pub fn decode(word: &str) -> Option<Self> {
        let mut this = Self::default();
        for pair in word.split(',').filter(|_| word != "-") {
            let (at, count) = pair.split_once(':')?;
            let at = at.parse().ok().filter(|at| *at < BUCKETS)?;
            this.add(at, count.parse().ok()?);
        }
        Some(this)
    }

    #[inline]
    fn add(&mut self, bucket: usize, count: u64) {
        if let Some(to) = self.counts.get_mut(bucket) {
            *to += count;
            self.total += count;
        }
    }
}

#[inline]
fn bucket(ns: u64) -> usize {
    // The duration is its five leading bits and what the shift drops, if it has more bits.
    let shift = (PARTS.leading_zeros()).saturating_sub(ns.leading_zeros());
    (u64::from(shift) * PARTS + (ns >> shift)) as usize
}

/// The longest duration of a bucket.
fn last_of(bucket: usize) -> u64 {
    let (bucket, doubled) = (bucket as u64, 2 * PARTS);
    if bucket < doubled {
        return bucket;
    }
    let shift = bucket / PARTS - 1;
    let next = u128::from(bucket - shift * PARTS + 1) << shift;
    u64::try_from(next - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Random;

    #[test]
    fn every_duration_is_in_the_bucket_that_ends_at_or_above_it() {
        let mut random = Random::new(1);
        let edges = (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        let anywhere = (0..10_000).map(|_| {
            let shift = random.below(64);
            random.next_u64() >> shift
        });
        for ns in edges.chain(anywhere).chain([u64::MAX]) {
            let at = bucket(ns);
            assert!(at < BUCKETS, "{ns}");
            assert!(last_of(at) >= ns && last_of(at) - ns <= ns / PARTS, "{ns}: {}", last_of(at));
            assert!(at == 0 || last_of(at - 1) < ns, "{ns} is in bucket {at}");
        }
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_durations() {
        let mut random = Random::new(2);
        let mut all: Vec<u64> = (0..50_000)
            .map(|_| {
                let shift = 40 + random.below(20);
                random.next_u64() >> shift
            })
            .collect();
        let mut halves = [Histogram::default(), Histogram::default()];
        for (at, &ns) in all.iter().enumerate() {
            halves[at % 2].record(ns);
        }
        let [mut histogram, other] = halves;
        histogram.merge(&other);
        all.sort_unstable();
        assert_eq!(histogram.total(), 50_000);
        for part in [0.0, 0.5, 0.99, 0.999, 1.0] {
            let exact = all[((part * 50_000.0) as usize).clamp(1, 50_000) - 1];
            let said = histogram.quantile(part).unwrap();
            assert!((exact..=exact + exact / PARTS).contains(&said), "{part}: {said} for {exact}");
        }
    }

    #[test]
    fn a_histogram_survives_its_text_and_other_text_is_refused() {
        let mut histogram = Histogram::default();
        assert_eq!(Histogram::decode(&histogram.encode()), Some(histogram.clone()));
        assert_eq!(histogram.quantile(0.5), None);
        for ns in [0, 31, 32, 20_000, 20_001, u64::MAX] {
            histogram.record(ns);
        }
        assert_eq!(Histogram::decode(&histogram.encode()), Some(histogram));
        for word in ["", "1", "1:", "a:1", "1:1,", "100000:1", "1:-1"] {
            assert_eq!(Histogram::decode(word), None, "{word:?}");
        }
    }
}
