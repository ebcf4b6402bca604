//! Which keys a writer writes.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};

use crate::workload::{CAPACITY, Cycle, Random, Workload};

/// The least number of keys in a cycle: the branch predictor must not learn their order.
const CYCLE: usize = 64 * 1024;

/// How often the key of rank r is written: r to the power of minus this. The value is that of YCSB
/// (Cooper et al. 2010).
const ZIPF: f64 = 0.99;

/// How the keys are spread over the writers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// Each writer has keys of its own: one of `parts` parts of the keys. Neighbours in the order
    /// of insertion belong to different writers.
    Own {
        /// The number of the part, from 0.
        part: usize,
        /// How many parts there are.
        parts: usize,
    },
    /// All writers write one key.
    Hot,
    /// All writers write all keys, a few of them often: 1 of 8 writes is of the first of 1024 keys.
    Zipf {
        /// The order of the keys depends on it.
        seed: u64,
    },
}

impl Spread {
    /// Keys to write, in random order.
    ///
    /// # Errors
    /// If there is no such part.
    pub fn cycle(self) -> Result<Cycle> {
        let work = Workload::new(CAPACITY);
        let keys = work.present();
        let drawn = |keys: &[i32], mut draw: Box<dyn FnMut() -> usize>| {
            Cycle::new((0..CYCLE).filter_map(|_| keys.get(draw()).copied()).collect())
        };
        Ok(match self {
            Self::Own { part, parts } => {
                ensure!(part < parts && parts <= keys.len(), "no part {part} of {parts}");
                let own: Vec<i32> = keys.iter().copied().skip(part).step_by(parts).collect();
                let (mut random, count) = (Random::new(3 + part as u64), own.len());
                drawn(&own, Box::new(move || random.below(count)))
            }
            Self::Hot => drawn(keys, Box::new(|| 0)),
            Self::Zipf { seed } => {
                let (mut random, below) = (Random::new(3 + seed), cumulated(keys.len()));
                let most = below.last().copied().unwrap_or(1.0);
                drawn(
                    keys,
                    Box::new(move || {
                        let drawn = random.next_u64() as f64 / u64::MAX as f64 * most;
                        below.partition_point(|&below| below <= drawn).min(below.len() - 1)
                    }),
                )
            }
        })
    }
}

/// The sums of the weights of the first 1, 2, 3 … of `count` keys.
fn cumulated(count: usize) -> Vec<f64> {
    let weights = (1..=count).map(|rank| (rank as f64).powf(-ZIPF));
    weights
        .scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        })
        .collect()
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own { part, parts } => write!(f, "own {part} {parts}"),
            Self::Hot => f.write_str("hot"),
            Self::Zipf { seed } => write!(f, "zipf {seed}"),
        }
    }
}

impl FromStr for Spread {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut words = text.split(' ');
        let name = words.next().unwrap_or_default();
        let mut number = || -> Result<u64> { Ok(words.next().context("a number")?.parse()?) };
        Ok(match name {
            "own" => Self::Own { part: number()? as usize, parts: number()? as usize },
            "hot" => Self::Hot,
            "zipf" => Self::Zipf { seed: number()? },
            other => bail!("no spread of keys {other:?}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    fn counts(spread: Spread) -> HashMap<i32, usize> {
        let mut counts = HashMap::new();
        spread.cycle().unwrap().next(CYCLE as u64, |keys| {
            for &key in keys {
                *counts.entry(key).or_default() += 1;
            }
        });
        counts
    }

    #[test]
    fn own_keys_are_nobody_elses_and_all_keys_belong_to_somebody() {
        let mut all = HashSet::new();
        for part in 0..8 {
            let own = counts(Spread::Own { part, parts: 8 });
            assert_eq!(own.len(), CAPACITY / 8);
            assert!(own.keys().all(|key| all.insert(*key)), "part {part} shares a key");
        }
        assert_eq!(all.len(), CAPACITY);
        assert!(Spread::Own { part: 8, parts: 8 }.cycle().is_err());
    }

    #[test]
    fn a_hot_key_is_one_key_and_ranks_of_zipf_fall_off() {
        assert_eq!(counts(Spread::Hot).len(), 1);
        let zipf = counts(Spread::Zipf { seed: 1 });
        let work = Workload::new(CAPACITY);
        let share = |rank: usize| zipf[&work.present()[rank - 1]] as f64 / CYCLE as f64;
        let sum = cumulated(CAPACITY)[CAPACITY - 1];
        for rank in [1, 2, 10] {
            let expected = (rank as f64).powf(-ZIPF) / sum;
            assert!((share(rank) / expected - 1.0).abs() < 0.1, "rank {rank}: {}", share(rank));
        }
        // The order differs, the ranks do not.
        let other = counts(Spread::Zipf { seed: 2 });
        assert_ne!(zipf, other);
        assert!(other[&work.present()[0]] > CYCLE / 10);
    }

    #[test]
    fn a_spread_survives_its_text() {
        for spread in
            [Spread::Own { part: 3, parts: 8 }, Spread::Hot, Spread::Zipf { seed: 1 << 40 }]
        {
            assert_eq!(spread.to_string().parse::<Spread>().unwrap(), spread);
        }
        for text in ["", "own", "own 1", "zipf", "zipf -1", "cold"] {
            assert!(text.parse::<Spread>().is_err(), "{text:?}");
        }
    }
}
