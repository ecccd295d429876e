//! The random numbers of a training, by purpose.

/// Purposes of the random numbers drawn from one seed.
#[derive(Clone, Copy)]
pub(crate) enum Draw {
    Permutations,
    FlowWeights,
    BmrWeights,
    FlowOrder,
    BmrOrder,
    Peer,
}

impl Draw {
    /// The seed of the purpose, of that of a configuration.
    pub(crate) fn seed(self, seed: u64) -> u64 {
        // An odd multiplier keeps different (seed, purpose) pairs apart.
        seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(self as u64)
    }
}
