//! Random numbers that a seed repeats, of the sizes that do harm.

/// A small generator (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.any() % end.max(1)
    }

    /// A word for shared memory. Often it is one that could pass for a length, a slot, a version or
    /// a tombstone.
    pub fn word(&mut self) -> u64 {
        let any = self.any();
        match self.below(10) {
            0 => 0,
            1 => u64::MAX - any % 8,
            2 | 3 => any % 8,
            4 => any % 300,
            5 => ((any % 64) << 32) | ((any >> 32) % 64),
            6 => 1 << (any % 64),
            7 => i64::MAX as u64 + any % 3,
            _ => any,
        }
    }
}
