//! What a write of one key expects, and what it did.

/// Whether a write expects its key to be present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutMode {
    /// The key must be absent.
    Add,
    /// The key must be present.
    Update,
    /// The key may be present or absent.
    Upsert,
}

/// Whether an upsert added an entry or replaced a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upserted {
    /// The key was absent. It now has an entry.
    Inserted,
    /// The key was present. Its value was replaced.
    Updated,
}
