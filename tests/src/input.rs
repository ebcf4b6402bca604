//! Operations from any bytes, as a fuzzer or a property test gives them.

/// Bytes that are taken from the front. Missing bytes count as zero.
pub(crate) struct Input<'a>(&'a [u8]);

impl Input<'_> {
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        byte
    }

    /// Takes this many bytes, or all that are left.
    pub(crate) fn take(&mut self, len: usize) -> Vec<u8> {
        let (bytes, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        bytes.to_vec()
    }
}

/// Takes operations until no bytes are left.
pub(crate) fn decode<Op>(bytes: &[u8], mut op: impl FnMut(&mut Input<'_>) -> Op) -> Vec<Op> {
    let mut input = Input(bytes);
    let mut ops = Vec::new();
    while !input.0.is_empty() {
        ops.push(op(&mut input));
    }
    ops
}
