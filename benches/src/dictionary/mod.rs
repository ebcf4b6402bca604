//! What the ordered snapshot is compared with: dictionaries from byte strings to byte strings,
//! behind one trait, so that the measured loops are the same code.
//!
//! - [`KeySet`], [`Corpus`]: the keys, present and absent, and their values. [`Queries`]: what is
//!   asked for.
//! - [`Frozen`], [`Published`]: the snapshot, in private memory and in a shared mapping.
//! - [`Tree`], [`HashMap`], [`Sorted`], [`LmdbDictionary`], [`Fst`]: its peers. They own their keys
//!   and values, as an ordinary map does.

mod corpus;
mod frozen;
mod keys;
mod loops;
mod numbers;
mod peers;
mod queries;

pub use corpus::{Corpus, Entries, Value};
pub use frozen::{Frozen, Published};
pub use keys::{KeyList, KeySet};
pub use loops::{Dictionary, Fold, chained_gets, full_scan, gets, range_scans};
pub use numbers::ByNumber;
pub use peers::{Fst, HashMap, LmdbDictionary, Sorted, Tree, hash_map, tree, tree_of_single};
pub use queries::{Asked, Queries};
