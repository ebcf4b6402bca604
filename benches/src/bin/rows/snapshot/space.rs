//! Rows about space: bytes of an image besides the keys and values, for each key.

use anyhow::Result;
use shm_benches::dictionary::{Corpus, KeySet, Published};

use crate::report::Bench;

/// Most keys: 2^20.
const LOG: u32 = 20;

/// Measures them. How much depends on n alone: most for 2^k, where the last level of the tree has
/// one node, and least for 2^k - 1, where it is full.
pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    let rows = [
        ("snapshot space besides keys and values, worst n (2^k)", 0, false, Some(18.0)),
        ("snapshot space besides keys and values, best n (2^k - 1)", 1, false, Some(13.0)),
        ("snapshot space besides keys and values, hash index, worst n (2^k)", 0, true, None),
        ("snapshot space besides keys and values, hash index, best n (2^k - 1)", 1, true, None),
    ];
    for (work, less, hash_index, bar) in rows {
        if !bench.wants(work, "–") {
            continue;
        }
        let mut most: (f64, u32) = (0.0, 0);
        for k in 10..=LOG {
            let corpus = Corpus::new(KeySet::NumericIds, (1 << k) - less);
            let image = Published::image(&corpus.sorted, hash_index)?;
            let bytes = (image.len() - corpus.sorted.bytes()) as f64 / corpus.len() as f64;
            if bytes > most.0 {
                most = (bytes, k);
            }
        }
        let note = format!("the most of k = 10 to {LOG}, at k = {}", most.1);
        bench.figure(work, most.0, Some("bytes a key"), bar, Some(note));
    }
    Ok(())
}
