//! The channel permutations of coupling blocks. Nothing is known here of what they permute.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::error::FlowError;

/// One random permutation of the channels per coupling block.
pub(crate) fn random(couplings: usize, channels: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let permutation = |_| {
        let mut order: Vec<usize> = (0..channels).collect();
        order.shuffle(&mut rng);
        order
    };
    (0..couplings).map(permutation).collect()
}

/// # Errors
/// [`FlowError::Permutations`] unless there is one of the channels per coupling block.
pub(crate) fn check(
    permutations: &[Vec<usize>],
    couplings: usize,
    channels: usize,
) -> Result<(), FlowError> {
    let permutes = |order: &Vec<usize>| {
        let mut sorted = order.clone();
        sorted.sort_unstable();
        sorted.into_iter().eq(0..channels)
    };
    match permutations.len() == couplings && permutations.iter().all(permutes) {
        true => Ok(()),
        false => Err(FlowError::Permutations { couplings, channels }),
    }
}
